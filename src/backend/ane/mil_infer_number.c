/* mil_infer_number.c - types of compressed constants, of states and of
 * constants. */
#include <string.h>

#include "backend/ane/mil_infer.h"
#include "base/error.h"

/* ---- quantisation of activations ---- */

/* One scale, or one for each part along an axis; zero points likewise. */
static ar_status check_scale(const mil_infer_call *c, const mil_type *x,
                             bool scalar_axis) {
    static const char *const keys[] = {"scale", "zero_point"};
    const int rank = typing_in(c, "scale")->rank;
    int axis = 0;
    if (rank && !typing_has(c, "axis"))
        return typing_bad(c, "a scale for each part needs an axis");
    if (!rank && typing_has(c, "axis") && !scalar_axis)
        return typing_bad(c, "one scale needs no axis");
    if (typing_has(c, "axis")) TRY(typing_axis(c, "axis", x->rank, &axis));
    for (int k = 0; k < 2; k++) {
        const mil_type *t = typing_in(c, keys[k]);
        if (!t) continue;
        if (t->rank > 1 || (t->rank != rank && !scalar_axis))
            return typing_bad(c, "%s has rank %d", keys[k], t->rank);
        if (t->rank && t->dim[0] != x->dim[axis])
            return typing_bad(c, "%s has %lld elements for %lld parts", keys[k],
                              (long long)t->dim[0], (long long)x->dim[axis]);
    }
    return AR_OK;
}

ar_status type_of_quantize(mil_infer_call *c) {
    mil_type t = *typing_in(c, "input");
    const mil_type *zero = typing_in(c, "zero_point");
    char word[MIL_ARG_TEXT];
    TRY(check_scale(c, &t, false));
    TRY(typing_text(c, "output_dtype", word));
    t.dtype = mil_dtype_from_name(word, strlen(word));
    if (t.dtype != MIL_INT8 && t.dtype != MIL_UINT8)
        return typing_bad(c, "output_dtype \"%s\" is none of int8 uint8", word);
    if (zero && zero->dtype != t.dtype)
        return typing_bad(c, "zero_point is not %s", word);
    return typing_set(c, t);
}

ar_status type_of_dequantize(mil_infer_call *c) {
    mil_type t = *typing_in(c, "input");
    TRY(check_scale(c, &t, false));
    t.dtype = typing_in(c, "scale")->dtype;
    return typing_set(c, t);
}

/* ---- compressed constants ---- */

ar_status type_of_affine_dequantize(mil_infer_call *c) {
    mil_type t = *typing_in(c, "quantized_data");
    TRY(check_scale(c, &t, true));
    t.dtype = typing_in(c, "scale")->dtype;
    return typing_set(c, t);
}

/* Each size of `small` divides that of `large`; small may have more axes. */
static ar_status check_blocks(const mil_infer_call *c, const mil_type *large,
                              const mil_type *small, const char *what) {
    for (int i = 0; i < large->rank; i++)
        if (small->dim[i] < 1 || large->dim[i] % small->dim[i])
            return typing_bad(c, "%s: %lld blocks in %lld, axis %d", what,
                              (long long)small->dim[i],
                              (long long)large->dim[i], i);
    return AR_OK;
}

/* Scale and offset of the blocks of a tensor of type `element`. */
static ar_status check_shift_scale(const mil_infer_call *c, const mil_type *t,
                                   enum mil_dtype element) {
    const mil_type *scale = typing_in(c, "scale");
    const mil_type *offset = typing_in(c, "offset");
    if (t->rank < 1 || scale->rank != t->rank)
        return typing_bad(c, "a scale of rank %d for rank %d", scale->rank,
                          t->rank);
    TRY(check_blocks(c, t, scale, "scale"));
    if (!offset) return AR_OK;
    mil_type same = *offset;
    same.dtype = scale->dtype;
    if (!mil_same_type(&same, scale))
        return typing_bad(c, "offset and scale differ in shape");
    const bool real = offset->dtype == MIL_FP16 || offset->dtype == MIL_FP32;
    if (!real && offset->dtype != element)
        return typing_bad(c, "offset is %s for %s data",
                          mil_dtype_name(offset->dtype),
                          mil_dtype_name(element));
    return AR_OK;
}

