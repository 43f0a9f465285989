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

#define EACH(src_type, expr)                                                   \
    {                                                                          \
        const src_type *s = src;                                               \
        for (int64_t i = 0; i < n; i++) dst[i] = expr;                         \
        return true;                                                           \
    }

bool type_decode_f32(ar_type t, const void *src, float *dst, int64_t n) {
    switch (t) {
    case AR_F32: memcpy(dst, src, (size_t)n * 4); return true;
    case AR_F64: EACH(double, (float)s[i])
    case AR_F16: EACH(uint16_t, f16_to_f32(s[i]))
    case AR_BF16: EACH(uint16_t, bf16_to_f32(s[i]))
    case AR_I8: EACH(int8_t, (float)s[i])
    case AR_I16: EACH(int16_t, (float)s[i])
    case AR_I32: EACH(int32_t, (float)s[i])
    case AR_I64: EACH(int64_t, (float)s[i])
    case AR_U8:
    case AR_BOOL: EACH(uint8_t, (float)s[i])
    default: return false;
    }
}

bool type_decode_f64(ar_type t, const void *src, double *dst, int64_t n) {
    switch (t) {
    case AR_F32: EACH(float, (double)s[i])
    case AR_F64: memcpy(dst, src, (size_t)n * 8); return true;
    case AR_F16: EACH(uint16_t, (double)f16_to_f32(s[i]))
    case AR_BF16: EACH(uint16_t, (double)bf16_to_f32(s[i]))
    case AR_I8: EACH(int8_t, (double)s[i])
    case AR_I16: EACH(int16_t, (double)s[i])
    case AR_I32: EACH(int32_t, (double)s[i])
    case AR_I64: EACH(int64_t, (double)s[i])
    case AR_U8:
    case AR_BOOL: EACH(uint8_t, (double)s[i])
    default: return false;
    }
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

#define EACH_TO(dst_type, expr)                                                \
    {                                                                          \
        dst_type *d = dst;                                                     \
        for (int64_t i = 0; i < n; i++) d[i] = expr;                           \
        return true;                                                           \
    }

/* 2^63 itself does not fit an int64_t; the double just below it does. */
#define I64_TOP 9223372036854774784.0

bool type_encode_f64(ar_type t, const double *src, void *dst, int64_t n) {
    switch (t) {
    case AR_F32: EACH_TO(float, (float)src[i])
    case AR_F64: memcpy(dst, src, (size_t)n * 8); return true;
    case AR_F16: EACH_TO(uint16_t, f32_to_f16(round_to_odd(src[i])))
    case AR_BF16: EACH_TO(uint16_t, f32_to_bf16(round_to_odd(src[i])))
    case AR_I8: EACH_TO(int8_t, (int8_t)clamp_round(src[i], -128, 127))
    case AR_I16: EACH_TO(int16_t, (int16_t)clamp_round(src[i], -32768, 32767))
    case AR_I32:
        EACH_TO(int32_t, (int32_t)clamp_round(src[i], INT32_MIN, INT32_MAX))
    case AR_I64:
        EACH_TO(int64_t,
                (int64_t)clamp_round(src[i], (double)INT64_MIN, I64_TOP))
    case AR_U8: EACH_TO(uint8_t, (uint8_t)clamp_round(src[i], 0, 255))
    case AR_BOOL: EACH_TO(uint8_t, src[i] != 0)
    default: return false;
    }
}

bool type_encode_f32(ar_type t, const float *src, void *dst, int64_t n) {
    enum { CHUNK = 256 };
    if (t == AR_F32) return memcpy(dst, src, (size_t)n * 4), true;
    if (t == AR_F16) EACH_TO(uint16_t, f32_to_f16(src[i]))
    if (t == AR_BF16) EACH_TO(uint16_t, f32_to_bf16(src[i]))
    double wide[CHUNK];
    for (int64_t at = 0; at < n; at += CHUNK) {
        const int64_t m = n - at < CHUNK ? n - at : CHUNK;
        for (int64_t i = 0; i < m; i++) wide[i] = src[at + i];
        unsigned char *to = (unsigned char *)dst + ar_type_size(t, at);
        if (!type_encode_f64(t, wide, to, m)) return false;
    }
    return true;
}
