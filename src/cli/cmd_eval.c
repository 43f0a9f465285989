/* cmd_eval.c - arcane eval: how well a model predicts a text. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "cli/options.h"
#include "infer/infer.h"
#include "cli/progress.h"
#include "model/model.h"
#include "train/train.h"

typedef struct eval_args {
    device_args on;
    const char *model, *text;
    int64_t seq, stride, rows;
    bool json;
} eval_args;

static const cli_option options[] = {
    {"MODEL", NULL, CLI_MODEL, true, offsetof(eval_args, model), NULL,
     "a run's folder or a model folder with a tokenizer.json"},
    {"TEXT", NULL, CLI_TEXT, false, offsetof(eval_args, text), NULL,
     "a text file; standard input if absent or \"-\""},
    {"--seq", NULL, CLI_INT, false, offsetof(eval_args, seq), "N",
     "tokens of a window; default: the model's context, at most 1024"},
    {"--stride", NULL, CLI_INT, false, offsetof(eval_args, stride), "N",
     "tokens counted of each window but the first; smaller is slower and "
     "gives every token more context; default: all"},
    {"--batch", NULL, CLI_INT, false, offsetof(eval_args, rows), "N",
     "windows at a time; default: about 4096 tokens"},
    {"--json", NULL, CLI_FLAG, false, offsetof(eval_args, json), NULL,
     "print an object"},
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

static ar_status evaluate(const eval_args *a, const model *m, const char *text,
                          size_t n, ar_error *err) {
    ar_tokenizer *tok = NULL;
    TRY(model_tokenizer(&tok, m, err));
    if (!tok)
        return error_set(err, AR_FORMAT, "%s: has no tokenizer.json", a->model);
    progress bar;
    progress_begin(&bar, "eval");
    eval_options o = eval_options_default();
    o.device = a->on.device;
    o.kernels = a->on.kernels;
    o.n_threads = thread_count(a->on.threads);
    o.tokens = a->seq;
    o.stride = a->stride;
    o.rows = a->rows;
    o.progress = show;
    o.ctx = &bar;
    eval_result r = {0};
    ar_status s = eval_text(m, tok, text, n, &o, &r, err);
    progress_end(&bar);
    if (s == AR_OK) s = report(a, &r, err);
    ar_tokenizer_close(tok);
    return s;
}

static ar_status run(const void *parsed, ar_error *err) {
    const eval_args *a = parsed;
    model *m = NULL;
    TRY(model_open(&m, a->model, err));
    char *text = NULL;
    size_t n = 0;
    ar_status s = a->text && strcmp(a->text, "-")
                      ? file_read(a->text, (size_t)1 << 31, &text, &n, err)
                      : read_stdin(&text, &n, err);
    if (s == AR_OK) s = evaluate(a, m, text, n, err);
    mem_free(text);
    model_close(m);
    return s;
}

const cli_command cmd_eval = {
    .name = "eval",
    .summary = "loss, perplexity and bits per byte of a text",
    .examples = "  arcane eval runs/a heldout.txt\n"
                "  arcane eval runs/a heldout.txt --stride 64 --json\n",
    .options = options,
    .args_size = sizeof(eval_args),
    .defaults = &(const eval_args){.on = DEVICE_DEFAULTS},
    .run = run,
};
