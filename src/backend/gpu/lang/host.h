/* host.h - the dialect of kernels as C: what runs on the host driver.
 *
 * A kernel becomes a static function and an entry that runs lanes of a group
 * one after the other; host_lanes.h says who calls it.  See
 * docs/internals/gpu.md for the dialect. */
#ifndef GPU_LANG_HOST_H
#define GPU_LANG_HOST_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "backend/gpu/dialect_types.h"
#include "backend/gpu/host_kernels.h"

/* Compiled a second time without doubles, for devices that have none. */
#ifndef HAS_DOUBLE
#define HAS_DOUBLE 1
#define HOST_ENTRY(name) gpu_host_##name
#endif
#if HAS_DOUBLE
typedef double F64;
#endif
typedef uint64_t U64;
typedef uint32_t U32;
typedef uint16_t U16;
typedef int16_t I16;
typedef uint8_t U8;
typedef int8_t I8;

#define GLOBAL
#define LOCAL
#define CONSTANT static const
#define FN static inline
#define IN(T) const T *
#define OUT(T) T *
#define TABLE(T) const T *

#define LANE lane_->index
#define LANES lane_->lanes
#define GROUP0 lane_->group[0]
#define GROUP1 lane_->group[1]
#define GROUP2 lane_->group[2]
#define GROUPS0 lane_->groups[0]
#define GROUPS1 lane_->groups[1]
#define GROUPS2 lane_->groups[2]
#define SHARED(T, name, n) T *const name = host_shared(lane_, (n) * sizeof(T))
#define BARRIER host_barrier()

/* Entries take their pointers from an array; as many as are declared. */
#define HOST_COUNT(...)                                                        \
    HOST_COUNT_(__VA_ARGS__, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3,  \
                2, 1)
#define HOST_COUNT_(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, count,     \
                    ...)                                                       \
    count
#define HOST_P1(p) p[0]
#define HOST_P2(p) HOST_P1(p), p[1]
#define HOST_P3(p) HOST_P2(p), p[2]
#define HOST_P4(p) HOST_P3(p), p[3]
#define HOST_P5(p) HOST_P4(p), p[4]
#define HOST_P6(p) HOST_P5(p), p[5]
#define HOST_P7(p) HOST_P6(p), p[6]
#define HOST_P8(p) HOST_P7(p), p[7]
#define HOST_P9(p) HOST_P8(p), p[8]
#define HOST_P10(p) HOST_P9(p), p[9]
#define HOST_P11(p) HOST_P10(p), p[10]
#define HOST_P12(p) HOST_P11(p), p[11]
#define HOST_P13(p) HOST_P12(p), p[12]
#define HOST_P14(p) HOST_P13(p), p[13]
#define HOST_P15(p) HOST_P14(p), p[14]
#define HOST_P16(p) HOST_P15(p), p[15]
#define HOST_JOIN(a, b) a##b
#define HOST_POINTERS(n, p) HOST_JOIN(HOST_P, n)(p)

#define HOST_KERNEL(name, ARGS, is_flat, ...)                                  \
    static inline void name(host_lane *lane_, const ARGS a, __VA_ARGS__);      \
    static void enter_##name(host_lane *l, const void *args, void *const *p) { \
        const ARGS a = *(const ARGS *)args;                                    \
        for (int32_t k = 0; k < l->count; k++, l->index += l->step)            \
            name(l, a, HOST_POINTERS(HOST_COUNT(__VA_ARGS__), p));             \
    }                                                                          \
    const host_kernel HOST_ENTRY(name) = {enter_##name, is_flat,               \
                                          HOST_COUNT(__VA_ARGS__)};            \
    static inline void name(host_lane *lane_ __attribute__((unused)),          \
                            const ARGS a, __VA_ARGS__)

#define KERNEL(name, ARGS, ...) HOST_KERNEL(name, ARGS, true, __VA_ARGS__)
#define GROUP_KERNEL(name, ARGS, ...)                                          \
    HOST_KERNEL(name, ARGS, false, __VA_ARGS__)

FN F32 as_f32(U32 x) {
    F32 f;
    memcpy(&f, &x, sizeof f);
    return f;
}
FN U32 as_u32(F32 x) {
    U32 u;
    memcpy(&u, &x, sizeof u);
    return u;
}

#define R_EXP expf
#define R_LOG logf
#define R_LOG1P log1pf
#define R_SQRT sqrtf
#define R_TANH tanhf
#define R_ERF erff
#define R_FABS fabsf
#define R_FMA fmaf
#define R_RINT rintf
#define R_COS cosf
#define R_SIN sinf
#define D_SQRT sqrt
#define D_LOG log
#define D_COS cos
#define D_SIN sin
#define D_RINT rint

#endif
