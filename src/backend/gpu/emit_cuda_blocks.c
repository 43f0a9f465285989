/* emit_cuda_blocks.c - products with weights in blocks by the matrix units of
 * NVIDIA GPUs: kernels/cuda/rows8.cu, the chain of quant/levels.h. */
#include "backend/gpu/emit_products.h"

enum { ROW_TILE = 8, WEIGHT_TILE = 16, WARP = 32, ACT_LANES = 256 };

static bool kernel_of(ar_type t, enum gpu_kernel_id *k) {
    switch (t) {
#define ROWS8(name, type, ...)                                                 \
    case AR_##type:                                                            \
        *k = GPU_K_rows_##name;                                                \
        return true;
#include "backend/gpu/cuda_blocks.def"
    default: return false;
    }
}

static bool can_use(const gpu_call *c) {
    const gpu_tensor *w = &c->in[1];
    quant_form form;
    enum gpu_kernel_id k;
    return c->info->lang == GPU_CUDA && c->info->capability >= 80 &&
           fits_product(c) && emit_levels(&c->attr->matmul, w, &form) &&
           kernel_of(w->type, &k) && emit_one_matrix(w);
}

static bool plain_rows(const gpu_call *c) {
    const gpu_tensor *bias = &c->in[2];
    return c->in[0].type == AR_F32 && c->out[0].type == AR_F32 &&
           emit_dense(&c->out[0]) &&
           (!bias->present || (bias->type == AR_F32 && emit_dense(bias)));
}

static bool args_of(const gpu_call *c, rows8_args *a) {
    const gpu_tensor *w = &c->in[1], *y = &c->out[0];
    if (!can_use(c) || !plain_rows(c)) return false;
    const int64_t N = emit_last(y), K = emit_last(&c->in[0]);
    const int64_t ld = N == 1 ? K : w->stride[w->rank - 1];
    *a = (rows8_args){.M = emit_rows(&c->in[0]),
                      .N = N,
                      .K = K,
                      .ldy = N,
                      .row_bytes = (int64_t)ar_type_size(w->type, ld),
                      .has_bias = c->in[2].present};
    return a->M > 0 && N > 0 && K > 0;
}

static bool fits(const gpu_call *c) {
    rows8_args a;
    return args_of(c, &a);
}

/* Scratch: levels, scales, sums; each on 64 bytes. */
typedef struct parts {
    int64_t scales, sums, size;
} parts;

static int64_t round_up(int64_t n) { return (n + 63) / 64 * 64; }

static parts parts_of(const rows8_args *a) {
    parts p = {.scales = round_up(a->M * a->K)};
    p.sums = p.scales + round_up(a->M * (a->K / 32) * 4);
    p.size = p.sums + a->M * (a->K / 16) * 4;
    return p;
}

static size_t work(const gpu_call *c) {
    rows8_args a;
    return args_of(c, &a) ? (size_t)parts_of(&a).size : 0;
}

static void emit(gpu_list *l, const gpu_call *c) {
    rows8_args a;
    enum gpu_kernel_id k;
    if (!args_of(c, &a) || !kernel_of(c->in[1].type, &k)) return;
    const parts p = parts_of(&a);
    const gpu_tensor levels = emit_work(0), scales = emit_work(p.scales);
    const gpu_tensor sums = emit_work(p.sums);
    const act8_args x = {a.M * (a.K / ACT_BLOCK), a.K, emit_tensor(&c->in[0])};
    const int64_t warps = ACT_LANES / WARP;
    const uint32_t round[3] = {(uint32_t)((x.n + warps - 1) / warps), 1, 1};
    gpu_emit(l, GPU_K_act8_warps, round, ACT_LANES,
             GPU_POINTERS(&c->in[0], &levels, &scales, &sums), &x, sizeof x);
    const uint32_t groups[3] = {
        (uint32_t)((a.N + WEIGHT_TILE - 1) / WEIGHT_TILE),
        (uint32_t)((a.M + ROW_TILE - 1) / ROW_TILE), 1};
    gpu_emit(
        l, k, groups, WARP,
        GPU_POINTERS(&levels, &scales, &sums, &c->in[1], &c->in[2], &c->out[0]),
        &a, sizeof a);
}

EMITTER(MATMUL, matmul_rows8, fits, work, emit)
