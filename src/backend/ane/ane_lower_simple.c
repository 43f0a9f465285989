/* ane_lower_simple.c - element by element, along an axis, and the norms. */
#include <math.h>

#include "backend/ane/ane_lower_int.h"
#include "quant/quant.h"

/* ---- functions of one number ---- */

static mil_ref relu_square(lower *l, mil_ref x, double below) {
    const mil_ref y = below == 0
                          ? ane_unary(l, "relu", x)
                          : ane_binary(l, "maximum", x, ane_scale(l, x, below));
    return ane_binary(l, "mul", y, y);
}

/* x/2 (1 + inner) */
static mil_ref half_gate(lower *l, mil_ref x, mil_ref inner) {
    return ane_binary(l, "mul", ane_scale(l, x, 0.5), ane_shift(l, inner, 1));
}

static mil_ref gelu_tanh(lower *l, mil_ref x) {
    /* x (a + b x x): x x x would overflow at 40 */
    const double a = 0.79788456080286535588;
    const mil_ref s =
        ane_affine(l, ane_binary(l, "mul", x, x), 0.044715 * a, a);
    return half_gate(l, x, ane_unary(l, "tanh", ane_binary(l, "mul", x, s)));
}

/* max(x, 0) + log(1 + exp(-|x|)): the engine's own gives 0 for +inf */
static mil_ref softplus(lower *l, mil_ref x) {
    const mil_ref e =
        ane_unary(l, "exp", ane_scale(l, ane_unary(l, "abs", x), -1));
    return ane_binary(l, "add", ane_unary(l, "relu", x),
                      ane_eps(l, "log", ane_shift(l, e, 1), 0));
}

mil_ref ane_function(lower *l, enum unary_kind kind, mil_ref x) {
    static const char *const own[UNARY_COUNT] = {
        [UNARY_ABS] = "abs",        [UNARY_SIGN] = "sign",
        [UNARY_SQRT] = "sqrt",      [UNARY_EXP] = "exp",
        [UNARY_TANH] = "tanh",      [UNARY_RELU] = "relu",
        [UNARY_SIGMOID] = "sigmoid"};
    static const char *const with_eps[UNARY_COUNT] = {[UNARY_RSQRT] = "rsqrt",
                                                      [UNARY_RECIPROCAL] =
                                                          "inverse",
                                                      [UNARY_LOG] = "log"};
    if (own[kind]) return ane_unary(l, own[kind], x);
    if (with_eps[kind]) return ane_eps(l, with_eps[kind], x, 0);
    switch (kind) {
    case UNARY_IDENTITY: return x;
    case UNARY_NEG: return ane_scale(l, x, -1);
    case UNARY_SQR: return ane_binary(l, "mul", x, x);
    case UNARY_SOFTPLUS: return softplus(l, x);
    case UNARY_RELU_SQR: return relu_square(l, x, 0);
    case UNARY_LEAKY_RELU_SQR: return relu_square(l, x, 0.5);
    case UNARY_SILU: /* the engine's own is 1e-3 off at 0 */
        return ane_binary(l, "mul", x, ane_unary(l, "sigmoid", x));
    case UNARY_GELU:
        return half_gate(
            l, x, ane_unary(l, "erf", ane_scale(l, x, 0.70710678118654752)));
    case UNARY_GELU_TANH: return gelu_tanh(l, x);
    default: return ane_fail(l, AR_UNSUPPORTED, "an unknown function");
    }
}

static mil_ref function_of(lower *l, const struct unary_attr *a, mil_ref x) {
    const double sign = a->kind == UNARY_NEG ? -1 : 1;
    x = ane_affine(l, x, sign * a->a, sign * a->b);
    return a->kind == UNARY_NEG ? x
                                : ane_function(l, (enum unary_kind)a->kind, x);
}

void lower_unary(lower *l, const node *n, ref out) {
    const ref x = n->in[0];
    const ane_parts *from = l->entry[x].parts;
    if (from) {
        ane_parts *to = arena_new(&l->mem, ane_parts, 1);
        if (!to) {
            ane_fail(l, AR_NOMEM, "out of memory for parts");
            return;
        }
        to->n = from->n;
        for (int i = 0; i < to->n; i++)
            to->part[i] = function_of(l, &n->attr.unary, from->part[i]);
        l->entry[out].parts = to;
        return;
    }
    const enum ane_form f = ane_common(l, &x, 1);
    ane_set(l, out, f, function_of(l, &n->attr.unary, ane_get(l, x, f)));
}

