/* session_step.c - steps: the rows of several texts through the programs.
 *
 * A step reserves all pages it needs before anything runs, so that a full
 * cache changes nothing; after an error of the device they are given back.
 * Each session knows how far it has come (n_ready) and where it ends; a run
 * takes as many rows as the best program holds, text after text. */
#include "base/error.h"
#include "infer/engine_state.h"
#include "infer/recurrent.h"
#include "quant/quant.h"

/* ---- checks ---- */

ar_status check_tokens(const ar_engine *e, const int32_t *tokens, int64_t n,
                       ar_error *err) {
    for (int64_t i = 0; i < n; i++)
        if (tokens[i] < 0 || tokens[i] >= e->m->config.n_vocab)
            return error_set(err, AR_RANGE,
                             "token %d is outside of the vocabulary of %lld",
                             (int)tokens[i], (long long)e->m->config.n_vocab);
    return AR_OK;
}

static ar_status check_part(ar_engine *e, const ar_engine_part *p, int64_t i,
                            ar_error *err) {
    ar_session *s = p->s;
    if (s->e != e || !s->open)
        return error_set(err, AR_RANGE,
                         "session %lld is not one of this engine",
                         (long long)i);
    if (s->step == e->n_steps)
        return error_set(err, AR_RANGE,
                         "session %lld is the same as one before it",
                         (long long)i);
    s->step = e->n_steps;
    if (p->n < 1) return error_set(err, AR_RANGE, "no tokens to feed");
    TRY(check_tokens(e, p->tokens, p->n, err));
    if (p->n <= e->m->config.n_ctx - s->length) return AR_OK;
    return error_set(err, AR_RANGE,
                     "a text of %lld tokens is longer than the model's "
                     "context of %lld",
                     (long long)(s->length + p->n),
                     (long long)e->m->config.n_ctx);
}

/* ---- running programs ---- */

const engine_program *engine_choose(const engine_program *list, int n,
                                    int64_t left, int64_t *rows) {
    const engine_program *best = &list[0]; /* of one row */
    for (int i = 1; i < n && list[i - 1].n_rows < left; i++)
        if (list[i].n_rows <= 2 * left) best = &list[i];
    *rows = best->n_rows < left ? best->n_rows : left;
    return best;
}

/* Fields [first, end) of the rows to the device. */
static ar_status write_rows(ar_engine *e, const engine_program *p, int first,
                            int end, ar_error *err) {
    const int64_t R = e->opt.max_rows;
    for (int f = first; f < end; f++)
        TRY(e->be->write(e->dev, &e->buffers[SLOT_ROWS],
                         (size_t)(f * R) * sizeof(int32_t), e->rows + f * R,
                         (size_t)p->n_rows * sizeof(int32_t), err));
    return AR_OK;
}

static ar_status run(ar_engine *e, const engine_program *p, ar_error *err) {
    ticket t;
    TRY(e->be->run(p->p, e->buffers, e->n_buffers, &t, err));
    return e->be->wait(e->dev, t, err);
}

/* Row i is token `at` of a text; or is dead. */
static void set_row(ar_engine *e, int64_t i, const ar_session *s, int64_t at) {
    const int64_t R = e->opt.max_rows, page = e->cache.page;
    int32_t *row = e->rows + i;
    row[ROWS_ID * R] = s ? mark_token(s->marks[at]) : -1;
    row[ROWS_POSITION * R] = (int32_t)at;
    row[ROWS_SESSION * R] = s ? s->index : -1;
    row[ROWS_LONG * R] = s && s->marks[at] < 0;
    for (int g = 0; g < e->cache.n_groups; g++) {
        const bool write = s && (g || at >= s->n_kept);
        row[(ROWS_SLOT + g) * R] =
            write ? (int32_t)(s->pages[g][at / page] * page + at % page) : -1;
    }
}

static ar_status run_body(ar_engine *e, const engine_program *p, int64_t live,
                          ar_error *err) {
    for (int64_t i = live; i < p->n_rows; i++) set_row(e, i, NULL, 0);
    e->n_rows += live;
    TRY(write_rows(e, p, 0, ROWS_PICK, err));
    TRY(write_rows(e, p, ROWS_SLOT, ROWS_SLOT + e->cache.n_groups, err));
    return run(e, p, err);
}

/* Logits of the rows ROWS_PICK [n] of what the body just ran. */
static ar_status run_head(ar_engine *e, int64_t n, ar_error *err) {
    const int64_t V = e->m->config.n_vocab;
    const size_t size = ar_type_size(e->type, V);
    int32_t *pick = e->rows + ROWS_PICK * e->opt.max_rows;
    for (int64_t at = 0, rows; at < n; at += rows) {
        const engine_program *p =
            engine_choose(e->head, e->n_head, n - at, &rows);
        for (int64_t i = 0; i < p->n_rows; i++)
            pick[i] = i < rows ? pick[at + i] : -1;
        TRY(write_rows(e, p, ROWS_PICK, ROWS_PICK + 1, err));
        TRY(run(e, p, err));
        for (int64_t i = 0; i < rows; i++) {
            TRY(e->be->read(e->dev, &e->buffers[SLOT_LOGITS], (size_t)i * size,
                            e->row, size, err));
            type_decode_f64(e->type, e->row, e->targets[at + i], V);
        }
    }
    return AR_OK;
}

/* ---- steps ---- */

