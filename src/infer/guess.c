/* guess.c - tokens that may come next. */
#include "infer/guess.h"

#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "infer/engine_state.h"

enum { LONGEST = 4, SHORTEST = 2 };

int64_t guess_look_up(const int32_t *ids, int64_t n, int32_t *out,
                      int64_t most) {
    for (int64_t m = LONGEST; m >= SHORTEST; m--)
        for (int64_t at = n - m - 1; at >= 0; at--) {
            if (ids[at] != ids[n - m] ||
                memcmp(ids + at, ids + n - m, (size_t)m * sizeof *ids) != 0)
                continue;
            const int64_t left = n - (at + m);
            const int64_t k = left < most ? left : most;
            memcpy(out, ids + at + m, (size_t)k * sizeof *ids);
            return k;
        }
    return 0;
}

struct draft {
    ar_engine *e;
    ar_session *s;
    double *logits; /* [V] */
};

ar_status draft_open(draft **out, ar_engine *e, ar_error *err) {
    *out = NULL;
    draft *d = mem_new(draft, 1);
    if (!d) return error_set(err, AR_NOMEM, "no memory for a draft");
    d->e = e;
    d->logits = mem_new(double, e->m->config.n_vocab);
    ar_status s = d->logits ? ar_session_open(&d->s, e, err)
                            : error_set(err, AR_NOMEM, "no memory for a draft");
    if (s == AR_OK)
        *out = d;
    else
        draft_close(d);
    return s;
}

void draft_close(draft *d) {
    if (!d) return;
    ar_session_close(d->s);
    mem_free(d->logits);
    mem_free(d);
}

static int32_t likeliest(const double *logits, int64_t n) {
    int64_t best = 0;
    for (int64_t i = 1; i < n; i++)
        if (logits[i] > logits[best]) best = i;
    return (int32_t)best;
}

ar_status draft_guess(draft *d, const int32_t *ids, int64_t n, int32_t *out,
                      int64_t most, int64_t *n_out, ar_error *err) {
    *n_out = 0;
    if (most < 1 || n < 1 || n + most > d->e->m->config.n_ctx) return AR_OK;
    ar_status s = ar_session_sync(d->s, ids, n, NULL, d->logits, err);
    while (s == AR_OK) {
        out[*n_out] = likeliest(d->logits, d->e->m->config.n_vocab);
        if (++*n_out == most) break;
        s = ar_session_feed(d->s, out + *n_out - 1, 1, false, d->logits, err);
    }
    return s == AR_FULL ? AR_OK : s;
}
