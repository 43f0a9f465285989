/* cmd_quantize.c - arcane quantize: a GGUF file with weights in blocks. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/thread.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "format/format.h"
#include "infer/infer.h"
#include "model/model.h"
#include "train/train.h"

enum { WINDOW = 256, MOST_TOKENS = 4096, MAX_TEXT = 1 << 24 };
enum { MOST_MEASURED = 1 << 16 }; /* tokens of the importance's text */

typedef struct quantize_args {
    const char *model, *to, *out, *check, *imatrix;
    cli_words tensors;
    int64_t threads;
    bool json;
} quantize_args;

static const cli_option options[] = {
    {"MODEL", NULL, CLI_MODEL, true, offsetof(quantize_args, model), NULL,
     "a model folder, a run, or a GGUF file"},
    {"--to", NULL, CLI_TEXT, true, offsetof(quantize_args, to), "TYPE",
     "a type for all matrices, as q4_k or q8_0, or a mix, as q4_k_m, that has "
     "larger types for the embedding, the head, values and down projections"},
    {"--out", "-o", CLI_TEXT, true, offsetof(quantize_args, out), "FILE",
     "the GGUF file to write"},
    {"--imatrix", NULL, CLI_TEXT, false, offsetof(quantize_args, imatrix),
     "FILE",
     "a text like those the model is for: what its columns are multiplied with "
     "there decides which errors matter (the first 65536 tokens count); or an "
     "imatrix file of llama.cpp"},
    {"--tensor", NULL, CLI_LIST, false, offsetof(quantize_args, tensors),
     "PATTERN=TYPE",
     "another type for some tensors, by their names in the file, * and ? as in "
     "file names; may be given several times, the last that matches counts"},
    {"--threads", "-t", CLI_INT, false, offsetof(quantize_args, threads), "N",
     "threads; default: all processors. The file is the same for any number"},
    {"--check", NULL, CLI_TEXT, false, offsetof(quantize_args, check), "FILE",
     "a text: how far the next-token distributions move from the model's (mean "
     "KL divergence over its first 4096 tokens); the model needs a tokenizer"},
    {"--json", NULL, CLI_FLAG, false, offsetof(quantize_args, json), NULL,
     "print an object instead of a table"},
    OPTIONS_END,
};

/* What the callbacks of the export see. */
typedef struct job {
    export_mix mix;
    imatrix *importance;
    int64_t n_blocks, n_with; /* matrices in blocks, those with importance */
} job;

static ar_type choose(void *ctx, const param_spec *s, ar_type t) {
    job *j = ctx;
    (void)t;
    const ar_type type = export_mix_choose(&j->mix, s);
    if (s->shape.rank < 2 || type == AR_F32) return type;
    j->n_blocks++;
    if (j->importance && imatrix_find(j->importance, s->name)) j->n_with++;
    return type;
}

static progress bar;
static void show(void *ctx, double done) {
    (void)ctx;
    progress_show(&bar, done, "");
}

/* ---- the check ---- */

/* log of the sum of exponentials of x [n] */
/* Sum p (log p - log q) of two rows of logits [n]. */
static double divergence(const double *x, const double *y, int64_t n) {
    const double a = score_log_sum(x, n), b = score_log_sum(y, n);
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += exp(x[i] - a) * ((x[i] - a) - (y[i] - b));
    return sum;
}

/* Logits [n, V] of n tokens from an empty context. */
static ar_status window_logits(ar_engine *e, const int32_t *ids, int64_t n,
                               double *out, ar_error *err) {
    ar_session *s = NULL;
    TRY(ar_session_open(&s, e, err));
    const ar_status status = ar_session_feed(s, ids, n, true, out, err);
    ar_session_close(s);
    return status;
}

static ar_status compare(ar_engine *const e[2], const int32_t *ids, int64_t n,
                         const model_config *c, double *mean, ar_error *err) {
    const int64_t V = c->n_vocab, T = c->n_ctx < WINDOW ? c->n_ctx : WINDOW;
    double *x = mem_new(double, T *V), *y = mem_new(double, T *V), sum = 0;
    ar_status s =
        x && y ? AR_OK : error_set(err, AR_NOMEM, "no memory for logits");
    for (int64_t i = 0; s == AR_OK && i < n; i += T) {
        const int64_t m = n - i < T ? n - i : T;
        s = window_logits(e[0], ids + i, m, x, err);
        if (s == AR_OK) s = window_logits(e[1], ids + i, m, y, err);
        for (int64_t k = 0; s == AR_OK && k < m; k++)
            sum += divergence(x + k * V, y + k * V, V);
        progress_show(&bar, (double)i / (double)n, "");
    }
    mem_free(x);
    mem_free(y);
    *mean = sum / (double)n;
    return s;
}

