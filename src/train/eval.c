/* eval.c - windows over a text and what they add up to. */
#include "train/eval.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "train/engine_scorer.h"
#include "train/scorer.h"

double eval_loss(const eval_result *r) { return r->nats / (double)r->n_tokens; }

double eval_perplexity(const eval_result *r) { return exp(eval_loss(r)); }

double eval_bits_per_byte(const eval_result *r) {
    if (r->n_bytes <= 0) return NAN;
    return r->nats / (M_LN2 * (double)r->n_bytes);
}

/* Windows that cover targets 1 .. n_ids - 1. */
static int64_t count_windows(const eval_windows *w, int64_t stride) {
    const int64_t rest = w->n_ids - 1 - w->tokens;
    return rest <= 0 ? 1 : 1 + (rest + stride - 1) / stride;
}

/* Row of window k: its start, and the first target that counts. */
static void fill_row(const eval_windows *w, int64_t k, int64_t stride,
                     int32_t *inputs, int32_t *targets) {
    const int64_t start = k * stride;
    const int64_t skip = k == 0 ? 0 : w->tokens - stride;
    for (int64_t i = 0; i < w->tokens; i++) {
        const int64_t at = start + i;
        inputs[i] = at < w->n_ids ? w->ids[at] : 0;
        targets[i] = i >= skip && at + 1 < w->n_ids ? w->ids[at + 1] : -1;
    }
}

static void empty_row(const eval_windows *w, int32_t *inputs,
                      int32_t *targets) {
    for (int64_t i = 0; i < w->tokens; i++) {
        inputs[i] = 0;
        targets[i] = -1;
    }
}

static void add_up(const eval_windows *w, const int32_t *targets,
                   const double *logp, eval_result *out) {
    for (int64_t i = 0; i < w->rows * w->tokens; i++) {
        if (targets[i] < 0) continue;
        out->nats -= logp[i];
        out->n_tokens++;
        if (w->tok) out->n_bytes += ar_tokenizer_bytes_of(w->tok, targets[i]);
    }
}

typedef struct eval_rows {
    int32_t *inputs, *targets;
    double *logp;
} eval_rows;

static ar_status run_windows(const eval_windows *w, const eval_rows *rows,
                             eval_result *out, ar_error *err) {
    const bool some = w->max_windows > 0;
    const int64_t stride = w->stride && !some ? w->stride : w->tokens;
    const int64_t all = count_windows(w, stride);
    const int64_t n = some && w->max_windows < all ? w->max_windows : all;
    memset(out, 0, sizeof *out);
    for (int64_t at = 0; at < n; at += w->rows) {
        for (int64_t b = 0; b < w->rows; b++) {
            int32_t *x = rows->inputs + b * w->tokens;
            int32_t *y = rows->targets + b * w->tokens;
            if (at + b < n)
                fill_row(w, (at + b) * all / n, stride, x, y);
            else
                empty_row(w, x, y);
        }
        TRY(w->score(w->ctx, rows->inputs, rows->targets, rows->logp, err));
        add_up(w, rows->targets, rows->logp, out);
        if (w->progress)
            w->progress(w->ctx, (double)(at + w->rows < n ? at + w->rows : n) /
                                    (double)n);
    }
    return AR_OK;
}

ar_status eval_windows_run(const eval_windows *w, eval_result *out,
                           ar_error *err) {
    if (w->n_ids < 2)
        return error_set(err, AR_RANGE,
                         "a text of %" PRId64 " tokens is too short to "
                         "evaluate on",
                         w->n_ids);
    if (w->stride < 0 || w->stride > w->tokens)
        return error_set(err, AR_RANGE,
                         "a stride of %" PRId64 " is not between 1 and the "
                         "%" PRId64 " tokens of a window",
                         w->stride, w->tokens);
    const int64_t n = w->rows * w->tokens;
    const eval_rows rows = {mem_new(int32_t, n), mem_new(int32_t, n),
                            mem_new(double, n)};
    ar_status status = AR_OK;
    if (!rows.inputs || !rows.targets || !rows.logp)
        status = error_set(err, AR_NOMEM, "out of memory to evaluate");
    if (status == AR_OK) status = run_windows(w, &rows, out, err);
    mem_free(rows.inputs);
    mem_free(rows.targets);
    mem_free(rows.logp);
    return status;
}

