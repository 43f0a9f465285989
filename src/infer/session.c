/* session.c - texts, and the steps that advance them.
 *
 * A step reserves all pages it needs before anything runs, so that a full
 * cache changes nothing; after an error of the device they are given back. */
#include <string.h>

#include "base/error.h"
#include "infer/engine_state.h"
#include "infer/recurrent.h"
#include "quant/quant.h"

ar_status session_open(session **out, engine *e, ar_error *err) {
    *out = NULL;
    for (int64_t i = 0; i < e->opt.max_sessions; i++)
        if (!e->sessions[i].open) {
            e->sessions[i].open = true;
            *out = &e->sessions[i];
            return AR_OK;
        }
    return error_set(err, AR_FULL, "all %lld sessions are open",
                     (long long)e->opt.max_sessions);
}

/* Give back the pages that n tokens do not need. */
static void trim(session *s, int64_t n) {
    const int64_t page = s->e->opt.page, keep = (n + page - 1) / page;
    while (s->n_pages > keep)
        pages_release(&s->e->pages, s->pages[--s->n_pages]);
}

void session_close(session *s) {
    if (!s) return;
    session_rewind(s, 0);
    s->open = false;
}

void session_rewind(session *s, int64_t n) {
    if (n < 0) n = 0;
    if (n >= s->length) return;
    s->length = n;
    if (s->e->recurrent) recurrent_rewind(s->e, s->index, n);
    trim(s, n);
}

int64_t session_length(const session *s) { return s->length; }

/* Pages for n more tokens.  On error the session is as it was. */
static ar_status reserve(session *s, int64_t n, ar_error *err) {
    engine *e = s->e;
    const int64_t page = e->opt.page;
    const int64_t need = (s->length + n + page - 1) / page, first = s->n_pages;
    if (need - first > e->pages.n_free || need > e->pages_per_session)
        return error_set(err, AR_FULL,
                         "%lld more tokens need %lld pages of the cache, and "
                         "%lld are free",
                         (long long)n, (long long)(need - first),
                         (long long)e->pages.n_free);
    while (s->n_pages < need) s->pages[s->n_pages++] = pages_take(&e->pages);
    if (need == first) return AR_OK;
    const int64_t at = s->index * e->pages_per_session + first;
    const ar_status st = e->be->write(
        e->dev, &e->buffers[SLOT_TABLE], (size_t)at * sizeof(int32_t),
        s->pages + first, (size_t)(need - first) * sizeof(int32_t), err);
    if (st != AR_OK) trim(s, s->length);
    return st;
}

static ar_status check_token(const engine *e, int32_t id, ar_error *err) {
    if (id >= 0 && id < e->m->config.n_vocab) return AR_OK;
    return error_set(err, AR_RANGE,
                     "token %d is outside of the vocabulary of %lld", (int)id,
                     (long long)e->m->config.n_vocab);
}

/* How many rows to run next of `left`, and the program for them: one that
 * fits without many dead rows, else the largest that is filled. */
static const engine_program *choose(const engine_program *list, int n,
                                    int64_t left, int64_t *rows) {
    const engine_program *best = &list[0]; /* of one row */
    for (int i = 1; i < n && list[i - 1].n_rows < left; i++)
        if (list[i].n_rows <= 2 * left) best = &list[i];
    *rows = best->n_rows < left ? best->n_rows : left;
    return best;
}

static ar_status run(engine *e, const engine_program *p, unsigned fields,
                     ar_error *err) {
    const int64_t R = e->opt.max_rows;
    for (int f = 0; f < ROWS_COUNT; f++)
        if (fields & 1u << f)
            TRY(e->be->write(e->dev, &e->buffers[SLOT_ROWS],
                             (size_t)(f * R) * sizeof(int32_t), e->rows + f * R,
                             (size_t)p->n_rows * sizeof(int32_t), err));
    ticket t;
    TRY(e->be->run(p->p, e->buffers, e->n_buffers, &t, err));
    return e->be->wait(e->dev, t, err);
}

/* The session will have `length` tokens after the call. */
static void set_row(engine *e, int64_t i, const session *s, int32_t token,
                    int64_t position, int64_t length) {
    const int64_t R = e->opt.max_rows, page = e->opt.page;
    e->rows[ROWS_ID * R + i] = token;
    e->rows[ROWS_POSITION * R + i] = (int32_t)position;
    e->rows[ROWS_SESSION * R + i] = s->index;
    e->rows[ROWS_LONG * R + i] = length > e->m->config.rope_original_ctx;
    e->rows[ROWS_SLOT * R + i] =
        (int32_t)(s->pages[position / page] * page + position % page);
}

static ar_status run_body(engine *e, const engine_program *p, int64_t live,
                          ar_error *err) {
    const int64_t R = e->opt.max_rows;
    for (int64_t i = live; i < p->n_rows; i++) {
        e->rows[ROWS_ID * R + i] = -1;
        e->rows[ROWS_POSITION * R + i] = 0;
        e->rows[ROWS_SESSION * R + i] = -1;
        e->rows[ROWS_LONG * R + i] = 0;
        e->rows[ROWS_SLOT * R + i] = -1;
    }
    return run(e, p,
               1u << ROWS_ID | 1u << ROWS_POSITION | 1u << ROWS_SESSION |
                   1u << ROWS_LONG | 1u << ROWS_SLOT,
               err);
}

