/* cmd_run.c - arcane run: one prompt in, its continuation out. */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/options.h"
#include "infer/infer.h"
#include "model/model.h"
#include "tok/tok.h"

typedef struct run_args {
    device_args on;
    const char *model, *prompt, *ids;
    int64_t n;
    sample_options sample;
    int64_t seed;
    bool greedy, json, no_bos;
} run_args;

static const run_args defaults = {
    .on = DEVICE_DEFAULTS,
    .n = 128,
    .sample = {.temperature = 0.8,
               .top_k = 50,
               .top_p = 1,
               .typical_p = 1,
               .repetition = 1},
};

static const cli_option options[] = {
    {"MODEL", NULL, CLI_TEXT, true, offsetof(run_args, model), NULL,
     "a run's folder, or a folder with config.json and safetensors"},
    {"PROMPT", NULL, CLI_TEXT, false, offsetof(run_args, prompt), NULL,
     "the text to continue; read from standard input if absent or \"-\""},
    {"--tokens", "-n", CLI_INT, false, offsetof(run_args, n), "N",
     "tokens to write; default 128"},
    {"--temp", NULL, CLI_REAL, false, offsetof(run_args, sample.temperature),
     "X", "temperature; 0 is greedy; default 0.8"},
    {"--top-k", NULL, CLI_INT, false, offsetof(run_args, sample.top_k), "N",
     "choose among the N likeliest; 0 = all; default 50"},
    {"--top-p", NULL, CLI_REAL, false, offsetof(run_args, sample.top_p), "X",
     "choose among the likeliest that together have X; default 1"},
    {"--min-p", NULL, CLI_REAL, false, offsetof(run_args, sample.min_p), "X",
     "leave out what is less than X times as likely as the likeliest"},
    {"--repeat-penalty", NULL, CLI_REAL, false,
     offsetof(run_args, sample.repetition), "X",
     "divide the scores of tokens already there; default 1"},
    {"--seed", NULL, CLI_INT, false, offsetof(run_args, seed), "N",
     "the same seed gives the same text; default 0"},
    {"--greedy", NULL, CLI_FLAG, false, offsetof(run_args, greedy), NULL,
     "always the likeliest token"},
    {"--ids", NULL, CLI_TEXT, false, offsetof(run_args, ids), "1,2,3",
     "token ids in place of a prompt; needs no tokenizer"},
    {"--no-bos", NULL, CLI_FLAG, false, offsetof(run_args, no_bos), NULL,
     "do not put the beginning-of-sequence token before the prompt"},
    {"--json", NULL, CLI_FLAG, false, offsetof(run_args, json), NULL,
     "one object: ids, text, timings"},
    DEVICE_OPTIONS(run_args),
    OPTIONS_END,
};

/* Everything one answer needs. */
typedef struct answer {
    const run_args *args;
    model *model;
    ar_tokenizer *tok; /* NULL if the model has none */
    engine *engine;
    session *session;
    int32_t *ids; /* the prompt, then what was written */
    int64_t n_prompt, n_ids;
    int64_t n; /* to write, at most: what the context could have */
    double *logits, *probs;
    int32_t *work;
    text pending; /* bytes not yet printed: part of a character */
    double seconds_load, seconds_prompt, seconds_write;
    int32_t stop_id; /* ends a text; -1 where the prompt is ids */
    bool stop_seen;
} answer;

static volatile sig_atomic_t stopped;
static void on_interrupt(int signal_number) {
    (void)signal_number;
    stopped = 1;
}

static ar_status prompt_ids(answer *a, const char *prompt, size_t n,
                            ar_error *err) {
    if (!a->tok)
        return error_set(err, AR_FORMAT,
                         "%s: has no tokenizer.json; give --ids",
                         a->args->model);
    const unsigned flags = a->args->no_bos ? 0 : AR_TEMPLATE;
    size_t count;
    TRY(ar_tokenizer_encode(a->tok, prompt, n, flags, NULL, 0, &count, err));
    a->ids = mem_new(int32_t, (int64_t)count + a->n + 1);
    if (!a->ids) return error_set(err, AR_NOMEM, "out of memory");
    a->n_prompt = (int64_t)count;
    return ar_tokenizer_encode(a->tok, prompt, n, flags, a->ids, count, &count,
                               err);
}

