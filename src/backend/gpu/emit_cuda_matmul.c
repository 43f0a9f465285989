/* emit_cuda_matmul.c - products of inference with weights of 16 bits, by the
 * matrix units of NVIDIA GPUs: kernels/cuda/rows16.cu, tile16.cu.
 *
 * x is rounded to the weights' type, sums are f32; a result is one chain of
 * matrix steps along k, whatever the number of rows. */
#include "backend/gpu/emit.h"

/* Up to so many rows of x the weights are read straight from memory. */
enum { FEW_ROWS = 16, ROW_TILE = 8, WEIGHT_TILE = 16, TILE = 128 };
enum { WARPS = 1, TILE_LANES = 256, TILE_SHARED = 3 * 2 * TILE * 64 * 2 };

static int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

/* One matrix, its rows `ld` elements apart, each in one piece, on 16 bytes. */
static bool matrix(const gpu_tensor *t, bool turned, int64_t size,
                   int64_t *ld) {
    if (!emit_one_matrix(t)) return false;
    const int inner = t->rank - (turned ? 2 : 1);
    const int rows = turned ? t->rank - 1 : t->rank - 2;
    *ld = t->dim[rows] == 1 ? t->dim[inner] : t->stride[rows];
    return t->stride[inner] == 1 && *ld * size % 16 == 0 && t->offset % 16 == 0;
}

static bool args_of(const gpu_call *c, mma16_args *a) {
    const gpu_tensor *x = &c->in[0], *w = &c->in[1], *y = &c->out[0];
    int64_t ldx, ldw;
    if (c->info->lang != GPU_CUDA || c->info->capability < 80 ||
        !c->attr->matmul.exact)
        return false;
    if (x->type != AR_F32 || y->type != AR_F32 ||
        (w->type != AR_BF16 && w->type != AR_F16))
        return false;
    const bool has_bias = c->in[2].present;
    if (has_bias && (c->in[2].type != AR_F32 || !emit_dense(&c->in[2])))
        return false;
    if (!matrix(x, false, 4, &ldx) || !matrix(w, true, 2, &ldw) ||
        !emit_dense(y))
        return false;
    *a = (mma16_args){.M = y->dim[y->rank - 2],
                      .N = emit_last(y),
                      .K = emit_last(x),
                      .ldx = ldx,
                      .ldw = ldw,
                      .ldy = emit_last(y),
                      .has_bias = has_bias};
    return a->K % 32 == 0 && a->K > 0;
}

static bool fits(const gpu_call *c) {
    mma16_args a;
    return args_of(c, &a);
}

static size_t work(const gpu_call *c) {
    mma16_args a;
    if (!args_of(c, &a) || a.M <= FEW_ROWS) return 0;
    return (size_t)(a.M * a.K) * 2;
}

static void emit_rows_few(gpu_list *l, const gpu_call *c, const mma16_args *a) {
    const uint32_t groups[3] = {(uint32_t)ceil_div(a->N, WEIGHT_TILE * WARPS),
                                (uint32_t)ceil_div(a->M, ROW_TILE), 1};
    const bool brain = c->in[1].type == AR_BF16;
    gpu_emit(l, brain ? GPU_K_rows_bf16 : GPU_K_rows_f16, groups, 32 * WARPS,
             GPU_POINTERS(&c->in[0], &c->in[1], &c->in[2], &c->out[0]), a,
             sizeof *a);
}

/* x as halves first: the tiles are copied as they are. */
static void emit_tiles(gpu_list *l, const gpu_call *c, const mma16_args *a) {
    const bool brain = c->in[1].type == AR_BF16;
    const gpu_tensor halves = emit_work(0);
    const halves_args h = {.n = a->M * (a->K / 8), .K = a->K, .ldx = a->ldx};
    mma16_args b = *a;
    b.ldx = a->K;
    emit_flat(l, brain ? GPU_K_halves_bf16 : GPU_K_halves_f16, h.n,
              GPU_POINTERS(&c->in[0], &halves), &h, sizeof h);
    const uint32_t groups[3] = {(uint32_t)ceil_div(a->N, TILE),
                                (uint32_t)ceil_div(a->M, TILE), 1};
    gpu_emit(l, brain ? GPU_K_tile_bf16 : GPU_K_tile_f16, groups, TILE_LANES,
             GPU_POINTERS(&halves, &c->in[1], &c->in[2], &c->out[0]), &b,
             sizeof b);
    gpu_need_shared(l, TILE_SHARED);
}

static void emit(gpu_list *l, const gpu_call *c) {
    mma16_args a;
    if (!args_of(c, &a)) return;
    if (a.M <= FEW_ROWS)
        emit_rows_few(l, c, &a);
    else
        emit_tiles(l, c, &a);
}

EMITTER(MATMUL, matmul_mma16, fits, work, emit)
