/* test_sample.c - every sampling step against recorded probabilities. */
#include "infer/sample.h"
#include "tests/model/golden_io.h"

enum { V = 64, HISTORY = 64 };

static void set_option(sample_options *o, const char *key, double x) {
    const struct {
        const char *name;
        double *field;
    } fields[] = {
        {"temperature", &o->temperature},
        {"top_p", &o->top_p},
        {"min_p", &o->min_p},
        {"typical_p", &o->typical_p},
        {"top_n_sigma", &o->top_n_sigma},
        {"repetition_penalty", &o->repetition},
        {"presence_penalty", &o->presence},
        {"frequency_penalty", &o->frequency},
    };
    if (!strcmp(key, "top_k")) {
        o->top_k = (int64_t)x;
        return;
    }
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (!strcmp(fields[i].name, key)) {
            *fields[i].field = x;
            return;
        }
    fail_msg("the golden file has an option \"%s\"", key);
}

static void check_vector(const json_t *vector) {
    int32_t history[HISTORY], work[V];
    double logits[V], probs[V];
    const json_t *list = json_object_get(vector, "logits");
    const int64_t n =
        golden_ids(json_object_get(vector, "history"), history, HISTORY);
    size_t i;
    json_t *result;
    json_array_foreach(json_object_get(vector, "results"), i, result) {
        sample_options o = sample_options_default();
        const char *key;
        json_t *x;
        json_object_foreach(json_object_get(result, "params"), key, x)
            set_option(&o, key, json_number_value(x));
        assert_ok(sample_check(&o, err));
        for (size_t k = 0; k < V; k++)
            logits[k] = json_number_value(json_array_get(list, k));
        sample_probs(&o, &(sample_input){V, logits, history, n, probs, work});
        golden_compare(json_object_get(result, "probs"), probs, 1e-10);
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

void test_sample_greedy(void **state) {
    (void)state;
    sample_options o = sample_options_default();
    o.temperature = 0;
    double probs[4];
    int32_t work[4];
    /* Ties go to the lowest id. */
    double a[4] = {1, 3, 3, 2};
    assert_int_equal(
        sample_token(&o, &(sample_input){4, a, NULL, 0, probs, work}, 0), 1);
    /* Penalties come first. */
    o.repetition = 2;
    double b[4] = {1, 3, 2.9, 2};
    const int32_t history[] = {1, 1, 77, -1};
    assert_int_equal(
        sample_token(&o, &(sample_input){4, b, history, 4, probs, work}, 0), 2);
}

void test_sample_draws(void **state) {
    (void)state;
    /* Draws depend on seed and position alone, and follow the logits. */
    sample_options o = sample_options_default();
    o.seed = 5;
    int counts[3] = {0};
    for (int i = 0; i < 4000; i++) {
        double l[3] = {log(0.2), log(0.5), log(0.3)}, m[3], probs[3];
        int32_t work[3];
        memcpy(m, l, sizeof m);
        const int32_t t =
            sample_token(&o, &(sample_input){3, l, NULL, 0, probs, work}, i);
        assert_int_equal(
            sample_token(&o, &(sample_input){3, m, NULL, 0, probs, work}, i),
            t);
        counts[t]++;
    }
    assert_near(counts[0] / 4000.0, 0.2, 0.03);
    assert_near(counts[1] / 4000.0, 0.5, 0.03);
}

void test_sample_bad(void **state) {
    (void)state;
    /* A model gone wrong still gives an id of the vocabulary. */
    sample_options o = sample_options_default();
    o.top_p = 0.9;
    o.top_k = 3;
    o.typical_p = 0.5;
    double probs[4];
    int32_t work[4];
    double a[4] = {NAN, NAN, NAN, NAN}, b[4] = {NAN, 1, NAN, -INFINITY},
           c[4] = {-INFINITY, INFINITY, 0, 0};
    assert_in_range(
        sample_token(&o, &(sample_input){4, a, NULL, 0, probs, work}, 0), 0, 3);
    assert_int_equal(
        sample_token(&o, &(sample_input){4, b, NULL, 0, probs, work}, 0), 1);
    assert_int_equal(
        sample_token(&o, &(sample_input){4, c, NULL, 0, probs, work}, 0), 1);
    o.top_p = NAN;
    assert_fails(AR_RANGE, "top-p", sample_check(&o, err));
    o = sample_options_default();
    o.temperature = -1;
    assert_fails(AR_RANGE, "temperature", sample_check(&o, err));
}
