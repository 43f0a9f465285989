/* mil_infer_shape.c - types of operations that change a tensor's shape. */
#include <math.h>
#include <string.h>

#include "backend/ane/mil_infer.h"
#include "base/error.h"

/* A size that was computed. */
static ar_status set_dim(const mil_infer_call *c, mil_type *t, int at,
                         int64_t dim) {
    if (dim < 0)
        return typing_bad(c, "axis %d gets a size of %lld", at, (long long)dim);
    t->dim[at] = dim;
    return AR_OK;
}

/* A shape that is given; sizes must not be negative. */
static ar_status given_shape(const mil_infer_call *c, const char *key,
                             mil_type *t) {
    mil_list shape;
    TRY(typing_list(c, key, -1, &shape));
    if (shape.n > MIL_MAX_DIMS) return typing_bad(c, "%d dimensions", shape.n);
    t->rank = shape.n;
    for (int i = 0; i < shape.n; i++) TRY(set_dim(c, t, i, shape.v[i]));
    return AR_OK;
}

/* A 0 takes the size that is there, a -1 what is left over. */
ar_status type_of_reshape(mil_infer_call *c) {
    const mil_type *x = typing_in(c, "x");
    mil_type t = *x;
    mil_list shape;
    int open = -1;
    int64_t known = 1;
    TRY(typing_list(c, "shape", -1, &shape));
    if (shape.n > MIL_MAX_DIMS) return typing_bad(c, "%d dimensions", shape.n);
    t.rank = shape.n;
    for (int i = 0; i < shape.n; i++) {
        if (shape.v[i] == 0 && x->rank != shape.n)
            return typing_bad(c, "a 0 in the shape needs equal ranks");
        t.dim[i] = shape.v[i] ? shape.v[i] : x->dim[i];
        if (t.dim[i] == -1 && open >= 0)
            return typing_bad(c, "two sizes are -1");
        if (t.dim[i] == -1)
            open = i;
        else if (t.dim[i] < 0)
            return typing_bad(c, "a size is %lld", (long long)t.dim[i]);
        else if (__builtin_mul_overflow(known, t.dim[i], &known))
            return typing_bad(c, "the shape is too large");
    }
    const int64_t all = mil_count(x);
    if (open >= 0) t.dim[open] = known > 0 ? all / known : 0;
    if (mil_count(&t) != all)
        return typing_bad(c, "%lld elements do not fill the new shape",
                          (long long)all);
    return typing_set(c, t);
}

/* The sizes begin..end of each of several tensors, one behind the other. */
ar_status type_of_reshape_like(mil_infer_call *c) {
    static const char *const keys[] = {"begins", "ends", "end_masks"};
    const mil_arg *refs = mil_find_arg(c->op, "ref_tensors");
    mil_type t = *typing_in(c, "x");
    const int64_t all = mil_count(&t);
    t.rank = 0;
    for (int k = 0; k < 3; k++)
        if (mil_find_arg(c->op, keys[k])->n_values != refs->n_values)
            return typing_bad(c, "%s: not one for each tensor", keys[k]);
    for (int i = 0; i < refs->n_values; i++) {
        const mil_type *r = &mil_get(c->f, refs->values[i])->type;
        int64_t say[3];
        for (int k = 0; k < 3; k++) {
            const mil_ref v = mil_find_arg(c->op, keys[k])->values[i];
            const mil_literal *l = mil_constant(c->f, v);
            if (!l || !l->data || l->type.rank)
                return typing_bad(c, "%s: not a constant number", keys[k]);
            say[k] = (int64_t)mil_number(l, 0);
            if (k < 2 && say[k] < 0) say[k] += r->rank;
        }
        const int64_t end = say[2] || say[1] > r->rank ? r->rank : say[1];
        for (int64_t d = say[0] < 0 ? 0 : say[0]; d < end; d++)
            TRY(typing_insert(c, &t, t.rank, r->dim[d]));
    }
    if (mil_count(&t) != all)
        return typing_bad(c, "%lld elements do not fill the new shape",
                          (long long)all);
    return typing_set(c, t);
}

ar_status type_of_transpose(mil_infer_call *c) {
    const mil_type *x = typing_in(c, "x");
    mil_type t = *x;
    mil_list perm;
    bool used[MIL_MAX_DIMS] = {false};
    TRY(typing_list(c, "perm", x->rank, &perm));
    for (int i = 0; i < x->rank; i++) {
        int at;
        TRY(typing_wrap(c, perm.v[i], x->rank, &at));
        if (used[at]) return typing_bad(c, "axis %d comes twice in perm", at);
        used[at] = true;
        t.dim[i] = x->dim[at];
    }
    return typing_set(c, t);
}

/* Axes as a set of positions in a tensor of that rank. */
static ar_status axis_set(const mil_infer_call *c, const mil_list *axes,
                          int rank, bool *set) {
    for (int i = 0; i < axes->n; i++) {
        int at;
        TRY(typing_wrap(c, axes->v[i], rank, &at));
        if (set[at]) return typing_bad(c, "axis %d is given twice", at);
        set[at] = true;
    }
    return AR_OK;
}

