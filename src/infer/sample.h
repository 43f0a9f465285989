/* sample.h - choosing the next token.
 *
 * Steps, each on what the step before left, turn logits into a distribution;
 * samplers.def lists them in their default order (Hugging Face's, where it
 * has them).  A draw is rng(seed, 0, position), XTC's coin rng(seed, 1,
 * position); mirostat's state is the only thing a sampler remembers.
 *
 *   sampler *s;
 *   TRY(sampler_open(&s, &options, n_vocab, n_ctx, err));
 *   sample_input in = {logits, ids, n, n};
 *   TRY(sampler_next(s, &in, &id, err));
 *   sampler_close(s); */
#ifndef INFER_SAMPLE_H
#define INFER_SAMPLE_H

#include <stdbool.h>
#include <stdint.h>

#include "arcane/status.h"

enum {
#define SAMPLER(upper, name, on, cuts, help) SAMPLER_##upper,
#define OPTION(...)
#include "infer/samplers.def"
#undef SAMPLER
#undef OPTION
    SAMPLERS
};

/* Added to the logit of an id; -INFINITY removes it. */
typedef struct sample_bias {
    int32_t id;
    double value;
} sample_bias;

typedef struct sample_options {
/* Fields and their meaning: samplers.def. */
#define SAMPLER(...)
#define OPTION(type, field, ...) type field;
#include "infer/samplers.def"
#undef SAMPLER
#undef OPTION
    const sample_bias *bias; /* [n_bias]; copied by sampler_open */
    int64_t n_bias;
    /* Ids at which DRY's sequences end; copied by sampler_open. */
    const int32_t *dry_breakers;
    int64_t n_dry_breakers;
    int order[SAMPLERS]; /* SAMPLER_*; those not in it are off */
    int n_order;
    uint64_t seed;
} sample_options;

/* Everything off (temperature 1), the default order. */
sample_options sample_options_default(void);

/* The order from names with commas or spaces between them: "top_k,xtc".
 * Errors: AR_RANGE for a name that is none or comes twice; o is then
 * unchanged. */
ar_status sample_order(sample_options *o, const char *names, ar_error *err);

/* That every field is in its range, mirostat the last of the order, and
 * temperature in it if it is 0.  Errors: AR_RANGE naming the option. */
ar_status sample_check(const sample_options *o, ar_error *err);

typedef struct sampler sampler;

/* A sampler for logits [n_vocab]; DRY looks at no more than max_history
 * tokens.  All memory is taken here.  Errors: AR_RANGE for options that
 * sample_check refuses or an id outside the vocabulary; AR_NOMEM. */
ar_status sampler_open(sampler **out, const sample_options *o, int64_t n_vocab,
                       int64_t max_history, ar_error *err);
void sampler_close(sampler *s);

/* What a sampler remembers from token to token: taken before tokens that may
 * be taken back, and given back with them. */
typedef struct sample_state {
    double mu; /* mirostat's largest surprise, in bits */
} sample_state;
sample_state sampler_state(const sampler *s);
void sampler_restore(sampler *s, sample_state state);

/* One step's scores; all borrowed. */
typedef struct sample_input {
    const double *logits;   /* [V]; -inf (or below -1e30) = not to be chosen */
    const int32_t *history; /* [n_history] ids so far; others are passed over */
    int64_t n_history;
    int64_t position; /* in the sequence */
} sample_input;

/* From now on only tokens whose bit is set can be chosen; bits [(V + 63) / 64]
 * are borrowed until the next such call, NULL allows all. */
void sampler_allow(sampler *s, const uint64_t *bits);

/* The token at in->position.  Errors: AR_RANGE for a logit that is NaN or
 * above 1e30, and if no token is left; the state is then unchanged. */
ar_status sampler_next(sampler *s, const sample_input *in, int32_t *id,
                       ar_error *err);

/* The distribution that sampler_next would draw from, in probs [V]; the state
 * stays as it is.  Errors as sampler_next. */
ar_status sampler_probs(sampler *s, const sample_input *in, double *probs,
                        ar_error *err);

typedef struct sample_logprob {
    int32_t id;
    double logprob; /* natural logarithm */
} sample_logprob;

/* Log-probabilities: of `id` in *chosen (-inf if it was removed), and of the
 * likeliest n in top, in falling order; returns how many there are (fewer if
 * fewer are left).  With logits [V] of their softmax, with NULL of the
 * distribution of the last call of sampler_next or sampler_probs, which must
 * not have failed. */
int64_t sampler_logprobs(sampler *s, const double *logits, int32_t id,
                         double *chosen, sample_logprob *top, int64_t n);

#endif
