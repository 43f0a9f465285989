/* mil_infer_simple.c - types of elementwise operations and reductions. */
#include <string.h>

#include "backend/ane/mil_infer.h"
#include "base/error.h"

/* ---- elementwise ---- */

ar_status type_of_same(mil_infer_call *c) {
    return typing_set(c, *typing_in(c, "x"));
}

static ar_status one_of(const mil_infer_call *c, const char *key,
                        const char *words) {
    char word[MIL_ARG_TEXT];
    TRY(typing_text(c, key, word));
    const size_t n = strlen(word);
    for (const char *s = words; *s; s += strcspn(s, " "), s += *s == ' ')
        if (strncmp(s, word, n) == 0 && (s[n] == ' ' || !s[n])) return AR_OK;
    return typing_bad(c, "%s \"%s\" is none of %s", key, word, words);
}

static ar_status check_clip(mil_infer_call *c) {
    const mil_literal *lo, *hi;
    TRY(typing_constant(c, "alpha", &lo));
    TRY(typing_constant(c, "beta", &hi));
    if (c->opset >= 17 && mil_number(lo, 0) >= mil_number(hi, 0))
        return typing_bad(c, "alpha is not below beta");
    return AR_OK;
}

static ar_status check_axes(mil_infer_call *c, int rank) {
    mil_list axes;
    int at;
    if (!typing_has(c, "axes")) return AR_OK;
    TRY(typing_list(c, "axes", -1, &axes));
    for (int i = 0; i < axes.n; i++) TRY(typing_wrap(c, axes.v[i], rank, &at));
    return AR_OK;
}

/* gamma and beta have the shape of the axes that are normalised. */
static ar_status check_layer_norm(mil_infer_call *c) {
    static const char *const affine[] = {"gamma", "beta"};
    const mil_type *x = typing_in(c, "x");
    mil_list axes;
    bool used[MIL_MAX_DIMS] = {false};
    TRY(check_axes(c, x->rank));
    axes = (mil_list){.n = x->rank};
    if (typing_has(c, "axes"))
        TRY(typing_list(c, "axes", -1, &axes));
    else
        for (int i = 0; i < x->rank; i++) axes.v[i] = i;
    for (int i = 0; i < axes.n; i++) {
        int at;
        TRY(typing_wrap(c, axes.v[i], x->rank, &at));
        used[at] = true;
    }
    for (int k = 0; k < 2; k++) {
        const mil_type *g = typing_in(c, affine[k]);
        int n = 0;
        bool same = true;
        if (!g) continue;
        for (int i = 0; i < x->rank; i++) {
            if (!used[i]) continue;
            same = same && n < g->rank && g->dim[n] == x->dim[i];
            n++;
        }
        if (!same || n != g->rank)
            return typing_bad(c, "%s has not the shape of the axes", affine[k]);
    }
    return AR_OK;
}

static ar_status check_prelu(mil_infer_call *c) {
    const mil_type *x = typing_in(c, "x"), *alpha = typing_in(c, "alpha");
    if (x->rank < 3) return typing_bad(c, "x has rank %d, below 3", x->rank);
    if (alpha->rank != 1 || alpha->dim[0] != x->dim[1])
        return typing_bad(c, "alpha needs one element for each channel");
    return AR_OK;
}

ar_status type_of_checked(mil_infer_call *c) {
    const mil_type *x = typing_in(c, "x");
    int axis;
    switch (c->op->id) {
    case MIL_OP_clip: TRY(check_clip(c)); break;
    case MIL_OP_gelu:
        TRY(one_of(c, "mode",
                   "EXACT TANH_APPROXIMATION SIGMOID_APPROXIMATION"));
        break;
    case MIL_OP_softmax:
    case MIL_OP_cumsum: TRY(typing_axis(c, "axis", x->rank, &axis)); break;
    case MIL_OP_l2_norm:
        if (x->rank < 3)
            return typing_bad(c, "x has rank %d, below 3", x->rank);
        break;
    case MIL_OP_layer_norm: TRY(check_layer_norm(c)); break;
    case MIL_OP_prelu: TRY(check_prelu(c)); break;
    default: TRY(check_axes(c, x->rank)); break;
    }
    return typing_set(c, *x);
}