ar_status type_of_expand_dims(mil_infer_call *c) {
    mil_type t = *typing_in(c, "x");
    mil_list axes;
    bool set[MIL_MAX_DIMS] = {false};
    TRY(typing_list(c, "axes", -1, &axes));
    const int rank = t.rank + axes.n;
    if (rank > MIL_MAX_DIMS) return typing_bad(c, "%d dimensions", rank);
    TRY(axis_set(c, &axes, rank, set));
    for (int i = 0; i < rank; i++)
        if (set[i]) TRY(typing_insert(c, &t, i, 1));
    return typing_set(c, t);
}

ar_status type_of_squeeze(mil_infer_call *c) {
    mil_type t = *typing_in(c, "x");
    mil_list axes = {.n = 0};
    bool set[MIL_MAX_DIMS] = {false};
    const bool all = !typing_has(c, "axes");
    if (!all) TRY(typing_list(c, "axes", -1, &axes));
    TRY(axis_set(c, &axes, t.rank, set));
    for (int i = t.rank - 1; i >= 0; i--)
        if ((set[i] || all) && t.dim[i] == 1) typing_remove(&t, i);
    return typing_set(c, t);
}

ar_status type_of_flatten2d(mil_infer_call *c) {
    const mil_type *x = typing_in(c, "x");
    int64_t axis;
    mil_type before = *x, t = *x;
    TRY(typing_int(c, "axis", &axis));
    if (axis < 0) axis += x->rank;
    if (axis < 0 || axis > x->rank)
        return typing_bad(c, "axis %lld", (long long)axis);
    before.rank = (int)axis;
    t.rank = 2;
    t.dim[0] = mil_count(&before);
    mil_type behind = *x;
    for (int i = 0; i < axis; i++) typing_remove(&behind, 0);
    t.dim[1] = mil_count(&behind);
    return typing_set(c, t);
}

ar_status type_of_shape(mil_infer_call *c) {
    mil_type t = {.dtype = MIL_INT32, .rank = 1};
    t.dim[0] = typing_in(c, "x")->rank;
    return typing_set(c, t);
}

/* The factor of depth_to_space and its like, whatever its name. */
static ar_status factor_of(const mil_infer_call *c, int64_t *factor) {
    static const char *const keys[] = {"block_size", "upscale_factor",
                                       "downscale_factor"};
    for (int i = 0; i < 3; i++)
        if (typing_has(c, keys[i])) TRY(typing_int(c, keys[i], factor));
    if (typing_in(c, "x")->rank != 4)
        return typing_bad(c, "x is not of rank 4");
    if (*factor < 1 || *factor > 1 << 15)
        return typing_bad(c, "a factor of %lld", (long long)*factor);
    return AR_OK;
}

ar_status type_of_to_depth(mil_infer_call *c) {
    mil_type t = *typing_in(c, "x");
    int64_t f = 0;
    TRY(factor_of(c, &f));
    if (t.dim[2] % f || t.dim[3] % f)
        return typing_bad(c, "%lld does not divide the image", (long long)f);
    t.dim[1] *= f * f;
    t.dim[2] /= f;
    t.dim[3] /= f;
    return typing_set(c, t);
}

ar_status type_of_to_space(mil_infer_call *c) {
    mil_type t = *typing_in(c, "x");
    int64_t f = 0;
    TRY(factor_of(c, &f));
    if (t.dim[1] % (f * f))
        return typing_bad(c, "%lld channels for a factor of %lld",
                          (long long)t.dim[1], (long long)f);
    t.dim[1] /= f * f;
    t.dim[2] *= f;
    t.dim[3] *= f;
    return typing_set(c, t);
}

/* block_shape, and begin and end for both axes of the image. */
static ar_status read_blocks(const mil_infer_call *c, const char *edges,
                             mil_list *block, mil_list *edge) {
    if (typing_in(c, "x")->rank != 4)
        return typing_bad(c, "x is not of rank 4");
    TRY(typing_list(c, "block_shape", 2, block));
    TRY(typing_list(c, edges, 4, edge));
    for (int i = 0; i < 2; i++)
        if (block->v[i] < 1 || block->v[i] > 1 << 15)
            return typing_bad(c, "a block of %lld", (long long)block->v[i]);
    return AR_OK;
}

ar_status type_of_to_batch(mil_infer_call *c) {
    mil_type t = *typing_in(c, "x");
    mil_list block, pad;
    TRY(read_blocks(c, "paddings", &block, &pad));
    for (int i = 0; i < 2; i++) {
        const int64_t n = t.dim[2 + i] + pad.v[2 * i] + pad.v[2 * i + 1];
        if (n % block.v[i])
            return typing_bad(c, "blocks do not divide axis %d", 2 + i);
        TRY(set_dim(c, &t, 2 + i, n / block.v[i]));
        t.dim[0] *= block.v[i];
    }
    return typing_set(c, t);
}

