/* test_sample.c - recorded distributions, draws, orders, limits, bad input. */
#include "base/mem.h"
#include "infer/sample.h"
#include "tests/model/golden_io.h"

enum { V = 64, HISTORY = 64 };

static void set_double(double *field, double x) { *field = x; }
static void set_int64_t(int64_t *field, double x) { *field = (int64_t)x; }

/* Recorded keys are the fields, some with "_penalty" behind. */
static void set_option(ar_sample_options *o, const char *key, double x) {
    const char *end = strstr(key, "_penalty");
    const size_t n = end ? (size_t)(end - key) : strlen(key);
#define AR_SAMPLER(...)
#define AR_OPTION(type, field, ...)                                            \
    if (strlen(#field) == n && !memcmp(#field, key, n)) {                      \
        set_##type(&o->field, x);                                              \
        return;                                                                \
    }
#include "arcane/samplers.def"
#undef AR_SAMPLER
#undef AR_OPTION
    fail_msg("the golden file has an option \"%s\"", key);
}

static void check_vector(const json_t *vector) {
    int32_t history[HISTORY];
    double logits[V], probs[V];
    const json_t *list = json_object_get(vector, "logits");
    const int64_t n =
        golden_ids(json_object_get(vector, "history"), history, HISTORY);
    size_t i;
    json_t *result;
    for (size_t k = 0; k < V; k++)
        logits[k] = json_number_value(json_array_get(list, k));
    json_array_foreach(json_object_get(vector, "results"), i, result) {
        ar_sample_options o = ar_sample_options_default();
        const char *key;
        json_t *x;
        json_object_foreach(json_object_get(result, "params"), key, x)
            set_option(&o, key, json_number_value(x));
        ar_sampler *s;
        assert_ok(ar_sampler_open(&s, &o, V, HISTORY, err));
        const ar_sample_input in = {logits, history, n, n};
        assert_ok(ar_sampler_probs(s, &in, probs, err));
        golden_compare(json_object_get(result, "probs"), probs, 1e-10);
        ar_sampler_close(s);
    }
}

void test_sample_golden(void **state) {
    (void)state;
    json_t *all = golden_json(test_golden("sampling/sampling.json"));
    assert_int_equal(json_integer_value(json_object_get(all, "vocab")), V);
    size_t i;
    json_t *vector;
    json_array_foreach(json_object_get(all, "vectors"), i, vector)
        check_vector(vector);
    assert_true(i >= 20);
    json_decref(all);
}

static int32_t next(const ar_sample_options *o, const double *logits, int64_t v,
                    const int32_t *history, int64_t n, int64_t position) {
    ar_sampler *s;
    int32_t id = -1;
    const ar_sample_input in = {logits, history, n, position};
    assert_ok(ar_sampler_open(&s, o, v, n, err));
    assert_ok(ar_sampler_next(s, &in, &id, err));
    ar_sampler_close(s);
    return id;
}

void test_sample_greedy(void **state) {
    (void)state;
    ar_sample_options o = ar_sample_options_default();
    o.temperature = 0;
    /* Ties go to the lowest id. */
    const double a[4] = {1, 3, 3, 2}, b[4] = {1, 3, 2.9, 2}, one[1] = {-7};
    assert_int_equal(next(&o, a, 4, NULL, 0, 0), 1);
    /* Penalties come first. */
    o.repetition = 2;
    const int32_t history[] = {1, 1, 77, -1};
    assert_int_equal(next(&o, b, 4, history, 4, 0), 2);
    /* A vocabulary of one token, with everything on. */
    assert_int_equal(next(&o, one, 1, history, 4, 0), 0);
    o = ar_sample_options_default();
    o.top_k = 1;
    o.top_p = o.typical_p = 0;
    o.min_p = o.xtc_probability = 1;
    o.top_n_sigma = 1;
    assert_int_equal(next(&o, one, 1, NULL, 0, 0), 0);
}

void test_sample_draws(void **state) {
    (void)state;
    /* Draws depend on seed and position alone, and follow the logits. */
    ar_sample_options o = ar_sample_options_default();
    o.seed = 5;
    int counts[3] = {0}, differ = 0;
    const double l[3] = {log(0.2), log(0.5), log(0.3)};
    ar_sample_options other = o;
    other.seed = 6;
    for (int i = 0; i < 4000; i++) {
        const int32_t t = next(&o, l, 3, NULL, 0, i);
        assert_int_equal(next(&o, l, 3, NULL, 0, i), t);
        differ += next(&other, l, 3, NULL, 0, i) != t;
        counts[t]++;
    }
    assert_near(counts[0] / 4000.0, 0.2, 0.03);
    assert_near(counts[1] / 4000.0, 0.5, 0.03);
    assert_true(differ > 1000);
}

static void refuse(const ar_sample_options *o, const double *logits, int64_t v,
                   const char *word) {
    ar_sampler *s;
    int32_t id = -5;
    const ar_sample_input in = {logits, NULL, 0, 0};
    assert_ok(ar_sampler_open(&s, o, v, 0, err));
    const double mu = ar_sampler_state(s).mu;
    assert_fails(AR_RANGE, word, ar_sampler_next(s, &in, &id, err));
    assert_int_equal(id, -5);
    assert_true(ar_sampler_state(s).mu == mu);
    /* The next call is none the worse. */
    const double good[2] = {0, 1};
    const ar_sample_input again = {good, NULL, 0, 0};
    if (v == 2 && !o->n_bias) assert_ok(ar_sampler_next(s, &again, &id, err));
    ar_sampler_close(s);
}

void test_sample_bad(void **state) {
    (void)state;
    ar_sample_options o = ar_sample_options_default();
    o.mirostat = 2;
    const double nan[2] = {1, NAN}, none[2] = {-INFINITY, -INFINITY},
                 inf[2] = {INFINITY, 0}, all[2] = {1, 2},
                 one[3] = {-INFINITY, -3, -INFINITY};
    refuse(&o, nan, 2, "token 1 is");
    refuse(&o, none, 2, "every logit is -inf");
    refuse(&o, inf, 2, "token 0 is inf");
    assert_int_equal(next(&o, one, 3, NULL, 0, 9), 1);
    const ar_sample_bias forbid[] = {{0, -INFINITY}, {1, -INFINITY}};
    o.bias = forbid;
    o.n_bias = 2;
    refuse(&o, all, 2, "logit_bias leaves no token");
}

void test_sample_ranges(void **state) {
    (void)state;
    ar_sample_options o;
#define AR_SAMPLER(...)
#define AR_OPTION(type, field, flag, off, usual, low, high, ...)               \
    o = ar_sample_options_default();                                           \
    assert_ok(ar_sample_check(&o, err));                                       \
    o.field = (type)(usual);                                                   \
    assert_ok(ar_sample_check(&o, err));                                       \
    o.field = (type)(high) + 1;                                                \
    assert_fails(AR_RANGE, flag, ar_sample_check(&o, err));                    \
    o.field = (type)(low)-1;                                                   \
    assert_fails(AR_RANGE, flag, ar_sample_check(&o, err));
#include "arcane/samplers.def"
#undef AR_SAMPLER
#undef AR_OPTION
    o = ar_sample_options_default();
    o.top_p = NAN;
    assert_fails(AR_RANGE, "top-p", ar_sample_check(&o, err));
    o = ar_sample_options_default();
    o.n_bias = 1;
    o.bias = &(ar_sample_bias){3, NAN};
    assert_fails(AR_RANGE, "token 3", ar_sample_check(&o, err));
    o.bias = &(ar_sample_bias){3, INFINITY};
    assert_fails(AR_RANGE, "token 3", ar_sample_check(&o, err));
    ar_sampler *s;
    o.bias = &(ar_sample_bias){3, 1};
    assert_fails(AR_RANGE, "no token 3", ar_sampler_open(&s, &o, 3, 0, err));
    o.n_bias = 0;
    o.n_dry_breakers = 1;
    o.dry_breakers = &(int32_t){-1};
    assert_fails(AR_RANGE, "no token -1", ar_sampler_open(&s, &o, 3, 0, err));
    assert_null(s);
}

void test_sample_order(void **state) {
    (void)state;
    ar_sample_options o = ar_sample_options_default();
    assert_ok(ar_sample_order(&o, "top_p,temperature", err));
    assert_int_equal(o.n_order, 2);
    assert_int_equal(o.order[0], AR_SAMPLER_TOP_P);
    assert_int_equal(o.order[1], AR_SAMPLER_TEMPERATURE);
    /* Probabilities 1/2, 1/4, 1/4: cut first, 0.4 keeps one; flattened by
     * the temperature first (0.4142, 0.2929, 0.2929), 0.45 needs two. */
    const double l[3] = {log(0.5), log(0.25), log(0.25)};
    double probs[3];
    const ar_sample_input in = {l, NULL, 0, 0};
    ar_sampler *s;
    o.temperature = 2;
    o.top_p = 0.45;
    o.top_k = 1; /* not in the order: off */
    assert_ok(ar_sampler_open(&s, &o, 3, 0, err));
    assert_ok(ar_sampler_probs(s, &in, probs, err));
    assert_near(probs[0], 1, 0);
    ar_sampler_close(s);
    assert_ok(ar_sample_order(&o, "temperature top_p", err));
    assert_ok(ar_sampler_open(&s, &o, 3, 0, err));
    assert_ok(ar_sampler_probs(s, &in, probs, err));
    assert_near(probs[0], sqrt(2) / (sqrt(2) + 1), 1e-12);
    assert_near(probs[2], 0, 0);
    ar_sampler_close(s);
    assert_fails(AR_RANGE, "\"top\"", ar_sample_order(&o, "top,xtc", err));
    assert_fails(AR_RANGE, "twice", ar_sample_order(&o, "xtc,xtc", err));
    assert_int_equal(o.n_order, 2);
    assert_ok(ar_sample_order(&o, "mirostat,temperature", err));
    assert_fails(AR_RANGE, "last", ar_sample_check(&o, err));
    assert_ok(ar_sample_order(&o, "", err));
    assert_ok(ar_sample_check(&o, err));
    o.temperature = 0;
    assert_fails(AR_RANGE, "temperature", ar_sample_check(&o, err));
    o.temperature = 1;
    o.mirostat = 1;
    assert_fails(AR_RANGE, "mirostat", ar_sample_check(&o, err));
}

void test_sample_logprobs(void **state) {
    (void)state;
    ar_sample_options o = ar_sample_options_default();
    o.top_k = 2;
    const double l[5] = {log(0.1), log(0.3), log(0.2), log(0.3), log(0.1)};
    const ar_sample_input in = {l, NULL, 0, 0};
    double probs[5], chosen;
    ar_sample_logprob top[5];
    ar_sampler *s;
    assert_ok(ar_sampler_open(&s, &o, 5, 0, err));
    assert_ok(ar_sampler_probs(s, &in, probs, err));
    assert_int_equal(ar_sampler_logprobs(s, NULL, 3, &chosen, top, 5), 2);
    assert_near(chosen, log(0.5), 1e-12);
    assert_int_equal(top[0].id, 1);
    assert_int_equal(top[1].id, 3);
    assert_near(top[1].logprob, log(0.5), 1e-12);
    assert_int_equal(ar_sampler_logprobs(s, NULL, 2, &chosen, top, 0), 0);
    assert_true(chosen == -INFINITY);
    assert_int_equal(ar_sampler_logprobs(s, l, 2, &chosen, top, 4), 4);
    assert_near(chosen, log(0.2), 1e-12);
    const int32_t want[] = {1, 3, 2, 0};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(top[i].id, want[i]);
        assert_near(top[i].logprob, l[want[i]], 1e-12);
    }
    const double some[5] = {-INFINITY, 0, -INFINITY, 0, -INFINITY};
    assert_int_equal(ar_sampler_logprobs(s, some, 0, &chosen, top, 5), 2);
    assert_true(chosen == -INFINITY);
    ar_sampler_close(s);
}

void test_sample_nomem(void **state) {
    (void)state;
    ar_sample_options o = ar_sample_options_default();
    ar_sampler *s;
    mem_fail_at(0, 0); /* counts from here */
    assert_ok(ar_sampler_open(&s, &o, 9, 9, err));
    const int64_t n = mem_fail_count();
    ar_sampler_close(s);
    for (int64_t i = 1; i <= n; i++) {
        mem_fail_at(i, 0);
        assert_fails(AR_NOMEM, "memory", ar_sampler_open(&s, &o, 9, 9, err));
        assert_null(s);
    }
    mem_fail_at(0, 0);
}
