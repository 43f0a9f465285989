/* sample.h - choosing the next token.
 *
 * Order: repetition penalty, presence and frequency, temperature, top-k,
 * top-p, min-p, typical-p, top-n-sigma, each on what the step before left
 * (Hugging Face's order). */
#ifndef INFER_SAMPLE_H
#define INFER_SAMPLE_H

#include <stdint.h>

#include "arcane/status.h"

typedef struct sample_options {
    double temperature;         /* 0 = greedy */
    int64_t top_k;              /* 0 = off; ties with the k-th are kept */
    double top_p;               /* 1 = off */
    double min_p;               /* 0 = off: p >= min_p * largest p is kept */
    double typical_p;           /* 1 = off (Meister et al. 2023) */
    double top_n_sigma;         /* 0 = off (Tang et al. 2024) */
    double repetition;          /* 1 = off */
    double presence, frequency; /* 0 = off */
    uint64_t seed;
} sample_options;

/* Temperature 1 and nothing else. */
sample_options sample_options_default(void);
/* That every field is in its range.  Errors: AR_RANGE naming the option. */
ar_status sample_check(const sample_options *o, ar_error *err);

/* One step's scores and scratch; a caller fills it once and keeps it. */
typedef struct sample_input {
    int64_t n_vocab;        /* V */
    double *logits;         /* [V]; changed */
    const int32_t *history; /* [n_history] ids so far */
    int64_t n_history;
    double *probs; /* [V]; written */
    int32_t *work; /* [V]; scratch for sorting */
} sample_input;

/* Probabilities after all steps, in in->probs. */
void sample_probs(const sample_options *o, const sample_input *in);

/* The token at `position` of a sequence: a function of the options, the
 * logits, the history and rng(seed, 0, position) alone. */
int32_t sample_token(const sample_options *o, const sample_input *in,
                     int64_t position);

#endif
