/* gguf_write.c - writing GGUF, version 3.
 *
 * Metadata and descriptions are gathered in memory; the first byte of data
 * sends them out.  Offsets depend on the alignment, which is metadata and may
 * come last, so descriptions are made only then. */
#include <inttypes.h>
#include <string.h>

#include <jansson.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "format/gguf_int.h"

/* A tensor that was declared. */
typedef struct row {
    size_t name; /* its place in `names` */
    tensor_view view;
} row;

struct gguf_writer {
    file_writer *file;
    json_t *keys, *tensors; /* objects: what there is, against doubles */
    text values;            /* metadata as in the file */
    text names;             /* of the tensors, NUL-terminated */
    text rows;              /* row [n] */
    int64_t n_values, n;
    int64_t alignment;
    int64_t at;    /* tensor whose bytes come next */
    size_t done;   /* bytes of it that came */
    int started;   /* the data have begun */
    ar_error err;  /* the first failure sticks; code AR_OK if none */
    char name[96]; /* the end of the path, for errors */
};

static void fail(gguf_writer *w, ar_status code, const char *what,
                 const char *name) {
    if (w->err.code == AR_OK)
        error_set(&w->err, code, "%s: \"%.80s\" %s", w->name, name, what);
}

ar_status gguf_create(gguf_writer **out, const char *path, ar_error *err) {
    *out = NULL;
    gguf_writer *w = mem_new(gguf_writer, 1);
    if (!w) return error_set(err, AR_NOMEM, "%s: out of memory", path);
    const size_t n = strlen(path), room = sizeof w->name - 1;
    memcpy(w->name, n > room ? path + n - room : path, n > room ? room : n);
    w->alignment = GGUF_ALIGNMENT;
    w->keys = json_object();
    w->tensors = json_object();
    const ar_status s =
        w->keys && w->tensors
            ? file_create(&w->file, path, err)
            : error_set(err, AR_NOMEM, "%s: out of memory", path);
    if (s == AR_OK)
        *out = w;
    else
        gguf_abandon(w);
    return s;
}

/* A name that is new in `set`; else it fails. */
static void claim(gguf_writer *w, json_t *set, const char *name, size_t most) {
    if (w->started)
        fail(w, AR_RANGE, "comes after the first data", name);
    else if (!*name || strlen(name) > most)
        fail(w, AR_RANGE, "is too short or too long a name", name);
    else if (json_object_get(set, name))
        fail(w, AR_RANGE, "is declared twice", name);
    if (w->err.code != AR_OK) return;
    if (!json_object_set_new(set, name, json_true())) return;
    json_t *copy = json_string(name); /* refuses what is not UTF-8 */
    if (copy)
        fail(w, AR_NOMEM, "does not fit into memory", name);
    else
        fail(w, AR_FORMAT, "is not a UTF-8 name", name);
    json_decref(copy);
}

static void add_u32(text *t, uint32_t x) { text_add(t, &x, sizeof x); }
static void add_u64(text *t, uint64_t x) { text_add(t, &x, sizeof x); }

static void add_string(text *t, const char *p, size_t n) {
    add_u64(t, n);
    text_add(t, p, n);
}

void gguf_put_value(gguf_writer *w, const gguf_value *v) {
    char key[GGUF_MAX_KEY + 2]; /* room to see that it is too long */
    const size_t n = v->key.size < sizeof key ? v->key.size : sizeof key - 1;
    memcpy(key, v->key.data, n);
    key[n] = 0;
    int64_t x = 0;
    claim(w, w->keys, key, GGUF_MAX_KEY);
    if (!strcmp(key, GGUF_ALIGNMENT_KEY)) {
        if (v->kind != GGUF_U32 || v->is_array || !gguf_as_int(v, 0, &x) ||
            !gguf_alignment_ok(x))
            fail(w, AR_RANGE, "is not a u32 that is a power of two", key);
        else
            w->alignment = x;
    }
    if (w->n_values == GGUF_MAX_VALUES)
        fail(w, AR_RANGE, "is one key too many", key);
    if (w->err.code != AR_OK) return;
    add_string(&w->values, key, n);
    if (v->is_array) add_u32(&w->values, GGUF_ARRAY);
    add_u32(&w->values, v->kind);
    if (v->is_array) add_u64(&w->values, (uint64_t)v->count);
    text_add(&w->values, v->data, v->size);
    w->n_values++;
}

