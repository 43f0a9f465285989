/* wide.h - numbers with about twice the bits of F32, for sums that cancel.
 *
 * Doubles where the device has them.  Else pairs of floats whose sum is the
 * number, the second at most half a unit of the first (Dekker 1971; the steps
 * of Shewchuk 1997), which keep 46 bits and the range of F32. */
#ifndef GPU_KERNELS_WIDE_H
#define GPU_KERNELS_WIDE_H

#if HAS_DOUBLE

typedef F64 wide;

FN wide wide_of(F32 x) { return (F64)x; }
FN wide wide_of_whole(I64 x) { return (F64)x; }
FN F32 wide_f32(wide x) { return (F32)x; }
FN wide wide_add(wide a, wide b) { return a + b; }
FN wide wide_sub(wide a, wide b) { return a - b; }
FN wide wide_mul(wide a, wide b) { return a * b; }
FN wide wide_div(wide a, wide b) { return a / b; }
FN wide wide_sqrt(wide x) { return D_SQRT(x); }
FN wide wide_cos(wide x) { return D_COS(x); }
FN wide wide_sin(wide x) { return D_SIN(x); }
/* sqrt(-2 log u) cos(2 pi v) */
FN F32 wide_normal(wide u, wide v) {
    return (F32)(D_SQRT(-2.0 * D_LOG(u)) * D_COS(6.283185307179586 * v));
}
FN wide wide_load(GLOBAL const U8 *p, I64 i) {
    return ((GLOBAL const F64 *)p)[i];
}
FN void wide_store(GLOBAL U8 *p, I64 i, wide x) { ((GLOBAL F64 *)p)[i] = x; }

/* Clamped to the range of I64; NaN is the lowest. */
FN I64 wide_nearest(wide x) {
    if (!(x > -9223372036854775808.0)) return -9223372036854775807 - 1;
    if (x >= 9223372036854774784.0) return 9223372036854774784;
    return (I64)D_RINT(x);
}

/* An F32 whose last bit tells that something was cut off, so that rounding it
 * once more gives what rounding x itself would. */
FN F32 wide_odd(wide x) {
    const F32 f = (F32)x;
    if ((F64)f == x || x != x || as_u32(R_FABS(f)) == 0x7f800000u) return f;
    U32 bits = as_u32(f);
    if (((F64)f > x) == (x > 0)) bits--;
    return as_f32(bits | 1);
}

#else

typedef struct wide {
    F32 high, low;
} wide;

FN wide wide_pair(F32 high, F32 low) {
    wide w;
    w.high = high;
    w.low = low;
    return w;
}

/* a + b exactly. */
FN wide two_sum(F32 a, F32 b) {
    const F32 s = a + b, t = s - a;
    return wide_pair(s, (a - (s - t)) + (b - t));
}

/* The same where |a| >= |b|. */
FN wide quick_sum(F32 a, F32 b) {
    const F32 s = a + b;
    return wide_pair(s, b - (s - a));
}

FN wide wide_of(F32 x) { return wide_pair(x, 0); }
FN F32 wide_f32(wide x) { return x.high; }

FN wide wide_of_whole(I64 x) {
    const F32 high = (F32)x;
    return quick_sum(high, (F32)(x - (I64)high));
}

FN wide wide_add(wide a, wide b) {
    const wide s = two_sum(a.high, b.high);
    return quick_sum(s.high, s.low + (a.low + b.low));
}

FN wide wide_sub(wide a, wide b) {
    return wide_add(a, wide_pair(-b.high, -b.low));
}

FN wide wide_mul(wide a, wide b) {
    const F32 p = a.high * b.high, e = R_FMA(a.high, b.high, -p);
    return quick_sum(p, e + (a.high * b.low + a.low * b.high));
}

FN wide wide_div(wide a, wide b) {
    const F32 q = a.high / b.high;
    const wide r = wide_sub(a, wide_mul(wide_of(q), b));
    return quick_sum(q, r.high / b.high);
}

FN wide wide_sqrt(wide x) {
    const F32 s = R_SQRT(x.high);
    if (!(s > 0)) return wide_of(s);
    const wide r = wide_sub(x, wide_mul(wide_of(s), wide_of(s)));
    return quick_sum(s, r.high / (2 * s));
}

