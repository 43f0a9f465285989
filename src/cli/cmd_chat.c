/* cmd_chat.c - arcane chat: a conversation in the terminal. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/line_edit.h"
#include "cli/options.h"
#include "cli/think.h"
#include "infer/infer.h"
#include "model/model.h"

typedef struct chat_args {
    device_args on;
    const char *model, *system, *load;
    int64_t n, context, seed;
    sample_options sample;
    bool stats;
} chat_args;

static const chat_args defaults = {
    .on = DEVICE_DEFAULTS,
    .sample = {.temperature = 0.7,
               .top_k = 40,
               .top_p = 0.95,
               .typical_p = 1,
               .repetition = 1},
};

static const cli_option options[] = {
    {"MODEL", NULL, CLI_TEXT, true, offsetof(chat_args, model), NULL,
     "a GGUF file, a Hugging Face folder, or a run's folder"},
    {"--system", NULL, CLI_TEXT, false, offsetof(chat_args, system), "TEXT",
     "what the model is told before the conversation"},
    {"--load", NULL, CLI_TEXT, false, offsetof(chat_args, load), "FILE",
     "go on with a conversation that /save wrote"},
    {"--tokens", "-n", CLI_INT, false, offsetof(chat_args, n), "N",
     "most tokens of an answer; default: what the context has"},
    {"--context", "-c", CLI_INT, false, offsetof(chat_args, context), "N",
     "tokens kept in memory; default: the model's, at most 8192"},
    {"--temp", NULL, CLI_REAL, false, offsetof(chat_args, sample.temperature),
     "X", "temperature; 0 is greedy; default 0.7"},
    {"--top-k", NULL, CLI_INT, false, offsetof(chat_args, sample.top_k), "N",
     "choose among the N likeliest; 0 = all; default 40"},
    {"--top-p", NULL, CLI_REAL, false, offsetof(chat_args, sample.top_p), "X",
     "choose among the likeliest that together have X; default 0.95"},
    {"--min-p", NULL, CLI_REAL, false, offsetof(chat_args, sample.min_p), "X",
     "leave out what is less than X times as likely as the likeliest"},
    {"--repeat-penalty", NULL, CLI_REAL, false,
     offsetof(chat_args, sample.repetition), "X",
     "divide the scores of tokens already there; default 1"},
    {"--seed", NULL, CLI_INT, false, offsetof(chat_args, seed), "N",
     "the same seed gives the same answers; default 0"},
    {"--stats", NULL, CLI_FLAG, false, offsetof(chat_args, stats), NULL,
     "tokens per second and context used, after each answer"},
    DEVICE_OPTIONS(chat_args),
    OPTIONS_END,
};

typedef struct talk {
    const chat_args *args;
    model *model;
    engine *engine;
    chat *chat;
    line_edit *input;
    chat_request request;
    think_filter think;
    bool stats, quit;
} talk;

static volatile sig_atomic_t stopped;
static void on_interrupt(int signal_number) {
    (void)signal_number;
    stopped = 1;
}

static bool show(void *ctx, const char *p, size_t n) {
    talk *t = ctx;
    think_show(&t->think, p, n, stdout);
    fflush(stdout);
    return !stopped;
}

/* ---- commands typed in a conversation ---- */

typedef ar_status say_fn(talk *t, char *rest, ar_error *err);

static ar_status say_system(talk *t, char *rest, ar_error *err) {
    return chat_say(t->chat, "system", rest, err);
}

static ar_status say_reset(talk *t, char *rest, ar_error *err) {
    (void)rest, (void)err;
    chat_reset(t->chat);
    return AR_OK;
}

static ar_status say_undo(talk *t, char *rest, ar_error *err) {
    (void)rest;
    return chat_undo(t->chat)
               ? AR_OK
               : error_set(err, AR_USAGE, "/undo: there is nothing to undo");
}

static ar_status need_file(const char *command, const char *rest,
                           ar_error *err) {
    return *rest ? AR_OK : error_set(err, AR_USAGE, "%s: give a file", command);
}

static ar_status say_save(talk *t, char *rest, ar_error *err) {
    TRY(need_file("/save", rest, err));
    return chat_save(t->chat, rest, err);
}

