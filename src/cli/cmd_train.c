/* cmd_train.c - arcane train: from text, or tokens, to a model. */
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "train/train.h"

/* What the command line gave, by setting; settings.c knows the types. */
#define SETTING_WORD_INT(field) const char *field;
#define SETTING_WORD_REAL(field) const char *field;
#define SETTING_WORD_FLAG(field) bool field;
#define SETTING_WORD_TEXT(field) const char *field;
#define SETTING_WORD_CHOICE(field) const char *field;
#define SETTING_WORD_PATHS(field) cli_words field;
#define SETTING_WORD_JSON(field)

typedef struct train_args {
    cli_words files;
    const char *out, *config_file;
    bool resume, json;
#define SETTING(kind, field, ...) SETTING_WORD_##kind(field)
#include "train/settings.def"
#undef SETTING
} train_args;

#define WORD_ROW(field, flag, kind, value, help)                               \
    {"--" flag, SETTING_BRIEF(field),        kind,                             \
     false,     offsetof(train_args, field), value,                            \
     help},
#define SETTING_BRIEF(field)                                                   \
    offsetof(train_args, field) == offsetof(train_args, threads) ? "-t" : NULL
#define SETTING_HELP(text, help)                                               \
    sizeof(text) > 1 ? help "; default " text : help
#define SETTING_ROW_INT(field, flag, text, help)                               \
    WORD_ROW(field, flag, CLI_TEXT, "N", SETTING_HELP(text, help))
#define SETTING_ROW_REAL(field, flag, text, help)                              \
    WORD_ROW(field, flag, CLI_TEXT, "X", SETTING_HELP(text, help))
#define SETTING_ROW_FLAG(field, flag, text, help)                              \
    WORD_ROW(field, flag, CLI_FLAG, NULL, help)
#define SETTING_ROW_TEXT(field, flag, text, help)                              \
    WORD_ROW(field, flag, CLI_TEXT, "TEXT", SETTING_HELP(text, help))
#define SETTING_ROW_CHOICE(field, flag, text, help)                            \
    WORD_ROW(field, flag, CLI_TEXT, "NAME", SETTING_HELP(text, help))
#define SETTING_ROW_PATHS(field, flag, text, help)                             \
    WORD_ROW(field, flag, CLI_LIST, "FILE", help)
#define SETTING_ROW_JSON(field, flag, text, help)

static const cli_option options[] = {
    {"FILE", NULL, CLI_LIST, false, offsetof(train_args, files), NULL,
     "text to train on: .txt, .jsonl, either as .zst"},
    {"--out", "-o", CLI_TEXT, false, offsetof(train_args, out), "FOLDER",
     "the run's folder; default runs/PRESET"},
    {"--resume", NULL, CLI_FLAG, false, offsetof(train_args, resume), NULL,
     "go on with the run in the folder, bit for bit as if it had not stopped"},
    {"--config", NULL, CLI_TEXT, false, offsetof(train_args, config_file),
     "FILE",
     "settings in JSON, as RUN/settings.json has them; flags go over "
     "them"},
    {"--json", NULL, CLI_FLAG, false, offsetof(train_args, json), NULL,
     "print an object at the end"},
#define SETTING(kind, field, path, flag, text, least, most, help)              \
    SETTING_ROW_##kind(field, flag, text, help)
#include "train/settings.def"
#undef SETTING
    OPTIONS_END,
};

static ar_status set_paths(settings *s, const char *flag, const cli_words *w,
                           ar_error *err) {
    for (int i = 0; i < w->n; i++) TRY(settings_set(s, flag, w->word[i], err));
    return AR_OK;
}

/* One setting from its word, if the command line had it. */
static ar_status set_one(settings *s, const cli_option *o,
                         const train_args *args, ar_error *err) {
    const char *flag = o->name + 2;
    const void *at = (const char *)args + o->offset;
    if (o->type == CLI_FLAG)
        return *(const bool *)at ? settings_set(s, flag, "true", err) : AR_OK;
    if (o->type == CLI_LIST) return set_paths(s, flag, at, err);
    const char *word = *(const char *const *)at;
    return word ? settings_set(s, flag, word, err) : AR_OK;
}

static bool is_given(const train_args *args, const cli_option *o) {
    const void *at = (const char *)args + o->offset;
    if (o->type == CLI_FLAG) return *(const bool *)at;
    if (o->type == CLI_LIST) return ((const cli_words *)at)->n > 0;
    return *(const char *const *)at != NULL;
}

/* The first flag given that decides about parameter groups: those of the
 * settings under "optimizer." but clipping. */
static const char *group_flag(const train_args *args) {
    for (const cli_option *o = options; o->name; o++) {
        const setting_info *info =
            o->name[0] == '-' ? settings_find(o->name + 2) : NULL;
        if (info && !strncmp(info->path, "optimizer.", 10) &&
            strncmp(info->path + 10, "clip", 4) && is_given(args, o))
            return o->name;
    }
    return NULL;
}

static ar_status gather(settings *s, const train_args *args, ar_error *err) {
    if (args->resume && args->out) {
        settings_close(s);
        TRY(train_settings_of(s, args->out, err));
    }
    if (args->config_file) TRY(settings_read(s, args->config_file, err));
    TRY(settings_loosen(s, group_flag(args), args->preset, err));
    TRY(set_paths(s, "text", &args->files, err));
    for (const cli_option *o = options; o->name; o++)
        if (o->name[0] == '-' && settings_find(o->name + 2))
            TRY(set_one(s, o, args, err));
    return AR_OK;
}