void lower_same(lower *l, const node *n, ref out) {
    const enum ane_form f = ane_common(l, n->in, 1);
    ane_set(l, out, f, ane_get(l, n->in[0], f));
}

/* ---- of more ---- */

static mil_ref two(lower *l, const struct binary_attr *at, mil_ref a,
                   mil_ref b) {
    static const char *const kinds[BINARY_COUNT] = {
        [BINARY_ADD] = "add",          [BINARY_SUB] = "sub",
        [BINARY_MUL] = "mul",          [BINARY_DIV] = "real_div",
        [BINARY_MAX] = "maximum",      [BINARY_MIN] = "minimum",
        [BINARY_GE] = "greater_equal", [BINARY_GT] = "greater"};
    a = ane_scale(l, a, at->alpha);
    b = ane_scale(l, b, at->beta);
    if (at->kind == BINARY_GE || at->kind == BINARY_GT)
        return ane_cast(l, ane_compare(l, kinds[at->kind], a, b), MIL_FP16);
    return ane_binary(l, kinds[at->kind], a, b);
}

void lower_binary(lower *l, const node *n, ref out) {
    const enum ane_form f = ane_common(l, n->in, 2);
    const mil_ref a = ane_get(l, n->in[0], f), b = ane_get(l, n->in[1], f);
    ane_set(l, out, f, two(l, &n->attr.binary, a, b));
}

void lower_gated(lower *l, const node *n, ref out) {
    const enum ane_form f = ane_common(l, n->in, 2);
    const mil_ref gate = ane_get(l, n->in[0], f), up = ane_get(l, n->in[1], f);
    const enum unary_kind kind = (enum unary_kind)n->attr.gated.kind;
    ane_set(l, out, f, ane_binary(l, "mul", ane_function(l, kind, gate), up));
}

void lower_select(lower *l, const node *n, ref out) {
    const enum ane_form f = ane_common(l, n->in, 3);
    const mil_ref c = ane_get(l, n->in[0], f);
    const mil_ref a = ane_get(l, n->in[1], f), b = ane_get(l, n->in[2], f);
    const mil_ref cond = ane_compare(l, "not_equal", c, ane_number(l, 0));
    ane_set(l, out, f, ane_select(l, cond, a, b));
}

void lower_concat(lower *l, const node *n, ref out) {
    const int axis = n->attr.axis.axis, rank = n->out[0].shape.rank;
    const enum ane_form f = axis == rank - 1 ? CHANNEL : PLAIN;
    mil_ref x[MAX_INPUTS];
    for (int i = 0; i < n->n_in; i++) x[i] = ane_full(l, n->in[i], f);
    ane_set(l, out, f, ane_concat(l, x, n->n_in, f == CHANNEL ? 1 : axis));
}

/* ---- over an axis ---- */

/* 0, 1, .. along axis. */
static mil_ref counting(lower *l, int rank, int axis, int64_t n) {
    int64_t dim[MAX_DIMS] = {1, 1, 1, 1, 1};
    dim[axis] = n;
    uint16_t *x = arena_new(&l->mem, uint16_t, n);
    if (!x) return ane_fail(l, AR_NOMEM, "out of memory for a constant");
    for (int64_t i = 0; i < n; i++) x[i] = f32_to_f16((float)i);
    return ane_const(l, mil_tensor(MIL_FP16, rank, dim), x);
}

/* The lowest place of the maximum m, by fp16 numbers only: the engine's own
 * gives int32, which may not leave a program. */
static mil_ref place(lower *l, mil_ref x, mil_ref m, int axis) {
    const mil_type t = ane_type(l, x);
    const mil_ref hit = ane_compare(l, "greater_equal", x, m);
    const mil_ref i = counting(l, t.rank, axis, t.dim[axis]);
    const mil_ref at = ane_select(l, hit, i, ane_number(l, 65504));
    return ane_reduce(l, "reduce_min", at, axis);
}

