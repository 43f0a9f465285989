/* test_public.c - the library as a user has it: public headers alone.
 *
 * tests/cli/library.sh builds this file once more, from what is installed. */
#include <stdlib.h>

#include <arcane/generate.h>
#include <arcane/grammar.h>
#include <arcane/model.h>
#include <arcane/sample.h>
#include <arcane/session.h>
#include <arcane/template.h>
#include <arcane/tokenizer.h>
#include <arcane/types.h>

#include "tests/model/golden_io.h"

enum { MOST = 256, VOCAB = 512, GREEDY = 24 };

/* An open model and what is recorded of it. */
typedef struct opened {
    ar_model *model;
    ar_model_facts facts;
    ar_tokenizer *tok; /* NULL if it has none */
    ar_engine *engine;
    ar_session *s;
    int32_t prompt[MOST], greedy[MOST];
    int64_t n, n_greedy;
} opened;

static opened *open_model(const char *path, const char *record,
                          const ar_engine_options *o) {
    opened *x = calloc(1, sizeof *x);
    assert_non_null(x);
    json_t *io = golden_json(record);
    const json_t *which = json_object_get(io, "greedy_prompt");
    x->n = golden_ids(json_array_get(json_object_get(io, "prompts"),
                                     (size_t)json_integer_value(which)),
                      x->prompt, MOST);
    x->n_greedy = golden_ids(json_object_get(io, "greedy"), x->greedy, GREEDY);
    json_decref(io);
    assert_ok(ar_model_open(&x->model, path, err));
    ar_model_describe(x->model, &x->facts);
    assert_true(x->facts.n_vocab <= VOCAB);
    assert_ok(ar_model_tokenizer(&x->tok, x->model, err));
    assert_ok(ar_engine_open(&x->engine, x->model, o, err));
    assert_ok(ar_session_open(&x->s, x->engine, err));
    return x;
}

static opened *open_qwen(const ar_engine_options *o) {
    return open_model(test_golden("gguf/qwen3_q8_0.gguf"),
                      test_golden("gguf/qwen3_q8_0.json"), o);
}

static void close_model(opened *x) {
    ar_session_close(x->s);
    ar_engine_close(x->engine);
    ar_tokenizer_close(x->tok);
    ar_model_close(x->model);
    free(x);
}

/* The likeliest tokens behind `text`, whose last logits are y [V]. */
static void check_greedy(ar_session *s, const opened *x, double *y,
                         int64_t first) {
    ar_sample_options o = ar_sample_options_default();
    ar_sampler *sampler;
    o.temperature = 0;
    assert_ok(ar_sampler_open(&sampler, &o, x->facts.n_vocab, 0, err));
    for (int64_t i = first; i < x->n_greedy; i++) {
        const ar_sample_input in = {y, NULL, 0, x->n + i};
        int32_t id;
        assert_ok(ar_sampler_next(sampler, &in, &id, err));
        assert_int_equal(id, x->greedy[i]);
        assert_ok(ar_session_feed(s, &id, 1, false, y, err));
    }
    ar_sampler_close(sampler);
}

/* Models of several kinds write what is recorded. */
void test_public_greedy(void **state) {
    static const char *const folders[] = {
        "llama", "gpt2", "gemma3_text", "mamba2", "deepseek_v3", "qwen3_moe"};
    (void)state;
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        double y[VOCAB];
        opened *x = open_model(golden_model(folders[i], ""),
                               golden_model(folders[i], "io.json"), NULL);
        assert_string_equal(x->facts.family, folders[i]);
        assert_true(x->facts.n_params > 1000 && x->facts.n_layers > 0);
        assert_ok(ar_session_sync(x->s, x->prompt, x->n, NULL, y, err));
        check_greedy(x->s, x, y, 0);
        assert_int_equal(ar_session_length(x->s), x->n + x->n_greedy);
        close_model(x);
    }
}

