/* bench_gemm.c - our products beside OpenBLAS's, in turns.
 *
 *   bench_gemm [--threads N] [--kernels ISA] [--only TEXT] [--reps N]
 *              [--json] [--no-blas] [--exact]
 *
 * --exact runs the products of inference (x times w transposed, 1 to 256 rows)
 * through the chain that does not depend on the number of rows.
 *
 * Every shape is run in turns, ours and OpenBLAS's; a ratio is that of the
 * medians, above 1 = ours is faster.  OpenBLAS's threads go on spinning for
 * a while after a call, so with several threads each of its turns is followed
 * by a pause; and since waking threads and finding them processors then takes
 * either side a while, a turn is one call to wake up and one that counts.
 * One thread is timed by its own processor time, so that other programs count
 * less.  OPENBLAS_CORETYPE must not be set. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "backend/cpu/fast_matmul.h"
#include "backend/cpu/gemm.h"
#include "base/clock.h"
#include "base/dynlib.h"
#include "base/mem.h"

typedef void sgemm_fn(int order, int ta, int tb, int m, int n, int k,
                      float alpha, const float *a, int lda, const float *b,
                      int ldb, float beta, float *c, int ldc);

/* C [m, n] = op(A) op(B); `t` marks an operand stored transposed. */
typedef struct product {
    const char *name;
    int m, n, k;
    bool ta, tb;
} product;

/* GPT-2 124M with 256 tokens: forward x [T, C] w [O, C] transposed; gradients
 * dx = dy w and dw = dy transposed x.  GPT-2's own layout [C, O] is "conv". */
#define LAYER(name, o, c)                                                      \
    {name " fwd", 256, o, c, false, true},                                     \
        {name " conv fwd", 256, o, c, false, false},                           \
        {name " dx", 256, c, o, false, false},                                 \
        {name " conv dx", 256, c, o, false, true}, {                           \
        name " dw", o, c, 256, true, false                                     \
    }

static const product products[] = {
    {"square 512", 512, 512, 512, false, false},
    {"square 768", 768, 768, 768, false, false},
    {"square 1024", 1024, 1024, 1024, false, false},
    {"square 1024 nt", 1024, 1024, 1024, false, true},
    {"square 1024 tn", 1024, 1024, 1024, true, false},
    {"square 2048", 2048, 2048, 2048, false, false},
    {"square 3072", 3072, 3072, 3072, false, false},
    {"square 4096", 4096, 4096, 4096, false, false},
    LAYER("gpt2 qkv", 2304, 768),
    LAYER("gpt2 proj", 768, 768),
    LAYER("gpt2 up", 3072, 768),
    LAYER("gpt2 down", 768, 3072),
    LAYER("gpt2 head", 50257, 768),
};
static const product exact_products[] = {
    {"1 row qkv", 1, 2304, 768, false, true},
    {"1 row up", 1, 3072, 768, false, true},
    {"1 row down", 1, 768, 3072, false, true},
    {"1 row head", 1, 50257, 768, false, true},
    {"4 rows head", 4, 50257, 768, false, true},
    {"64 rows up", 64, 3072, 768, false, true},
    {"256 rows up", 256, 3072, 768, false, true},
    {"256 rows conv up", 256, 3072, 768, false, false},
    {"256 rows down", 256, 768, 3072, false, true},
};

enum {
    N_PRODUCTS = sizeof products / sizeof *products,
    N_EXACT = sizeof exact_products / sizeof *exact_products,
    MAX_REPS = 101
};

extern const cpu_fast fast_matmul_exact;

typedef struct bench {
    const char *only, *isa;
    int threads, reps;
    bool json, no_blas, exact;
    const cpu_kernels *k;
    pool *pool;
    sgemm_fn *sgemm;
    float *a, *b, *c;
    void *work, *scratch;
} bench;

