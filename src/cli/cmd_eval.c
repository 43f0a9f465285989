/* cmd_eval.c - arcane eval: how well a model predicts a text. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "cli/engine_option.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "infer/infer.h"
#include "model/model.h"
#include "train/train.h"

typedef struct eval_args {
    device_args on;
    const char *model, *text, *choices;
    int64_t seq, stride;
    engine_args run;
    bool json;
} eval_args;

static const cli_option options[] = {
    {"MODEL", NULL, CLI_MODEL, true, offsetof(eval_args, model), NULL,
     "a run's folder, a model folder or a GGUF file, with a tokenizer"},
    {"TEXT", NULL, CLI_TEXT, false, offsetof(eval_args, text), NULL,
     "a text file; standard input if absent or \"-\""},
    {"--seq", NULL, CLI_INT, false, offsetof(eval_args, seq), "N",
     "tokens of a window; default: the model's context, at most 1024; with "
     "--choices: longest question, default the context"},
    {"--stride", NULL, CLI_INT, false, offsetof(eval_args, stride), "N",
     "tokens counted of each window but the first; smaller is slower and "
     "gives every token more context; default: all"},
    {"--choices", NULL, CLI_TEXT, false, offsetof(eval_args, choices),
     "FILE.jsonl",
     "questions in place of a text, one a line: {\"prompt\": \"...\", "
     "\"choices\": [\"...\", ...], \"answer\": 0}; a choice is appended to "
     "the prompt as it is"},
    {"--json", NULL, CLI_FLAG, false, offsetof(eval_args, json), NULL,
     "print an object"},
    ENGINE_OPTIONS(eval_args),
    DEVICE_OPTIONS(eval_args),
    OPTIONS_END,
};

static void show(void *ctx, double done) { progress_show(ctx, done, ""); }

static ar_status report(const eval_args *a, const eval_result *r,
                        ar_error *err) {
    const double loss = eval_loss(r), perplexity = eval_perplexity(r),
                 bits = eval_bits_per_byte(r);
    if (a->json)
        return print_json(json_pack("{s:f, s:f, s:f, s:I, s:I}", "loss", loss,
                                    "perplexity", perplexity, "bits_per_byte",
                                    isfinite(bits) ? bits : 0.0, "tokens",
                                    (json_int_t)r->n_tokens, "bytes",
                                    (json_int_t)r->n_bytes),
                          err);
    printf("loss %.5f  perplexity %.4f  bits per byte %.5f  (%lld tokens, "
           "%lld bytes)\n",
           loss, perplexity, bits, (long long)r->n_tokens,
           (long long)r->n_bytes);
    return AR_OK;
}

static ar_status evaluate(const eval_args *a, const ar_model *m,
                          const ar_engine_options *how, const char *text,
                          size_t n, ar_error *err) {
    ar_tokenizer *tok = NULL;
    TRY(ar_model_tokenizer(&tok, m, err));
    if (!tok)
        return error_set(err, AR_FORMAT, "%s: has no tokenizer", a->model);
    progress bar;
    progress_begin(&bar, "eval");
    eval_options o = eval_options_default();
    o.engine = *how;
    o.tokens = a->seq;
    o.stride = a->stride;
    o.progress = show;
    o.ctx = &bar;
    eval_result r = {0};
    ar_status s = eval_text(m, tok, text, n, &o, &r, err);
    progress_end(&bar);
    if (s == AR_OK) s = report(a, &r, err);
    ar_tokenizer_close(tok);
    return s;
}

/* ---- questions ---- */

typedef struct quiz {
    const eval_args *args;
    scorer *scorer;
    ar_tokenizer *tok;
    char *lines;
    size_t size;
    int64_t n, right, right_per_byte;
    json_t *answers; /* with --json */
    progress bar;
} quiz;

static ar_status ask(quiz *z, const char *line, size_t n, ar_error *err) {
    choices_question q;
    choices_result r;
    TRY(choices_read(&q, line, n, err));
    const ar_status s = choices_score(z->scorer, z->tok, &q, &r, err);
    if (s == AR_OK) {
        json_t *logp = json_array();
        for (int i = 0; i < q.n; i++)
            json_array_append_new(logp, json_real(r.logp[i]));
        json_array_append_new(
            z->answers, json_pack("{s:i, s:i, s:i, s:o}", "answer", q.answer,
                                  "best", r.best, "best_per_byte",
                                  r.best_per_byte, "logprobs", logp));
        z->n++;
        z->right += r.best == q.answer;
        z->right_per_byte += r.best_per_byte == q.answer;
    }
    choices_free(&q);
    return s;
}

