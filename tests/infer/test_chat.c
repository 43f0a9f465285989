/* test_chat.c - conversations: turns, templates, what is seen again, contexts
 * that fill up.  The model is tiny and says nothing sensible. */
#include "base/file.h"
#include "base/text.h"
#include "infer/infer.h"
#include "tests/test.h"

typedef struct fixture {
    ar_model *m;
    ar_engine *e;
    chat *c;
    ar_sampler *greedy;
    text said;
    int64_t stop_after; /* pieces; 0 = never */
} fixture;

static void open_chat(fixture *f, const char *file, int64_t context) {
    char path[128];
    snprintf(path, sizeof path, "gguf/%s", file);
    *f = (fixture){0};
    assert_ok(ar_model_open(&f->m, test_golden(path), err));
    if (context) config_set_context(&f->m->config, context);
    assert_ok(ar_engine_open(&f->e, f->m, NULL, err));
    assert_ok(chat_open(&f->c, f->m, f->e, NULL, err));
    ar_sample_options o = ar_sample_options_default();
    o.temperature = 0;
    assert_ok(ar_sampler_open(&f->greedy, &o, f->m->config.n_vocab, 0, err));
}

static void close_chat(fixture *f) {
    chat_close(f->c);
    ar_sampler_close(f->greedy);
    ar_engine_close(f->e);
    ar_model_close(f->m);
    text_close(&f->said);
}

static bool listen(void *ctx, const char *p, size_t n) {
    fixture *f = ctx;
    text_add(&f->said, p, n);
    return f->stop_after == 0 || --f->stop_after > 0;
}

static chat_stats ask(fixture *f, const char *question, int64_t n) {
    chat_stats s;
    const chat_request r = {
        .sampler = f->greedy, .n = n, .on_text = listen, .ctx = f};
    text_clear(&f->said);
    assert_ok(chat_say(f->c, "user", question, err));
    assert_ok(chat_answer(f->c, &r, &s, err));
    return s;
}

static const char *last_turn(const fixture *f) {
    const json_t *turns = chat_turns(f->c);
    return json_string_value(json_object_get(
        json_array_get(turns, json_array_size(turns) - 1), "content"));
}

void test_chat_turns(void **state) {
    (void)state;
    fixture f;
    open_chat(&f, "qwen3_q8_0.gguf", 0);
    assert_true(chat_has_template(f.c));
    assert_ok(chat_say(f.c, "system", "Be brief.", err));
    const chat_stats first = ask(&f, "Hello", 8);
    assert_true(first.n_answer > 0 && first.n_answer <= 8);
    assert_int_equal(first.n_new, first.n_prompt);
    assert_string_equal(last_turn(&f), f.said.data);
    const chat_stats second = ask(&f, "And then?", 8);
    assert_true(second.n_new < second.n_prompt - first.n_prompt / 2);
    assert_int_equal(json_array_size(chat_turns(f.c)), 5);
    assert_true(chat_undo(f.c));
    assert_int_equal(json_array_size(chat_turns(f.c)), 3);
    chat_reset(f.c);
    assert_int_equal(json_array_size(chat_turns(f.c)), 1);
    assert_false(chat_undo(f.c));
    assert_ok(chat_say(f.c, "system", "", err));
    assert_int_equal(json_array_size(chat_turns(f.c)), 0);
    close_chat(&f);
}

/* What is left of an earlier text changes no later answer. */
void test_chat_same_answer(void **state) {
    (void)state;
    fixture f;
    open_chat(&f, "qwen3_q8_0.gguf", 0);
    ask(&f, "Who are you?", 12);
    text first = {0};
    text_add(&first, f.said.data, f.said.size);
    assert_ok(text_status(&first, err));
    chat_reset(f.c);
    ask(&f, "Who was that, and what else did they say?", 12);
    chat_reset(f.c);
    ask(&f, "Who are you?", 12);
    assert_string_equal(f.said.data, first.data);
    text_close(&first);
    close_chat(&f);
}

void test_chat_stops(void **state) {
    (void)state;
    fixture f;
    open_chat(&f, "qwen3_q8_0.gguf", 0);
    f.stop_after = 3;
    const chat_stats s = ask(&f, "Tell me everything", 100);
    assert_true(s.n_answer < 100);
    assert_string_equal(last_turn(&f), f.said.data);
    close_chat(&f);
}

