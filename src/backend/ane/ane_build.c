/* ane_build.c - one helper for each statement that the lowering writes. */
#include <stdio.h>
#include <string.h>

#include "backend/ane/ane_lower_int.h"
#include "backend/ane/mil_int.h"
#include "quant/quant.h"

mil_type ane_type(const lower *l, mil_ref x) {
    return x ? ((const mil_value *)l->p->values.data)[x].type
             : (mil_type){.dtype = MIL_FP16, .tensor = true};
}

enum { NAME = 24 };

static const char *new_name(lower *l, char name[NAME]) {
    snprintf(name, NAME, "t%d", l->n_names++);
    return name;
}

static mil_ref finish(lower *l, mil_type t) {
    char name[NAME];
    return mil_op_end(l->p, new_name(l, name), t);
}

static mil_ref const_i32(lower *l, int x) {
    char name[NAME];
    return mil_const_i32(l->p, new_name(l, name), x);
}

static mil_ref const_i32s(lower *l, const int64_t *x, int n) {
    char name[NAME];
    int32_t v[MAX_DIMS];
    for (int i = 0; i < n; i++) v[i] = (int32_t)x[i];
    return mil_const_i32s(l->p, new_name(l, name), v, n);
}

static mil_ref const_bool(lower *l, bool x) {
    char name[NAME];
    return mil_const_bool(l->p, new_name(l, name), x);
}

static mil_ref const_text(lower *l, const char *s) {
    char name[NAME];
    return mil_const_text(l->p, new_name(l, name), s);
}

mil_ref ane_const(lower *l, mil_type t, const uint16_t *half) {
    char name[NAME];
    const int64_t n = mil_count(&t);
    if (ANE_FAILED(l) || !half) return 0;
    if (n <= ANE_INLINE) return mil_const(l->p, new_name(l, name), t, half);
    const uint64_t at = mil_blob_add(l->blob, MIL_FP16, half, n);
    return mil_const_file(l->p, new_name(l, name), t, ANE_WEIGHT_PATH, at);
}

mil_ref ane_number(lower *l, double x) {
    char name[NAME];
    return mil_const_f16(l->p, new_name(l, name), (float)x);
}

static void begin(lower *l, const char *kind, const char *key, mil_ref x) {
    mil_op_begin(l->p, kind);
    mil_arg_ref(l->p, key, x);
}

mil_ref ane_unary(lower *l, const char *kind, mil_ref x) {
    if (!x) return 0;
    begin(l, kind, "x", x);
    return finish(l, ane_type(l, x));
}

static mil_type broadcast(const mil_type *a, const mil_type *b) {
    mil_type t = a->rank >= b->rank ? *a : *b;
    const mil_type *s = a->rank >= b->rank ? b : a;
    for (int i = 0; i < s->rank; i++) {
        int64_t *d = &t.dim[t.rank - s->rank + i];
        if (*d == 1) *d = s->dim[i];
    }
    return t;
}

mil_ref ane_binary(lower *l, const char *kind, mil_ref x, mil_ref y) {
    if (!x || !y) return 0;
    const mil_type a = ane_type(l, x), b = ane_type(l, y);
    begin(l, kind, "x", x);
    mil_arg_ref(l->p, "y", y);
    return finish(l, broadcast(&a, &b));
}

mil_ref ane_scale(lower *l, mil_ref x, double a) {
    return a == 1 || !x ? x : ane_binary(l, "mul", x, ane_number(l, a));
}

mil_ref ane_shift(lower *l, mil_ref x, double b) {
    return b == 0 || !x ? x : ane_binary(l, "add", x, ane_number(l, b));
}

mil_ref ane_affine(lower *l, mil_ref x, double a, double b) {
    return ane_shift(l, ane_scale(l, x, a), b);
}

mil_ref ane_eps(lower *l, const char *kind, mil_ref x, double epsilon) {
    if (!x) return 0;
    const mil_ref e = ane_number(l, epsilon);
    begin(l, kind, "epsilon", e);
    mil_arg_ref(l->p, "x", x);
    return finish(l, ane_type(l, x));
}

mil_ref ane_compare(lower *l, const char *kind, mil_ref x, mil_ref y) {
    if (!x || !y) return 0;
    const mil_type a = ane_type(l, x), b = ane_type(l, y);
    mil_type t = broadcast(&a, &b);
    t.dtype = MIL_BOOL;
    begin(l, kind, "x", x);
    mil_arg_ref(l->p, "y", y);
    return finish(l, t);
}

