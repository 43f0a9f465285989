/* vec_math.h - functions of one number, on vectors.
 *
 * Only GCC's vector operators and the fused multiply-add of the simd header
 * are used, so one text serves every instruction set.
 *
 *   exp   2^n e^r, n = round(x / ln 2), r = x - n ln 2 in two parts (Cody and
 *         Waite 1980), e^r = 1 + r + r^2 Q(r), Q a minimax fit, relative error
 *         1e-8; together 1.02 ulp, with subnormal results, 0 and infinity
 *   log   e ln 2 + log(1 + f), sqrt(1/2) <= 1 + f < sqrt 2: Cephes' logf
 *   tanh  x + x^3 P(x^2) below 0.625 (Cephes' tanhf), else
 *         1 - 2 / (exp(2 |x|) + 1)
 *   cdf   of the normal distribution: 1 - h(x), or h(-x) below 0, with
 *         h(t) = exp(-t^2 / 2) u P(u - 0.6), u = 1 / (1 + 0.26 t); P is the
 *         minimax fit of erfcx(t / sqrt 2) / (2 u), relative error 2.6e-8 on
 *         [0, 14.2], behind which h is 0 */
#ifndef CPU_VEC_MATH_H
#define CPU_VEC_MATH_H

#include <math.h>
#include <string.h>

#include ISA_SIMD

#define ALWAYS static inline __attribute__((always_inline))

/* Masks are signed, arithmetic on bits is not: it may wrap. */
typedef int32_t bits __attribute__((vector_size(VEC * sizeof(float))));
typedef uint32_t word __attribute__((vector_size(VEC * sizeof(float))));

/* The lanes of a sum whose order is the same for every instruction set. */
enum { LANES = 16, GROUPS = LANES / VEC };

ALWAYS bits bits_of(vec x) {
    bits b;
    memcpy(&b, &x, sizeof b);
    return b;
}
ALWAYS vec vec_of(bits b) {
    vec x;
    memcpy(&x, &b, sizeof x);
    return x;
}
/* a where m, else b; and a where m, else 0. */
ALWAYS vec choose(bits m, vec a, vec b) {
    return vec_of((bits_of(a) & m) | (bits_of(b) & ~m));
}
ALWAYS vec keep(bits m, vec a) { return vec_of(bits_of(a) & m); }

ALWAYS vec vec_abs(vec x) { return vec_of(bits_of(x) & 0x7fffffff); }
ALWAYS vec vec_signed(vec size, vec sign) {
    return vec_of(bits_of(size) | (bits_of(sign) & INT32_MIN));
}
ALWAYS vec vec_sqrt(vec x) {
    vec y = x;
    for (int i = 0; i < VEC; i++) y[i] = sqrtf(x[i]);
    return y;
}

/* VEC numbers of bf16. */
ALWAYS vec load_brain(const uint16_t *p) {
    typedef uint16_t half __attribute__((vector_size(VEC * sizeof(uint16_t))));
    half h;
    memcpy(&h, p, sizeof h);
    return vec_of((bits)(__builtin_convertvector(h, word) << 16));
}

/* The first n elements, then `rest`; 0 <= n < VEC. */
ALWAYS vec load_or(const float *p, int64_t n, float rest) {
    float x[VEC];
    vec_store(x, vec_set1(rest));
    for (int64_t i = 0; i < n; i++) x[i] = p[i];
    return vec_load(x);
}
ALWAYS void store_n(float *p, vec x, int64_t n) {
    float y[VEC];
    vec_store(y, x);
    for (int64_t i = 0; i < n; i++) p[i] = y[i];
}

typedef float quad __attribute__((vector_size(16)));

ALWAYS quad quad_load(const float *p) {
    quad x;
    memcpy(&x, p, sizeof x);
    return x;
}

/* Lane i and lane i + 8, then i and i + 4: what is left of 16 lanes. */
ALWAYS quad fold_lanes(const float *l) {
    return (quad_load(l) + quad_load(l + 8)) +
           (quad_load(l + 4) + quad_load(l + 12));
}

/* The rest of the tree. */
ALWAYS float join_lanes(const float *l) {
    const quad s = fold_lanes(l);
    return (s[0] + s[2]) + (s[1] + s[3]);
}

