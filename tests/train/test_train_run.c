/* test_train_run.c - a run in a folder: from text to checkpoints, stopped and
 * resumed bit for bit, its log and its curves. */
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/file.h"
#include "base/mem.h"
#include "tests/train/train_case.h"
#include "train/run_log.h"

static char *in(const char *folder, const char *name) {
    static char path[4][600];
    static unsigned turn;
    char *p = path[turn++ % 4];
    snprintf(p, sizeof path[0], "%s/%s", folder, name);
    return p;
}

static void same_file(const char *a, const char *b) {
    char *x, *y;
    size_t n, m;
    assert_ok(file_read(a, 1 << 28, &x, &n, err));
    assert_ok(file_read(b, 1 << 28, &y, &m, err));
    assert_int_equal(n, m);
    assert_memory_equal(x, y, n);
    mem_free(x);
    mem_free(y);
}

/* The weights and everything else that the last checkpoint holds. */
static void same_end(const char *a, const char *b, const char *step) {
    char x[500], y[500];
    snprintf(x, sizeof x, "%s/%s", a, step);
    snprintf(y, sizeof y, "%s/%s", b, step);
    same_file(in(x, "model.safetensors"), in(y, "model.safetensors"));
    same_file(in(x, "optimizer.safetensors"), in(y, "optimizer.safetensors"));
}

static void change_nothing(settings *s) { (void)s; }
static void change_ar(settings *s) {
    json_decref(s->config);
    s->config = NULL;
    assert_ok(settings_set(s, "preset", "tiny", err));
    s->seq = 32;
    s->accumulate = 2;
    s->ema = 0.9;
    s->order = LOADER_SHUFFLED;
}

/* Counts the callbacks. */
typedef struct counter {
    int steps, evals, stages;
    double last_loss, val;
    bool whole;
    int stop_at;
} counter;

static void count_step(void *ctx, const train_progress *p) {
    counter *c = ctx;
    c->steps++;
    c->last_loss = p->loss;
    assert_true(p->tokens_per_second > 0);
    assert_true(isfinite(p->bits_per_byte));
}

static void count_eval(void *ctx, const train_eval *e) {
    counter *c = ctx;
    c->evals++;
    c->val = e->loss;
    c->whole = e->whole;
}

static void count_stage(void *ctx, const char *what, double done) {
    ((counter *)ctx)->stages++;
    assert_true(what[0] && done >= 0 && done <= 1);
}

static bool stop_at(void *ctx) {
    const counter *c = ctx;
    return c->stop_at && c->steps >= c->stop_at;
}

static const train_callbacks counting = {.stage = count_stage,
                                         .step = count_step,
                                         .eval = count_eval,
                                         .stop = stop_at};

/* An uninterrupted run against one that is stopped and resumed twice, not
 * where checkpoints fall due. */
static void check_resume(void (*change)(settings *s)) {
    char a[400], b[400];
    snprintf(a, sizeof a, "%s/whole", test_folder());
    snprintf(b, sizeof b, "%s/parts", test_folder());
    settings s, again;
    train_result r;
    counter c = {0};
    train_callbacks call = counting;
    call.ctx = &c;
    case_run_settings(&s, "11steps");
    change(&s);
    assert_ok(train_run(&s, a, TRAIN_NEW, NULL, &r, err));
    c.stop_at = 4;
    assert_fails(AR_CANCELLED, "stopped after step 4",
                 train_run(&s, b, TRAIN_EITHER, &call, &r, err));
    c.stop_at = 8;
    assert_ok(train_settings_of(&again, b, err));
    assert_fails(AR_CANCELLED, "stopped after step 8",
                 train_run(&again, b, TRAIN_RESUME, &call, &r, err));
    c.stop_at = 0;
    assert_ok(train_run(&again, b, TRAIN_EITHER, &call, &r, err));
    assert_int_equal(c.steps, 11);
    settings_close(&again);
    same_end(a, b, "step-00000011");
    settings_close(&s);
}

