/* cmd_data.c - arcane data prepare: text into token shards. */
#include <string.h>

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
     "FILE", "a tokenizer.json, its folder, or \"bytes\""},
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

static ar_status check_name(const char *name, ar_error *err) {
    const size_t n = strlen(name);
    if (n >= 1 && n <= 40 && name[0] != '.' && !strchr(name, '/')) return AR_OK;
    return error_set(err, AR_USAGE,
                     "--name: \"%.50s\" is not a file name of 1 to 40 letters",
                     name);
}

static bool same_files(const char *a, const char *b) {
    file_map x, y;
    if (file_map_open(&x, a, NULL) != AR_OK) return false;
    bool same = false;
    if (file_map_open(&y, b, NULL) == AR_OK) {
        same = x.size == y.size && !memcmp(x.data, y.data, x.size);
        file_map_close(&y);
    }
    file_map_close(&x);
    return same;
}

/* The tokenizer goes with the shards, for whoever trains on them; all of a
 * folder have the same one. */
static ar_status keep_tokenizer(const ar_tokenizer *tok, const char *folder,
                                ar_error *err) {
    char path[4096], fresh[4096];
    TRY(file_join(path, sizeof path, folder, "tokenizer.json", err));
    TRY(file_join(fresh, sizeof fresh, folder, "tokenizer.json.new", err));
    TRY(ar_tokenizer_save(tok, fresh, err));
    if (!file_exists(path)) return file_rename(fresh, path, err);
    const bool same = same_files(path, fresh);
    TRY(file_remove(fresh, err));
    if (same) return AR_OK;
    return error_set(err, AR_RANGE,
                     "%s: is another tokenizer than the shards here would need",
                     path);
}

/* Shards of an earlier, longer text. */
static ar_status remove_rest(const data_args *a, int64_t first, ar_error *err) {
    for (int64_t i = first;; i++) {
        char name[64], path[4096];
        snprintf(name, sizeof name, "%.40s-%05lld.bin", a->name, (long long)i);
        TRY(file_join(path, sizeof path, a->out, name, err));
        if (!file_exists(path)) return AR_OK;
        TRY(file_remove(path, err));
    }
}

static ar_status prepare(const data_args *a, const ar_tokenizer *tok,
                         source *from, ar_error *err) {
    corpus_counts counts = {0};
    TRY(documents_open(&from->docs, a->files.word, a->files.n, a->key, err));
    TRY(file_make_folder(a->out, err));
    TRY(keep_tokenizer(tok, a->out, err));
    progress_begin(&from->bar, "encoding");
    const ar_status s =
        corpus_write(tok, next, from, a->out, a->name, &counts, err);
    progress_end(&from->bar);
    TRY(s);
    if (!counts.n_tokens)
        return error_set(err, AR_RANGE, "%s%s: no text to encode",
                         a->files.word[0], a->files.n > 1 ? " ..." : "");
    TRY(remove_rest(a, counts.n_shards, err));
    return report(a, &counts, err);
}

static ar_status run(const void *parsed, ar_error *err) {
    const data_args *a = parsed;
    source from = {0};
    ar_tokenizer *tok = NULL;
    TRY(check_name(a->name, err));
    TRY(open_named_tokenizer(&tok, a->tokenizer, err));
    const ar_status s = prepare(a, tok, &from, err);
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
