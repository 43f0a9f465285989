/* choices.h - questions with several answers: which one a model finds likelier.
 *
 * A file has a JSON object a line: {"prompt": "...", "choices": ["...", ...],
 * "answer": 0}, the answer's place counted from 0.  Each choice is appended to
 * the prompt as it is, so it usually starts with a space. */
#ifndef INFER_CHOICES_H
#define INFER_CHOICES_H

#include <jansson.h>

#include "arcane/tokenizer.h"
#include "infer/score.h"

enum { CHOICES_MOST = 256 };

typedef struct choices_question {
    json_t *root; /* owns all below */
    const char *prompt;
    const char *choice[CHOICES_MOST];
    int n, answer;
} choices_question;

/* A line of n bytes, without its end.  Errors: AR_FORMAT saying what is
 * missing; AR_NOMEM. */
ar_status choices_read(choices_question *out, const char *line, size_t n,
                       ar_error *err);
void choices_free(choices_question *q);

typedef struct choices_result {
    double logp[CHOICES_MOST]; /* of all tokens of the choice */
    int best;                  /* the likeliest */
    int best_per_byte;         /* by log-probability a byte of text */
} choices_result;

/* Errors: AR_RANGE (a choice that adds no token), those of scorer_feed. */
ar_status choices_score(scorer *s, const ar_tokenizer *tok,
                        const choices_question *q, choices_result *out,
                        ar_error *err);

#endif