/* Of [1, C, 1, S] in chunks: [1, 2, 1, S], the chunk and the place in it. */
static mil_ref place_in_chunks(lower *l, const mil_ref *chunk, int n) {
    mil_ref m[ANE_MAX_PARTS], at[ANE_MAX_PARTS];
    for (int i = 0; i < n; i++) {
        m[i] = ane_reduce(l, "reduce_max", chunk[i], 1);
        at[i] = place(l, chunk[i], m[i], 1);
    }
    const mil_ref all = ane_concat(l, m, n, 1);
    const mil_ref which = place(l, all, ane_reduce(l, "reduce_max", all, 1), 1);
    const mil_ref hit = ane_compare(l, "equal", counting(l, 4, 1, n), which);
    const mil_ref low =
        ane_select(l, hit, ane_concat(l, at, n, 1), ane_number(l, 0));
    const mil_ref pair[] = {which, ane_reduce(l, "reduce_sum", low, 1)};
    return ane_concat(l, pair, 2, 1);
}

static int cut(lower *l, mil_ref x, int64_t size, mil_ref *chunk, int n) {
    const int64_t c = ane_type(l, x).dim[1];
    for (int64_t at = 0; at < c; at += size) {
        if (n == ANE_MAX_PARTS) {
            ane_fail(l, AR_UNSUPPORTED, "an axis too long for its indices");
            return n;
        }
        chunk[n++] = ane_slice(l, x, 1, at, c - at < size ? c - at : size, 1);
    }
    return n;
}

/* Chunks are of one size, so that an index is chunk * size + place: parts are
 * whole chunks. */
static void wide_argmax(lower *l, ref x, ref out) {
    mil_ref chunk[ANE_MAX_PARTS];
    const ane_parts *p = l->entry[x].parts;
    int64_t size = ANE_MAX_INDEX;
    int n = 0;
    if (p && ane_type(l, p->part[0]).dim[1] < size)
        size = ane_type(l, p->part[0]).dim[1];
    for (int i = 0; p && i < p->n; i++) n = cut(l, p->part[i], size, chunk, n);
    if (!p) n = cut(l, ane_full(l, x, CHANNEL), size, chunk, 0);
    l->entry[out].base = size;
    if (!ANE_FAILED(l)) ane_set(l, out, CHANNEL, place_in_chunks(l, chunk, n));
}

static mil_ref reduce(lower *l, int kind, mil_ref x, int axis) {
    static const char *const kinds[REDUCE_COUNT] = {
        [REDUCE_SUM] = "reduce_sum",
        [REDUCE_MEAN] = "reduce_mean",
        [REDUCE_SUM_SQR] = "reduce_sum",
        [REDUCE_MAX] = "reduce_max",
        [REDUCE_ARGMAX] = "reduce_max"};
    if (kind == REDUCE_SUM_SQR) x = ane_binary(l, "mul", x, x);
    const mil_ref y = ane_reduce(l, kinds[kind], x, axis);
    return kind == REDUCE_ARGMAX ? place(l, x, y, axis) : y;
}

void lower_reduce(lower *l, const node *n, ref out) {
    const ref x = n->in[0];
    const int kind = n->attr.reduce.kind, axis = n->attr.reduce.axis;
    const shape *s = &graph_value(l->g, x)->shape;
    if (axis < 0) {
        mil_ref y = ane_full(l, x, PLAIN);
        if (kind == REDUCE_ARGMAX) {
            y = ane_reshape4(l, y, 1, shape_count(s), 1, 1);
            y = reduce(l, kind, y, 1);
        } else {
            y = reduce(l, kind, ane_full(l, x, CHANNEL), 1);
            y = reduce(l, kind == REDUCE_SUM_SQR ? REDUCE_SUM : kind, y, 3);
        }
        ane_set(l, out, CHANNEL, y);
    } else if (axis < s->rank - 1) {
        ane_set(l, out, PLAIN, reduce(l, kind, ane_full(l, x, PLAIN), axis));
    } else if (kind == REDUCE_ARGMAX && shape_last(s) > ANE_MAX_INDEX) {
        wide_argmax(l, x, out);
    } else {
        ane_set(l, out, CHANNEL, reduce(l, kind, ane_full(l, x, CHANNEL), 1));
    }
}

void lower_softmax(lower *l, const node *n, ref out) {
    ane_set(l, out, CHANNEL, ane_softmax(l, ane_full(l, n->in[0], CHANNEL), 1));
}

/* ---- norms ---- */

