/* quant.c - element types: their sizes, and converting to and from f32. */
#include "quant/quant.h"

#include <math.h>

static const struct {
    const char *name;
    int elements, bytes;
} types[AR_TYPE_COUNT] = {
#define TYPE(name, text, elements, bytes) {text, elements, bytes},
    AR_TYPE_LIST(TYPE)
#undef TYPE
};

const char *ar_type_name(ar_type t) {
    return (unsigned)t < AR_TYPE_COUNT ? types[t].name : "unknown";
}

ar_type ar_type_from_name(const char *s) {
    for (int t = 1; t < AR_TYPE_COUNT; t++)
        if (!strcmp(types[t].name, s)) return (ar_type)t;
    return AR_NONE;
}

size_t ar_type_size(ar_type t, int64_t n) {
    if ((unsigned)t >= AR_TYPE_COUNT) return 0;
    return (size_t)(n / types[t].elements) * (size_t)types[t].bytes;
}

bool type_is_float(ar_type t) {
    return t == AR_F32 || t == AR_F64 || t == AR_F16 || t == AR_BF16;
}

/* Exponents are moved by a multiplication, so subnormals come out right. */
float f16_to_f32(uint16_t h) {
    const uint32_t magnitude = h & 0x7fffu, sign = (uint32_t)(h & 0x8000u)
                                                   << 16;
    uint32_t bits = magnitude << 13;
    float f;
    if (magnitude >= 0x7c00u) {
        bits |= 0x7f800000u;
        memcpy(&f, &bits, sizeof f);
    } else {
        memcpy(&f, &bits, sizeof f);
        f *= 0x1p112f;
        memcpy(&bits, &f, sizeof bits);
    }
    bits |= sign;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static uint32_t round_shift(uint32_t m, int shift) {
    const uint32_t half = 1u << (shift - 1), low = m & ((1u << shift) - 1);
    const uint32_t up = low > half || (low == half && (m >> shift & 1));
    return (m >> shift) + up;
}

uint16_t f32_to_f16(float f) {
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    const uint16_t sign = (uint16_t)(bits >> 16 & 0x8000u);
    bits &= 0x7fffffffu;
    if (bits > 0x7f800000u) return sign | 0x7e00u;
    if (bits >= 0x47800000u) return sign | 0x7c00u;
    const int exponent = (int)(bits >> 23) - 112; /* f16's biased exponent */
    if (exponent <= 0) {                          /* subnormal */
        if (exponent < -10) return sign;
        const uint32_t m = (bits & 0x7fffffu) | 0x800000u;
        return sign | (uint16_t)round_shift(m, 14 - exponent);
    }
    return sign | (uint16_t)round_shift(bits - (112u << 23), 13);
}

/* Small floats: e exponent bits over f fraction bits, from a positive f32
 * below the first power of two that overflows. */
static uint8_t shorten(uint32_t bits, int bias, int fraction) {
    const int exponent = (int)(bits >> 23) - 127 + bias, cut = 23 - fraction;
    if (exponent > 0)
        return (uint8_t)round_shift(bits - ((uint32_t)(127 - bias) << 23), cut);
    const int shift = cut + 1 - exponent;
    if (shift > 24) return 0;
    return (uint8_t)round_shift((bits & 0x7fffffu) | 0x800000u, shift);
}

float f8_e4m3_to_f32(uint8_t x) {
    uint32_t bits = (uint32_t)(x & 0x7f) << 20;
    float f;
    memcpy(&f, &bits, sizeof f);
    f *= 0x1p120f;
    memcpy(&bits, &f, sizeof bits);
    if ((x & 0x7f) == 0x7f) bits = 0x7fc00000;
    bits |= (uint32_t)(x & 0x80) << 24;
    memcpy(&f, &bits, sizeof f);
    return f;
}

uint8_t f32_to_f8_e4m3(float f) {
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    const uint8_t sign = (uint8_t)(bits >> 24 & 0x80);
    bits &= 0x7fffffffu;
    if (bits >= 0x43f00000) return sign | 0x7f; /* 480 */
    return sign | shorten(bits, 7, 3);
}

float f8_e5m2_to_f32(uint8_t x) { return f16_to_f32((uint16_t)(x << 8)); }

uint8_t f32_to_f8_e5m2(float f) {
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    const uint8_t sign = (uint8_t)(bits >> 24 & 0x80);
    bits &= 0x7fffffffu;
    if (bits > 0x7f800000u) return sign | 0x7f;
    if (bits >= 0x47800000u) return sign | 0x7c; /* 65536 */
    return sign | shorten(bits, 15, 2);
}

float f8_e8m0_to_f32(uint8_t x) {
    const uint32_t bits = x == 255 ? 0x7fc00000u
                          : x      ? (uint32_t)x << 23
                                   : 0x400000u;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

/* Halfway between two powers is 1.5 times the lower one: the top fraction
 * bit decides.  Subnormals keep theirs down to the lowest power. */
uint8_t f32_to_f8_e8m0(float f) {
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    bits &= 0x7fffffffu;
    if (bits >= 0x7f800000u) return 255;
    if (bits < 0x600000u) return 0; /* below 1.5 * 2^-127 */
    const uint32_t up = bits < 0x800000u ? 1 : bits >> 22 & 1;
    return (uint8_t)((bits >> 23) + up);
}

/* x in an f32 whose last bit tells that something was cut off, so that
 * rounding it once more gives what rounding x itself would have. */
static float round_to_odd(double x) {
    const float f = (float)x;
    if (isnan(x) || isinf(f) || (double)f == x) return f;
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    if (fabs((double)f) > fabs(x)) bits--;
    bits |= 1;
    float odd;
    memcpy(&odd, &bits, sizeof odd);
    return odd;
}

static double clamp_round(double x, double low, double high) {
    if (!(x > low)) return low; /* NaN too */
    return x < high ? nearbyint(x) : high;
}

/* 2^63 itself does not fit an int64_t; the double just below it does. */
#define I64_TOP 9223372036854774784.0

/* Plain types: P(NAME, type in memory, value of v, what x becomes). */
#define PLAIN_LIST(P)                                                          \
    P(F32, float, v, x)                                                        \
    P(F64, double, v, x)                                                       \
    P(F16, uint16_t, f16_to_f32(v), f32_to_f16(round_to_odd(x)))               \
    P(BF16, uint16_t, bf16_to_f32(v), f32_to_bf16(round_to_odd(x)))            \
    P(I8, int8_t, v, clamp_round(x, -128, 127))                                \
    P(I16, int16_t, v, clamp_round(x, -32768, 32767))                          \
    P(I32, int32_t, v, clamp_round(x, INT32_MIN, INT32_MAX))                   \
    P(I64, int64_t, v, clamp_round(x, (double)INT64_MIN, I64_TOP))             \
    P(U8, uint8_t, v, clamp_round(x, 0, 255))                                  \
    P(BOOL, uint8_t, v, x != 0)                                                \
    P(U32, uint32_t, v, clamp_round(x, 0, UINT32_MAX))                         \
    P(F8_E4M3, uint8_t, f8_e4m3_to_f32(v), f32_to_f8_e4m3(round_to_odd(x)))    \
    P(F8_E5M2, uint8_t, f8_e5m2_to_f32(v), f32_to_f8_e5m2(round_to_odd(x)))    \
    P(F8_E8M0, uint8_t, f8_e8m0_to_f32(v), f32_to_f8_e8m0(round_to_odd(x)))

#define P(NAME, mem, widen, narrow)                                            \
    static void to_f32_##NAME(const void *src, float *dst, int64_t n) {        \
        const char *s = src; /* at any address, as files have them */          \
        for (int64_t i = 0; i < n; i++) {                                      \
            mem v;                                                             \
            memcpy(&v, s + i * (int64_t)sizeof v, sizeof v);                   \
            dst[i] = (float)(widen);                                           \
        }                                                                      \
    }                                                                          \
    static void to_f64_##NAME(const void *src, double *dst, int64_t n) {       \
        const char *s = src; /* at any address, as files have them */          \
        for (int64_t i = 0; i < n; i++) {                                      \
            mem v;                                                             \
            memcpy(&v, s + i * (int64_t)sizeof v, sizeof v);                   \
            dst[i] = (double)(widen);                                          \
        }                                                                      \
    }                                                                          \
    static void from_f64_##NAME(const double *src, void *dst, int64_t n) {     \
        mem *d = dst;                                                          \
        for (int64_t i = 0; i < n; i++) {                                      \
            const double x = src[i];                                           \
            d[i] = (mem)(narrow);                                              \
        }                                                                      \
    }
