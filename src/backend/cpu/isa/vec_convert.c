/* vec_convert.c - bf16 and f16 to f32 and back, to nearest, ties to even.
 *
 * Integer arithmetic on whole vectors; f16 to f32 is in fetch_*.h, where the
 * instruction set may have a conversion of its own.  f32 to f16: below
 * 2^-14 the addition of 1/2 rounds to the last bit of a subnormal (F. Giesen's
 * float_to_half_fast3_rtne). */
#include "backend/cpu/isa/isa.h"
#include "backend/cpu/isa/vec_math.h"

#include ISA_INT8

typedef uint16_t half __attribute__((vector_size(VEC * sizeof(uint16_t))));

ALWAYS word get(const uint16_t *p, int64_t n) {
    half h = {0};
    if (n >= VEC)
        memcpy(&h, p, sizeof h);
    else
        for (int64_t i = 0; i < n; i++) h[i] = p[i];
    return __builtin_convertvector(h, word);
}

ALWAYS void put(uint16_t *p, int64_t n, word x) {
    const half h = __builtin_convertvector(x, half);
    if (n >= VEC)
        memcpy(p, &h, sizeof h);
    else
        for (int64_t i = 0; i < n; i++) p[i] = h[i];
}

ALWAYS vec get_float(const float *p, int64_t n) {
    return n >= VEC ? vec_load(p) : vec_load_n(p, n);
}
ALWAYS void put_float(float *p, int64_t n, vec x) {
    if (n >= VEC)
        vec_store(p, x);
    else
        store_n(p, x, n);
}

void ISA_NAME(from_bf16)(int64_t n, const uint16_t *x, float *y) {
    for (int64_t i = 0; i < n; i += VEC)
        put_float(y + i, n - i, vec_of((bits)(get(x + i, n - i) << 16)));
}

void ISA_NAME(to_bf16)(int64_t n, const float *x, uint16_t *y) {
    for (int64_t i = 0; i < n; i += VEC) {
        const word u = (word)bits_of(get_float(x + i, n - i));
        const word nan = (word)((u & 0x7fffffffu) > 0x7f800000u);
        const word near = (u + 0x7fffu + (u >> 16 & 1u)) >> 16;
        put(y + i, n - i, (near & ~nan) | ((u >> 16 | 64u) & nan));
    }
}

void ISA_NAME(from_f16)(int64_t n, const uint16_t *x, float *y) {
    int64_t i = 0;
    for (; i + VEC <= n; i += VEC) vec_store(y + i, load_halves(x + i));
    if (i < n) put_float(y + i, n - i, low_half(get(x + i, n - i)));
}

void ISA_NAME(from_q8_0)(int64_t n, const uint8_t *x, float *y) {
    enum { BLOCK = 32, SIZE = BLOCK + 2 };
    typedef int8_t few __attribute__((vector_size(VEC)));
    typedef float some __attribute__((vector_size(VEC * sizeof(float))));
    for (int64_t i = 0; i < n; i += BLOCK, x += SIZE, y += BLOCK) {
        const vec d = vec_set1(load_halves((const void *)x)[0]);
        for (int j = 0; j < BLOCK; j += VEC) {
            few q;
            memcpy(&q, x + 2 + j, sizeof q);
            vec_store(y + j, d * (vec) __builtin_convertvector(q, some));
        }
    }
}

void ISA_NAME(to_f16)(int64_t n, const float *x, uint16_t *y) {
    const word half_bits = (word)bits_of(vec_set1(0.5f));
    for (int64_t i = 0; i < n; i += VEC) {
        const word all = (word)bits_of(get_float(x + i, n - i));
        const word u = all & 0x7fffffffu;
        const word large = (word)(u >= 0x47800000u); /* 65536 */
        const word nan = (word)(u > 0x7f800000u);
        const word small = (word)(u < 0x38800000u); /* 2^-14 */
        const word low =
            (word)bits_of(vec_of((bits)u) + vec_set1(0.5f)) - half_bits;
        const word normal = (u - (112u << 23) + 0xfffu + (u >> 13 & 1u)) >> 13;
        const word special = 0x7c00u | (nan & 0x200u);
        word h = (low & small) | (normal & ~small);
        h = (h & ~large) | (special & large);
        put(y + i, n - i, h | (all >> 16 & 0x8000u));
    }
}