/* Sizes that compilers have refused, and an eps that is not flushed. */
static bool norm_op_works(int64_t c, double eps) {
    static const int64_t refused[] = {1024, 1536, 2560, 4096};
    for (int i = 0; i < 4; i++)
        if (c == refused[i]) return false;
    return c < 10240 && eps >= 0x1p-17;
}

static mil_ref rms_by_mul(lower *l, mil_ref x, int axis, double eps) {
    const mil_ref m =
        ane_reduce(l, "reduce_mean", ane_binary(l, "mul", x, x), axis);
    const double least = eps < 0x1p-17 ? 0x1p-17 : eps;
    return ane_binary(l, "mul", x, ane_eps(l, "rsqrt", m, least));
}

static mil_ref rms_doubled(lower *l, mil_ref x, int axis, double eps) {
    /* [x, -x] has mean 0, so its variance is the mean square */
    const mil_ref both[] = {x, ane_scale(l, x, -1)};
    const mil_ref y =
        ane_layer_norm(l, ane_concat(l, both, 2, axis), axis, eps);
    return ane_slice(l, y, axis, 0, ane_type(l, x).dim[axis], 1);
}

static mil_ref rms_scaled(lower *l, mil_ref x, int axis, double eps) {
    const mil_ref most =
        ane_reduce(l, "reduce_max", ane_unary(l, "abs", x), axis);
    const mil_ref inv =
        ane_eps(l, "inverse",
                ane_binary(l, "maximum", most, ane_number(l, 0x1p-13)), 0);
    const mil_ref z = ane_binary(l, "mul", x, inv);
    const mil_ref root = ane_scale(l, inv, sqrt(eps));
    const mil_ref m =
        ane_reduce(l, "reduce_mean", ane_binary(l, "mul", z, z), axis);
    const mil_ref sum =
        ane_binary(l, "add", m, ane_binary(l, "mul", root, root));
    return ane_binary(l, "mul", z, ane_eps(l, "rsqrt", sum, 0));
}

mil_ref ane_rms(lower *l, mil_ref x, int axis, double eps) {
    enum ane_norm form = l->opt.norm;
    if (form == ANE_NORM_AUTO)
        form = norm_op_works(2 * ane_type(l, x).dim[axis], eps)
                   ? ANE_NORM_DOUBLED
                   : ANE_NORM_SCALED;
    if (form == ANE_NORM_DOUBLED) return rms_doubled(l, x, axis, eps);
    if (form == ANE_NORM_SCALED) return rms_scaled(l, x, axis, eps);
    return rms_by_mul(l, x, axis, eps);
}

/* w + offset along the axis of a form. */
static mil_ref norm_weight(lower *l, const node *n, enum ane_form f) {
    mil_ref w = ane_get(l, n->in[1], CHANNEL);
    w = ane_shift(l, w, n->attr.norm.offset);
    return f == HEADS ? ane_transpose4(l, w, 0, 2, 1, 3) : w;
}

void lower_rms_norm(lower *l, const node *n, ref out) {
    const ref x = n->in[0];
    const bool heads = !ane_has(l, x, CHANNEL) &&
                       (ane_has(l, x, HEADS) || ane_has(l, x, MERGED));
    const enum ane_form f = heads ? HEADS : CHANNEL;
    mil_ref y = ane_rms(l, ane_full(l, x, f), heads ? 2 : 1, n->attr.norm.eps);
    if (n->n_in > 1 && n->in[1])
        y = ane_binary(l, "mul", y, norm_weight(l, n, f));
    ane_set(l, out, f, y);
}

void lower_layer_norm(lower *l, const node *n, ref out) {
    const mil_ref x = ane_full(l, n->in[0], CHANNEL);
    const double eps = n->attr.norm.eps;
    mil_ref y;
    if (norm_op_works(ane_type(l, x).dim[1], eps)) {
        y = ane_layer_norm(l, x, 1, eps);
    } else {
        const mil_ref m = ane_reduce(l, "reduce_mean", x, 1);
        y = rms_scaled(l, ane_binary(l, "sub", x, m), 1, eps);
    }
    if (n->n_in > 1 && n->in[1])
        y = ane_binary(l, "mul", y, norm_weight(l, n, CHANNEL));
    if (n->n_in > 2 && n->in[2])
        y = ane_binary(l, "add", y, ane_get(l, n->in[2], CHANNEL));
    ane_set(l, out, CHANNEL, y);
}
