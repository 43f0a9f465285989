/* cmd_chat.c - arcane chat: a conversation in the terminal. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/draft_option.h"
#include "cli/engine_option.h"
#include "cli/line_edit.h"
#include "cli/options.h"
#include "cli/sample_options.h"
#include "cli/think.h"
#include "infer/infer.h"
#include "model/model.h"

typedef struct chat_args {
    device_args on;
    const char *model, *system, *load;
    int64_t n, context;
    sample_args sampling;
    draft_args guess;
    engine_args run;
    bool stats;
} chat_args;

static const chat_args defaults = {
    .on = DEVICE_DEFAULTS,
    .guess = DRAFT_DEFAULTS,
    .sampling =
        {
#define AR_SAMPLER(...)
#define AR_OPTION(type, field, flag, off, usual, ...) .options.field = (usual),
#include "arcane/samplers.def"
#undef AR_SAMPLER
#undef AR_OPTION
        },
};

static const cli_option options[] = {
    {"MODEL", NULL, CLI_MODEL, true, offsetof(chat_args, model), NULL,
     "a GGUF file, a Hugging Face folder, or a run's folder"},
    {"--system", NULL, CLI_TEXT, false, offsetof(chat_args, system), "TEXT",
     "what the model is told before the conversation"},
    {"--load", NULL, CLI_TEXT, false, offsetof(chat_args, load), "FILE",
     "go on with a conversation that /save wrote"},
    {"--tokens", "-n", CLI_INT, false, offsetof(chat_args, n), "N",
     "most tokens of an answer; default: what the context has"},
    {"--context", "-c", CLI_INT, false, offsetof(chat_args, context), "N",
     "tokens kept in memory; default: the model's, at most 8192"},
#define SAMPLE_ARGS chat_args
#include "cli/sample_options.def"
#undef SAMPLE_ARGS
    {"--stats", NULL, CLI_FLAG, false, offsetof(chat_args, stats), NULL,
     "tokens per second and context used, after each answer"},
    ENGINE_OPTIONS(chat_args),
    DRAFT_OPTIONS(chat_args),
    DEVICE_OPTIONS(chat_args),
    OPTIONS_END,
};

typedef struct talk {
    const chat_args *args;
    sample_args sampling; /* as /set left it */
    ar_model *model;
    ar_engine *engine;
    chat *chat;
    line_edit *input;
    draft_model guess;
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

/* What /set knows by the names of the options. */
static const struct {
    const char *name;
    bool whole;    /* int64_t, else double */
    size_t offset; /* in ar_sample_options */
} numbers[] = {
#define WHOLE_double false
#define WHOLE_int64_t true
#define AR_SAMPLER(...)
#define AR_OPTION(type, field, flag, ...)                                      \
    {flag, WHOLE_##type, offsetof(ar_sample_options, field)},
#include "arcane/samplers.def"
#undef AR_SAMPLER
#undef AR_OPTION
};

static bool set_number(ar_sample_options *o, const char *name, double x) {
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        void *field = (char *)o + numbers[i].offset;
        if (strcmp(numbers[i].name, name)) continue;
        if (numbers[i].whole)
            *(int64_t *)field = (int64_t)x;
        else
            *(double *)field = x;
        return true;
    }
    return false;
}

static ar_status new_sampler(talk *t, const sample_args *a, ar_error *err) {
    ar_sampler *s;
    const model_config *c = &t->model->config;
    TRY(sample_args_open(&s, a, chat_tokenizer(t->chat), c->n_vocab, c->n_ctx,
                         err));
    ar_sampler_close(t->request.sampler);
    t->request.sampler = s;
    t->sampling = *a;
    return AR_OK;
}

/* NAME VALUE; nothing is changed where the value is out of range. */
static ar_status say_set(talk *t, char *rest, ar_error *err) {
    sample_args a = t->sampling;
    char *given = strchr(rest, ' '), *end;
    if (given) *given++ = 0;
    const double x = given ? strtod(given, &end) : 0;
    if (!given || end == given || *end || !(x > -1e15 && x < 1e15))
        return error_set(err, AR_USAGE,
                         "/set: a name (an option's: temp, top-k, seed, "
                         "tokens ...) and a number");
    if (!strcmp(rest, "tokens"))
        t->request.n = x < 0 ? 0 : (int64_t)x;
    else if (!strcmp(rest, "seed"))
        a.seed = (int64_t)x;
    else if (!set_number(&a.options, rest, x))
        return error_set(err, AR_USAGE, "/set: there is no \"%.40s\"", rest);
    return new_sampler(t, &a, err);
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
     "NAME VALUE: an option of sampling (temp, top-p ...), seed, tokens",
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
    TRY(ar_model_open(&t->model, a->model, err));
    ar_engine_options o;
    TRY(engine_args_read(&o, &a->on, &a->run, err));
    o.max_sessions = 1;
    int64_t context = a->context ? a->context : 8192;
    if (context < t->model->config.n_ctx)
        config_set_context(&t->model->config, context);
    TRY(ar_engine_open(&t->engine, t->model, &o, err));
    TRY(draft_model_open(&t->guess, &a->guess, &o, err));
    TRY(chat_open(&t->chat, t->model, t->engine, &t->guess.options, err));
    TRY(new_sampler(t, &a->sampling, err));
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
    const ar_sync_options sync = {.cancel = &stopped};
    t.request = (chat_request){
        .n = t.args->n, .sync = &sync, .on_text = show, .ctx = &t};
    t.stats = t.args->stats;
    if (t.args->n < 0 || t.args->context < 0)
        return error_set(err, AR_USAGE, "%s: less than 0",
                         t.args->n < 0 ? "-n" : "--context");
    TRY(sample_args_check(&t.args->sampling, err));
    ar_status s = open_all(&t, err);
    if (s == AR_OK) {
        const struct sigaction on_int = {.sa_handler = on_interrupt};
        sigaction(SIGINT, &on_int, NULL);
        think_open(&t.think);
        greet(&t);
        s = converse(&t, err);
    }
    line_edit_close(t.input);
    ar_sampler_close(t.request.sampler);
    chat_close(t.chat);
    draft_model_close(&t.guess);
    ar_engine_close(t.engine);
    ar_model_close(t.model);
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
