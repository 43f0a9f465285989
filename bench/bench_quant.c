/* bench_quant.c - products with weights in blocks.
 *
 *   bench_quant [--kernels ISA] [--threads N] [--reps N] [--type NAME]
 *               [--clock cpu] [--of experts]
 *
 * For every block type, and F16 and BF16: GB of weights a second that one row
 * of activations reads (N x K is larger than the caches), and GFLOP/s of 512
 * rows; by the 8-bit chain and by the f32 chain of matmul_attr.exact alone. The
 * fastest of N runs that take turns; one thread by processor time with --clock
 * cpu.  The first line is the speed at which the same threads read memory,
 * summing it.  With --of experts the products are those of 64 matrices of which
 * each row chooses 8, other ones in every run.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backend/cpu/cpu.h"
#include "base/clock.h"
#include "base/mem.h"
#include "quant/quant.h"

extern const cpu_fast fast_matmul_act8, fast_matmul_exact, fast_experts;

enum { K = 2048, N_LONG = 49152, N_SHORT = 2048, M = 512 };
enum { E = 64, F = N_LONG / E, CHOSEN = 8 };

typedef struct setup {
    const cpu_kernels *k;
    pool *threads;
    unsigned char *scratch;
    int reps;
    bool cpu_time, experts;
    const char *type;
} setup;

typedef struct memory {
    unsigned char *w; /* [N_LONG, K] of the largest type, or to be summed */
    size_t size;
    float *x, *y; /* [M, K], [M, CHOSEN, F], which is most */
    int32_t *ids; /* [M, CHOSEN] */
} memory;