void test_run_resume(void **state) {
    (void)state;
    check_resume(change_nothing);
}

void test_run_resume_ar(void **state) {
    (void)state;
    check_resume(change_ar);
}

typedef struct log_lines {
    int steps, evals;
    double loss[64];
} log_lines;

static ar_status read_line(void *ctx, const json_t *line, ar_error *err) {
    log_lines *l = ctx;
    (void)err;
    const json_t *loss = json_object_get(line, "loss");
    if (!loss) {
        l->evals++;
        return AR_OK;
    }
    assert_int_equal(json_integer_value(json_object_get(line, "step")),
                     l->steps);
    l->loss[l->steps++] = json_number_value(loss);
    return AR_OK;
}

/* Stopped in the middle, every step is stepped once and logged once. */
void test_run_stop(void **state) {
    (void)state;
    char a[400], b[400];
    snprintf(a, sizeof a, "%s/whole", test_folder());
    snprintf(b, sizeof b, "%s/parts", test_folder());
    settings s;
    case_run_settings(&s, "11steps");
    counter x = {0}, y = {.stop_at = 5};
    train_callbacks call = counting;
    train_result r;
    call.ctx = &x;
    assert_ok(train_run(&s, a, TRAIN_NEW, &call, &r, err));
    assert_int_equal(x.steps, 11);
    assert_int_equal(x.evals, 3); /* 4, 8, the end */
    assert_true(x.whole && x.stages > 0);
    assert_int_equal(r.steps, 11);
    assert_true(r.has_val);
    assert_near(eval_loss(&r.val), x.val, 0);
    assert_near(eval_bits_per_byte(&r.val), x.val / M_LN2, 1e-12);

    call.ctx = &y;
    assert_fails(AR_CANCELLED, "step 5",
                 train_run(&s, b, TRAIN_NEW, &call, &r, err));
    assert_true(file_exists(in(b, "loss.png")));
    y.stop_at = 0;
    settings again;
    assert_ok(train_settings_of(&again, b, err));
    assert_ok(train_run(&again, b, TRAIN_RESUME, &call, &r, err));
    assert_int_equal(y.steps, 11);
    same_end(a, b, "step-00000011");
    log_lines la = {0}, lb = {0};
    assert_ok(run_log_read(in(a, "log.jsonl"), read_line, &la, err));
    assert_ok(run_log_read(in(b, "log.jsonl"), read_line, &lb, err));
    assert_int_equal(la.steps, 11);
    assert_int_equal(lb.steps, 11);
    assert_int_equal(la.evals, lb.evals);
    for (int i = 0; i < 11; i++) assert_true(la.loss[i] == lb.loss[i]);

    /* What is finished stays so. */
    assert_ok(train_run(&again, b, TRAIN_EITHER, &call, &r, err));
    assert_true(r.already_done);
    assert_true(r.has_val);
    assert_int_equal(y.steps, 11);
    /* More budget goes on from there. */
    assert_ok(settings_set(&again, "budget", "13steps", err));
    assert_ok(train_run(&again, b, TRAIN_EITHER, &call, &r, err));
    assert_int_equal(y.steps, 13);
    settings_close(&again);
    settings_close(&s);
}