/* A fork and a session from a file go on as the first one would. */
void test_public_fork(void **state) {
    (void)state;
    char path[512];
    double y[VOCAB], z[VOCAB];
    opened *x = open_qwen(NULL);
    ar_session *fork, *loaded;
    snprintf(path, sizeof path, "%s/session", test_folder());
    assert_ok(ar_session_sync(x->s, x->prompt, x->n, NULL, y, err));
    assert_ok(ar_session_feed(x->s, x->greedy, 5, false, y, err));
    memcpy(z, y, sizeof z);
    assert_ok(ar_session_fork(&fork, x->s, err));
    assert_ok(ar_session_save(x->s, path, err));
    check_greedy(x->s, x, y, 5);
    check_greedy(fork, x, z, 5);
    assert_memory_equal(y, z, (size_t)x->facts.n_vocab * sizeof *y);
    assert_ok(ar_session_load(&loaded, x->engine, path, err));
    assert_int_equal(ar_session_length(loaded), x->n + 5);
    assert_ok(
        ar_session_feed(loaded, x->greedy + 5, x->n_greedy - 5, false, z, err));
    assert_memory_equal(y, z, (size_t)x->facts.n_vocab * sizeof *y);
    int32_t ids[MOST];
    ar_session_tokens(loaded, 0, x->n, ids);
    assert_memory_equal(ids, x->prompt, (size_t)x->n * sizeof *ids);
    ar_session_close(loaded);
    ar_session_close(fork);
    ar_session *none = fork;
    assert_fails(AR_IO, "nothing",
                 ar_session_load(&none, x->engine, "/nothing/here", err));
    assert_null(none);
    close_model(x);
}

/* Prompts and answers of several texts in one step: bit for bit those of texts
 * that are alone. */
void test_public_step(void **state) {
    (void)state;
    enum { N = 3 };
    static double y[N][VOCAB], alone[N][VOCAB], all[GREEDY * VOCAB];
    opened *x = open_qwen(NULL);
    const size_t row = (size_t)x->facts.n_vocab * sizeof(double);
    ar_session *s[N], *one;
    for (int i = 0; i < N; i++)
        assert_ok(ar_session_open(&s[i], x->engine, err));
    assert_ok(ar_session_sync(s[1], x->prompt, x->n, NULL, NULL, err));
    const ar_engine_part parts[] = {
        {s[0], x->prompt, x->n, AR_LOGITS_LAST, y[0], 0},
        {s[1], x->greedy, 1, AR_LOGITS_LAST, y[1], 0},
        {s[2], x->greedy, x->n_greedy, AR_LOGITS_ALL, all, 0}};
    assert_ok(ar_engine_step(x->engine, parts, N, err));
    const int64_t had[] = {0, x->n, 0};
    for (int i = 0; i < N; i++) {
        assert_ok(ar_session_open(&one, x->engine, err));
        if (had[i])
            assert_ok(
                ar_session_feed(one, x->prompt, had[i], false, NULL, err));
        assert_ok(ar_session_feed(one, parts[i].tokens, parts[i].n, false,
                                  alone[i], err));
        assert_memory_equal(i == 2 ? all + (x->n_greedy - 1) * x->facts.n_vocab
                                   : y[i],
                            alone[i], row);
        ar_session_close(one);
    }
    assert_fails(AR_RANGE, "same",
                 ar_engine_step(x->engine,
                                (ar_engine_part[]){parts[0], parts[0]}, 2,
                                err));
    for (int i = 0; i < N; i++) ar_session_close(s[i]);
    close_model(x);
}

