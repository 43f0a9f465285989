/* mil_rule_op.c - rules about one operation's sizes, kernels, axes, types. */
#include <string.h>

#include "backend/ane/mil_rule.h"

enum {
    MANY_INPUTS = 32000,  /* of a convolution: refused */
    MANY_OUTPUTS = 32000, /* the most that worked */
    NORM_ROWS = 512,
    NORM_WIDE = 10240,
    POOL_WINDOW = 31,
    REDUCE_AXES = 4,
    GROUP_WEIGHTS = 2048,
    LONG_SOFTMAX = 1152,
    LRN_CHANNELS = 16,
    FEW = 64 /* numbers of a constant that gives axes or sizes */
};

static const mil_type *type_of(const rule_call *c, const char *key) {
    const mil_value *v = rule_arg(c, key);
    return v ? &v->type : NULL;
}

/* ---- convolutions ---- */

void rule_conv_inputs(rule_call *c) {
    const mil_type *x = type_of(c, "x");
    if (x && x->rank > 1 && x->dim[1] >= MANY_INPUTS)
        rule_hit(c, c->op->place, rule_name(c), rule_int(x->dim[1]).s, NULL);
}

void rule_conv_outputs(rule_call *c) {
    const mil_type *w = type_of(c, "weight");
    if (w && w->rank && w->dim[0] > MANY_OUTPUTS)
        rule_hit(c, c->op->place, rule_name(c), rule_int(w->dim[0]).s, NULL);
}

static void hit_kernel(rule_call *c, int from_end, int most) {
    const mil_type *w = type_of(c, "weight");
    if (!w || w->rank < 4 || rule_dim(w, from_end) <= most) return;
    rule_hit(c, c->op->place, c->op->kind, rule_name(c),
             rule_int(rule_dim(w, from_end)).s, rule_int(most).s, NULL);
}

/* Weights that are kept in 8 bits have a wider limit. */
void rule_kernel_width(rule_call *c) {
    const char *maker = rule_maker(c, rule_arg(c, "weight"));
    const bool small =
        rule_starts(maker, "constexpr_") && c->limits->int8_stream;
    hit_kernel(c, 0, small ? c->limits->kernel_w : c->limits->kernel_w_fp16);
}

void rule_kernel_height(rule_call *c) { hit_kernel(c, 1, c->limits->kernel_h); }

void rule_volume(rule_call *c) {
    const mil_type *x = type_of(c, "x");
    if (x && x->rank > 4)
        rule_hit(c, c->op->place, c->op->kind, rule_name(c), NULL);
}

void rule_depthwise(rule_call *c) {
    const mil_type *x = type_of(c, "x");
    const int64_t groups = rule_whole(c, "groups", 1);
    if (x && x->rank > 1 && groups > 1 && groups == x->dim[1])
        rule_hit(c, c->op->place, rule_name(c), rule_int(groups).s, NULL);
}

void rule_group_size(rule_call *c) {
    const mil_type *w = type_of(c, "weight");
    const int64_t groups = rule_whole(c, "groups", 1);
    if (!w || w->rank < 4 || groups < 2) return;
    const double n =
        (double)w->dim[1] * (double)rule_dim(w, 1) * (double)rule_dim(w, 0);
    if (n > GROUP_WEIGHTS)
        rule_hit(c, c->op->place, rule_name(c), rule_int(groups).s,
                 rule_real(n).s, NULL);
}

/* The largest number of a constant of a few; `other` if it is none. */
static int64_t largest(const rule_call *c, const char *key, int64_t other) {
    const mil_literal *l = rule_const(c, key);
    const int64_t n = l ? mil_count(&l->type) : 0;
    if (n < 1 || n > FEW) return other;
    double most = mil_number(l, 0);
    for (int64_t i = 1; i < n; i++)
        if (mil_number(l, i) > most) most = mil_number(l, i);
    return (int64_t)most;
}

void rule_far_reach(rule_call *c) {
    const int64_t d = largest(c, "dilations", 1), p = largest(c, "pad", 0);
    if (d > 8)
        rule_hit(c, c->op->place, rule_name(c), "a dilation", rule_int(d).s,
                 NULL);
    if (p > 16)
        rule_hit(c, c->op->place, rule_name(c), "padding", rule_int(p).s, NULL);
}