static ar_status read_prompt(answer *a, ar_error *err) {
    const run_args *args = a->args;
    if (args->ids) {
        int32_t *ids;
        TRY(parse_ids("--ids", args->ids, &ids, &a->n_prompt, err));
        a->ids =
            mem_realloc(ids, (size_t)(a->n_prompt + a->n + 1) * sizeof *ids);
        if (a->ids) return AR_OK;
        mem_free(ids);
        return error_set(err, AR_NOMEM, "out of memory");
    }
    if (args->prompt && strcmp(args->prompt, "-"))
        return prompt_ids(a, args->prompt, strlen(args->prompt), err);
    char *input;
    size_t n;
    TRY(read_stdin(&input, &n, err));
    while (n && (input[n - 1] == '\n' || input[n - 1] == '\r')) n--;
    const ar_status s = prompt_ids(a, input, n, err);
    mem_free(input);
    return s;
}

static ar_status open_all(answer *a, ar_error *err) {
    const run_args *args = a->args;
    const double start = clock_now();
    TRY(model_open(&a->model, args->model, err));
    TRY(model_tokenizer(&a->tok, a->model, err));
    a->n = a->model->config.n_ctx;
    if (args->n < a->n) a->n = args->n;
    TRY(read_prompt(a, err));
    a->stop_id = a->tok && !args->ids ? ar_tokenizer_eos(a->tok) : -1;
    const int64_t n_vocab = a->model->config.n_vocab;
    if (a->n_prompt < 1) return error_set(err, AR_USAGE, "the prompt is empty");
    if (a->n_prompt > a->model->config.n_ctx)
        return error_set(err, AR_RANGE,
                         "the prompt has %lld tokens; the model's context "
                         "is %lld",
                         (long long)a->n_prompt,
                         (long long)a->model->config.n_ctx);
    engine_options o = engine_options_default();
    o.device = args->on.device;
    o.kernels = args->on.kernels;
    o.n_threads = thread_count(args->on.threads);
    o.max_sessions = 1;
    TRY(engine_open(&a->engine, a->model, &o, err));
    TRY(session_open(&a->session, a->engine, err));
    a->logits = mem_new(double, n_vocab);
    a->probs = mem_new(double, n_vocab);
    a->work = mem_new(int32_t, n_vocab);
    if (!a->logits || !a->probs || !a->work)
        return error_set(err, AR_NOMEM, "out of memory");
    a->seconds_load = clock_now() - start;
    return AR_OK;
}

/* Print what is complete of the text so far; all of it at the end. */
static void show(answer *a, int32_t id, bool end) {
    if (a->args->json || !a->tok) return;
    char piece[1024];
    size_t n = 0;
    ar_error ignored;
    if (!end && ar_tokenizer_decode(a->tok, &id, 1, 0, piece, sizeof piece, &n,
                                    &ignored) == AR_OK)
        text_add(&a->pending, piece, n < sizeof piece ? n : sizeof piece);
    if (!a->pending.size) return;
    size_t ready = utf8_valid(a->pending.data, a->pending.size);
    if (end || a->pending.size - ready > 3) ready = a->pending.size;
    text shown = {0};
    utf8_add_lossy(&shown, a->pending.data, ready);
    if (shown.data) fwrite(shown.data, 1, shown.size, stdout);
    text_close(&shown);
    fflush(stdout);
    memmove(a->pending.data, a->pending.data + ready, a->pending.size - ready);
    a->pending.size -= ready;
}

static ar_status write_tokens(answer *a, const sample_options *o,
                              ar_error *err) {
    const model_config *c = &a->model->config;
    const double start = clock_now();
    TRY(session_feed(a->session, a->ids, a->n_prompt, false, a->logits, err));
    const double middle = clock_now();
    a->seconds_prompt = middle - start;
    a->n_ids = a->n_prompt;
    for (int64_t i = 0; i < a->n && !stopped; i++) {
        const sample_input in = {c->n_vocab, a->logits, a->ids,
                                 a->n_ids,   a->probs,  a->work};
        const int32_t id = sample_token(o, &in, a->n_ids);
        if (a->stop_id >= 0 && id == a->stop_id) {
            a->stop_seen = true;
            break;
        }
        a->ids[a->n_ids++] = id;
        show(a, id, false);
        if (a->n_ids > c->n_ctx || i + 1 == a->n) break;
        TRY(session_feed(a->session, &id, 1, false, a->logits, err));
    }
    a->seconds_write = clock_now() - middle;
    return AR_OK;
}

