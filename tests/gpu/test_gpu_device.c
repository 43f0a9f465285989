/* test_gpu_device.c - the backend over a driver: memory, programs, profiles,
 * recorded launches. */
#include "backend/backends.h"
#include "backend/gpu/backend_gpu.h"
#include "backend/gpu/host_driver.h"
#include "tests/test.h"

enum { N = 300 };
enum { UNUSED, X, Y, Z, N_SLOTS };

static device *open_host(int variant) {
    device *d;
    assert_ok(backend_gpu_host.open(variant, NULL, &d, err));
    return d;
}

/* y = x + 1, z = x x, each in a buffer of its own. */
static program *compile(device *d, graph *g) {
    program *p;
    graph_open(g);
    const ref x = graph_input(g, "x", AR_F32, shape1(N), X, 0);
    const ref y = graph_state(g, "y", AR_F32, shape1(N), Y, 0);
    const ref z = graph_state(g, "z", AR_F32, shape1(N), Z, 64);
    graph_store(g, y, graph_affine(g, x, 1, 1));
    graph_store(g, z, graph_mul(g, x, x));
    assert_ok(graph_status(g, err));
    assert_ok(backend_gpu_host.compile(d, g, &p, err));
    return p;
}

static void take(device *d, buffer *b, float first) {
    const backend *be = &backend_gpu_host;
    float x[N];
    for (int i = 0; i < N; i++) x[i] = first + (float)i;
    b[UNUSED] = (buffer){.size = 1}; /* nobody looks at it */
    for (int i = X; i < N_SLOTS; i++)
        assert_ok(be->alloc(d, sizeof x + 64, &b[i], err));
    assert_ok(be->write(d, &b[X], 0, x, sizeof x, err));
}

static void give(device *d, buffer *b) {
    for (int i = X; i < N_SLOTS; i++) backend_gpu_host.free(d, &b[i]);
}

static void run(device *d, program *p, const buffer *b) {
    ticket t;
    assert_ok(backend_gpu_host.run(p, b, N_SLOTS, &t, err));
    assert_ok(backend_gpu_host.wait(d, t, err));
}

static void check(device *d, const buffer *b, float first) {
    float y[N], z[N];
    assert_ok(backend_gpu_host.read(d, &b[Y], 0, y, sizeof y, err));
    assert_ok(backend_gpu_host.read(d, &b[Z], 64, z, sizeof z, err));
    for (int i = 0; i < N; i++) {
        const float x = first + (float)i;
        assert_true(y[i] == x + 1 && z[i] == x * x);
    }
}

void test_gpu_memory(void **state) {
    (void)state;
    const backend *be = &backend_gpu_host;
    static const char text[] = "0123456789";
    for (int variant = 0; variant < 2; variant++) {
        device *d = open_host(variant);
        device_caps caps;
        buffer a, b, file;
        char got[16] = {0};
        be->caps(d, &caps);
        assert_int_equal(caps.host_memory, variant == 0);
        assert_ok(be->alloc(d, 0, &a, err));
        be->free(d, &a);
        assert_ok(be->alloc(d, 10, &a, err));
        assert_ok(be->alloc(d, 20, &b, err));
        assert_ok(be->import(d, text, 10, &file, err));
        assert_true((a.host != NULL) == (variant == 0));
        assert_ok(be->copy(d, &a, 2, &file, 5, 5, err));
        assert_ok(be->copy(d, &b, 10, &a, 2, 5, err));
        assert_ok(be->read(d, &b, 10, got, 5, err));
        assert_string_equal(got, "56789");
        assert_fails(AR_RANGE, "a buffer of 10",
                     be->write(d, &a, 8, text, 3, err));
        assert_fails(AR_RANGE, "a buffer of 20",
                     be->read(d, &b, 21, got, 0, err));
        assert_fails(AR_RANGE, "a buffer of 10",
                     be->copy(d, &b, 0, &a, 6, 5, err));
        be->free(d, &file);
        be->free(d, &b);
        be->free(d, &a);
        be->close(d);
    }
    assert_string_equal(text, "0123456789"); /* still the caller's */
}

void test_gpu_programs(void **state) {
    (void)state;
    const backend *be = &backend_gpu_host;
    device *d = open_host(HOST_DISCRETE);
    graph g;
    program *p = compile(d, &g);
    buffer b[N_SLOTS];
    take(d, b, 3);
    run(d, p, b);
    check(d, b, 3);
    ticket t;
    buffer small[N_SLOTS];
    memcpy(small, b, sizeof b);
    small[Z].size = 64;
    assert_fails(AR_RANGE, "\"z\" lies outside",
                 be->run(p, small, N_SLOTS, &t, err));
    assert_fails(AR_RANGE, "2 buffers", be->run(p, b, 2, &t, err));
    float mine[2 * N];
    small[Z] = (buffer){.host = mine, .size = sizeof mine};
    assert_fails(AR_RANGE, "not of this device",
                 be->run(p, small, N_SLOTS, &t, err));
    program_stats stats;
    be->stats(p, &stats);
    assert_int_equal(stats.n_steps, 2);
    give(d, b);
    be->release(p);
    graph_close(&g);
    be->close(d);
}

