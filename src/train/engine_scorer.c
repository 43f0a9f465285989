/* engine_scorer.c - log-probabilities of targets as an engine gives them. */
#include "train/engine_scorer.h"

#include <math.h>

#include "base/error.h"
#include "base/mem.h"

enum { PIECE = 32 }; /* tokens whose logits are there together */

struct engine_scorer {
    engine *e;
    session *session;
    int64_t rows, tokens, n_vocab;
    double *logits; /* [PIECE, V] */
};

ar_status engine_scorer_open(engine_scorer **out, const model *m,
                             engine_options o, int64_t rows, int64_t tokens,
                             ar_error *err) {
    *out = NULL;
    if (tokens > m->config.n_ctx)
        return error_set(err, AR_RANGE,
                         "%lld tokens are more than the model's context of "
                         "%lld",
                         (long long)tokens, (long long)m->config.n_ctx);
    engine_scorer *s = mem_new(engine_scorer, 1);
    if (!s) return error_set(err, AR_NOMEM, "out of memory to evaluate");
    s->rows = rows;
    s->tokens = tokens;
    s->n_vocab = m->config.n_vocab;
    s->logits = mem_new(double, PIECE * s->n_vocab);
    o.max_sessions = 1;
    o.max_tokens = tokens;
    ar_status st = s->logits
                       ? engine_open(&s->e, m, &o, err)
                       : error_set(err, AR_NOMEM, "out of memory to evaluate");
    if (st == AR_OK) st = session_open(&s->session, s->e, err);
    if (st == AR_OK)
        *out = s;
    else
        engine_scorer_close(s);
    return st;
}

void engine_scorer_close(engine_scorer *s) {
    if (!s) return;
    session_close(s->session);
    engine_close(s->e);
    mem_free(s->logits);
    mem_free(s);
}

static double log_of(const double *x, int64_t n, int32_t target) {
    double most = x[0], sum = 0;
    for (int64_t i = 1; i < n; i++)
        if (x[i] > most) most = x[i];
    for (int64_t i = 0; i < n; i++) sum += exp(x[i] - most);
    return x[target] - most - log(sum);
}

/* Tokens up to the last that has a target. */
static int64_t used(const int32_t *targets, int64_t n) {
    while (n > 0 && targets[n - 1] < 0) n--;
    return n;
}

static ar_status score_row(engine_scorer *s, const int32_t *inputs,
                           const int32_t *targets, double *logp,
                           ar_error *err) {
    const int64_t n = used(targets, s->tokens), V = s->n_vocab;
    session_rewind(s->session, 0);
    for (int64_t at = 0; at < n; at += PIECE) {
        const int64_t m = n - at < PIECE ? n - at : PIECE;
        const bool want = used(targets + at, m) > 0;
        const engine_part part = {.s = s->session,
                                  .tokens = inputs + at,
                                  .n = m,
                                  .want = want ? LOGITS_ALL : LOGITS_NONE,
                                  .logits = s->logits,
                                  .length = n};
        TRY(engine_step(s->e, &part, 1, err));
        for (int64_t i = 0; want && i < m; i++)
            if (targets[at + i] >= 0)
                logp[at + i] = log_of(s->logits + i * V, V, targets[at + i]);
    }
    return AR_OK;
}

ar_status engine_scorer_run(engine_scorer *s, const int32_t *inputs,
                            const int32_t *targets, double *logp,
                            ar_error *err) {
    const int64_t T = s->tokens;
    for (int64_t i = 0; i < s->rows * T; i++) {
        logp[i] = 0;
        if (targets[i] >= s->n_vocab)
            return error_set(err, AR_RANGE,
                             "token %d is outside of the vocabulary of %lld",
                             (int)targets[i], (long long)s->n_vocab);
    }
    for (int64_t b = 0; b < s->rows; b++)
        TRY(score_row(s, inputs + b * T, targets + b * T, logp + b * T, err));
    return AR_OK;
}
