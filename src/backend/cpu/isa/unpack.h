/* unpack.h - what unpacking of all types of blocks shares: a block of VEC rows,
 * a row to a lane, and the walk over a panel of 16. */
#ifndef CPU_UNPACK_H
#define CPU_UNPACK_H

#include "arcane/types.h"
#include "backend/cpu/isa/isa.h"
#include "backend/cpu/isa/vec_math.h"

#include ISA_INT8

enum {
#define TYPE(NAME, text, elements, bytes)                                      \
    ELEMENTS_##NAME = elements, BYTES_##NAME = bytes,
    AR_TYPE_LIST(TYPE)
#undef TYPE
#define LEVELS(NAME, name, group, ...) GROUP_##NAME = group,
#include "quant/levels.def"
#undef LEVELS
};

/* A block of VEC rows: `src` and what is `stride` behind it, to the panel. */
typedef struct part {
    const uint8_t *src;
    int64_t stride;
    uint8_t *levels;        /* [step][16][4] */
    float *scale, *minimum; /* [group][16] */
    const uint8_t **next;   /* what is asked for while this is read */
} part;

/* 16 bytes at `at`, and as many of what comes next are asked for. */
ALWAYS void fetch(const part *b, int at, word *q) {
    for (int line = 0; line < 16 * VEC; line += 64)
        __builtin_prefetch(*b->next + line, 0, 2);
    *b->next += 16 * VEC;
    fetch16(b->src + at, b->stride, q);
}

ALWAYS void put(const part *b, int step, word q) {
    memcpy(b->levels + step * 4 * PANEL8, &q, sizeof q);
}

ALWAYS void put_scale(const part *b, int group, vec x) {
    vec_store(b->scale + group * PANEL8, x);
}

ALWAYS void put_minimum(const part *b, int group, vec x) {
    vec_store(b->minimum + group * PANEL8, x);
}

ALWAYS vec floats(word x) { return __builtin_convertvector((bits)x, vec); }

ALWAYS word low_nibbles(word q) { return q & 0x0f0f0f0fu; }
ALWAYS word high_nibbles(word q) { return q >> 4 & 0x0f0f0f0fu; }

typedef void block_fn(const part *b);

ALWAYS void all_blocks(block_fn *block, const int elements, const int bytes,
                       const int group, int64_t k, const uint8_t *next,
                       part b) {
    for (int64_t i = 0; i < k; i += elements) {
        const uint8_t *ask = next;
        part now = b;
        now.next = &ask;
        for (int p = 0; p < PARTS; p++) {
            block(&now);
            now.src += VEC * b.stride;
            now.levels += 4 * VEC;
            now.scale += VEC;
            now.minimum += VEC;
        }
        next += PANEL8 * bytes;
        for (; ask < next; ask += 64) __builtin_prefetch(ask, 0, 2);
        b.src += bytes;
        b.levels += elements * PANEL8;
        b.scale += elements / group * PANEL8;
        b.minimum += elements / group * PANEL8;
    }
}

/* One function a type: the compiler takes long over all in one. */
#define UNPACK_ONE(NAME)                                                       \
    static void unpack_##NAME(int64_t k, const uint8_t *next, part b) {        \
        all_blocks(block_##NAME, ELEMENTS_##NAME, BYTES_##NAME, GROUP_##NAME,  \
                   k, next, b);                                                \
    }

/* unpack8 of types that are points of a grid. */
void ISA_NAME(unpack_grids)(int type, int64_t k, const uint8_t *next,
                            const part *b);

#endif
