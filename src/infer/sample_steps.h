/* sample_steps.h - the steps of a sampler; private to sample*.c. */
#ifndef INFER_SAMPLE_STEPS_H
#define INFER_SAMPLE_STEPS_H

#include "infer/sample.h"

/* Tokens not removed, by rising id, so that equals keep that order. */
typedef struct candidates {
    int64_t n;
    int32_t *id;   /* [n] */
    double *logit; /* [n]; finite, but inside a step */
    double *prob;  /* [n]; scratch of steps, the distribution at the end */
    double *key;   /* [n]; scratch */
    int32_t *heap; /* [n]; scratch: indices of candidates */
} candidates;

/* p(l) = exp(l - max) / sum */
typedef struct sample_scale {
    double max, sum;
} sample_scale;

typedef struct sample_step {
    const ar_sample_options *o;
    candidates *c;
    const ar_sample_input *in;
    int64_t n_vocab;
    int32_t *counts;        /* [V]; zero between steps */
    const uint8_t *breaker; /* [V] */
    int32_t *match;         /* [max_history] scratch */
    int64_t max_history;
    double mu;
    sample_scale uncut; /* of what mirostat was given */
} sample_step;

#define AR_SAMPLER(upper, name, ...) void sample_step_##name(sample_step *s);
#define AR_OPTION(...)
#include "arcane/samplers.def"
#undef AR_SAMPLER
#undef AR_OPTION

/* Index of a candidate, or -1. */
int64_t candidates_find(const candidates *c, int32_t id);
/* Drop those whose logit is -inf. */
void candidates_compact(candidates *c);

sample_scale sample_scale_of(const double *logits, int64_t n);
double sample_prob(const sample_scale *z, double logit);

/* A heap of indices, the least (key, index) on top: where few are taken out
 * it is quicker than sorting. */
void sample_heap_build(const double *key, int32_t *heap, int64_t n);
/* Take the top out of a heap of *n. */
int32_t sample_heap_pop(const double *key, int32_t *heap, int64_t *n);
/* The k largest of x [n], 1 <= k <= n, in heap[0..k), the least on top; of
 * equals the first are taken. */
void sample_largest(const double *x, int64_t n, int64_t k, int32_t *heap);
/* Take the least out of them; of equals the last. */
int32_t sample_largest_pop(const double *x, int32_t *heap, int64_t *k);

#endif