static gguf_value make_value(const char *key, enum gguf_kind kind,
                             const void *data, size_t size) {
    return (gguf_value){.key = {key, strlen(key)},
                        .kind = kind,
                        .count = 1,
                        .data = data,
                        .size = size};
}

/* Does x fit a whole number of this kind?  Little-endian, so that its bytes
 * are the first of x. */
static bool fits(enum gguf_kind kind, int64_t x) {
    switch (kind) {
    case GGUF_U8: return x >= 0 && x <= UINT8_MAX;
    case GGUF_I8: return x >= INT8_MIN && x <= INT8_MAX;
    case GGUF_U16: return x >= 0 && x <= UINT16_MAX;
    case GGUF_I16: return x >= INT16_MIN && x <= INT16_MAX;
    case GGUF_U32: return x >= 0 && x <= UINT32_MAX;
    case GGUF_I32: return x >= INT32_MIN && x <= INT32_MAX;
    case GGUF_U64: return x >= 0;
    case GGUF_I64: return true;
    default: return false;
    }
}

void gguf_put_int(gguf_writer *w, const char *key, enum gguf_kind kind,
                  int64_t x) {
    const gguf_value v = make_value(key, kind, &x, gguf_kind_size(kind));
    if (fits(kind, x))
        gguf_put_value(w, &v);
    else
        fail(w, AR_RANGE, "does not fit its kind", key);
}

void gguf_put_real(gguf_writer *w, const char *key, enum gguf_kind kind,
                   double x) {
    const float narrow = (float)x;
    const gguf_value v = kind == GGUF_F32
                             ? make_value(key, kind, &narrow, sizeof narrow)
                             : make_value(key, kind, &x, sizeof x);
    if (kind == GGUF_F32 || kind == GGUF_F64)
        gguf_put_value(w, &v);
    else
        fail(w, AR_RANGE, "does not fit its kind", key);
}

void gguf_put_bool(gguf_writer *w, const char *key, bool x) {
    const unsigned char byte = x;
    const gguf_value v = make_value(key, GGUF_BOOL, &byte, 1);
    gguf_put_value(w, &v);
}

/* A string, or an array of n. */
static void put_strings(gguf_writer *w, const char *key, const gguf_string *s,
                        int64_t n, bool is_array) {
    text t = {0};
    for (int64_t i = 0; i < n; i++) add_string(&t, s[i].data, s[i].size);
    gguf_value v = make_value(key, GGUF_STRING, t.data, t.size);
    v.is_array = is_array;
    v.count = n;
    if (t.failed) fail(w, AR_NOMEM, "does not fit into memory", key);
    gguf_put_value(w, &v);
    text_close(&t);
}

void gguf_put_string(gguf_writer *w, const char *key, gguf_string s) {
    put_strings(w, key, &s, 1, false);
}

void gguf_put_strings(gguf_writer *w, const char *key, const gguf_string *s,
                      int64_t n) {
    put_strings(w, key, s, n, true);
}

void gguf_put_array(gguf_writer *w, const char *key, enum gguf_kind kind,
                    const void *data, int64_t n) {
    const size_t size = gguf_kind_size(kind);
    gguf_value v = make_value(key, kind, data, size * (size_t)n);
    v.is_array = true;
    v.count = n;
    if (size && n >= 0)
        gguf_put_value(w, &v);
    else
        fail(w, AR_RANGE, "is not an array of numbers", key);
}

void gguf_declare(gguf_writer *w, const char *name, ar_type t, const shape *s) {
    row r = {.name = w->names.size, .view = {.type = t, .shape = *s}};
    claim(w, w->tensors, name, GGUF_MAX_NAME);
    if (gguf_type_number(t) < 0)
        fail(w, AR_UNSUPPORTED, "has a type that GGUF lacks", name);
    else if (s->rank > GGUF_MAX_DIMS || !tensor_size(t, s, &r.view.size) ||
             w->n == GGUF_MAX_TENSORS)
        fail(w, AR_RANGE, "does not fit into the file", name);
    if (w->err.code != AR_OK) return;
    text_add(&w->names, name, strlen(name) + 1);
    text_add(&w->rows, &r, sizeof r);
    w->n++;
}