/* Stopped while it reads: there is no answer, and the next is as it would have
 * been. */
void test_chat_cancelled(void **state) {
    (void)state;
    fixture f;
    open_chat(&f, "qwen3_q8_0.gguf", 0);
    volatile sig_atomic_t cancel = 1;
    const ar_sync_options sync = {.cancel = &cancel};
    const chat_request r = {
        .sampler = f.greedy, .sync = &sync, .on_text = listen, .ctx = &f};
    chat_stats s;
    assert_ok(chat_say(f.c, "user", "Who are you?", err));
    assert_fails(AR_CANCELLED, "stopped", chat_answer(f.c, &r, &s, err));
    assert_int_equal(json_array_size(chat_turns(f.c)), 1);
    assert_true(chat_undo(f.c));
    ask(&f, "Who are you?", 12);
    text first = {0};
    text_add(&first, f.said.data, f.said.size);
    close_chat(&f);
    open_chat(&f, "qwen3_q8_0.gguf", 0);
    ask(&f, "Who are you?", 12);
    assert_string_equal(f.said.data, first.data);
    text_close(&first);
    close_chat(&f);
}

/* The oldest question goes with its answer; the system's turn stays. */
void test_chat_drops_oldest(void **state) {
    (void)state;
    fixture f;
    int64_t dropped = 0;
    open_chat(&f, "qwen3_q8_0.gguf", 160);
    assert_ok(chat_say(f.c, "system", "Be brief.", err));
    for (int i = 0; i < 6; i++) {
        const chat_stats s = ask(&f, "one two three four five", 8);
        assert_true(s.n_prompt < 160);
        dropped += s.n_dropped;
    }
    assert_true(dropped >= 2 && dropped % 2 == 0);
    const json_t *turns = chat_turns(f.c);
    assert_string_equal(
        json_string_value(json_object_get(json_array_get(turns, 0), "role")),
        "system");
    assert_string_equal(
        json_string_value(json_object_get(json_array_get(turns, 1), "role")),
        "user");
    close_chat(&f);
}

/* A question that no context can hold is an error that names both sizes. */
void test_chat_too_long(void **state) {
    (void)state;
    fixture f;
    chat_stats s;
    chat_request r = {0};
    open_chat(&f, "qwen3_q8_0.gguf", 96);
    r.sampler = f.greedy;
    text t = {0};
    for (int i = 0; i < 400; i++) text_adds(&t, "x y z ");
    assert_ok(chat_say(f.c, "user", t.data, err));
    assert_fails(AR_RANGE, "the model's context is 96",
                 chat_answer(f.c, &r, &s, err));
    assert_fails(AR_FORMAT, "UTF-8", chat_say(f.c, "user", "\xff", err));
    text_close(&t);
    close_chat(&f);
}

/* Without a template the text goes on. */
void test_chat_without_template(void **state) {
    (void)state;
    fixture f;
    open_chat(&f, "gpt2_q8_0.gguf", 0);
    assert_false(chat_has_template(f.c));
    const chat_stats s = ask(&f, "In the beginning", 6);
    assert_true(s.n_answer > 0 && s.n_answer <= 6);
    close_chat(&f);
}

void test_chat_files(void **state) {
    (void)state;
    fixture f;
    char path[4096];
    snprintf(path, sizeof path, "%s/turns.json", test_folder());
    open_chat(&f, "qwen3_q8_0.gguf", 0);
    ask(&f, "Hello", 4);
    assert_ok(chat_save(f.c, path, err));
    json_t *before = json_deep_copy(chat_turns(f.c));
    chat_reset(f.c);
    assert_ok(chat_load(f.c, path, err));
    assert_true(json_equal(before, chat_turns(f.c)));
    assert_fails(AR_IO, "none", chat_load(f.c, "/none/at/all", err));
    assert_ok(file_replace(path, "{\"role\": 1}", 11, err));
    assert_fails(AR_FORMAT, "not a list", chat_load(f.c, path, err));
    assert_true(json_equal(before, chat_turns(f.c)));
    json_decref(before);
    close_chat(&f);
}