PLAIN_LIST(P)
#undef P

static const struct {
    void (*to_f32)(const void *src, float *dst, int64_t n);
    void (*to_f64)(const void *src, double *dst, int64_t n);
    void (*from_f64)(const double *src, void *dst, int64_t n);
} plain[AR_TYPE_COUNT] = {
#define P(NAME, mem, widen, narrow)                                            \
    [AR_##NAME] = {to_f32_##NAME, to_f64_##NAME, from_f64_##NAME},
    PLAIN_LIST(P)
#undef P
};

static bool is_plain(ar_type t) {
    return (unsigned)t < AR_TYPE_COUNT && plain[t].to_f32;
}

bool type_decode_f32(ar_type t, const void *src, float *dst, int64_t n) {
    if (!is_plain(t)) return quant_decode(t, src, dst, n);
    plain[t].to_f32(src, dst, n);
    return true;
}

/* Block types go through f32, a row of blocks at a time. */
enum { CHUNK = 256 };

bool type_decode_f64(ar_type t, const void *src, double *dst, int64_t n) {
    float row[CHUNK];
    if (is_plain(t)) return plain[t].to_f64(src, dst, n), true;
    if (!quant_holds(t, n)) return false;
    for (int64_t at = 0; at < n; at += CHUNK) {
        const int64_t m = n - at < CHUNK ? n - at : CHUNK;
        const unsigned char *from =
            (const unsigned char *)src + ar_type_size(t, at);
        if (!quant_decode(t, from, row, m)) return false;
        for (int64_t i = 0; i < m; i++) dst[at + i] = (double)row[i];
    }
    return true;
}

bool type_encode_f64(ar_type t, const double *src, void *dst, int64_t n) {
    float row[CHUNK];
    if (is_plain(t)) return plain[t].from_f64(src, dst, n), true;
    if (!quant_holds(t, n) || !quant_can_encode(t)) return false;
    for (int64_t at = 0; at < n; at += CHUNK) {
        const int64_t m = n - at < CHUNK ? n - at : CHUNK;
        for (int64_t i = 0; i < m; i++) row[i] = (float)src[at + i];
        unsigned char *to = (unsigned char *)dst + ar_type_size(t, at);
        if (!quant_encode(t, row, NULL, to, 1, m)) return false;
    }
    return true;
}

bool type_encode_f32(ar_type t, const float *src, void *dst, int64_t n) {
    double wide[CHUNK];
    uint16_t *halves = dst;
    if (!is_plain(t)) return quant_encode(t, src, NULL, dst, 1, n);
    if (t == AR_F32) return memcpy(dst, src, (size_t)n * 4), true;
    if (t == AR_F16) {
        for (int64_t i = 0; i < n; i++) halves[i] = f32_to_f16(src[i]);
        return true;
    }
    if (t == AR_BF16) {
        for (int64_t i = 0; i < n; i++) halves[i] = f32_to_bf16(src[i]);
        return true;
    }
    for (int64_t at = 0; at < n; at += CHUNK) {
        const int64_t m = n - at < CHUNK ? n - at : CHUNK;
        for (int64_t i = 0; i < m; i++) wide[i] = (double)src[at + i];
        unsigned char *to = (unsigned char *)dst + ar_type_size(t, at);
        plain[t].from_f64(wide, to, m);
    }
    return true;
}
