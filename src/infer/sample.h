/* sample.h - choosing the next token.
 *
 * Steps, each on what the step before left, turn logits into a distribution;
 * samplers.def lists them in their default order (Hugging Face's, where it
 * has them).  A draw is rng(seed, 0, position), XTC's coin rng(seed, 1,
 * position); mirostat's state is the only thing a sampler remembers.
 *
 *   ar_sampler *s;
 *   TRY(ar_sampler_open(&s, &options, n_vocab, n_ctx, err));
 *   ar_sample_input in = {logits, ids, n, n};
 *   TRY(ar_sampler_next(s, &in, &id, err));
 *   ar_sampler_close(s); */
#ifndef INFER_SAMPLE_H
#define INFER_SAMPLE_H

#include <stdbool.h>
#include <stdint.h>

#include "arcane/status.h"

enum {
#define AR_SAMPLER(upper, name, on, cuts, help) AR_SAMPLER_##upper,
#define AR_OPTION(...)
#include "arcane/samplers.def"
#undef AR_SAMPLER
#undef AR_OPTION
    AR_SAMPLERS
};

/* Added to the logit of an id; -INFINITY removes it. */
typedef struct ar_sample_bias {
    int32_t id;
    double value;
} ar_sample_bias;

typedef struct ar_sample_options {
/* Fields and their meaning: samplers.def. */
#define AR_SAMPLER(...)
#define AR_OPTION(type, field, ...) type field;
#include "arcane/samplers.def"
#undef AR_SAMPLER
#undef AR_OPTION
    const ar_sample_bias *bias; /* [n_bias]; copied by ar_sampler_open */
    int64_t n_bias;
    /* Ids at which DRY's sequences end; copied by ar_sampler_open. */
    const int32_t *dry_breakers;
    int64_t n_dry_breakers;
    int order[AR_SAMPLERS]; /* SAMPLER_*; those not in it are off */
    int n_order;
    uint64_t seed;
} ar_sample_options;

/* Everything off (temperature 1), the default order. */
ar_sample_options ar_sample_options_default(void);

/* The order from names with commas or spaces between them: "top_k,xtc".
 * Errors: AR_RANGE for a name that is none or comes twice; o is then
 * unchanged. */
ar_status ar_sample_order(ar_sample_options *o, const char *names,
                          ar_error *err);

/* That every field is in its range, mirostat the last of the order, and
 * temperature in it if it is 0.  Errors: AR_RANGE naming the option. */
ar_status ar_sample_check(const ar_sample_options *o, ar_error *err);

typedef struct sampler sampler;

/* A sampler for logits [n_vocab]; DRY looks at no more than max_history
 * tokens.  All memory is taken here.  Errors: AR_RANGE for options that
 * ar_sample_check refuses or an id outside the vocabulary; AR_NOMEM. */
ar_status ar_sampler_open(ar_sampler **out, const ar_sample_options *o,
                          int64_t n_vocab, int64_t max_history, ar_error *err);
void ar_sampler_close(ar_sampler *s);

/* What a sampler remembers from token to token: taken before tokens that may
 * be taken back, and given back with them. */
typedef struct ar_sample_state {
    double mu; /* mirostat's largest surprise, in bits */
} ar_sample_state;
ar_sample_state ar_sampler_state(const ar_sampler *s);
void ar_sampler_restore(ar_sampler *s, ar_sample_state state);

/* One step's scores; all borrowed. */
typedef struct ar_sample_input {
    const double *logits;   /* [V]; -inf (or below -1e30) = not to be chosen */
    const int32_t *history; /* [n_history] ids so far; others are passed over */
    int64_t n_history;
    int64_t position; /* in the sequence */
} ar_sample_input;

/* From now on only tokens whose bit is set can be chosen; bits [(V + 63) / 64]
 * are borrowed until the next such call, NULL allows all. */
void ar_sampler_allow(ar_sampler *s, const uint64_t *bits);

/* The token at in->position.  Errors: AR_RANGE for a logit that is NaN or
 * above 1e30, and if no token is left; the state is then unchanged. */
ar_status ar_sampler_next(ar_sampler *s, const ar_sample_input *in, int32_t *id,
                          ar_error *err);

/* The distribution that ar_sampler_next would draw from, in probs [V]; the
 * state stays as it is.  Errors as ar_sampler_next. */
ar_status ar_sampler_probs(ar_sampler *s, const ar_sample_input *in,
                           double *probs, ar_error *err);

typedef struct ar_sample_logprob {
    int32_t id;
    double logprob; /* natural logarithm */
} ar_sample_logprob;

/* Log-probabilities: of `id` in *chosen (-inf if it was removed), and of the
 * likeliest n in top, in falling order; returns how many there are (fewer if
 * fewer are left).  With logits [V] of their softmax, with NULL of the
 * distribution of the last call of ar_sampler_next or ar_sampler_probs, which
 * must not have failed. */
int64_t ar_sampler_logprobs(ar_sampler *s, const double *logits, int32_t id,
                            double *chosen, ar_sample_logprob *top, int64_t n);

#endif