static ar_status say_load(talk *t, char *rest, ar_error *err) {
    TRY(need_file("/load", rest, err));
    return chat_load(t->chat, rest, err);
}

/* NAME VALUE; nothing is changed where the value is out of range. */
static ar_status say_set(talk *t, char *rest, ar_error *err) {
    chat_request r = t->request;
    char *given = strchr(rest, ' '), *end;
    if (given) *given++ = 0;
    const double x = given ? strtod(given, &end) : 0;
    if (!given || end == given || *end)
        return error_set(err, AR_USAGE,
                         "/set: a name (temp top-k top-p min-p "
                         "repeat-penalty seed tokens) and a number");
    if (!strcmp(rest, "temp"))
        r.sample.temperature = x;
    else if (!strcmp(rest, "top-k"))
        r.sample.top_k = (int64_t)x;
    else if (!strcmp(rest, "top-p"))
        r.sample.top_p = x;
    else if (!strcmp(rest, "min-p"))
        r.sample.min_p = x;
    else if (!strcmp(rest, "repeat-penalty"))
        r.sample.repetition = x;
    else if (!strcmp(rest, "seed"))
        r.sample.seed = (uint64_t)x;
    else if (!strcmp(rest, "tokens"))
        r.n = (int64_t)x;
    else
        return error_set(err, AR_USAGE, "/set: there is no \"%.40s\"", rest);
    TRY(sample_check(&r.sample, err));
    t->request = r;
    return AR_OK;
}

static ar_status say_stats(talk *t, char *rest, ar_error *err) {
    (void)rest, (void)err;
    t->stats = !t->stats;
    return AR_OK;
}

static ar_status say_quit(talk *t, char *rest, ar_error *err) {
    (void)rest, (void)err;
    t->quit = true;
    return AR_OK;
}

static say_fn say_help;

static const struct {
    const char *name, *help;
    say_fn *run;
} commands[] = {
    {"/system", "TEXT: what the model is told first; nothing removes it",
     say_system},
    {"/reset", "forget the conversation", say_reset},
    {"/undo", "take back the last question and its answer", say_undo},
    {"/save", "FILE: write the conversation", say_save},
    {"/load", "FILE: go on with one", say_load},
    {"/set",
     "NAME VALUE: temp, top-k, top-p, min-p, repeat-penalty, seed, "
     "tokens",
     say_set},
    {"/stats", "speed and context after each answer, on or off", say_stats},
    {"/help", "this list", say_help},
    {"/quit", "leave; so does Ctrl-D", say_quit},
};

static ar_status say_help(talk *t, char *rest, ar_error *err) {
    (void)t, (void)rest, (void)err;
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        fprintf(stderr, "  %-8s %s\n", commands[i].name, commands[i].help);
    fputs("  A line that ends in \\ goes on; \"\"\" begins and ends a text of "
          "many lines.\n  Ctrl-C stops an answer.\n",
          stderr);
    return AR_OK;
}

static ar_status run_command(talk *t, char *line, ar_error *err) {
    char *rest = line + strcspn(line, " \n");
    if (*rest) *rest++ = 0;
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (!strcmp(line, commands[i].name))
            return commands[i].run(t, rest, err);
    return error_set(err, AR_USAGE, "%.40s: no such command; /help lists them",
                     line);
}

/* ---- the conversation ---- */

static void say_numbers(const talk *t, const chat_stats *s) {
    fprintf(stderr,
            "[%lld tokens, %.1f tokens/s; prompt %lld, %lld of them new, %.1f "
            "tokens/s; context %lld of %lld]\n",
            (long long)s->n_answer,
            (double)s->n_answer / (s->answer_seconds + 1e-9),
            (long long)s->n_prompt, (long long)s->n_new,
            (double)s->n_new / (s->prompt_seconds + 1e-9),
            (long long)(s->n_prompt + s->n_answer),
            (long long)t->model->config.n_ctx);
}

