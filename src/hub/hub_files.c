/* hub_files.c - the files of a repository, read out of the hub's answer. */
#include "hub/hub_files.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "format/parse.h"
#include "hub/hub_ref.h"

enum { MAX_FILES = 20000 };

void hub_files_begin(hub_files *f) {
    *f = (hub_files){.n = 0};
    arena_open(&f->names, 1 << 14);
}

void hub_files_close(hub_files *f) {
    mem_free(f->file);
    arena_close(&f->names);
    *f = (hub_files){.n = 0};
}

ar_status hub_files_add(hub_files *f, const hub_file *one, ar_error *err) {
    const bool full = !(f->n & (f->n - 1)); /* grows at powers of two */
    if (full) {
        hub_file *grown =
            mem_realloc(f->file, (size_t)(f->n ? 2 * f->n : 1) * sizeof *grown);
        if (!grown) return error_set(err, AR_NOMEM, "out of memory");
        f->file = grown;
    }
    const char *path = arena_text(&f->names, one->path, strlen(one->path));
    if (!path) return error_set(err, AR_NOMEM, "out of memory");
    f->file[f->n] = *one;
    f->file[f->n++].path = path;
    return AR_OK;
}

static int by_path(const void *a, const void *b) {
    return strcmp(((const hub_file *)a)->path, ((const hub_file *)b)->path);
}

ar_status hub_files_sort(hub_files *f, const char *name, ar_error *err) {
    if (f->n > 1) qsort(f->file, (size_t)f->n, sizeof *f->file, by_path);
    for (int i = 1; i < f->n; i++)
        if (!strcmp(f->file[i - 1].path, f->file[i].path))
            return error_set(err, AR_FORMAT, "%.80s: lists %.100s twice", name,
                             f->file[i].path);
    return AR_OK;
}

/* ---- reading the answer ---- */

/* Hexadecimal digits into a field of `size`; false if they are not that. */
static bool take_hex(char *out, size_t size, const json_t *j) {
    if (!j || json_is_null(j)) return true;
    const char *text = json_string_value(j);
    if (!text) return false;
    const size_t n = strlen(text);
    if (n != json_string_length(j) || n < 6 || n >= size) return false;
    if (strspn(text, "0123456789abcdef") != n) return false;
    memcpy(out, text, n + 1);
    return true;
}

static bool take_size(int64_t *out, const json_t *j) {
    if (!j || json_is_null(j)) return true;
    if (!json_is_integer(j)) return false;
    *out = json_integer_value(j);
    return *out >= 0 && *out <= HUB_MAX_SIZE;
}

/* A large file is kept outside git and has a SHA-256. */
static bool take_facts(hub_file *f, const json_t *row) {
    const json_t *lfs = json_object_get(row, "lfs");
    if (!take_size(&f->size, json_object_get(row, "size"))) return false;
    if (!take_hex(f->git, sizeof f->git, json_object_get(row, "blobId")))
        return false;
    if (!lfs || json_is_null(lfs)) return true;
    if (!take_hex(f->sha256, sizeof f->sha256, json_object_get(lfs, "sha256")))
        return false;
    if (f->sha256[0] && !sha256_is_hex(f->sha256)) return false;
    return take_size(&f->size, json_object_get(lfs, "size"));
}

static ar_status add_row(hub_files *f, const char *name, const json_t *row,
                         ar_error *err) {
    const json_t *path = json_object_get(row, "rfilename");
    hub_file one = {.path = json_string_value(path), .size = -1};
    if (!one.path)
        return error_set(err, AR_FORMAT, "%.80s: lists a file without a name",
                         name);
    const enum hub_path kind = strlen(one.path) == json_string_length(path)
                                   ? hub_path_check(one.path)
                                   : HUB_PATH_BAD;
    if (kind == HUB_PATH_BAD)
        return error_set(err, AR_FORMAT,
                         "%.80s: lists a file with a name that is refused: "
                         "\"%.80s\"",
                         name, one.path);
    if (kind == HUB_PATH_HIDDEN) return AR_OK;
    if (!take_facts(&one, row))
        return error_set(err, AR_FORMAT,
                         "%.80s: what it lists for %.80s is not a size and a "
                         "sum",
                         name, one.path);
    return hub_files_add(f, &one, err);
}

static ar_status read_answer(hub_files *f, const char *name, const json_t *root,
                             ar_error *err) {
    const json_t *rows = json_object_get(root, "siblings");
    if (!json_is_array(rows))
        return error_set(err, AR_FORMAT,
                         "%.80s: the hub's answer has no list of files", name);
    const size_t n = json_array_size(rows);
    if (n > MAX_FILES)
        return error_set(err, AR_FORMAT, "%.80s: lists %zu files, more than %d",
                         name, n, MAX_FILES);
    if (!take_hex(f->commit, 65, json_object_get(root, "sha")) || !f->commit[0])
        return error_set(err, AR_FORMAT,
                         "%.80s: the hub's answer names no commit", name);
    for (size_t i = 0; i < n; i++)
        TRY(add_row(f, name, json_array_get(rows, i), err));
    return hub_files_sort(f, name, err);
}

ar_status hub_files_parse(hub_files *out, const char *name, const char *json,
                          size_t n, ar_error *err) {
    json_t *root;
    hub_files_begin(out);
    ar_status s = parse_json(&root, name, json, n, err);
    if (s == AR_OK) {
        s = read_answer(out, name, root, err);
        json_decref(root);
    }
    if (s != AR_OK) hub_files_close(out);
    return s;
}
