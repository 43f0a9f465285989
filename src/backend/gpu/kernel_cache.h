/* kernel_cache.h - compiled kernels on disk, so that they compile once.
 *
 * One file per kernel text, device and compiler, named by the SHA-256 of all
 * of them, in "kernels" of ARCANE_HOME, else of "arcane" in $XDG_CACHE_HOME or
 * ~/.cache.  A cache that cannot be read or written is as if it were empty. */
#ifndef GPU_KERNEL_CACHE_H
#define GPU_KERNEL_CACHE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/sha256.h"

/* What the code depends on: texts until NULL. */
void kernel_cache_key(char key[SHA256_HEX], const char *const *texts);

/* Into *image (free with mem_free); false where there is none. */
bool kernel_cache_get(const char *key, char **image, size_t *size);
void kernel_cache_put(const char *key, const char *image, size_t size);
/* What was cached turned out to be useless. */
void kernel_cache_drop(const char *key);

#endif
