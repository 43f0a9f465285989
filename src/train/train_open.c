/* train_open.c - from settings to a run that is ready for its first step. */
#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json_text.h"
#include "base/mem.h"
#include "format/checkpoint.h"
#include "train/train_int.h"

enum { MAX_TOKENIZER = 1 << 30, MAX_VAL_TOKENS = 1 << 28 };

void run_note(const train_run_state *r, const char *sentence) {
    if (r->call.note) r->call.note(r->call.ctx, sentence);
}

static ar_status in_run(const train_run_state *r, const char *name, char *path,
                        ar_error *err) {
    return file_join(path, RUN_PATH, r->run, name, err);
}

/* ---- which model, which tokens ---- */

static void stage(void *ctx, const char *what, double done) {
    const train_run_state *r = ctx;
    if (r->call.stage) r->call.stage(r->call.ctx, what, done);
}

static bool stop(void *ctx) {
    const train_run_state *r = ctx;
    return r->call.stop && r->call.stop(r->call.ctx);
}

/* Weights that come with a tokenizer bring it along. */
static ar_status adopt_tokenizer(settings *s, ar_error *err) {
    char path[RUN_PATH];
    if (s->tokenizer[0] || !s->init[0] || !file_is_folder(s->init))
        return AR_OK;
    TRY(file_join(path, sizeof path, s->init, "tokenizer.json", err));
    if (!file_exists(path)) return AR_OK;
    return settings_set(s, "tokenizer.path", s->init, err);
}

/* The tokenizer as a file of the run, for every checkpoint to have. */
static ar_status keep_tokenizer(train_run_state *r, ar_error *err) {
    char path[RUN_PATH];
    size_t size;
    if (!r->corpus.tok) return AR_OK;
    TRY(in_run(r, "tokenizer.json", path, err));
    if (!file_exists(path)) TRY(ar_tokenizer_save(r->corpus.tok, path, err));
    return file_read(path, MAX_TOKENIZER, &r->tokenizer_text, &size, err);
}

static ar_status keep_config(train_run_state *r, ar_error *err) {
    json_decref(r->s.config);
    r->s.config = config_json(&r->config);
    char *text = json_text(r->s.config);
    if (!text) return error_set(err, AR_NOMEM, "out of memory");
    r->config_text = text;
    return AR_OK;
}

static ar_status open_data(train_run_state *r, ar_error *err) {
    settings *s = &r->s;
    const corpus_hooks hooks = {r, stage, stop};
    model_config first;
    settings scratch;
    TRY(adopt_tokenizer(s, err));
    /* The vocabulary of a tokenizer that is to be trained. */
    TRY(settings_copy(&scratch, s, err));
    ar_status status = train_model_of(&scratch, &first, 0, err);
    settings_close(&scratch);
    if (status != AR_OK) return status;
    const int32_t n_vocab =
        s->vocab ? (int32_t)s->vocab : (int32_t)first.n_vocab;
    TRY(corpus_open(&r->corpus, s, r->run, n_vocab, &hooks, err));
    const ar_tokenizer *tok = r->corpus.tok;
    TRY(train_model_of(s, &r->config, tok ? ar_tokenizer_vocab(tok) : 0, err));
    if (tok) {
        r->config.bos = ar_tokenizer_bos(tok);
        r->config.eos = ar_tokenizer_eos(tok);
    }
    TRY(keep_config(r, err));
    return keep_tokenizer(r, err);
}

static ar_status open_loader(train_run_state *r, ar_error *err) {
    const settings *s = &r->s;
    if (s->order == LOADER_PACKED && r->config.bos < 0)
        return error_set(err, AR_USAGE,
                         "data.order: packed rows need a tokenizer with a "
                         "beginning-of-sequence token");
    const loader_options opt = {
        .shards = (const char *const *)r->corpus.train,
        .n_shards = r->corpus.n_train,
        .order = (enum loader_order)s->order,
        .n_rows = s->rows,
        .n_tokens = s->seq,
        .n_vocab = (int32_t)r->config.n_vocab,
        .bos = r->config.bos,
        .seed = (uint64_t)s->seed,
    };
    return loader_open(&r->loader, &opt, err);
}

