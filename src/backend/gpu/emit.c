/* emit.c - what emitters share: operands as arguments, shapes of launches. */
#include "backend/gpu/emit.h"

int64_t emit_count(const gpu_tensor *t) {
    int64_t n = 1;
    for (int i = 0; i < t->rank; i++) n *= t->dim[i];
    return n;
}

bool emit_dense(const gpu_tensor *t) {
    int64_t step = 1;
    for (int i = t->rank - 1; i >= 0; i--) {
        if (t->dim[i] != 1 && t->stride[i] != step) return false;
        step *= t->dim[i];
    }
    return true;
}

int64_t emit_last(const gpu_tensor *t) {
    return t->rank ? t->dim[t->rank - 1] : 1;
}

int64_t emit_rows(const gpu_tensor *t) {
    int64_t n = 1;
    for (int i = 0; i < t->rank - 1; i++) n *= t->dim[i];
    return n;
}

bool emit_one_matrix(const gpu_tensor *t) {
    for (int i = 0; i < t->rank - 2; i++)
        if (t->dim[i] != 1) return false;
    return t->rank >= 2;
}

tensor_args emit_tensor(const gpu_tensor *t) {
    tensor_args a = {
        .dim = {1, 1, 1, 1, 1}, .type = (I32)t->type, .dense = emit_dense(t)};
    for (int i = 0; i < t->rank; i++) {
        a.dim[emit_axis(t, i)] = t->dim[i];
        a.stride[emit_axis(t, i)] = t->stride[i];
    }
    return a;
}

heads_args emit_heads(const gpu_tensor *t) {
    heads_args a = {.type = (I32)t->type};
    for (int i = 0; i < t->rank && i < 4; i++) a.stride[i] = t->stride[i];
    return a;
}

/* Groups go along the first dimension, which holds 2^31 - 1 of them. */
static void emit_line(gpu_list *l, enum gpu_kernel_id k, int64_t n_groups,
                      uint32_t lanes, gpu_pointers p, const void *args,
                      size_t args_size) {
    const uint32_t groups[3] = {(uint32_t)n_groups, 1, 1};
    if (n_groups > 0) gpu_emit(l, k, groups, lanes, p, args, args_size);
}

void emit_flat(gpu_list *l, enum gpu_kernel_id k, int64_t n, gpu_pointers p,
               const void *args, size_t args_size) {
    emit_line(l, k, (n + FLAT_LANES - 1) / FLAT_LANES, FLAT_LANES, p, args,
              args_size);
}

void emit_groups(gpu_list *l, enum gpu_kernel_id k, int64_t n, gpu_pointers p,
                 const void *args, size_t args_size) {
    emit_line(l, k, n, GROUP_LANES, p, args, args_size);
}

gpu_tensor emit_work(int64_t offset) {
    return (gpu_tensor){.slot = SLOT_WORK, .offset = offset, .present = true};
}

static bool plain_types(const gpu_call *c) {
    for (int i = 0; i < c->n_in; i++)
        if (c->in[i].present && quant_is_block(c->in[i].type)) return false;
    for (int i = 0; i < c->n_out; i++)
        if (quant_is_block(c->out[i].type)) return false;
    return true;
}

bool fits_plain(const gpu_call *c) {
    for (int i = 0; i < c->n_out; i++)
        if (c->out[i].type == AR_F64) return false;
    return plain_types(c);
}

bool fits_wide(const gpu_call *c) { return plain_types(c); }
