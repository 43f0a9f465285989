/* corpus.c - finding or making the tokens of a run. */
#include "train/corpus.h"

#include <fnmatch.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json_text.h"
#include "base/mem.h"
#include "format/document.h"
#include "format/shard.h"

enum { PATH_SIZE = 4096, MAX_DATA_JSON = 1 << 20 };

/* ---- lists of paths ---- */

static ar_status add_path(char ***list, int64_t *n, const char *path,
                          ar_error *err) {
    char **grown = mem_realloc(*list, (size_t)(*n + 1) * sizeof **list);
    if (grown) *list = grown;
    char *copy = grown ? mem_alloc(strlen(path) + 1) : NULL;
    if (!copy) return error_set(err, AR_NOMEM, "out of memory for paths");
    memcpy(copy, path, strlen(path) + 1);
    grown[(*n)++] = copy;
    return AR_OK;
}

static void free_paths(char **list, int64_t n) {
    for (int64_t i = 0; i < n; i++) mem_free(list[i]);
    mem_free(list);
}

static ar_status add_setting(char ***list, int64_t *n, const json_t *paths,
                             ar_error *err) {
    for (size_t i = 0; i < json_array_size(paths); i++)
        TRY(add_path(list, n, json_string_value(json_array_get(paths, i)),
                     err));
    return AR_OK;
}

/* Files of a folder whose names match the pattern, sorted. */
static ar_status add_folder(char ***list, int64_t *n, const char *folder,
                            const char *pattern, ar_error *err) {
    file_list files;
    char path[PATH_SIZE];
    TRY(file_list_open(&files, folder, err));
    ar_status status = AR_OK;
    for (size_t i = 0; i < files.n && status == AR_OK; i++) {
        if (fnmatch(pattern, files.names[i], 0) != 0) continue;
        status = file_join(path, sizeof path, folder, files.names[i], err);
        if (status == AR_OK) status = add_path(list, n, path, err);
    }
    file_list_close(&files);
    return status;
}

void corpus_close(corpus *c) {
    free_paths(c->train, c->n_train);
    free_paths(c->val, c->n_val);
    ar_tokenizer_close(c->tok);
    memset(c, 0, sizeof *c);
}

static ar_status open_tokenizer(ar_tokenizer **out, const settings *s,
                                ar_error *err) {
    if (strcmp(s->tokenizer, "bytes") == 0) return ar_tokenizer_bytes(out, err);
    return ar_tokenizer_open(out, s->tokenizer, err);
}

/* ---- given shards ---- */

static ar_status open_shards(corpus *c, const settings *s, ar_error *err) {
    TRY(add_setting(&c->train, &c->n_train, s->tokens, err));
    TRY(add_setting(&c->val, &c->n_val, s->val_tokens, err));
    if (s->folder[0]) {
        TRY(add_folder(&c->train, &c->n_train, s->folder, "*train*.bin", err));
        TRY(add_folder(&c->val, &c->n_val, s->folder, "*val*.bin", err));
        if (!c->n_train)
            return error_set(err, AR_RANGE, "%s: no file named *train*.bin",
                             s->folder);
    }
    if (s->tokenizer[0]) return open_tokenizer(&c->tok, s, err);
    char path[PATH_SIZE];
    if (!s->folder[0]) return AR_OK;
    TRY(file_join(path, sizeof path, s->folder, "tokenizer.json", err));
    return file_exists(path) ? ar_tokenizer_open(&c->tok, path, err) : AR_OK;
}

/* ---- text ---- */

/* A reader of the first or the last part of all documents together. */
typedef struct text_part {
    documents *d;
    const corpus_hooks *hooks;
    const char *what;
    uint64_t at, cut; /* bytes of text: read so far; where the parts meet */
    bool held_out;    /* the part behind the cut */
    ar_status status; /* for ar_text_next, which cannot report */
    ar_error *err;
} text_part;

/* The first byte at or behind i that starts a character. */
static size_t char_start(const char *text, size_t n, size_t i) {
    while (i < n && ((unsigned char)text[i] & 0xc0) == 0x80) i++;
    return i;
}

static ar_status check_hooks(const text_part *p, ar_error *err) {
    const corpus_hooks *h = p->hooks;
    uint64_t done, total;
    documents_progress(p->d, &done, &total);
    if (h->stage)
        h->stage(h->ctx, p->what, total ? (double)done / (double)total : 0);
    if (h->stop && h->stop(h->ctx))
        return error_set(err, AR_CANCELLED, "stopped while %s", p->what);
    return AR_OK;
}

