/* mil_infer_product.c - types of convolutions, pools and matrix products. */
#include <string.h>

#include "backend/ane/mil_infer.h"
#include "base/error.h"

/* What a window of a convolution or a pool does to each spatial axis. */
typedef struct window {
    int n; /* spatial axes */
    char pad_type[MIL_ARG_TEXT];
    mil_list kernel, strides, dilations, pad; /* pad: before and after */
} window;

/* Everything but the kernel. */
static ar_status read_window(const mil_infer_call *c, int rank, window *w) {
    w->n = rank - 2;
    if (w->n < 1 || w->n > 3)
        return typing_bad(c, "x has rank %d, not 3 to 5", rank);
    TRY(typing_text(c, "pad_type", w->pad_type));
    TRY(typing_list(c, "strides", w->n, &w->strides));
    w->dilations.n = w->n;
    for (int i = 0; i < w->n; i++) w->dilations.v[i] = 1;
    mil_arg_rule r;
    if (mil_find_rule(c->signature, "dilations", &r))
        TRY(typing_list(c, "dilations", w->n, &w->dilations));
    w->pad = (mil_list){.n = 2 * w->n};
    if (strcmp(w->pad_type, "custom") == 0)
        TRY(typing_list(c, "pad", 2 * w->n, &w->pad));
    for (int i = 0; i < w->n; i++)
        if (w->strides.v[i] < 1 || w->dilations.v[i] < 1)
            return typing_bad(c, "a stride or dilation is below 1");
    return AR_OK;
}

static ar_status check_pad_type(const mil_infer_call *c, const window *w) {
    const char *p = w->pad_type;
    if (strcmp(p, "valid") == 0 || strcmp(p, "same") == 0 ||
        strcmp(p, "custom") == 0)
        return AR_OK;
    if (strcmp(p, "same_lower") == 0 && c->opset >= 16) return AR_OK;
    return typing_bad(c, "pad_type \"%s\"", p);
}

/* Elements of padding on both sides of axis i together. */
static int64_t padding(const window *w, int i, int64_t in, int64_t kernel) {
    if (strncmp(w->pad_type, "same", 4) != 0)
        return w->pad.v[2 * i] + w->pad.v[2 * i + 1];
    const int64_t stride = w->strides.v[i];
    const int64_t p =
        (in + stride - 1) / stride * stride - in + kernel - stride;
    return p > 0 ? p : 0;
}

/* Sizes behind the window, in place. */
static ar_status slide(const mil_infer_call *c, const window *w, bool ceil_mode,
                       mil_type *t) {
    for (int i = 0; i < w->n; i++) {
        const int64_t in = t->dim[2 + i], stride = w->strides.v[i];
        const int64_t kernel = (w->kernel.v[i] - 1) * w->dilations.v[i] + 1;
        const int64_t pad = padding(w, i, in, kernel);
        const int64_t room = in + pad - kernel;
        int64_t out = room < 0 ? 0 : room / stride + 1;
        if (ceil_mode) {
            out = room + stride - 1 < 0 ? 0 : (room + stride - 1) / stride + 1;
            if (2 * (out - 1) * stride >= 2 * in + pad && pad > 0) out--;
        }
        if (out <= 0)
            return typing_bad(c,
                              "the window does not fit into axis %d, of %lld",
                              2 + i, (long long)in);
        t->dim[2 + i] = out;
    }
    return AR_OK;
}

static ar_status check_bias(const mil_infer_call *c, int64_t n) {
    const mil_type *b = typing_in(c, "bias");
    if (!b || (b->rank == 1 && b->dim[0] == n)) return AR_OK;
    return typing_bad(c, "bias needs %lld elements", (long long)n);
}

/* x [N, C, ...], weight [O, C / groups, kernel...]. */
ar_status type_of_conv(mil_infer_call *c) {
    const mil_type *w = typing_in(c, "weight");
    mil_type t = *typing_in(c, "x");
    window win = {0};
    int64_t groups;
    TRY(read_window(c, t.rank, &win));
    TRY(check_pad_type(c, &win));
    TRY(typing_int(c, "groups", &groups));
    if (w->rank != t.rank)
        return typing_bad(c, "weight has rank %d, x %d", w->rank, t.rank);
    if (groups < 1 || t.dim[1] % groups || w->dim[0] % groups)
        return typing_bad(c, "%lld groups of %lld and %lld channels",
                          (long long)groups, (long long)t.dim[1],
                          (long long)w->dim[0]);
    if (t.dim[1] / groups != w->dim[1])
        return typing_bad(c, "weight is for %lld channels, x has %lld",
                          (long long)(w->dim[1] * groups), (long long)t.dim[1]);
    TRY(check_bias(c, w->dim[0]));
    win.kernel.n = win.n;
    for (int i = 0; i < win.n; i++) win.kernel.v[i] = w->dim[2 + i];
    TRY(slide(c, &win, false, &t));
    t.dim[1] = w->dim[0];
    return typing_set(c, t);
}

