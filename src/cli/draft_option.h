/* draft_option.h - the options of commands that write text: how tokens are
 * guessed ahead. */
#ifndef CLI_DRAFT_OPTION_H
#define CLI_DRAFT_OPTION_H

#include "cli/options.h"
#include "infer/infer.h"

typedef struct draft_args {
    const char *draft; /* NULL = look-up */
    int64_t most;
} draft_args;

#define DRAFT_DEFAULTS                                                         \
    { .most = 8 }
/* Rows for a struct with a member `guess` of type draft_args. */
#define DRAFT_OPTIONS(args)                                                    \
    {"--draft",                                                                \
     NULL,                                                                     \
     CLI_MODEL,                                                                \
     false,                                                                    \
     offsetof(args, guess.draft),                                              \
     "MODEL",                                                                  \
     "a smaller model of the same vocabulary that guesses ahead; the text "    \
     "stays the same; default: guesses from the text itself"},                 \
    {                                                                          \
        "--draft-max", NULL, CLI_INT, false, offsetof(args, guess.most), "N",  \
            "tokens guessed at once at most, 0 to 16; 0 = none; default 8"     \
    }

/* A draft and the options that name it. */
typedef struct draft_model {
    ar_model *m;
    ar_engine *e;
    ar_generate_options options;
} draft_model;

/* Opens the draft model, if one is named, on the device of `on`, for texts of
 * the given length.  Errors: AR_USAGE, those of ar_model_open and
 * ar_engine_open. */
ar_status draft_model_open(draft_model *out, const draft_args *a,
                           const ar_engine_options *on, ar_error *err);
void draft_model_close(draft_model *d); /* of a zeroed one, too */

#endif