ar_status type_of_blockwise(mil_infer_call *c) {
    mil_type t = *typing_in(c, "data");
    TRY(check_shift_scale(c, &t, t.dtype));
    t.dtype = typing_in(c, "scale")->dtype;
    return typing_set(c, t);
}

static ar_status vector_shape(const mil_infer_call *c, const char *key) {
    const mil_type *t = typing_in(c, key);
    return t->rank == 1 ? AR_OK
                        : typing_bad(c, "%s has rank %d, not 1", key, t->rank);
}

/* The shape that the older forms give as a constant. */
static ar_status said_shape(const mil_infer_call *c, mil_type *t) {
    mil_list shape;
    TRY(typing_list(c, "shape", -1, &shape));
    if (shape.n > MIL_MAX_DIMS) return typing_bad(c, "%d axes", shape.n);
    t->rank = shape.n;
    for (int i = 0; i < shape.n; i++) t->dim[i] = shape.v[i];
    if (mil_count(t) < 0 || mil_count(t) > INT64_MAX / 16)
        return typing_bad(c, "the shape is too large");
    return AR_OK;
}

static int bits_for(int64_t entries) {
    int bits = 0;
    while (bits < 32 && (int64_t)1 << bits < entries) bits++;
    return (int64_t)1 << bits == entries ? bits : -1;
}

static ar_status old_lut(mil_infer_call *c) {
    mil_type t = *typing_in(c, "lut");
    const int bits = bits_for(t.rank == 1 ? t.dim[0] : 0);
    TRY(vector_shape(c, "lut"));
    TRY(vector_shape(c, "indices"));
    if (bits != 1 && bits != 2 && bits != 4 && bits != 6 && bits != 8)
        return typing_bad(c, "a table of %lld", (long long)t.dim[0]);
    TRY(said_shape(c, &t));
    const int64_t want = (mil_count(&t) * bits + 7) / 8;
    if (typing_in(c, "indices")->dim[0] != want)
        return typing_bad(c, "%lld bytes of indices, not %lld",
                          (long long)typing_in(c, "indices")->dim[0],
                          (long long)want);
    return typing_set(c, t);
}

/* Tables of [groups..., entries, vector] for a tensor of indices; the axis
 * that vectors lie along in *axis, -1 if there are none. */
static ar_status check_tables(const mil_infer_call *c, const mil_type *t,
                              enum mil_dtype index, int *axis) {
    const mil_type *lut = typing_in(c, "lut");
    const int r = t->rank;
    *axis = -1;
    if (r < 1 || lut->rank != r + 2)
        return typing_bad(c, "tables of rank %d for rank %d", lut->rank, r);
    TRY(check_blocks(c, t, lut, "lut"));
    if (bits_for(lut->dim[r]) != mil_dtype_bits(index))
        return typing_bad(c, "a table of %lld for %s", (long long)lut->dim[r],
                          mil_dtype_name(index));
    if (typing_has(c, "vector_axis"))
        TRY(typing_axis(c, "vector_axis", r, axis));
    else if (lut->dim[r + 1] > 1)
        return typing_bad(c, "vectors need a vector_axis");
    return AR_OK;
}

ar_status type_of_lut_to_dense(mil_infer_call *c) {
    const mil_type *lut = typing_in(c, "lut");
    mil_type t = *typing_in(c, "indices");
    int axis;
    if (c->opset < 18) return old_lut(c);
    TRY(check_tables(c, &t, t.dtype, &axis));
    if (axis >= 0) t.dim[axis] *= lut->dim[lut->rank - 1];
    t.dtype = lut->dtype;
    return typing_set(c, t);
}

/* Bits that are set in a mask, of `bits` each; -1 if it is not in the text. */
static int64_t set_bits(const mil_infer_call *c, const char *key) {
    const mil_literal *l = mil_constant(c->f, mil_find_ref(c->op, key));
    if (!l || !l->data) return -1;
    const uint8_t *p = l->data;
    int64_t n = 0;
    for (size_t i = 0; i < mil_size(&l->type); i++)
        n += __builtin_popcount(p[i]);
    return n;
}

