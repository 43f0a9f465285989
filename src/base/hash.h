/* hash.h - checksums and hashes. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* FNV-1a over n bytes, continuing from `seed` (0 starts): for tables. */
uint64_t hash_bytes(const void *p, size_t n, uint64_t seed);

/* XXH64 (the published algorithm of xxHash) of n bytes: for checksums. */
uint64_t hash_xx64(const void *p, size_t n, uint64_t seed);

#endif
