/* cmd_run.c - arcane run: one prompt in, its continuation out. */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/constrain.h"
#include "cli/draft_option.h"
#include "cli/engine_option.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/sample_options.h"
#include "infer/infer.h"
#include "model/model.h"
#include "tok/tok.h"

typedef struct run_args {
    device_args on;
    const char *model, *prompt, *ids;
    int64_t n, n_logprobs;
    sample_args sampling;
    draft_args guess;
    engine_args run;
    constrain_args limits;
    bool json, no_bos;
} run_args;

static const run_args defaults = {
    .on = DEVICE_DEFAULTS,
    .guess = DRAFT_DEFAULTS,
    .n = 128,
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
    {"MODEL", NULL, CLI_MODEL, true, offsetof(run_args, model), NULL,
     "a GGUF file, a Hugging Face folder, or a run's folder"},
    {"PROMPT", NULL, CLI_TEXT, false, offsetof(run_args, prompt), NULL,
     "the text to continue; read from standard input if absent or \"-\""},
    {"--tokens", "-n", CLI_INT, false, offsetof(run_args, n), "N",
     "tokens to write; default 128"},
#define SAMPLE_ARGS run_args
#include "cli/sample_options.def"
#undef SAMPLE_ARGS
    CONSTRAIN_OPTIONS(run_args),
    {"--logprobs", NULL, CLI_INT, false, offsetof(run_args, n_logprobs), "N",
     "with --json: log-probabilities of each token and of the N likeliest, of "
     "what was drawn from and of the raw scores; at most 1000"},
    {"--ids", NULL, CLI_TEXT, false, offsetof(run_args, ids), "1,2,3",
     "token ids in place of a prompt; needs no tokenizer"},
    {"--no-bos", NULL, CLI_FLAG, false, offsetof(run_args, no_bos), NULL,
     "do not put the beginning-of-sequence token before the prompt"},
    {"--json", NULL, CLI_FLAG, false, offsetof(run_args, json), NULL,
     "one object: ids, text, why it ended, timings"},
    ENGINE_OPTIONS(run_args),
    DRAFT_OPTIONS(run_args),
    DEVICE_OPTIONS(run_args),
    OPTIONS_END,
};

/* Everything one answer needs. */
typedef struct answer {
    const run_args *args;
    ar_model *model;
    ar_tokenizer *tok; /* NULL if the model has none */
    ar_engine *engine;
    ar_session *session;
    int32_t *ids; /* the prompt, then what was written */
    int64_t n_prompt, n_ids;
    int64_t n; /* to write, at most: what the context could have */
    draft_model guess;
    ar_generator *from;
    ar_sampler *sampler;
    json_t *logprobs;       /* array, with --logprobs */
    ar_sample_logprob *top; /* [n_logprobs] */
    constrain limits;
    ar_tokenizer_stream *stream; /* NULL without a tokenizer */
    text written;                /* with --json */
    double seconds_load, seconds_prompt, seconds_write;
    int32_t ends[2];    /* end a text; -1 = none */
    const char *reason; /* why it ended */
} answer;

static volatile sig_atomic_t stopped;
static void on_interrupt(int signal_number) {
    (void)signal_number;
    stopped = 1;
}