static ar_status answer(talk *t, const char *question, ar_error *err) {
    chat_stats s;
    TRY(chat_say(t->chat, "user", question, err));
    stopped = 0;
    think_begin(&t->think);
    const ar_status status = chat_answer(t->chat, &t->request, &s, err);
    think_end(&t->think, stdout);
    if (status != AR_OK) {
        chat_undo(t->chat);
        return status;
    }
    fputs(stopped ? " ...\n" : "\n", stdout);
    fflush(stdout);
    if (s.n_dropped)
        fprintf(stderr,
                "(the context is full: the oldest %lld turns were dropped)\n",
                (long long)s.n_dropped);
    if (t->stats) say_numbers(t, &s);
    stopped = 0;
    return AR_OK;
}

/* Mistakes are told and the conversation goes on; without a terminal they end
 * it. */
static ar_status converse(talk *t, ar_error *err) {
    text line = {0};
    bool cut;
    ar_status s = AR_OK;
    while (!t->quit && line_edit_read(t->input, "> ", &line, &cut)) {
        if (cut) continue;
        s = text_status(&line, err);
        if (s != AR_OK) break;
        if (!line.size) continue;
        s = line.data[0] == '/' ? run_command(t, line.data, err)
                                : answer(t, line.data, err);
        if (s == AR_OK) continue;
        if (!isatty(STDIN_FILENO)) break;
        fprintf(stderr, "%s\n", err->message);
        s = AR_OK;
    }
    text_close(&line);
    return s;
}

static ar_status open_all(talk *t, ar_error *err) {
    const chat_args *a = t->args;
    TRY(model_open(&t->model, a->model, err));
    engine_options o = engine_options_default();
    o.device = a->on.device;
    o.kernels = a->on.kernels;
    o.n_threads = thread_count(a->on.threads);
    o.max_sessions = 1;
    int64_t context = a->context ? a->context : 8192;
    if (context < t->model->config.n_ctx)
        config_set_context(&t->model->config, context);
    TRY(engine_open(&t->engine, t->model, &o, err));
    TRY(chat_open(&t->chat, t->model, t->engine, err));
    if (a->load) TRY(chat_load(t->chat, a->load, err));
    if (a->system) TRY(chat_say(t->chat, "system", a->system, err));
    t->input = line_edit_open("arcane");
    return t->input ? AR_OK : error_set(err, AR_NOMEM, "out of memory");
}

static void greet(const talk *t) {
    if (!isatty(STDERR_FILENO)) return;
    fprintf(stderr, "%s; /help lists commands, Ctrl-D leaves\n",
            t->args->model);
    if (!chat_has_template(t->chat))
        fputs("(this model has no chat template: it continues your text)\n",
              stderr);
}

static ar_status run(const void *parsed, ar_error *err) {
    talk t = {.args = parsed};
    t.request = (chat_request){
        .sample = t.args->sample, .n = t.args->n, .on_text = show, .ctx = &t};
    t.request.sample.seed = (uint64_t)t.args->seed;
    t.stats = t.args->stats;
    if (t.args->n < 0 || t.args->context < 0)
        return error_set(err, AR_USAGE, "%s: less than 0",
                         t.args->n < 0 ? "-n" : "--context");
    TRY(sample_check(&t.request.sample, err));
    ar_status s = open_all(&t, err);
    if (s == AR_OK) {
        const struct sigaction on_int = {.sa_handler = on_interrupt};
        sigaction(SIGINT, &on_int, NULL);
        think_open(&t.think);
        greet(&t);
        s = converse(&t, err);
    }
    line_edit_close(t.input);
    chat_close(t.chat);
    engine_close(t.engine);
    model_close(t.model);
    return s;
}

const cli_command cmd_chat = {
    .name = "chat",
    .summary = "talk with a model in the terminal",
    .text = "Answers come as they are written. The model's own chat template "
            "is used; a model without one continues the text. /help lists the "
            "commands of a conversation.",
    .examples = "  arcane chat build/models/smollm2.gguf\n"
                "  arcane chat model.gguf --system \"Answer in one sentence.\" "
                "--temp 0\n"
                "  echo \"Why is the sky blue?\" | arcane chat model.gguf\n",
    .options = options,
    .args_size = sizeof(chat_args),
    .defaults = &defaults,
    .run = run,
};
