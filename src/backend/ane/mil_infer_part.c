/* mil_infer_part.c - types of operations that join tensors or take parts. */
#include <math.h>

#include "backend/ane/mil_infer.h"
#include "base/error.h"

static const mil_type *nth(const mil_infer_call *c, const mil_arg *a, int i) {
    return &mil_get(c->f, a->values[i])->type;
}

ar_status type_of_concat(mil_infer_call *c) {
    const mil_arg *values = mil_find_arg(c->op, "values");
    int axis;
    bool interleave;
    if (values->n_values < 1) return typing_bad(c, "no values");
    mil_type t = *nth(c, values, 0);
    if (t.rank == 0) t.dim[t.rank++] = 1;
    TRY(typing_axis(c, "axis", t.rank, &axis));
    TRY(typing_flag(c, "interleave", &interleave));
    for (int k = 1; k < values->n_values; k++) {
        mil_type v = *nth(c, values, k);
        if (v.rank == 0 && nth(c, values, 0)->rank == 0) v.dim[v.rank++] = 1;
        if (v.dtype != t.dtype || v.rank != t.rank)
            return typing_bad(c, "value %d has another type", k);
        for (int i = 0; i < t.rank; i++)
            if (v.dim[i] != nth(c, values, 0)->dim[i] && t.rank == v.rank &&
                (i != axis || interleave) && nth(c, values, 0)->rank)
                return typing_bad(c, "value %d differs in axis %d", k, i);
        t.dim[axis] += v.dim[axis];
    }
    return typing_set(c, t);
}

ar_status type_of_split(mil_infer_call *c) {
    mil_type t = *typing_in(c, "x");
    const mil_literal *sizes;
    int axis;
    int64_t n = 0, sum = 0;
    TRY(typing_axis(c, "axis", t.rank, &axis));
    TRY(typing_constant(c, "split_sizes", &sizes));
    const int64_t all = t.dim[axis];
    if (typing_has(c, "num_splits"))
        TRY(typing_int(c, "num_splits", &n));
    else if (sizes)
        n = mil_count(&sizes->type);
    if (n < 1 || n > all + 1 || (sizes && mil_count(&sizes->type) != n))
        return typing_bad(c, "neither num_splits nor split_sizes is right");
    if (!sizes && all % n)
        return typing_bad(c, "%lld parts of %lld", (long long)n,
                          (long long)all);
    if (n != c->op->n_outs)
        return typing_bad(c, "it has %lld results, not %d", (long long)n,
                          c->op->n_outs);
    for (int64_t i = 0; i < n; i++) {
        t.dim[axis] = sizes ? (int64_t)mil_number(sizes, i) : all / n;
        if (t.dim[axis] < 0) return typing_bad(c, "a part is negative");
        sum += t.dim[axis];
        TRY(typing_set(c, t));
    }
    if (sum != all)
        return typing_bad(c, "parts of %lld in all, out of %lld",
                          (long long)sum, (long long)all);
    return AR_OK;
}

ar_status type_of_stack(mil_infer_call *c) {
    const mil_arg *values = mil_find_arg(c->op, "values");
    int axis;
    if (values->n_values < 1) return typing_bad(c, "no values");
    mil_type t = *nth(c, values, 0);
    for (int k = 1; k < values->n_values; k++)
        if (!mil_same_type(&t, nth(c, values, k)))
            return typing_bad(c, "value %d has another type", k);
    TRY(typing_axis(c, "axis", t.rank + 1, &axis));
    TRY(typing_insert(c, &t, axis, values->n_values));
    return typing_set(c, t);
}

/* ---- slices ---- */

/* Elements of begin:end:stride in an axis of n, as NumPy counts them. */
static int64_t slice_size(int64_t n, int64_t begin, int64_t end, int64_t stride,
                          const bool open[2]) {
    const int64_t low = stride > 0 ? 0 : -1;
    const int64_t high = stride > 0 ? n : n - 1;
    int64_t at[2] = {begin, end};
    for (int i = 0; i < 2; i++) {
        if (at[i] < 0) at[i] += n;
        if (at[i] < low) at[i] = low;
        if (at[i] > high) at[i] = high;
        if (open[i]) at[i] = (i == 0) == (stride > 0) ? low : high;
    }
    const int64_t room = stride > 0 ? at[1] - at[0] : at[0] - at[1];
    const int64_t step = stride > 0 ? stride : -stride;
    return room > 0 ? (room + step - 1) / step : 0;
}

/* The masks of a slice; all false where they are absent. */
static ar_status read_mask(const mil_infer_call *c, const char *key, int n,
                           mil_list *mask) {
    *mask = (mil_list){.n = n};
    return typing_has(c, key) ? typing_list(c, key, n, mask) : AR_OK;
}