/* A step that does not fit changes no text; those that fit go on. */
void test_public_full(void **state) {
    (void)state;
    ar_engine_options o = ar_engine_options_default();
    o.page = 4;
    o.max_tokens = 16;
    double y[VOCAB], z[VOCAB];
    opened *x = open_qwen(&o);
    ar_session *other;
    assert_ok(ar_session_open(&other, x->engine, err));
    assert_ok(ar_session_feed(x->s, x->prompt, 5, false, NULL, err));
    assert_ok(ar_session_feed(other, x->greedy, 4, false, NULL, err));
    const ar_engine_part parts[] = {
        {x->s, x->prompt + 5, 2, AR_LOGITS_LAST, y, 0},
        {other, x->greedy + 4, 8, AR_LOGITS_LAST, z, 0}};
    assert_fails(AR_FULL, "", ar_engine_step(x->engine, parts, 2, err));
    assert_int_equal(ar_session_length(x->s), 5);
    assert_int_equal(ar_session_length(other), 4);
    assert_ok(ar_engine_step(x->engine, parts, 1, err));
    check_greedy(x->s, x, y, x->n_greedy); /* y is whole */
    ar_session_close(other);
    assert_ok(ar_session_sync(x->s, x->prompt, x->n, NULL, z, err));
    assert_memory_equal(y, z, (size_t)x->facts.n_vocab * sizeof *y);
    close_model(x);
}

typedef struct watch {
    int64_t last, total;
    int calls, stop_at;
} watch;

static int on_progress(void *ctx, int64_t done, int64_t total) {
    watch *w = ctx;
    assert_true(done >= w->last && done <= total);
    w->last = done;
    w->total = total;
    return ++w->calls == w->stop_at;
}

/* A text that is stopped is a beginning; what is there is not run again. */
void test_public_sync(void **state) {
    (void)state;
    ar_engine_options o = ar_engine_options_default();
    o.max_rows = 4;
    double y[VOCAB], z[VOCAB];
    int32_t ids[40];
    opened *x = open_qwen(&o);
    for (int i = 0; i < 40; i++) ids[i] = x->prompt[i % x->n] + i;
    watch w = {.stop_at = 4};
    ar_sync_options sync = {.progress = on_progress, .ctx = &w};
    assert_fails(AR_CANCELLED, "of 40",
                 ar_session_sync(x->s, ids, 40, &sync, y, err));
    assert_int_equal(w.total, 40);
    const int64_t there = ar_session_length(x->s);
    assert_true(there > 0 && there < 40);
    const int64_t before = ar_engine_rows_run(x->engine);
    sync.progress = NULL;
    assert_ok(ar_session_sync(x->s, ids, 40, &sync, y, err));
    assert_int_equal(ar_engine_rows_run(x->engine) - before, 40 - there);
    volatile sig_atomic_t cancel = 1;
    sync.cancel = &cancel;
    assert_fails(AR_CANCELLED, "",
                 ar_session_sync(x->s, x->prompt, x->n, &sync, y, err));
    ar_session_rewind(x->s, 0);
    assert_ok(ar_session_feed(x->s, ids, 17, false, NULL, err));
    assert_ok(ar_session_feed(x->s, ids + 17, 23, false, z, err));
    ar_session_rewind(x->s, 11);
    assert_int_equal(ar_session_length(x->s), 11);
    assert_ok(ar_session_sync(x->s, ids, 40, NULL, y, err));
    assert_memory_equal(y, z, (size_t)x->facts.n_vocab * sizeof *y);
    close_model(x);
}

/* What a writer is told. */
typedef struct heard {
    char text[4096];
    size_t size;
    int32_t ids[MOST];
    int64_t n, stop_after;
} heard;

static bool on_text(void *ctx, const char *p, size_t n) {
    heard *h = ctx;
    assert_true(n && h->size + n < sizeof h->text);
    memcpy(h->text + h->size, p, n);
    h->size += n;
    h->text[h->size] = 0;
    return true;
}

static bool on_token(void *ctx, int32_t id) {
    heard *h = ctx;
    h->ids[h->n++] = id;
    return h->n != h->stop_after;
}

static ar_write_result write_with(opened *x, ar_generator *g,
                                  ar_write_options o, heard *h) {
    ar_write_result result;
    const int64_t stop_after = h->stop_after;
    *h = (heard){.stop_after = stop_after};
    o.tokenizer = x->tok;
    o.on_token = on_token;
    o.on_text = on_text;
    o.ctx = h;
    if (!o.n) o.n = x->n_greedy;
    assert_ok(ar_generator_begin(g, x->prompt, x->n, NULL, err));
    assert_ok(ar_generator_write(g, &o, &result, err));
    assert_int_equal(result.n, h->n);
    return result;
}