static double now(const setup *s) {
    struct timespec t;
    if (!s->cpu_time) return clock_now();
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Bytes that are a small normal number as f16, as f8 and as an exponent. */
static void fill(memory *m) {
    for (size_t i = 0; i < m->size; i++)
        m->w[i] = (unsigned char)(0x20 + (i * 2654435761u >> 13) % 24);
    for (int64_t i = 0; i < (int64_t)M * K; i++)
        m->x[i] = (float)(i * 7919 % 2003 - 1001) * 1e-3f;
}

/* Eight different ids a row, which in runs of one row are new ones. */
static void choose(const memory *m, int run) {
    for (int i = 0; i < M; i++)
        for (int j = 0; j < CHOSEN; j++)
            m->ids[i * CHOSEN + j] = (run + i * 5 + j * (E / CHOSEN)) % E;
}

static op_call call_of(const setup *s, const memory *m, ar_type t, int64_t rows,
                       int64_t n, const op_attr *attr) {
    op_call c = {.op = OP_MATMUL,
                 .attr = attr,
                 .n_in = 2,
                 .n_out = 1,
                 .threads = s->threads,
                 .k = s->k,
                 .scratch = s->scratch};
    c.in[0] = (tensor){m->x, AR_F32, 2, {rows, K}, {K, 1}};
    c.in[1] = (tensor){m->w, t, 2, {K, n}, {1, K}};
    c.out[0] = (tensor){m->y, AR_F32, 2, {rows, n}, {n, 1}};
    return c;
}

static op_call experts_of(const setup *s, const memory *m, ar_type t,
                          int64_t rows, const op_attr *attr) {
    op_call c = call_of(s, m, t, rows, F, attr);
    c.op = OP_MATMUL_EXPERTS;
    c.n_in = 3;
    c.in[1] = (tensor){m->w, t, 3, {E, K, F}, {F * K, 1, K}};
    c.in[2] = (tensor){m->ids, AR_I32, 2, {rows, CHOSEN}, {CHOSEN, 1}};
    c.out[0] = (tensor){
        m->y, AR_F32, 3, {rows, CHOSEN, F}, {(int64_t)CHOSEN * F, F, 1}};
    return c;
}

static double seconds_of(const setup *s, const cpu_fast *f, op_call *c,
                         double *best) {
    if (!f->fits(c)) return 0;
    const size_t size = f->work_size(c) + 64;
    c->work = mem_block_alloc(size);
    if (!c->work) return 0;
    const double start = now(s);
    f->run(c);
    const double t = now(s) - start;
    mem_block_free(c->work, size);
    if (*best == 0 || t < *best) *best = t;
    return t;
}

static void sum_share(void *ctx, int64_t share, int worker) {
    const memory *m = ctx;
    uint64_t sum[8] = {0};
    const uint64_t *p = (const uint64_t *)(const void *)m->w + share * 8192;
    (void)worker;
    for (int i = 0; i < 8192; i += 8)
        for (int j = 0; j < 8; j++) sum[j] += p[i + j];
    for (int j = 1; j < 8; j++) sum[0] += sum[j];
    if (sum[0] == 1) m->y[0] = 1; /* so that it is not left out */
}

static double read_speed(const setup *s, const memory *m) {
    double best = 0;
    for (int i = 0; i < s->reps; i++) {
        const double start = now(s);
        pool_run(s->threads, sum_share, (void *)m, (int64_t)(m->size / 65536));
        const double t = now(s) - start;
        if (best == 0 || t < best) best = t;
    }
    return (double)m->size / best * 1e-9;
}

static void report(ar_type t, double gb, double gflop, const double *seconds) {
    double speed[4];
    for (int i = 0; i < 4; i++)
        speed[i] = seconds[i] > 0 ? (i < 2 ? gb : gflop) / seconds[i] : 0;
    printf("%-8s %7.2f %7.2f GB/s  %8.1f %8.1f GFLOP/s\n", ar_type_name(t),
           speed[0], speed[1], speed[2], speed[3]);
    fflush(stdout);
}

static const op_attr act8 = {.matmul = {AR_F32, 1, 1}};
static const op_attr plain = {.matmul = {AR_F32, 1, 0}};

static void bench_type(const setup *s, const memory *m, ar_type t) {
    op_call one8 = call_of(s, m, t, 1, N_LONG, &act8);
    op_call one = call_of(s, m, t, 1, N_LONG, &plain);
    op_call many8 = call_of(s, m, t, M, N_SHORT, &act8);
    op_call many = call_of(s, m, t, M, N_SHORT, &plain);
    double best[4] = {0};
    for (int i = 0; i < s->reps; i++) {
        seconds_of(s, &fast_matmul_act8, &one8, &best[0]);
        seconds_of(s, &fast_matmul_exact, &one, &best[1]);
        seconds_of(s, &fast_matmul_act8, &many8, &best[2]);
        seconds_of(s, &fast_matmul_exact, &many, &best[3]);
    }
    report(t, (double)ar_type_size(t, (int64_t)N_LONG * K) * 1e-9,
           2e-9 * M * K * N_SHORT, best);
}

static void bench_experts(const setup *s, const memory *m, ar_type t) {
    op_call one8 = experts_of(s, m, t, 1, &act8);
    op_call one = experts_of(s, m, t, 1, &plain);
    op_call many8 = experts_of(s, m, t, M, &act8);
    op_call many = experts_of(s, m, t, M, &plain);
    double best[4] = {0};
    for (int i = 0; i < s->reps; i++) {
        choose(m, 2 * i);
        seconds_of(s, &fast_experts, &one8, &best[0]);
        choose(m, 2 * i + 1);
        seconds_of(s, &fast_experts, &one, &best[1]);
        seconds_of(s, &fast_experts, &many8, &best[2]);
        seconds_of(s, &fast_experts, &many, &best[3]);
    }
    report(t, (double)ar_type_size(t, (int64_t)CHOSEN * F * K) * 1e-9,
           2e-9 * M * K * CHOSEN * F, best);
}

static int usage(void) {
    fprintf(stderr, "bench_quant [--kernels ISA] [--threads N] [--reps N] "
                    "[--type NAME] [--clock cpu] [--of experts]\n");
    return 2;
}

int main(int argc, char **argv) {
    setup s = {.k = cpu_kernels_find(NULL), .reps = 5};
    int threads = 1;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (!strcmp(argv[i], "--kernels"))
            s.k = cpu_kernels_find(argv[i + 1]);
        else if (!strcmp(argv[i], "--threads"))
            threads = (int)strtol(argv[i + 1], NULL, 10);
        else if (!strcmp(argv[i], "--reps"))
            s.reps = (int)strtol(argv[i + 1], NULL, 10);
        else if (!strcmp(argv[i], "--type"))
            s.type = argv[i + 1];
        else if (!strcmp(argv[i], "--clock"))
            s.cpu_time = !strcmp(argv[i + 1], "cpu");
        else if (!strcmp(argv[i], "--of"))
            s.experts = !strcmp(argv[i + 1], "experts");
        else
            return usage();
    }
    if (!s.k || s.reps < 1 || argc % 2 == 0) return usage();
    memory m = {.size = (size_t)N_LONG * K * 2};
    m.w = mem_block_alloc(m.size);
    m.x = mem_block_alloc(sizeof(float) * M * K);
    m.y = mem_block_alloc(sizeof(float) * M * CHOSEN * F);
    m.ids = mem_block_alloc(sizeof(int32_t) * M * CHOSEN);
    s.scratch = mem_block_alloc((size_t)threads * CPU_SCRATCH_SIZE);
    if (!m.w || !m.x || !m.y || !m.ids || !s.scratch ||
        pool_open(&s.threads, threads, NULL) != AR_OK)
        return 1;
    fill(&m);
    printf("%s, %d threads; memory is read at %.1f GB/s\n", s.k->isa, threads,
           read_speed(&s, &m));
    printf("type     1 row: 8-bit, f32    512 rows: 8-bit, f32\n");
    for (int t = 1; t < AR_TYPE_COUNT; t++)
        if ((quant_is_block((ar_type)t) || t == AR_F16 || t == AR_BF16) &&
            (!s.type || !strcmp(s.type, ar_type_name((ar_type)t))))
            (s.experts ? bench_experts : bench_type)(&s, &m, (ar_type)t);
    return 0;
}