void test_gpu_profile(void **state) {
    (void)state;
    const backend *be = &backend_gpu_host;
    device *d = open_host(0);
    graph g;
    program *p = compile(d, &g);
    buffer b[N_SLOTS];
    op_time times[OP_COUNT];
    device_speed speed = {0};
    take(d, b, 1);
    be->profile(d, true, NULL);
    run(d, p, b);
    run(d, p, b);
    be->profile(d, false, times);
    check(d, b, 1);
    assert_int_equal(times[OP_BINARY].calls, 2);
    assert_true(times[OP_UNARY].seconds > 0 && times[OP_UNARY].bytes > 0);
    assert_ok(be->measure(d, &speed, err));
    assert_true(speed.flops > 1e6 && speed.bandwidth > 1e6);
    give(d, b);
    be->release(p);
    graph_close(&g);
    be->close(d);
}

/* ---- a driver that records ---- */

struct gpu_graph {
    gpu_launch launches[8];
    int n;
};

static struct recorder {
    gpu_graph graph;
    bool recording, refuses;
    int begun, sent, freed, launched;
} rec;

static ar_status record_begin(gpu_context *c, ar_error *err) {
    (void)c, (void)err;
    rec.begun++;
    if (rec.refuses) return AR_UNSUPPORTED;
    rec.recording = true;
    rec.graph.n = 0;
    return AR_OK;
}

static ar_status record_end(gpu_context *c, gpu_graph **out, ar_error *err) {
    (void)c, (void)err;
    rec.recording = false;
    *out = &rec.graph;
    return AR_OK;
}

static ar_status record_launch(gpu_context *c, const gpu_launch *l,
                               ar_error *err) {
    if (!rec.recording) {
        rec.launched++;
        return gpu_host.launch(c, l, err);
    }
    assert_true(rec.graph.n < 8);
    rec.graph.launches[rec.graph.n++] = *l;
    return AR_OK;
}

static ar_status record_send(gpu_context *c, gpu_graph *g, ar_error *err) {
    rec.sent++;
    for (int i = 0; i < g->n; i++) {
        const ar_status s = gpu_host.launch(c, &g->launches[i], err);
        if (s != AR_OK) return s;
    }
    return AR_OK;
}

static void record_free(gpu_context *c, gpu_graph *g) {
    (void)c, (void)g;
    rec.freed++;
}

/* Recorded at the second run over the same memory, and again over other. */
void test_gpu_recorded(void **state) {
    (void)state;
    gpu_driver driver = gpu_host;
    driver.graph_begin = record_begin;
    driver.graph_end = record_end;
    driver.graph_launch = record_send;
    driver.graph_free = record_free;
    driver.launch = record_launch;
    for (int refuses = 0; refuses < 2; refuses++) {
        rec = (struct recorder){.refuses = refuses};
        device *d = open_host(HOST_DISCRETE);
        d->driver = &driver;
        graph g;
        program *p = compile(d, &g);
        buffer a[N_SLOTS], b[N_SLOTS];
        take(d, a, 5);
        take(d, b, 70);
        for (int i = 0; i < 4; i++) run(d, p, a);
        check(d, a, 5);
        for (int i = 0; i < 3; i++) run(d, p, b);
        check(d, b, 70);
        assert_int_equal(rec.begun, refuses ? 1 : 2);
        assert_int_equal(rec.sent, refuses ? 0 : 3 + 2);
        assert_int_equal(rec.launched, refuses ? 2 * 7 : 2 * 2);
        backend_gpu_host.release(p);
        assert_int_equal(rec.freed, refuses ? 0 : 2);
        give(d, a);
        give(d, b);
        graph_close(&g);
        backend_gpu_host.close(d);
    }
}

void test_gpu_names(void **state) {
    (void)state;
    int index;
    assert_ptr_equal(backend_find_device("gpu-host", &index),
                     &backend_gpu_host);
    assert_int_equal(index, 0);
    assert_ptr_equal(backend_find_device("gpu-host:3", &index),
                     &backend_gpu_host);
    assert_int_equal(index, 3);
    static const char *const bad[] = {
        "",
        ":",
        "gpu-host:",
        "gpu-host:x",
        "gpu-host:1x",
        "gpu-host:-1",
        "gpu-host:99999999999",
        "abacus:0",
        "a-name-that-is-longer-than-any-device-can-have:0"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_null(backend_find_device(bad[i], &index));
}