/* The checkpoint of a run is a model, and its log has what --log has. */
void test_run_folder(void **state) {
    (void)state;
    char run[400], copy[420];
    snprintf(run, sizeof run, "%s/run", test_folder());
    snprintf(copy, sizeof copy, "%s.log", run);
    settings s;
    case_run_settings(&s, "7steps");
    assert_ok(settings_set(&s, "log", copy, err));
    train_result r;
    assert_ok(train_run(&s, run, TRAIN_NEW, NULL, &r, err));
    same_file(in(run, "log.jsonl"), copy);
    ar_model *m;
    ar_tokenizer *tok;
    assert_ok(ar_model_open(&m, run, err));
    assert_ok(ar_tokenizer_open(&tok, m->folder, err));
    char *text;
    size_t n;
    assert_ok(file_read(in(run, "heldout.txt"), 1 << 28, &text, &n, err));
    eval_options opt = eval_options_default();
    opt.engine.n_threads = 1;
    opt.tokens = 32;
    eval_result e;
    assert_ok(eval_text(m, tok, text, 4001, &opt, &e, err));
    assert_int_equal(e.n_tokens, 4000);
    assert_int_equal(e.n_bytes, 4000);
    /* Through an engine: the same model, keys rounded or not. */
    static const ar_type types[] = {AR_F32, AR_F16, AR_BF16};
    static const double tolerance[] = {1e-5, 1e-3, 1e-2};
    for (int i = 0; i < 3; i++) {
        eval_result cached;
        opt.engine.k_type = opt.engine.v_type = types[i];
        assert_ok(eval_text(m, tok, text, 4001, &opt, &cached, err));
        assert_int_equal(cached.n_tokens, 4000);
        assert_near(eval_loss(&cached), eval_loss(&e), tolerance[i]);
    }
    opt.tokens = 65;
    assert_fails(AR_RANGE, "context",
                 eval_text(m, tok, text, 4001, &opt, &e, err));
    opt.tokens = 32;
    opt.engine.k_type = opt.engine.v_type = AR_NONE;
    opt.stride = 8;
    eval_result longer;
    assert_ok(eval_text(m, tok, text, 4001, &opt, &longer, err));
    assert_int_equal(longer.n_tokens, 4000);
    print_message("bits per byte %.4f, with stride 8 %.4f\n",
                  eval_bits_per_byte(&e), eval_bits_per_byte(&longer));
    assert_near(eval_perplexity(&e), exp(eval_loss(&e)), 1e-9);
    opt.tokens = 65;
    assert_fails(AR_RANGE, "context",
                 eval_text(m, tok, text, 4001, &opt, &e, err));
    opt = eval_options_default();
    assert_fails(AR_RANGE, "too short",
                 eval_text(m, tok, text, 1, &opt, &e, err));
    mem_free(text);
    ar_tokenizer_close(tok);
    ar_model_close(m);
    settings_close(&s);
}

/* A budget in seconds leaves a log that can be followed step by step. */
void test_run_replay(void **state) {
    (void)state;
    char a[400], b[400];
    snprintf(a, sizeof a, "%s/seconds", test_folder());
    snprintf(b, sizeof b, "%s/replay", test_folder());
    settings s;
    case_run_settings(&s, "0.2s");
    s.checkpoint_every = 0;
    s.eval_every = 0;
    train_result r, q;
    assert_ok(train_run(&s, a, TRAIN_NEW, NULL, &r, err));
    assert_true(r.steps > 1);
    settings_close(&s);
    case_run_settings(&s, "1steps");
    s.checkpoint_every = 0;
    s.eval_every = 0;
    assert_ok(settings_set(&s, "replay", in(a, "log.jsonl"), err));
    assert_ok(train_run(&s, b, TRAIN_NEW, NULL, &q, err));
    assert_int_equal(q.steps, r.steps);
    char step[64];
    snprintf(step, sizeof step, "step-%08d", (int)r.steps);
    same_end(a, b, step);
    settings_close(&s);
}

/* No file may grow beyond `size` bytes, as if the disk were full. */
static void limit_files(rlim_t size) {
    struct rlimit l;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &l), 0);
    l.rlim_cur = size;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &l), 0);
}

static void fill_disk(void *ctx, const train_progress *p) {
    (void)ctx;
    if (p->step == 5) limit_files(100000);
}

/* The disk fills up between two checkpoints: the run says so and ends, and the
 * checkpoint before it goes on as if nothing had happened. */