static ar_status next_part(void *ctx, const char **text, size_t *n,
                           ar_error *err) {
    text_part *p = ctx;
    for (;;) {
        TRY(check_hooks(p, err));
        TRY(documents_next(p->d, text, n, err));
        if (!*text) return AR_OK;
        const uint64_t start = p->at;
        p->at += *n;
        size_t cut = start >= p->cut   ? 0
                     : p->at <= p->cut ? *n
                                       : (size_t)(p->cut - start);
        if (cut && cut < *n) cut = char_start(*text, *n, cut);
        if (p->held_out) {
            *text += cut;
            *n -= cut;
        } else {
            *n = cut;
        }
        if (*n) return AR_OK;
        if (!p->held_out && start >= p->cut) {
            *text = NULL;
            return AR_OK;
        }
    }
}

static int next_training_text(void *ctx, const char **text, size_t *n) {
    text_part *p = ctx;
    p->status = next_part(p, text, n, p->err);
    return p->status == AR_OK && *text;
}

static void part_rewind(text_part *p, const char *what, bool held_out) {
    documents_rewind(p->d);
    p->what = what;
    p->at = 0;
    p->held_out = held_out;
}

static ar_status count_text(text_part *p, double held_out, ar_error *err) {
    part_rewind(p, "reading the text", false);
    p->cut = UINT64_MAX;
    const char *text;
    size_t n;
    do TRY(next_part(p, &text, &n, err));
    while (text);
    if (p->at < 2)
        return error_set(err, AR_RANGE,
                         "the text to train on is empty (%" PRIu64 " bytes)",
                         p->at);
    p->cut = (uint64_t)floor((1 - held_out) * (double)p->at);
    return AR_OK;
}

static void tokenizer_progress(void *ctx, double done) {
    const text_part *p = ctx;
    if (p->hooks->stage)
        p->hooks->stage(p->hooks->ctx, "training the tokenizer", done);
}

static ar_status make_tokenizer(corpus *c, const settings *s, int32_t n_vocab,
                                text_part *p, ar_error *err) {
    if (s->tokenizer[0]) return open_tokenizer(&c->tok, s, err);
    ar_bpe_options opt = ar_bpe_options_default();
    opt.n_vocab = n_vocab;
    opt.progress = tokenizer_progress;
    opt.ctx = p;
    part_rewind(p, "training the tokenizer", false);
    p->status = AR_OK;
    p->err = err;
    const ar_status status =
        ar_tokenizer_train(&c->tok, &opt, next_training_text, p, err);
    p->err = NULL;
    return p->status != AR_OK ? p->status : status;
}

/* heldout.txt: the held-out text itself, to compare compressors on. */
static ar_status write_held_out(text_part *p, const char *run, ar_error *err) {
    char path[PATH_SIZE];
    file_writer *w;
    TRY(file_join(path, sizeof path, run, "heldout.txt", err));
    TRY(file_create(&w, path, err));
    part_rewind(p, "writing the held-out text", true);
    for (;;) {
        const char *text;
        size_t n;
        const ar_status status = next_part(p, &text, &n, err);
        if (status != AR_OK) {
            file_abandon(w);
            return status;
        }
        if (!text) return file_commit(w, err);
        file_write(w, text, n);
    }
}

/* data.json is written last: with it, the folder's shards are whole. */
static ar_status write_record(const settings *s, const char *run, uint64_t cut,
                              const corpus_counts counts[2], ar_error *err) {
    char path[PATH_SIZE];
    TRY(file_join(path, sizeof path, run, "data.json", err));
    json_t *json =
        json_pack("{s:O, s:f, s:s, s:s, s:I, s:I, s:I, s:I, s:I}", "text",
                  s->text, "held_out", s->held_out, "key", s->key, "tokenizer",
                  s->tokenizer, "train_bytes", (json_int_t)cut, "train_tokens",
                  (json_int_t)counts[0].n_tokens, "documents",
                  (json_int_t)counts[0].n_documents, "val_bytes",
                  (json_int_t)counts[1].n_bytes, "val_tokens",
                  (json_int_t)counts[1].n_tokens);
    char *data = json_text(json);
    json_decref(json);
    if (!data) return error_set(err, AR_NOMEM, "out of memory");
    const ar_status status = file_replace(path, data, strlen(data), err);
    mem_free(data);
    return status;
}

/* Remove what an earlier, other preparation left. */
static ar_status remove_old(const char *run, ar_error *err) {
    char path[PATH_SIZE];
    char **list = NULL;
    int64_t n = 0;
    TRY(file_join(path, sizeof path, run, "data.json", err));
    if (file_exists(path)) TRY(file_remove(path, err));
    ar_status status = add_folder(&list, &n, run, "train-?????.bin", err);
    if (status == AR_OK)
        status = add_folder(&list, &n, run, "val-?????.bin", err);
    for (int64_t i = 0; i < n && status == AR_OK; i++)
        status = file_remove(list[i], err);
    free_paths(list, n);
    return status;
}

