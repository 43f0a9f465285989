/* op_bench.c - how fast a device runs single ops. */
#include "backend/op_bench.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"

enum { SLOT_IN, SLOT_OUT, N_SLOTS, MAX_RUNS = 1000 };

/* A graph being made: inputs one after the other in one buffer. */
typedef struct bench {
    graph g;
    int64_t in_size, out_size; /* bytes */
} bench;

static int64_t take(int64_t *size, ar_type t, const shape *s) {
    const int64_t at = *size;
    *size += (int64_t)(ar_type_size(t, shape_count(s)) + 63) & ~(int64_t)63;
    return at;
}

static ref input(bench *b, ar_type t, shape s) {
    return graph_input(&b->g, "in", t, s, SLOT_IN, take(&b->in_size, t, &s));
}

static ref state(bench *b, ar_type t, shape s) {
    return graph_state(&b->g, "out", t, s, SLOT_OUT, take(&b->out_size, t, &s));
}

static void output(bench *b, ref x) {
    if (!x) return;
    graph_store(&b->g, state(b, graph_type(&b->g, x), graph_shape(&b->g, x)),
                x);
}

static ref floats(bench *b, int64_t rows, int64_t columns) {
    return input(b, AR_F32, shape2(rows, columns));
}

/* a, b, c, d of op_bench.def, by builder: M, N, K, exact */
static void bench_matmul(bench *b, const int64_t *v) {
    const struct matmul_attr attr = {.exact = (int32_t)v[3]};
    const ref x = floats(b, v[0], v[2]), w = floats(b, v[1], v[2]);
    output(b, graph_linear(&b->g, x, w, 0, &attr));
}

/* B, T, H, D */
static void bench_attention(bench *b, const int64_t *v) {
    const struct attention_attr attr = {.scale = 0.125, .causal = 1};
    const shape s = shape4(v[0], v[1], v[2], v[3]);
    const ref q = input(b, AR_F32, s), k = input(b, AR_F32, s),
              w = input(b, AR_F32, s);
    output(b, graph_attention(&b->g, q, k, w, &attr));
}

/* N, C, V */
static void bench_xent(bench *b, const int64_t *v) {
    const struct xent_attr attr = {0};
    const ref x = floats(b, v[0], v[1]), w = floats(b, v[2], v[1]);
    const ref targets = input(b, AR_I32, shape1(v[0]));
    output(b, graph_xent(&b->g, x, w, targets, &attr));
}

/* rows, columns */
static void bench_layer_norm(bench *b, const int64_t *v) {
    const ref x = floats(b, v[0], v[1]);
    const ref w = input(b, AR_F32, shape1(v[1]));
    const ref bias = input(b, AR_F32, shape1(v[1]));
    output(b, graph_layer_norm(&b->g, x, w, bias, 1e-5));
}

static void bench_rms_norm(bench *b, const int64_t *v) {
    const ref x = floats(b, v[0], v[1]);
    output(b,
           graph_rms_norm(&b->g, x, input(b, AR_F32, shape1(v[1])), 1e-5, 0));
}

/* tokens, heads, keys' size, values' size: the delta rule */
static void bench_scan(bench *b, const int64_t *v) {
    const shape qk = shape4(1, v[0], v[1], v[2]),
                by_head = shape3(1, v[0], v[1]);
    const ref decay = input(b, AR_F32, by_head); /* in -0.5 .. 0.5 */
    const ref in[] = {input(b, AR_F32, qk), input(b, AR_F32, qk),
                      input(b, AR_F32, shape4(1, v[0], v[1], v[3])),
                      graph_affine(&b->g, decay, 0.5, -0.5),
                      input(b, AR_F32, by_head)};
    output(b, graph_op(&b->g, OP_SCAN, NULL, in, 5));
}

/* tokens, channels, kernel */
static void bench_conv1d(bench *b, const int64_t *v) {
    const ref in[] = {input(b, AR_F32, shape3(1, v[0], v[1])),
                      input(b, AR_F32, shape2(v[1], v[2]))};
    output(b, graph_op(&b->g, OP_CONV1D, NULL, in, 2));
}

static void bench_softmax(bench *b, const int64_t *v) {
    output(b, graph_softmax(&b->g, floats(b, v[0], v[1])));
}

static void bench_add(bench *b, const int64_t *v) {
    const ref x = floats(b, v[0], v[1]), y = floats(b, v[0], v[1]);
    output(b, graph_add(&b->g, x, y));
}