void rule_transpose_stride(rule_call *c) {
    const int64_t s = largest(c, "strides", 1);
    if (s > 2) rule_hit(c, c->op->place, rule_name(c), rule_int(s).s, NULL);
}

/* ---- pools ---- */

void rule_pool_window(rule_call *c) {
    const int64_t k = largest(c, "kernel_sizes", 1);
    if (k > POOL_WINDOW)
        rule_hit(c, c->op->place, c->op->kind, rule_name(c), rule_int(k).s,
                 NULL);
}

void rule_pool_pad(rule_call *c) {
    const mil_literal *k = rule_const(c, "kernel_sizes");
    const mil_literal *p = rule_const(c, "pad");
    if (!k || !p || !rule_says(c, "pad_type", "custom")) return;
    const int64_t n = mil_count(&k->type), pads = mil_count(&p->type);
    for (int64_t i = 0; i < pads && i / 2 < n && i < FEW; i++) {
        const double pad = mil_number(p, i), size = mil_number(k, i / 2);
        if (pad < size) continue;
        rule_hit(c, c->op->place, c->op->kind, rule_name(c), rule_real(pad).s,
                 rule_real(size).s, NULL);
        return;
    }
}

/* ---- axes ---- */

/* Elements along the axes of a reduction or norm, and how many axes. */
static int64_t over(const rule_call *c, int *n_axes) {
    const mil_type *x = type_of(c, "x");
    const mil_literal *l = rule_const(c, "axes");
    if (!x) return 0;
    int64_t n = 1, axes = l ? mil_count(&l->type) : x->rank;
    if (axes > x->rank) axes = x->rank;
    for (int64_t i = 0; i < axes; i++) {
        int64_t axis = l ? (int64_t)mil_number(l, i) : i;
        if (axis < 0) axis += x->rank;
        if (axis < 0 || axis >= x->rank) continue;
        if (__builtin_mul_overflow(n, x->dim[axis], &n)) n = INT64_MAX;
    }
    *n_axes = (int)axes;
    return n;
}

void rule_norm_size(rule_call *c) {
    int axes;
    const mil_type *x = type_of(c, "x");
    const int64_t n = over(c, &axes);
    if (n != 1024 && n != 1536 && n != 2560 && n != 4096) return;
    const int64_t rows = mil_count(x) / n;
    if (rows == NORM_ROWS)
        rule_hit(c, c->op->place, rule_name(c), rule_int(n).s, rule_int(rows).s,
                 NULL);
}

void rule_norm_wide(rule_call *c) {
    int axes;
    const int64_t n = over(c, &axes);
    if (n >= NORM_WIDE)
        rule_hit(c, c->op->place, rule_name(c), rule_int(n).s, NULL);
}

void rule_many_axes(rule_call *c) {
    int axes = 0;
    over(c, &axes);
    if (axes > REDUCE_AXES)
        rule_hit(c, c->op->place, c->op->kind, rule_name(c), rule_int(axes).s,
                 NULL);
}

void rule_long_sum(rule_call *c) {
    int axes;
    const int64_t n = over(c, &axes);
    if (n > 2048) rule_hit(c, c->op->place, rule_name(c), rule_int(n).s, NULL);
}

/* Elements along the argument `axis`; 0 if it says none. */
static int64_t along(const rule_call *c) {
    const mil_value *x = rule_arg(c, "x");
    const int axis = x ? rule_axis(c, "axis", x) : -1;
    return axis < 0 ? 0 : x->type.dim[axis];
}

void rule_long_index(rule_call *c) {
    const int64_t n = along(c);
    if (n > c->limits->arg_axis)
        rule_hit(c, c->op->place, c->op->kind, rule_name(c), rule_int(n).s,
                 rule_int(c->limits->arg_axis).s, NULL);
}

void rule_odd_softmax(rule_call *c) {
    const int64_t n = along(c);
    if (n & (n - 1))
        rule_hit(c, c->op->place, rule_name(c), rule_int(n).s, NULL);
}