static ar_status slice_type(const mil_infer_call *c, mil_type *t) {
    const mil_type *x = typing_in(c, "x");
    const int r = x->rank;
    mil_list begin, end, stride, masks[2], squeeze;
    TRY(typing_list(c, "begin", r, &begin));
    TRY(typing_list(c, "end", r, &end));
    stride = (mil_list){.n = r};
    for (int i = 0; i < r; i++) stride.v[i] = 1;
    if (typing_has(c, "stride")) TRY(typing_list(c, "stride", r, &stride));
    TRY(read_mask(c, "begin_mask", r, &masks[0]));
    TRY(read_mask(c, "end_mask", r, &masks[1]));
    TRY(read_mask(c, "squeeze_mask", r, &squeeze));
    *t = *x;
    t->rank = 0;
    for (int i = 0; i < r; i++) {
        const bool open[2] = {masks[0].v[i] != 0, masks[1].v[i] != 0};
        const int64_t b = begin.v[i], e = end.v[i], s = stride.v[i];
        if (s == 0 || s == INT64_MIN) return typing_bad(c, "a stride is 0");
        if (squeeze.v[i]) continue;
        if (!open[0] && !open[1] && b >= 0 && e >= 0 && s > 0 && e < b)
            return typing_bad(c, "axis %d ends before it begins", i);
        t->dim[t->rank++] = slice_size(x->dim[i], b, e, s, open);
    }
    return AR_OK;
}

ar_status type_of_slice_by_index(mil_infer_call *c) {
    mil_type t;
    TRY(slice_type(c, &t));
    return typing_set(c, t);
}

ar_status type_of_slice_update(mil_infer_call *c) {
    const mil_type *update = typing_in(c, "update");
    mil_type t;
    char a[MIL_TYPE_TEXT], b[MIL_TYPE_TEXT];
    TRY(slice_type(c, &t));
    if (!update->rank || !mil_same_type(&t, update))
        return typing_bad(c, "the update is %s, the slice %s",
                          mil_type_text(update, a), mil_type_text(&t, b));
    return typing_set(c, *typing_in(c, "x"));
}

/* A size of -1 goes to the end. */
ar_status type_of_slice_by_size(mil_infer_call *c) {
    const mil_type *x = typing_in(c, "x");
    mil_type t = *x;
    mil_list begin = {.n = 0}, size;
    TRY(typing_list(c, "size", x->rank, &size));
    const mil_ref r = mil_find_ref(c->op, "begin");
    const bool known = mil_constant(c->f, r) != NULL;
    if (known) TRY(typing_list(c, "begin", x->rank, &begin));
    for (int i = 0; i < x->rank; i++) {
        const int64_t b = begin.v[i] < 0 ? begin.v[i] + x->dim[i] : begin.v[i];
        const int64_t n = size.v[i] == -1 ? x->dim[i] - b : size.v[i];
        if (size.v[i] == -1 && !known)
            return typing_bad(c, "a size of -1 from an unknown begin");
        if (n < 0 || b < 0 || n > x->dim[i] - b)
            return typing_bad(c, "axis %d: %lld from %lld of %lld", i,
                              (long long)n, (long long)b, (long long)x->dim[i]);
        t.dim[i] = n;
    }
    return typing_set(c, t);
}

/* ---- gather and scatter ---- */

/* What an argument says that older opsets do not have: 0 there. */
static ar_status optional_int(const mil_infer_call *c, const char *key,
                              int64_t *out) {
    mil_arg_rule r;
    *out = 0;
    return mil_find_rule(c->signature, key, &r) ? typing_int(c, key, out)
                                                : AR_OK;
}

/* Indices that are known must be in range where validate_indices says so. */
static ar_status check_indices(const mil_infer_call *c, int64_t n) {
    mil_arg_rule r;
    bool validate = false;
    if (mil_find_rule(c->signature, "validate_indices", &r))
        TRY(typing_flag(c, "validate_indices", &validate));
    const mil_ref at = mil_find_ref(c->op, "indices");
    const mil_literal *l = mil_constant(c->f, at);
    const int64_t count = l && l->data ? mil_count(&l->type) : 0;
    for (int64_t i = 0; validate && i < count; i++)
        if (mil_number(l, i) < 0 || mil_number(l, i) >= (double)n)
            return typing_bad(c, "an index of %.0f in an axis of %lld",
                              mil_number(l, i), (long long)n);
    return AR_OK;
}

/* t with axis `at` in the place of the axes of `in` from `from` on. */
static ar_status replace_axis(const mil_infer_call *c, mil_type *t, int at,
                              const mil_type *in, int from) {
    typing_remove(t, at);
    for (int i = from; i < in->rank; i++)
        TRY(typing_insert(c, t, at + i - from, in->dim[i]));
    return AR_OK;
}

ar_status type_of_gather(mil_infer_call *c) {
    const mil_type *indices = typing_in(c, "indices");
    mil_type t = *typing_in(c, "x");
    int axis;
    int64_t batch;
    TRY(typing_axis(c, "axis", t.rank, &axis));
    TRY(optional_int(c, "batch_dims", &batch));
    if (batch < 0 || batch >= t.rank || batch > indices->rank || batch > axis)
        return typing_bad(c, "batch_dims of %lld", (long long)batch);
    TRY(check_indices(c, t.dim[axis]));
    TRY(replace_axis(c, &t, axis, indices, (int)batch));
    return typing_set(c, t);
}

