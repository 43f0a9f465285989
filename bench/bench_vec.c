/* bench_vec.c - the vector ops beside a copy of as many bytes, in turns.
 *
 *   bench_vec [--threads N] [--kernels ISA] [--only TEXT] [--turns N] [--json]
 *
 * Rows are ops of a training step of GPT-2 124M with 4 x 256 tokens, of
 * LLaMA's kind too, and some that are larger than the caches.  Bytes are those
 * that must be read and written (node_bytes); a copy of as many bytes, by as
 * many threads, runs after each turn of an op, and a ratio is that of the
 * medians: 1 = the op goes at the speed of memory. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/backends.h"
#include "base/clock.h"
#include "base/error.h"
#include "core/backend.h"

typedef struct row {
    const char *name;
    enum op_id op;
    op_attr attr;
    struct operand {
        ar_type type;
        shape shape;
        int64_t most; /* ids are below it */
    } in[5];
} row;

#define RANK(...) (sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t))
#define X(...)                                                                 \
    { AR_F32, {RANK(__VA_ARGS__), {__VA_ARGS__}}, 0 }
#define ID(most, ...)                                                          \
    { AR_I32, {RANK(__VA_ARGS__), {__VA_ARGS__}}, most }
#define H                                                                      \
    { AR_F64, {1, {8}}, 0 }
#define NONE                                                                   \
    { AR_NONE, {0}, 0 }
#define UN(kind) .unary = {UNARY_##kind, 0, 1, 0}
#define BI(kind) .binary = {BINARY_##kind, 0, 1, 1}
#define RED(kind, axis, type) .reduce = {REDUCE_##kind, axis, type}
#define EPS .norm = {1e-5, 0}
#define NO .data = {NULL}

static const row rows[] = {
    {"add", OP_BINARY, {BI(ADD)}, {X(1024, 768), X(1024, 768)}},
    {"mul, large", OP_BINARY, {BI(MUL)}, {X(16384, 768), X(16384, 768)}},
    {"gelu_tanh", OP_UNARY, {UN(GELU_TANH)}, {X(1024, 3072)}},
    {"gelu_tanh dx",
     OP_UNARY_DX,
     {UN(GELU_TANH)},
     {X(1024, 3072), X(1024, 3072)}},
    {"gelu", OP_UNARY, {UN(GELU)}, {X(1024, 3072)}},
    {"tanh", OP_UNARY, {UN(TANH)}, {X(1024, 3072)}},
    {"exp", OP_UNARY, {UN(EXP)}, {X(1024, 3072)}},
    {"silu gate",
     OP_GATED,
     {.gated = {UNARY_SILU}},
     {X(1024, 3072), X(1024, 3072)}},
    {"silu gate dx",
     OP_GATED_DX,
     {.gated = {UNARY_SILU}},
     {X(1024, 3072), X(1024, 3072), X(1024, 3072)}},
    {"layer norm", OP_LAYER_NORM, {EPS}, {X(1024, 768), X(768), X(768)}},
    {"layer norm dx",
     OP_LAYER_NORM_DX,
     {EPS},
     {X(1024, 768), X(768), X(1024, 768)}},
    {"layer norm dw", OP_LAYER_NORM_DW, {EPS}, {X(1024, 768), X(1024, 768)}},
    {"rms norm", OP_RMS_NORM, {EPS}, {X(1024, 768), X(768)}},
    {"rms norm dx",
     OP_RMS_NORM_DX,
     {EPS},
     {X(1024, 768), X(768), X(1024, 768)}},
    {"rms norm dw", OP_RMS_NORM_DW, {EPS}, {X(1024, 768), X(1024, 768)}},
    {"sum over rows", OP_REDUCE, {RED(SUM, 0, 0)}, {X(1024, 3072)}},
    {"sum of rows", OP_REDUCE, {RED(SUM, 1, 0)}, {X(1024, 3072)}},
    {"sum of squares", OP_REDUCE, {RED(SUM_SQR, -1, AR_F64)}, {X(1 << 26)}},
    {"softmax", OP_SOFTMAX, {NO}, {X(1024, 1024)}},
    {"embed", OP_EMBED, {NO}, {X(50257, 768), ID(50257, 1024)}},
    {"embed dw",
     OP_EMBED_DW,
     {.embed = {50257}},
     {ID(50257, 1024), X(1024, 768)}},
    {"rope",
     OP_ROPE,
     {.rope = {0, 0}},
     {X(4, 256, 12, 64), X(256, 32), X(256, 32)}},
    {"rope interleaved",
     OP_ROPE,
     {.rope = {1, 0}},
     {X(4, 256, 12, 64), X(256, 32), X(256, 32)}},
    {"cast to bf16", OP_CAST, {.cast = {AR_BF16}}, {X(4096, 3072)}},
    {"cast to f16", OP_CAST, {.cast = {AR_F16}}, {X(4096, 3072)}},
    {"concat", OP_CONCAT, {.axis = {1, 0, 0}}, {X(1024, 768), X(1024, 1536)}},
    {"accumulate", OP_ACCUMULATE, {NO}, {X(1 << 24), X(1 << 24)}},
    {"adamw",
     OP_OPT_ADAMW,
     {NO},
     {X(1 << 24), X(1 << 24), X(1 << 24), X(1 << 24), H}},
    {"lion", OP_OPT_LION, {NO}, {X(1 << 24), X(1 << 24), X(1 << 24), H}},
    {"sgd", OP_OPT_SGD, {.sgd = {0}}, {X(1 << 24), X(1 << 24), X(1 << 24), H}},
};
enum { N_ROWS = sizeof rows / sizeof *rows, MAX_TURNS = 201 };
enum { SLOT_IN, SLOT_OUT, N_SLOTS };

