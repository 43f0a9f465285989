/* grammar_mask.h - which tokens may come next in a text that follows a
 * grammar.
 *
 *   ar_grammar_mask *m;
 *   TRY(ar_grammar_mask_open(&m, g, tree, &rules, err));
 *   while (!ar_grammar_mask_is_over(m)) {
 *       TRY(ar_grammar_mask_allowed(m, &bits, err));
 *       ar_sampler_allow(sampler, bits);
 *       TRY(ar_sampler_next(sampler, &in, &id, err));
 *       TRY(ar_grammar_mask_accept(m, id, err));
 *   }
 *   ar_grammar_mask_close(m);
 *
 * Tokens may end anywhere, also inside a character.  Special tokens are never
 * allowed, but for those that end a text, where the grammar may end. */
#ifndef INFER_GRAMMAR_MASK_H
#define INFER_GRAMMAR_MASK_H

#include "infer/grammar.h"
#include "infer/token_tree.h"

typedef struct grammar_mask grammar_mask;

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

#endif
