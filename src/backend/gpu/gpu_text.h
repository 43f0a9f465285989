/* gpu_text.h - the text of kernels and preludes, which the library carries.
 *
 * Files are named as in their includes: "backend/gpu/kernels/common.h". */
#ifndef GPU_TEXT_H
#define GPU_TEXT_H

#include "arcane/status.h"
#include "backend/gpu/gpu_driver.h"

struct text;

typedef struct gpu_text {
    const char *name, *text;
} gpu_text;

/* Made by cmake/embed.cmake; the last has no name. */
extern const gpu_text gpu_texts[];

/* NULL if there is no such file. */
const char *gpu_text_find(const char *name);

/* Append a file to out, with what its lines #include "..." in their places, so
 * that compilers without folders can take it.  AR_RANGE for a file that is
 * missing, or for includes deeper than 8. */
ar_status gpu_text_expand(const char *name, struct text *out, ar_error *err);

/* All that a compiler is to see of a source: its defines, the prelude of a
 * language ("cuda") and its parts. */
ar_status gpu_text_of(const gpu_source *s, const char *lang, struct text *out,
                      ar_error *err);

/* AR_FORMAT with the first error of a compiler's log, or its first line:
 * "name: the CUDA compiler says: ...". */
ar_status gpu_text_complaint(const char *name, const char *compiler,
                             const char *log, ar_error *err);

#endif