static ar_status make_shards(corpus *c, const settings *s, const char *run,
                             int32_t n_vocab, text_part *p, ar_error *err) {
    char path[PATH_SIZE];
    corpus_counts counts[2];
    TRY(remove_old(run, err));
    TRY(count_text(p, s->held_out, err));
    TRY(make_tokenizer(c, s, n_vocab, p, err));
    TRY(file_join(path, sizeof path, run, "tokenizer.json", err));
    TRY(ar_tokenizer_save(c->tok, path, err));
    TRY(write_held_out(p, run, err));
    part_rewind(p, "encoding", false);
    TRY(corpus_write(c->tok, next_part, p, run, "train", &counts[0], err));
    part_rewind(p, "encoding the held-out text", true);
    TRY(corpus_write(c->tok, next_part, p, run, "val", &counts[1], err));
    return write_record(s, run, p->cut, counts, err);
}

/* data.json, or NULL. */
static json_t *read_record(const char *run) {
    char path[PATH_SIZE];
    char *data;
    size_t size;
    if (file_join(path, sizeof path, run, "data.json", NULL) != AR_OK ||
        file_read(path, MAX_DATA_JSON, &data, &size, NULL) != AR_OK)
        return NULL;
    json_t *json = json_loadb(data, size, 0, NULL);
    mem_free(data);
    return json;
}

/* Does the run's folder already have shards of this very text? */
static bool is_prepared(const settings *s, const json_t *record) {
    const char *tokenizer =
        json_string_value(json_object_get(record, "tokenizer"));
    return tokenizer && json_equal(json_object_get(record, "text"), s->text) &&
           strcmp(tokenizer, s->tokenizer) == 0 &&
           json_number_value(json_object_get(record, "held_out")) ==
               s->held_out;
}

/* Are the shards there that the record counted the tokens of? */
static ar_status check_shards(char *const *list, int64_t n, const char *run,
                              const char *name, int64_t n_tokens,
                              ar_error *err) {
    char file[64], path[PATH_SIZE];
    for (int64_t i = 0; n_tokens > 0; i++) {
        shard f;
        snprintf(file, sizeof file, "%s-%05" PRId64 ".bin", name, i);
        TRY(file_join(path, sizeof path, run, file, err));
        if (i >= n || strcmp(list[i], path) != 0)
            return error_set(err, AR_IO,
                             "%s: is missing; data.json counts its tokens",
                             path);
        TRY(shard_open(&f, path, err));
        n_tokens -= f.n_tokens;
        shard_close(&f);
    }
    return AR_OK;
}

static ar_status prepare_text(corpus *c, const settings *s, const char *run,
                              int32_t n_vocab, const corpus_hooks *hooks,
                              ar_error *err) {
    char **paths = NULL;
    int64_t n = 0;
    text_part p = {.hooks = hooks};
    ar_status status = add_setting(&paths, &n, s->text, err);
    if (status == AR_OK)
        status =
            documents_open(&p.d, (const char *const *)paths, n, s->key, err);
    if (status == AR_OK) status = make_shards(c, s, run, n_vocab, &p, err);
    documents_close(p.d);
    free_paths(paths, n);
    return status;
}

static ar_status open_text(corpus *c, const settings *s, const char *run,
                           int32_t n_vocab, const corpus_hooks *hooks,
                           ar_error *err) {
    char path[PATH_SIZE];
    TRY(file_make_folder(run, err));
    json_t *record = read_record(run);
    const bool prepared = is_prepared(s, record);
    const int64_t n_train =
        json_integer_value(json_object_get(record, "train_tokens"));
    const int64_t n_val =
        json_integer_value(json_object_get(record, "val_tokens"));
    json_decref(record);
    if (!prepared) TRY(prepare_text(c, s, run, n_vocab, hooks, err));
    TRY(add_folder(&c->train, &c->n_train, run, "train-?????.bin", err));
    TRY(add_folder(&c->val, &c->n_val, run, "val-?????.bin", err));
    if (!prepared) return AR_OK;
    TRY(check_shards(c->train, c->n_train, run, "train", n_train, err));
    TRY(check_shards(c->val, c->n_val, run, "val", n_val, err));
    TRY(file_join(path, sizeof path, run, "tokenizer.json", err));
    return ar_tokenizer_open(&c->tok, path, err);
}

ar_status corpus_open(corpus *out, const settings *s, const char *run,
                      int32_t n_vocab, const corpus_hooks *hooks,
                      ar_error *err) {
    static const corpus_hooks none;
    memset(out, 0, sizeof *out);
    if (!hooks) hooks = &none;
    const bool shards = json_array_size(s->tokens) > 0 || s->folder[0];
    if (!shards && json_array_size(s->text) == 0)
        return error_set(err, AR_USAGE,
                         "there is nothing to train on: give text, --tokens "
                         "or --data");
    const ar_status status = shards
                                 ? open_shards(out, s, err)
                                 : open_text(out, s, run, n_vocab, hooks, err);
    if (status != AR_OK) corpus_close(out);
    return status;
}
