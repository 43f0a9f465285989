/* emit_reduce.c - over an axis: kernels/reduce.cl, kernels/softmax.cl. */
#include "backend/gpu/emit.h"

_Static_assert(RED_SUM == (int)REDUCE_SUM && RED_MEAN == (int)REDUCE_MEAN &&
                   RED_SUM_SQR == (int)REDUCE_SUM_SQR &&
                   RED_MAX == (int)REDUCE_MAX &&
                   RED_ARGMAX == (int)REDUCE_ARGMAX,
               "kernels/args.h has other numbers for reductions");

/* ---- REDUCE ---- */

/* One line, however it is written. */
static bool is_whole(const gpu_call *c) {
    const gpu_tensor *x = &c->in[0];
    const int axis = c->attr->reduce.axis;
    return axis < 0 || x->rank == 0 ||
           (x->dim[axis] > 0 && emit_count(x) == x->dim[axis]);
}

/* All of a tensor is cut into so many parts, by its size alone. */
static int64_t part_size(int64_t n) {
    enum { LEAST = 2048, MOST_PARTS = 4096 };
    const int64_t each = (n + MOST_PARTS - 1) / MOST_PARTS;
    return each > LEAST ? each : LEAST;
}

static int64_t count_parts(int64_t n) {
    return (n + part_size(n) - 1) / part_size(n);
}

static size_t reduce_work(const gpu_call *c) {
    const int64_t n = emit_count(&c->in[0]);
    return is_whole(c) ? (size_t)count_parts(n) * PART_BYTES : 0;
}

static void emit_whole(gpu_list *l, const gpu_call *c, reduce_args a) {
    const gpu_tensor *x = &c->in[0], *y = &c->out[0], parts = emit_work(0);
    a.n = emit_count(x);
    a.each = part_size(a.n);
    a.n_parts = count_parts(a.n);
    emit_groups(l, GPU_K_reduce_parts, a.n_parts, GPU_POINTERS(x, &parts), &a,
                sizeof a);
    emit_groups(l, GPU_K_reduce_join, 1, GPU_POINTERS(&parts, y), &a, sizeof a);
}

static void emit_reduce(gpu_list *l, const gpu_call *c) {
    const struct reduce_attr *r = &c->attr->reduce;
    gpu_tensor start = c->in[0]; /* the first element of every line */
    reduce_args a = {.x = emit_tensor(&c->in[0]),
                     .y = emit_tensor(&c->out[0]),
                     .kind = r->kind};
    if (is_whole(c)) {
        emit_whole(l, c, a);
        return;
    }
    a.n = start.dim[r->axis];
    a.stride = start.stride[r->axis];
    start.dim[r->axis] = 1;
    a.x = emit_tensor(&start);
    emit_groups(l, GPU_K_reduce_lines, emit_count(&start),
                GPU_POINTERS(&c->in[0], &c->out[0]), &a, sizeof a);
}

/* ---- rows ---- */

static void emit_topk(gpu_list *l, const gpu_call *c) {
    const gpu_tensor *x = &c->in[0], *y = &c->out[0], *index = &c->out[1];
    const topk_args a = {emit_last(x), emit_last(y), emit_tensor(x),
                         emit_tensor(y), emit_tensor(index)};
    emit_groups(l, GPU_K_topk_any, emit_rows(y), GPU_POINTERS(x, y, index), &a,
                sizeof a);
}

static void emit_cumsum(gpu_list *l, const gpu_call *c) {
    const gpu_tensor *x = &c->in[0], *y = &c->out[0];
    const cumsum_args a = {.n_rows = emit_rows(y),
                           .n = emit_last(y),
                           .x = emit_tensor(x),
                           .y = emit_tensor(y),
                           .from_end = c->attr->axis.n == 1};
    emit_flat(l, GPU_K_cumsum_any, a.n_rows, GPU_POINTERS(x, y), &a, sizeof a);
}

static void emit_gather(gpu_list *l, const gpu_call *c) {
    const gpu_tensor *x = &c->in[0], *index = &c->in[1], *y = &c->out[0];
    const gather_args a = {emit_count(y),  emit_last(x),       emit_last(y),
                           emit_tensor(x), emit_tensor(index), emit_tensor(y)};
    emit_flat(l, GPU_K_gather_any, a.n, GPU_POINTERS(x, index, y), &a,
              sizeof a);
}

static void emit_gather_dx(gpu_list *l, const gpu_call *c) {
    const gpu_tensor *index = &c->in[0], *dy = &c->in[1], *dx = &c->out[0];
    const gather_args a = {emit_count(dx),     emit_last(dx),
                           emit_last(dy),      emit_tensor(dx),
                           emit_tensor(index), emit_tensor(dy)};
    emit_flat(l, GPU_K_gather_dx_any, a.n, GPU_POINTERS(index, dy, dx), &a,
              sizeof a);
}

static void emit_softmax(gpu_list *l, const gpu_call *c) {
    const gpu_tensor *x = &c->in[0], *y = &c->out[0];
    const rows_args a = {emit_last(y), emit_tensor(x), emit_tensor(y)};
    emit_groups(l, GPU_K_softmax_any, emit_rows(y), GPU_POINTERS(x, y), &a,
                sizeof a);
}

static void emit_softmax_dx(gpu_list *l, const gpu_call *c) {
    const gpu_tensor *y = &c->in[0], *dy = &c->in[1], *dx = &c->out[0];
    const rows3_args a = {emit_last(dx), emit_tensor(y), emit_tensor(dy),
                          emit_tensor(dx)};
    emit_groups(l, GPU_K_softmax_dx_any, emit_rows(dx), GPU_POINTERS(y, dy, dx),
                &a, sizeof a);
}

EMITTER(REDUCE, reduce_any, fits_wide, reduce_work, emit_reduce)
EMITTER(TOPK, topk_any, fits_plain, NULL, emit_topk)
EMITTER(CUMSUM, cumsum_any, fits_plain, NULL, emit_cumsum)
EMITTER(GATHER, gather_any, fits_wide, NULL, emit_gather)
EMITTER(GATHER_DX, gather_dx_any, fits_plain, NULL, emit_gather_dx)
EMITTER(SOFTMAX, softmax_any, fits_plain, NULL, emit_softmax)
EMITTER(SOFTMAX_DX, softmax_dx_any, fits_plain, NULL, emit_softmax_dx)
