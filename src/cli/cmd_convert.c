/* cmd_convert.c - arcane convert: a model as another kind of file. */
#include <string.h>

#include "base/error.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "model/model.h"

typedef struct convert_args {
    const char *model, *to, *out, *type;
    bool json;
} convert_args;

static const cli_option options[] = {
    {"MODEL", NULL, CLI_MODEL, true, offsetof(convert_args, model), NULL,
     "a model folder, a run, or a GGUF file"},
    {"--to", NULL, CLI_TEXT, true, offsetof(convert_args, to), "KIND",
     "gguf (one file) or safetensors (a folder with config.json)"},
    {"--out", "-o", CLI_TEXT, true, offsetof(convert_args, out), "PATH",
     "the file or folder to write"},
    {"--type", NULL, CLI_TEXT, false, offsetof(convert_args, type), "TYPE",
     "f32, f16 or bf16; default: as they are, quantised weights f32 in "
     "safetensors"},
    {"--json", NULL, CLI_FLAG, false, offsetof(convert_args, json), NULL,
     "print an object instead of a sentence"},
    OPTIONS_END,
};

static void show(void *ctx, double done) { progress_show(ctx, done, ""); }

static ar_status report(const convert_args *a, bool to_gguf, ar_error *err) {
    survey *s = NULL;
    TRY(survey_open(&s, a->out, err));
    const int64_t n = weights_count(s->files);
    const size_t bytes = weights_mapped(s->files);
    const bool tokens =
        to_gguf && gguf_find(weights_gguf(s->files), "tokenizer.ggml.tokens");
    survey_close(s);
    if (!tokens)
        fputs(to_gguf
                  ? "note: there is no tokenizer in the file; none was found "
                    "that can go into one\n"
                  : "note: tokenizer files are not written\n",
              stderr);
    if (a->json)
        return print_json(json_pack("{s:s, s:I, s:I, s:b}", "out", a->out,
                                    "tensors", (json_int_t)n, "bytes",
                                    (json_int_t)bytes, "tokenizer", tokens),
                          err);
    printf("%s: %lld tensors, %.2f MiB\n", a->out, (long long)n,
           (double)bytes / (1 << 20));
    return AR_OK;
}

static ar_status run(const void *parsed, ar_error *err) {
    const convert_args *a = parsed;
    progress bar;
    ar_model *m = NULL;
    export_options o = {.progress = show, .ctx = &bar};
    const bool to_gguf = !strcmp(a->to, "gguf");
    if (!to_gguf && strcmp(a->to, "safetensors"))
        return error_set(err, AR_USAGE,
                         "--to: \"%.40s\" is neither gguf nor safetensors",
                         a->to);
    if (a->type) o.type = ar_type_from_name(a->type);
    if (a->type && o.type != AR_F32 && o.type != AR_F16 && o.type != AR_BF16)
        return error_set(err, AR_USAGE,
                         "--type: \"%.40s\" is not f32, f16 or bf16", a->type);
    TRY(ar_model_open(&m, a->model, err));
    progress_begin(&bar, "converting");
    const ar_status s = to_gguf ? export_gguf(m, a->out, &o, err)
                                : export_folder(m, a->out, &o, err);
    progress_end(&bar);
    ar_model_close(m);
    TRY(s);
    return report(a, to_gguf, err);
}

const cli_command cmd_convert = {
    .name = "convert",
    .summary = "write a model as GGUF or as safetensors",
    .text = "Weights of 32 and 16 bits keep their values. A GGUF file is "
            "opened again before it gets its name, and must say the same as "
            "the model it was made of.",
    .examples = "  arcane convert qwen3-0.6b/ --to gguf --out qwen3-0.6b.gguf\n"
                "  arcane convert model-q4_k.gguf --to safetensors --type bf16 "
                "--out model/\n",
    .options = options,
    .args_size = sizeof(convert_args),
    .run = run,
};
