/* cmd_pull.c - arcane pull: fetch a model. */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "hub/hub.h"

typedef struct pull_args {
    const char *name, *sha256;
    int64_t connections, retries;
    bool json;
} pull_args;

static const pull_args defaults = {.connections = 4, .retries = 5};

static const cli_option options[] = {
    {"NAME", NULL, CLI_TEXT, true, offsetof(pull_args, name), NULL,
     "hf:OWNER/NAME[@REVISION][:FILE or QUANTISATION], or the URL of a file"},
    {"--connections", NULL, CLI_INT, false, offsetof(pull_args, connections),
     "N", "ranges of a file that come at the same time; default 4"},
    {"--retries", NULL, CLI_INT, false, offsetof(pull_args, retries), "N",
     "attempts in a row after a failure, with growing pauses; default 5"},
    {"--sha256", NULL, CLI_TEXT, false, offsetof(pull_args, sha256), "SUM",
     "what the file of a URL must have; a hub tells it itself"},
    {"--json", NULL, CLI_FLAG, false, offsetof(pull_args, json), NULL,
     "print an object with the path, the bytes and the commit"},
    OPTIONS_END,
};

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

typedef struct view {
    progress bar;
    char file[256];
    double began; /* clock, of what is shown now */
    int64_t had;  /* bytes there when it began */
    bool checking;
} view;

static void begin(view *v, const hub_progress *p) {
    v->began = clock_now();
    v->had = p->done;
    v->checking = p->checking;
    if (!strcmp(v->file, p->file)) return;
    snprintf(v->file, sizeof v->file, "%s", p->file);
    if (v->bar.terminal) return;
    fprintf(stderr, "%s (%d of %d)\n", p->file, p->n_file, p->n_files);
}

static void show(void *ctx, const hub_progress *p) {
    view *v = ctx;
    char text[160], done[32], total[32], speed[32];
    if (strcmp(v->file, p->file) || v->checking != p->checking) begin(v, p);
    if (!v->bar.terminal) return;
    const double spent = clock_now() - v->began;
    const double rate = spent > 0.2 ? (double)(p->done - v->had) / spent : -1;
    const double left =
        p->total >= 0 && rate > 0 ? (double)(p->total - p->done) / rate : 0;
    if (p->checking)
        snprintf(text, sizeof text, "%.60s: checking", p->file);
    else
        snprintf(text, sizeof text, "%.60s  %s/%s  %s/s", p->file,
                 progress_bytes((double)p->done, done),
                 p->total < 0 ? "?" : progress_bytes((double)p->total, total),
                 rate >= 0 ? progress_bytes(rate, speed) : "-");
    progress_show_left(&v->bar,
                       p->total > 0 ? (double)p->done / (double)p->total : 0,
                       left, text);
}

static void note(void *ctx, const char *sentence) {
    view *v = ctx;
    progress_end(&v->bar);
    fprintf(stderr, "%s\n", sentence);
}

static ar_status print_result(const pull_args *a, const hub_pulled *got,
                              double seconds, ar_error *err) {
    char size[32], fetched[32];
    if (a->json)
        return print_json(json_pack("{s:s, s:s, s:i, s:I, s:I, s:s, s:f}",
                                    "name", a->name, "path", got->path, "files",
                                    got->files, "bytes", (json_int_t)got->bytes,
                                    "fetched", (json_int_t)got->fetched,
                                    "commit", got->commit, "seconds", seconds),
                          err);
    if (got->fetched)
        fprintf(stderr, "%s, of which %s were fetched in %.0f s\n",
                progress_bytes((double)got->bytes, size),
                progress_bytes((double)got->fetched, fetched), seconds);
    else
        fprintf(stderr, "%s, all of it already here\n",
                progress_bytes((double)got->bytes, size));
    puts(got->path);
    return AR_OK;
}

static ar_status run(const void *parsed, ar_error *err) {
    const pull_args *a = parsed;
    view v = {.had = 0};
    hub_pulled got;
    ar_error why = {0};
    const double began = clock_now();
    hub_options o = hub_options_default();
    o.connections = thread_count(a->connections);
    o.retries = thread_count(a->retries);
    o.sha256 = a->sha256;
    o.watch = (hub_watch){&v, show, note, stop};
    signal(SIGINT, on_interrupt);
    signal(SIGTERM, on_interrupt);
    signal(SIGXFSZ, SIG_IGN); /* a full quota is an error, not the end */
    signal(SIGPIPE, SIG_IGN); /* so is a connection that was closed */
    progress_begin(&v.bar, "fetching");
    const ar_status s = hub_pull(&got, a->name, &o, &why);
    progress_end(&v.bar);
    if (s == AR_CANCELLED)
        return error_set(err, s,
                         "stopped; what came is kept, and the same command "
                         "goes on from there");
    if (s != AR_OK) return error_set(err, s, "%s", why.message);
    return print_result(a, &got, clock_now() - began, err);
}

const cli_command cmd_pull = {
    .name = "pull",
    .summary = "fetch a model from a Hugging Face hub or a URL",
    .text =
        "What was broken off goes on where it was; what came is compared with "
        "the server's SHA-256. Other commands take the same name for the "
        "model. Without a choice it fetches safetensors with all that belongs "
        "to them, else the GGUF file with Q4_K_M. The token for models that "
        "need one is read from HF_TOKEN, another hub from HF_ENDPOINT; models "
        "are in $ARCANE_HOME/models, else in the cache folder.",
    .examples = "  arcane pull hf:Qwen/Qwen3-0.6B\n"
                "  arcane pull hf:unsloth/Qwen3-0.6B-GGUF:Q8_0\n"
                "  arcane pull hf:owner/name@v1.0:model.gguf\n"
                "  arcane pull https://example.org/model.gguf\n",
    .options = options,
    .args_size = sizeof(pull_args),
    .defaults = &defaults,
    .run = run,
};