typedef struct bench {
    const backend *b;
    device *d;
    int turns;
    bool json;
} bench;

/* A graph of one op and its memory. */
typedef struct made {
    graph g;
    program *p;
    buffer buffers[N_SLOTS];
    size_t size[N_SLOTS];
    double bytes;
} made;

static ref leaf(made *m, int slot, ar_type t, shape s) {
    const int64_t at = (int64_t)m->size[slot];
    m->size[slot] += (ar_type_size(t, shape_count(&s)) + 63) / 64 * 64;
    return slot == SLOT_IN ? graph_input(&m->g, "x", t, s, slot, at)
                           : graph_state(&m->g, "y", t, s, slot, at);
}

/* Operands that the op writes are states. */
static bool writes(enum op_id op, int k) {
    if (op == OP_ACCUMULATE) return k == 0;
    if (op == OP_OPT_ADAMW) return k == 0 || k == 2 || k == 3;
    return (op == OP_OPT_LION || op == OP_OPT_SGD) && (k == 0 || k == 2);
}

static void fill(made *m, const row *r, const ref *in) {
    for (int k = 0; k < 5; k++) {
        if (!in[k]) continue;
        const struct leaf_attr *a = &graph_node(&m->g, in[k])->attr.leaf;
        char *to = (char *)m->buffers[a->slot].host + a->offset;
        const int64_t n = shape_count(&r->in[k].shape);
        uint32_t u = 1;
        for (int64_t i = 0; i < n; i++) {
            u = u * 1664525u + 1013904223u;
            if (r->in[k].type == AR_F64)
                ((double *)to)[i] = 0.5;
            else if (r->in[k].type == AR_I32)
                ((int32_t *)to)[i] =
                    (int32_t)((u >> 8) % (uint32_t)r->in[k].most);
            else
                ((float *)to)[i] = (float)(u >> 8) * 0x1p-23f;
        }
    }
}

static ar_status make(const bench *s, const row *r, made *m, ar_error *err) {
    ref in[MAX_INPUTS] = {0};
    int n = 0;
    *m = (made){0};
    graph_open(&m->g);
    for (int k = 0; k < 5; k++) {
        const struct operand *o = &r->in[k];
        if (o->type == AR_NONE) continue;
        in[k] =
            leaf(m, writes(r->op, k) ? SLOT_OUT : SLOT_IN, o->type, o->shape);
        n = k + 1;
    }
    const ref y = graph_op(&m->g, r->op, &r->attr, in, n);
    TRY(graph_status(&m->g, err));
    const node made_of = *graph_node(&m->g, y);
    m->bytes = node_bytes(&m->g, &made_of);
    for (int i = 0; i < made_of.n_out && r->op < OP_STORE; i++) {
        const ref out = graph_output(&m->g, y, i);
        graph_store(
            &m->g,
            leaf(m, SLOT_OUT, graph_type(&m->g, out), graph_shape(&m->g, out)),
            out);
    }
    TRY(s->b->compile(s->d, &m->g, &m->p, err));
    for (int i = 0; i < N_SLOTS; i++)
        TRY(s->b->alloc(s->d, m->size[i], &m->buffers[i], err));
    fill(m, r, in);
    return AR_OK;
}

