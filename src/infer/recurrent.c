/* recurrent.c - the states of sessions and their snapshots. */
#include "infer/recurrent.h"

#include <math.h>

#include "base/error.h"
#include "base/mem.h"

enum { NOWHERE = -1 };

struct recurrent {
    int64_t *place; /* [max_sessions]: tokens that the state has seen */
    int64_t *kept;  /* [max_sessions, snapshots]: and those of the copies */
};

int64_t recurrent_rows(const ar_engine *e) {
    return e->opt.max_sessions * (1 + e->opt.snapshots);
}

ar_status recurrent_open(ar_engine *e, ar_error *err) {
    bool any = false;
    for (int64_t l = 0; l < e->m->config.n_layers; l++)
        any |= e->scan_pool[l].shape.rank > 0;
    if (!any) return AR_OK;
    const int64_t S = e->opt.max_sessions, n = S * e->opt.snapshots;
    struct recurrent *r = e->recurrent = mem_new(struct recurrent, 1);
    if (r) r->place = mem_new(int64_t, S);
    if (r) r->kept = mem_new(int64_t, n);
    if (!r || !r->place || !r->kept)
        return error_set(err, AR_NOMEM, "no memory for %lld snapshots",
                         (long long)n);
    for (int64_t i = 0; i < n; i++) r->kept[i] = NOWHERE;
    return AR_OK;
}

void recurrent_close(ar_engine *e) {
    if (!e->recurrent) return;
    mem_free(e->recurrent->place);
    mem_free(e->recurrent->kept);
    mem_free(e->recurrent);
}

static int64_t *kept_of(const ar_engine *e, int32_t i) {
    return e->recurrent->kept + i * e->opt.snapshots;
}

void recurrent_rewind(ar_engine *e, int32_t i, int64_t n) {
    int64_t *kept = kept_of(e, i);
    for (int64_t k = 0; k < e->opt.snapshots; k++)
        if (kept[k] > n) kept[k] = NOWHERE;
    if (e->recurrent->place[i] > n) e->recurrent->place[i] = NOWHERE;
}

int64_t recurrent_ready(const ar_engine *e, int32_t i, int64_t length) {
    const int64_t *kept = kept_of(e, i), now = e->recurrent->place[i];
    int64_t best = now <= length && now > 0 ? now : 0;
    for (int64_t k = 0; k < e->opt.snapshots; k++)
        if (kept[k] <= length && kept[k] > best) best = kept[k];
    return best;
}

static ar_status copy_row(const ar_engine *e, const pool_place *p, int64_t to,
                          int64_t from, ar_error *err) {
    buffer *b = &e->buffers[SLOT_CACHE];
    const size_t row =
        ar_type_size(e->type, shape_count(&p->shape) / p->shape.dim[0]);
    const size_t first = (size_t)p->offset;
    return e->be->copy(e->dev, b, first + (size_t)to * row, b,
                       first + (size_t)from * row, row, err);
}

/* Row `from` of every pool to row `to`. */
static ar_status copy_state(const ar_engine *e, int64_t to, int64_t from,
                            ar_error *err) {
    for (int64_t l = 0; l < e->m->config.n_layers; l++) {
        if (!e->scan_pool[l].shape.rank) continue;
        TRY(copy_row(e, &e->conv_pool[l], to, from, err));
        TRY(copy_row(e, &e->scan_pool[l], to, from, err));
    }
    return AR_OK;
}

static int64_t row_of(const ar_engine *e, int32_t i, int64_t k) {
    return e->opt.max_sessions + i * e->opt.snapshots + k;
}

/* At place 0 the first token starts a state anew. */
ar_status recurrent_restore(ar_engine *e, int32_t i, int64_t position,
                            ar_error *err) {
    int64_t *now = &e->recurrent->place[i];
    if (*now == position) return AR_OK;
    *now = NOWHERE;
    const int64_t *kept = kept_of(e, i);
    for (int64_t k = 0; position > 0 && k < e->opt.snapshots; k++)
        if (kept[k] == position) {
            TRY(copy_state(e, i, row_of(e, i, k), err));
            break;
        }
    *now = position;
    return AR_OK;
}

/* How much is lost without snapshot k: the gap it leaves, for its distance from
 * the end. */
static double worth(const ar_engine *e, const int64_t *kept, int64_t k,
                    int64_t end) {
    int64_t before = 0, after = end;
    for (int64_t j = 0; j < e->opt.snapshots; j++) {
        if (kept[j] < kept[k] && kept[j] > before) before = kept[j];
        if (kept[j] > kept[k] && kept[j] < after) after = kept[j];
    }
    return (double)(after - before) / (double)(end - before);
}

/* A free snapshot, or the one that is worth least. */
static int64_t choose(const ar_engine *e, const int64_t *kept, int64_t end) {
    int64_t best = 0;
    double least = INFINITY;
    for (int64_t k = 0; k < e->opt.snapshots; k++) {
        if (kept[k] == NOWHERE) return k;
        const double w = worth(e, kept, k, end);
        if (w < least) least = w, best = k;
    }
    return best;
}

ar_status recurrent_stepped(ar_engine *e, int32_t i, int64_t position,
                            ar_error *err) {
    int64_t *kept = kept_of(e, i), last = 0;
    e->recurrent->place[i] = position;
    for (int64_t k = 0; k < e->opt.snapshots; k++)
        if (kept[k] > last) last = kept[k];
    if (position - last < SNAPSHOT_TOKENS) return AR_OK;
    const int64_t k = choose(e, kept, position);
    kept[k] = NOWHERE;
    TRY(copy_state(e, row_of(e, i, k), i, err));
    kept[k] = position;
    return AR_OK;
}

ar_status recurrent_fork(ar_engine *e, int32_t i, int32_t from, ar_error *err) {
    int64_t *place_of = e->recurrent->place;
    place_of[i] = NOWHERE;
    if (place_of[from] <= 0) return AR_OK;
    TRY(copy_state(e, i, from, err));
    place_of[i] = place_of[from];
    return AR_OK;
}

void recurrent_lost(ar_engine *e, int32_t i, int64_t n) {
    recurrent_rewind(e, i, n);
    e->recurrent->place[i] = NOWHERE;
}
