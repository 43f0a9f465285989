/* pace.h - how many tokens to guess ahead, from what guessing has gained.
 *
 * A step with k guesses costs seconds(k) and gives 1 + a + a^2 ... + a^k
 * tokens, where a is the part of guesses that came true.  The k of most tokens
 * a second is taken; where that is none, a step in PACE_PROBE still guesses,
 * to see whether it would pay by now.  Time decides only how fast text comes,
 * never which. */
#ifndef INFER_PACE_H
#define INFER_PACE_H

#include <stdint.h>

enum { PACE_MOST = 16, PACE_PROBE = 64 };

typedef struct pace {
    double seconds[PACE_MOST + 1]; /* of a step with k guesses; 0 = not known */
    double tried, right;           /* guesses, the older the less they count */
    int64_t since_probe;           /* steps without a guess */
} pace;

/* Guesses to make in the next step, at most `most`; a zeroed pace is a new
 * one. */
int pace_choose(const pace *p, int most);

/* A step of k guesses, of which `right` came true, took that long.  A step
 * that could not guess counts as one of none. */
void pace_note(pace *p, int k, int right, double seconds);

#endif
