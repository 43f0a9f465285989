/* eval.c - windows over a text and what they add up to. */
#include "train/eval.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "infer/infer.h"

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
    return (eval_options){.engine = ar_engine_options_default()};
}

typedef struct text_eval {
    scorer *s;
    const eval_options *opt;
    int64_t tokens; /* T */
} text_eval;

/* One window, a text of its own. */
static ar_status score_text(void *ctx, const int32_t *inputs,
                            const int32_t *targets, double *logp,
                            ar_error *err) {
    const text_eval *e = ctx;
    int64_t n = e->tokens; /* what comes last may not be wanted */
    while (n > 0 && targets[n - 1] < 0) logp[--n] = 0;
    scorer_rewind(e->s, 0);
    return scorer_feed(e->s, inputs, targets, n, logp, err);
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

static ar_status check_text(const ar_model *m, const ar_tokenizer *tok,
                            int64_t tokens, ar_error *err) {
    if (ar_tokenizer_vocab(tok) > m->config.n_vocab)
        return error_set(err, AR_RANGE,
                         "the tokenizer has %d entries, the model %" PRId64,
                         (int)ar_tokenizer_vocab(tok), m->config.n_vocab);
    if (tokens < 1 || tokens > m->config.n_ctx)
        return error_set(err, AR_RANGE,
                         "windows of %" PRId64 " tokens, where the model's "
                         "context is %" PRId64,
                         tokens, m->config.n_ctx);
    return AR_OK;
}

static ar_status open_engine(ar_engine **out, const ar_model *m,
                             ar_engine_options o, int64_t tokens,
                             ar_error *err) {
    o.max_tokens = tokens;
    o.max_sessions = 1;
    return ar_engine_open(out, m, &o, err);
}

ar_status eval_text(const ar_model *m, const ar_tokenizer *tok,
                    const char *text, size_t n, const eval_options *opt,
                    eval_result *out, ar_error *err) {
    const eval_options defaults = eval_options_default();
    if (!opt) opt = &defaults;
    eval_windows w = {.tok = tok,
                      .rows = 1,
                      .tokens = opt->tokens,
                      .stride = opt->stride,
                      .score = score_text,
                      .progress = text_progress};
    if (!w.tokens) w.tokens = m->config.n_ctx < 1024 ? m->config.n_ctx : 1024;
    TRY(check_text(m, tok, w.tokens, err));
    int32_t *ids;
    TRY(encode_text(tok, text, n, &ids, &w.n_ids, err));
    w.ids = ids;
    text_eval ctx = {.opt = opt, .tokens = w.tokens};
    w.ctx = &ctx;
    ar_engine *e = NULL;
    ar_status s = open_engine(&e, m, opt->engine, w.tokens, err);
    if (s == AR_OK) s = scorer_open(&ctx.s, e, err);
    if (s == AR_OK) s = eval_windows_run(&w, out, err);
    scorer_close(ctx.s);
    ar_engine_close(e);
    mem_free(ids);
    return s;
}
