/* constrain.h - what a command that writes text may be held to: a grammar, a
 * JSON schema, strings that end it. */
#ifndef CLI_CONSTRAIN_H
#define CLI_CONSTRAIN_H

#include "arcane/tokenizer.h"
#include "cli/cli.h"
#include "infer/infer.h"

typedef struct constrain_args {
    const char *grammar, *schema;
    cli_words stops;
} constrain_args;

/* Rows for a struct with a member `limits` of type constrain_args. */
#define CONSTRAIN_OPTIONS(args)                                                \
    {"--grammar",                                                              \
     NULL,                                                                     \
     CLI_TEXT,                                                                 \
     false,                                                                    \
     offsetof(args, limits.grammar),                                           \
     "FILE",                                                                   \
     "write only what this GBNF grammar allows"},                              \
        {"--json-schema",                                                      \
         NULL,                                                                 \
         CLI_TEXT,                                                             \
         false,                                                                \
         offsetof(args, limits.schema),                                        \
         "FILE|JSON",                                                          \
         "write only JSON that this schema allows; \"{}\" allows any value, "  \
         "\"json_object\" any object"},                                        \
    {                                                                          \
        "--stop", NULL, CLI_LIST, false, offsetof(args, limits.stops), "TEXT", \
            "end the text in front of TEXT (\\n, \\t and \\\\ are "            \
            "understood); may be given several times"                          \
    }

/* Everything that holds a text to them; all NULL where nothing was asked. */
typedef struct constrain {
    ar_grammar *grammar;
    ar_token_tree *tree;
    ar_grammar_mask *mask;
    stop_text *stop;
} constrain;

/* What can be said before there is a model.  Errors: AR_USAGE, and those of
 * reading the grammar or schema. */
ar_status constrain_open(constrain *out, const constrain_args *a,
                         ar_error *err);
/* The mask, once there is a tokenizer; ends [n_ends] are the tokens that end a
 * text.  Errors: AR_FORMAT without a tokenizer; AR_NOMEM. */
ar_status constrain_attach(constrain *c, const ar_tokenizer *tok,
                           const int32_t *ends, int n_ends, int64_t n_vocab,
                           ar_error *err);
void constrain_close(constrain *c);

#endif