/* Writing: the recorded text, and each way in which it ends. */
void test_public_write(void **state) {
    (void)state;
    heard h = {0};
    opened *x = open_qwen(NULL);
    ar_generator *g;
    ar_write_options o = ar_write_options_default();
    assert_ok(ar_generator_open(&g, x->s, NULL, err));
    ar_write_result r = write_with(x, g, o, &h);
    assert_int_equal(r.end, AR_END_LENGTH);
    assert_int_equal(r.n, x->n_greedy);
    assert_memory_equal(h.ids, x->greedy, (size_t)r.n * sizeof *h.ids);
    int64_t n;
    const int32_t *ids = ar_generator_text(g, &n);
    assert_int_equal(n, x->n + r.n);
    assert_memory_equal(ids, x->prompt, (size_t)x->n * sizeof *ids);
    char whole[4096];
    memcpy(whole, h.text, sizeof whole);
    const char *stops[] = {"never there", " handl", "han"};
    assert_non_null(strstr(whole, stops[1])); /* of several tokens */
    o.stops = stops;
    o.n_stops = 3;
    r = write_with(x, g, o, &h);
    assert_int_equal(r.end, AR_END_STOP);
    assert_ptr_equal(r.stop, stops[2]); /* it ends first */
    assert_int_equal(h.size, strstr(whole, "han") - whole);
    assert_memory_equal(h.text, whole, h.size);
    o.n_stops = 0;
    o.ends = &x->greedy[7];
    o.n_ends = 1;
    r = write_with(x, g, o, &h);
    assert_int_equal(r.end, AR_END_TOKEN);
    assert_int_equal(r.n, 7);
    h.stop_after = 3;
    r = write_with(x, g, o, &h);
    assert_int_equal(r.end, AR_END_CALLER);
    assert_int_equal(r.n, 3);
    volatile sig_atomic_t cancel = 1;
    o.cancel = &cancel;
    h.stop_after = 0;
    assert_int_equal(write_with(x, g, o, &h).n, 1);
    stops[0] = "";
    o.n_stops = 1;
    o.tokenizer = x->tok;
    assert_fails(AR_RANGE, "empty", ar_generator_write(g, &o, NULL, err));
    o.tokenizer = NULL;
    assert_fails(AR_RANGE, "tokenizer", ar_generator_write(g, &o, NULL, err));
    ar_generator_close(g);
    close_model(x);
}

/* Without a tokenizer, to the end of the context: one more token than it. */
void test_public_write_ids(void **state) {
    (void)state;
    opened *x = open_model(golden_model("llama", ""),
                           golden_model("llama", "io.json"), NULL);
    const int32_t none = -1;
    ar_write_options o = ar_write_options_default();
    ar_write_result r;
    ar_generator *g;
    int64_t n;
    assert_null(x->tok);
    o.ends = &none;
    o.n_ends = 1;
    assert_ok(ar_generator_open(&g, x->s, NULL, err));
    assert_ok(ar_generator_begin(g, x->prompt, x->n, NULL, err));
    assert_ok(ar_generator_write(g, &o, &r, err));
    assert_int_equal(r.end, AR_END_LENGTH);
    assert_int_equal(r.n, x->facts.n_ctx + 1 - x->n);
    assert_memory_equal(ar_generator_text(g, &n) + x->n, x->greedy,
                        (size_t)x->n_greedy * sizeof *x->greedy);
    assert_ok(ar_generator_write(g, &o, &r, err));
    assert_int_equal(r.n, 0);
    ar_generator_close(g);
    close_model(x);
}