mil_ref ane_select(lower *l, mil_ref cond, mil_ref a, mil_ref b) {
    if (!cond || !a || !b) return 0;
    const mil_type c = ane_type(l, cond), x = ane_type(l, a),
                   y = ane_type(l, b);
    mil_type t = broadcast(&x, &y);
    t = broadcast(&t, &c);
    t.dtype = x.dtype;
    t.tensor = true;
    begin(l, "select", "a", a);
    mil_arg_ref(l->p, "b", b);
    mil_arg_ref(l->p, "cond", cond);
    return finish(l, t);
}

mil_ref ane_reduce(lower *l, const char *kind, mil_ref x, int axis) {
    if (!x) return 0;
    mil_type t = ane_type(l, x);
    const mil_ref axes = const_i32s(l, (int64_t[]){axis}, 1);
    const mil_ref keep = const_bool(l, true);
    t.dim[axis] = 1;
    begin(l, kind, "axes", axes);
    mil_arg_ref(l->p, "keep_dims", keep);
    mil_arg_ref(l->p, "x", x);
    return finish(l, t);
}

mil_ref ane_softmax(lower *l, mil_ref x, int axis) {
    if (!x) return 0;
    begin(l, "softmax", "axis", const_i32(l, axis));
    mil_arg_ref(l->p, "x", x);
    return finish(l, ane_type(l, x));
}

mil_ref ane_layer_norm(lower *l, mil_ref x, int axis, double eps) {
    if (!x) return 0;
    const mil_ref axes = const_i32s(l, (int64_t[]){axis}, 1);
    const mil_ref e = ane_number(l, eps);
    begin(l, "layer_norm", "axes", axes);
    mil_arg_ref(l->p, "epsilon", e);
    mil_arg_ref(l->p, "x", x);
    return finish(l, ane_type(l, x));
}

mil_ref ane_matmul(lower *l, mil_ref x, mil_ref y, bool tx, bool ty) {
    if (!x || !y) return 0;
    mil_type t = ane_type(l, x);
    const mil_type b = ane_type(l, y);
    const int r = t.rank;
    for (int i = 0; i < r - 2; i++)
        if (t.dim[i] == 1) t.dim[i] = b.dim[i];
    if (tx) t.dim[r - 2] = t.dim[r - 1];
    t.dim[r - 1] = b.dim[ty ? r - 2 : r - 1];
    const mil_ref fx = const_bool(l, tx), fy = const_bool(l, ty);
    begin(l, "matmul", "transpose_x", fx);
    mil_arg_ref(l->p, "transpose_y", fy);
    mil_arg_ref(l->p, "x", x);
    mil_arg_ref(l->p, "y", y);
    return finish(l, t);
}

mil_ref ane_conv(lower *l, mil_ref x, mil_ref weight) {
    if (!x || !weight) return 0;
    mil_type t = ane_type(l, x);
    t.dim[1] = ane_type(l, weight).dim[0];
    const int64_t one[] = {1, 1}, none[] = {0, 0, 0, 0};
    const mil_ref dilations = const_i32s(l, one, 2);
    const mil_ref groups = const_i32(l, 1);
    const mil_ref pad = const_i32s(l, none, 4);
    const mil_ref type = const_text(l, "valid");
    const mil_ref strides = const_i32s(l, one, 2);
    begin(l, "conv", "dilations", dilations);
    mil_arg_ref(l->p, "groups", groups);
    mil_arg_ref(l->p, "pad", pad);
    mil_arg_ref(l->p, "pad_type", type);
    mil_arg_ref(l->p, "strides", strides);
    mil_arg_ref(l->p, "weight", weight);
    mil_arg_ref(l->p, "x", x);
    return finish(l, t);
}

/* What a value that is a reshape reshapes: two in a row are one. */
static mil_ref before_reshape(const lower *l, mil_ref x) {
    const mil_value *v = (const mil_value *)l->p->values.data + x;
    if (v->op < 0) return x;
    const mil_op *op = (const mil_op *)l->p->ops.data + v->op;
    return strcmp(op->kind, "reshape") == 0 ? mil_find_ref(op, "x") : x;
}

mil_ref ane_reshape(lower *l, mil_ref x, int rank, const int64_t *dim) {
    if (!x || ANE_FAILED(l)) return 0;
    x = before_reshape(l, x);
    const mil_type old = ane_type(l, x);
    const mil_type t = mil_tensor(old.dtype, rank, dim);
    if (mil_same_type(&old, &t)) return x;
    const mil_ref s = const_i32s(l, dim, rank);
    begin(l, "reshape", "shape", s);
    mil_arg_ref(l->p, "x", x);
    return finish(l, t);
}