ar_status type_of_cast(mil_infer_call *c) {
    mil_type t = *typing_in(c, "x");
    char word[MIL_ARG_TEXT];
    TRY(typing_text(c, "dtype", word));
    t.dtype = mil_dtype_from_name(word, strlen(word));
    TRY(one_of(c, "dtype",
               c->opset < 17 ? "fp16 fp32 int32 bool"
                             : "fp16 fp32 int32 bool int8 uint8 int16 uint16"));
    return typing_set(c, t);
}

ar_status type_of_binary(mil_infer_call *c) {
    mil_type t;
    TRY(typing_broadcast(c, typing_in(c, "x"), typing_in(c, "y"), &t));
    return typing_set(c, t);
}

ar_status type_of_compare(mil_infer_call *c) {
    mil_type t;
    TRY(typing_broadcast(c, typing_in(c, "x"), typing_in(c, "y"), &t));
    t.dtype = MIL_BOOL;
    return typing_set(c, t);
}

ar_status type_of_select(mil_infer_call *c) {
    const mil_type *a = typing_in(c, "a");
    mil_type t;
    TRY(typing_broadcast(c, a, typing_in(c, "b"), &t));
    TRY(typing_broadcast(c, &t, typing_in(c, "cond"), &t));
    t.dtype = a->dtype;
    return typing_set(c, t);
}

/* ---- reductions ---- */

ar_status type_of_reduce(mil_infer_call *c) {
    mil_type t = *typing_in(c, "x");
    bool keep, gone[MIL_MAX_DIMS] = {false};
    mil_list axes = {.n = 0};
    TRY(typing_flag(c, "keep_dims", &keep));
    if (typing_has(c, "axes")) TRY(typing_list(c, "axes", -1, &axes));
    for (int i = 0; i < t.rank; i++) gone[i] = !typing_has(c, "axes");
    for (int i = 0; i < axes.n; i++) {
        int at;
        TRY(typing_wrap(c, axes.v[i], t.rank, &at));
        if (gone[at] && !keep)
            return typing_bad(c, "axis %d is given twice", at);
        gone[at] = true;
    }
    for (int i = t.rank - 1; i >= 0; i--) {
        if (gone[i] && keep)
            t.dim[i] = 1;
        else if (gone[i])
            typing_remove(&t, i);
    }
    return typing_set(c, t);
}

/* The type of indices; int32 where there is no say. */
static ar_status index_type(const mil_infer_call *c, const char *key,
                            mil_type *t) {
    mil_arg_rule r;
    char word[MIL_ARG_TEXT] = "int32";
    if (mil_find_rule(c->signature, key, &r)) {
        TRY(typing_text(c, key, word));
        if (!word[0])
            memcpy(word, "int32", 6);
        else
            TRY(one_of(c, key, "int32 uint16"));
    }
    t->dtype = mil_dtype_from_name(word, strlen(word));
    return AR_OK;
}

ar_status type_of_reduce_arg(mil_infer_call *c) {
    mil_type t = *typing_in(c, "x");
    int axis;
    bool keep;
    TRY(typing_axis(c, "axis", t.rank, &axis));
    TRY(typing_flag(c, "keep_dims", &keep));
    TRY(index_type(c, "output_dtype", &t));
    if (keep)
        t.dim[axis] = 1;
    else
        typing_remove(&t, axis);
    return typing_set(c, t);
}

ar_status type_of_argsort(mil_infer_call *c) {
    mil_type t = *typing_in(c, "x");
    int axis;
    TRY(typing_axis(c, "axis", t.rank, &axis));
    t.dtype = MIL_INT32;
    return typing_set(c, t);
}

ar_status type_of_topk(mil_infer_call *c) {
    mil_type t = *typing_in(c, "x");
    int axis;
    int64_t k;
    bool indices = c->opset < 16;
    TRY(typing_axis(c, "axis", t.rank, &axis));
    TRY(typing_int(c, "k", &k));
    if (!indices) TRY(typing_flag(c, "return_indices", &indices));
    if (k > t.dim[axis] || k < -1 || k == 0)
        return typing_bad(c, "k = %lld of %lld", (long long)k,
                          (long long)t.dim[axis]);
    if (k > 0) t.dim[axis] = k;
    TRY(typing_set(c, t));
    if (!indices && typing_has(c, "output_indices_dtype"))
        return typing_bad(c, "a type for indices that are not returned");
    if (!indices) return AR_OK;
    TRY(index_type(c, "output_indices_dtype", &t));
    return typing_set(c, t);
}
