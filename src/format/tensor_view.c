/* tensor_view.c - sizes of tensors, and tensors by name.
 *
 * Names come out of files, so they are sorted rather than hashed: no choice of
 * names makes that slow. */
#include "format/tensor_view.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

static const int blocks[] = {
#define TYPE(name, text, elements, bytes) elements,
    AR_TYPE_LIST(TYPE)
#undef TYPE
};

int tensor_block(ar_type t) {
    return (unsigned)t < AR_TYPE_COUNT ? blocks[t] : 1;
}

bool tensor_size(ar_type t, const shape *s, size_t *out) {
    const int block = tensor_block(t);
    int64_t size = (int64_t)ar_type_size(t, block);
    for (int i = 0; i < s->rank; i++)
        if (s->dim[i] < 0) return false;
    if (shape_last(s) % block) return false;
    for (int i = 0; i < s->rank; i++) {
        const int last = i == s->rank - 1;
        if (__builtin_mul_overflow(size, s->dim[i] / (last ? block : 1), &size))
            return false;
    }
    *out = (size_t)size;
    return true;
}

static int by_name(const void *pa, const void *pb) {
    const tensor_view *const *a = pa, *const *b = pb;
    return strcmp((*a)->name, (*b)->name);
}

ar_status tensor_index_build(tensor_index *x, arena *a,
                             const tensor_view *tensors, int64_t n,
                             const char *file, ar_error *err) {
    *x = (tensor_index){.sorted = arena_new(a, const tensor_view *, n), .n = n};
    if (!x->sorted)
        return error_set(err, AR_NOMEM, "%s: out of memory for names", file);
    for (int64_t i = 0; i < n; i++) x->sorted[i] = &tensors[i];
    qsort(x->sorted, (size_t)n, sizeof *x->sorted, by_name);
    for (int64_t i = 1; i < n; i++)
        if (!by_name(&x->sorted[i - 1], &x->sorted[i]))
            return error_set(err, AR_FORMAT,
                             "%s: there are two tensors \"%.100s\"", file,
                             x->sorted[i]->name);
    return AR_OK;
}

const tensor_view *tensor_index_find(const tensor_index *x, const char *name) {
    int64_t low = 0, high = x->n;
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        const int order = strcmp(name, x->sorted[middle]->name);
        if (!order) return x->sorted[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}