/* How many of `room` rows a session takes. */
static int64_t share_of(const ar_session *s, int64_t room) {
    const int64_t left = s->end - s->n_ready;
    return left < room ? left : room;
}

/* Rows [0, n) are the next of the sessions of parts, in order. */
static ar_status fill_rows(ar_engine *e, const ar_engine_part *parts, int64_t n,
                           ar_error *err) {
    for (int64_t i = 0, row = 0; row < n; i++) {
        ar_session *s = parts[i].s;
        const int64_t m = share_of(s, n - row);
        TRY(session_reserve_windows(s, s->n_ready + m, err));
        if (m && e->recurrent)
            TRY(recurrent_restore(e, s->index, s->n_ready, err));
        for (int64_t k = 0; k < m; k++) set_row(e, row++, s, s->n_ready + k);
    }
    return AR_OK;
}

/* The rows have run: the states have seen them. */
static ar_status step_states(ar_engine *e, const ar_engine_part *parts,
                             int64_t n, ar_error *err) {
    for (int64_t i = 0, row = 0; e->recurrent && row < n; i++) {
        const ar_session *s = parts[i].s;
        const int64_t m = share_of(s, n - row);
        if (m) TRY(recurrent_stepped(e, s->index, s->n_ready + m, err));
        row += m;
    }
    return AR_OK;
}

/* The rows have run: where their logits go, and who has come how far. */
static int64_t pick_rows(ar_engine *e, const ar_engine_part *parts, int64_t n) {
    const int64_t V = e->m->config.n_vocab;
    int32_t *pick = e->rows + ROWS_PICK * e->opt.max_rows;
    int64_t n_picked = 0;
    for (int64_t i = 0, row = 0; row < n; i++) {
        ar_session *s = parts[i].s;
        const int64_t m = share_of(s, n - row);
        for (int64_t k = 0; k < m; k++, row++) {
            const int64_t at = s->n_ready + k;
            if (!s->logits || at < s->want) continue;
            pick[n_picked] = (int32_t)row;
            e->targets[n_picked++] = s->logits + (at - s->want) * V;
        }
        if (m) session_advanced(s, s->n_ready + m);
    }
    return n_picked;
}

ar_status step_run(ar_engine *e, const ar_engine_part *parts, int64_t n,
                   ar_error *err) {
    int64_t left = 0, rows;
    for (int64_t i = 0; i < n; i++) left += share_of(parts[i].s, INT64_MAX);
    if (left == 0) return AR_OK;
    const engine_program *p = engine_choose(e->body, e->n_body, left, &rows);
    TRY(fill_rows(e, parts, rows, err));
    ar_status st = run_body(e, p, rows, err);
    if (st == AR_OK) st = step_states(e, parts, rows, err);
    for (int64_t i = 0; st != AR_OK && e->recurrent && i < n; i++)
        recurrent_lost(e, parts[i].s->index, parts[i].s->n_ready);
    if (st != AR_OK) return st;
    return run_head(e, pick_rows(e, parts, rows), err);
}

int32_t session_mark(const ar_engine *e, int32_t token, int64_t length) {
    const model_config *c = &e->m->config;
    const bool is_long = c->rope_scaling == ROPE_SCALING_LONGROPE &&
                         length > c->rope_original_ctx;
    return is_long ? token | MARK_LONG : token;
}

/* Remember the new tokens behind the text, and take pages. */
static ar_status begin_part(const ar_engine_part *p, ar_error *err) {
    ar_session *s = p->s;
    s->end = s->length + p->n;
    s->want = p->want == AR_LOGITS_ALL ? s->length : s->end - 1;
    s->logits = p->want == AR_LOGITS_NONE ? NULL : p->logits;
    if (s->n_ready < s->length) TRY(session_find_prefix(s, s->length, err));
    TRY(session_reserve(s, s->end, err));
    const int64_t length = p->length > s->end ? p->length : s->end;
    for (int64_t i = 0; i < p->n; i++)
        s->marks[s->length + i] = session_mark(s->e, p->tokens[i], length);
    return AR_OK;
}

static bool is_done(const ar_engine_part *parts, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        if (parts[i].s->n_ready < parts[i].s->end) return false;
    return true;
}

static ar_status step(ar_engine *e, const ar_engine_part *parts, int64_t n,
                      ar_error *err) {
    for (int64_t i = 0; i < n; i++) TRY(begin_part(&parts[i], err));
    while (!is_done(parts, n)) TRY(step_run(e, parts, n, err));
    return AR_OK;
}

ar_status ar_engine_step(ar_engine *e, const ar_engine_part *parts, int64_t n,
                         ar_error *err) {
    e->n_steps++;
    for (int64_t i = 0; i < n; i++) TRY(check_part(e, &parts[i], i, err));
    const ar_status st = step(e, parts, n, err);
    for (int64_t i = 0; i < n; i++) {
        ar_session *s = parts[i].s;
        if (st == AR_OK) s->length = s->end;
        session_trim(s);
    }
    return st;
}

ar_status ar_session_feed(ar_session *s, const int32_t *tokens, int64_t n,
                          bool all, double *logits, ar_error *err) {
    const ar_engine_part part = {s, tokens, n,
                                 all ? AR_LOGITS_ALL : AR_LOGITS_LAST, logits};
    return ar_engine_step(s->e, &part, 1, err);
}