static ar_status read_ids(const ar_model *m, const char *path, int32_t *ids,
                          int64_t *n, ar_error *err) {
    ar_tokenizer *tok = NULL;
    char *text = NULL;
    size_t size = 0, count = 0;
    TRY(ar_model_tokenizer(&tok, m, err));
    if (!tok)
        return error_set(err, AR_FORMAT, "%.200s: has no tokenizer", m->folder);
    ar_status s = file_read(path, MAX_TEXT, &text, &size, err);
    if (s == AR_OK)
        s = ar_tokenizer_encode(tok, text, size, 0, ids, MOST_TOKENS, &count,
                                err);
    mem_free(text);
    ar_tokenizer_close(tok);
    *n = count < MOST_TOKENS ? (int64_t)count : MOST_TOKENS;
    if (s == AR_OK && count == 0)
        s = error_set(err, AR_RANGE, "%.200s: there is no text in it", path);
    return s;
}

static ar_status check(const ar_model *m, const int32_t *ids, int64_t n,
                       const char *out, double *mean, ar_error *err) {
    ar_engine *e[2] = {NULL, NULL};
    ar_model *q = NULL;
    ar_engine_options o = ar_engine_options_default();
    o.max_tokens = m->config.n_ctx < WINDOW ? m->config.n_ctx : WINDOW;
    o.exact = true; /* what the weights alone change */
    progress_begin(&bar, "checking");
    ar_status s = ar_model_open(&q, out, err);
    if (s == AR_OK) s = ar_engine_open(&e[0], m, &o, err);
    if (s == AR_OK) s = ar_engine_open(&e[1], q, &o, err);
    if (s == AR_OK) s = compare(e, ids, n, &m->config, mean, err);
    progress_end(&bar);
    ar_engine_close(e[0]);
    ar_engine_close(e[1]);
    ar_model_close(q);
    return s;
}

/* ---- the report ---- */

static int64_t bytes_of(const weights *w, ar_type t) {
    int64_t sum = 0;
    for (int64_t i = 0; i < weights_count(w); i++)
        if (weights_get(w, i)->type == t || t == AR_NONE)
            sum += (int64_t)weights_get(w, i)->size;
    return sum;
}

static ar_status report(const quantize_args *a, const ar_model *m,
                        const export_mix *mix, double kl, ar_error *err) {
    survey *s = NULL;
    TRY(survey_open(&s, a->out, err));
    const int64_t before = bytes_of(m->files, AR_NONE),
                  after = bytes_of(s->files, AR_NONE);
    ar_status status = AR_OK;
    if (a->json) {
        json_t *o = json_pack("{s:s, s:I, s:I, s:I}", "out", a->out, "before",
                              (json_int_t)before, "after", (json_int_t)after,
                              "fallen", (json_int_t)mix->n_fallen);
        if (a->check) json_object_set_new(o, "kl_divergence", json_real(kl));
        status = print_json(o, err);
    } else {
        printf("%-8s%14s%14s\n", "bytes", "before", "after");
        for (int t = AR_NONE; t <= AR_TYPE_COUNT; t++) {
            const ar_type type = t < AR_TYPE_COUNT ? (ar_type)t : AR_NONE;
            const int64_t x = bytes_of(m->files, type),
                          y = bytes_of(s->files, type);
            if (t != AR_NONE && (x || y))
                printf("%-8s%14lld%14lld\n",
                       t < AR_TYPE_COUNT ? ar_type_name(type) : "all",
                       (long long)x, (long long)y);
        }
        if (mix->n_fallen)
            printf("%lld tensors have rows that are not whole blocks and got "
                   "another type (%s: %s)\n",
                   (long long)mix->n_fallen, mix->example,
                   ar_type_name(mix->example_type));
        if (a->check) printf("mean KL divergence %.6f nats\n", kl);
    }
    survey_close(s);
    return status;
}

