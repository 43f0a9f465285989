/* test_generate.c - guessing ahead never changes a text, and stops where it
 * does not pay. */
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "infer/generate.h"
#include "infer/guess.h"
#include "infer/pace.h"
#include "model/model.h"
#include "tests/model/golden_io.h"
#include "tests/model/golden_models.h"

enum { V = 160, LENGTH = 100 };

/* ---- the pace ---- */

/* Steps of a machine where a guess comes true with probability a and k guesses
 * cost 1 + k cost; returns tokens a second, and how many steps guessed. */
static double simulate(pace *p, int n, double a, double cost, int *guessing) {
    double seconds = 0;
    int64_t tokens = 0;
    *guessing = 0;
    for (int i = 0; i < n; i++) {
        const int k = pace_choose(p, 8);
        int right = 0;
        while (right < k && rng_uniform(1, (uint64_t)i, (uint64_t)right) < a)
            right++;
        pace_note(p, k, right, 1 + k * cost);
        seconds += 1 + k * cost;
        tokens += right + 1;
        *guessing += k > 0;
    }
    return (double)tokens / seconds;
}

void test_pace_never_pays(void **state) {
    (void)state;
    int guessing;
    pace p = {0};
    assert_true(simulate(&p, 6400, 0.2, 1, &guessing) > 0.93);
    assert_in_range(guessing, 50, 101);
    /* Not even a look-up that is never right, at almost no cost. */
    pace q = {0};
    simulate(&q, 6400, 0, 0.05, &guessing);
    assert_in_range(guessing, 50, 105);
}

void test_pace_pays(void **state) {
    (void)state;
    int guessing;
    pace p = {0};
    /* Eight guesses at 0.9: 6.1 tokens in 1.4. */
    assert_true(simulate(&p, 2000, 0.9, 0.05, &guessing) > 3.5);
    assert_true(guessing > 1900);
    /* The text changes: it stops, and it starts again. */
    simulate(&p, 500, 0.05, 0.5, &guessing);
    assert_true(guessing < 60);
    simulate(&p, 3000, 0.95, 0.02, &guessing);
    assert_true(guessing > 1500);
}

void test_pace_bounds(void **state) {
    (void)state;
    pace p = {0};
    assert_int_equal(pace_choose(&p, 8), 0); /* a plain step is not known */
    pace_note(&p, 0, 0, 1);
    assert_int_equal(pace_choose(&p, 0), 0);
    assert_in_range(pace_choose(&p, 3), 1, 3);
    assert_in_range(pace_choose(&p, 1000), 1, PACE_MOST);
    pace_note(&p, PACE_MOST + 1, 0, 1);
    pace_note(&p, -1, 0, 1);
}

/* ---- look-up ---- */

void test_guess_look_up(void **state) {
    (void)state;
    static const int32_t ids[] = {5, 6, 7, 8, 9, 1, 6, 7, 2, 3, 5, 6, 7};
    int32_t out[16];
    /* 5 6 7 before 6 7, though that is nearer. */
    assert_int_equal(guess_look_up(ids, 13, out, 3), 3);
    assert_memory_equal(out, ((const int32_t[]){8, 9, 1}), 12);
    assert_int_equal(guess_look_up(ids, 13, out, 16), 10);
    assert_memory_equal(out, ids + 3, 40);
    /* Of two copies the last; it ends with the text. */
    assert_int_equal(guess_look_up(ids + 1, 7, out, 8), 5);
    static const int32_t same[] = {4, 4, 4, 4};
    assert_int_equal(guess_look_up(same, 4, out, 8), 1);
    assert_int_equal(out[0], 4);
    assert_int_equal(guess_look_up(ids, 5, out, 8), 0);
    assert_int_equal(guess_look_up(ids, 2, out, 8), 0);
    assert_int_equal(guess_look_up(ids, 1, out, 8), 0);
    assert_int_equal(guess_look_up(ids, 13, out, 0), 0);
}

/* ---- texts ---- */

typedef struct opened {
    ar_model *m;
    ar_engine *e;
} opened;

static opened open_model(const char *name, int64_t max_tokens) {
    opened o;
    ar_engine_options opt = ar_engine_options_default();
    opt.max_tokens = max_tokens;
    opt.n_threads = 1;
    assert_ok(ar_model_open(&o.m, golden_model(name, ""), err));
    assert_ok(ar_engine_open(&o.e, o.m, &opt, err));
    return o;
}

