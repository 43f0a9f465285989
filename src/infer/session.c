/* session.c - texts: opening, forking, cutting, and making them the wanted
 * one. */
#include <string.h>

#include "base/error.h"
#include "infer/engine_state.h"

ar_status ar_session_open(ar_session **out, ar_engine *e, ar_error *err) {
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

void ar_session_close(ar_session *s) {
    if (!s) return;
    ar_session_rewind(s, 0);
    s->open = false;
}

ar_status ar_session_fork(ar_session **out, const ar_session *s,
                          ar_error *err) {
    ar_session *copy;
    *out = NULL;
    TRY(ar_session_open(&copy, s->e, err));
    const ar_status st = session_share(copy, s, err);
    if (st == AR_OK)
        *out = copy;
    else
        ar_session_close(copy);
    return st;
}

void ar_session_rewind(ar_session *s, int64_t n) {
    if (n < 0) n = 0;
    if (n >= s->length) return;
    s->length = n;
    session_trim(s);
}

int64_t ar_session_length(const ar_session *s) { return s->length; }

void ar_session_tokens(const ar_session *s, int64_t first, int64_t n,
                       int32_t *out) {
    for (int64_t i = 0; i < n; i++) out[i] = mark_token(s->marks[first + i]);
}

/* ---- sync ---- */

static ar_status check_text(const ar_session *s, const int32_t *tokens,
                            int64_t n, ar_error *err) {
    const ar_engine *e = s->e;
    const int64_t room = e->cache.pages_per_session * e->cache.page;
    TRY(check_tokens(e, tokens, n, err));
    if (n > e->m->config.n_ctx)
        return error_set(err, AR_RANGE,
                         "a text of %lld tokens is longer than the model's "
                         "context of %lld",
                         (long long)n, (long long)e->m->config.n_ctx);
    if (n <= room) return AR_OK;
    return error_set(err, AR_FULL,
                     "a text of %lld tokens is longer than the cache's %lld",
                     (long long)n, (long long)room);
}

/* The longest beginning of the first `most` tokens that needs no computing;
 * the marks of all n are set. */
static ar_status reuse(ar_session *s, const int32_t *tokens, int64_t n,
                       int64_t most, ar_error *err) {
    int64_t same = 0;
    while (same < s->length && same < most &&
           s->marks[same] == session_mark(s->e, tokens[same], n))
        same++;
    ar_session_rewind(s, same);
    for (int64_t i = 0; i < n; i++)
        s->marks[i] = session_mark(s->e, tokens[i], n);
    const ar_status st = session_find_prefix(s, most, err);
    s->length = s->n_kept;
    return st;
}

ar_status ar_session_reuse(ar_session *s, const int32_t *tokens, int64_t n,
                           ar_error *err) {
    TRY(check_text(s, tokens, n, err));
    return reuse(s, tokens, n, n, err);
}

static bool is_cancelled(const ar_session *s, int64_t n,
                         const ar_sync_options *o) {
    if (!o) return false;
    if (o->cancel && *o->cancel) return true;
    return o->progress && o->progress(o->ctx, s->length, n);
}

ar_status ar_session_sync(ar_session *s, const int32_t *tokens, int64_t n,
                          const ar_sync_options *opt, double *logits,
                          ar_error *err) {
    TRY(check_text(s, tokens, n, err));
    TRY(reuse(s, tokens, n, logits && n ? n - 1 : n, err));
    s->end = n;
    s->want = n - 1;
    s->logits = logits;
    const ar_engine_part part = {.s = s};
    ar_status st = session_reserve(s, n, err);
    bool stop = st == AR_OK && is_cancelled(s, n, opt);
    while (st == AR_OK && !stop && s->n_ready < n) {
        st = step_run(s->e, &part, 1, err);
        if (st == AR_OK) s->length = s->n_kept;
        stop = st == AR_OK && is_cancelled(s, n, opt);
    }
    session_trim(s);
    if (!stop || s->length == n) return st;
    return error_set(err, AR_CANCELLED, "stopped after %lld of %lld tokens",
                     (long long)s->length, (long long)n);
}
