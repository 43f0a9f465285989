/* metal.h - the dialect of kernels as Metal Shading Language 2.3.  See
 * docs/internals/gpu.md.
 *
 * To be compiled without fast math.  Never compiled on Apple hardware. */
#ifndef GPU_LANG_METAL_H
#define GPU_LANG_METAL_H

#include <metal_stdlib>
using namespace metal;

#define HAS_DOUBLE 0
typedef float F32;
typedef long I64;
typedef ulong U64;
typedef int I32;
typedef uint U32;
typedef short I16;
typedef ushort U16;
typedef char I8;
typedef uchar U8;

#define GLOBAL device
#define LOCAL threadgroup
#define CONSTANT constant
#define FN static inline
#define IN(T) device const T *
#define OUT(T) device T *
#define TABLE(T) constant T *

#define LANE ((I32)lane_)
#define LANES ((I32)lanes_.x)
#define GROUP0 group_.x
#define GROUP1 group_.y
#define GROUP2 group_.z
#define GROUPS0 groups_.x
#define GROUPS1 groups_.y
#define GROUPS2 groups_.z
#define SHARED(T, name, n) threadgroup T name[n]
#define BARRIER                                                                \
    threadgroup_barrier(mem_flags::mem_threadgroup | mem_flags::mem_device)

/* The structure is buffer 0, the pointers are buffers 1, 2, ... */
#define KERNEL(name, ARGS, ...)                                                \
    kernel void name(constant ARGS &a, __VA_ARGS__,                            \
                     uint3 group_ [[threadgroup_position_in_grid]],            \
                     uint3 groups_ [[threadgroups_per_grid]],                  \
                     uint lane_ [[thread_index_in_threadgroup]],               \
                     uint3 lanes_ [[threads_per_threadgroup]])
#define GROUP_KERNEL KERNEL

FN F32 as_f32(U32 x) { return as_type<float>(x); }
FN U32 as_u32(F32 x) { return as_type<uint>(x); }

/* log(1 + x): what 1 + x loses is put back (Goldberg 1991, theorem 4). */
FN F32 metal_log1p(F32 x) {
    const F32 u = 1 + x;
    return u == 1 ? x : precise::log(u) * (x / (u - 1));
}

/* Near 0 the series, elsewhere formula 7.1.26 of Abramowitz and Stegun (1964),
 * right to 1.5e-7. */
FN F32 metal_erf(F32 x) {
    const F32 z = fabs(x), s = x * x;
    if (z < 0.5f)
        return x * 1.1283791671f *
               (1 + s * (-1.0f / 3 +
                         s * (0.1f +
                              s * (-1.0f / 42 + s * (1.0f / 216 - s / 1320)))));
    const F32 t = 1 / (1 + 0.3275911f * z);
    const F32 p =
        t * (0.254829592f +
             t * (-0.284496736f +
                  t * (1.421413741f + t * (-1.453152027f + t * 1.061405429f))));
    const F32 y = 1 - p * precise::exp(-s);
    return x < 0 ? -y : y;
}

#define R_EXP precise::exp
#define R_LOG precise::log
#define R_LOG1P metal_log1p
#define R_SQRT precise::sqrt
#define R_TANH precise::tanh
#define R_ERF metal_erf
#define R_FABS fabs
#define R_FMA fma
#define R_RINT rint
#define R_COS precise::cos
#define R_SIN precise::sin

#endif
