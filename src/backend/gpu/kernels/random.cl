/* random.cl - RANDOM: Philox 4x32-10 as base/rng.c has it, with the same bits.
 */
#include "backend/gpu/kernels/common.h"

typedef struct philox_block {
    U32 w0, w1, w2, w3;
} philox_block;

FN philox_block philox(U64 key, U64 stream, U64 position) {
    U32 k0 = (U32)key, k1 = (U32)(key >> 32);
    philox_block c;
    c.w0 = (U32)position;
    c.w1 = (U32)(position >> 32);
    c.w2 = (U32)stream;
    c.w3 = (U32)(stream >> 32);
    for (I32 round = 0; round < 10; round++) {
        const U64 p0 = (U64)0xD2511F53u * c.w0, p1 = (U64)0xCD9E8D57u * c.w2;
        philox_block next;
        next.w0 = (U32)(p1 >> 32) ^ c.w1 ^ k0;
        next.w1 = (U32)p1;
        next.w2 = (U32)(p0 >> 32) ^ c.w3 ^ k1;
        next.w3 = (U32)p0;
        c = next;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return c;
}

/* A multiple of 2^-53 in [0, 1). */
FN wide unit_of(U32 low, U32 high) {
    const I64 bits = (I64)(((U64)high << 32 | low) >> 11);
    return wide_mul(wide_of_whole(bits), wide_of(1.1102230246251565e-16f));
}

KERNEL(random_any, random_args, IN(U8) x, OUT(U8) y) {
    const I64 i = FLAT_INDEX;
    if (i >= a.n) return;
    const U64 seed = (U64)load_nearest(x, a.x_type, 0);
    const U64 first = (U64)load_nearest(x, a.x_type, a.x_step);
    const philox_block c = philox(seed, (U64)a.stream, first + (U64)i);
    const wide u = unit_of(c.w0, c.w1);
    F32 value = wide_f32(u);
    if (a.normal) /* Box and Muller; 1 - u is in (0, 1] */
        value = wide_normal(wide_sub(wide_of(1), u), unit_of(c.w2, c.w3));
    store_f(y, a.y.type, offset_of(a.y, i), value);
}
