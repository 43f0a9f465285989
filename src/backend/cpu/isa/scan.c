/* scan.c - a token of a recurrent state, and a step of a convolution.
 *
 *   u = v, or beta (v - (a S)^T k);  S = a S + k u^T;  y = S^T q
 *
 * Columns of S do not see each other: a few vectors of them are taken at a
 * time, and each has one chain over the rows, so it does not matter where in a
 * row a column stands. */
#include "backend/cpu/isa/isa.h"
#include "backend/cpu/isa/vec_math.h"

enum { WIDE = 4 }; /* vectors of columns at a time */

ALWAYS vec get(const float *p, int64_t n) {
    return n >= VEC ? vec_load(p) : vec_load_n(p, n);
}
ALWAYS void put(float *p, vec x, int64_t n) {
    if (n >= VEC)
        vec_store(p, x);
    else
        store_n(p, x, n);
}

/* Columns [0, n) of rows of ld, n of `count` vectors. */
ALWAYS void columns(const int count, int64_t rows, int64_t n, int64_t ld,
                    float a, const float *k, const float *q, const float *v,
                    const float *beta, float *s, float *y) {
    vec u[WIDE], out[WIDE];
    for (int c = 0; c < count; c++) {
        u[c] = get(v + c * VEC, n - c * VEC);
        out[c] = vec_zero();
    }
    if (beta) {
        vec seen[WIDE];
        for (int c = 0; c < count; c++) seen[c] = vec_zero();
        for (int64_t d = 0; d < rows; d++)
            for (int c = 0; c < count; c++)
                seen[c] = vec_mul_add(
                    vec_set1(k[d]),
                    vec_set1(a) * get(s + d * ld + c * VEC, n - c * VEC),
                    seen[c]);
        for (int c = 0; c < count; c++)
            u[c] = vec_set1(*beta) * (u[c] - seen[c]);
    }
    for (int64_t d = 0; d < rows; d++)
        for (int c = 0; c < count; c++) {
            float *at = s + d * ld + c * VEC;
            const vec now = vec_mul_add(vec_set1(k[d]), u[c],
                                        vec_set1(a) * get(at, n - c * VEC));
            put(at, now, n - c * VEC);
            out[c] = vec_mul_add(vec_set1(q[d]), now, out[c]);
        }
    for (int c = 0; c < count; c++) put(y + c * VEC, out[c], n - c * VEC);
}

void ISA_NAME(scan_token)(int64_t rows, int64_t n, float a, const float *k,
                          const float *q, const float *v, const float *beta,
                          float *s, float *y) {
    int64_t i = 0;
    for (; i + WIDE * VEC <= n; i += WIDE * VEC)
        columns(WIDE, rows, WIDE * VEC, n, a, k, q, v + i, beta, s + i, y + i);
    for (; i < n; i += VEC)
        columns(1, rows, n - i, n, a, k, q, v + i, beta, s + i, y + i);
}

void ISA_NAME(conv_taps)(int64_t n, int taps, const float *const *x,
                         const float *w, int64_t ldw, const float *bias,
                         float *y) {
    for (int64_t i = 0; i < n; i += VEC) {
        vec sum = bias ? get(bias + i, n - i) : vec_zero();
        for (int j = 0; j < taps; j++)
            if (x[j])
                sum = vec_mul_add(get(w + j * ldw + i, n - i),
                                  get(x[j] + i, n - i), sum);
        put(y + i, sum, n - i);
    }
}