static ar_status check_mask(const mil_infer_call *c, const char *mask,
                            const char *data) {
    TRY(vector_shape(c, data));
    const int64_t have = typing_in(c, data)->dim[0];
    const int64_t want = set_bits(c, mask);
    if (want >= 0 && want != have)
        return typing_bad(c, "%lld numbers for a mask of %lld", (long long)have,
                          (long long)want);
    return AR_OK;
}

static ar_status old_sparse(mil_infer_call *c) {
    mil_type t = *typing_in(c, "nonzero_data");
    TRY(vector_shape(c, "mask"));
    TRY(check_mask(c, "mask", "nonzero_data"));
    TRY(said_shape(c, &t));
    const int64_t have = typing_in(c, "mask")->dim[0];
    const int64_t n = mil_count(&t);
    if (have != (n + 7) / 8)
        return typing_bad(c, "%lld bytes of mask for %lld elements",
                          (long long)have, (long long)n);
    const mil_literal *l = mil_constant(c->f, mil_find_ref(c->op, "mask"));
    const uint8_t *p = l ? l->data : NULL;
    if (p && n % 8 && p[have - 1] >> n % 8)
        return typing_bad(c, "the mask has bits behind its end");
    return typing_set(c, t);
}

ar_status type_of_sparse_to_dense(mil_infer_call *c) {
    if (c->opset < 18) return old_sparse(c);
    mil_type t = *typing_in(c, "mask");
    TRY(check_mask(c, "mask", "nonzero_data"));
    t.dtype = typing_in(c, "nonzero_data")->dtype;
    return typing_set(c, t);
}

ar_status type_of_constexpr_cast(mil_infer_call *c) {
    mil_type t = *typing_in(c, "source_val");
    char word[MIL_ARG_TEXT];
    TRY(typing_text(c, "output_dtype", word));
    if (strcmp(word, "fp32") != 0)
        return typing_bad(c, "output_dtype \"%s\" is not fp32", word);
    t.dtype = MIL_FP32;
    return typing_set(c, t);
}

ar_status type_of_lut_to_sparse(mil_infer_call *c) {
    const mil_type *lut = typing_in(c, "lut");
    mil_type mask = *typing_in(c, "indices_mask");
    mil_type data = *typing_in(c, "indices_nonzero_data");
    int axis;
    TRY(check_mask(c, "indices_mask", "indices_nonzero_data"));
    TRY(check_tables(c, &mask, data.dtype, &axis));
    const int64_t vector = lut->dim[lut->rank - 1];
    if (axis >= 0) mask.dim[axis] *= vector;
    data.dim[0] *= vector;
    data.dtype = lut->dtype;
    TRY(typing_set(c, mask));
    return typing_set(c, data);
}

ar_status type_of_sparse_blockwise(mil_infer_call *c) {
    mil_type mask = *typing_in(c, "data_mask");
    mil_type data = *typing_in(c, "nonzero_data");
    TRY(check_mask(c, "data_mask", "nonzero_data"));
    TRY(check_shift_scale(c, &mask, data.dtype));
    data.dtype = typing_in(c, "scale")->dtype;
    TRY(typing_set(c, mask));
    return typing_set(c, data);
}

/* ---- states and constants ---- */

ar_status type_of_read_state(mil_infer_call *c) {
    return typing_set(c, *typing_in(c, "input"));
}

static ar_status check_state(const mil_infer_call *c, const char *state,
                             const char *value) {
    mil_type held = *typing_in(c, state);
    held.state = false;
    if (mil_same_type(&held, typing_in(c, value))) return AR_OK;
    char a[MIL_TYPE_TEXT], b[MIL_TYPE_TEXT];
    return typing_bad(c, "%s for a state of %s",
                      mil_type_text(typing_in(c, value), a),
                      mil_type_text(&held, b));
}

ar_status type_of_write_state(mil_infer_call *c) {
    return check_state(c, "input", "data");
}

ar_status type_of_update_state(mil_infer_call *c) {
    TRY(check_state(c, "state", "value"));
    return typing_set(c, *typing_in(c, "value"));
}

ar_status type_of_const(mil_infer_call *c) {
    return typing_set(c, *typing_in(c, "val"));
}
