/* sample_options.h - how a command that writes text chooses tokens.
 *
 * A command has a member `sampling` of type sample_args in its struct, the
 * rows of sample_options.def in its table, and as defaults the `usual` column
 * of infer/samplers.def. */
#ifndef CLI_SAMPLE_OPTIONS_H
#define CLI_SAMPLE_OPTIONS_H

#include "arcane/tokenizer.h"
#include "cli/cli.h"
#include "infer/infer.h"

typedef struct sample_args {
    ar_sample_options options; /* only what samplers.def has an OPTION for */
    const char *samplers;      /* NULL = the default order */
    cli_words breakers, bias;
    int64_t seed;
    bool greedy;
} sample_args;

/* What can be said before there is a model.  Errors: AR_USAGE. */
ar_status sample_args_check(const sample_args *a, ar_error *err);

/* The sampler that the arguments ask for; tok may be NULL, DRY then has no
 * breakers.  Errors: AR_USAGE, also for an id outside the vocabulary. */
ar_status sample_args_open(ar_sampler **out, const sample_args *a,
                           const ar_tokenizer *tok, int64_t n_vocab,
                           int64_t max_history, ar_error *err);

#endif
