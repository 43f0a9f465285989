/* imatrix.c - the importance of columns, and the files that have it. */
#include "format/imatrix.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "format/gguf.h"
#include "format/parse.h"

enum { MAX_ENTRIES = 1 << 14, MAX_NAME = 512, FIRST_ROOM = 64, HEAD = 8 };
enum { MAX_COLUMNS = 1 << 24 }; /* of all matrices of an entry */

struct imatrix {
    arena mem;
    imatrix_entry *entry; /* [room] */
    int64_t n, room;
};

ar_status imatrix_new(imatrix **out, ar_error *err) {
    *out = mem_new(imatrix, 1);
    if (!*out) return error_set(err, AR_NOMEM, "no memory for importance");
    arena_open(&(*out)->mem, 1 << 16);
    return AR_OK;
}

void imatrix_close(imatrix *x) {
    if (!x) return;
    arena_close(&x->mem);
    mem_free(x->entry);
    mem_free(x);
}

int64_t imatrix_count(const imatrix *x) { return x->n; }

const imatrix_entry *imatrix_get(const imatrix *x, int64_t i) {
    return i >= 0 && i < x->n ? &x->entry[i] : NULL;
}

/* The place of the first entry whose name is not before this one. */
static int64_t place_of(const imatrix *x, const char *name) {
    int64_t low = 0, high = x->n;
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        if (strcmp(x->entry[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const imatrix_entry *imatrix_find(const imatrix *x, const char *name) {
    const int64_t i = place_of(x, name);
    return i < x->n && !strcmp(x->entry[i].name, name) ? &x->entry[i] : NULL;
}

static ar_status reserve(imatrix *x, ar_error *err) {
    if (x->n < x->room) return AR_OK;
    if (x->n >= MAX_ENTRIES)
        return error_set(err, AR_FORMAT, "more than %d entries", MAX_ENTRIES);
    const int64_t room = x->room ? 2 * x->room : FIRST_ROOM;
    imatrix_entry *e = mem_new(imatrix_entry, room);
    if (!e) return error_set(err, AR_NOMEM, "no memory for importance");
    if (x->n) memcpy(e, x->entry, (size_t)x->n * sizeof *e);
    mem_free(x->entry);
    x->entry = e;
    x->room = room;
    return AR_OK;
}

ar_status imatrix_add(imatrix *x, const char *name, int64_t columns,
                      int64_t matrices, const float *mean, ar_error *err) {
    const int64_t n = columns * matrices, at = place_of(x, name);
    for (int64_t i = 0; i < n; i++)
        if (!isfinite(mean[i]) || mean[i] < 0)
            return error_set(err, AR_FORMAT,
                             "\"%.120s\": the importance of column %lld is %g",
                             name, (long long)(i % columns), (double)mean[i]);
    if (at < x->n && !strcmp(x->entry[at].name, name))
        return error_set(err, AR_FORMAT, "there are two entries \"%.120s\"",
                         name);
    TRY(reserve(x, err));
    imatrix_entry e = {.columns = columns, .matrices = matrices};
    e.name = arena_text(&x->mem, name, strlen(name));
    e.mean = arena_copy(&x->mem, mean, (size_t)n * sizeof *mean);
    if (!e.name || !e.mean)
        return error_set(err, AR_NOMEM, "no memory for importance");
    memmove(&x->entry[at + 1], &x->entry[at],
            (size_t)(x->n - at) * sizeof *x->entry);
    x->entry[at] = e;
    x->n++;
    return AR_OK;
}

/* ---- GGUF: NAME.in_sum2 [matrices, columns], NAME.counts [matrices, 1] ----
 */

static const char sums_end[] = ".in_sum2";

/* Sums to means in place; a matrix that was never used has no opinion. */
static void divide(float *x, const float *counts, int64_t matrices,
                   int64_t columns) {
    for (int64_t m = 0; m < matrices; m++)
        for (int64_t i = 0; i < columns; i++) {
            float *at = &x[m * columns + i];
            *at = counts[m] > 0 ? *at / counts[m] : 1;
        }
}

static ar_status read_sums(imatrix *x, const gguf *g, const tensor_view *t,
                           ar_error *err) {
    char name[MAX_NAME + 16];
    const size_t n = strlen(t->name) - (sizeof sums_end - 1);
    const int64_t columns = shape_last(&t->shape);
    const int64_t all = shape_count(&t->shape);
    snprintf(name, sizeof name, "%.*s.counts", (int)(n < MAX_NAME ? n : 0),
             t->name);
    const tensor_view *c = gguf_find_tensor(g, name);
    if (!c || columns < 1 || all < 1 || all > MAX_COLUMNS ||
        t->type != AR_F32 || c->type != AR_F32 ||
        shape_count(&c->shape) != all / columns)
        return error_set(err, AR_FORMAT,
                         "\"%.120s\" and its counts do not fit together",
                         t->name);
    float *sums = mem_new(float, all + all / columns);
    if (!sums) return error_set(err, AR_NOMEM, "no memory for importance");
    memcpy(sums, t->data, t->size);
    memcpy(sums + all, c->data, c->size);
    divide(sums, sums + all, all / columns, columns);
    name[n] = '\0';
    const ar_status s = imatrix_add(x, name, columns, all / columns, sums, err);
    mem_free(sums);
    return s;
}

static ar_status read_gguf(imatrix *x, const gguf *g, ar_error *err) {
    gguf_string type = {0};
    TRY(gguf_text(g, "general.type", &type, err));
    if (type.size != 7 || memcmp(type.data, "imatrix", 7) != 0)
        return error_set(err, AR_FORMAT, "a GGUF file, but no imatrix");
    for (int64_t i = 0; i < gguf_count(g); i++) {
        const tensor_view *t = gguf_get(g, i);
        const size_t n = strlen(t->name), m = sizeof sums_end - 1;
        if (n > m && !strcmp(t->name + n - m, sums_end))
            TRY(read_sums(x, g, t, err));
    }
    return AR_OK;
}

/* ---- the older kind: i32 entries, and of each i32 bytes of its name, the
 * name, i32 calls, i32 columns, f32 [columns] means times calls ---- */

typedef struct cursor {
    const unsigned char *at;
    size_t left;
} cursor;

static bool take(cursor *c, void *out, size_t size) {
    if (c->left < size) return false;
    memcpy(out, c->at, size);
    c->at += size;
    c->left -= size;
    return true;
}

static ar_status read_entry(imatrix *x, cursor *c, ar_error *err) {
    char name[MAX_NAME + 1];
    int32_t length = 0, calls = 0, columns = 0;
    if (!take(c, &length, 4) || length < 1 || length > MAX_NAME ||
        !take(c, name, (size_t)length) || !take(c, &calls, 4) ||
        !take(c, &columns, 4) || columns < 1 || columns > MAX_COLUMNS ||
        c->left / 4 < (size_t)columns)
        return error_set(err, AR_FORMAT, "entry %lld is damaged or cut off",
                         (long long)x->n);
    name[length] = '\0';
    if (!parse_is_utf8(name, (size_t)length))
        return error_set(err, AR_FORMAT, "the name of entry %lld is no text",
                         (long long)x->n);
    float *mean = mem_new(float, columns);
    if (!mean) return error_set(err, AR_NOMEM, "no memory for importance");
    take(c, mean, (size_t)columns * sizeof *mean);
    for (int32_t i = 0; calls > 0 && i < columns; i++) mean[i] /= (float)calls;
    const ar_status s = imatrix_add(x, name, columns, 1, mean, err);
    mem_free(mean);
    return s;
}

static ar_status read_old(imatrix *x, const void *data, size_t size,
                          ar_error *err) {
    cursor c = {data, size};
    int32_t n = 0;
    if (!take(&c, &n, 4) || n < 1 || n > MAX_ENTRIES)
        return error_set(err, AR_FORMAT, "is no imatrix file");
    for (int32_t i = 0; i < n; i++) TRY(read_entry(x, &c, err));
    return AR_OK;
}

/* ---- opening ---- */

static ar_status read_any(imatrix *x, const void *data, size_t size,
                          const char *name, ar_error *err) {
    if (!gguf_is(data, size)) return read_old(x, data, size, err);
    gguf *g = NULL;
    TRY(gguf_open_memory(&g, data, size, name, err));
    const ar_status s = read_gguf(x, g, err);
    gguf_close(g);
    return s;
}

ar_status imatrix_open_memory(imatrix **out, const void *data, size_t size,
                              const char *name, ar_error *err) {
    imatrix *x = NULL;
    *out = NULL;
    TRY(imatrix_new(&x, err));
    const ar_status s = read_any(x, data, size, name, err);
    if (s == AR_OK) {
        *out = x;
        return AR_OK;
    }
    imatrix_close(x);
    return error_prefix(err, s, name);
}

ar_status imatrix_open(imatrix **out, const char *path, ar_error *err) {
    file_map map;
    *out = NULL;
    TRY(file_map_open(&map, path, err));
    const ar_status s = imatrix_open_memory(
        out, map.size ? (const void *)map.data : "", map.size, path, err);
    file_map_close(&map);
    return s;
}

ar_status imatrix_is_file(bool *out, const char *path, ar_error *err) {
    file_map map;
    TRY(file_map_open(&map, path, err));
    const unsigned char *p = map.data;
    /* Of a small number of entries and a short name the high bytes are 0. */
    *out = gguf_is(p, map.size) || (map.size >= HEAD && !p[3] && !p[7]);
    file_map_close(&map);
    return AR_OK;
}
