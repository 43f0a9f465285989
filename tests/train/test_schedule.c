/* test_schedule.c - rates and ramps against values worked out by hand. */
#include "tests/train/train_case.h"

static double rate(const schedule *s, int64_t step, double p, double w) {
    const run_clock c = {step, p, w};
    return schedule_rate(s, &c);
}

void test_schedule_shapes(void **state) {
    (void)state;
    const schedule warm = {SCHEDULE_CONSTANT, 4, 0, 0};
    assert_near(rate(&warm, 0, 0, 0), 0.25, 0);
    assert_near(rate(&warm, 3, 0.03, 0), 1, 0);
    assert_near(rate(&warm, 50, 0.5, 0.04), 1, 0);

    const schedule cosine = {SCHEDULE_COSINE, 5, 0.1, 0};
    assert_near(rate(&cosine, 5, 0.1, 0.1), 1, 1e-15);
    assert_near(rate(&cosine, 30, 0.55, 0.1), 0.55, 1e-15);
    assert_near(rate(&cosine, 99, 1, 0.1), 0.1, 1e-15);
    assert_near(rate(&cosine, 20, 0.4, 0.1), 0.1 + 0.9 * 0.75, 1e-15);

    const schedule linear = {SCHEDULE_LINEAR, 0, 0.2, 0};
    assert_near(rate(&linear, 0, 0, 0), 1, 0);
    assert_near(rate(&linear, 25, 0.25, 0), 0.8, 1e-15);
    assert_near(rate(&linear, 100, 1, 0), 0.2, 1e-15);

    const schedule down = {SCHEDULE_WARMDOWN, 0, 0.05, 0.5};
    assert_near(rate(&down, 49, 0.49, 0), 1, 0);
    assert_near(rate(&down, 75, 0.75, 0), 0.5 + 0.5 * 0.05, 1e-15);
    assert_near(rate(&down, 100, 1, 0), 0.05, 1e-15);
}

void test_schedule_ramps(void **state) {
    (void)state;
    const ramp momentum = {0.85, 0.95, 300}, decay = {0.2, 0, 0};
    const run_clock c = {150, 0.25, 0}, late = {600, 1, 0};
    assert_near(ramp_at(&momentum, &c), 0.9, 1e-15);
    assert_near(ramp_at(&momentum, &late), 0.95, 1e-15);
    assert_near(ramp_at(&decay, &c), 0.15, 1e-15);
    assert_near(ramp_at(&decay, &late), 0, 1e-15);

    ramp r;
    json_t *json = ramp_json(&momentum);
    assert_ok(ramp_read(&r, json, "momentum", err));
    assert_true(r.from == 0.85 && r.to == 0.95 && r.steps == 300);
    json_decref(json);
    json = json_loads("{\"from\": 1, \"too\": 2, \"to\": 3}", 0, NULL);
    assert_fails(AR_FORMAT, "too", ramp_read(&r, json, "momentum", err));
    json_decref(json);
    json = json_loads("[\"x\"]", 0, NULL);
    assert_fails(AR_FORMAT, "momentum",
                 ramp_read(&r, json_array_get(json, 0), "momentum", err));
    json_decref(json);
}
