/* score.c - how likely given tokens are. */
#include "infer/score.h"

#include <math.h>

#include "base/error.h"
#include "base/mem.h"
#include "infer/engine_state.h"

enum { LOGITS_SIZE = 32 << 20 }; /* bytes of logits at once, about */

struct scorer {
    ar_session *s;
    int64_t n_vocab, rows; /* positions at once */
    double *logits;        /* [rows, V] */
};

static ar_status open_all(scorer *s, ar_engine *e, ar_error *err) {
    s->n_vocab = e->m->config.n_vocab;
    s->rows = LOGITS_SIZE / (s->n_vocab * (int64_t)sizeof(double));
    if (s->rows < 1) s->rows = 1;
    if (s->rows > e->opt.max_rows) s->rows = e->opt.max_rows;
    s->logits = mem_new(double, s->rows * s->n_vocab);
    if (!s->logits) return error_set(err, AR_NOMEM, "no memory for logits");
    return ar_session_open(&s->s, e, err);
}

ar_status scorer_open(scorer **out, ar_engine *e, ar_error *err) {
    *out = NULL;
    scorer *s = mem_new(scorer, 1);
    if (!s) return error_set(err, AR_NOMEM, "no memory to score");
    const ar_status status = open_all(s, e, err);
    if (status == AR_OK)
        *out = s;
    else
        scorer_close(s);
    return status;
}

void scorer_close(scorer *s) {
    if (!s) return;
    ar_session_close(s->s);
    mem_free(s->logits);
    mem_free(s);
}

void scorer_rewind(scorer *s, int64_t n) { ar_session_rewind(s->s, n); }

double score_log_sum(const double *x, int64_t n) {
    double most = x[0], sum = 0;
    for (int64_t i = 1; i < n; i++) most = x[i] > most ? x[i] : most;
    for (int64_t i = 0; i < n; i++) sum += exp(x[i] - most);
    return most + log(sum);
}

static double log_p(const double *x, int64_t n, int32_t id) {
    return x[id] - score_log_sum(x, n);
}

/* At most s->rows tokens; those no one asks about need no logits. */
static ar_status feed(scorer *s, const int32_t *tokens, const int32_t *targets,
                      int64_t n, double *logp, ar_error *err) {
    bool wanted = false;
    for (int64_t i = 0; i < n; i++) wanted = wanted || targets[i] >= 0;
    TRY(ar_session_feed(s->s, tokens, n, true, wanted ? s->logits : NULL, err));
    for (int64_t i = 0; i < n; i++)
        logp[i] = targets[i] < 0 ? 0
                                 : log_p(s->logits + i * s->n_vocab, s->n_vocab,
                                         targets[i]);
    return AR_OK;
}

ar_status scorer_feed(scorer *s, const int32_t *tokens, const int32_t *targets,
                      int64_t n, double *logp, ar_error *err) {
    for (int64_t i = 0; i < n; i++)
        if (targets[i] >= s->n_vocab)
            return error_set(err, AR_RANGE,
                             "token %d is outside of the vocabulary of %lld",
                             (int)targets[i], (long long)s->n_vocab);
    for (int64_t at = 0; at < n; at += s->rows) {
        const int64_t some = n - at < s->rows ? n - at : s->rows;
        TRY(feed(s, tokens + at, targets + at, some, logp + at, err));
    }
    return AR_OK;
}
