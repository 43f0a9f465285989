/* cuda_library.h - libcuda and NVRTC, found at run time. */
#ifndef GPU_CUDA_LIBRARY_H
#define GPU_CUDA_LIBRARY_H

#include <stddef.h>
#include <stdint.h>

#include "arcane/status.h"

typedef struct cuda_calls {
#define CALL(name, symbol, required, ...) int (*name)(__VA_ARGS__);
#define CUDA_DRIVER_CALLS
#include "backend/gpu/cuda_calls.def"
#undef CUDA_DRIVER_CALLS
#undef CALL
} cuda_calls;

typedef struct nvrtc_calls {
#define CALL(name, symbol, required, ...) int (*name)(__VA_ARGS__);
#define CUDA_COMPILER_CALLS
#include "backend/gpu/cuda_calls.def"
#undef CUDA_COMPILER_CALLS
#undef CALL
} nvrtc_calls;

/* Loaded once; NULL and a sentence where the library or a call it must have is
 * missing.  ARCANE_CUDA and ARCANE_NVRTC name other files to load. */
const cuda_calls *cuda_library(const char **why);
const nvrtc_calls *nvrtc_library(const char **why);

/* Compile CUDA text for compute capability 10 * major + minor: machine code
 * where this NVRTC makes it, else PTX.  *image is freed with mem_free.
 * Errors: AR_UNSUPPORTED (no NVRTC, or one that is too old for the device),
 * AR_FORMAT with the compiler's first complaint. */
ar_status cuda_compile(const char *name, const char *source, int capability,
                       char **image, size_t *size, ar_error *err);

#endif
