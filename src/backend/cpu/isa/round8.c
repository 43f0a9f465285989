/* round8.c - activations as levels, see quant/levels.h. */
#include "backend/cpu/isa/isa.h"
#include "backend/cpu/isa/vec_math.h"

enum { BLOCK = 32, WORDS = BLOCK / VEC };

/* 32 levels, as whole numbers; returns their scale.  The bits of |x| are in
 * the order of the numbers, and those of what is not finite come last. */
ALWAYS float round_block(const float *x, bits *q) {
    int32_t size[VEC], max = 0;
    bits top = bits_of(vec_abs(vec_load(x)));
    for (int v = 1; v < WORDS; v++) {
        const bits b = bits_of(vec_abs(vec_load(x + v * VEC)));
        const bits above = (bits)(b > top);
        top = (b & above) | (top & ~above);
    }
    memcpy(size, &top, sizeof size);
    for (int i = 0; i < VEC; i++) max = size[i] > max ? size[i] : max;
    float largest;
    memcpy(&largest, &max, sizeof largest);
    const bool fine = largest >= 0x1p-100f && max < 0x7f800000;
    const vec inverse = vec_set1(fine ? 127 / largest : 0);
    const vec magic = vec_set1(0x1.8p23f);
    for (int v = 0; v < WORDS; v++) {
        const vec near = (vec_load(x + v * VEC) * inverse + magic) - magic;
        q[v] = __builtin_convertvector(near, bits);
        if (!fine) q[v] = (bits){0};
    }
    if (fine) return largest / 127;
    return max < 0x7f800000 ? 0 : largest;
}

typedef int8_t bytes __attribute__((vector_size(VEC)));

void ISA_NAME(round8)(int64_t k, int group, int offset, const float *x,
                      int8_t *q, float *scale, int32_t *start, float *sums) {
    const int n = BLOCK / group, words = WORDS / n;
    for (int64_t b = 0; b < k / BLOCK; b++) {
        bits level[WORDS];
        scale[b] = round_block(x + b * BLOCK, level);
        for (int v = 0; v < WORDS; v++) {
            const bytes narrow = __builtin_convertvector(level[v], bytes);
            memcpy(q + b * BLOCK + v * VEC, &narrow, sizeof narrow);
        }
        for (int g = 0; g < n; g++) {
            int32_t lane[VEC], sum = 0;
            bits total = level[g * words];
            for (int v = 1; v < words; v++) total += level[g * words + v];
            memcpy(lane, &total, sizeof lane);
            for (int i = 0; i < VEC; i++) sum += lane[i];
            start[b * n + g] = -offset * sum;
            sums[b * n + g] = scale[b] * (float)sum;
        }
    }
}
