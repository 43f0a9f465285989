/* vec_elementwise.c - element by element over contiguous rows.
 *
 * An output may be an input: each vector is read before it is written. */
#include "backend/cpu/isa/isa.h"
#include "backend/cpu/isa/vec_math.h"
#include "core/op.h"

void ISA_NAME(add)(int64_t n, const float *a, float alpha, const float *b,
                   float beta, float *y) {
    const vec p = vec_set1(alpha), q = vec_set1(beta);
    int64_t i = 0;
    for (; i + VEC <= n; i += VEC)
        vec_store(y + i, p * vec_load(a + i) + q * vec_load(b + i));
    for (; i < n; i++) y[i] = alpha * a[i] + beta * b[i];
}

void ISA_NAME(mul)(int64_t n, const float *a, const float *b, float *y) {
    int64_t i = 0;
    for (; i + VEC <= n; i += VEC)
        vec_store(y + i, vec_load(a + i) * vec_load(b + i));
    for (; i < n; i++) y[i] = a[i] * b[i];
}

void ISA_NAME(scale)(int64_t n, const float *x, float a, float b, float *y) {
    const vec p = vec_set1(a), q = vec_set1(b);
    int64_t i = 0;
    for (; i + VEC <= n; i += VEC) vec_store(y + i, p * vec_load(x + i) + q);
    for (; i < n; i++) y[i] = a * x[i] + b;
}

void ISA_NAME(softcap)(int64_t n, const float *x, float cap, float *y) {
    const vec c = vec_set1(cap), inverse = vec_set1(1 / cap);
    int64_t i = 0;
    for (; i + VEC <= n; i += VEC)
        vec_store(y + i, c * vec_tanh(vec_load(x + i) * inverse));
    if (i < n)
        store_n(y + i, c * vec_tanh(vec_load_n(x + i, n - i) * inverse), n - i);
}

/* ---- the other rows of binary.def ---- */

typedef vec fn_two(vec a, vec b);

ALWAYS vec f_ADD(vec a, vec b) { return a + b; }
ALWAYS vec f_SUB(vec a, vec b) { return a - b; }
ALWAYS vec f_MUL(vec a, vec b) { return a * b; }
ALWAYS vec f_DIV(vec a, vec b) { return a / b; }
ALWAYS vec f_MAX(vec a, vec b) { return choose((bits)(a > b), a, b); }
ALWAYS vec f_MIN(vec a, vec b) { return choose((bits)(a < b), a, b); }
ALWAYS vec f_GE(vec a, vec b) { return keep((bits)(a >= b), vec_set1(1)); }
ALWAYS vec f_GT(vec a, vec b) { return keep((bits)(a > b), vec_set1(1)); }

ALWAYS void pairs(fn_two f, int64_t n, const float *a, const float *b,
                  float *y) {
    int64_t i = 0;
    for (; i + VEC <= n; i += VEC)
        vec_store(y + i, f(vec_load(a + i), vec_load(b + i)));
    if (i == n) return;
    store_n(y + i, f(vec_load_n(a + i, n - i), vec_load_n(b + i, n - i)),
            n - i);
}

bool ISA_NAME(binary)(int kind, int64_t n, const float *a, const float *b,
                      float *y) {
    switch (kind) {
#define BINARY(name, ...)                                                      \
    case BINARY_##name:                                                        \
        pairs(f_##name, n, a, b, y);                                           \
        return true;
#include "core/binary.def"
#undef BINARY
    default: return false;
    }
}