/* ---- a text under a model ---- */

eval_options eval_options_default(void) {
    return (eval_options){.device = "cpu"};
}

typedef struct text_eval {
    scorer *s;
    engine_scorer *engine; /* in its place */
    const eval_options *opt;
} text_eval;

static ar_status score_text(void *ctx, const int32_t *inputs,
                            const int32_t *targets, double *logp,
                            ar_error *err) {
    const text_eval *t = ctx;
    return t->engine ? engine_scorer_run(t->engine, inputs, targets, logp, err)
                     : scorer_run(t->s, inputs, targets, logp, err);
}

static ar_status open_scorer(text_eval *t, const model *m,
                             const eval_windows *w, ar_error *err) {
    const eval_options *opt = t->opt;
    const device_options how = {.n_threads = opt->n_threads,
                                .kernels = opt->kernels};
    if (!opt->k_type && !opt->v_type)
        return scorer_open(&t->s, m, opt->device, &how, w->rows, w->tokens,
                           err);
    engine_options o = engine_options_default();
    o.device = opt->device;
    o.n_threads = opt->n_threads;
    o.kernels = opt->kernels;
    o.k_type = opt->k_type;
    o.v_type = opt->v_type;
    return engine_scorer_open(&t->engine, m, o, w->rows, w->tokens, err);
}

static void text_progress(void *ctx, double done) {
    const eval_options *opt = ((text_eval *)ctx)->opt;
    if (opt->progress) opt->progress(opt->ctx, done);
}

/* bos + ids of the text; free with mem_free. */
static ar_status encode_text(const ar_tokenizer *tok, const char *text,
                             size_t n, int32_t **out, int64_t *n_out,
                             ar_error *err) {
    const int32_t bos = ar_tokenizer_bos(tok);
    size_t count = 0;
    *out = NULL;
    TRY(ar_tokenizer_encode(tok, text, n, 0, NULL, 0, &count, err));
    int32_t *ids = mem_new(int32_t, count + 1);
    if (!ids) return error_set(err, AR_NOMEM, "out of memory for the text");
    const size_t first = bos >= 0;
    if (first) ids[0] = bos;
    const ar_status status =
        ar_tokenizer_encode(tok, text, n, 0, ids + first, count, &count, err);
    if (status != AR_OK) {
        mem_free(ids);
        return status;
    }
    *out = ids;
    *n_out = (int64_t)(count + first);
    return AR_OK;
}

ar_status eval_text(const model *m, const ar_tokenizer *tok, const char *text,
                    size_t n, const eval_options *opt, eval_result *out,
                    ar_error *err) {
    const eval_options defaults = eval_options_default();
    if (!opt) opt = &defaults;
    if (ar_tokenizer_vocab(tok) > m->config.n_vocab)
        return error_set(err, AR_RANGE,
                         "the tokenizer has %d entries, the model %" PRId64,
                         (int)ar_tokenizer_vocab(tok), m->config.n_vocab);
    eval_windows w = {.tok = tok,
                      .stride = opt->stride,
                      .score = score_text,
                      .progress = text_progress};
    w.tokens = opt->tokens;
    if (!w.tokens) w.tokens = m->config.n_ctx < 1024 ? m->config.n_ctx : 1024;
    w.rows = opt->rows;
    if (!w.rows) w.rows = w.tokens < 4096 ? 4096 / w.tokens : 1;
    int32_t *ids;
    TRY(encode_text(tok, text, n, &ids, &w.n_ids, err));
    w.ids = ids;
    text_eval ctx = {.opt = opt};
    w.ctx = &ctx;
    ar_status status = open_scorer(&ctx, m, &w, err);
    if (status == AR_OK) status = eval_windows_run(&w, out, err);
    scorer_close(ctx.s);
    engine_scorer_close(ctx.engine);
    mem_free(ids);
    return status;
}