/* x [N, C, ...], weight [C, O / groups, kernel...]. */
ar_status type_of_conv_transpose(mil_infer_call *c) {
    const mil_type *w = typing_in(c, "weight");
    mil_type t = *typing_in(c, "x");
    window win = {0};
    int64_t groups;
    mil_list shape;
    TRY(read_window(c, t.rank, &win));
    TRY(typing_int(c, "groups", &groups));
    if (w->rank != t.rank || w->dim[0] != t.dim[1])
        return typing_bad(c, "weight is not for x");
    if (groups < 1 || t.dim[1] % groups)
        return typing_bad(c, "%lld groups of %lld channels", (long long)groups,
                          (long long)t.dim[1]);
    t.dim[1] = w->dim[1] * groups;
    TRY(check_bias(c, t.dim[1]));
    if (typing_has(c, "output_shape")) {
        TRY(typing_list(c, "output_shape", t.rank, &shape));
        if (shape.v[0] != t.dim[0] || shape.v[1] != t.dim[1])
            return typing_bad(c, "output_shape does not follow from weight");
        for (int i = 2; i < t.rank; i++) t.dim[i] = shape.v[i];
        return typing_set(c, t);
    }
    const bool same = strcmp(win.pad_type, "same") == 0;
    if (strcmp(win.pad_type, "same_lower") == 0)
        return typing_bad(c, "pad_type");
    TRY(check_pad_type(c, &win));
    for (int i = 0; i < win.n; i++) {
        const int64_t stride = win.strides.v[i];
        const int64_t kernel = (w->dim[2 + i] - 1) * win.dilations.v[i] + 1;
        t.dim[2 + i] = same ? t.dim[2 + i] * stride
                            : (t.dim[2 + i] - 1) * stride + kernel -
                                  win.pad.v[2 * i] - win.pad.v[2 * i + 1];
        if (t.dim[2 + i] <= 0)
            return typing_bad(c, "axis %d comes out empty", 2 + i);
    }
    return typing_set(c, t);
}

ar_status type_of_pool(mil_infer_call *c) {
    mil_type t = *typing_in(c, "x");
    window win = {0};
    bool ceil_mode;
    TRY(read_window(c, t.rank, &win));
    TRY(check_pad_type(c, &win));
    TRY(typing_list(c, "kernel_sizes", win.n, &win.kernel));
    TRY(typing_flag(c, "ceil_mode", &ceil_mode));
    if (ceil_mode && (win.n > 2 || strcmp(win.pad_type, "same") == 0))
        return typing_bad(c, "no ceil_mode with three axes or \"same\"");
    if (c->op->id == MIL_OP_l2_pool && win.n > 2)
        return typing_bad(c, "no more than two axes");
    for (int i = 0; i < win.n; i++)
        if (ceil_mode && win.pad.v[2 * i] != win.pad.v[2 * i + 1])
            return typing_bad(c, "ceil_mode needs the same pad on both sides");
    TRY(slide(c, &win, ceil_mode, &t));
    return typing_set(c, t);
}

/* x [..., D], weight [O, D]. */
ar_status type_of_linear(mil_infer_call *c) {
    const mil_type *w = typing_in(c, "weight");
    mil_type t = *typing_in(c, "x");
    if (w->rank != 2 || t.rank < 1 || t.rank > 3 ||
        t.dim[t.rank - 1] != w->dim[1])
        return typing_bad(c, "weight is not for x");
    TRY(check_bias(c, w->dim[0]));
    t.dim[t.rank - 1] = w->dim[0];
    return typing_set(c, t);
}

static void swap_last(mil_type *t) {
    const int64_t d = t->dim[t->rank - 1];
    t->dim[t->rank - 1] = t->dim[t->rank - 2];
    t->dim[t->rank - 2] = d;
}

/* A matrix out of an operand; a vector is a row or a column. */
static ar_status as_matrix(const mil_infer_call *c, const char *key,
                           bool transposed, int at, mil_type *t) {
    if (t->rank == 0 || (t->rank == 1 && transposed))
        return typing_bad(c, "%s has rank %d%s", key, t->rank,
                          transposed ? " and is transposed" : "");
    if (t->rank == 1) return typing_insert(c, t, at, 1);
    if (transposed) swap_last(t);
    return AR_OK;
}

static bool is_const(const mil_infer_call *c, const char *key) {
    const mil_ref r = mil_find_ref(c->op, key);
    return mil_constant(c->f, r) != NULL;
}