static void close_model(opened *o) {
    ar_engine_close(o->e);
    ar_model_close(o->m);
}

/* A text of LENGTH tokens behind a prompt that repeats itself. */
static ar_generate_stats write_text(ar_engine *e, const ar_sample_options *so,
                                    const ar_generate_options *go,
                                    int32_t *out) {
    static const int32_t prompt[] = {3, 1, 4, 1, 5, 9, 2, 6, 3, 1, 4, 1};
    ar_session *s;
    ar_sampler *sample;
    ar_generator *g;
    int64_t n;
    assert_ok(ar_session_open(&s, e, err));
    assert_ok(ar_sampler_open(&sample, so, V, 256, err));
    assert_ok(ar_generator_open(&g, s, go, err));
    assert_ok(ar_generator_begin(g, prompt, 12, NULL, err));
    for (int i = 0; i < LENGTH; i++) {
        assert_ok(ar_generator_next(g, sample, &out[i], err));
        assert_int_equal(ar_generator_text(g, &n)[12 + i], out[i]);
        assert_int_equal(n, 13 + i);
    }
    const ar_generate_stats st = ar_generator_stats(g);
    ar_generator_close(g);
    assert_int_equal(ar_session_length(s), 12 + LENGTH - 1);
    ar_session_close(s);
    ar_sampler_close(sample);
    return st;
}

/* By hand, without a generator. */
static void write_plain(ar_engine *e, const ar_sample_options *so,
                        int32_t *out) {
    int32_t text[12 + LENGTH] = {3, 1, 4, 1, 5, 9, 2, 6, 3, 1, 4, 1};
    double y[V];
    ar_session *s;
    ar_sampler *sample;
    assert_ok(ar_session_open(&s, e, err));
    assert_ok(ar_sampler_open(&sample, so, V, 256, err));
    assert_ok(ar_session_feed(s, text, 12, false, y, err));
    for (int64_t i = 12; i < 12 + LENGTH; i++) {
        const ar_sample_input in = {y, text, i, i};
        assert_ok(ar_sampler_next(sample, &in, &text[i], err));
        assert_ok(ar_session_feed(s, &text[i], 1, false, y, err));
    }
    memcpy(out, text + 12, LENGTH * sizeof *out);
    ar_session_close(s);
    ar_sampler_close(sample);
}

static void check_same(ar_engine *e, ar_engine *small,
                       const ar_sample_options *so, int64_t most,
                       ar_generate_stats *st) {
    int32_t plain[LENGTH], text[LENGTH];
    const ar_generate_options none = {.max_guesses = 0};
    ar_generate_options go = ar_generate_options_default();
    write_plain(e, so, plain);
    write_text(e, so, &none, text);
    assert_memory_equal(text, plain, sizeof plain);
    go.draft = small;
    write_text(e, so, &go, text);
    assert_memory_equal(text, plain, sizeof plain);
    go.always = true;
    go.max_guesses = most;
    *st = write_text(e, so, &go, text);
    assert_memory_equal(text, plain, sizeof plain);
    assert_int_equal(st->tokens, LENGTH);
    if (small) assert_true(st->guessed > 0);
    assert_true(st->steps <= LENGTH);
}

/* Greedy, sampled, and with a sampler that remembers. */
static void check_all(ar_engine *e, ar_engine *small, int64_t most) {
    ar_generate_stats st;
    ar_sample_options greedy = ar_sample_options_default();
    greedy.temperature = 0;
    check_same(e, small, &greedy, most, &st);
    assert_true(st.guessed > 0);
    for (uint64_t seed = 1; seed < 4; seed++) {
        ar_sample_options o = ar_sample_options_default();
        o.temperature = 0.7;
        o.repetition = 1.2;
        o.seed = seed;
        check_same(e, small, &o, most, &st);
    }
    ar_sample_options mirostat = ar_sample_options_default();
    mirostat.mirostat = 2;
    check_same(e, small, &mirostat, most, &st);
}

void test_generate_look_up(void **state) {
    (void)state;
    opened o = open_model("llama", 512);
    check_all(o.e, NULL, 8);
    check_all(o.e, NULL, 1);
    close_model(&o);
}

