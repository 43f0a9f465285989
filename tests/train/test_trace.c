/* test_trace.c - whole training runs against golden/training: the loss of
 * every step, the gradient's norm, the held-out loss before and after. */
#include "base/mem.h"
#include "tests/train/train_case.h"

enum { STEPS = 60 };

static double number_of(const json_t *json, const char *key, int i) {
    const json_t *v = json_object_get(json, key);
    return json_number_value(i < 0 ? v : json_array_get(v, (size_t)i));
}

static double held_out(trainer *t) {
    int32_t x[CASE_BATCH], y[CASE_BATCH];
    double logp[CASE_BATCH], sum = 0;
    for (int i = 0; i < 8; i++) {
        case_batch(i, true, x, y);
        assert_ok(trainer_score(t, x, y, false, logp, err));
        for (int k = 0; k < CASE_BATCH; k++) sum -= logp[k];
    }
    return sum / (8 * CASE_BATCH);
}

/* How far a run is from the golden one. */
typedef struct distance {
    double first, all; /* largest difference of losses: steps 0-9, all */
    double norm;       /* largest relative difference of gradient norms */
    double val0, val;
} distance;

static distance follow(const char *which, const char *golden, const char *where,
                       double lambda_eps) {
    json_t *trace = case_json(golden);
    const model_config c = case_config(which);
    settings s;
    trainer *t;
    case_settings(&s, which, &c, where);
    if (lambda_eps > 0) {
        json_decref(s.groups);
        s.groups = NULL;
        s.lambda_eps = lambda_eps;
        assert_ok(optim_resolve(&s, &c, err));
    }
    assert_ok(trainer_open(&t, &s, &c, err));
    case_init(t, which);
    distance d = {0};
    d.val0 = fabs(held_out(t) - number_of(trace, "val0", -1));
    for (int i = 0; i < STEPS; i++) {
        int32_t x[CASE_BATCH], y[CASE_BATCH];
        trainer_result r;
        const double warm = i < s.warmup ? 0 : (double)s.warmup / STEPS;
        const run_clock clock = {i, (double)i / STEPS, warm};
        case_batch(i, false, x, y);
        assert_ok(trainer_step(t, x, y, &clock, &r, err));
        const double e = fabs(r.loss - number_of(trace, "loss", i));
        const double norm = number_of(trace, "gnorm", i);
        if (i < 10) d.first = fmax(d.first, e);
        d.all = fmax(d.all, e);
        if (i < 10) d.norm = fmax(d.norm, fabs(r.grad_norm - norm) / norm);
    }
    d.val = fabs(held_out(t) - number_of(trace, "valN", -1));
    print_message("%s on %s: losses within %.2e (first ten %.2e), norms %.1e, "
                  "held out %.1e and %.1e\n",
                  golden, where, d.all, d.first, d.norm, d.val0, d.val);
    trainer_close(t);
    settings_close(&s);
    json_decref(trace);
    return d;
}

void test_trace_gpt2_f64(void **state) {
    (void)state;
    const distance d =
        follow("gpt2", "training/gpt2_f64.json", "reference-f64", 0);
    assert_true(d.all < 1e-9);
    assert_true(d.norm < 1e-9);
    assert_true(d.val0 < 1e-9);
    assert_true(d.val < 1e-9);
}

void test_trace_gpt2_f32(void **state) {
    (void)state;
    const distance d = follow("gpt2", "training/gpt2_f64.json", "cpu", 0);
    assert_true(d.all < 1e-5);
    assert_true(d.norm < 1e-4);
    assert_true(d.val < 1e-4);
}

void test_trace_ar_f64(void **state) {
    (void)state;
    const distance d =
        follow("ar", "training/ar_leps1e-6_f64.json", "reference-f64", 1e-6);
    assert_true(d.first < 1e-6);
    assert_true(d.all < 3e-3);
    assert_true(d.val0 < 1e-9);
}

void test_trace_ar_f32(void **state) {
    (void)state;
    const distance d =
        follow("ar", "training/ar_leps1e-6_f64.json", "cpu", 1e-6);
    assert_true(d.first < 1e-4);
    assert_true(d.all < 3e-3);
}

void test_trace_ar_default_f32(void **state) {
    (void)state;
    const distance d = follow("ar", "training/ar_f64.json", "cpu", 0);
    assert_true(d.all < 5e-2);
}