ar_status type_of_matmul(mil_infer_call *c) {
    mil_type x = *typing_in(c, "x"), y = *typing_in(c, "y"), t;
    const bool vector = x.rank == 1;
    const bool fixed_x = is_const(c, "x"), fixed_y = is_const(c, "y");
    bool tx, ty;
    TRY(typing_flag(c, "transpose_x", &tx));
    TRY(typing_flag(c, "transpose_y", &ty));
    if (fixed_x == fixed_y && x.dtype != y.dtype)
        return typing_bad(c, "x is %s, y %s", mil_dtype_name(x.dtype),
                          mil_dtype_name(y.dtype));
    if (y.rank < 2) return typing_bad(c, "y has rank %d", y.rank);
    TRY(as_matrix(c, "x", tx, 0, &x));
    TRY(as_matrix(c, "y", ty, 1, &y));
    const int64_t k = x.dim[x.rank - 1], m = x.dim[x.rank - 2];
    const int64_t n = y.dim[y.rank - 1];
    if (k != y.dim[y.rank - 2])
        return typing_bad(c, "x gives %lld numbers a row, y takes %lld",
                          (long long)k, (long long)y.dim[y.rank - 2]);
    x.rank -= 2;
    y.rank -= 2;
    TRY(typing_broadcast(c, &x, &y, &t));
    t.dtype = fixed_x && !fixed_y ? y.dtype : x.dtype;
    if (!vector) TRY(typing_insert(c, &t, t.rank, m));
    TRY(typing_insert(c, &t, t.rank, n));
    return typing_set(c, t);
}

/* The equation with its letters renamed by order of appearance. */
static void canonical(const char *s, char *out, size_t size) {
    char seen[26] = {0}, next = 'a';
    size_t n = 0;
    for (; *s && n + 1 < size; s++) {
        if (*s == ' ') continue;
        const bool small = *s >= 'a' && *s <= 'z';
        if (small && !seen[*s - 'a']) seen[*s - 'a'] = next++;
        out[n++] = small ? seen[*s - 'a'] : *s;
    }
    out[n] = 0;
}

/* Sizes of the two products that the language knows: a batch of matrices whose
 * inner axis of y stands in front. */
static ar_status einsum_sizes(const mil_infer_call *c, const mil_type *x,
                              const mil_type *y, mil_type *t) {
    const int r = x->rank;
    if (x->dtype != y->dtype || y->rank != r || x->dim[r - 1] != y->dim[r - 3])
        return typing_bad(c, "the two values do not go together");
    *t = *x;
    t->dim[r - 1] = y->dim[r - 1];
    for (int i = r - 2; i >= 0; i -= 2) {
        const int64_t a = x->dim[i], b = y->dim[i];
        if (a != b && a != 1 && b != 1)
            return typing_bad(c, "axis %d has %lld and %lld", i, (long long)a,
                              (long long)b);
        t->dim[i] = a > b ? a : b;
    }
    return AR_OK;
}

ar_status type_of_einsum(mil_infer_call *c) {
    const mil_arg *values = mil_find_arg(c->op, "values");
    char equation[MIL_ARG_TEXT], form[MIL_ARG_TEXT];
    if (values->n_values != 2)
        return typing_bad(c, "it has %d values, not 2", values->n_values);
    const mil_type *x = &mil_get(c->f, values->values[0])->type;
    const mil_type *y = &mil_get(c->f, values->values[1])->type;
    mil_type t;
    TRY(typing_text(c, "equation", equation));
    canonical(equation, form, sizeof form);
    if ((strcmp(form, "abcd,adce->abce") != 0 || x->rank != 4) &&
        (strcmp(form, "abc,cbd->abd") != 0 || x->rank != 3))
        return typing_bad(c, "equation \"%s\" of rank %d", equation, x->rank);
    TRY(einsum_sizes(c, x, y, &t));
    return typing_set(c, t);
}

/* query [B..., L, E], key [B..., S, E], value [B..., S, V]. */
ar_status type_of_attention(mil_infer_call *c) {
    const mil_type *q = typing_in(c, "query"), *k = typing_in(c, "key");
    const mil_type *v = typing_in(c, "value"), *m = typing_in(c, "attn_mask");
    const int r = q->rank;
    if (r < 3 || k->rank != r || v->rank != r)
        return typing_bad(c, "ranks %d, %d and %d: not one, from 3 on", r,
                          k->rank, v->rank);
    for (int i = 0; i < r - 2; i++)
        if (q->dim[i] != k->dim[i] || q->dim[i] != v->dim[i])
            return typing_bad(c, "axis %d differs: heads are not shared", i);
    if (q->dim[r - 1] != k->dim[r - 1])
        return typing_bad(c, "query and key differ in their last axis");
    if (k->dim[r - 2] != v->dim[r - 2])
        return typing_bad(c, "key and value differ in length");
    mil_type t = *q;
    t.dim[r - 1] = v->dim[r - 1];
    if (m) {
        mil_type rows = *q, mask = *m, all;
        if (m->rank < 1 || m->dim[m->rank - 1] != k->dim[r - 2])
            return typing_bad(c, "the mask is not as long as key");
        rows.rank--;
        mask.rank--;
        TRY(typing_broadcast(c, &rows, &mask, &all));
    }
    return typing_set(c, t);
}