static ar_status print_answer(answer *a, ar_error *err) {
    char *written = NULL;
    size_t size = 0;
    const int64_t n = a->n_ids - a->n_prompt;
    if (a->tok)
        TRY(decode_text(a->tok, a->ids + a->n_prompt, (size_t)n, 0, &written,
                        &size, err));
    json_t *ids = json_array();
    for (int64_t i = 0; i < n; i++)
        json_array_append_new(ids, json_integer(a->ids[a->n_prompt + i]));
    json_t *o = json_pack(
        "{s:o, s:o, s:{s:f, s:f, s:f, s:I, s:I}}", "ids", ids, "text",
        written ? json_stringn(written, size) : json_null(), "timings",
        "load_s", a->seconds_load, "prompt_s", a->seconds_prompt,
        "generation_s", a->seconds_write, "prompt_tokens",
        (json_int_t)a->n_prompt, "generated_tokens", (json_int_t)n);
    mem_free(written);
    return print_json(o, err);
}

static void print_ids(const answer *a) {
    for (int64_t i = a->n_prompt; i < a->n_ids; i++)
        printf("%d%c", a->ids[i], i + 1 < a->n_ids ? ',' : '\n');
}

static void close_all(answer *a) {
    session_close(a->session);
    engine_close(a->engine);
    ar_tokenizer_close(a->tok);
    model_close(a->model);
    text_close(&a->pending);
    mem_free(a->ids);
    mem_free(a->logits);
    mem_free(a->probs);
    mem_free(a->work);
}

static void say_speed(const answer *a) {
    const int64_t n = a->n_ids - a->n_prompt;
    fprintf(stderr,
            "prompt %lld tokens, %.0f tokens/s; wrote %lld, %.0f tokens/s\n",
            (long long)a->n_prompt,
            (double)a->n_prompt / (a->seconds_prompt + 1e-9), (long long)n,
            (double)n / (a->seconds_write + 1e-9));
}

static ar_status answer_prompt(answer *a, const sample_options *o,
                               ar_error *err) {
    TRY(open_all(a, err));
    signal(SIGINT, on_interrupt);
    const char *prompt = a->args->prompt;
    if (!a->args->json && a->tok && prompt && strcmp(prompt, "-"))
        fputs(prompt, stdout);
    TRY(write_tokens(a, o, err));
    show(a, 0, true);
    if (a->args->json) return print_answer(a, err);
    if (a->tok)
        putchar('\n');
    else
        print_ids(a);
    if (a->n_ids - a->n_prompt < a->args->n && !stopped && !a->stop_seen)
        fprintf(stderr, "stopped: the model's context of %lld tokens is full\n",
                (long long)a->model->config.n_ctx);
    if (isatty(STDERR_FILENO)) say_speed(a);
    return AR_OK;
}

static ar_status run(const void *parsed, ar_error *err) {
    answer a = {.args = parsed};
    sample_options o = a.args->sample;
    o.seed = (uint64_t)a.args->seed;
    if (a.args->greedy) o.temperature = 0;
    if (a.args->n < 0) return error_set(err, AR_USAGE, "-n: less than 0");
    if (a.args->ids && a.args->prompt)
        return error_set(err, AR_USAGE,
                         "--ids: in place of a prompt, not "
                         "beside one");
    TRY(sample_check(&o, err));
    const ar_status s = answer_prompt(&a, &o, err);
    close_all(&a);
    return s;
}

const cli_command cmd_run = {
    .name = "run",
    .summary = "continue a prompt with a model",
    .examples =
        "  arcane run runs/a \"In the beginning\" -n 200 --temp 0.8 --seed 7\n"
        "  echo \"In the beginning\" | arcane run runs/a --json\n"
        "  arcane run models/gpt2 --ids 1,2,3 -n 24 --greedy --json\n",
    .options = options,
    .args_size = sizeof(run_args),
    .defaults = &defaults,
    .run = run,
};