static ar_status read_val(train_run_state *r, const char *path, ar_error *err) {
    shard f;
    TRY(shard_open(&f, path, err));
    ar_status status = AR_OK;
    int64_t n = f.n_tokens;
    if (n > MAX_VAL_TOKENS - r->n_val) n = MAX_VAL_TOKENS - r->n_val;
    int32_t *ids = mem_realloc(r->val, (size_t)(r->n_val + n + 1) * 4);
    if (ids) r->val = ids;
    if (!ids) status = error_set(err, AR_NOMEM, "out of memory for tokens");
    for (int64_t i = 0; i < n && status == AR_OK; i++) {
        const int32_t id = shard_token(&f, i);
        if (id < 0 || id >= r->config.n_vocab)
            status = error_set(err, AR_RANGE,
                               "%s: token %" PRId64 " is %d, the vocabulary "
                               "has %" PRId64,
                               path, i, (int)id, r->config.n_vocab);
        else
            r->val[r->n_val++] = id;
    }
    shard_close(&f);
    return status;
}

static ar_status open_val(train_run_state *r, ar_error *err) {
    for (int64_t i = 0; i < r->corpus.n_val; i++)
        TRY(read_val(r, r->corpus.val[i], err));
    if (r->n_val < 2) r->n_val = 0;
    return AR_OK;
}

/* ---- a schedule that was realised before ---- */

static ar_status replay_line(void *ctx, const json_t *line, ar_error *err) {
    train_run_state *r = ctx;
    const json_t *progress = json_object_get(line, "progress");
    if (!json_is_number(progress)) return AR_OK;
    if ((r->n_replay & (r->n_replay - 1)) == 0) {
        const size_t n = r->n_replay ? 2 * (size_t)r->n_replay : 1;
        double *grown = mem_realloc(r->replay, n * sizeof *grown);
        if (!grown) return error_set(err, AR_NOMEM, "out of memory");
        r->replay = grown;
    }
    r->replay[r->n_replay++] = json_number_value(progress);
    return AR_OK;
}

static ar_status open_budget(train_run_state *r, ar_error *err) {
    TRY(budget_parse(&r->budget, r->s.budget, err));
    if (!r->s.replay[0]) return AR_OK;
    TRY(run_log_read(r->s.replay, replay_line, r, err));
    if (r->n_replay) return AR_OK;
    return error_set(err, AR_FORMAT, "%s: no line has \"progress\"",
                     r->s.replay);
}

/* ---- start or go on ---- */

static ar_status first_weights(train_run_state *r, ar_error *err) {
    if (!r->s.init[0]) return trainer_init(r->t, (uint64_t)r->s.seed, err);
    weights *w;
    TRY(weights_open(&w, r->s.init, err));
    const ar_status status = trainer_load(r->t, w, err);
    weights_close(w);
    return status;
}

/* Is there a checkpoint, whole or damaged?  AR_FORMAT: all are damaged. */
static ar_status find_checkpoint(const train_run_state *r, bool *found,
                                 ar_error *err) {
    char folder[RUN_PATH];
    json_t *state;
    const ar_status status =
        checkpoint_find(r->run, folder, sizeof folder, &state, NULL, err);
    json_decref(state);
    *found = status == AR_OK || status == AR_FORMAT;
    return status == AR_IO ? AR_OK : status;
}

/* A run that is to go on has begun: before anything is made in its folder. */
static ar_status check_begun(const train_run_state *r, enum train_mode mode,
                             ar_error *err) {
    char record[RUN_PATH];
    bool found;
    TRY(in_run(r, "settings.json", record, err));
    if (mode != TRAIN_RESUME || file_exists(record)) return AR_OK;
    TRY(find_checkpoint(r, &found, err));
    if (found) return AR_OK;
    return error_set(err, AR_IO, "%s: there is no run to go on with", r->run);
}

static ar_status choose_start(const train_run_state *r, enum train_mode mode,
                              bool *resume, ar_error *err) {
    char latest[RUN_PATH];
    bool found;
    TRY(in_run(r, "latest", latest, err));
    const ar_status status = find_checkpoint(r, &found, err);
    /* `latest` alone says that checkpoints were lost. */
    *resume = found = found || file_exists(latest);
    if (mode != TRAIN_NEW || !found) return status;
    return error_set(err, AR_USAGE,
                     "%s already holds a run; --resume goes on with it",
                     r->run);
}