/* A schema holds whatever the seed. */
void test_public_schema(void **state) {
    (void)state;
    static const char schema[] =
        "{\"type\": \"object\", \"properties\": {\"age\": {\"type\": "
        "\"integer\", \"minimum\": 18, \"maximum\": 99}}, \"required\": "
        "[\"age\"]}";
    heard h = {0};
    opened *x = open_qwen(NULL);
    ar_grammar *grammar;
    ar_token_tree *tree;
    ar_grammar_mask *mask;
    ar_generator *g;
    const ar_grammar_mask_options limits = {NULL, 0, x->facts.n_vocab};
    ar_write_options o = ar_write_options_default();
    assert_ok(
        ar_grammar_from_schema(&grammar, "age", schema, strlen(schema), err));
    assert_ok(ar_token_tree_open(&tree, x->tok, err));
    assert_ok(ar_grammar_mask_open(&mask, grammar, tree, &limits, err));
    assert_ok(ar_generator_open(&g, x->s, NULL, err));
    o.mask = mask;
    o.n = 64;
    for (uint64_t seed = 0; seed < 5; seed++) {
        ar_sample_options sample = ar_sample_options_default();
        sample.temperature = 1.5;
        sample.seed = seed;
        assert_ok(
            ar_sampler_open(&o.sampler, &sample, x->facts.n_vocab, MOST, err));
        assert_ok(ar_grammar_mask_reset(mask, err));
        assert_int_equal(write_with(x, g, o, &h).end, AR_END_GRAMMAR);
        json_t *made = json_loads(h.text, 0, NULL);
        const json_int_t age = json_integer_value(json_object_get(made, "age"));
        assert_true(age >= 18 && age <= 99);
        json_decref(made);
        ar_sampler_close(o.sampler);
    }
    ar_generator_close(g);
    ar_grammar_mask_close(mask);
    ar_token_tree_close(tree);
    ar_grammar_close(grammar);
    assert_fails(AR_FORMAT, "bad",
                 ar_grammar_open(&grammar, "bad", "root ::= (", 10, err));
    assert_null(grammar);
    close_model(x);
}

/* Text to ids and back, and turns to the text of a prompt. */
void test_public_text(void **state) {
    (void)state;
    opened *x = open_qwen(NULL);
    json_t *io = golden_json(test_golden("gguf/qwen3_q8_0.json"));
    const json_t *cases = json_object_get(io, "tokenizer");
    assert_true(json_array_size(cases) > 5);
    for (size_t i = 1; i < json_array_size(cases); i++) {
        const json_t *one = json_array_get(cases, i);
        const char *text = json_string_value(json_object_get(one, "text"));
        int32_t ids[MOST], want[MOST];
        char back[512];
        size_t n, size;
        assert_ok(ar_tokenizer_encode(x->tok, text, strlen(text), 0, ids, MOST,
                                      &n, err));
        assert_int_equal(n,
                         golden_ids(json_object_get(one, "ids"), want, MOST));
        assert_memory_equal(ids, want, n * sizeof *ids);
        assert_ok(ar_tokenizer_decode(x->tok, ids, n, 0, back, sizeof back,
                                      &size, err));
        /* the same text, but for what is normalised */
        assert_ok(
            ar_tokenizer_encode(x->tok, back, size, 0, ids, MOST, &n, err));
        assert_memory_equal(ids, want, n * sizeof *ids);
        if (i < 5) assert_memory_equal(back, text, size);
    }
    json_decref(io);
    static const char turns[] =
        "{\"messages\": [{\"role\": \"user\", \"content\": \"Hi there\"}], "
        "\"add_generation_prompt\": true}";
    ar_template *t;
    ar_template_result result;
    assert_ok(ar_model_template(&t, x->model, err));
    assert_non_null(t);
    assert_ok(ar_template_render(t, turns, strlen(turns), NULL, &result, err));
    assert_non_null(strstr(result.text, "Hi there"));
    ar_template_result_close(&result);
    ar_template_close(t);
    int32_t ends[AR_MODEL_ENDS];
    assert_true(ar_model_ends(x->model, x->tok, true, ends) >= 1);
    assert_int_equal(ends[0], x->facts.eos);
    close_model(x);
}

