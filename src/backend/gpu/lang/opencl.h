/* opencl.h - the dialect of kernels as OpenCL C 1.2.  See
 * docs/internals/gpu.md. */
#ifndef GPU_LANG_OPENCL_H
#define GPU_LANG_OPENCL_H

#ifdef cl_khr_fp64
#pragma OPENCL EXTENSION cl_khr_fp64 : enable
#define HAS_DOUBLE 1
typedef double F64;
#else
#define HAS_DOUBLE 0
#endif
#pragma OPENCL FP_CONTRACT OFF

typedef float F32;
typedef long I64;
typedef ulong U64;
typedef int I32;
typedef uint U32;
typedef short I16;
typedef ushort U16;
typedef char I8;
typedef uchar U8;

#define GLOBAL __global
#define LOCAL __local
#define CONSTANT __constant
#define FN static
#define IN(T) __global const T *
#define OUT(T) __global T *
#define TABLE(T) __constant T *

#define LANE ((I32)get_local_id(0))
#define LANES ((I32)get_local_size(0))
#define GROUP0 ((U32)get_group_id(0))
#define GROUP1 ((U32)get_group_id(1))
#define GROUP2 ((U32)get_group_id(2))
#define GROUPS0 ((U32)get_num_groups(0))
#define GROUPS1 ((U32)get_num_groups(1))
#define GROUPS2 ((U32)get_num_groups(2))
#define SHARED(T, name, n) __local T name[n]
#define BARRIER barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE)

/* The structure comes first, then the pointers. */
#define KERNEL(name, ARGS, ...) __kernel void name(const ARGS a, __VA_ARGS__)
#define GROUP_KERNEL KERNEL

FN F32 as_f32(U32 x) { return as_float(x); }
FN U32 as_u32(F32 x) { return as_uint(x); }

#define R_EXP exp
#define R_LOG log
#define R_LOG1P log1p
#define R_SQRT sqrt
#define R_TANH tanh
#define R_ERF erf
#define R_FABS fabs
#define R_FMA fma
#define R_RINT rint
#define R_COS cos
#define R_SIN sin
#define D_SQRT sqrt
#define D_LOG log
#define D_COS cos
#define D_SIN sin
#define D_RINT rint

#endif