void test_generate_draft(void **state) {
    (void)state;
    opened o = open_model("qwen3", 512), d = open_model("llama", 512),
           itself = open_model("qwen3", 512);
    ar_generate_stats st;
    ar_sample_options greedy = ar_sample_options_default();
    greedy.temperature = 0;
    check_all(o.e, d.e, PACE_MOST);
    /* The same model is always right: 8 guesses and one more a step. */
    check_same(o.e, itself.e, &greedy, 8, &st);
    assert_int_equal(st.right, st.guessed - (st.steps * 9 - (LENGTH - 1)));
    assert_int_equal(st.steps, (LENGTH - 1 + 8) / 9);
    close_model(&o);
    close_model(&d);
    close_model(&itself);
}

/* Models with a state do not guess: going back would cost more. */
void test_generate_state(void **state) {
    (void)state;
    opened o = open_model("mamba2", 512);
    int32_t plain[LENGTH], text[LENGTH];
    ar_sample_options so = ar_sample_options_default();
    const ar_generate_options always = {.max_guesses = 8, .always = true};
    so.temperature = 0;
    write_plain(o.e, &so, plain);
    const ar_generate_stats st = write_text(o.e, &so, &always, text);
    assert_memory_equal(text, plain, sizeof plain);
    assert_int_equal(st.guessed, 0);
    close_model(&o);
}

/* A cache too small for guesses still has room for the text. */
void test_generate_full(void **state) {
    (void)state;
    opened o = open_model("llama", 112);
    int32_t a[LENGTH], b[LENGTH];
    ar_sample_options so = ar_sample_options_default();
    so.temperature = 0;
    const ar_generate_options always = {.max_guesses = 16, .always = true};
    write_text(o.e, &so, NULL, a);
    write_text(o.e, &so, &always, b);
    assert_memory_equal(a, b, sizeof a);
    close_model(&o);
}

void test_generate_bad(void **state) {
    (void)state;
    opened o = open_model("llama", 512);
    ar_session *s;
    ar_sampler *sample;
    ar_generator *g;
    const ar_sample_options so = ar_sample_options_default();
    const int32_t ids[] = {1, 2, 3};
    int32_t id;
    assert_ok(ar_session_open(&s, o.e, err));
    assert_ok(ar_sampler_open(&sample, &so, V, 256, err));
    for (int64_t bad = -1; bad <= PACE_MOST + 1; bad += PACE_MOST + 2) {
        const ar_generate_options go = {.max_guesses = bad};
        assert_fails(AR_RANGE, "", ar_generator_open(&g, s, &go, err));
        assert_null(g);
    }
    assert_ok(ar_generator_open(&g, s, NULL, err));
    assert_fails(AR_RANGE, "", ar_generator_next(g, sample, &id, err));
    assert_fails(AR_RANGE, "", ar_generator_begin(g, ids, 0, NULL, err));
    assert_fails(AR_RANGE, "",
                 ar_generator_begin(g, (const int32_t[]){V}, 1, NULL, err));
    assert_ok(ar_generator_begin(g, ids, 3, NULL, err));
    assert_ok(ar_generator_next(g, sample, &id, err));
    assert_non_null(ar_generator_logits(g));
    ar_generator_close(g);
    ar_session_close(s);
    ar_sampler_close(sample);
    close_model(&o);
}

/* Up to the end of the context, and a sentence there. */
void test_generate_context(void **state) {
    (void)state;
    opened o = open_model("llama", 0);
    const int64_t n_ctx = o.m->config.n_ctx;
    int32_t *ids = mem_new(int32_t, n_ctx), id;
    ar_session *s;
    ar_sampler *sample;
    ar_generator *g;
    ar_sample_options so = ar_sample_options_default();
    so.temperature = 0;
    const ar_generate_options always = {.max_guesses = 16, .always = true};
    for (int64_t i = 0; i < n_ctx; i++) ids[i] = (int32_t)(i % 7);
    assert_ok(ar_session_open(&s, o.e, err));
    assert_ok(ar_sampler_open(&sample, &so, V, 256, err));
    assert_ok(ar_generator_open(&g, s, &always, err));
    assert_ok(ar_generator_begin(g, ids, n_ctx - 20, NULL, err));
    for (int i = 0; i < 21; i++)
        assert_ok(ar_generator_next(g, sample, &id, err));
    assert_fails(AR_RANGE, "context", ar_generator_next(g, sample, &id, err));
    ar_generator_close(g);
    ar_session_close(s);
    ar_sampler_close(sample);
    mem_free(ids);
    close_model(&o);
}