/* Logits [n, V] of rows first .. first + n of what the body just ran. */
static ar_status run_head(engine *e, int64_t first, int64_t n, double *logits,
                          ar_error *err) {
    const int64_t V = e->m->config.n_vocab;
    const size_t size = ar_type_size(e->type, V);
    int32_t *pick = e->rows + ROWS_PICK * e->opt.max_rows;
    while (n > 0) {
        int64_t rows;
        const engine_program *p = choose(e->head, e->n_head, n, &rows);
        for (int64_t i = 0; i < p->n_rows; i++)
            pick[i] = i < rows ? (int32_t)(first + i) : -1;
        TRY(run(e, p, 1u << ROWS_PICK, err));
        for (int64_t i = 0; i < rows; i++, logits += V) {
            TRY(e->be->read(e->dev, &e->buffers[SLOT_LOGITS], (size_t)i * size,
                            e->row, size, err));
            type_decode_f64(e->type, e->row, logits, V);
        }
        first += rows;
        n -= rows;
    }
    return AR_OK;
}

/* The body has run n tokens of the text, the first at position `first`. */
static ar_status note(session *s, int64_t first, const int32_t *tokens,
                      int64_t n, ar_error *err) {
    if (!s->e->recurrent) return AR_OK;
    memmove(s->tokens + first, tokens, (size_t)n * sizeof *tokens);
    return recurrent_stepped(s->e, s->index, first + n, err);
}

/* Tokens from position `first` on. */
static ar_status feed(session *s, int64_t first, const int32_t *tokens,
                      int64_t n, bool all, double *logits, ar_error *err) {
    engine *e = s->e;
    const int64_t V = e->m->config.n_vocab;
    for (int64_t at = 0, rows; at < n; at += rows) {
        const engine_program *p = choose(e->body, e->n_body, n - at, &rows);
        for (int64_t i = 0; i < rows; i++)
            set_row(e, i, s, tokens[at + i], first + at + i, first + n);
        TRY(run_body(e, p, rows, err));
        TRY(note(s, first + at, tokens + at, rows, err));
        if (logits && all)
            TRY(run_head(e, 0, rows, logits + at * V, err));
        else if (logits && at + rows == n)
            TRY(run_head(e, rows - 1, 1, logits, err));
    }
    return AR_OK;
}

/* Bring the states to the end of the text. */
static ar_status catch_up(session *s, ar_error *err) {
    engine *e = s->e;
    if (!e->recurrent) return AR_OK;
    const int64_t from = recurrent_ready(e, s->index, s->length);
    TRY(recurrent_restore(e, s->index, from, err));
    return feed(s, from, s->tokens + from, s->length - from, false, NULL, err);
}

/* After an error of the device nothing is known of the states. */
static void forget(session *s) {
    trim(s, s->length);
    if (s->e->recurrent) recurrent_lost(s->e, s->index, s->length);
}

ar_status session_feed(session *s, const int32_t *tokens, int64_t n, bool all,
                       double *logits, ar_error *err) {
    const engine *e = s->e;
    if (n < 1) return error_set(err, AR_RANGE, "no tokens to feed");
    for (int64_t i = 0; i < n; i++) TRY(check_token(e, tokens[i], err));
    if (n > e->m->config.n_ctx - s->length)
        return error_set(err, AR_RANGE,
                         "a text of %lld tokens is longer than the model's "
                         "context of %lld",
                         (long long)(s->length + n),
                         (long long)e->m->config.n_ctx);
    TRY(reserve(s, n, err));
    ar_status st = catch_up(s, err);
    if (st == AR_OK) st = feed(s, s->length, tokens, n, all, logits, err);
    if (st == AR_OK)
        s->length += n;
    else
        forget(s);
    return st;
}

static ar_status check_step(engine *e, session *const *s, const int32_t *tokens,
                            int64_t n, ar_error *err) {
    e->n_steps++;
    for (int64_t i = 0; i < n; i++) {
        TRY(check_token(e, tokens[i], err));
        if (s[i]->e != e || !s[i]->open)
            return error_set(err, AR_RANGE,
                             "session %lld is not one of this engine",
                             (long long)i);
        if (s[i]->length >= e->m->config.n_ctx)
            return error_set(err, AR_RANGE,
                             "a text of %lld tokens is longer than the "
                             "model's context",
                             (long long)s[i]->length + 1);
        if (s[i]->step == e->n_steps)
            return error_set(err, AR_RANGE,
                             "session %lld is the same as one before it",
                             (long long)i);
        s[i]->step = e->n_steps;
    }
    return AR_OK;
}

static ar_status step(engine *e, session *const *s, const int32_t *tokens,
                      int64_t n, double *logits, ar_error *err) {
    const int64_t V = e->m->config.n_vocab;
    for (int64_t i = 0; i < n; i++) TRY(reserve(s[i], 1, err));
    for (int64_t i = 0; i < n; i++) TRY(catch_up(s[i], err));
    for (int64_t at = 0, rows; at < n; at += rows) {
        const engine_program *p = choose(e->body, e->n_body, n - at, &rows);
        for (int64_t i = 0; i < rows; i++)
            set_row(e, i, s[at + i], tokens[at + i], s[at + i]->length,
                    s[at + i]->length + 1);
        TRY(run_body(e, p, rows, err));
        for (int64_t i = at; i < at + rows; i++)
            TRY(note(s[i], s[i]->length, tokens + i, 1, err));
        if (logits) TRY(run_head(e, 0, rows, logits + at * V, err));
    }
    return AR_OK;
}

ar_status engine_step(engine *e, session *const *s, const int32_t *tokens,
                      int64_t n, double *logits, ar_error *err) {
    TRY(check_step(e, s, tokens, n, err));
    const ar_status st = step(e, s, tokens, n, logits, err);
    for (int64_t i = 0; i < n; i++) {
        if (st == AR_OK)
            s[i]->length++;
        else
            forget(s[i]);
    }
    return st;
}
