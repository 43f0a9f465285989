/* test_train_gpu.c - training through the kernels of GPUs, on the host driver,
 * against training on the CPU. */
#include "tests/train/train_case.h"

enum { STEPS = 2, ROWS = 2 };

/* The losses of the first steps of a golden model. */
static void losses(const char *which, const char *where, double *out) {
    const model_config c = case_config(which);
    settings s;
    trainer *t;
    case_settings(&s, which, &c, where);
    s.rows = ROWS;
    assert_ok(trainer_open(&t, &s, &c, err));
    case_init(t, which);
    for (int i = 0; i < STEPS; i++) {
        int32_t x[CASE_BATCH], y[CASE_BATCH];
        trainer_result r;
        const run_clock clock = {i, i / 60.0, 0};
        case_batch(i, false, x, y);
        assert_ok(trainer_step(t, x, y, &clock, &r, err));
        out[i] = r.loss;
    }
    settings_close(&s);
    trainer_close(t);
}

static void check(const char *which, const char *where, double tolerance) {
    double want[STEPS], got[STEPS];
    losses(which, "cpu", want);
    losses(which, where, got);
    assert_near(got[0], want[0], 1e-5);
    assert_near(got[1], want[1], tolerance);
    assert_true(fabs(want[1] - want[0]) > 0.02); /* the step did something */
}

void test_train_gpu_host(void **state) {
    (void)state;
    check("gpt2", "gpu-host", 1e-4);
    /* Muon; what its residual scalars do first is an accident of rounding, see
     * decision 13 */
    check("ar", "gpu-host:1", 1e-2);
}
