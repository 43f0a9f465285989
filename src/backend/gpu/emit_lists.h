/* emit_lists.h - rows of equal id as lists, for sums over them in order. */
#ifndef GPU_EMIT_LISTS_H
#define GPU_EMIT_LISTS_H

#include "backend/gpu/emit.h"

/* Scratch of head [n_heads] and next [rows], I32. */
size_t emit_lists_size(const gpu_tensor *ids, int64_t n_heads);
void emit_lists(gpu_list *l, const gpu_tensor *ids, int64_t n_heads,
                gpu_tensor *head, gpu_tensor *next);

#endif
