/* generate.c - one token after the other, several computed at once. */
#include "infer/generate.h"

#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "infer/engine_state.h"
#include "infer/guess.h"
#include "infer/pace.h"

struct ar_generator {
    ar_session *s;
    ar_generate_options opt;
    draft *draft;
    int64_t n_vocab, n_ctx;
    int32_t *text; /* [n_ctx + 1] */
    int64_t n;     /* tokens of the text */
    /* The last step: row i has the logits behind text and guesses[0 .. i). */
    double *rows; /* [max_guesses + 1, V] */
    int32_t guesses[PACE_MOST];
    int64_t n_rows, row;  /* rows there are, the next to draw from */
    const double *logits; /* of the last draw */
    pace pace;
    double seconds; /* of the last step */
    ar_generate_stats stats;
};

ar_generate_options ar_generate_options_default(void) {
    return (ar_generate_options){.max_guesses = 8};
}

static ar_status check(const ar_generator *g, ar_error *err) {
    const ar_engine *d = g->opt.draft;
    if (g->opt.max_guesses < 0 || g->opt.max_guesses > PACE_MOST)
        return error_set(err, AR_RANGE, "%lld guesses a step, not 0 to %d",
                         (long long)g->opt.max_guesses, PACE_MOST);
    if (d && d->m->config.n_vocab != g->n_vocab)
        return error_set(err, AR_RANGE,
                         "the draft has a vocabulary of %lld tokens, the model "
                         "one of %lld",
                         (long long)d->m->config.n_vocab,
                         (long long)g->n_vocab);
    return AR_OK;
}

static ar_status open_all(ar_generator *g, ar_error *err) {
    TRY(check(g, err));
    g->text = mem_new(int32_t, g->n_ctx + 1);
    g->rows = mem_new(double, (g->opt.max_guesses + 1) * g->n_vocab);
    if (!g->text || !g->rows)
        return error_set(err, AR_NOMEM, "no memory for the text");
    return g->opt.draft ? draft_open(&g->draft, g->opt.draft, err) : AR_OK;
}

ar_status ar_generator_open(ar_generator **out, ar_session *s,
                            const ar_generate_options *o, ar_error *err) {
    *out = NULL;
    ar_generator *g = mem_new(ar_generator, 1);
    if (!g) return error_set(err, AR_NOMEM, "no memory for the text");
    g->s = s;
    g->opt = o ? *o : ar_generate_options_default();
    g->n_vocab = s->e->m->config.n_vocab;
    g->n_ctx = s->e->m->config.n_ctx;
    /* A state cannot go back but by running again what came before. */
    if (s->e->recurrent) g->opt.max_guesses = 0;
    const ar_status status = open_all(g, err);
    if (status == AR_OK)
        *out = g;
    else
        ar_generator_close(g);
    return status;
}

/* Forget what was computed behind the text but its last token. */
static void drop_guesses(ar_generator *g) {
    if (g->n > 0 && ar_session_length(g->s) > g->n - 1)
        ar_session_rewind(g->s, g->n - 1);
    g->row = g->n_rows = 0;
}

void ar_generator_close(ar_generator *g) {
    if (!g) return;
    drop_guesses(g);
    draft_close(g->draft);
    mem_free(g->text);
    mem_free(g->rows);
    mem_free(g);
}

ar_status ar_generator_begin(ar_generator *g, const int32_t *ids, int64_t n,
                             const ar_sync_options *o, ar_error *err) {
    if (n < 1 || n > g->n_ctx)
        return error_set(err, AR_RANGE,
                         "a text of %lld tokens, where the context is %lld",
                         (long long)n, (long long)g->n_ctx);
    g->n = g->row = g->n_rows = 0;
    TRY(ar_session_sync(g->s, ids, n, o, g->rows, err));
    memcpy(g->text, ids, (size_t)n * sizeof *ids);
    g->n = n;
    g->n_rows = 1;
    return AR_OK;
}

/* Guesses for the next step into g->guesses; how many. */
static ar_status guess(ar_generator *g, int64_t *n, ar_error *err) {
    int64_t most = g->opt.max_guesses;
    *n = 0;
    if (most > g->n_ctx - g->n) most = g->n_ctx - g->n;
    if (!g->opt.always) most = pace_choose(&g->pace, (int)most);
    if (most < 1) return AR_OK;
    if (g->draft)
        return draft_guess(g->draft, g->text, g->n, g->guesses, most, n, err);
    *n = guess_look_up(g->text, g->n, g->guesses, most);
    return AR_OK;
}

/* The last token of the text and some guesses behind it. */
static ar_status run_step(ar_generator *g, ar_error *err) {
    int32_t ids[PACE_MOST + 1];
    int64_t n;
    const double start = clock_now();
    TRY(guess(g, &n, err));
    ids[0] = g->text[g->n - 1];
    memcpy(ids + 1, g->guesses, (size_t)n * sizeof *ids);
    ar_status s = ar_session_feed(g->s, ids, n + 1, true, g->rows, err);
    if (s == AR_FULL && n > 0) { /* guesses are the first to go */
        n = 0;
        s = ar_session_feed(g->s, ids, 1, true, g->rows, err);
    }
    if (s != AR_OK) return s;
    g->seconds = clock_now() - start;
    g->row = 0;
    g->n_rows = n + 1;
    g->stats.steps++;
    g->stats.guessed += n;
    if (n == 0) pace_note(&g->pace, 0, 0, g->seconds);
    return AR_OK;
}

/* A token was drawn from row g->row: go on to the next if it was guessed. */
static void take(ar_generator *g, int32_t id) {
    const int64_t n = g->n_rows - 1;
    const bool right = g->row < n && g->guesses[g->row] == id;
    g->text[g->n++] = id;
    g->stats.tokens++;
    g->stats.right += right;
    g->row++;
    if (right) return;
    if (n > 0) pace_note(&g->pace, (int)n, (int)(g->row - 1), g->seconds);
    drop_guesses(g);
}

ar_status ar_generator_next(ar_generator *g, ar_sampler *from, int32_t *id,
                            ar_error *err) {
    if (g->n > g->n_ctx || g->n < 1)
        return error_set(err, AR_RANGE, "the context of %lld tokens is full",
                         (long long)g->n_ctx);
    if (g->row >= g->n_rows) TRY(run_step(g, err));
    const double *logits = g->rows + g->row * g->n_vocab;
    const ar_sample_input in = {logits, g->text, g->n, g->n};
    TRY(ar_sampler_next(from, &in, id, err));
    g->logits = logits;
    take(g, *id);
    return AR_OK;
}

const double *ar_generator_logits(const ar_generator *g) { return g->logits; }

const int32_t *ar_generator_text(const ar_generator *g, int64_t *n) {
    *n = g->n;
    return g->text;
}

ar_generate_stats ar_generator_stats(const ar_generator *g) { return g->stats; }
