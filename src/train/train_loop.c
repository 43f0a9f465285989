/* train_loop.c - steps until the budget is used up. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/text.h"
#include "train/train_int.h"

/* Weight of the newest step in moving means: about ten steps count. */
static const double newest = 0.1;

double run_progress(const train_run_state *r) {
    if (r->replay) return r->step < r->n_replay ? r->replay[r->step] : 1;
    const double used[] = {
        [BUDGET_STEPS] = (double)r->step,
        [BUDGET_TOKENS] = (double)r->tokens,
        [BUDGET_FLOPS] = (double)r->tokens * r->flops_per_token,
        [BUDGET_SECONDS] = r->seconds,
    };
    const double p = used[r->budget.unit] / r->budget.amount;
    return p < 1 ? p : 1;
}

static bool is_finished(const train_run_state *r) {
    return r->replay ? r->step >= r->n_replay : run_progress(r) >= 1;
}

/* ---- the log ---- */

static void add_number(text *t, const char *key, double x) {
    if (isfinite(x))
        text_addf(t, ",\"%s\":%.17g", key, x);
    else
        text_addf(t, ",\"%s\":null", key);
}

static ar_status add_line(train_run_state *r, text *t, ar_error *err) {
    text_adds(t, "}\n");
    ar_status status = text_status(t, err);
    if (status == AR_OK) status = run_log_add(r->log, t->data, t->size, err);
    if (status == AR_OK && r->log_copy)
        status = run_log_add(r->log_copy, t->data, t->size, err);
    text_close(t);
    return status;
}

static ar_status log_step(train_run_state *r, const run_clock *clock,
                          const trainer_result *x, ar_error *err) {
    double lr[MAX_GROUPS];
    const int n = trainer_groups(r->t)->n;
    trainer_rates(r->t, clock, lr);
    text t = {0};
    text_addf(&t, "{\"step\":%" PRId64, clock->step);
    add_number(&t, "loss", x->loss);
    add_number(&t, "grad_norm", x->grad_norm);
    text_adds(&t, ",\"lr\":");
    for (int i = 0; i < n; i++) text_addf(&t, "%s%.17g", i ? "," : "[", lr[i]);
    text_adds(&t, "]");
    add_number(&t, "progress", clock->progress);
    text_addf(&t, ",\"tokens\":%" PRId64, r->tokens);
    add_number(&t, "seconds", r->seconds);
    if (x->loss_scale != 1) add_number(&t, "loss_scale", x->loss_scale);
    if (x->skipped) text_adds(&t, ",\"skipped\":true");
    return add_line(r, &t, err);
}

static ar_status log_eval(train_run_state *r, const train_eval *e,
                          ar_error *err) {
    text t = {0};
    text_addf(&t, "{\"step\":%" PRId64, e->step);
    add_number(&t, "val_loss", e->loss);
    add_number(&t, "val_bits_per_byte", e->bits_per_byte);
    if (r->s.ema > 0) add_number(&t, "val_loss_ema", e->ema_loss);
    if (e->whole) text_adds(&t, ",\"whole\":true");
    return add_line(r, &t, err);
}

/* ---- evaluation ---- */

typedef struct val_score {
    const train_run_state *r;
    bool ema, whole;
} val_score;

static ar_status score_val(void *ctx, const int32_t *inputs,
                           const int32_t *targets, double *logp,
                           ar_error *err) {
    const val_score *v = ctx;
    const train_run_state *r = v->r;
    /* The last one is long, and all steps are saved before it. */
    if (v->whole && r->call.stop && r->call.stop(r->call.ctx))
        return error_set(err, AR_CANCELLED,
                         "stopped in the evaluation after the last step, "
                         "%" PRId64 "; the work is saved in %s",
                         r->step, r->run);
    return trainer_score(r->t, inputs, targets, v->ema, logp, err);
}

static ar_status run_eval(train_run_state *r, bool whole, eval_result *out,
                          ar_error *err) {
    if (!r->n_val) return AR_OK;
    val_score v = {r, false, whole};
    eval_windows w = {
        .ids = r->val,
        .n_ids = r->n_val,
        .tok = r->corpus.tok,
        .rows = r->s.rows,
        .tokens = r->s.seq,
        .stride = whole && r->s.eval_stride < r->s.seq ? r->s.eval_stride : 0,
        .max_windows = whole ? 0 : r->s.eval_batches * r->s.rows,
        .score = score_val,
        .ctx = &v,
    };
    TRY(eval_windows_run(&w, out, err));
    train_eval e = {r->step, eval_loss(out), eval_bits_per_byte(out), NAN,
                    whole};
    if (r->s.ema > 0) {
        eval_result averaged;
        v.ema = true;
        TRY(eval_windows_run(&w, &averaged, err));
        e.ema_loss = eval_loss(&averaged);
    }
    TRY(log_eval(r, &e, err));
    if (r->call.eval) r->call.eval(r->call.ctx, &e);
    return AR_OK;
}

/* ---- one step ---- */

static ar_status next_batches(train_run_state *r, ar_error *err) {
    const int64_t n = r->s.rows * r->s.seq;
    for (int64_t i = 0; i < r->s.accumulate; i++)
        TRY(loader_next(r->loader, r->inputs + i * n, r->targets + i * n, err));
    return AR_OK;
}

