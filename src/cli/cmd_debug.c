/* cmd_debug.c - arcane debug: the numbers inside a model, in files. */
#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "cli/engine_option.h"
#include "cli/options.h"
#include "format/format.h"
#include "infer/infer.h"
#include "model/model.h"
#include "train/train.h"

typedef struct logits_args {
    device_args on;
    const char *model, *ids, *out;
    engine_args run;
} logits_args;

static const cli_option logits_options[] = {
    {"MODEL", NULL, CLI_MODEL, true, offsetof(logits_args, model), NULL,
     "a model folder, a run, or a GGUF file"},
    {"--ids", NULL, CLI_TEXT, true, offsetof(logits_args, ids), "1,2,3",
     "the tokens, T of them"},
    {"--out", "-o", CLI_TEXT, true, offsetof(logits_args, out), "FILE",
     "safetensors file to write: logits f32 [T, V]"},
    ENGINE_OPTIONS(logits_args),
    DEVICE_OPTIONS(logits_args),
    OPTIONS_END,
};

/* f32 [T, V] from f64, as the file has it. */
static ar_status write_logits(const char *path, const double *logits, int64_t t,
                              int64_t v, ar_error *err) {
    float *row = mem_new(float, v);
    if (!row) return error_set(err, AR_NOMEM, "out of memory");
    st_writer *w = NULL;
    ar_status s = st_create(&w, path, err);
    if (s == AR_OK) {
        const shape s2 = shape2(t, v);
        st_declare(w, "logits", AR_F32, &s2);
        for (int64_t i = 0; i < t; i++) {
            for (int64_t j = 0; j < v; j++) row[j] = (float)logits[i * v + j];
            st_data(w, row, (size_t)v * sizeof *row);
        }
        s = st_commit(w, err);
    }
    mem_free(row);
    return s;
}

static ar_status feed_ids(const logits_args *a, const ar_model *m,
                          const int32_t *ids, int64_t n, ar_error *err) {
    ar_engine_options o;
    TRY(engine_args_read(&o, &a->on, &a->run, err));
    o.max_sessions = 1;
    if (n < 1) return error_set(err, AR_USAGE, "--ids: no tokens");
    o.max_tokens = n;
    ar_engine *e = NULL;
    ar_session *sequence = NULL;
    double *logits = mem_new(double, n * m->config.n_vocab);
    ar_status s = logits ? ar_engine_open(&e, m, &o, err)
                         : error_set(err, AR_NOMEM, "out of memory");
    if (s == AR_OK) s = ar_session_open(&sequence, e, err);
    if (s == AR_OK) s = ar_session_feed(sequence, ids, n, true, logits, err);
    if (s == AR_OK) s = write_logits(a->out, logits, n, m->config.n_vocab, err);
    ar_session_close(sequence);
    ar_engine_close(e);
    mem_free(logits);
    return s;
}

static ar_status run_logits(const void *parsed, ar_error *err) {
    const logits_args *a = parsed;
    int32_t *ids;
    int64_t n;
    TRY(parse_ids("--ids", a->ids, &ids, &n, err));
    ar_model *m = NULL;
    ar_status s = ar_model_open(&m, a->model, err);
    if (s == AR_OK) s = feed_ids(a, m, ids, n, err);
    ar_model_close(m);
    mem_free(ids);
    return s;
}

const cli_command cmd_debug_logits = {
    .name = "debug logits",
    .summary = "write the logits of every position of a list of tokens",
    .examples =
        "  arcane debug logits models/gpt2 --ids 1,2,3 --out F.safetensors\n"
        "  arcane debug logits runs/a --ids 5,6 --out F.safetensors "
        "--device reference-f64\n",
    .options = logits_options,
    .args_size = sizeof(logits_args),
    .defaults = &(const logits_args){.on = DEVICE_DEFAULTS},
    .run = run_logits,
};

/* ---- gradients ---- */

typedef struct grads_args {
    device_args on;
    const char *model, *batch, *out;
} grads_args;