static void unmake(const bench *s, made *m) {
    for (int i = 0; i < N_SLOTS; i++) s->b->free(s->d, &m->buffers[i]);
    s->b->release(m->p);
    graph_close(&m->g);
}

static ar_status turn(const bench *s, const made *m, double *seconds,
                      ar_error *err) {
    ticket t;
    const double start = clock_now();
    TRY(s->b->run(m->p, m->buffers, N_SLOTS, &t, err));
    TRY(s->b->wait(s->d, t, err));
    *seconds = clock_now() - start;
    return AR_OK;
}

static int by_value(const void *x, const void *y) {
    const double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

static double median(double *x, int n) {
    qsort(x, (size_t)n, sizeof *x, by_value);
    return x[n / 2];
}

static void show(const bench *s, const row *r, const made *op, double t,
                 const made *copy, double u) {
    const double ours = op->bytes / t * 1e-9, theirs = copy->bytes / u * 1e-9;
    if (s->json)
        printf("{\"op\": \"%s\", \"megabytes\": %.2f, \"seconds\": %.7f, "
               "\"gigabytes_per_second\": %.2f, \"copy\": %.2f, "
               "\"ratio\": %.3f}\n",
               r->name, op->bytes * 1e-6, t, ours, theirs, ours / theirs);
    else
        printf("%-18s %9.2f MB %10.1f us %8.1f GB/s %8.1f GB/s  %6.2f\n",
               r->name, op->bytes * 1e-6, t * 1e6, ours, theirs, ours / theirs);
    fflush(stdout);
}

static ar_status measure(const bench *s, const row *r, ar_error *err) {
    double ours[MAX_TURNS], theirs[MAX_TURNS];
    made op, copy;
    TRY(make(s, r, &op, err));
    const row same = {"copy", OP_COPY, {NO}, {X((int64_t)(op.bytes / 8))}};
    TRY(make(s, &same, &copy, err));
    for (int i = -2; i < s->turns; i++) { /* the first turns warm up */
        const int k = i < 0 ? 0 : i;
        TRY(turn(s, &op, &ours[k], err));
        TRY(turn(s, &copy, &theirs[k], err));
    }
    show(s, r, &op, median(ours, s->turns), &copy, median(theirs, s->turns));
    unmake(s, &op);
    unmake(s, &copy);
    return AR_OK;
}

int main(int argc, char **argv) {
    device_options opt = {0};
    bench s = {.b = backend_find("cpu"), .turns = 51};
    const char *only = NULL;
    for (int i = 1; i < argc; i++) {
        const char *v = i + 1 < argc ? argv[i + 1] : NULL;
        if (!strcmp(argv[i], "--json")) s.json = true;
        if (!v) break;
        if (!strcmp(argv[i], "--threads"))
            opt.n_threads = (int)strtol(v, NULL, 10);
        if (!strcmp(argv[i], "--turns")) s.turns = (int)strtol(v, NULL, 10);
        if (!strcmp(argv[i], "--kernels")) opt.kernels = v;
        if (!strcmp(argv[i], "--only")) only = v;
    }
    if (s.turns < 1 || s.turns > MAX_TURNS) s.turns = MAX_TURNS;
    ar_error err = {0};
    ar_status status = s.b->open(0, &opt, &s.d, &err);
    for (int i = 0; i < N_ROWS && status == AR_OK; i++)
        if (!only || strstr(rows[i].name, only))
            status = measure(&s, &rows[i], &err);
    s.b->close(s.d);
    if (status == AR_OK) return 0;
    fprintf(stderr, "%s\n", err.message);
    return 1;
}
