/* test_trainer.c - what a step promises: accumulation, threads, recomputation,
 * loss scaling, clipping, EMA. */
#include "base/mem.h"
#include "tests/train/train_case.h"

enum { STEPS = 3 };

/* A trainer of the golden model after some steps with settings changed by
 * `change`; the caller closes it. */
typedef void change_fn(settings *s);

static trainer *trained(const char *which, const char *where, change_fn *change,
                        int n_steps) {
    const model_config c = case_config(which);
    settings s;
    trainer *t;
    case_settings(&s, which, &c, where);
    if (change) change(&s);
    assert_ok(trainer_open(&t, &s, &c, err));
    case_init(t, which);
    const int64_t n = s.rows * s.seq * s.accumulate;
    assert_int_equal(n, CASE_BATCH);
    for (int i = 0; i < n_steps; i++) {
        int32_t x[CASE_BATCH], y[CASE_BATCH];
        trainer_result r;
        const run_clock clock = {i, i / 60.0, 0};
        case_batch(i, false, x, y);
        assert_ok(trainer_step(t, x, y, &clock, &r, err));
        assert_false(r.skipped);
    }
    settings_close(&s);
    return t;
}

static void same_weights(trainer *a, trainer *b) {
    void *x = case_weights(a), *y = case_weights(b);
    assert_memory_equal(x, y, (size_t)trainer_params(a)->size);
    mem_free(x);
    mem_free(y);
}

static double distance(trainer *a, trainer *b) {
    double *x = case_weights(a), *y = case_weights(b), worst = 0;
    assert_int_equal(trainer_type(a), AR_F64);
    for (int64_t i = 0; i < trainer_params(a)->size / 8; i++)
        worst = fmax(worst, fabs(x[i] - y[i]));
    mem_free(x);
    mem_free(y);
    return worst;
}

static void two_threads(settings *s) { s->threads = 2; }
static void three_threads(settings *s) { s->threads = 3; }
static void five_threads(settings *s) { s->threads = 5; }

void test_trainer_threads(void **state) {
    (void)state;
    change_fn *const changes[] = {two_threads, three_threads, five_threads};
    static const char *const models[] = {"gpt2", "ar"};
    for (int m = 0; m < 2; m++) {
        trainer *one = trained(models[m], "cpu", NULL, STEPS);
        for (int i = 0; i < 3; i++) {
            trainer *many = trained(models[m], "cpu", changes[i], STEPS);
            same_weights(one, many);
            trainer_close(many);
        }
        trainer_close(one);
    }
}

static void in_quarters(settings *s) {
    s->rows /= 4;
    s->accumulate = 4;
}

void test_trainer_accumulation(void **state) {
    (void)state;
    trainer *whole = trained("gpt2", "reference-f64", NULL, STEPS);
    trainer *parts = trained("gpt2", "reference-f64", in_quarters, STEPS);
    assert_true(distance(whole, parts) < 1e-12);
    trainer_close(whole);
    trainer_close(parts);
}

static void recompute(settings *s) { s->recompute = true; }

void test_trainer_recompute(void **state) {
    (void)state;
    static const char *const models[] = {"gpt2", "ar"};
    for (int m = 0; m < 2; m++) {
        trainer *kept = trained(models[m], "cpu", NULL, STEPS);
        trainer *again = trained(models[m], "cpu", recompute, STEPS);
        trainer_memory a, b;
        trainer_memory_of(kept, &a);
        trainer_memory_of(again, &b);
        print_message("%s: activations %zu kept, %zu recomputed\n", models[m],
                      a.activations, b.activations);
        assert_true(b.activations < a.activations);
        same_weights(kept, again);
        trainer_close(kept);
        trainer_close(again);
    }
}

static void average(settings *s) { s->ema = 0.75; }

void test_trainer_ema(void **state) {
    (void)state;
    trainer *t = trained("gpt2", "reference-f64", average, 0);
    const int64_t n = trainer_params(t)->size / 8;
    double *ema = mem_new(double, n), *now = mem_new(double, n);
    /* case_init writes behind the trainer's back: start the average there. */
    assert_ok(trainer_read(t, TRAIN_PARAMS, 0, now, (size_t)n * 8, err));
    assert_ok(trainer_write(t, TRAIN_EMA, 0, now, (size_t)n * 8, err));
    memcpy(ema, now, (size_t)n * 8);
    for (int i = 0; i < STEPS; i++) {
        int32_t x[CASE_BATCH], y[CASE_BATCH];
        trainer_result r;
        const run_clock clock = {i, i / 60.0, 0};
        case_batch(i, false, x, y);
        assert_ok(trainer_step(t, x, y, &clock, &r, err));
        assert_ok(trainer_read(t, TRAIN_PARAMS, 0, now, (size_t)n * 8, err));
        for (int64_t k = 0; k < n; k++) ema[k] += 0.25 * (now[k] - ema[k]);
    }
    assert_ok(trainer_read(t, TRAIN_EMA, 0, now, (size_t)n * 8, err));
    for (int64_t k = 0; k < n; k++) assert_near(now[k], ema[k], 1e-15);

    int32_t x[CASE_BATCH], y[CASE_BATCH];
    double a[CASE_BATCH], b[CASE_BATCH];
    case_batch(0, true, x, y);
    assert_ok(trainer_score(t, x, y, true, a, err));
    assert_ok(trainer_write(t, TRAIN_PARAMS, 0, ema, (size_t)n * 8, err));
    assert_ok(trainer_score(t, x, y, false, b, err));
    for (int i = 0; i < CASE_BATCH; i++) assert_near(a[i], b[i], 1e-12);
    mem_free(ema);
    mem_free(now);
    trainer_close(t);
}