static int by_value(const void *x, const void *y) {
    const double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

static double median(double *x, int n) {
    qsort(x, (size_t)n, sizeof *x, by_value);
    return x[n / 2];
}

static double now(const bench *s) {
    struct timespec t;
    if (s->threads > 1) return clock_now();
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static tensor matrix(float *data, int64_t rows, int64_t cols, bool transposed) {
    return (tensor){data,
                    AR_F32,
                    2,
                    {rows, cols},
                    {transposed ? 1 : cols, transposed ? rows : 1}};
}

static double run_exact(const bench *s, const product *p) {
    const op_attr attr = {.matmul = {.compute = AR_F32, .exact = 1}};
    const op_call c = {.op = OP_MATMUL,
                       .attr = &attr,
                       .n_in = 2,
                       .n_out = 1,
                       .in = {matrix(s->a, p->m, p->k, p->ta),
                              matrix(s->b, p->k, p->n, p->tb)},
                       .out = {matrix(s->c, p->m, p->n, false)},
                       .work = s->work,
                       .threads = s->pool,
                       .k = s->k,
                       .scratch = s->scratch};
    const double t = now(s);
    fast_matmul_exact.run(&c);
    return now(s) - t;
}

static double run_ours(const bench *s, const product *p) {
    if (s->exact) return run_exact(s, p);
    const gemm_args g = {
        .m = p->m,
        .n = p->n,
        .k = p->k,
        .a = {s->a, AR_F32, p->ta ? 1 : p->k, p->ta ? p->m : 1},
        .b = {s->b, AR_F32, p->tb ? 1 : p->n, p->tb ? p->k : 1},
        .c = s->c,
        .ldc = p->n};
    const double t = now(s);
    gemm_run(&g, s->k, s->pool, s->work);
    return now(s) - t;
}

static double run_blas(const bench *s, const product *p) {
    enum { ROW_MAJOR = 101, PLAIN = 111, TRANSPOSED = 112 };
    const double t = now(s);
    s->sgemm(ROW_MAJOR, p->ta ? TRANSPOSED : PLAIN, p->tb ? TRANSPOSED : PLAIN,
             p->m, p->n, p->k, 1, s->a, p->ta ? p->m : p->k, s->b,
             p->tb ? p->k : p->n, 0, s->c, p->n);
    return now(s) - t;
}

/* One turn: a call to wake up the threads, if there are several, and one that
 * counts. */
static double turn(const bench *s, const product *p,
                   double (*call)(const bench *, const product *)) {
    if (s->threads > 1) {
        const double until = clock_now() + 0.01;
        do call(s, p);
        while (clock_now() < until);
    }
    return call(s, p);
}

static void print_result(const bench *s, const product *p, double ours,
                         double theirs) {
    const double flops = 2.0 * p->m * p->n * p->k;
    const double other = theirs > 0 ? flops / theirs * 1e-9 : 0;
    if (s->json)
        printf("{\"kernels\": \"%s\", \"threads\": %d, \"exact\": %s, "
               "\"name\": \"%s\", \"m\": %d, \"n\": %d, \"k\": %d, "
               "\"gflops\": %.2f, \"openblas_gflops\": %.2f, "
               "\"ratio\": %.4f}\n",
               s->k->isa, s->threads, s->exact ? "true" : "false", p->name,
               p->m, p->n, p->k, flops / ours * 1e-9, other, theirs / ours);
    else
        printf("%-20s %6d %6d %6d  %8.1f %8.1f  %6.3f\n", p->name, p->m, p->n,
               p->k, flops / ours * 1e-9, other, theirs / ours);
    fflush(stdout);
}

static void measure(bench *s, const product *p) {
    double ours[MAX_REPS], theirs[MAX_REPS] = {0};
    int n = (int)(s->reps * 2e9 / ((double)p->m * p->n * p->k));
    n = n < 5 ? 5 : n > MAX_REPS ? MAX_REPS : n;
    if (s->threads > 1 && n > 21) n = 21;
    for (int i = -1; i < n; i++) { /* the first turn warms up */
        const double t = turn(s, p, run_ours);
        const double u = s->sgemm ? turn(s, p, run_blas) : 0;
        if (s->threads > 1 && s->sgemm) usleep(40000);
        if (i >= 0) ours[i] = t, theirs[i] = u;
    }
    print_result(s, p, median(ours, n), median(theirs, n));
}

static bool parse_flag(bench *s, const char *flag) {
    bool *const flags[] = {&s->json, &s->no_blas, &s->exact};
    static const char *const names[] = {"--json", "--no-blas", "--exact"};
    for (int i = 0; i < 3; i++)
        if (!strcmp(flag, names[i])) return *flags[i] = true;
    return false;
}

static bool parse(bench *s, int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        const char *a = argv[i], *v = i + 1 < argc ? argv[i + 1] : NULL;
        if (parse_flag(s, a)) continue;
        if (v && !strcmp(a, "--threads"))
            s->threads = (int)strtol(v, NULL, 10);
        else if (v && !strcmp(a, "--reps"))
            s->reps = (int)strtol(v, NULL, 10);
        else if (v && !strcmp(a, "--kernels"))
            s->isa = v;
        else if (v && !strcmp(a, "--only"))
            s->only = v;
        else
            return false;
        i++;
    }
    return s->threads > 0 && s->reps > 0;
}

static void open_blas(bench *s) {
    static const char *const names[] = {"libopenblas.so.0", "libopenblas.so",
                                        "libopenblas.0.dylib", NULL};
    dynlib *lib = dynlib_open(names);
    if (!lib) {
        fprintf(stderr, "OpenBLAS was not found\n");
        return;
    }
    void (*set)(int);
    const char *(*core)(void);
    *(void **)&set = dynlib_symbol(lib, "openblas_set_num_threads");
    *(void **)&core = dynlib_symbol(lib, "openblas_get_corename");
    *(void **)&s->sgemm = dynlib_symbol(lib, "cblas_sgemm");
    if (set) set(s->threads);
    if (!s->json)
        printf("OpenBLAS for %s, ours for %s, %d threads\n",
               core ? core() : "?", s->k->isa, s->threads);
}

static float *random_floats(size_t n) {
    float *x = mem_block_alloc(n * sizeof *x);
    uint32_t r = 1;
    for (size_t i = 0; x && i < n; i++) {
        r = r * 1664525u + 1013904223u;
        x[i] = (float)(int32_t)r * 0x1p-31f;
    }
    return x;
}

static bool prepare(bench *s) {
    size_t a = 0, b = 0, c = 0, work = 0;
    for (int i = 0; i < N_PRODUCTS; i++) {
        const product *p = &products[i];
        const gemm_args g = {.m = p->m, .n = p->n, .k = p->k};
        const size_t m = (size_t)p->m, n = (size_t)p->n, k = (size_t)p->k;
        const size_t w = gemm_work_size(&g, s->k);
        if (m * k > a) a = m * k;
        if (k * n > b) b = k * n;
        if (m * n > c) c = m * n;
        if (w > work) work = w;
    }
    s->a = random_floats(a);
    s->b = random_floats(b);
    s->c = mem_block_alloc(c * sizeof *s->c);
    s->work = mem_block_alloc(work);
    s->scratch = mem_block_alloc((size_t)s->threads * CPU_SCRATCH_SIZE);
    return s->a && s->b && s->c && s->work && s->scratch;
}

int main(int argc, char **argv) {
    bench s = {.threads = 1, .reps = 5};
    ar_error err;
    if (!parse(&s, argc, argv)) {
        fprintf(stderr, "usage: bench_gemm [--threads N] [--kernels ISA] "
                        "[--only TEXT] [--reps N] [--json] [--no-blas] "
                        "[--exact]\n");
        return 2;
    }
    s.k = cpu_kernels_find(s.isa);
    if (!s.k) {
        fprintf(stderr, "no kernels called %s run here\n", s.isa);
        return 1;
    }
    if (pool_open(&s.pool, s.threads, &err) != AR_OK || !prepare(&s)) {
        fprintf(stderr, "out of memory\n");
        return 1;
    }
    if (!s.no_blas) open_blas(&s);
    if (!s.json)
        printf("%-20s %6s %6s %6s  %8s %8s  %6s\n", "product", "m", "n", "k",
               "ours", "openblas", "ratio");
    const product *list = s.exact ? exact_products : products;
    for (int i = 0; i < (s.exact ? N_EXACT : N_PRODUCTS); i++)
        if (!s.only || strstr(list[i].name, s.only)) measure(&s, &list[i]);
    pool_close(s.pool);
    return 0;
}
