/* recurrent.h - the states of models that have them in place of keys, and
 * snapshots of them.
 *
 * A state is of one place in its text and cannot go back.  So copies are kept
 * of a few places: in the pools of an engine, rows [0, max_sessions) are the
 * states that steps advance, and behind them are `snapshots` rows of each
 * session.  One is taken where the last is SNAPSHOT_TOKENS or more behind.
 * Where all are taken, that one goes whose neighbours lie closest together for
 * their distance from the end: so a text that goes back n tokens finds a
 * snapshot not much more than n tokens behind, however long it is. */
#ifndef INFER_RECURRENT_H
#define INFER_RECURRENT_H

#include "infer/engine_state.h"

enum { SNAPSHOT_TOKENS = 64 };

/* Rows of the pools. */
int64_t recurrent_rows(const ar_engine *e);
/* After the pools have their places; e->recurrent stays NULL if no layer has a
 * state.  Errors: AR_NOMEM. */
ar_status recurrent_open(ar_engine *e, ar_error *err);
void recurrent_close(ar_engine *e);

/* Session i has only its first n tokens left. */
void recurrent_rewind(ar_engine *e, int32_t i, int64_t n);
/* The last place, not behind `length`, of which there is a state. */
int64_t recurrent_ready(const ar_engine *e, int32_t i, int64_t length);
/* Make the state that of a place which recurrent_ready gave. */
ar_status recurrent_restore(ar_engine *e, int32_t i, int64_t position,
                            ar_error *err);
/* A step has brought the state to a place; copies it if it is time. */
ar_status recurrent_stepped(ar_engine *e, int32_t i, int64_t position,
                            ar_error *err);
/* Give the state of session `from`, where it is known, to session i. */
ar_status recurrent_fork(ar_engine *e, int32_t i, int32_t from, ar_error *err);
/* A step behind the first n tokens failed: what it ran does not count, and
 * where the state is, is not known. */
void recurrent_lost(ar_engine *e, int32_t i, int64_t n);

#endif