static ar_status along_axis(const mil_infer_call *c, const mil_type *x) {
    const mil_type *indices = typing_in(c, "indices");
    int axis;
    if (x->rank != indices->rank)
        return typing_bad(c, "indices of rank %d for rank %d", indices->rank,
                          x->rank);
    TRY(typing_axis(c, "axis", x->rank, &axis));
    for (int i = 0; i < x->rank; i++)
        if (i != axis && x->dim[i] != indices->dim[i])
            return typing_bad(c, "indices differ in axis %d", i);
    return check_indices(c, x->dim[axis]);
}

ar_status type_of_gather_along_axis(mil_infer_call *c) {
    const mil_type *x = typing_in(c, "x");
    mil_type t = *typing_in(c, "indices");
    TRY(along_axis(c, x));
    t.dtype = x->dtype;
    return typing_set(c, t);
}

static bool same_shape(const mil_type *a, const mil_type *b) {
    mil_type x = *a;
    x.dtype = b->dtype;
    return mil_same_type(&x, b);
}

ar_status type_of_scatter_along_axis(mil_infer_call *c) {
    const mil_type *data = typing_in(c, "data");
    TRY(along_axis(c, data));
    if (!same_shape(typing_in(c, "indices"), typing_in(c, "updates")))
        return typing_bad(c, "updates and indices differ");
    return typing_set(c, *data);
}

/* The shape of what indices [..., depth] point at. */
static ar_status pointed_at(const mil_infer_call *c, const mil_type *x,
                            int64_t batch, mil_type *t) {
    *t = *typing_in(c, "indices");
    t->dtype = x->dtype;
    const int64_t depth = t->rank ? t->dim[t->rank - 1] : -1;
    if (batch < 0 || depth < 0 || depth > x->rank - batch)
        return typing_bad(c, "indices of depth %lld into rank %d",
                          (long long)depth, x->rank);
    typing_remove(t, t->rank - 1);
    for (int i = (int)(batch + depth); i < x->rank; i++)
        TRY(typing_insert(c, t, t->rank, x->dim[i]));
    return AR_OK;
}

ar_status type_of_gather_nd(mil_infer_call *c) {
    mil_type t;
    int64_t batch;
    TRY(optional_int(c, "batch_dims", &batch));
    TRY(pointed_at(c, typing_in(c, "x"), batch, &t));
    return typing_set(c, t);
}

ar_status type_of_scatter(mil_infer_call *c) {
    const mil_type *data = typing_in(c, "data");
    mil_type t = *data;
    int axis;
    TRY(typing_axis(c, "axis", t.rank, &axis));
    TRY(check_indices(c, t.dim[axis]));
    TRY(replace_axis(c, &t, axis, typing_in(c, "indices"), 0));
    if (!same_shape(&t, typing_in(c, "updates")))
        return typing_bad(c, "updates do not have the shape of the parts");
    return typing_set(c, *data);
}

ar_status type_of_scatter_nd(mil_infer_call *c) {
    const mil_type *data = typing_in(c, "data");
    mil_type t;
    TRY(pointed_at(c, data, 0, &t));
    if (!same_shape(&t, typing_in(c, "updates")))
        return typing_bad(c, "updates do not have the shape of the parts");
    return typing_set(c, *data);
}

/* ---- images ---- */

ar_status type_of_crop(mil_infer_call *c) {
    static const char *const keys[] = {"crop_height", "crop_width"};
    mil_type t = *typing_in(c, "x");
    if (t.rank < 3) return typing_bad(c, "x has rank %d, below 3", t.rank);
    for (int k = 0; k < 2; k++) {
        mil_list cut;
        int64_t *dim = &t.dim[t.rank - 2 + k];
        TRY(typing_list(c, keys[k], 2, &cut));
        *dim -= cut.v[0] + cut.v[1];
        if (cut.v[0] < 0 || cut.v[1] < 0 || *dim < 1)
            return typing_bad(c, "%s leaves %lld", keys[k], (long long)*dim);
    }
    return typing_set(c, t);
}

ar_status type_of_upsample(mil_infer_call *c) {
    static const char *const keys[] = {"scale_factor_height",
                                       "scale_factor_width"};
    mil_type t = *typing_in(c, "x");
    if (t.rank < 3) return typing_bad(c, "x has rank %d, below 3", t.rank);
    for (int k = 0; k < 2; k++) {
        const mil_literal *l;
        int64_t *dim = &t.dim[t.rank - 2 + k];
        TRY(typing_constant(c, keys[k], &l));
        const double n = floor((l ? mil_number(l, 0) : 1) * (double)*dim);
        if (!(n >= 1 && n < 1e15)) return typing_bad(c, "%s", keys[k]);
        *dim = (int64_t)n;
    }
    return typing_set(c, t);
}
