/* cuda.h - the dialect of kernels as CUDA C++, without any include, so that
 * every NVRTC compiles it.  See docs/internals/gpu.md.
 *
 * To be compiled without fast math and with --fmad=false: what is to be fused
 * says R_FMA. */
#ifndef GPU_LANG_CUDA_H
#define GPU_LANG_CUDA_H

#define HAS_DOUBLE 1
typedef float F32;
typedef double F64;
typedef long long I64;
typedef unsigned long long U64;
typedef int I32;
typedef unsigned int U32;
typedef short I16;
typedef unsigned short U16;
typedef signed char I8;
typedef unsigned char U8;

#define GLOBAL
#define LOCAL
#define CONSTANT static __device__ const
#define FN static __device__ __forceinline__
#define IN(T) const T *
#define OUT(T) T *
#define TABLE(T) const T *

#define LANE ((I32)threadIdx.x)
#define LANES ((I32)blockDim.x)
#define GROUP0 blockIdx.x
#define GROUP1 blockIdx.y
#define GROUP2 blockIdx.z
#define GROUPS0 gridDim.x
#define GROUPS1 gridDim.y
#define GROUPS2 gridDim.z
#define SHARED(T, name, n) __shared__ T name[n]
#define BARRIER __syncthreads()

/* The structure comes first, then the pointers. */
#define KERNEL(name, ARGS, ...)                                                \
    extern "C" __global__ void name(const ARGS a, __VA_ARGS__)
#define GROUP_KERNEL KERNEL

FN F32 as_f32(U32 x) { return __uint_as_float(x); }
FN U32 as_u32(F32 x) { return __float_as_uint(x); }

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
