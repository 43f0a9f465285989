/* blas.h - the vendor's matrix product, found at run time.
 *
 * Training uses it when device_options.blas asks; inference never does.  How
 * the library orders its additions is its own affair: with it, equal bits are
 * promised only for the same library, CPU and number of threads. */
#ifndef CPU_BLAS_H
#define CPU_BLAS_H

#include "backend/cpu/gemm.h"

/* Load "openblas" or "accelerate"; false if the name is unknown or the library
 * is not there.  It stays loaded for the life of the process. */
bool blas_open(const char *name);

/* Can it do this product?  Looks at types, shapes and strides only. */
bool blas_fits(const gemm_args *g);

/* After blas_open and blas_fits; on so many threads, if it lets us say. */
void blas_run(const gemm_args *g, int n_threads);

#endif
