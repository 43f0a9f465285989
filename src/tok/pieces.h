/* pieces.h - a text cut into the pieces that the model encodes one by one.
 *
 * Steps follow each other, each cutting what the one before it left. */
#ifndef TOK_PIECES_H
#define TOK_PIECES_H

#include <stdbool.h>
#include <stddef.h>

#include "arcane/status.h"
#include "tok/pattern.h"

/* What becomes of the matches of a pattern, and of the text between them. */
enum cut_behavior {
    CUT_REMOVED,         /* matches are dropped */
    CUT_ISOLATED,        /* each is a piece */
    CUT_MERGED_PREVIOUS, /* a match ends the piece before it */
    CUT_MERGED_NEXT,     /* a match begins the piece after it */
    CUT_CONTIGUOUS,      /* matches that touch are one piece */
};

/* Where a step puts its prefix, if the piece does not begin with it. */
enum cut_prefix { PREFIX_NEVER, PREFIX_FIRST, PREFIX_ALWAYS };

typedef struct cut_step {
    enum cut_prefix prefix;       /* FIRST: where the text itself begins */
    const char *mark;             /* what is put in front; NULL for a space */
    bool replace_spaces;          /* by the mark, before that */
    pattern *pattern;             /* NULL cuts nothing */
    enum pattern_dialect dialect; /* of its source */
    enum cut_behavior behavior;
    bool invert; /* matches and the text between change roles */
} cut_step;

enum { PIECES_MAX_STEPS = 16 };

/* Called for every piece, in order; the bytes are borrowed. */
typedef ar_status piece_fn(void *ctx, const char *p, size_t n, ar_error *err);

/* What cutting needs, for one thread. */
typedef struct pieces pieces;
ar_status pieces_open(pieces **out, const cut_step *steps, int n_steps,
                      piece_fn *fn, void *ctx, ar_error *err);
/* `first` says that the text begins here.  Bytes that are not UTF-8 come out as
 * pieces of one byte wherever a pattern is applied.  Errors: AR_NOMEM,
 * AR_RANGE, those of fn. */
ar_status pieces_cut(pieces *w, const char *p, size_t n, bool first,
                     ar_error *err);
void pieces_close(pieces *w);

#endif
