/* open_file.c - which kind of tokenizer a file or a folder has. */
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "tok/file_kinds.h"
#include "tok/tokenizer_json.h"

enum { MAX_FILE = 256 << 20 };

/* A file in memory. */
typedef struct loaded {
    const char *path, *data;
    size_t size;
} loaded;

static bool is_json(const loaded *f) {
    size_t i = 0;
    while (i < f->size && memchr(" \t\r\n", f->data[i], 4)) i++;
    return i == f->size || f->data[i] == '{' || f->data[i] == '[';
}

static ar_status open_json(ar_tokenizer **out, const loaded *f, ar_error *err) {
    return read_json(out, f->data, f->size, err);
}

/* The first field of the first piece. */
static bool is_sentencepiece(const loaded *f) {
    return f->size > 2 && f->data[0] == '\n';
}

static ar_status open_sentencepiece(ar_tokenizer **out, const loaded *f,
                                    ar_error *err) {
    return read_sentencepiece(out, f->data, f->size, err);
}

/* Letters, a space, digits. */
static bool is_tiktoken(const loaded *f) {
    const char *stop = memchr(f->data, '\n', f->size);
    const size_t n = stop ? (size_t)(stop - f->data) : f->size;
    const char *space = memchr(f->data, ' ', n);
    return space && space > f->data && space + 1 < f->data + n &&
           space[1] >= '0' && space[1] <= '9';
}

static ar_status load_json(const char *path, json_t **out, ar_error *err) {
    char *data = NULL;
    size_t size;
    TRY(file_read(path, MAX_FILE, &data, &size, err));
    const ar_status s = json_parse(data, size, out, err);
    mem_free(data);
    return s == AR_OK ? AR_OK : error_prefix(err, s, path);
}

/* The file of that name in the folder of another file. */
static ar_status beside(char *out, size_t size, const char *path,
                        const char *name, ar_error *err) {
    const char *slash = strrchr(path, '/');
    const size_t n = slash ? (size_t)(slash - path) : 1;
    if (n >= size) return error_set(err, AR_RANGE, "the path is too long");
    char folder[4096];
    if (n >= sizeof folder)
        return error_set(err, AR_RANGE, "the path is too long");
    memcpy(folder, slash ? path : ".", n);
    folder[n] = 0;
    return file_join(out, size, slash == path ? "/" : folder, name, err);
}

static ar_status open_tiktoken(ar_tokenizer **out, const loaded *f,
                               ar_error *err) {
    char path[4096];
    json_t *spec;
    TRY(beside(path, sizeof path, f->path, "spec.json", err));
    TRY(load_json(path, &spec, err));
    const ar_status s = read_tiktoken(out, f->data, f->size, spec, err);
    json_decref(spec);
    return s;
}

static const struct {
    bool (*is)(const loaded *f);
    ar_status (*open)(ar_tokenizer **out, const loaded *f, ar_error *err);
} kinds[] = {
    {is_json, open_json},
    {is_tiktoken, open_tiktoken},
    {is_sentencepiece, open_sentencepiece},
};

static ar_status open_loaded(ar_tokenizer **out, const loaded *f,
                             ar_error *err) {
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i].is(f)) return kinds[i].open(out, f, err);
    return error_set(err, AR_FORMAT,
                     "neither JSON nor tiktoken ranks nor a SentencePiece "
                     "model");
}

static ar_status open_path(ar_tokenizer **out, const char *path,
                           ar_error *err) {
    char *data = NULL;
    size_t size;
    TRY(file_read(path, MAX_FILE, &data, &size, err));
    const ar_status s = open_loaded(out, &(loaded){path, data, size}, err);
    mem_free(data);
    return s == AR_OK ? AR_OK : error_prefix(err, s, path);
}

/* "bos_token": "<s>" or {"content": "<s>"}, in tokenizer_config.json. */
static void read_mark(const ar_tokenizer *tok, const json_t *config,
                      const char *key, int32_t *out) {
    const json_t *v = json_object_get(config, key);
    const char *name = json_string_value(
        json_is_object(v) ? json_object_get(v, "content") : v);
    const int32_t id = name ? tokenizer_added_id(tok, name) : -1;
    if (id >= 0) *out = id;
}

/* Whether a mark is put around a text, where the file itself cannot say. */
static void read_add(const json_t *config, const char *key, int32_t mark,
                     int32_t *list, int *n) {
    const json_t *v = json_object_get(config, key);
    if (!json_is_boolean(v)) return;
    *n = json_is_true(v) && mark >= 0;
    list[0] = mark;
}

/* The file beside the others that says which tokens begin and end. */
static ar_status read_config(ar_tokenizer *tok, const char *folder,
                             ar_error *err) {
    char path[4096];
    TRY(file_join(path, sizeof path, folder, "tokenizer_config.json", err));
    if (!file_exists(path)) return AR_OK;
    json_t *root;
    TRY(load_json(path, &root, err));
    read_mark(tok, root, "bos_token", &tok->bos);
    read_mark(tok, root, "eos_token", &tok->eos);
    if (!tok->from_json) {
        read_add(root, "add_bos_token", tok->bos, tok->before, &tok->n_before);
        read_add(root, "add_eos_token", tok->eos, tok->after, &tok->n_after);
    }
    json_decref(root);
    return AR_OK;
}

static bool ends_with(const char *s, const char *end) {
    const size_t n = strlen(s), k = strlen(end);
    return n >= k && !strcmp(s + n - k, end);
}

/* The first file of a folder that ends so. */
static ar_status find_ending(char *out, size_t size, const char *folder,
                             const char *end, bool *found, ar_error *err) {
    file_list list;
    ar_status s = file_list_open(&list, folder, err);
    if (s != AR_OK) return s;
    *found = false;
    for (size_t i = 0; i < list.n && !*found && s == AR_OK; i++) {
        *found = ends_with(list.names[i], end);
        if (*found) s = file_join(out, size, folder, list.names[i], err);
    }
    file_list_close(&list);
    return s;
}

static ar_status find_file(char *out, size_t size, const char *folder,
                           ar_error *err) {
    static const char *const names[] = {"tokenizer.json", "tekken.json",
                                        "tokenizer.model"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        TRY(file_join(out, size, folder, names[i], err));
        if (file_exists(out)) return AR_OK;
    }
    bool found;
    TRY(find_ending(out, size, folder, ".tiktoken", &found, err));
    if (found) return AR_OK;
    return error_set(err, AR_IO,
                     "%s: no tokenizer.json, tekken.json, tokenizer.model or "
                     "*.tiktoken there",
                     folder);
}

ar_status ar_tokenizer_open(ar_tokenizer **out, const char *path,
                            ar_error *err) {
    *out = NULL;
    if (!file_is_folder(path)) return open_path(out, path, err);
    char inside[4096];
    TRY(find_file(inside, sizeof inside, path, err));
    ar_tokenizer *tok;
    TRY(open_path(&tok, inside, err));
    const ar_status s = read_config(tok, path, err);
    if (s != AR_OK) {
        ar_tokenizer_close(tok);
        return s;
    }
    *out = tok;
    return AR_OK;
}
