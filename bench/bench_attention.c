/* bench_attention.c - attention and cross-entropy beside the plain product.
 *
 *   bench_attention [--kernels ISA] [--reps N] [--only attention|paged|xent]
 *                   [--clock cpu]
 *
 * GFLOP/s of the fastest of N runs, one and two threads; one alone, by
 * processor time, with --clock cpu.  Flops are those of
 * the products a causal mask leaves: 2 of T T / 2 D forward, 5 backward, both
 * times 2; and 2 or 6 N C V for the cross-entropy, of which the share of the
 * time that is not products is what it takes longer than gemm would.  A
 * product of 512 x 512 x 512 is the measure. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backend/cpu/cpu.h"
#include "backend/cpu/gemm.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"

extern const cpu_fast fast_attention, fast_attention_back, fast_paged;
extern const cpu_fast fast_xent, fast_xent_back;

typedef struct setup {
    const cpu_kernels *k;
    pool *threads;
    unsigned char *scratch;
    int reps;
    bool cpu_time;
} setup;

/* Wall time; or this process's processor time, for one thread on a machine
 * that others use too. */
static double now(const setup *s) {
    struct timespec t;
    if (!s->cpu_time) return clock_now();
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static float *numbers(int64_t n) {
    float *x = mem_block_alloc((size_t)n * sizeof *x);
    for (int64_t i = 0; x && i < n; i++)
        x[i] = (float)(2 * rng_uniform(1, 2, (uint64_t)i) - 1);
    return x;
}

static tensor tensor_of(int rank, const int64_t *dim) {
    tensor t = {.type = AR_F32, .rank = rank};
    int64_t n = 1;
    for (int i = rank - 1; i >= 0; i--) {
        t.dim[i] = dim[i];
        t.stride[i] = n;
        n *= dim[i];
    }
    t.data = numbers(n);
    return t;
}

static void drop(tensor *t) {
    if (t->data) mem_block_free(t->data, (size_t)tensor_count(t) * 4);
    t->data = NULL;
}

/* Seconds of the fastest run. */
static double fastest(const setup *s, const cpu_fast *f, op_call *c) {
    c->k = s->k;
    c->threads = s->threads;
    c->scratch = s->scratch;
    const size_t size = f->work_size ? f->work_size(c) : 0;
    c->work = mem_block_alloc(size);
    double best = 1e30;
    for (int i = 0; i <= s->reps && f->fits(c); i++) {
        const double start = now(s);
        f->run(c);
        const double t = now(s) - start;
        if (i && t < best) best = t;
    }
    mem_block_free(c->work, size);
    return best;
}

static double peak(const setup *s) {
    enum { N = 512 };
    float *a = numbers(N * N), *b = numbers(N * N), *y = numbers(N * N);
    const gemm_args g = {.m = N,
                         .n = N,
                         .k = N,
                         .a = {a, AR_F32, N, 1},
                         .b = {b, AR_F32, N, 1},
                         .c = y,
                         .ldc = N};
    const size_t size = gemm_work_size(&g, s->k);
    void *work = mem_block_alloc(size);
    double best = 1e30;
    for (int i = 0; i < 10 * s->reps; i++) {
        const double start = now(s);
        gemm_run(&g, s->k, s->threads, work);
        const double t = now(s) - start;
        if (t < best) best = t;
    }
    mem_block_free(work, size);
    for (int i = 0; i < 3; i++)
        mem_block_free(i == 0 ? a : i == 1 ? b : y, N * N * 4);
    return 2.0 * N * N * N / best * 1e-9;
}

static void report(const char *what, double flops, double seconds,
                   double best) {
    const double rate = flops / seconds * 1e-9;
    printf("  %-32s %9.3f ms  %7.1f GFLOP/s  %3.0f %%\n", what, seconds * 1e3,
           rate, 100 * rate / best);
}

static void attention(const setup *s, int64_t T, double best) {
    enum { B = 4, H = 12, D = 64 };
    const op_attr attr = {.attention = {.scale = 0.125, .causal = 1}};
    const int64_t x[] = {B, T, H, D}, l[] = {B, H, T};
    op_call c = {.op = OP_ATTENTION, .attr = &attr, .n_in = 3, .n_out = 2};
    op_call d = {.op = OP_ATTENTION_DQKV, .attr = &attr, .n_in = 6, .n_out = 3};
    for (int i = 0; i < 3; i++) c.in[i] = tensor_of(4, x);
    c.out[0] = tensor_of(4, x);
    c.out[1] = tensor_of(3, l);
    memcpy(d.in, c.in, 3 * sizeof *d.in);
    d.in[3] = c.out[0];
    d.in[4] = c.out[1];
    d.in[5] = tensor_of(4, x);
    for (int i = 0; i < 3; i++) d.out[i] = tensor_of(4, x);
    const double pairs = (double)B * H * (double)T * (double)(T + 1) / 2;
    char what[48];
    snprintf(what, sizeof what, "attention T=%d", (int)T);
    report(what, 4 * pairs * D, fastest(s, &fast_attention, &c), best);
    snprintf(what, sizeof what, "attention backward T=%d", (int)T);
    report(what, 10 * pairs * D, fastest(s, &fast_attention_back, &d), best);
    for (int i = 0; i < 6; i++) drop(&d.in[i]);
    for (int i = 0; i < 3; i++) drop(&d.out[i]);
}

/* `rows` tokens of sequences that hold `keys` tokens. */
static void paged(const setup *s, int rows, int sequences, int64_t keys,
                  double best) {
    enum { H = 12, D = 64, PAGE = 16 }; /* as engines have it */
    const int64_t pages = (keys + PAGE - 1) / PAGE;
    const op_attr attr = {.paged = {.scale = 0.125, .page = PAGE}};
    const int64_t x[] = {rows, H, D}, p[] = {pages * sequences, PAGE, H, D};
    const int64_t t[] = {sequences, pages}, n[] = {rows};
    op_call c = {
        .op = OP_ATTENTION_PAGED, .attr = &attr, .n_in = 6, .n_out = 1};
    c.in[0] = tensor_of(3, x);
    c.in[1] = tensor_of(4, p);
    c.in[2] = tensor_of(4, p);
    c.in[3] = tensor_of(2, t);
    c.in[4] = tensor_of(1, n);
    c.in[5] = tensor_of(1, n);
    c.out[0] = tensor_of(3, x);
    for (int i = 3; i < 6; i++) c.in[i].type = AR_I32;
    for (int i = 0; i < pages * sequences; i++)
        ((int32_t *)c.in[3].data)[i] = i;
    double pairs = 0;
    for (int i = 0; i < rows; i++) {
        const int each = rows / sequences;
        const int32_t at = (int32_t)keys - each + i % each;
        ((int32_t *)c.in[4].data)[i] = i / each;
        ((int32_t *)c.in[5].data)[i] = at;
        pairs += (double)(at + 1) * H;
    }
    char what[48];
    snprintf(what, sizeof what, "paged %d rows of %d, %d keys", rows, sequences,
             (int)keys);
    report(what, 4 * pairs * D, fastest(s, &fast_paged, &c), best);
    for (int i = 0; i < 6; i++) drop(&c.in[i]);
    drop(&c.out[0]);
}

static void xent(const setup *s, double best) {
    const int64_t N = 256, C = 768, V = 50257;
    const op_attr attr = {.xent = {0, AR_F32, 0}};
    const int64_t x[] = {N, C}, w[] = {V, C}, n[] = {N};
    op_call c = {.op = OP_XENT_DXW, .attr = &attr, .n_in = 4, .n_out = 3};
    c.in[0] = tensor_of(2, x);
    c.in[1] = tensor_of(2, w);
    c.in[2] = tensor_of(1, n);
    c.in[3] = tensor_of(1, n);
    c.out[0] = tensor_of(2, x);
    c.out[1] = tensor_of(2, w);
    c.out[2] = tensor_of(1, n);
    c.in[2].type = AR_I32;
    for (int i = 0; i < N; i++) ((int32_t *)c.in[2].data)[i] = i * 190;
    op_call d = c;
    d.op = OP_XENT;
    d.n_in = 3;
    d.n_out = 1;
    d.out[0] = c.out[2];
    const double flops = 2.0 * (double)N * (double)C * (double)V;
    report("cross-entropy", flops, fastest(s, &fast_xent, &d), best);
    report("cross-entropy with gradients", 3 * flops,
           fastest(s, &fast_xent_back, &c), best);
    for (int i = 0; i < 4; i++) drop(&c.in[i]);
    for (int i = 0; i < 3; i++) drop(&c.out[i]);
}

static bool wanted(const char *only, const char *name) {
    return !only || strstr(name, only);
}

int main(int argc, char **argv) {
    enum { MOST = 2 };
    setup s = {.reps = 5};
    const char *isa = NULL, *only = NULL;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (!strcmp(argv[i], "--kernels")) isa = argv[i + 1];
        if (!strcmp(argv[i], "--only")) only = argv[i + 1];
        if (!strcmp(argv[i], "--clock"))
            s.cpu_time = !strcmp(argv[i + 1], "cpu");
        if (!strcmp(argv[i], "--reps"))
            s.reps = (int)strtol(argv[i + 1], NULL, 10);
    }
    s.k = cpu_kernels_find(isa);
    s.scratch = mem_block_alloc(MOST * CPU_SCRATCH_SIZE);
    if (!s.k || !s.scratch) {
        fprintf(stderr, "no such kernel table on this CPU\n");
        return 1;
    }
    for (int n = 1; n <= (s.cpu_time ? 1 : MOST); n++) {
        if (pool_open(&s.threads, n, NULL) != AR_OK) return 1;
        const double best = peak(&s);
        printf("%s, %d threads: gemm %.1f GFLOP/s\n", s.k->isa, n, best);
        for (int64_t T = 64; wanted(only, "attention") && T <= 1024; T *= 4)
            attention(&s, T, best);
        if (wanted(only, "paged")) {
            paged(&s, 1, 1, 1024, best);
            paged(&s, 8, 8, 1024, best);
            paged(&s, 256, 1, 1024, best);
        }
        if (wanted(only, "xent")) xent(&s, best);
        pool_close(s.threads);
    }
    mem_block_free(s.scratch, MOST * CPU_SCRATCH_SIZE);
    return 0;
}
