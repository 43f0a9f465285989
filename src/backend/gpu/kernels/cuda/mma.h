/* mma.h - the matrix units of NVIDIA GPUs from Ampere on, one warp at a time.
 *
 * A fragment of 16 rows (weights) by 16 or 32 steps of k is in the registers
 * of a warp: lane 4 g + t has rows g and g + 8.  Which steps of k a lane has
 * does not matter to a sum, as long as both operands agree; here lane t has 8
 * steps side by side of every 32, so that they are loaded as 16 bytes. Results:
 * c0, c1 of row g, columns 2 t and 2 t + 1; c2, c3 of row g + 8.
 * Source: PTX ISA 8, "Warp-level matrix instructions". */
#ifndef GPU_KERNELS_CUDA_MMA_H
#define GPU_KERNELS_CUDA_MMA_H

typedef struct quad {
    U32 x, y, z, w;
} quad; /* 16 bytes */
typedef struct sums {
    F32 c0, c1, c2, c3;
} sums; /* of a tile 16 x 8 */

/* 16 bytes that are read once: not kept in the first-level cache. */
FN quad load_once(const void *p) {
    quad q;
    asm volatile("ld.global.nc.L1::no_allocate.v4.u32 {%0, %1, %2, %3}, [%4];"
                 : "=r"(q.x), "=r"(q.y), "=r"(q.z), "=r"(q.w)
                 : "l"(p));
    return q;
}

/* Two floats as halves of the type: the first in the low bits. */
FN U32 pack_bf16(F32 a, F32 b) {
    U32 r;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(b), "f"(a));
    return r;
}
FN U32 pack_f16(F32 a, F32 b) {
    U32 r;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(b), "f"(a));
    return r;
}

#define MMA_16(name, type)                                                     \
    FN void name(sums *c, U32 a0, U32 a1, U32 a2, U32 a3, U32 b0, U32 b1) {    \
        asm("mma.sync.aligned.m16n8k16.row.col.f32." type "." type             \
            ".f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "              \
            "{%0, %1, %2, %3};"                                                \
            : "+f"(c->c0), "+f"(c->c1), "+f"(c->c2), "+f"(c->c3)               \
            : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));           \
    }
MMA_16(mma_bf16, "bf16")
MMA_16(mma_f16, "f16")

/* 32 steps: lo and hi are rows g and g + 8, x is column g. */
#define MMA_32(name, mma)                                                      \
    FN void name(sums *c, quad lo, quad hi, quad x) {                          \
        mma(c, lo.x, hi.x, lo.y, hi.y, x.x, x.y);                              \
        mma(c, lo.z, hi.z, lo.w, hi.w, x.z, x.w);                              \
    }
MMA_32(mma_bf16_32, mma_bf16)
MMA_32(mma_f16_32, mma_f16)

#endif
