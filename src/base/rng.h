/* rng.h - random numbers as a function of (seed, stream, position).
 *
 * Philox 4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as
 * 1, 2, 3"), keyed by the seed, counter = (position, stream).  There is no
 * state to save: a run resumes by knowing where it was. */
#ifndef BASE_RNG_H
#define BASE_RNG_H

#include <stdint.h>

/* 64 random bits. */
uint64_t rng_bits(uint64_t seed, uint64_t stream, uint64_t position);

/* Uniform in [0, 1), a multiple of 2^-53. */
double rng_uniform(uint64_t seed, uint64_t stream, uint64_t position);

/* Standard normal (Box-Muller over the two halves of one counter). */
double rng_normal(uint64_t seed, uint64_t stream, uint64_t position);

/* A stream number from a name, so that tensors draw independently. */
uint64_t rng_stream(const char *name);

#endif