/* The same for four rows of 16 lanes at once. */
ALWAYS quad join_four(const float (*l)[LANES]) {
    const quad a = fold_lanes(l[0]), b = fold_lanes(l[1]);
    const quad c = fold_lanes(l[2]), d = fold_lanes(l[3]);
    const quad x = __builtin_shufflevector(a, b, 0, 1, 4, 5) +
                   __builtin_shufflevector(a, b, 2, 3, 6, 7);
    const quad y = __builtin_shufflevector(c, d, 0, 1, 4, 5) +
                   __builtin_shufflevector(c, d, 2, 3, 6, 7);
    return __builtin_shufflevector(x, y, 0, 2, 4, 6) +
           __builtin_shufflevector(x, y, 1, 3, 5, 7);
}

ALWAYS float join_sum(const vec *x) {
    float l[LANES];
    for (int g = 0; g < GROUPS; g++) vec_store(l + g * VEC, x[g]);
    return join_lanes(l);
}

/* The compiler makes one instruction of each; x if it is a NaN. */
ALWAYS vec at_most(vec x, float limit) {
    for (int i = 0; i < VEC; i++) x[i] = limit < x[i] ? limit : x[i];
    return x;
}
ALWAYS vec at_least(vec x, float limit) {
    for (int i = 0; i < VEC; i++) x[i] = limit > x[i] ? limit : x[i];
    return x;
}

/* e^r of x = n ln 2 + r, and n. */
ALWAYS vec exp_parts(vec x, bits *n) {
    const vec magic = vec_set1(0x1.8p23f);
    const vec t = vec_mul_add(x, vec_set1(1.44269504f), magic);
    const vec whole = t - magic;
    vec r = vec_mul_add(whole, vec_set1(-0.693359375f), x);
    r = vec_mul_add(whole, vec_set1(2.12194440e-4f), r);
    vec y = vec_mul_add(vec_set1(1.39013014e-3f), r, vec_set1(8.36317893e-3f));
    y = vec_mul_add(y, r, vec_set1(4.16668542e-2f));
    y = vec_mul_add(y, r, vec_set1(1.66665778e-1f));
    y = vec_mul_add(y, r, vec_set1(0.5f));
    *n = (bits)((word)bits_of(t) - (word)bits_of(magic));
    return vec_mul_add(y, r * r, r) + vec_set1(1);
}

ALWAYS vec vec_exp(vec x) {
    bits n;
    const vec y = exp_parts(at_least(at_most(x, 89), -104), &n);
    /* 2^n in two factors: n from -150 to 128 is more than an exponent holds,
     * and the first product is exact. */
    const word half = (word)(n >> 1), rest = (word)n - half;
    return y * vec_of((bits)((half + 127) << 23)) *
           vec_of((bits)((rest + 127) << 23));
}

/* As a step to something else: 0 instead of a subnormal number, infinity from
 * 88.38 on. */
ALWAYS vec vec_exp_step(vec x) {
    bits n;
    const bits live = ~(bits)(x < vec_set1(-87.33654f));
    const vec y = exp_parts(at_most(x, 89), &n);
    return keep(live, y * vec_of((bits)(((word)n + 127) << 23)));
}

ALWAYS vec vec_log(vec x) {
    const bits small = (bits)(x < vec_set1(0x1p-126f)); /* and below 0 */
    const vec scaled = choose(small, x * vec_set1(0x1p23f), x);
    const word u = (word)bits_of(scaled);
    const bits e = (bits)(u - 0x3f3504f3u) >> 23; /* of 1 + f >= sqrt(1/2) */
    const vec f = vec_of((bits)(u - ((word)e << 23))) - vec_set1(1);
    const bits k = e - (small & 23);
    vec n = vec_zero();
    for (int i = 0; i < VEC; i++) n[i] = (float)k[i];
    const vec z = f * f;
    vec y =
        vec_mul_add(vec_set1(7.0376836292e-2f), f, vec_set1(-1.1514610310e-1f));
    y = vec_mul_add(y, f, vec_set1(1.1676998740e-1f));
    y = vec_mul_add(y, f, vec_set1(-1.2420140846e-1f));
    y = vec_mul_add(y, f, vec_set1(1.4249322787e-1f));
    y = vec_mul_add(y, f, vec_set1(-1.6668057665e-1f));
    y = vec_mul_add(y, f, vec_set1(2.0000714765e-1f));
    y = vec_mul_add(y, f, vec_set1(-2.4999993993e-1f));
    y = vec_mul_add(y, f, vec_set1(3.3333331174e-1f));
    y = vec_mul_add(y * f, z, n * vec_set1(-2.12194440e-4f));
    y = f + vec_mul_add(vec_set1(-0.5f), z, y);
    y = vec_mul_add(n, vec_set1(0.693359375f), y);
    const vec zero = vec_zero(), infinite = vec_set1(INFINITY);
    y = choose((bits)(x < infinite), y, x); /* infinity, NaN */
    y = choose((bits)(x > zero) | (bits)(x != x), y, vec_set1(NAN));
    return choose((bits)(x == zero), zero - infinite, y);
}