/* Means start at zero; ratios of them are right from the first step on. */
static void move_mean(double *mean, double x) { *mean += newest * (x - *mean); }

static void count_step(train_run_state *r, const trainer_result *x) {
    const int64_t n = r->s.accumulate * r->s.rows * r->s.seq;
    int64_t bytes = 0;
    if (r->corpus.tok)
        for (int64_t i = 0; i < n; i++)
            if (r->targets[i] >= 0)
                bytes += ar_tokenizer_bytes_of(r->corpus.tok, r->targets[i]);
    r->tokens += n;
    if (!isfinite(x->nats)) return;
    move_mean(&r->mean_nats, x->nats);
    move_mean(&r->mean_tokens, (double)x->n_targets);
    move_mean(&r->mean_bytes, (double)bytes);
}

static double smoothed_loss(const train_run_state *r) {
    return r->mean_tokens > 0 ? r->mean_nats / r->mean_tokens : NAN;
}

static double seconds_left(const train_run_state *r, double progress) {
    if (r->budget.unit == BUDGET_SECONDS && !r->replay)
        return fmax(0, r->budget.amount - r->seconds);
    const double done = progress - r->start_progress;
    if (done <= 0) return NAN;
    return (1 - progress) / done * (r->seconds - r->start_seconds);
}

static void report_step(train_run_state *r, const run_clock *clock,
                        const trainer_result *x) {
    if (!r->call.step) return;
    const double progress = run_progress(r);
    const schedule s = {(enum schedule_shape)r->s.shape, r->s.warmup,
                        r->s.final, r->s.warmdown};
    const train_progress p = {
        .step = r->step,
        .progress = progress,
        .loss = x->loss,
        .smoothed = smoothed_loss(r),
        .bits_per_byte =
            r->mean_bytes > 0 ? r->mean_nats / (M_LN2 * r->mean_bytes) : NAN,
        .grad_norm = x->grad_norm,
        .rate = schedule_rate(&s, clock),
        .tokens = r->tokens,
        .tokens_per_second = (double)(r->s.accumulate * r->s.rows * r->s.seq) *
                             r->mean_steps / r->mean_seconds,
        .seconds = r->seconds,
        .seconds_left = seconds_left(r, progress),
    };
    r->call.step(r->call.ctx, &p);
}

static ar_status one_step(train_run_state *r, ar_error *err) {
    const double start = clock_now();
    trainer_result x;
    if (r->step == r->s.warmup) r->warm_progress = run_progress(r);
    const run_clock clock = {r->step, run_progress(r), r->warm_progress};
    memset(&r->final, 0, sizeof r->final);
    TRY(next_batches(r, err));
    TRY(trainer_step(r->t, r->inputs, r->targets, &clock, &x, err));
    const double time = clock_now() - start;
    move_mean(&r->mean_seconds, time);
    move_mean(&r->mean_steps, 1);
    count_step(r, &x);
    r->seconds += time;
    r->step++;
    TRY(log_step(r, &clock, &x, err));
    report_step(r, &clock, &x);
    return AR_OK;
}

static bool is_due(int64_t every, int64_t step) {
    return every > 0 && step % every == 0;
}

/* The last evaluation may take long: the steps are saved before it, and once
 * more, with what it found, after it. */
static ar_status finish(train_run_state *r, ar_error *err) {
    TRY(run_save(r, err));
    if (!r->n_val) return AR_OK;
    eval_result whole;
    TRY(run_eval(r, true, &whole, err));
    r->final = whole;
    r->saved_step = -1;
    return run_save(r, err);
}

static ar_status all_steps(train_run_state *r, ar_error *err) {
    eval_result ignored;
    while (!is_finished(r)) {
        TRY(one_step(r, err));
        if (r->call.stop && r->call.stop(r->call.ctx)) {
            TRY(run_save(r, err));
            return error_set(err, AR_CANCELLED,
                             "stopped after step %" PRId64
                             "; the work is saved in %s",
                             r->step, r->run);
        }
        if (is_finished(r)) break;
        if (is_due(r->s.eval_every, r->step))
            TRY(run_eval(r, false, &ignored, err));
        if (is_due(r->s.checkpoint_every, r->step)) TRY(run_save(r, err));
    }
    return finish(r, err);
}

/* ---- the whole ---- */

static void fill_result(const train_run_state *r, train_result *out) {
    out->steps = r->step;
    out->tokens = r->tokens;
    out->n_params = trainer_params(r->t)->count;
    out->seconds = r->seconds;
    out->loss = smoothed_loss(r);
    out->has_val = r->final.n_tokens > 0;
    out->val = r->final;
}

ar_status train_run(const settings *s, const char *run, enum train_mode mode,
                    const train_callbacks *callbacks, train_result *out,
                    ar_error *err) {
    train_run_state r;
    memset(out, 0, sizeof *out);
    ar_status status = run_open(&r, s, run, mode, callbacks, err);
    if (status == AR_OK) {
        out->already_done = is_finished(&r) && r.saved_step == r.step &&
                            (r.final.n_tokens > 0 || !r.n_val);
        if (!out->already_done) status = all_steps(&r, err);
        fill_result(&r, out);
        ar_error plot_err = {0};
        if (r.step && plot_run(run, NULL, &plot_err) != AR_OK)
            run_note(&r, plot_err.message);
    }
    run_close(&r);
    return status;
}
