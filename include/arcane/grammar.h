/* grammar.h - texts that follow a grammar or a JSON schema.
 *
 *   ar_grammar_open(&g, "yes.gbnf", "root ::= \"yes\"", 14, &err);
 *   ar_token_tree_open(&tree, tokenizer, &err);
 *   ar_grammar_mask_open(&m, g, tree, &options, &err);
 *   while (!ar_grammar_mask_is_over(m)) {
 *       ar_grammar_mask_allowed(m, &bits, &err);
 *       ar_sampler_allow(sampler, bits);
 *       ar_sampler_next(sampler, &in, &id, &err);
 *       ar_grammar_mask_accept(m, id, &err);
 *   }
 *
 * Tokens may end anywhere, also inside a character.  Special tokens are never
 * allowed, but for those that end a text, where the grammar may end. */
#ifndef AR_GRAMMAR_H
#define AR_GRAMMAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arcane/status.h"
#include "arcane/tokenizer.h"

#pragma GCC visibility push(default)
#ifdef __cplusplus
extern "C" {
#endif

/* Compiled once, then only read; any number of threads may use one. */
typedef struct ar_grammar ar_grammar;

/* Parse and check n bytes of GBNF, the language of llama.cpp's grammars;
 * `name` stands in front of errors.  Errors: AR_FORMAT with line and column;
 * also a rule that is not defined, that calls itself before any character, or
 * whose texts never end; AR_RANGE for what is over a limit (4 MiB of source);
 * AR_NOMEM.  On error *out is NULL. */
ar_status ar_grammar_open(ar_grammar **out, const char *name,
                          const char *source, size_t n, ar_error *err);

/* The grammar of n bytes of JSON schema: all its texts are JSON that the schema
 * allows; it may allow fewer than the schema.  Errors: AR_FORMAT (not JSON, not
 * a schema); AR_UNSUPPORTED naming the place in the schema that it could not
 * hold to; AR_RANGE; AR_NOMEM.  On error *out is NULL. */
ar_status ar_grammar_from_schema(ar_grammar **out, const char *name,
                                 const char *json, size_t n, ar_error *err);
void ar_grammar_close(ar_grammar *g);

/* The texts of all tokens of a vocabulary; read-only, for any number of
 * masks. */
typedef struct ar_token_tree ar_token_tree;

/* The bytes are those that a token adds in the middle of a text; special
 * tokens and those without bytes are left out.  The tokenizer is not needed
 * afterwards.  Errors: AR_NOMEM, AR_RANGE (more than 2 GiB of texts). */
ar_status ar_token_tree_open(ar_token_tree **out, const ar_tokenizer *tok,
                             ar_error *err);
void ar_token_tree_close(ar_token_tree *t);

/* One text, and which tokens may come next in it. */
typedef struct ar_grammar_mask ar_grammar_mask;

typedef struct ar_grammar_mask_options {
    const int32_t *ends; /* [n_ends] tokens that end a text; -1 is none */
    int n_ends;          /* at most 64 */
    int64_t n_vocab;     /* of the logits; may differ from the tokenizer's */
} ar_grammar_mask_options;

/* Grammar and tree are borrowed until ar_grammar_mask_close.  Errors: AR_RANGE,
 * AR_NOMEM. */
ar_status ar_grammar_mask_open(ar_grammar_mask **out, const ar_grammar *g,
                               const ar_token_tree *t,
                               const ar_grammar_mask_options *o, ar_error *err);
void ar_grammar_mask_close(ar_grammar_mask *m);

/* A bit for each token, [(n_vocab + 63) / 64]; owned by m, valid until its
 * next call.  Masks of states met before are kept.  Errors: AR_RANGE if no
 * token is allowed, or if the grammar is too ambiguous; AR_NOMEM. */
ar_status ar_grammar_mask_allowed(ar_grammar_mask *m, const uint64_t **bits,
                                  ar_error *err);

/* The text goes on with a token.  Errors: AR_RANGE if it is not allowed; m is
 * then as before; AR_NOMEM. */
ar_status ar_grammar_mask_accept(ar_grammar_mask *m, int32_t id, ar_error *err);

/* May the text end here?  Is it over, as nothing may follow? */
bool ar_grammar_mask_can_end(const ar_grammar_mask *m);
bool ar_grammar_mask_is_over(const ar_grammar_mask *m);

/* Back to the empty text. */
ar_status ar_grammar_mask_reset(ar_grammar_mask *m, ar_error *err);

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop
#endif