void test_run_full_disk(void **state) {
    (void)state;
    char a[400], b[400];
    snprintf(a, sizeof a, "%s/whole", test_folder());
    snprintf(b, sizeof b, "%s/full", test_folder());
    settings s;
    train_result r;
    const train_callbacks call = {.step = fill_disk};
    case_run_settings(&s, "8steps");
    assert_ok(train_run(&s, a, TRAIN_NEW, NULL, &r, err));
    void (*const old)(int) = signal(SIGXFSZ, SIG_IGN);
    ar_error e = {0};
    const ar_status status = train_run(&s, b, TRAIN_NEW, &call, &r, &e);
    limit_files(RLIM_INFINITY);
    signal(SIGXFSZ, old);
    assert_int_equal(status, AR_IO);
    assert_non_null(strstr(e.message, "safetensors"));
    assert_ok(train_run(&s, b, TRAIN_RESUME, NULL, &r, err));
    same_end(a, b, "step-00000008");
    settings_close(&s);
}

/* What was lost is said, and nothing is written over what is left. */
void test_run_lost_files(void **state) {
    (void)state;
    char a[400], b[400], step[420];
    snprintf(a, sizeof a, "%s/whole", test_folder());
    snprintf(b, sizeof b, "%s/parts", test_folder());
    settings s;
    train_result r;
    case_run_settings(&s, "8steps");
    assert_ok(train_run(&s, a, TRAIN_NEW, NULL, &r, err));
    counter c = {.stop_at = 4};
    train_callbacks call = counting;
    call.ctx = &c;
    assert_fails(AR_CANCELLED, "step 4",
                 train_run(&s, b, TRAIN_NEW, &call, &r, err));
    c.stop_at = 0;
    /* Without `latest` the checkpoints are found all the same. */
    assert_ok(file_remove(in(b, "latest"), err));
    assert_fails(AR_USAGE, "already holds",
                 train_run(&s, b, TRAIN_NEW, NULL, &r, err));
    assert_ok(train_run(&s, b, TRAIN_RESUME, &call, &r, err));
    assert_int_equal(c.steps, 8);
    same_end(a, b, "step-00000008");
    /* A shard that is gone has a name. */
    assert_ok(settings_set(&s, "budget", "9steps", err));
    assert_ok(file_rename(in(b, "val-00000.bin"), in(b, "away"), err));
    assert_fails(AR_IO, "val-00000.bin: is missing",
                 train_run(&s, b, TRAIN_RESUME, NULL, &r, err));
    assert_ok(file_rename(in(b, "away"), in(b, "val-00000.bin"), err));
    assert_ok(file_rename(in(b, "train-00000.bin"), in(b, "away"), err));
    assert_fails(AR_IO, "train-00000.bin: is missing",
                 train_run(&s, b, TRAIN_RESUME, NULL, &r, err));
    assert_ok(file_rename(in(b, "away"), in(b, "train-00000.bin"), err));
    /* `latest` without a checkpoint is no new run. */
    snprintf(step, sizeof step, "%s/away", b);
    file_list l;
    assert_ok(file_make_folder(step, err));
    assert_ok(file_list_open(&l, b, err));
    for (size_t i = 0; i < l.n; i++)
        if (!strncmp(l.names[i], "step-", 5))
            assert_ok(
                file_rename(in(b, l.names[i]), in(step, l.names[i]), err));
    file_list_close(&l);
    assert_fails(AR_IO, "no checkpoint",
                 train_run(&s, b, TRAIN_RESUME, NULL, &r, err));
    assert_fails(AR_USAGE, "already holds",
                 train_run(&s, b, TRAIN_NEW, NULL, &r, err));
    settings_close(&s);
}

