/* safetensors_write.c - writing safetensors.
 *
 * Tensors are laid out in the order of their declaration.  The header is
 * padded with spaces so that the data start at a multiple of 8 bytes. */
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/json_text.h"
#include "base/mem.h"
#include "base/text.h"
#include "format/parse.h"
#include "format/st_int.h"

struct st_writer {
    file_writer *file;
    json_t *root;
    json_t *meta;               /* owned by root; NULL until there is some */
    uint64_t declared, written; /* bytes of data */
    int64_t n;
    int started;   /* the header is out */
    ar_error err;  /* the first failure sticks; code AR_OK if none */
    char name[96]; /* the end of the path, for errors */
};

static void set_name(st_writer *w, const char *path) {
    const size_t n = strlen(path), room = sizeof w->name - 1;
    memcpy(w->name, n > room ? path + n - room : path, (n > room ? room : n));
}

ar_status st_create(st_writer **out, const char *path, ar_error *err) {
    *out = NULL;
    st_writer *w = mem_new(st_writer, 1);
    if (!w) return error_set(err, AR_NOMEM, "%s: out of memory", path);
    set_name(w, path);
    w->root = json_object();
    const ar_status s =
        w->root ? file_create(&w->file, path, err)
                : error_set(err, AR_NOMEM, "%s: out of memory", path);
    if (s == AR_OK)
        *out = w;
    else
        st_abandon(w);
    return s;
}

static void fail(st_writer *w, ar_status code, const char *what,
                 const char *name) {
    if (w->err.code == AR_OK)
        error_set(&w->err, code, "%s: \"%.80s\" %s", w->name, name, what);
}

/* Takes `item`, which may be NULL when memory has run out. */
static void put(st_writer *w, json_t *object, const char *key, json_t *item) {
    if (w->err.code != AR_OK) {
        json_decref(item);
    } else if (json_object_set_new(object, key, item)) {
        json_t *copy = json_string(key); /* refuses what is not UTF-8 */
        if (copy)
            fail(w, AR_NOMEM, "does not fit into memory", key);
        else
            fail(w, AR_FORMAT, "is not a UTF-8 name", key);
        json_decref(copy);
    }
}

void st_meta(st_writer *w, const char *key, const char *string) {
    if (!w->meta && w->err.code == AR_OK) {
        put(w, w->root, "__metadata__", json_object());
        w->meta = json_object_get(w->root, "__metadata__");
    }
    put(w, w->meta, key, json_string(string));
}

/* {"dtype": ..., "shape": [...], "data_offsets": [begin, end]} */
static json_t *describe(const st_type *t, const shape *s, uint64_t begin,
                        uint64_t end) {
    json_t *dims = json_array();
    for (int i = 0; i < s->rank; i++)
        json_array_append_new(dims, json_integer(s->dim[i]));
    if (json_array_size(dims) != (size_t)s->rank) {
        json_decref(dims);
        return NULL;
    }
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", t->name, "shape", dims,
                     "data_offsets", (json_int_t)begin, (json_int_t)end);
}

void st_declare(st_writer *w, const char *name, ar_type t, const shape *s) {
    const st_type *type = st_type_of(t);
    size_t size = 0;
    const int whole = tensor_size(t, s, &size);
    const uint64_t end = w->declared + size;
    const int fits = whole && end <= INT64_MAX && w->n < ST_MAX_TENSORS;
    if (!type)
        fail(w, AR_UNSUPPORTED, "has a type that safetensors lacks", name);
    else if (!fits)
        fail(w, AR_RANGE, "does not fit into the file", name);
    else if (strlen(name) > ST_MAX_NAME)
        fail(w, AR_RANGE, "is too long a name", name);
    else if (json_object_get(w->root, name))
        fail(w, AR_RANGE, "is declared twice", name);
    else if (w->started)
        fail(w, AR_RANGE, "is declared after the first data", name);
    if (w->err.code != AR_OK) return;
    put(w, w->root, name, describe(type, s, w->declared, end));
    w->declared = end;
    w->n++;
}

static void start(st_writer *w) {
    if (w->started || w->err.code != AR_OK) return;
    w->started = 1;
    text t = {0};
    text_add_json(&t, w->root, JSON_COMPACT);
    while (t.size % 8 && !t.failed) text_adds(&t, " ");
    if (t.size > ST_MAX_HEADER)
        fail(w, AR_RANGE, "needs too large a header", w->name);
    unsigned char size[8];
    for (int i = 0; i < 8; i++)
        size[i] = (unsigned char)((uint64_t)t.size >> 8 * i);
    if (t.failed) fail(w, AR_NOMEM, "has no memory for its header", w->name);
    if (w->err.code == AR_OK) {
        file_write(w->file, size, sizeof size);
        file_write(w->file, t.data, t.size);
    }
    text_close(&t);
}

void st_data(st_writer *w, const void *p, size_t size) {
    start(w);
    w->written += size;
    if (w->err.code == AR_OK && w->written <= w->declared)
        file_write(w->file, p, size);
}

ar_status st_commit(st_writer *w, ar_error *err) {
    start(w);
    if (w->err.code == AR_OK && w->written != w->declared)
        error_set(&w->err, AR_RANGE,
                  "%s: %" PRIu64 " bytes were written, %" PRIu64
                  " were declared",
                  w->name, w->written, w->declared);
    ar_status s = w->err.code;
    if (s != AR_OK) {
        error_set(err, s, "%s", w->err.message);
    } else {
        file_writer *file = w->file;
        w->file = NULL; /* file_commit frees it */
        s = file_commit(file, err);
    }
    st_abandon(w);
    return s;
}

void st_abandon(st_writer *w) {
    if (!w) return;
    file_abandon(w->file);
    json_decref(w->root);
    mem_free(w);
}