static ar_status prompt_ids(answer *a, const char *prompt, size_t n,
                            ar_error *err) {
    const size_t good = utf8_valid(prompt, n);
    if (good < n)
        return error_set(err, AR_FORMAT,
                         "the prompt is not UTF-8: byte %zu is 0x%02x", good,
                         (unsigned char)prompt[good]);
    if (!a->tok)
        return error_set(err, AR_FORMAT, "%s: has no tokenizer; give --ids",
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

/* Ids are the caller's own affair and go on behind an end, unless a grammar
 * says when the text is whole. */
static ar_status open_text(answer *a, ar_error *err) {
    const bool limited = a->limits.grammar != NULL;
    a->ends[0] = a->ends[1] = -1;
    if (a->tok && (limited || !a->args->ids)) {
        a->ends[0] = ar_tokenizer_eos(a->tok);
        a->ends[1] = a->model->config.eos;
    }
    TRY(constrain_attach(&a->limits, a->tok, a->ends, 2,
                         a->model->config.n_vocab, err));
    if (!a->tok) return AR_OK;
    /* what is printed continues the prompt */
    const unsigned flags = limited || !a->args->json ? AR_MIDDLE : 0;
    return ar_tokenizer_stream_open(&a->stream, a->tok, flags, err);
}

/* Rows of the largest step: the prompt's, or a token's and its guesses'.  An
 * engine compiles a program for 256 and each smaller size, which a short prompt
 * would wait for and not use. */
static int64_t most_rows(const answer *a, int64_t usual) {
    const int64_t guesses = a->args->guess.most;
    if (a->n_prompt >= usual || guesses >= usual) return usual;
    return a->n_prompt > guesses ? a->n_prompt : guesses + 1;
}

static ar_status open_all(answer *a, ar_error *err) {
    const run_args *args = a->args;
    const double start = clock_now();
    TRY(constrain_open(&a->limits, &args->limits, err));
    TRY(ar_model_open(&a->model, args->model, err));
    TRY(ar_model_tokenizer(&a->tok, a->model, err));
    a->n = a->model->config.n_ctx;
    if (args->n < a->n) a->n = args->n;
    TRY(read_prompt(a, err));
    TRY(open_text(a, err));
    const int64_t n_vocab = a->model->config.n_vocab;
    if (a->n_prompt < 1) return error_set(err, AR_USAGE, "the prompt is empty");
    if (a->n_prompt > a->model->config.n_ctx)
        return error_set(err, AR_RANGE,
                         "the prompt has %lld tokens; the model's context "
                         "is %lld",
                         (long long)a->n_prompt,
                         (long long)a->model->config.n_ctx);
    ar_engine_options o;
    TRY(engine_args_read(&o, &args->on, &args->run, err));
    o.max_sessions = 1;
    o.max_rows = most_rows(a, o.max_rows);
    const int64_t n_ctx = a->model->config.n_ctx;
    o.max_tokens = a->n < n_ctx - a->n_prompt ? a->n_prompt + a->n : n_ctx;
    TRY(ar_engine_open(&a->engine, a->model, &o, err));
    TRY(ar_session_open(&a->session, a->engine, err));
    TRY(draft_model_open(&a->guess, &args->guess, &o, err));
    TRY(ar_generator_open(&a->from, a->session, &a->guess.options, err));
    a->top = mem_new(ar_sample_logprob, args->n_logprobs);
    if (args->n_logprobs) a->logprobs = json_array();
    if (!a->top || (args->n_logprobs && !a->logprobs))
        return error_set(err, AR_NOMEM, "out of memory");
    TRY(sample_args_open(&a->sampler, &args->sampling, a->tok, n_vocab,
                         a->model->config.n_ctx, err));
    a->seconds_load = clock_now() - start;
    return AR_OK;
}

/* Print or keep what the last token, or the end, makes certain. */
static ar_status show(answer *a, int32_t id, bool end, ar_error *err) {
    const char *p, *out;
    size_t n, n_out;
    if (!a->stream) return AR_OK;
    TRY(end ? ar_tokenizer_stream_end(a->stream, &p, &n, err)
            : ar_tokenizer_stream_add(a->stream, id, &p, &n, err));
    for (int part = 0; part <= end; part++) {
        if (part)
            stop_text_end(a->limits.stop, &out, &n_out);
        else
            TRY(stop_text_add(a->limits.stop, p, n, &out, &n_out, err));
        if (a->args->json)
            text_add(&a->written, out, n_out);
        else
            fwrite(out, 1, n_out, stdout);
    }
    if (!a->args->json) fflush(stdout);
    return text_status(&a->written, err);
}

/* {"logprob", "top": [{"id", "logprob"}, ...]}; logits as ar_sampler_logprobs
 */
static json_t *logprobs_json(answer *a, const double *logits, int32_t id) {
    double chosen;
    const int64_t n = ar_sampler_logprobs(a->sampler, logits, id, &chosen,
                                          a->top, a->args->n_logprobs);
    json_t *list = json_array();
    for (int64_t i = 0; i < n; i++)
        json_array_append_new(list, json_pack("{s:i, s:f}", "id", a->top[i].id,
                                              "logprob", a->top[i].logprob));
    return json_pack("{s:f, s:o}", "logprob", chosen, "top", list);
}

static ar_status note_logprobs(answer *a, int32_t id, ar_error *err) {
    json_t *one = json_pack("{s:i, s:o, s:o}", "id", id, "sampled",
                            logprobs_json(a, NULL, id), "raw",
                            logprobs_json(a, ar_generator_logits(a->from), id));
    if (one && !json_array_append_new(a->logprobs, one)) return AR_OK;
    return error_set(err, AR_NOMEM, "out of memory");
}

static int show_progress(void *ctx, int64_t done, int64_t total) {
    progress_show(ctx, (double)done / (double)total, NULL);
    return 0;
}

/* The prompt through the model; a long one shows how far it is. */
static ar_status read_tokens(answer *a, ar_error *err) {
    enum { LONG = 1024 };
    progress bar;
    ar_sync_options o = {.ctx = &bar, .cancel = &stopped};
    const bool show_bar = a->n_prompt >= LONG && isatty(STDERR_FILENO);
    if (show_bar) {
        progress_begin(&bar, "prompt");
        o.progress = show_progress;
    }
    const ar_status s =
        ar_generator_begin(a->from, a->ids, a->n_prompt, &o, err);
    if (show_bar) progress_end(&bar);
    return s;
}

/* The next token; *over if there is none, as the text is whole. */
static ar_status next_token(answer *a, int32_t *id, bool *over, ar_error *err) {
    ar_grammar_mask *mask = a->limits.mask;
    const uint64_t *bits = NULL;
    *over = mask && ar_grammar_mask_is_over(mask);
    if (*over) {
        a->reason = "grammar";
        return AR_OK;
    }
    if (mask) TRY(ar_grammar_mask_allowed(mask, &bits, err));
    ar_sampler_allow(a->sampler, bits);
    TRY(ar_generator_next(a->from, a->sampler, id, err));
    *over = *id == a->ends[0] || *id == a->ends[1];
    if (*over) a->reason = "eos";
    return *over || !mask ? AR_OK : ar_grammar_mask_accept(mask, *id, err);
}

static ar_status write_tokens(answer *a, ar_error *err) {
    const model_config *c = &a->model->config;
    const double start = clock_now();
    TRY(read_tokens(a, err));
    const double middle = clock_now();
    a->seconds_prompt = middle - start;
    a->n_ids = a->n_prompt;
    a->reason = "length";
    for (int64_t i = 0; i < a->n; i++) {
        int32_t id;
        bool over;
        TRY(next_token(a, &id, &over, err));
        if (over) break;
        if (a->logprobs) TRY(note_logprobs(a, id, err));
        a->ids[a->n_ids++] = id;
        TRY(show(a, id, false, err));
        if (stop_text_found(a->limits.stop)) a->reason = "stop";
        if (stopped) a->reason = "interrupt";
        if (strcmp(a->reason, "length") != 0) break;
        if (a->n_ids > c->n_ctx) break;
    }
    if (!strcmp(a->reason, "length") && a->limits.mask &&
        ar_grammar_mask_is_over(a->limits.mask))
        a->reason = "grammar"; /* the last token that was asked for ends it */
    a->seconds_write = clock_now() - middle;
    return show(a, 0, true, err);
}

static ar_status print_answer(answer *a, ar_error *err) {
    const ar_generate_stats g = ar_generator_stats(a->from);
    const int64_t n = a->n_ids - a->n_prompt;
    const char *stop = stop_text_found(a->limits.stop);
    const char *p = a->written.data ? a->written.data : "";
    json_t *ids = json_array();
    for (int64_t i = 0; i < n; i++)
        json_array_append_new(ids, json_integer(a->ids[a->n_prompt + i]));
    json_t *o = json_pack(
        "{s:o, s:o, s:s, s:{s:f, s:f, s:f, s:I, s:I, s:I, s:I}}", "ids", ids,
        "text", a->tok ? json_stringn(p, a->written.size) : json_null(),
        "finish_reason", a->reason, "timings", "load_s", a->seconds_load,
        "prompt_s", a->seconds_prompt, "generation_s", a->seconds_write,
        "prompt_tokens", (json_int_t)a->n_prompt, "generated_tokens",
        (json_int_t)n, "guessed_tokens", (json_int_t)g.guessed, "right_guesses",
        (json_int_t)g.right);
    if (stop) json_object_set_new(o, "stop", json_string(stop));
    if (a->logprobs) json_object_set(o, "logprobs", a->logprobs);
    return print_json(o, err);
}

static void print_ids(const answer *a) {
    for (int64_t i = a->n_prompt; i < a->n_ids; i++)
        printf("%d%c", a->ids[i], i + 1 < a->n_ids ? ',' : '\n');
}

static void close_all(answer *a) {
    ar_generator_close(a->from);
    draft_model_close(&a->guess);
    ar_session_close(a->session);
    ar_engine_close(a->engine);
    ar_tokenizer_stream_close(a->stream);
    ar_tokenizer_close(a->tok);
    ar_model_close(a->model);
    text_close(&a->written);
    constrain_close(&a->limits);
    mem_free(a->ids);
    mem_free(a->top);
    json_decref(a->logprobs);
    ar_sampler_close(a->sampler);
}

static void say_speed(const answer *a) {
    const int64_t n = a->n_ids - a->n_prompt;
    const ar_generate_stats g = ar_generator_stats(a->from);
    fprintf(stderr,
            "prompt %lld tokens, %.0f tokens/s; wrote %lld, %.0f tokens/s\n",
            (long long)a->n_prompt,
            (double)a->n_prompt / (a->seconds_prompt + 1e-9), (long long)n,
            (double)n / (a->seconds_write + 1e-9));
    if (g.right)
        fprintf(stderr, "guessed %lld tokens, %lld of them right\n",
                (long long)g.guessed, (long long)g.right);
}

static ar_status answer_prompt(answer *a, ar_error *err) {
    TRY(open_all(a, err));
    signal(SIGINT, on_interrupt);
    const char *prompt = a->args->prompt;
    if (!a->args->json && a->tok && prompt && strcmp(prompt, "-"))
        fputs(prompt, stdout);
    TRY(write_tokens(a, err));
    if (a->args->json) return print_answer(a, err);
    if (a->tok)
        putchar('\n');
    else
        print_ids(a);
    if (a->n_ids - a->n_prompt < a->args->n && !strcmp(a->reason, "length"))
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
        "  arcane run runs/a \"Once\" --stop \"\\n\\n\" --stop \"The end\"\n"
        "  arcane run runs/a \"A person as JSON:\" --json-schema person.json "
        "--json\n"
        "  arcane run runs/a \"Move: \" --grammar chess.gbnf\n"
        "  arcane run models/gpt2 --ids 1,2,3 -n 24 --greedy --json\n",
    .options = options,
    .args_size = sizeof(run_args),
    .defaults = &defaults,
    .run = run,
};
