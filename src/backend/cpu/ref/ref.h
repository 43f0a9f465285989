/* ref.h - what the plain kernels share: the real type, and reading and writing
 * single elements of any type at any stride.
 *
 * The files of this folder are compiled twice, with REAL_IS_float and with
 * REAL_IS_double; nothing else in them depends on the type.  They are the
 * definition that every fast kernel is tested against, so they say what is
 * meant, element by element and in the order of the formulas, and are right
 * for every layout: any strides (0 repeats), dimensions of size 0, optional
 * inputs that are absent, 16-bit and integer elements.  Sums are plain: from
 * the first term to the last, in `real`. */
#ifndef CPU_REF_H
#define CPU_REF_H

#include <math.h>
#include <string.h>

#include "backend/cpu/cpu.h"
#include "quant/quant.h"

#ifdef REAL_IS_double
typedef double real;
#define REAL_TYPE AR_F64
#define REF(name) ref_##name##_f64
#define REF_TABLE cpu_ref_f64
#define R_EXP exp
#define R_LOG log
#define R_LOG1P log1p
#define R_SQRT sqrt
#define R_TANH tanh
#define R_ERF erf
#define R_FABS fabs
#define R_FMA fma
#else
typedef float real;
#define REAL_TYPE AR_F32
#define REF(name) ref_##name##_f32
#define REF_TABLE cpu_ref_f32
#define R_EXP expf
#define R_LOG logf
#define R_LOG1P log1pf
#define R_SQRT sqrtf
#define R_TANH tanhf
#define R_ERF erff
#define R_FABS fabsf
#define R_FMA fmaf
#endif

/* One function per op that computes something, in each of the two types. */
#define OP(name, ...) cpu_op_fn ref_##name##_f32, ref_##name##_f64;
#include "core/ops.def"
#undef OP

/* ---- one element, at an offset in elements from t->data ---- */

static inline char *at(const tensor *t, int64_t offset) {
    return (char *)t->data + offset * (int64_t)ar_type_size(t->type, 1);
}

static inline real load(const tensor *t, int64_t offset) {
    double x = 0;
    switch (t->type) {
    case AR_F32: return (real)((const float *)t->data)[offset];
    case AR_F64: return (real)((const double *)t->data)[offset];
    case AR_F16: return f16_to_f32(((const uint16_t *)t->data)[offset]);
    case AR_BF16: return bf16_to_f32(((const uint16_t *)t->data)[offset]);
    default: type_decode_f64(t->type, at(t, offset), &x, 1); return (real)x;
    }
}

/* Rounds to nearest even; integers are clamped to their range. */
static inline void store(const tensor *t, int64_t offset, real x) {
    const double wide = x;
    switch (t->type) {
    case AR_F32: ((float *)t->data)[offset] = (float)x; break;
    case AR_F64: ((double *)t->data)[offset] = x; break;
    default: type_encode_f64(t->type, &wide, at(t, offset), 1);
    }
}

/* Integer types without loss; of a float, the nearest integer. */
int64_t REF(load_int)(const tensor *t, int64_t offset);
/* Clamped to the range of the type; any but 0 is true. */
void REF(store_int)(const tensor *t, int64_t offset, int64_t x);

/* Bit for bit between equal types, else converted. */
void REF(copy_element)(const tensor *dst, int64_t to, const tensor *src,
                       int64_t from);

/* ---- walking ---- */

/* Elements in the first n dimensions. */
static inline int64_t count_of(const tensor *t, int n) {
    int64_t count = 1;
    for (int i = 0; i < n; i++) count *= t->dim[i];
    return count;
}

/* Offset of the i-th element, row-major, of the first n dimensions. */
static inline int64_t offset_of(const tensor *t, int64_t i, int n) {
    int64_t offset = 0;
    for (int k = n - 1; k >= 0; k--) {
        offset += i % t->dim[k] * t->stride[k];
        i /= t->dim[k];
    }
    return offset;
}

/* A tensor as rows along its last dimension; rank 0 is one row of one. */
static inline int64_t rows_of(const tensor *t) {
    return count_of(t, t->rank - 1);
}
static inline int64_t row_at(const tensor *t, int64_t row) {
    return offset_of(t, row, t->rank - 1);
}
static inline int64_t last_dim(const tensor *t) {
    return t->rank ? t->dim[t->rank - 1] : 1;
}
static inline int64_t last_stride(const tensor *t) {
    return t->rank ? t->stride[t->rank - 1] : 0;
}

/* n elements from `offset` on, side by side, each with `stride` places for it
 * at y; of block types too, where offset and n are whole blocks. */
void REF(read_row)(const tensor *t, int64_t offset, int64_t n, real *y,
                   int64_t stride);

/* n elements from `offset` on as reals side by side: the memory itself if it
 * has that form, else read into scratch. */
const real *REF(read)(const tensor *t, int64_t offset, int64_t stride,
                      int64_t n, real *scratch);

/* The i-th input, or NULL if it is absent. */
static inline const tensor *optional(const op_call *c, int i) {
    const bool absent = i >= c->n_in || (!c->in[i].data && c->in[i].rank == 0);
    return absent ? NULL : &c->in[i];
}

/* x as an operand of a product done in `compute`. */
static inline real rounded(int compute, real x) {
    if (compute == AR_BF16) return bf16_to_f32(f32_to_bf16((float)x));
    if (compute == AR_F16) return f16_to_f32(f32_to_f16((float)x));
    return x;
}

/* y of x and dy/dx of unary.def. */
real REF(unary_of)(int kind, real x);
real REF(unary_slope)(int kind, real x);

static inline real dot(int64_t n, const real *x, const real *y) {
    real sum = 0;
    for (int64_t i = 0; i < n; i++) sum += x[i] * y[i];
    return sum;
}

#endif
