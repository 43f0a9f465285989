/* test_gpu_lanes.c - what kernels may rely on: barriers, shared memory, places;
 * and that the order of lanes shows where a barrier is missing. */
#define HOST_ENTRY(name) test_##name##_kernel
#define HAS_DOUBLE 1
#include "backend/gpu/lang/host.h"

#include "backend/gpu/host_lanes.h"
#include "tests/test.h"

typedef struct lanes_args {
    I64 n;
} lanes_args;

/* Each lane adds what its neighbour wrote, n times. */
GROUP_KERNEL(meet, lanes_args, OUT(I32) y) {
    SHARED(I32, x, 32);
    I32 mine = LANE;
    for (I64 i = 0; i < a.n; i++) {
        x[LANE] = mine;
        BARRIER;
        mine += x[(LANE + 1) % LANES];
        BARRIER;
    }
    y[GROUP0 * (U32)LANES + (U32)LANE] = mine;
}

/* A barrier is missing. */
GROUP_KERNEL(race, lanes_args, OUT(I32) y) {
    (void)a;
    SHARED(I32, x, 32);
    x[LANE] = LANE;
    y[LANE] = x[(LANE + 1) % LANES];
}

/* Memory before anybody wrote to it. */
GROUP_KERNEL(fresh, lanes_args, OUT(F32) y) {
    (void)a;
    SHARED(F32, x, 32);
    y[GROUP0 * (U32)LANES + (U32)LANE] = x[LANE];
    BARRIER;
    x[LANE] = 1;
}

KERNEL(places, lanes_args, OUT(I32) y) {
    (void)a;
    const I64 group = (GROUP2 * GROUPS1 + GROUP1) * GROUPS0 + GROUP0;
    y[group * LANES + LANE]++;
}

static void run(const host_kernel *k, bool threads, bool backward,
                const uint32_t *groups, int32_t lanes, void *y) {
    host_lanes *h;
    const lanes_args a = {3};
    void *pointers[] = {y};
    const host_job job = {
        k, {groups[0], groups[1], groups[2]}, lanes, &a, pointers};
    assert_ok(host_lanes_open(&h, threads, backward, err));
    assert_ok(host_lanes_run(h, &job, err));
    host_lanes_close(h);
}

void test_gpu_lanes_meet(void **state) {
    (void)state;
    enum { GROUPS = 70, N = 20 };
    const uint32_t groups[3] = {GROUPS, 1, 1};
    for (int variant = 0; variant < 3; variant++) {
        I32 y[GROUPS * N], x[N], next[N];
        run(&test_meet_kernel, variant == 2, variant == 1, groups, N, y);
        for (I32 i = 0; i < N; i++) x[i] = i;
        for (int k = 0; k < 3; k++) {
            for (int i = 0; i < N; i++) next[i] = x[i] + x[(i + 1) % N];
            memcpy(x, next, sizeof x);
        }
        for (int i = 0; i < GROUPS * N; i++) assert_int_equal(y[i], x[i % N]);
    }
}

void test_gpu_lanes_order(void **state) {
    (void)state;
    const uint32_t groups[3] = {1, 1, 1};
    I32 up[8], down[8];
    run(&test_race_kernel, false, false, groups, 8, up);
    run(&test_race_kernel, false, true, groups, 8, down);
    assert_true(memcmp(up, down, sizeof up) != 0);
}

void test_gpu_lanes_memory(void **state) {
    (void)state;
    const uint32_t groups[3] = {5, 1, 1};
    F32 y[5 * 32];
    for (int threads = 0; threads < 2; threads++) {
        run(&test_fresh_kernel, threads, false, groups, 32, y);
        for (int i = 0; i < 5 * 32; i++) assert_true(isnan(y[i]));
    }
}

void test_gpu_lanes_groups(void **state) {
    (void)state;
    enum { N = 3 * 4 * 5 * 70 };
    const uint32_t groups[3] = {3, 4, 5};
    for (int variant = 0; variant < 3; variant++) {
        static I32 y[N];
        memset(y, 0, sizeof y);
        run(&test_places_kernel, variant == 2, variant == 1, groups, 70, y);
        for (int i = 0; i < N; i++) assert_int_equal(y[i], 1);
    }
    host_lanes *h;
    I32 y[64];
    void *pointers[] = {y};
    const lanes_args a = {1};
    const host_job many = {&test_meet_kernel, {1, 1, 1}, 64, &a, pointers};
    assert_ok(host_lanes_open(&h, true, false, err));
    assert_fails(AR_DEVICE, "64 lanes", host_lanes_run(h, &many, err));
    host_lanes_close(h);
}