mil_ref ane_transpose(lower *l, mil_ref x, const int *perm) {
    if (!x) return 0;
    const mil_type old = ane_type(l, x);
    mil_type t = old;
    int64_t order[MAX_DIMS];
    int last = -1;
    bool moves = false; /* dims of size 1 do not count */
    for (int i = 0; i < old.rank; i++) {
        order[i] = perm[i];
        t.dim[i] = old.dim[perm[i]];
        if (old.dim[perm[i]] == 1) continue;
        moves |= perm[i] < last;
        last = perm[i];
    }
    if (!moves) return ane_reshape(l, x, t.rank, t.dim);
    const mil_ref p = const_i32s(l, order, old.rank);
    begin(l, "transpose", "perm", p);
    mil_arg_ref(l->p, "x", x);
    return finish(l, t);
}

static mil_ref slice_by_index(lower *l, mil_ref x, mil_type t,
                              const int64_t *begins, const int64_t *ends,
                              const int64_t *steps) {
    const mil_ref b = const_i32s(l, begins, t.rank);
    const mil_ref e = const_i32s(l, ends, t.rank);
    const mil_ref s = const_i32s(l, steps, t.rank);
    begin(l, "slice_by_index", "begin", b);
    mil_arg_ref(l->p, "end", e);
    mil_arg_ref(l->p, "stride", s);
    mil_arg_ref(l->p, "x", x);
    return finish(l, t);
}

mil_ref ane_slice(lower *l, mil_ref x, int axis, int64_t start, int64_t n,
                  int64_t step) {
    if (!x) return 0;
    mil_type t = ane_type(l, x);
    if (start == 0 && n == t.dim[axis]) return x;
    int64_t begins[MAX_DIMS] = {0}, ends[MAX_DIMS], steps[MAX_DIMS];
    for (int i = 0; i < t.rank; i++) {
        ends[i] = t.dim[i];
        steps[i] = 1;
    }
    begins[axis] = start;
    steps[axis] = step;
    ends[axis] = start + (n - 1) * step + 1;
    t.dim[axis] = n;
    if (step != 1) return slice_by_index(l, x, t, begins, ends, steps);
    const mil_ref b = const_i32s(l, begins, t.rank);
    const mil_ref s = const_i32s(l, t.dim, t.rank);
    begin(l, "slice_by_size", "begin", b);
    mil_arg_ref(l->p, "size", s);
    mil_arg_ref(l->p, "x", x);
    return finish(l, t);
}

mil_ref ane_concat(lower *l, const mil_ref *x, int n, int axis) {
    for (int i = 0; i < n; i++)
        if (!x[i]) return 0;
    if (n == 1) return x[0];
    mil_type t = ane_type(l, x[0]);
    for (int i = 1; i < n; i++) t.dim[axis] += ane_type(l, x[i]).dim[axis];
    const mil_ref a = const_i32(l, axis), no = const_bool(l, false);
    begin(l, "concat", "axis", a);
    mil_arg_ref(l->p, "interleave", no);
    mil_arg_refs(l->p, "values", x, n);
    return finish(l, t);
}

mil_ref ane_cast(lower *l, mil_ref x, enum mil_dtype to) {
    if (!x) return 0;
    mil_type t = ane_type(l, x);
    if (t.dtype == to) return x;
    t.dtype = to;
    begin(l, "cast", "dtype", const_text(l, mil_dtype_name(to)));
    mil_arg_ref(l->p, "x", x);
    return finish(l, t);
}

mil_ref ane_repeat(lower *l, mil_ref x, const int64_t *dim) {
    if (!x) return 0;
    const mil_type t = ane_type(l, x);
    mil_type ones = t;
    bool same = true;
    for (int i = 0; i < t.rank; i++) {
        ones.dim[i] = dim[i] == t.dim[i] ? 1 : dim[i];
        same &= ones.dim[i] == 1;
    }
    if (same) return x;
    /* times one, since tile is not to be trusted */
    const int64_t n = mil_count(&ones);
    uint16_t *one = arena_new(&l->mem, uint16_t, n);
    if (!one) return ane_fail(l, AR_NOMEM, "out of memory for a constant");
    for (int64_t i = 0; i < n; i++) one[i] = f32_to_f16(1);
    return ane_binary(l, "mul", x, ane_const(l, ones, one));
}