/* ---- the importance ---- */

static ar_status measure(job *j, const quantize_args *a, const ar_model *m,
                         ar_error *err) {
    ar_tokenizer *tok = NULL;
    char *text = NULL;
    size_t size = 0;
    TRY(ar_model_tokenizer(&tok, m, err));
    if (!tok)
        return error_set(err, AR_FORMAT, "%.200s: has no tokenizer", m->folder);
    importance_options o = importance_options_default();
    o.n_threads = thread_count(a->threads);
    o.most = MOST_MEASURED;
    o.progress = show;
    progress_begin(&bar, "measuring");
    ar_status s = file_read(a->imatrix, MAX_TEXT, &text, &size, err);
    if (s == AR_OK)
        s = importance_measure(&j->importance, m, tok, text, size, &o, err);
    progress_end(&bar);
    mem_free(text);
    ar_tokenizer_close(tok);
    return s;
}

static ar_status get_importance(job *j, const quantize_args *a,
                                const ar_model *m, ar_error *err) {
    bool file = false;
    if (!a->imatrix) return AR_OK;
    TRY(imatrix_is_file(&file, a->imatrix, err));
    return file ? imatrix_open(&j->importance, a->imatrix, err)
                : measure(j, a, m, err);
}

/* ---- the command ---- */

static ar_status write_file(job *j, const quantize_args *a, const ar_model *m,
                            ar_error *err) {
    pool *threads = NULL;
    TRY(pool_open(&threads, thread_count(a->threads), err));
    const export_options o = {.choose = choose,
                              .progress = show,
                              .importance = j->importance,
                              .pool = threads,
                              .ctx = j};
    progress_begin(&bar, "quantizing");
    const ar_status s = export_gguf(m, a->out, &o, err);
    progress_end(&bar);
    pool_close(threads);
    if (s == AR_OK && j->importance && j->n_with < j->n_blocks)
        fprintf(stderr, "note: %lld of %lld matrices have no importance\n",
                (long long)(j->n_blocks - j->n_with), (long long)j->n_blocks);
    return s;
}

static ar_status quantize(job *j, const quantize_args *a, const ar_model *m,
                          ar_error *err) {
    int32_t *ids = mem_new(int32_t, MOST_TOKENS);
    int64_t n = 0;
    double kl = 0;
    if (!ids) return error_set(err, AR_NOMEM, "out of memory");
    ar_status s = a->check ? read_ids(m, a->check, ids, &n, err) : AR_OK;
    if (s == AR_OK) s = get_importance(j, a, m, err);
    if (s == AR_OK) s = write_file(j, a, m, err);
    if (s == AR_OK && a->check) s = check(m, ids, n, a->out, &kl, err);
    if (s == AR_OK) s = report(a, m, &j->mix, kl, err);
    mem_free(ids);
    return s;
}

static ar_status run(const void *parsed, ar_error *err) {
    const quantize_args *a = parsed;
    job j = {.importance = NULL};
    ar_model *m = NULL;
    TRY(export_mix_find(&j.mix, a->to, err));
    for (int i = 0; i < a->tensors.n; i++)
        TRY(export_mix_rule(&j.mix, a->tensors.word[i], err));
    ar_status s = ar_model_open(&m, a->model, err);
    if (s == AR_OK) s = quantize(&j, a, m, err);
    imatrix_close(j.importance);
    ar_model_close(m);
    return s;
}

const cli_command cmd_quantize = {
    .name = "quantize",
    .summary = "write a model as GGUF with weights in blocks of few bits",
    .examples =
        "  arcane quantize qwen3-0.6b/ --to q4_k_m --out qwen3-q4.gguf\n"
        "  arcane quantize model.gguf --to q8_0 --out model-q8_0.gguf\n"
        "  arcane quantize qwen3-0.6b/ --to q4_k_m --imatrix calib.txt -o "
        "q.gguf\n"
        "  arcane quantize model.gguf --to iq4_xs --tensor '*ffn_down*=q5_k' "
        "-o m.gguf\n"
        "  arcane quantize runs/a --to q6_k -o a.gguf --check heldout.txt\n",
    .options = options,
    .args_size = sizeof(quantize_args),
    .run = run,
};