static const cli_option grads_options[] = {
    {"MODEL", NULL, CLI_MODEL, true, offsetof(grads_args, model), NULL,
     "a model folder, a run, or a GGUF file"},
    {"--batch", NULL, CLI_TEXT, true, offsetof(grads_args, batch), "FILE",
     "JSON: {\"inputs\": [[ids], ...], \"targets\": [[ids], ...]}, rows of one "
     "length; target -1 is not counted"},
    {"--out", "-o", CLI_TEXT, true, offsetof(grads_args, out), "FILE",
     "safetensors file to write: loss [1] and the gradient of every weight "
     "under its name in the model file"},
    DEVICE_OPTIONS(grads_args),
    OPTIONS_END,
};

/* Rows of ids into out [rows, tokens]. */
static ar_status read_rows(const json_t *json, const char *name, int64_t rows,
                           int64_t tokens, int32_t *out, ar_error *err) {
    for (int64_t i = 0; i < rows; i++) {
        const json_t *row = json_array_get(json, (size_t)i);
        if ((int64_t)json_array_size(row) != tokens)
            return error_set(err, AR_FORMAT, "%s: row %lld has not %lld ids",
                             name, (long long)i, (long long)tokens);
        for (int64_t j = 0; j < tokens; j++) {
            const json_t *id = json_array_get(row, (size_t)j);
            const json_int_t v = json_integer_value(id);
            if (!json_is_integer(id) || v < -1 || v > INT32_MAX)
                return error_set(err, AR_FORMAT,
                                 "%s: row %lld, place %lld: not an id", name,
                                 (long long)i, (long long)j);
            out[i * tokens + j] = (int32_t)v;
        }
    }
    return AR_OK;
}

static ar_status grads_of(const grads_args *a, const json_t *inputs,
                          const json_t *targets, ar_error *err) {
    const int64_t rows = (int64_t)json_array_size(inputs);
    const int64_t tokens = (int64_t)json_array_size(json_array_get(inputs, 0));
    if (rows < 1 || tokens < 1 || (int64_t)json_array_size(targets) != rows)
        return error_set(err, AR_FORMAT,
                         "inputs and targets must be lists of as many rows");
    int32_t *ids = mem_new(int32_t, 2 * rows * tokens);
    if (!ids) return error_set(err, AR_NOMEM, "out of memory");
    ar_status s = read_rows(inputs, "inputs", rows, tokens, ids, err);
    if (s == AR_OK)
        s = read_rows(targets, "targets", rows, tokens, ids + rows * tokens,
                      err);
    ar_model *m = NULL;
    if (s == AR_OK) s = ar_model_open(&m, a->model, err);
    if (s == AR_OK) {
        const grads_batch batch = {ids, ids + rows * tokens, rows, tokens};
        const device_options o = {.n_threads = thread_count(a->on.threads),
                                  .kernels = a->on.kernels};
        double loss = 0;
        s = grads_run(m, &batch, a->on.device, &o, a->out, &loss, err);
        if (s == AR_OK) printf("loss %.9g\n", loss);
    }
    ar_model_close(m);
    mem_free(ids);
    return s;
}

static ar_status run_grads(const void *parsed, ar_error *err) {
    const grads_args *a = parsed;
    char *text;
    size_t n;
    TRY(file_read(a->batch, (size_t)1 << 30, &text, &n, err));
    json_error_t where;
    json_t *json = json_loadb(text, n, 0, &where);
    mem_free(text);
    if (!json)
        return error_set(err, AR_FORMAT, "%s:%d: %s", a->batch, where.line,
                         where.text);
    ar_status s = grads_of(a, json_object_get(json, "inputs"),
                           json_object_get(json, "targets"), err);
    if (s == AR_FORMAT) s = error_prefix(err, s, a->batch);
    json_decref(json);
    return s;
}

const cli_command cmd_debug_grads = {
    .name = "debug grads",
    .summary = "write the loss of a batch and the gradient of every weight",
    .examples = "  arcane debug grads models/gpt2 --batch F.json --out "
                "G.safetensors\n",
    .options = grads_options,
    .args_size = sizeof(grads_args),
    .defaults = &(const grads_args){.on = DEVICE_DEFAULTS},
    .run = run_grads,
};
