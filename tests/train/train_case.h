/* train_case.h - small models, batches and runs that the train tests share. */
#ifndef TESTS_TRAIN_CASE_H
#define TESTS_TRAIN_CASE_H

#include "tests/test.h"
#include "train/train.h"

/* n uniforms in [0, 1) with 24 bits: splitmix64 from `seed`. */
void case_splitmix(uint64_t seed, int64_t n, double *out);
/* float32((2 u - 1) a) of them, as double. */
void case_uniform(uint64_t seed, int64_t n, double a, double *out);

/* The two models of golden/training: "gpt2" or "ar". */
model_config case_config(const char *which);
/* Their recipes: 60 steps, 8 rows of 64 tokens, sequential, on `device`. */
void case_settings(settings *s, const char *which, const model_config *c,
                   const char *where);
/* Their first weights, by the generator's rule. */
void case_init(trainer *t, const char *which);

/* Batch i of the golden corpus: 8 rows of 64 bytes, of its first nine tenths
 * or, held_out, of the rest. */
void case_batch(int64_t i, bool held_out, int32_t *inputs, int32_t *targets);
enum { CASE_ROWS = 8, CASE_TOKENS = 64, CASE_BATCH = CASE_ROWS * CASE_TOKENS };

/* Settings of a short run on the golden corpus with bytes as tokens. */
void case_run_settings(settings *s, const char *amount);

json_t *case_json(const char *golden_name);

/* All weights of a trainer, as bytes; free with mem_free. */
void *case_weights(trainer *t);

#endif