/* One process in a folder; what a killed one left beside its place goes. */
void test_run_lock(void **state) {
    (void)state;
    static const char *const stale[] = {
        "log.jsonl.tmp-12", "settings.json.tmp-34", "train-00003.bin.tmp-5"};
    char run[400], busy[440];
    snprintf(run, sizeof run, "%s/run", test_folder());
    snprintf(busy, sizeof busy, "%s: another process is training there", run);
    settings s;
    train_result r;
    int lock;
    case_run_settings(&s, "3steps");
    assert_ok(file_make_folder(run, err));
    for (int i = 0; i < 3; i++)
        assert_ok(file_replace(in(run, stale[i]), "x", 1, err));
    assert_ok(file_replace(in(run, "notes.tmp-1"), "x", 1, err));
    assert_ok(file_lock(&lock, in(run, "lock"), "taken", err));
    assert_fails(AR_IO, busy, train_run(&s, run, TRAIN_NEW, NULL, &r, err));
    assert_true(file_exists(in(run, stale[0])));
    assert_false(file_exists(in(run, "data.json")));
    file_unlock(lock);
    assert_ok(train_run(&s, run, TRAIN_NEW, NULL, &r, err));
    for (int i = 0; i < 3; i++) assert_false(file_exists(in(run, stale[i])));
    assert_true(file_exists(in(run, "notes.tmp-1")));
    assert_ok(file_lock(&lock, in(run, "lock"), "taken", err));
    file_unlock(lock);
    settings_close(&s);
}

/* What a line of the settings is wrong about is said before anything is made.
 */
void test_run_early(void **state) {
    (void)state;
    static const struct {
        const char *name, *text, *word;
        ar_status code;
    } bad[] = {{"budget", "2apples", "2apples", AR_USAGE},
               {"device", "fly", "\"fly\"", AR_USAGE},
               {"kernels", "fly", "\"fly\"", AR_UNSUPPORTED}};
    char run[400];
    snprintf(run, sizeof run, "%s/run", test_folder());
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        settings s;
        train_result r;
        case_run_settings(&s, "2steps");
        assert_ok(settings_set(&s, bad[i].name, bad[i].text, err));
        assert_fails(bad[i].code, bad[i].word,
                     train_run(&s, run, TRAIN_NEW, NULL, &r, err));
        assert_false(file_exists(run));
        settings_close(&s);
    }
}

/* SGD's moments have the names and shapes of AdamW's first. */
void test_run_other_optimizer(void **state) {
    (void)state;
    char run[400];
    snprintf(run, sizeof run, "%s/run", test_folder());
    settings s;
    train_result r;
    case_run_settings(&s, "2steps");
    s.recipe = RECIPE_ADAMW;
    assert_ok(train_run(&s, run, TRAIN_NEW, NULL, &r, err));
    assert_ok(settings_set(&s, "budget", "4steps", err));
    s.recipe = RECIPE_SGD;
    assert_fails(AR_FORMAT, "was adamw and cannot go on as sgd",
                 train_run(&s, run, TRAIN_RESUME, NULL, &r, err));
    s.recipe = RECIPE_ADAMW;
    assert_ok(train_run(&s, run, TRAIN_RESUME, NULL, &r, err));
    assert_int_equal(r.steps, 4);
    settings_close(&s);
}

static bool stop_after_steps(void *ctx) {
    /* Asked once after the last step, then before parts of the evaluation. */
    counter *c = ctx;
    return c->steps == 3 && c->stop_at++ > 1;
}

