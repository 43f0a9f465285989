/* cmd_data.c - arcane data prepare: text into token shards. */
#include "base/error.h"
#include "base/file.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "format/format.h"
#include "train/train.h"

typedef struct data_args {
    cli_words files;
    const char *tokenizer, *out, *key, *name;
    bool json;
} data_args;

static const cli_option options[] = {
    {"FILE", NULL, CLI_LIST, true, offsetof(data_args, files), NULL,
     "text (.txt, one document) or JSON lines (.jsonl), also as .zst"},
    {"--tokenizer", NULL, CLI_TEXT, true, offsetof(data_args, tokenizer),
     "FILE", "tokenizer.json"},
    {"--out", "-o", CLI_TEXT, true, offsetof(data_args, out), "FOLDER",
     "where the shards go"},
    {"--name", NULL, CLI_TEXT, false, offsetof(data_args, name), "NAME",
     "shards are called NAME-00000.bin and on; default train (use val for "
     "held-out text)"},
    {"--key", NULL, CLI_TEXT, false, offsetof(data_args, key), "NAME",
     "field of JSON lines that holds the text; default text"},
    {"--json", NULL, CLI_FLAG, false, offsetof(data_args, json), NULL,
     "print an object instead of a sentence"},
    OPTIONS_END,
};

typedef struct source {
    documents *docs;
    progress bar;
} source;

static ar_status next(void *ctx, const char **text, size_t *n, ar_error *err) {
    source *s = ctx;
    TRY(documents_next(s->docs, text, n, err));
    uint64_t done = 0, total = 0;
    documents_progress(s->docs, &done, &total);
    if (total) progress_show(&s->bar, (double)done / (double)total, "");
    return AR_OK;
}

static ar_status report(const data_args *a, const corpus_counts *c,
                        ar_error *err) {
    if (a->json)
        return print_json(
            json_pack("{s:s, s:I, s:I, s:I, s:I}", "folder", a->out,
                      "documents", (json_int_t)c->n_documents, "tokens",
                      (json_int_t)c->n_tokens, "bytes", (json_int_t)c->n_bytes,
                      "shards", (json_int_t)c->n_shards),
            err);
    printf("%s: %lld documents, %lld bytes, %lld tokens (%.3f bytes a token) "
           "in %lld shards\n",
           a->out, (long long)c->n_documents, (long long)c->n_bytes,
           (long long)c->n_tokens,
           c->n_tokens ? (double)c->n_bytes / (double)c->n_tokens : 0.0,
           (long long)c->n_shards);
    return AR_OK;
}

static ar_status run(const void *parsed, ar_error *err) {
    const data_args *a = parsed;
    source from = {0};
    ar_tokenizer *tok = NULL;
    TRY(ar_tokenizer_open(&tok, a->tokenizer, err));
    ar_status s =
        documents_open(&from.docs, a->files.word, a->files.n, a->key, err);
    if (s == AR_OK) s = file_make_folder(a->out, err);
    corpus_counts counts = {0};
    if (s == AR_OK) {
        progress_begin(&from.bar, "encoding");
        s = corpus_write(tok, next, &from, a->out, a->name, &counts, err);
        progress_end(&from.bar);
    }
    if (s == AR_OK) s = report(a, &counts, err);
    documents_close(from.docs);
    ar_tokenizer_close(tok);
    return s;
}

const cli_command cmd_data_prepare = {
    .name = "data prepare",
    .summary = "encode text into token shards",
    .examples = "  arcane data prepare *.txt *.jsonl --tokenizer tok.json "
                "--out shards/\n"
                "  arcane data prepare heldout.txt --tokenizer tok.json --out "
                "shards/ --name val\n",
    .options = options,
    .args_size = sizeof(data_args),
    .defaults = &(const data_args){.name = "train"},
    .run = run,
};