void rule_long_softmax(rule_call *c) {
    const int64_t n = along(c);
    if (n >= LONG_SOFTMAX)
        rule_hit(c, c->op->place, rule_name(c), rule_int(n).s, NULL);
}

void rule_topk_k(rule_call *c) {
    const int64_t k = rule_whole(c, "k", 1);
    if (k == 3 || k == 4)
        rule_hit(c, c->op->place, rule_name(c), rule_int(k).s, NULL);
}

void rule_first_axis_moves(rule_call *c) {
    const mil_type *x = type_of(c, "x");
    if (x && x->rank == 5 && rule_whole(c, "perm", 0) % 5 != 0)
        rule_hit(c, c->op->place, rule_name(c), NULL);
}

void rule_channel_pad(rule_call *c) {
    const mil_type *x = type_of(c, "x");
    const mil_literal *p = rule_const(c, "pad");
    const int64_t n = p ? mil_count(&p->type) : 0;
    if (!x || n > 2 * x->rank) return;
    for (int64_t i = 0; i + 4 < n; i++) {
        if (mil_number(p, i) == 0) continue;
        rule_hit(c, c->op->place, rule_name(c),
                 rule_int(x->rank - n / 2 + i / 2).s, NULL);
        return;
    }
}

void rule_matrix_pad(rule_call *c) {
    const mil_type *p = type_of(c, "pad");
    if (p && p->rank > 1) rule_hit(c, c->op->place, rule_name(c), NULL);
}

void rule_mirror_pad(rule_call *c) {
    const mil_literal *m = mil_constant(c->f, mil_find_ref(c->op, "mode"));
    if (c->limits->texture || !m || rule_says(c, "mode", "constant")) return;
    rule_hit(c, c->op->place, rule_name(c),
             m->data && m->type.dtype == MIL_STRING ? m->data : "?", NULL);
}

void rule_shuffle_factor(rule_call *c) {
    static const char *const keys[] = {"upscale_factor", "downscale_factor",
                                       "block_size"};
    for (int i = 0; i < 3; i++) {
        const int64_t n = rule_whole(c, keys[i], 1);
        if ((n >= 1 && n <= 4) || n == 8) continue;
        rule_hit(c, c->op->place, c->op->kind, rule_name(c), rule_int(n).s,
                 NULL);
    }
}

void rule_channels16(rule_call *c) {
    const mil_type *x = type_of(c, "x");
    if (x && rule_dim(x, 2) >= LRN_CHANNELS)
        rule_hit(c, c->op->place, c->op->kind, rule_name(c),
                 rule_int(rule_dim(x, 2)).s, NULL);
}

/* ---- types ---- */

void rule_whole_numbers(rule_call *c) {
    const mil_type *x = type_of(c, "x");
    if (x && x->dtype != MIL_FP16 && x->dtype != MIL_FP32)
        rule_hit(c, c->op->place, c->op->kind, rule_name(c),
                 mil_dtype_name(x->dtype), NULL);
}

static void hit_cast(rule_call *c, const char *const words[3]) {
    for (int i = 0; i < 3; i++)
        if (rule_says(c, "dtype", words[i]))
            rule_hit(c, c->op->place, rule_name(c), words[i], NULL);
}

void rule_cast_type(rule_call *c) {
    static const char *const refused[] = {"int32", "int4", "uint4"};
    hit_cast(c, refused);
}

void rule_odd_cast(rule_call *c) {
    static const char *const compiled[] = {"uint8", "int16", "uint16"};
    hit_cast(c, compiled);
}

void rule_float_cast(rule_call *c) {
    const mil_type *x = type_of(c, "x");
    if (c->limits->cast || !x) return;
    const bool wide = rule_says(c, "dtype", "fp32");
    if ((wide && x->dtype == MIL_FP16) ||
        (rule_says(c, "dtype", "fp16") && x->dtype == MIL_FP32))
        rule_hit(c, c->op->place, rule_name(c), mil_dtype_name(x->dtype),
                 wide ? "fp32" : "fp16", NULL);
}
