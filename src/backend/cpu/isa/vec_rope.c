/* vec_rope.c - rotary positions of one head.
 *
 *   (a, b) -> (a cos - b sin, a sin + b cos) for the pairs (i, i + half), or
 *   (2i, 2i + 1) if interleaved.  Su et al. 2021, equation 34. */
#include "backend/cpu/isa/isa.h"
#include "backend/cpu/isa/vec_math.h"

static void turn_pairs(int64_t half, const float *restrict x,
                       const float *restrict c, const float *restrict s,
                       float sign, float *restrict y) {
    for (int64_t i = 0; i < half; i++) {
        const float a = x[2 * i], b = x[2 * i + 1], v = sign * s[i];
        y[2 * i] = a * c[i] - b * v;
        y[2 * i + 1] = a * v + b * c[i];
    }
}

void ISA_NAME(rope)(int64_t half, bool interleaved, const float *x,
                    const float *cos, const float *sin, float sign, float *y) {
    if (interleaved) {
        turn_pairs(half, x, cos, sin, sign, y);
        return;
    }
    const vec f = vec_set1(sign);
    int64_t i = 0;
    for (; i + VEC <= half; i += VEC) {
        const vec a = vec_load(x + i), b = vec_load(x + half + i);
        const vec u = vec_load(cos + i), v = f * vec_load(sin + i);
        vec_store(y + i, a * u - b * v);
        vec_store(y + half + i, a * v + b * u);
    }
    for (; i < half; i++) {
        const float a = x[i], b = x[half + i], v = sign * sin[i];
        y[i] = a * cos[i] - b * v;
        y[half + i] = a * v + b * cos[i];
    }
}
