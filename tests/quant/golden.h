/* golden.h - recorded bytes and numbers for the tests of this folder. */
#ifndef TESTS_QUANT_GOLDEN_H
#define TESTS_QUANT_GOLDEN_H

#include "tests/test.h"

/* All of tests/golden/quants/NAMEEND and its size; NULL if there is no such
 * file.  Free with mem_free. */
void *golden_read(const char *name, const char *end, size_t *size);

/* The same, and the file has to be there with so many bytes. */
void *golden_need(const char *name, const char *end, size_t size);

/* Bit for bit, but any NaN equals any other. */
void golden_equal(const char *name, const float *got, const float *want,
                  int64_t n);

/* Numbers of a small generator: uniform in 0..2^32-1, and normal. */
uint32_t noise_word(uint64_t *state);
float noise_normal(uint64_t *state);

#endif
