/* cmd_run.c - arcane run: one prompt in, its continuation out. */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/options.h"
#include "cli/sample_options.h"
#include "infer/infer.h"
#include "model/model.h"
#include "tok/tok.h"

typedef struct run_args {
    device_args on;
    const char *model, *prompt, *ids;
    int64_t n, n_logprobs;
    sample_args sampling;
    bool json, no_bos;
} run_args;

static const run_args defaults = {
    .on = DEVICE_DEFAULTS,
    .n = 128,
    .sampling =
        {
#define SAMPLER(...)
#define OPTION(type, field, flag, off, usual, ...) .options.field = (usual),
#include "infer/samplers.def"
#undef SAMPLER
#undef OPTION
        },
};

static const cli_option options[] = {
    {"MODEL", NULL, CLI_TEXT, true, offsetof(run_args, model), NULL,
     "a run's folder, or a folder with config.json and safetensors"},
    {"PROMPT", NULL, CLI_TEXT, false, offsetof(run_args, prompt), NULL,
     "the text to continue; read from standard input if absent or \"-\""},
    {"--tokens", "-n", CLI_INT, false, offsetof(run_args, n), "N",
     "tokens to write; default 128"},
#define SAMPLE_ARGS run_args
#include "cli/sample_options.def"
#undef SAMPLE_ARGS
    {"--logprobs", NULL, CLI_INT, false, offsetof(run_args, n_logprobs), "N",
     "with --json: log-probabilities of each token and of the N likeliest, of "
     "what was drawn from and of the raw scores; at most 1000"},
    {"--ids", NULL, CLI_TEXT, false, offsetof(run_args, ids), "1,2,3",
     "token ids in place of a prompt; needs no tokenizer"},
    {"--no-bos", NULL, CLI_FLAG, false, offsetof(run_args, no_bos), NULL,
     "do not put the beginning-of-sequence token before the prompt"},
    {"--json", NULL, CLI_FLAG, false, offsetof(run_args, json), NULL,
     "one object: ids, text, timings"},
    DEVICE_OPTIONS(run_args),
    EXACT_OPTION(run_args),
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
    double *logits;
    sampler *sampler;
    json_t *logprobs;    /* array, with --logprobs */
    sample_logprob *top; /* [n_logprobs] */
    text pending;        /* bytes not yet printed: part of a character */
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
    o.exact = args->on.exact;
    o.max_sessions = 1;
    TRY(engine_open(&a->engine, a->model, &o, err));
    TRY(session_open(&a->session, a->engine, err));
    a->logits = mem_new(double, n_vocab);
    a->top = mem_new(sample_logprob, args->n_logprobs);
    if (args->n_logprobs) a->logprobs = json_array();
    if (!a->logits || !a->top || (args->n_logprobs && !a->logprobs))
        return error_set(err, AR_NOMEM, "out of memory");
    TRY(sample_args_open(&a->sampler, &args->sampling, a->tok, n_vocab,
                         a->model->config.n_ctx, err));
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

/* {"logprob", "top": [{"id", "logprob"}, ...]}; logits as sampler_logprobs */
static json_t *logprobs_json(answer *a, const double *logits, int32_t id) {
    double chosen;
    const int64_t n = sampler_logprobs(a->sampler, logits, id, &chosen, a->top,
                                       a->args->n_logprobs);
    json_t *list = json_array();
    for (int64_t i = 0; i < n; i++)
        json_array_append_new(list, json_pack("{s:i, s:f}", "id", a->top[i].id,
                                              "logprob", a->top[i].logprob));
    return json_pack("{s:f, s:o}", "logprob", chosen, "top", list);
}

static ar_status note_logprobs(answer *a, int32_t id, ar_error *err) {
    json_t *one = json_pack("{s:i, s:o, s:o}", "id", id, "sampled",
                            logprobs_json(a, NULL, id), "raw",
                            logprobs_json(a, a->logits, id));
    if (one && !json_array_append_new(a->logprobs, one)) return AR_OK;
    return error_set(err, AR_NOMEM, "out of memory");
}

static ar_status write_tokens(answer *a, ar_error *err) {
    const model_config *c = &a->model->config;
    const double start = clock_now();
    TRY(session_feed(a->session, a->ids, a->n_prompt, false, a->logits, err));
    const double middle = clock_now();
    a->seconds_prompt = middle - start;
    a->n_ids = a->n_prompt;
    for (int64_t i = 0; i < a->n && !stopped; i++) {
        const sample_input in = {a->logits, a->ids, a->n_ids, a->n_ids};
        int32_t id;
        TRY(sampler_next(a->sampler, &in, &id, err));
        if (a->stop_id >= 0 && id == a->stop_id) {
            a->stop_seen = true;
            break;
        }
        if (a->logprobs) TRY(note_logprobs(a, id, err));
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
    if (a->logprobs) json_object_set(o, "logprobs", a->logprobs);
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
    mem_free(a->top);
    json_decref(a->logprobs);
    sampler_close(a->sampler);
}

static void say_speed(const answer *a) {
    const int64_t n = a->n_ids - a->n_prompt;
    fprintf(stderr,
            "prompt %lld tokens, %.0f tokens/s; wrote %lld, %.0f tokens/s\n",
            (long long)a->n_prompt,
            (double)a->n_prompt / (a->seconds_prompt + 1e-9), (long long)n,
            (double)n / (a->seconds_write + 1e-9));
}

static ar_status answer_prompt(answer *a, ar_error *err) {
    TRY(open_all(a, err));
    signal(SIGINT, on_interrupt);
    const char *prompt = a->args->prompt;
    if (!a->args->json && a->tok && prompt && strcmp(prompt, "-"))
        fputs(prompt, stdout);
    TRY(write_tokens(a, err));
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
    if (a.args->n < 0) return error_set(err, AR_USAGE, "-n: less than 0");
    if (a.args->ids && a.args->prompt)
        return error_set(err, AR_USAGE,
                         "--ids: in place of a prompt, not "
                         "beside one");
    if (a.args->n_logprobs < 0 || a.args->n_logprobs > 1000)
        return error_set(err, AR_USAGE, "--logprobs is %lld, not in 0 .. 1000",
                         (long long)a.args->n_logprobs);
    if (a.args->n_logprobs && !a.args->json)
        return error_set(err, AR_USAGE, "--logprobs: only with --json");
    TRY(sample_args_check(&a.args->sampling, err));
    const ar_status s = answer_prompt(&a, err);
    close_all(&a);
    return s;
}

const cli_command cmd_run = {
    .name = "run",
    .summary = "continue a prompt with a model",
    .examples =
        "  arcane run runs/a \"In the beginning\" -n 200 --temp 0.8 --seed 7\n"
        "  echo \"In the beginning\" | arcane run runs/a --json\n"
        "  arcane run runs/a \"Once\" --min-p 0.05 --dry-multiplier 0.8\n"
        "  arcane run runs/a \"Once\" --samplers top_k,temperature,xtc "
        "--xtc-probability 0.5\n"
        "  arcane run runs/a \"Once\" --json --logprobs 5\n"
        "  arcane run models/gpt2 --ids 1,2,3 -n 24 --greedy --json\n",
    .options = options,
    .args_size = sizeof(run_args),
    .defaults = &defaults,
    .run = run,
};
