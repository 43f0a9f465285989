/* grammar.h - texts that follow a grammar, character by character.
 *
 * The language is GBNF, as llama.cpp's grammars have it; docs/formats/
 * grammar.md says what is understood.  A grammar is compiled once and is then
 * only read.  A run holds the states that texts lead to; it grows as states
 * are met and belongs to one thread.
 *
 *   ar_grammar *g;
 *   TRY(ar_grammar_open(&g, "yes.gbnf", "root ::= \"yes\"", 14, err));
 *   grammar_run *r;
 *   TRY(grammar_run_open(&r, g, err));
 *   grammar_state s;
 *   TRY(grammar_run_start(r, &s, err));
 *   TRY(grammar_run_step(r, s, 'y', &s, err));       GRAMMAR_DEAD: no
 *   if (grammar_run_can_end(r, s)) ...               the text is whole
 *   grammar_run_close(r);
 *   ar_grammar_close(g); */
#ifndef INFER_GRAMMAR_H
#define INFER_GRAMMAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arcane/status.h"

typedef struct grammar grammar;

enum { GRAMMAR_MAX_SOURCE = 4 << 20 };

/* Parse and check n bytes of GBNF; `name` stands in front of errors.  Errors:
 * AR_FORMAT with line and column; also a rule that is not defined, that calls
 * itself before any character, or whose texts never end; AR_RANGE for what is
 * over a limit; AR_NOMEM. */
ar_status ar_grammar_open(ar_grammar **out, const char *name,
                          const char *source, size_t n, ar_error *err);
void ar_grammar_close(ar_grammar *g);

/* All the ways in which a text so far can be read; equal ways, equal number. */
typedef uint32_t grammar_state;
enum { GRAMMAR_DEAD = 0 }; /* the text does not follow the grammar */

typedef struct grammar_run grammar_run;

/* The grammar is borrowed until grammar_run_close.  Errors: AR_NOMEM. */
ar_status grammar_run_open(grammar_run **out, const ar_grammar *g,
                           ar_error *err);
void grammar_run_close(grammar_run *r);

/* The state of the empty text, and that after one more byte.  Bytes that are
 * no UTF-8 lead to GRAMMAR_DEAD, a part of a character does not.  Errors:
 * AR_FULL if the run holds too much: grammar_run_trim makes room; AR_RANGE if
 * there are too many ways to read the text; AR_NOMEM. */
ar_status grammar_run_start(grammar_run *r, grammar_state *out, ar_error *err);
ar_status grammar_run_step(grammar_run *r, grammar_state s, uint8_t byte,
                           grammar_state *out, ar_error *err);
/* May the text end here?  May it go on? */
bool grammar_run_can_end(const grammar_run *r, grammar_state s);
bool grammar_run_can_go_on(const grammar_run *r, grammar_state s);

/* Forget every state but *s, which gets a new number.  Errors: AR_NOMEM; the
 * run is then as before. */
ar_status grammar_run_trim(grammar_run *r, grammar_state *s, ar_error *err);
bool grammar_run_is_large(const grammar_run *r); /* time to trim */

#endif