static const row *row_at(const gguf_writer *w, int64_t i) {
    return (const row *)(const void *)w->rows.data + i;
}

static size_t padding(const gguf_writer *w, uint64_t size) {
    return (size_t)(0 - size) & ((size_t)w->alignment - 1);
}

/* The descriptions; false if the data would not fit 63 bits. */
static bool describe(const gguf_writer *w, text *out) {
    int64_t offset = 0;
    for (int64_t i = 0; i < w->n; i++) {
        const row *r = row_at(w, i);
        const shape *s = &r->view.shape;
        const char *name = w->names.data + r->name;
        add_string(out, name, strlen(name));
        add_u32(out, (uint32_t)s->rank);
        for (int k = s->rank; k-- > 0;) add_u64(out, (uint64_t)s->dim[k]);
        add_u32(out, (uint32_t)gguf_type_number(r->view.type));
        add_u64(out, (uint64_t)offset);
        if (__builtin_add_overflow(offset, (int64_t)r->view.size, &offset) ||
            offset > INT64_MAX - GGUF_MAX_ALIGNMENT)
            return false;
        offset += (int64_t)padding(w, (uint64_t)offset);
    }
    return true;
}

static void pad(gguf_writer *w, uint64_t size) {
    static const unsigned char zeros[256];
    for (size_t n = padding(w, size); n;) {
        const size_t m = n < sizeof zeros ? n : sizeof zeros;
        file_write(w->file, zeros, m);
        n -= m;
    }
}

static void start(gguf_writer *w) {
    if (w->started || w->err.code != AR_OK) return;
    w->started = 1;
    text head = {0}, infos = {0};
    text_add(&head, "GGUF", 4);
    add_u32(&head, 3);
    add_u64(&head, (uint64_t)w->n);
    add_u64(&head, (uint64_t)w->n_values);
    if (!describe(w, &infos))
        fail(w, AR_RANGE, "would have too many bytes", w->name);
    if (head.failed || infos.failed || w->values.failed)
        fail(w, AR_NOMEM, "has no memory for its header", w->name);
    if (w->err.code == AR_OK) {
        file_write(w->file, head.data, head.size);
        file_write(w->file, w->values.data, w->values.size);
        file_write(w->file, infos.data, infos.size);
        pad(w, file_written(w->file));
    }
    text_close(&head);
    text_close(&infos);
}

/* Go on to the next tensor that has bytes to come. */
static void pass_finished(gguf_writer *w) {
    while (w->at < w->n && w->done == row_at(w, w->at)->view.size) {
        pad(w, w->done);
        w->at++;
        w->done = 0;
    }
}

void gguf_data(gguf_writer *w, const void *p, size_t size) {
    const unsigned char *from = p;
    if (w->names.failed || w->rows.failed)
        fail(w, AR_NOMEM, "has no memory for its tensors", w->name);
    start(w);
    while (w->err.code == AR_OK && size) {
        pass_finished(w);
        if (w->at == w->n) {
            fail(w, AR_RANGE, "is given more bytes than were declared",
                 w->name);
            return;
        }
        const size_t room = row_at(w, w->at)->view.size - w->done;
        const size_t n = size < room ? size : room;
        file_write(w->file, from, n);
        from += n;
        size -= n;
        w->done += n;
    }
}

ar_status gguf_commit(gguf_writer *w, ar_error *err) {
    gguf_data(w, NULL, 0);
    if (w->err.code == AR_OK) pass_finished(w);
    if (w->err.code == AR_OK && w->at < w->n)
        fail(w, AR_RANGE, "lacks some of its declared bytes",
             w->names.data + row_at(w, w->at)->name);
    ar_status s = w->err.code;
    if (s != AR_OK) {
        error_set(err, s, "%s", w->err.message);
    } else {
        file_writer *file = w->file;
        w->file = NULL; /* file_commit frees it */
        s = file_commit(file, err);
    }
    gguf_abandon(w);
    return s;
}

void gguf_abandon(gguf_writer *w) {
    if (!w) return;
    file_abandon(w->file);
    json_decref(w->keys);
    json_decref(w->tensors);
    text_close(&w->values);
    text_close(&w->names);
    text_close(&w->rows);
    mem_free(w);
}