/* ---- the folder, for this process alone ---- */

/* What a run writes, beside its place at first (file.h). */
static const char *const aside[] = {
    "settings.json.tmp-*",   "log.jsonl.tmp-*",     "data.json.tmp-*",
    "tokenizer.json.tmp-*",  "heldout.txt.tmp-*",   "latest.tmp-*",
    "train-?????.bin.tmp-*", "val-?????.bin.tmp-*", "loss.svg.tmp-*",
    "loss.png.tmp-*",
};

/* A process that was killed leaves them; one that cannot be removed costs room
 * only. */
static void remove_stale(const train_run_state *r) {
    file_list files;
    char path[RUN_PATH];
    if (file_list_open(&files, r->run, NULL) != AR_OK) return;
    for (size_t i = 0; i < files.n; i++)
        for (size_t k = 0; k < sizeof aside / sizeof *aside; k++)
            if (fnmatch(aside[k], files.names[i], 0) == 0 &&
                in_run(r, files.names[i], path, NULL) == AR_OK)
                file_remove(path, NULL);
    file_list_close(&files);
}

static ar_status take_folder(train_run_state *r, ar_error *err) {
    char path[RUN_PATH], busy[RUN_PATH + 64];
    TRY(file_make_folder(r->run, err));
    TRY(in_run(r, "lock", path, err));
    snprintf(busy, sizeof busy, "%s: another process is training there",
             r->run);
    TRY(file_lock(&r->lock, path, busy, err));
    remove_stale(r);
    return AR_OK;
}

static ar_status open_logs(train_run_state *r, ar_error *err) {
    char path[RUN_PATH];
    TRY(in_run(r, "log.jsonl", path, err));
    const bool ended = r->final.n_tokens > 0;
    TRY(run_log_open(&r->log, path, r->step, ended, err));
    if (!r->s.log[0]) return AR_OK;
    return run_log_open(&r->log_copy, r->s.log, r->step, ended, err);
}

static ar_status open_trainer(train_run_state *r, bool resume, ar_error *err) {
    const int64_t n = r->s.accumulate * r->s.rows * r->s.seq;
    TRY(trainer_open(&r->t, &r->s, &r->config, err));
    r->inputs = mem_new(int32_t, n);
    r->targets = mem_new(int32_t, n);
    if (!r->inputs || !r->targets)
        return error_set(err, AR_NOMEM, "out of memory for a batch");
    r->saved_step = -1;
    TRY(resume ? run_restore(r, err) : first_weights(r, err));
    r->start_progress = run_progress(r);
    r->start_seconds = r->seconds;
    return AR_OK;
}

ar_status run_open(train_run_state *r, const settings *s, const char *run,
                   enum train_mode mode, const train_callbacks *call,
                   ar_error *err) {
    char path[RUN_PATH];
    bool resume;
    memset(r, 0, sizeof *r);
    r->lock = -1;
    if (call) r->call = *call;
    TRY(settings_copy(&r->s, s, err));
    if (strlen(run) >= sizeof r->run - 32)
        return error_set(err, AR_RANGE, "the path of the run is too long");
    memcpy(r->run, run, strlen(run) + 1);
    /* What can be refused at once, before the folder and its tokens. */
    TRY(open_budget(r, err));
    TRY(trainer_check_device(&r->s, err));
    TRY(check_begun(r, mode, err));
    TRY(take_folder(r, err));
    TRY(choose_start(r, mode, &resume, err));
    TRY(open_data(r, err));
    r->flops_per_token = config_flops_per_token(&r->config, r->s.seq);
    TRY(open_loader(r, err));
    TRY(open_val(r, err));
    TRY(open_trainer(r, resume, err));
    TRY(in_run(r, "settings.json", path, err));
    TRY(settings_write(&r->s, path, err));
    return open_logs(r, err);
}

void run_close(train_run_state *r) {
    run_log_close(r->log);
    run_log_close(r->log_copy);
    trainer_close(r->t);
    if (r->loader) loader_close(r->loader);
    corpus_close(&r->corpus);
    mem_free(r->inputs);
    mem_free(r->targets);
    mem_free(r->val);
    mem_free(r->replay);
    mem_free(r->tokenizer_text);
    mem_free(r->config_text);
    settings_close(&r->s);
    file_unlock(r->lock);
}