void test_trainer_overflow(void **state) {
    (void)state;
    const model_config c = case_config("gpt2");
    settings s;
    trainer *t;
    case_settings(&s, "gpt2", &c, "cpu");
    s.compute = COMPUTE_F16;
    s.loss_scale = 1.2e38; /* gradients of f16 products overflow at once */
    s.growth = 4;
    assert_ok(trainer_open(&t, &s, &c, err));
    case_init(t, "gpt2");
    void *before = case_weights(t);
    double first = 0, last = 0, highest = 0;
    int skipped = 0, done = 0;
    for (int i = 0; i < 160; i++) {
        int32_t x[CASE_BATCH], y[CASE_BATCH];
        trainer_result r;
        const run_clock clock = {i, i / 160.0, 0};
        case_batch(i % 60, false, x, y);
        assert_ok(trainer_step(t, x, y, &clock, &r, err));
        assert_true(isfinite(r.loss));
        if (r.skipped && !done) {
            void *now = case_weights(t);
            assert_memory_equal(before, now, (size_t)trainer_params(t)->size);
            mem_free(now);
        }
        if (!done && !r.skipped) first = r.loss_scale;
        if (done && r.loss_scale > highest) highest = r.loss_scale;
        skipped += r.skipped;
        done += !r.skipped;
        last = r.loss;
    }
    print_message("%d steps skipped, %d made from scale %g on, then up to %g; "
                  "loss %.3f\n",
                  skipped, done, first, highest, last);
    assert_true(skipped > 10);
    assert_true(done > 20);
    assert_true(highest > first); /* it grew again */
    assert_true(last < 4.5);
    mem_free(before);
    trainer_close(t);
    settings_close(&s);
}

void test_trainer_not_finite(void **state) {
    (void)state;
    const model_config c = case_config("gpt2");
    settings s;
    trainer *t;
    case_settings(&s, "gpt2", &c, "cpu");
    assert_ok(trainer_open(&t, &s, &c, err));
    case_init(t, "gpt2");
    const float bad = NAN;
    assert_ok(trainer_write(t, TRAIN_PARAMS, 0, &bad, 4, err));
    int32_t x[CASE_BATCH] = {0}, y[CASE_BATCH] = {0};
    trainer_result r;
    const run_clock clock = {17, 0.5, 0};
    assert_fails(AR_RANGE, "step 17", trainer_step(t, x, y, &clock, &r, err));
    for (int i = 0; i < CASE_BATCH; i++) y[i] = -1;
    assert_fails(AR_RANGE, "no target", trainer_step(t, x, y, &clock, &r, err));
    trainer_close(t);
    settings_close(&s);
}

/* Rows without a target count for nothing. */
void test_trainer_ignored_targets(void **state) {
    (void)state;
    trainer *t = trained("gpt2", "reference-f64", NULL, 0);
    int32_t x[CASE_BATCH], y[CASE_BATCH];
    double logp[CASE_BATCH], sum = 0;
    trainer_result r;
    case_batch(0, false, x, y);
    for (int i = 0; i < CASE_BATCH; i += 3) y[i] = -1;
    assert_ok(trainer_gradient(t, x, y, 1, &r, err));
    assert_ok(trainer_score(t, x, y, false, logp, err));
    for (int i = 0; i < CASE_BATCH; i++) sum -= logp[i];
    assert_int_equal(r.n_targets, CASE_BATCH - (CASE_BATCH + 2) / 3);
    assert_near(r.loss, sum / (double)r.n_targets, 1e-12);
    assert_true(r.grad_norm > 1);
    trainer_close(t);
}

static void narrow_bf16(settings *s) { s->compute = COMPUTE_BF16; }

void test_trainer_bf16(void **state) {
    (void)state;
    trainer *t = trained("gpt2", "cpu", narrow_bf16, 20);
    int32_t x[CASE_BATCH], y[CASE_BATCH];
    double logp[CASE_BATCH], sum = 0;
    case_batch(0, true, x, y);
    assert_ok(trainer_score(t, x, y, false, logp, err));
    for (int i = 0; i < CASE_BATCH; i++) sum -= logp[i];
    print_message("after 20 steps in bf16: %.4f\n", sum / CASE_BATCH);
    assert_true(sum / CASE_BATCH < 4.5);
    trainer_close(t);
}

void test_trainer_refuse(void **state) {
    (void)state;
    const model_config c = case_config("gpt2");
    settings s;
    trainer *t;
    case_settings(&s, "gpt2", &c, "cpu");
    s.seq = 65;
    assert_fails(AR_RANGE, "context", trainer_open(&t, &s, &c, err));
    s.seq = 64;
    s.rows = 1 << 30;
    assert_fails(AR_RANGE, "data.batch", trainer_open(&t, &s, &c, err));
    assert_null(t);
    settings_close(&s);
}

/* Every allocation of opening a trainer fails in turn, and nothing is lost. */
void test_trainer_memory(void **state) {
    (void)state;
    const model_config c = case_config("gpt2");
    settings s;
    case_settings(&s, "gpt2", &c, "cpu");
    s.ema = 0.5;
    s.accumulate = 2;
    const size_t before = mem_block_bytes();
    int64_t n = 1;
    for (;; n += n < 64 ? 1 : 1 + n / 16) {
        trainer *t;
        ar_error e = {0};
        mem_fail_at(n, 1);
        const ar_status status = trainer_open(&t, &s, &c, &e);
        mem_fail_at(0, 0);
        if (status == AR_OK) {
            trainer_close(t);
            break;
        }
        assert_int_equal(status, AR_NOMEM);
        assert_null(t);
        assert_true(e.message[0]);
        assert_int_equal(mem_block_bytes(), before);
    }
    assert_int_equal(mem_block_bytes(), before);
    assert_true(n > 20);
    settings_close(&s);
}
