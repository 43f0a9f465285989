/* shape.c - shapes, and where the elements of a value are. */
#include <inttypes.h>
#include <stdio.h>

#include "core/op.h"

int64_t shape_count(const shape *s) {
    int64_t n = 1;
    for (int i = 0; i < s->rank; i++) n *= s->dim[i];
    return n;
}

bool shape_equal(const shape *a, const shape *b) {
    if (a->rank != b->rank) return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dim[i] != b->dim[i]) return false;
    return true;
}

int64_t shape_last(const shape *s) { return s->rank ? s->dim[s->rank - 1] : 1; }

const char *shape_text(const shape *s, char *text) {
    size_t at = 1;
    text[0] = '[';
    for (int i = 0; i < s->rank && at < SHAPE_TEXT; i++) {
        const int n = snprintf(text + at, SHAPE_TEXT - at, "%s%" PRId64,
                               i ? ", " : "", s->dim[i]);
        at += n < 0 ? 0 : (size_t)n;
    }
    if (at > SHAPE_TEXT - 2) at = SHAPE_TEXT - 2;
    text[at] = ']';
    text[at + 1] = 0;
    return text;
}

bool value_is_dense(const value *v) {
    int64_t step = 1;
    for (int i = v->shape.rank; i-- > 0; step *= v->shape.dim[i])
        if (v->shape.dim[i] != 1 && v->stride[i] != step) return false;
    return true;
}

bool value_same_layout(const value *a, const value *b) {
    if (a->storage != b->storage || a->offset != b->offset) return false;
    if (a->type != b->type || shape_count(&a->shape) != shape_count(&b->shape))
        return false;
    if (value_is_dense(a) && value_is_dense(b)) return true;
    if (!shape_equal(&a->shape, &b->shape)) return false;
    for (int i = 0; i < a->shape.rank; i++)
        if (a->shape.dim[i] != 1 && a->stride[i] != b->stride[i]) return false;
    return true;
}