/* x less whole turns of 2 pi, which is 6.2831855 - 1.7484555e-7. */
FN wide wide_in_turn(wide x) {
    const F32 turns = R_RINT(x.high * 0.15915494309189535f);
    const wide turn = wide_pair(6.2831854820251465f, -1.7484555314695172e-7f);
    return wide_sub(x, wide_mul(wide_of(turns), turn));
}

FN wide wide_cos(wide x) {
    const wide r = wide_in_turn(x);
    return wide_of(R_COS(r.high) - R_SIN(r.high) * r.low);
}

FN wide wide_sin(wide x) {
    const wide r = wide_in_turn(x);
    return wide_of(R_SIN(r.high) + R_COS(r.high) * r.low);
}

/* sqrt(-2 log u) cos(2 pi v) */
FN F32 wide_normal(wide u, wide v) {
    const F32 near_one = u.high - 1 + u.low; /* exact where u > 1/2 */
    const F32 log_u = u.high > 0.5f ? R_LOG1P(near_one) : R_LOG(u.high);
    return R_SQRT(-2 * log_u) *
           wide_cos(wide_mul(v, wide_pair(6.2831854820251465f,
                                          -1.7484555314695172e-7f)))
               .high;
}

/* 2^e of -126 <= e <= 127. */
FN F32 power_of_2(I32 e) { return as_f32((U32)(e + 127) << 23); }

/* What is beyond F32 becomes infinite or 0. */
FN wide wide_load(GLOBAL const U8 *p, I64 i) {
    const U64 bits = ((GLOBAL const U64 *)p)[i];
    const I32 e = (I32)(bits >> 52 & 2047) - 1023;
    const U32 sign = (U32)(bits >> 63) << 31;
    if (e > 127) return wide_of(as_f32(sign | 0x7f800000u));
    if (e < -126) return wide_of(as_f32(sign));
    const U64 m = (bits & (((U64)1 << 52) - 1)) | (U64)1 << 52;
    const F32 s = sign ? -1 : 1, high = (F32)(I32)(m >> 29); /* 24 bits */
    const F32 low = (F32)(I32)(m & 0x1fffffff);              /* 29 bits */
    const F32 unit = s * power_of_2(e);
    return quick_sum(high * 1.1920928955078125e-7f * unit,
                     low * 2.220446049250313e-16f * unit);
}

FN U64 double_bits(F32 x) {
    const U32 bits = as_u32(x), e = bits >> 23 & 255;
    const U64 sign = (U64)(bits >> 31) << 63, m = bits & 0x7fffffu;
    if (e == 255) return sign | (U64)2047 << 52 | m << 29;
    if (e == 0) return sign;
    return sign | (U64)(e + 896) << 52 | m << 29;
}

/* The low part is added to the bits of the high one, which is right to 2^-52
 * but where it takes the number below a power of 2: there to 2^-51. */
FN void wide_store(GLOBAL U8 *p, I64 i, wide x) {
    const U64 high = double_bits(x.high);
    const I32 e = (I32)(high >> 52 & 2047) - 1023;
    I64 add = 0;
    if (e >= -126 && e <= 127) {
        const F32 part =
            x.low / power_of_2(e); /* of 2^-52 units, in two steps */
        add = (I64)R_RINT(part * 67108864.0f * 67108864.0f);
        add = high >> 63 ? -add : add;
    }
    ((GLOBAL U64 *)p)[i] = high + (U64)add;
}

FN I64 wide_nearest(wide x) {
    if (!(x.high > -9223372036854775808.0f)) return -9223372036854775807 - 1;
    if (x.high >= 9223372036854775808.0f) return 9223372036854774784;
    const F32 whole = R_RINT(x.high);
    const wide rest = wide_sub(x, wide_of(whole));
    return (I64)whole + (I64)R_RINT(rest.high);
}

FN F32 wide_odd(wide x) {
    if (x.low == 0 || x.high == 0) return x.high;
    U32 bits = as_u32(x.high);
    if ((x.low < 0) == (x.high > 0)) bits--;
    return as_f32(bits | 1);
}

#endif
#endif