/* ---- what a person sees ---- */

static volatile sig_atomic_t interrupted;

/* The second Ctrl-C ends the program at once. */
static void on_interrupt(int signal_number) {
    interrupted = 1;
    signal(signal_number, SIG_DFL);
}

static bool stop(void *ctx) {
    (void)ctx;
    return interrupted;
}

static void show_stage(void *ctx, const char *what, double done) {
    progress *bar = ctx;
    if (bar->what != what) progress_end(bar);
    bar->what = what;
    progress_show(bar, done, "");
}

static void show_step(void *ctx, const train_progress *p) {
    progress *bar = ctx;
    char text[160], bits[32] = "";
    if (isfinite(p->bits_per_byte))
        snprintf(bits, sizeof bits, "  %.3f bits/byte", p->bits_per_byte);
    snprintf(text, sizeof text, "step %lld  loss %.4f%s  %.0f tok/s",
             (long long)p->step, p->smoothed, bits, p->tokens_per_second);
    bar->what = "train";
    progress_show_left(bar, p->progress, p->seconds_left, text);
}

static void show_eval(void *ctx, const train_eval *e) {
    progress *bar = ctx;
    progress_end(bar);
    fprintf(stderr, "step %6lld  held-out loss %.4f", (long long)e->step,
            e->loss);
    if (isfinite(e->bits_per_byte))
        fprintf(stderr, "  %.4f bits/byte", e->bits_per_byte);
    if (isfinite(e->ema_loss))
        fprintf(stderr, "  averaged weights %.4f", e->ema_loss);
    fputc('\n', stderr);
}

static void show_note(void *ctx, const char *sentence) {
    progress_end(ctx);
    fprintf(stderr, "%s\n", sentence);
}

static ar_status print_result(const train_result *r, const char *run,
                              ar_error *err) {
    json_t *o = json_pack("{s:s, s:I, s:I, s:I, s:f, s:f}", "run", run, "steps",
                          (json_int_t)r->steps, "tokens", (json_int_t)r->tokens,
                          "parameters", (json_int_t)r->n_params, "seconds",
                          r->seconds, "loss", r->loss);
    if (o && r->has_val) {
        const double bits = eval_bits_per_byte(&r->val);
        json_object_set_new(o, "val_loss", json_real(eval_loss(&r->val)));
        if (isfinite(bits))
            json_object_set_new(o, "val_bits_per_byte", json_real(bits));
    }
    return print_json(o, err);
}

static void say_result(const train_result *r, const char *run) {
    char time[32];
    printf("%s: %lld steps, %.2f M tokens, %.2f M parameters, %s", run,
           (long long)r->steps, (double)r->tokens / 1e6,
           (double)r->n_params / 1e6, progress_clock(r->seconds, time));
    if (r->has_val) {
        const double bits = eval_bits_per_byte(&r->val);
        printf("; held-out loss %.4f", eval_loss(&r->val));
        if (isfinite(bits)) printf(", %.4f bits per byte", bits);
    }
    putchar('\n');
}

static ar_status train(const train_args *args, const settings *s,
                       const char *run, ar_error *err) {
    progress bar;
    progress_begin(&bar, "train");
    const train_callbacks callbacks = {&bar,      show_stage, show_step,
                                       show_eval, show_note,  stop};
    train_result r = {0};
    signal(SIGINT, on_interrupt);
    signal(SIGTERM, on_interrupt);
    const ar_status status = train_run(
        s, run, args->resume ? TRAIN_RESUME : TRAIN_NEW, &callbacks, &r, err);
    progress_end(&bar);
    if (status != AR_OK) return status;
    if (args->json) return print_result(&r, run, err);
    say_result(&r, run);
    return AR_OK;
}

static ar_status run(const void *parsed, ar_error *err) {
    const train_args *args = parsed;
    settings s;
    char run_path[SETTING_TEXT_SIZE + 8];
    settings_default(&s);
    if (args->resume && !args->out)
        return error_set(err, AR_USAGE, "--resume needs --out FOLDER");
    ar_status status = gather(&s, args, err);
    if (status == AR_OK) {
        snprintf(run_path, sizeof run_path, "runs/%s", s.preset);
        status = train(args, &s, args->out ? args->out : run_path, err);
    }
    settings_close(&s);
    return status;
}

const cli_command cmd_train = {
    .name = "train",
    .summary = "train a language model on text",
    .text =
        "Trains a tokenizer on the text (unless one is given), keeps the last "
        "tenth of the text for evaluation, trains until the budget is used "
        "up, and leaves everything in the run's folder: checkpoints, "
        "settings.json, log.jsonl and the loss curve. Ctrl-C saves and stops; "
        "--resume goes on.",
    .examples =
        "  arcane train corpus.txt --out runs/a --preset tiny --budget 120s\n"
        "  arcane train --out runs/a --resume\n"
        "  arcane train --preset gpt2-124m --data shards/ --budget 500Mtok\n"
        "  arcane train --config runs/a/settings.json --out runs/b --seed 2\n",
    .options = options,
    .args_size = sizeof(train_args),
    .run = run,
};