/* rows, columns, kind */
static void bench_unary(bench *b, const int64_t *v) {
    output(b, graph_unary(&b->g, (enum unary_kind)v[2], floats(b, v[0], v[1])));
}

static void bench_gated(bench *b, const int64_t *v) {
    const ref gate = floats(b, v[0], v[1]), up = floats(b, v[0], v[1]);
    output(b, graph_gated(&b->g, (enum unary_kind)v[2], gate, up));
}

/* weights */
static void bench_adamw(bench *b, const int64_t *v) {
    const shape s = shape1(v[0]);
    const op_attr none = {0};
    const ref in[] = {state(b, AR_F32, s), input(b, AR_F32, s),
                      state(b, AR_F32, s), state(b, AR_F32, s),
                      input(b, AR_F64, shape1(8))};
    graph_op(&b->g, OP_OPT_ADAMW, &none, in, 5);
}

static const struct row {
    const char *name, *shape;
    void (*build)(bench *b, const int64_t *v);
    int64_t v[4];
} rows[] = {
#define BENCH(name, shape, build, a, b, c, d)                                  \
    {name, shape, build, {a, b, c, d}},
#include "backend/op_bench.def"
#undef BENCH
};
enum { N_ROWS = sizeof rows / sizeof *rows };

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static ar_status repeat(const backend *b, device *d, program *p,
                        const buffer *buffers, double seconds, double *median,
                        ar_error *err) {
    double times[MAX_RUNS];
    int n = 0;
    ticket t;
    TRY(b->run(p, buffers, N_SLOTS, &t, err)); /* warm up */
    TRY(b->wait(d, t, err));
    const double until = clock_now() + seconds;
    do {
        const double start = clock_now();
        TRY(b->run(p, buffers, N_SLOTS, &t, err));
        TRY(b->wait(d, t, err));
        times[n++] = clock_now() - start;
    } while (n < MAX_RUNS && (n < 5 || clock_now() < until));
    qsort(times, (size_t)n, sizeof *times, by_value);
    *median = times[n / 2];
    return AR_OK;
}

/* Small numbers, so that nothing overflows and no denormals slow it down; as
 * I32 their low bits name no vocabulary entry, which XENT ignores. */
static ar_status fill(const backend *b, device *d, buffer *in, ar_error *err) {
    enum { N = 4096 };
    float numbers[N];
    for (int i = 0; i < N; i++)
        numbers[i] = (float)((i * 37) % 101 - 50) * 0.01f;
    for (size_t at = 0; at < in->size; at += sizeof numbers) {
        const size_t left = in->size - at;
        TRY(b->write(d, in, at, numbers,
                     left < sizeof numbers ? left : sizeof numbers, err));
    }
    return AR_OK;
}

static ar_status run_row(const backend *b, device *d, const struct row *row,
                         double seconds, op_bench_result *out, ar_error *err) {
    bench made = {0};
    graph_open(&made.g);
    row->build(&made, row->v);
    program *p = NULL;
    buffer buffers[N_SLOTS] = {0};
    ar_status s = b->compile(d, &made.g, &p, err);
    if (s == AR_OK)
        s = b->alloc(d, (size_t)made.in_size, &buffers[SLOT_IN], err);
    if (s == AR_OK)
        s = b->alloc(d, (size_t)made.out_size, &buffers[SLOT_OUT], err);
    if (s == AR_OK) s = fill(b, d, &buffers[SLOT_IN], err);
    if (s == AR_OK) s = repeat(b, d, p, buffers, seconds, &out->seconds, err);
    if (s == AR_OK) {
        program_stats stats;
        b->stats(p, &stats);
        out->flops = stats.flops;
        out->bytes = stats.bytes;
    }
    b->free(d, &buffers[SLOT_IN]);
    b->free(d, &buffers[SLOT_OUT]);
    b->release(p);
    graph_close(&made.g);
    return s;
}

bool op_bench_has(const char *filter) {
    for (int i = 0; i < N_ROWS; i++)
        if (!filter || strstr(rows[i].name, filter)) return true;
    return false;
}

ar_status op_bench_run(const backend *b, device *d, const char *filter,
                       double seconds, op_bench_show *show, void *ctx,
                       ar_error *err) {
    for (int i = 0; i < N_ROWS; i++) {
        if (filter && !strstr(rows[i].name, filter)) continue;
        op_bench_result r = {.name = rows[i].name, .shape = rows[i].shape};
        TRY(run_row(b, d, &rows[i], seconds, &r, err));
        show(ctx, &r);
    }
    return AR_OK;
}
