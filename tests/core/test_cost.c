/* test_cost.c - seconds that a graph is expected to take. */
#include "core/cost.h"
#include "tests/test.h"

static const device_speed speed = {.flops = 1e11,
                                   .levels = 3e11,
                                   .bandwidth = 2e10,
                                   .cached = 1e11,
                                   .cache_size = 1 << 23,
                                   .dispatch = 1e-6};

typedef struct product {
    int64_t m, n, k;
    ar_type type; /* of b */
    struct matmul_attr attr;
} product;

static double seconds_of(product p, const cost_run *r) {
    graph g;
    graph_open(&g);
    const ref x = graph_input(&g, "x", AR_F32, shape2(p.m, p.k), 0, 0);
    const ref w = graph_param(&g, "w", p.type, shape2(p.n, p.k), 1, 0);
    const ref y = graph_linear(&g, x, w, 0, &p.attr);
    graph_store(&g, graph_state(&g, "y", AR_F32, shape2(p.m, p.n), 2, 0), y);
    assert_ok(graph_status(&g, err));
    const double seconds = graph_seconds(&g, r);
    graph_close(&g);
    return seconds;
}

static double product_seconds(product p, device_speed s) {
    const cost_run r = {.speed = &s, .block_size = 1e9};
    return seconds_of(p, &r);
}

/* Never less than the arithmetic and the bytes allow, and not much more. */
void test_cost_product(void **state) {
    (void)state;
    const product p = {512, 4096, 4096, AR_F32, {0}};
    const double flops = 2.0 * 512 * 4096 * 4096;
    const double seconds = product_seconds(p, speed);
    assert_true(seconds > flops / speed.flops);
    assert_true(seconds < 1.5 * flops / speed.flops);
    device_speed twice = speed;
    twice.flops *= 2, twice.levels *= 2, twice.bandwidth *= 2;
    twice.cached *= 2, twice.dispatch /= 2;
    assert_true(fabs(product_seconds(p, twice) / seconds - 0.5) < 1e-6);
}

/* One row waits for the weights, which are smaller in blocks; many rows are
 * bound by products, which are faster in levels. */
void test_cost_blocks(void **state) {
    (void)state;
    product plain = {1, 4096, 4096, AR_F32, {.exact = 1}}, block = plain;
    block.type = AR_Q4_K;
    block.attr.act8 = 1;
    const double row = product_seconds(block, speed);
    assert_true(row > 4096 * 4096 * 0.5625 / speed.bandwidth);
    assert_true(row < product_seconds(plain, speed) / 2);
    plain.m = block.m = 512;
    const double rows = product_seconds(block, speed);
    assert_true(rows < product_seconds(plain, speed) / 2);
    assert_true(rows > 2.0 * 512 * 4096 * 4096 / speed.levels);
}

/* Weights that fit a cache are read from there. */
void test_cost_caches(void **state) {
    (void)state;
    const product small = {1, 1024, 1024, AR_F32, {.exact = 1}};
    device_speed s = speed;
    const double cached = product_seconds(small, s);
    s.cache_size = 1 << 20;
    assert_true(product_seconds(small, s) > 2 * cached);
}

static double symmetric_seconds(bool same) {
    const cost_run r = {.speed = &speed, .block_size = 1e9};
    graph g;
    graph_open(&g);
    const shape s = shape2(1024, 1024);
    const ref x = graph_input(&g, "x", AR_F32, s, 0, 0);
    const ref z = same ? x : graph_input(&g, "z", AR_F32, s, 1, 0);
    const ref y = graph_matmul(&g, x, graph_transpose(&g, z), NULL);
    graph_store(&g, graph_state(&g, "y", AR_F32, s, 2, 0), y);
    assert_ok(graph_status(&g, err));
    const double seconds = graph_seconds(&g, &r);
    graph_close(&g);
    return seconds;
}

/* A matrix times its own transpose is half of a product. */
void test_cost_symmetric(void **state) {
    (void)state;
    const double part = symmetric_seconds(true) / symmetric_seconds(false);
    assert_true(part > 0.45 && part < 0.55);
}
