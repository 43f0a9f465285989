/* fast_matmul.c - MATMUL by packed panels, for training. */
#include "backend/cpu/fast_matmul.h"

#include "backend/cpu/blas.h"
#include "quant/quant.h"

/* A product of fewer multiply-adds is done by one thread, if there are several
 * in the batch. */
enum { SMALL = 1 << 22 };

static bool type_fits(ar_type t) {
    return t == AR_F32 || t == AR_BF16 || t == AR_F16;
}

bool matmul_is_gemm(const op_call *c) {
    const tensor *a = &c->in[0], *b = &c->in[1], *y = &c->out[0];
    const int last = y->rank - 1;
    const bool rows = y->dim[last] == 1 || y->stride[last] == 1;
    const bool bias = c->n_in > 2 && c->in[2].data;
    return type_fits(a->type) && type_fits(b->type) && y->type == AR_F32 &&
           rows &&
           (!bias || (c->in[2].type == AR_F32 && tensor_contiguous(&c->in[2])));
}

/* The same of b in blocks along the columns. */
static bool gemm_fits(const op_call *c) {
    op_call plain = *c;
    if (!quant_is_block(c->in[1].type)) return matmul_is_gemm(c);
    plain.in[1].type = AR_F32;
    return !tensor_blocks_along_k(&c->in[1]) && matmul_is_gemm(&plain);
}

int64_t matmul_batch(const op_call *c) {
    int64_t n = 1;
    for (int i = 0; i < c->out[0].rank - 2; i++) n *= c->out[0].dim[i];
    return n;
}

/* Elements from the start of t to its matrix number i. */
static int64_t matrix_at(const tensor *t, int64_t i) {
    int64_t offset = 0;
    for (int d = t->rank - 3; d >= 0; d--) {
        offset += i % t->dim[d] * t->stride[d];
        i /= t->dim[d];
    }
    return offset;
}

static gemm_view view_of(const tensor *t, int64_t i) {
    const int rank = t->rank;
    const int64_t block = quant_block(t->type);
    return (gemm_view){(const char *)t->data +
                           matrix_at(t, i) / block *
                               (int64_t)ar_type_size(t->type, block),
                       t->type, t->stride[rank - 2], t->stride[rank - 1]};
}

gemm_args matmul_args(const op_call *c, int64_t i) {
    const tensor *a = &c->in[0], *b = &c->in[1], *y = &c->out[0];
    return (gemm_args){
        .m = y->dim[y->rank - 2],
        .n = y->dim[y->rank - 1],
        .k = a->dim[a->rank - 1],
        .a = view_of(a, i),
        .b = view_of(b, i),
        .c = (float *)y->data + matrix_at(y, i),
        .ldc = y->stride[y->rank - 2],
        .bias = c->n_in > 2 ? c->in[2].data : NULL,
        .compute = (ar_type)c->attr->matmul.compute,
    };
}

static bool many_small(const op_call *c, const gemm_args *g) {
    return matmul_batch(c) > 1 &&
           (double)g->m * (double)g->n * (double)g->k < SMALL;
}

static void run_one(void *ctx, int64_t share, int worker) {
    const op_call *c = ctx;
    const gemm_args g = matmul_args(c, share);
    gemm_serial(&g, c->k, cpu_scratch(c, worker));
}

static void run(const op_call *c) {
    const int64_t batch = matmul_batch(c);
    if (tensor_count(&c->out[0]) == 0) return;
    gemm_args g = matmul_args(c, 0);
    if (many_small(c, &g)) {
        pool_run(c->threads, run_one, (void *)c, batch);
        return;
    }
    for (int64_t i = 0; i < batch; i++) {
        g = matmul_args(c, i);
        gemm_run(&g, c->k, c->threads, c->work);
    }
}

static size_t work_size(const op_call *c) {
    if (tensor_count(&c->out[0]) == 0) return 0;
    const gemm_args g = matmul_args(c, 0);
    return many_small(c, &g) ? 0 : gemm_work_size(&g, c->k);
}

const cpu_fast fast_matmul = {OP_MATMUL, gemm_fits, run, work_size, "gemm"};

static bool blas_matmul_fits(const op_call *c) {
    if (!c->blas || !matmul_is_gemm(c) || tensor_count(&c->out[0]) == 0)
        return false;
    const gemm_args g = matmul_args(c, 0);
    return !many_small(c, &g) && blas_fits(&g);
}

static void blas_matmul(const op_call *c) {
    for (int64_t i = 0, n = matmul_batch(c); i < n; i++) {
        const gemm_args g = matmul_args(c, i);
        blas_run(&g, pool_threads(c->threads));
    }
}

const cpu_fast fast_matmul_blas = {OP_MATMUL, blas_matmul_fits, blas_matmul,
                                   NULL, "blas"};