/* Stopped in the last evaluation, no step is lost and none made again. */
void test_run_stop_in_evaluation(void **state) {
    (void)state;
    char a[400], b[400];
    snprintf(a, sizeof a, "%s/whole", test_folder());
    snprintf(b, sizeof b, "%s/parts", test_folder());
    settings s;
    train_result r, q;
    counter c = {0};
    train_callbacks call = counting;
    call.ctx = &c;
    call.stop = stop_after_steps;
    case_run_settings(&s, "3steps");
    s.checkpoint_every = 0;
    assert_ok(train_run(&s, a, TRAIN_NEW, NULL, &r, err));
    assert_fails(AR_CANCELLED, "saved in",
                 train_run(&s, b, TRAIN_NEW, &call, &q, err));
    assert_int_equal(c.evals, 0);
    assert_true(file_exists(in(b, "step-00000003")));
    /* As if the end had come between the line of the log and the save. */
    char *text, more[4096];
    size_t n;
    assert_ok(file_read(in(b, "log.jsonl"), sizeof more, &text, &n, err));
    snprintf(more, sizeof more,
             "%s{\"step\":3,\"val_loss\":1,\"whole\":true}\n", text);
    mem_free(text);
    assert_ok(file_replace(in(b, "log.jsonl"), more, strlen(more), err));
    call.stop = NULL;
    assert_ok(train_run(&s, b, TRAIN_RESUME, &call, &q, err));
    assert_int_equal(c.steps, 3);
    assert_int_equal(c.evals, 1);
    assert_true(!q.already_done && q.has_val);
    assert_near(eval_loss(&q.val), eval_loss(&r.val), 0);
    same_end(a, b, "step-00000003");
    log_lines lb = {0};
    assert_ok(run_log_read(in(b, "log.jsonl"), read_line, &lb, err));
    assert_int_equal(lb.steps, 3);
    assert_int_equal(lb.evals, 1);
    assert_ok(train_run(&s, b, TRAIN_EITHER, &call, &q, err));
    assert_true(q.already_done && q.has_val);
    settings_close(&s);
}

static ar_status run_with(settings *s, ar_error *err) {
    char run[400];
    train_result r;
    snprintf(run, sizeof run, "%s/run", test_folder());
    return train_run(s, run, TRAIN_NEW, NULL, &r, err);
}

void test_run_refuse(void **state) {
    (void)state;
    settings s;
    train_result r;
    char run[400], empty[420], nothing[420];
    snprintf(run, sizeof run, "%s/run", test_folder());
    snprintf(empty, sizeof empty, "%s.txt", run);
    snprintf(nothing, sizeof nothing, "%s.none", run);
    assert_ok(file_replace(empty, "", 0, err));

    settings_default(&s);
    assert_fails(AR_USAGE, "nothing to train on", run_with(&s, err));
    assert_ok(settings_set(&s, "text", nothing, err));
    assert_fails(AR_IO, ".none", run_with(&s, err));
    settings_close(&s);

    settings_default(&s);
    assert_ok(settings_set(&s, "text", empty, err));
    assert_fails(AR_RANGE, "empty", run_with(&s, err));
    settings_close(&s);

    case_run_settings(&s, "2steps");
    s.order = LOADER_PACKED;
    assert_fails(AR_USAGE, "packed", run_with(&s, err));
    s.order = LOADER_SEQUENTIAL;
    assert_ok(settings_set(&s, "budget", "2apples", err));
    assert_fails(AR_USAGE, "2apples", run_with(&s, err));
    assert_ok(settings_set(&s, "budget", "2steps", err));
    s.seq = 128;
    assert_fails(AR_RANGE, "context", run_with(&s, err));
    s.seq = 32;
    assert_fails(AR_IO, "no run",
                 train_run(&s, nothing, TRAIN_RESUME, NULL, &r, err));
    json_object_set_new(s.config, "vocab_size", json_integer(100));
    assert_fails(AR_RANGE, "tokenizer has 256", run_with(&s, err));
    json_object_set_new(s.config, "vocab_size", json_integer(256));
    assert_ok(train_run(&s, run, TRAIN_NEW, NULL, &r, err));
    assert_fails(AR_USAGE, "already holds",
                 train_run(&s, run, TRAIN_NEW, NULL, &r, err));
    /* A model that does not fit the checkpoint. */
    json_object_set_new(s.config, "n_embd", json_integer(32));
    assert_ok(settings_set(&s, "budget", "4steps", err));
    assert_fails(AR_FORMAT, "expected",
                 train_run(&s, run, TRAIN_RESUME, NULL, &r, err));
    settings_close(&s);
}