ALWAYS vec vec_sigmoid(vec x) {
    const vec one = vec_set1(1);
    return one / (one + vec_exp_step(vec_zero() - x));
}

ALWAYS vec vec_tanh(vec x) {
    const vec size = vec_abs(x), z = x * x;
    vec p = vec_mul_add(vec_set1(-5.70498872745e-3f), z,
                        vec_set1(2.06390887954e-2f));
    p = vec_mul_add(p, z, vec_set1(-5.37397155531e-2f));
    p = vec_mul_add(p, z, vec_set1(1.33314422036e-1f));
    p = vec_mul_add(p, z, vec_set1(-3.33332819422e-1f));
    p = vec_mul_add(p * z, x, x);
    const vec one = vec_set1(1);
    const vec e = vec_exp_step(size + size);
    const vec far = one - vec_set1(2) / (e + one);
    return choose((bits)(size < vec_set1(0.625f)), p, vec_signed(far, x));
}

/* log(1 + exp(x)) = max(x, 0) + log(1 + e), e = exp(-|x|); with s = 1 + e as
 * rounded, log(1 + e) = log s + (e - (s - 1)) / s but for terms that vanish. */
ALWAYS vec vec_softplus(vec x) {
    const vec one = vec_set1(1);
    const vec e = vec_exp_step(vec_zero() - vec_abs(x)), s = one + e;
    const vec tail = vec_log(s) + (e - (s - one)) / s;
    return keep((bits)(x > vec_zero()) | (bits)(x != x), x) + tail;
}

/* The normal distribution: the integral to x, and its density by way of
 * *bell = exp(-x^2 / 2). */
ALWAYS vec vec_cdf(vec x, vec *bell) {
    const vec one = vec_set1(1), t = vec_abs(x);
    const vec u = one / vec_mul_add(vec_set1(0.26f), t, one);
    const vec s = u - vec_set1(0.6f);
    vec p = vec_mul_add(vec_set1(0.030394407f), s, vec_set1(-0.00639812509f));
    p = vec_mul_add(p, s, vec_set1(-0.0828691125f));
    p = vec_mul_add(p, s, vec_set1(-0.0319804363f));
    p = vec_mul_add(p, s, vec_set1(0.187505573f));
    p = vec_mul_add(p, s, vec_set1(0.419932485f));
    p = vec_mul_add(p, s, vec_set1(0.49566409f));
    p = vec_mul_add(p, s, vec_set1(0.39726162f));
    p = vec_mul_add(p, s, vec_set1(0.230770752f));
    *bell = vec_exp_step(vec_set1(-0.5f) * t * t);
    const vec h = *bell * (p * u);
    return choose((bits)(x < vec_zero()), h, one - h);
}

/* A register of doubles, at most 32 bytes: GCC 12 converts to and from 64
 * bytes in two halves. */
enum { DOUBLES = VEC / 2 < 4 ? VEC / 2 : 4 };
typedef float narrow_vec __attribute__((vector_size(DOUBLES * sizeof(float))));
typedef double wide_vec __attribute__((vector_size(DOUBLES * sizeof(double))));

ALWAYS wide_vec wide_load(const float *p) {
    narrow_vec h;
    memcpy(&h, p, sizeof h);
    return __builtin_convertvector(h, wide_vec);
}
ALWAYS void wide_store(float *p, wide_vec x) {
    const narrow_vec h = __builtin_convertvector(x, narrow_vec);
    memcpy(p, &h, sizeof h);
}

#endif
