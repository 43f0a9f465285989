/* hub_pulled.c - the list of what was fetched into a folder. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "format/parse.h"
#include "hub/hub_cache.h"

enum { MAX_LIST = 8 << 20, MAX_ROWS = 20000 };

static void begin(pulled *p) {
    *p = (pulled){.source = ""};
    arena_open(&p->text, 1 << 12);
}

void pulled_close(pulled *p) {
    mem_free(p->row);
    arena_close(&p->text);
    *p = (pulled){.source = ""};
}

pulled_row *pulled_find(const pulled *p, const char *path) {
    for (int i = 0; i < p->n; i++)
        if (!strcmp(p->row[i].path, path)) return &p->row[i];
    return NULL;
}

pulled_row *pulled_add(pulled *p, const char *path) {
    pulled_row *there = pulled_find(p, path);
    if (there) return there;
    if (p->n == p->room) {
        const int want = p->room ? 2 * p->room : 8;
        pulled_row *grown = mem_realloc(p->row, (size_t)want * sizeof *grown);
        if (!grown) return NULL;
        p->row = grown;
        p->room = want;
    }
    const char *copy = arena_text(&p->text, path, strlen(path));
    if (!copy) return NULL;
    p->row[p->n] = (pulled_row){.path = copy, .from = "", .size = -1};
    return &p->row[p->n++];
}

void pulled_drop(pulled *p, pulled_row *row) {
    const size_t behind = (size_t)(p->row + p->n - row - 1);
    memmove(row, row + 1, behind * sizeof *row);
    p->n--;
}

/* ---- reading ---- */

static const char *text_of(pulled *p, const json_t *object, const char *key,
                           size_t max) {
    const json_t *j = json_object_get(object, key);
    const char *value = json_string_value(j);
    const size_t n = value ? json_string_length(j) : 0;
    if (!value || n > max || strlen(value) != n) return NULL;
    return arena_text(&p->text, value, n);
}

static bool read_row(pulled *p, const json_t *j) {
    const char *path = text_of(p, j, "path", HUB_MAX_PATH),
               *id = text_of(p, j, "id", 79),
               *from = text_of(p, j, "from", HUB_MAX_URL);
    const json_t *size = json_object_get(j, "size"),
                 *have = json_object_get(j, "have");
    if (!path || !id || !from || hub_path_check(path) != HUB_PATH_GOOD)
        return false;
    if (!json_is_integer(size) || !json_is_boolean(have)) return false;
    const int64_t bytes = json_integer_value(size);
    if (bytes < -1 || bytes > HUB_MAX_SIZE || pulled_find(p, path))
        return false;
    pulled_row *row = pulled_add(p, path);
    if (!row) return false;
    row->from = from;
    row->size = bytes;
    row->have = json_is_true(have);
    memcpy(row->id, id, strlen(id) + 1);
    return true;
}

static bool read_list(pulled *p, const json_t *root) {
    const json_t *rows = json_object_get(root, "files");
    const size_t n = json_array_size(rows);
    const char *source = text_of(p, root, "source", HUB_MAX_URL);
    if (!source || !json_is_array(rows) || n > MAX_ROWS) return false;
    p->source = source;
    for (size_t i = 0; i < n; i++)
        if (!read_row(p, json_array_get(rows, i))) return false;
    return true;
}

ar_status pulled_parse(pulled *out, const char *name, const char *json,
                       size_t n, ar_error *err) {
    json_t *root;
    begin(out);
    TRY(parse_json(&root, name, json, n, err));
    const bool good = read_list(out, root);
    json_decref(root);
    if (good) return AR_OK;
    pulled_close(out);
    return error_set(err, AR_FORMAT,
                     "%.150s: is not a list of fetched files; remove it to "
                     "fetch them again",
                     name);
}

static ar_status list_path(char out[4096], const char *folder, ar_error *err) {
    return file_join(out, 4096, folder, PULLED_NAME, err);
}

ar_status pulled_read(pulled *out, const char *folder, ar_error *err) {
    char path[4096], *json;
    size_t n;
    begin(out);
    TRY(list_path(path, folder, err));
    if (!file_exists(path)) return AR_OK;
    TRY(file_read(path, MAX_LIST, &json, &n, err));
    const ar_status s = pulled_parse(out, path, json, n, err);
    mem_free(json);
    return s;
}

/* ---- writing ---- */

static json_t *row_json(const pulled_row *r) {
    return json_pack("{s:s, s:I, s:s, s:s, s:b}", "path", r->path, "size",
                     (json_int_t)r->size, "id", r->id, "from", r->from, "have",
                     r->have);
}

static int add_piece(const char *bytes, size_t n, void *t) {
    text_add(t, bytes, n);
    return 0;
}

ar_status pulled_write(const pulled *p, const char *folder, ar_error *err) {
    char path[4096];
    text t = {0};
    TRY(list_path(path, folder, err));
    json_t *rows = json_array();
    bool good = rows != NULL;
    for (int i = 0; good && i < p->n; i++)
        good = json_array_append_new(rows, row_json(&p->row[i])) == 0;
    json_t *root = json_pack("{s:s, s:o}", "source", p->source, "files", rows);
    if (!root || json_dump_callback(root, add_piece, &t, JSON_INDENT(1)))
        good = false;
    json_decref(root);
    ar_status s =
        good ? text_status(&t, err) : error_set(err, AR_NOMEM, "out of memory");
    if (s == AR_OK) s = file_replace(path, t.data, t.size, err);
    text_close(&t);
    return s;
}

/* ---- as files to choose from ---- */

ar_status pulled_files(const pulled *p, hub_files *out, ar_error *err) {
    ar_status s = AR_OK;
    hub_files_begin(out);
    for (int i = 0; s == AR_OK && i < p->n; i++) {
        const hub_file one = {.path = p->row[i].path, .size = p->row[i].size};
        s = hub_files_add(out, &one, err);
    }
    if (s == AR_OK) s = hub_files_sort(out, p->source, err);
    if (s != AR_OK) hub_files_close(out);
    return s;
}