static ar_status ask_all(quiz *z, ar_error *err) {
    size_t at = 0;
    for (long number = 1; at < z->size; number++) {
        const char *line = z->lines + at;
        const char *end = memchr(line, '\n', z->size - at);
        const size_t n = end ? (size_t)(end - line) : z->size - at;
        char name[300];
        snprintf(name, sizeof name, "%.250s: line %ld", z->args->choices,
                 number);
        at += n + 1;
        if (strspn(line, " \t\r") >= n) continue;
        const ar_status s = ask(z, line, n, err);
        if (s != AR_OK) return error_prefix(err, s, name);
        progress_show(&z->bar, (double)at / (double)(z->size + 1), "");
    }
    if (z->n) return AR_OK;
    return error_set(err, AR_FORMAT, "%s: no questions", z->args->choices);
}

static ar_status report_quiz(const quiz *z, ar_error *err) {
    const double n = (double)z->n, a = (double)z->right / n,
                 b = (double)z->right_per_byte / n;
    if (z->args->json)
        return print_json(json_pack("{s:f, s:f, s:I, s:O}", "accuracy", a,
                                    "accuracy_per_byte", b, "questions",
                                    (json_int_t)z->n, "answers", z->answers),
                          err);
    printf("accuracy %.4f ± %.4f  by byte %.4f ± %.4f  (%lld questions)\n", a,
           sqrt(a * (1 - a) / n), b, sqrt(b * (1 - b) / n), (long long)z->n);
    return AR_OK;
}

static ar_status open_quiz(quiz *z, ar_engine **e, const ar_model *m,
                           ar_engine_options o, ar_error *err) {
    const eval_args *a = z->args;
    o.max_sessions = 1;
    o.max_tokens = a->seq;
    TRY(ar_model_tokenizer(&z->tok, m, err));
    if (!z->tok)
        return error_set(err, AR_FORMAT, "%s: has no tokenizer", a->model);
    TRY(file_read(a->choices, (size_t)1 << 31, &z->lines, &z->size, err));
    TRY(ar_engine_open(e, m, &o, err));
    TRY(scorer_open(&z->scorer, *e, err));
    z->answers = json_array();
    return z->answers ? AR_OK : error_set(err, AR_NOMEM, "out of memory");
}

static ar_status run_quiz(const eval_args *a, const ar_model *m,
                          const ar_engine_options *how, ar_error *err) {
    quiz z = {.args = a};
    ar_engine *e = NULL;
    ar_status s = open_quiz(&z, &e, m, *how, err);
    if (s == AR_OK) {
        progress_begin(&z.bar, "eval");
        s = ask_all(&z, err);
        progress_end(&z.bar);
    }
    if (s == AR_OK) s = report_quiz(&z, err);
    scorer_close(z.scorer);
    ar_engine_close(e);
    ar_tokenizer_close(z.tok);
    mem_free(z.lines);
    json_decref(z.answers);
    return s;
}

static ar_status run_text(const eval_args *a, const ar_model *m,
                          const ar_engine_options *how, ar_error *err) {
    char *text = NULL;
    size_t n = 0;
    TRY(a->text && strcmp(a->text, "-")
            ? file_read(a->text, (size_t)1 << 31, &text, &n, err)
            : read_stdin(&text, &n, err));
    const ar_status s = evaluate(a, m, how, text, n, err);
    mem_free(text);
    return s;
}

static ar_status run(const void *parsed, ar_error *err) {
    const eval_args *a = parsed;
    ar_model *m = NULL;
    if (a->choices && (a->text || a->stride))
        return error_set(err, AR_USAGE,
                         "--choices: in place of TEXT and --stride");
    if (a->choices && a->seq < 0)
        return error_set(err, AR_USAGE, "--seq is less than 0");
    ar_engine_options how;
    TRY(engine_args_read(&how, &a->on, &a->run, err));
    TRY(ar_model_open(&m, a->model, err));
    const ar_status s =
        a->choices ? run_quiz(a, m, &how, err) : run_text(a, m, &how, err);
    ar_model_close(m);
    return s;
}

const cli_command cmd_eval = {
    .name = "eval",
    .summary = "perplexity and bits per byte of a text, or multiple choice",
    .text = "A choice counts by the sum of its tokens' log-probabilities; "
            "\"by byte\" divides that by the bytes of its text.",
    .examples = "  arcane eval runs/a heldout.txt\n"
                "  arcane eval runs/a heldout.txt --stride 64 --json\n"
                "  arcane eval model.gguf --choices questions.jsonl\n",
    .options = options,
    .args_size = sizeof(eval_args),
    .defaults = &(const eval_args){.on = DEVICE_DEFAULTS},
    .run = run,
};