/* Draws follow seed and position; log-probabilities are of one distribution. */
void test_public_sampler(void **state) {
    (void)state;
    enum { V = 6 };
    const double y[V] = {1, 2, 3, 0.5, -1, 2.5};
    const int32_t history[] = {2, 2, 5};
    const ar_sample_bias bias = {0, -INFINITY};
    ar_sample_options o = ar_sample_options_default();
    ar_sampler *a, *b;
    double probs[V], sum = 0, chosen;
    ar_sample_logprob top[V];
    o.seed = 3;
    o.repetition = 1.5;
    o.bias = &bias;
    o.n_bias = 1;
    assert_ok(ar_sample_order(&o, "logit_bias,repetition,top_k", err));
    assert_ok(ar_sampler_open(&a, &o, V, 8, err));
    assert_ok(ar_sampler_open(&b, &o, V, 8, err));
    for (int64_t i = 0; i < 50; i++) {
        const ar_sample_input in = {y, history, 3, i};
        int32_t p, q;
        assert_ok(ar_sampler_next(a, &in, &p, err));
        assert_ok(ar_sampler_next(b, &in, &q, err));
        assert_int_equal(p, q);
        assert_true(p != 0);
    }
    const ar_sample_input in = {y, history, 3, 0};
    assert_ok(ar_sampler_probs(a, &in, probs, err));
    for (int i = 0; i < V; i++) sum += probs[i];
    assert_near(sum, 1, 1e-12);
    assert_true(probs[0] == 0);
    assert_near(log(probs[1] / probs[2]), 2 - 3 / 1.5, 1e-12);
    assert_int_equal(ar_sampler_logprobs(a, NULL, 1, &chosen, top, V), V - 1);
    assert_near(chosen, log(probs[1]), 1e-12);
    assert_int_equal(ar_sampler_logprobs(a, y, 2, &chosen, top, 2), 2);
    assert_int_equal(top[0].id, 2);
    ar_sampler_close(a);
    ar_sampler_close(b);
    assert_ok(ar_sampler_open(&a, NULL, V, 0, err));
    ar_sampler_close(a);
    o.top_p = 2;
    assert_fails(AR_RANGE, "top-p", ar_sampler_open(&a, &o, V, 8, err));
    assert_null(a);
}

/* Failures are a status and a sentence, which nobody has to take. */
void test_public_errors(void **state) {
    (void)state;
    ar_model *m = (ar_model *)state;
    ar_engine *e = (ar_engine *)state;
    ar_session *s[2];
    assert_fails(AR_IO, "nothing", ar_model_open(&m, "/nothing", err));
    assert_null(m);
    assert_int_equal(ar_model_open(&m, "/nothing", NULL), AR_IO);
    assert_ok(ar_model_open(&m, golden_model("llama", ""), err));
    ar_engine_options o = ar_engine_options_default();
    o.device = "abacus";
    assert_fails(AR_UNSUPPORTED, "abacus", ar_engine_open(&e, m, &o, err));
    assert_null(e);
    o = ar_engine_options_default();
    o.max_sessions = 1;
    o.k_type = o.v_type = AR_F16;
    o.n_threads = 2;
    assert_ok(ar_engine_open(&e, m, &o, err));
    assert_ok(ar_session_open(&s[0], e, err));
    assert_fails(AR_FULL, "1 session", ar_session_open(&s[1], e, err));
    const int32_t bad = INT32_MAX;
    double y[VOCAB];
    assert_fails(AR_RANGE, "2147483647",
                 ar_session_feed(s[0], &bad, 1, false, y, err));
    assert_int_equal(ar_session_length(s[0]), 0);
    ar_engine_memory memory;
    ar_engine_memory_use(e, &memory);
    assert_true(memory.cache > 0 && memory.weights + memory.mapped > 0);
    ar_session_close(s[0]);
    ar_engine_close(e);
    ar_model_close(m);
    ar_model_close(NULL);
}