ar_status type_of_from_batch(mil_infer_call *c) {
    mil_type t = *typing_in(c, "x");
    mil_list block, crop;
    TRY(read_blocks(c, "crops", &block, &crop));
    if (t.dim[0] % (block.v[0] * block.v[1]))
        return typing_bad(c, "blocks do not divide the batch");
    for (int i = 0; i < 2; i++) {
        t.dim[0] /= block.v[i];
        TRY(set_dim(c, &t, 2 + i,
                    t.dim[2 + i] * block.v[i] - crop.v[2 * i] -
                        crop.v[2 * i + 1]));
    }
    return typing_set(c, t);
}

ar_status type_of_sliding_windows(mil_infer_call *c) {
    mil_type t = *typing_in(c, "x");
    int axis;
    int64_t size, stride;
    TRY(typing_axis(c, "axis", t.rank, &axis));
    TRY(typing_int(c, "size", &size));
    TRY(typing_int(c, "stride", &stride));
    if (size < 1 || stride < 1 || size > t.dim[axis])
        return typing_bad(c, "windows of %lld every %lld in %lld",
                          (long long)size, (long long)stride,
                          (long long)t.dim[axis]);
    t.dim[axis] = (t.dim[axis] - size) / stride + 1;
    TRY(typing_insert(c, &t, axis + 1, size));
    return typing_set(c, t);
}

ar_status type_of_tile(mil_infer_call *c) {
    mil_type t = *typing_in(c, "x");
    mil_list reps;
    TRY(typing_list(c, "reps", t.rank, &reps));
    for (int i = 0; i < t.rank; i++) {
        if (reps.v[i] < 1)
            return typing_bad(c, "reps has %lld", (long long)reps.v[i]);
        if (__builtin_mul_overflow(t.dim[i], reps.v[i], &t.dim[i]))
            return typing_bad(c, "the result is too large");
    }
    return typing_set(c, t);
}

/* Pairs for the last axes, in one list or, as some programs have it, as rows
 * of a matrix. */
ar_status type_of_pad(mil_infer_call *c) {
    mil_type t = *typing_in(c, "x");
    char mode[MIL_ARG_TEXT];
    mil_list pad;
    TRY(typing_text(c, "mode", mode));
    if (strcmp(mode, "constant") && strcmp(mode, "reflect") &&
        strcmp(mode, "replicate"))
        return typing_bad(c, "mode \"%s\"", mode);
    TRY(typing_list(c, "pad", -1, &pad));
    if (pad.n % 2 || pad.n / 2 > t.rank)
        return typing_bad(c, "%d numbers of padding for rank %d", pad.n,
                          t.rank);
    for (int i = 0; i < pad.n; i++) {
        if (pad.v[i] < 0) return typing_bad(c, "padding is negative");
        t.dim[t.rank - pad.n / 2 + i / 2] += pad.v[i];
    }
    return typing_set(c, t);
}

/* Of what a tensor is filled with: 0.0 if nothing is said. */
static enum mil_dtype filling(const mil_infer_call *c) {
    const mil_type *value = typing_in(c, "value");
    return value ? value->dtype : MIL_FP32;
}

ar_status type_of_fill(mil_infer_call *c) {
    mil_type t = {.dtype = filling(c)};
    TRY(given_shape(c, "shape", &t));
    return typing_set(c, t);
}

ar_status type_of_fill_like(mil_infer_call *c) {
    mil_type t = *typing_in(c, "ref_tensor");
    t.dtype = filling(c);
    return typing_set(c, t);
}

ar_status type_of_range_1d(mil_infer_call *c) {
    static const char *const keys[] = {"start", "end", "step"};
    mil_type t = {.dtype = typing_in(c, "start")->dtype, .rank = 1};
    double v[3];
    for (int i = 0; i < 3; i++) {
        const mil_literal *l;
        TRY(typing_constant(c, keys[i], &l));
        v[i] = mil_number(l, 0);
    }
    const double n = v[2] != 0 ? ceil((v[1] - v[0]) / v[2]) : -1;
    if (!(n >= 0 && n < 1e15)) return typing_bad(c, "a range without an end");
    t.dim[0] = (int64_t)n;
    return typing_set(c, t);
}

ar_status type_of_one_hot(mil_infer_call *c) {
    mil_type t = *typing_in(c, "indices");
    int64_t size;
    int axis;
    TRY(typing_int(c, "one_hot_vector_size", &size));
    TRY(typing_axis(c, "axis", t.rank + 1, &axis));
    if (size < 0) return typing_bad(c, "a size of %lld", (long long)size);
    TRY(typing_insert(c, &t, axis, size));
    const mil_type *on = typing_in(c, "on_value");
    t.dtype = on ? on->dtype : MIL_INT32;
    return typing_set(c, t);
}
