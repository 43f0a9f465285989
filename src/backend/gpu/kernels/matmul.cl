/* matmul.cl - MATMUL of any layout and type, blocks too: a lane for each
 * result. */
#include "backend/gpu/kernels/products.h"

/* Where matrix i of a batch starts. */
FN I64 batch_at(tensor_args t, I64 i) {
    I64 at = 0;
    for (I32 k = 2; k >= 0; k--) {
        at += i % t.dim[k] * t.stride[k];
        i /= t.dim[k];
    }
    return at;
}

FN void matmul_store(matmul_args a, F32 sum, I64 e, GLOBAL const U8 *bias,
                     GLOBAL U8 *y) {
    const I64 n = e % a.N, m = e / a.N % a.M;
    if (a.has_bias) sum += load_f(bias, a.bias.type, n * a.bias.stride[4]);
    store_f(y, a.y.type,
            batch_at(a.y, e / a.N / a.M) + m * a.y.stride[3] +
                n * a.y.stride[4],
            sum);
}

KERNEL(matmul_any, matmul_args, IN(U8) p, IN(U8) q, IN(U8) bias, OUT(U8) y) {
    const I64 e = FLAT_INDEX;
    if (e >= a.n) return;
    const I64 n = e % a.N, m = e / a.N % a.M, i = e / a.N / a.M;
    const line row =
        line_of(p, a.a.type, batch_at(a.a, i) + m * a.a.stride[3],
                a.a.stride[4]);
    const line column =
        line_of(q, a.b.type, batch_at(a.b, i) + n * a.b.stride[4],
                a.b.stride[3]);
    matmul_store(a, line_dot(row, column, a.K, a.compute), e, bias, y);
}

/* Rows of a as whole numbers; see act8_round of quant/levels.h. */
KERNEL(act8_rows, act8_args, IN(U8) x, OUT(I8) levels, OUT(F32) scales) {
    const I64 e = FLAT_INDEX;
    if (e >= a.n) return;
    const I64 r = e / (a.K / ACT_BLOCK), k = e % (a.K / ACT_BLOCK) * ACT_BLOCK;
    const I64 from = row_at(a.x, r) + k * a.x.stride[4];
    F32 max = 0, odd = 0;
    for (I32 i = 0; i < ACT_BLOCK; i++) {
        const F32 v = load_f(x, a.x.type, from + i * a.x.stride[4]);
        const F32 size = R_FABS(v);
        if (size == as_f32(0x7f800000u) && odd == 0) odd = size;
        if (v != v && odd == odd) odd = v;
        max = size > max ? size : max;
    }
    F32 inverse = 0, scale = 0;
    if (odd != 0) { /* not finite: NaN too */
        scale = odd;
    } else if (max >= 7.888609052210118e-31f) { /* 2^-100 */
        inverse = 127 / max;
        scale = max / 127;
    }
    for (I32 i = 0; i < ACT_BLOCK; i++) {
        const F32 v = load_f(x, a.x.type, from + i * a.x.stride[4]);
        levels[r * a.K + k + i] = inverse > 0 ? (I8)R_RINT(v * inverse) : 0;
    }
    scales[e] = scale;
}

KERNEL(matmul_levels, matmul_args, IN(I8) levels, IN(F32) scales, IN(U8) q,
       IN(U8) bias, OUT(U8) y) {
    const I64 e = FLAT_INDEX;
    if (e >= a.n) return;
    const I64 n = e % a.N, row = e / a.N;
    const line column =
        line_of(q, a.b.type, batch_at(a.b, row / a.M) + n * a.b.stride[4], 1);
    matmul_store(a,
                 level_dot(levels + row * a.K,
                           scales + row * (a.K / ACT_BLOCK), column, a.K,
                           a.group, a.minima),
                 e, bias, y);
}
