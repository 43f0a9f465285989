/* blas.c - the vendor's matrix product, found at run time. */
#include "backend/cpu/blas.h"

#include <limits.h>
#include <stdatomic.h>
#include <string.h>

#include "base/dynlib.h"

enum { ROW_MAJOR = 101, PLAIN = 111, TRANSPOSED = 112 }; /* cblas.h */

typedef void sgemm_fn(int order, int ta, int tb, int m, int n, int k,
                      float alpha, const float *a, int lda, const float *b,
                      int ldb, float beta, float *c, int ldc);
typedef void set_threads_fn(int n);

static const struct vendor {
    const char *name, *files[4], *set_threads;
} vendors[] = {
    {"openblas",
     {"libopenblas.so.0", "libopenblas.so", "libopenblas.0.dylib"},
     "openblas_set_num_threads"},
    {"accelerate",
     {"/System/Library/Frameworks/Accelerate.framework/Accelerate"},
     "no such function"},
};

static sgemm_fn *_Atomic sgemm;
static set_threads_fn *_Atomic set_threads;

bool blas_open(const char *name) {
    for (size_t i = 0; i < sizeof vendors / sizeof *vendors; i++) {
        const struct vendor *v = &vendors[i];
        if (strcmp(v->name, name)) continue;
        dynlib *lib = dynlib_open(v->files);
        if (!lib) return false;
        sgemm_fn *product;
        set_threads_fn *threads;
        *(void **)&product = dynlib_symbol(lib, "cblas_sgemm");
        *(void **)&threads = dynlib_symbol(lib, v->set_threads);
        if (!product) return false;
        atomic_store(&sgemm, product);
        atomic_store(&set_threads, threads);
        return true;
    }
    return false;
}

/* Rows or columns contiguous, and the other stride as cblas wants it. */
static bool view_fits(const gemm_view *v, int64_t rows, int64_t cols) {
    if (v->type != AR_F32 || v->rs > INT_MAX || v->cs > INT_MAX) return false;
    return (v->cs == 1 && v->rs >= cols && v->rs > 0) ||
           (v->rs == 1 && v->cs >= rows && v->cs > 0);
}

static bool row_major(const gemm_view *v, int64_t cols) {
    return v->cs == 1 && v->rs >= cols;
}

bool blas_fits(const gemm_args *g) {
    return view_fits(&g->a, g->m, g->k) && view_fits(&g->b, g->k, g->n) &&
           g->compute != AR_BF16 && g->compute != AR_F16 && g->m > 0 &&
           g->n > 0 && g->k > 0 && g->m <= INT_MAX && g->n <= INT_MAX &&
           g->k <= INT_MAX && g->ldc >= g->n && g->ldc <= INT_MAX;
}

void blas_run(const gemm_args *g, int n_threads) {
    set_threads_fn *const threads = atomic_load(&set_threads);
    if (threads) threads(n_threads);
    if (g->bias && !g->add)
        for (int64_t i = 0; i < g->m; i++)
            memcpy(g->c + i * g->ldc, g->bias, (size_t)g->n * sizeof *g->c);
    const bool a = row_major(&g->a, g->k), b = row_major(&g->b, g->n);
    atomic_load (&sgemm)(
        ROW_MAJOR, a ? PLAIN : TRANSPOSED, b ? PLAIN : TRANSPOSED, (int)g->m,
        (int)g->n, (int)g->k, g->alpha != 0 ? g->alpha : 1, g->a.data,
        (int)(a ? g->a.rs : g->a.cs), g->b.data, (int)(b ? g->b.rs : g->b.cs),
        g->add || g->bias ? 1 : 0, g->c, (int)g->ldc);
}
