/* safetensors_read.c - reading safetensors.
 *
 * The header is the only part that is parsed; once it has been found to
 * describe the data exactly (every byte belongs to one tensor, none to two),
 * the tensors are pointers into the mapping. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "format/parse.h"
#include "format/st_int.h"

struct st_file {
    arena mem;
    file_map map; /* empty for st_open_memory */
    int64_t n;
    tensor_view *tensors; /* by place in the file */
    tensor_index index;
    json_t *metadata; /* object of strings, NULL if there is none */
};

/* What the functions that read one header share. */
typedef struct header {
    const char *name; /* of the file, for errors */
    const unsigned char *data;
    uint64_t size; /* bytes of data */
    ar_error *err;
} header;

/* A tensor of the header while it is sorted by place. */
typedef struct entry {
    tensor_view tensor;
    uint64_t begin, end;
    int64_t order; /* in the header, to keep empty tensors stable */
} entry;

#define FAIL(code, fmt, ...)                                                   \
    error_set(h->err, code, "%s: tensor \"%.100s\" " fmt, h->name, name,       \
              __VA_ARGS__)

static ar_status read_type(const header *h, const char *name, const json_t *v,
                           ar_type *out) {
    const char *text = json_string_value(v);
    if (!text) return FAIL(AR_FORMAT, "has no %s", "dtype");
    const st_type *t = st_type_named(text);
    if (!t) return FAIL(AR_FORMAT, "has unknown type \"%.30s\"", text);
    if (t->type == AR_NONE)
        return FAIL(AR_UNSUPPORTED, "is %s, which is not supported yet", text);
    *out = t->type;
    return AR_OK;
}

/* The shape and the bytes that it takes. */
static ar_status read_shape(const header *h, const char *name, const json_t *v,
                            tensor_view *t) {
    if (!json_is_array(v)) return FAIL(AR_FORMAT, "has no %s", "shape");
    const size_t rank = json_array_size(v);
    if (rank > MAX_DIMS)
        return FAIL(AR_UNSUPPORTED, "has %zu dimensions, %d are supported",
                    rank, MAX_DIMS);
    t->shape.rank = (int)rank;
    for (size_t i = 0; i < rank; i++) {
        const json_t *dim = json_array_get(v, i);
        if (!json_is_integer(dim) || json_integer_value(dim) < 0)
            return FAIL(AR_FORMAT, "has a bad dimension %zu", i);
        t->shape.dim[i] = json_integer_value(dim);
    }
    if (!tensor_size(t->type, &t->shape, &t->size))
        return FAIL(AR_FORMAT, "has a size beyond %d bits", 63);
    return AR_OK;
}

static ar_status read_place(const header *h, const char *name, const json_t *v,
                            entry *e) {
    const json_t *begin = json_array_get(v, 0), *end = json_array_get(v, 1);
    if (json_array_size(v) != 2 || !json_is_integer(begin) ||
        !json_is_integer(end) || json_integer_value(begin) < 0)
        return FAIL(AR_FORMAT, "has bad %s", "data_offsets");
    if (json_integer_value(end) < json_integer_value(begin))
        return FAIL(AR_FORMAT, "ends before it begins, at %" PRId64,
                    (int64_t)json_integer_value(end));
    e->begin = (uint64_t)json_integer_value(begin);
    e->end = (uint64_t)json_integer_value(end);
    if (e->end > h->size)
        return FAIL(AR_FORMAT,
                    "ends at byte %" PRIu64 " of %" PRIu64
                    "; is the file cut short?",
                    e->end, h->size);
    if (e->end - e->begin != e->tensor.size)
        return FAIL(AR_FORMAT, "needs %zu bytes for its shape and has %" PRIu64,
                    e->tensor.size, e->end - e->begin);
    return AR_OK;
}

static ar_status read_entry(const header *h, const char *name, const json_t *v,
                            entry *e) {
    if (!json_is_object(v))
        return FAIL(AR_FORMAT, "is not described by %s", "an object");
    if (strlen(name) > ST_MAX_NAME)
        return FAIL(AR_FORMAT, "has a name of more than %d bytes", ST_MAX_NAME);
    tensor_view *t = &e->tensor;
    TRY(read_type(h, name, json_object_get(v, "dtype"), &t->type));
    TRY(read_shape(h, name, json_object_get(v, "shape"), t));
    TRY(read_place(h, name, json_object_get(v, "data_offsets"), e));
    t->data = h->data + e->begin;
    return AR_OK;
}

#undef FAIL

static ar_status read_metadata(const header *h, st_file *f, json_t *v) {
    const char *key;
    json_t *item;
    int strings = json_is_object(v);
    json_object_foreach(v, key, item) strings &= json_is_string(item);
    if (!strings)
        return error_set(h->err, AR_FORMAT,
                         "%s: __metadata__ is not an object of strings",
                         h->name);
    f->metadata = json_incref(v);
    return AR_OK;
}

static int by_place(const void *pa, const void *pb) {
    const entry *a = pa, *b = pb;
    if (a->begin != b->begin) return a->begin < b->begin ? -1 : 1;
    if (a->end != b->end) return a->end < b->end ? -1 : 1;
    return a->order < b->order ? -1 : a->order > b->order;
}

/* Every byte of the data is in exactly one tensor. */
static ar_status check_tiling(const header *h, const entry *e, int64_t n) {
    uint64_t at = 0;
    for (int64_t i = 0; i < n; i++) {
        if (e[i].begin != at)
            return error_set(h->err, AR_FORMAT,
                             "%s: tensor \"%.100s\" %s the one before it",
                             h->name, e[i].tensor.name,
                             e[i].begin < at ? "overlaps" : "leaves a hole to");
        at = e[i].end;
    }
    if (at != h->size)
        return error_set(h->err, AR_FORMAT,
                         "%s: %" PRIu64 " bytes follow the last tensor",
                         h->name, h->size - at);
    return AR_OK;
}

/* entries[n]: room for every key of the root. */
static ar_status read_entries(const header *h, st_file *f, json_t *root,
                              entry *entries) {
    const char *key;
    json_t *item;
    json_object_foreach(root, key, item) {
        if (!strcmp(key, "__metadata__")) {
            TRY(read_metadata(h, f, item));
            continue;
        }
        entry *e = &entries[f->n];
        TRY(read_entry(h, key, item, e));
        e->order = f->n++;
        e->tensor.name = arena_text(&f->mem, key, strlen(key));
        if (!e->tensor.name)
            return error_set(h->err, AR_NOMEM, "%s: out of memory", h->name);
    }
    if (f->n) qsort(entries, (size_t)f->n, sizeof *entries, by_place);
    TRY(check_tiling(h, entries, f->n));
    f->tensors = arena_new(&f->mem, tensor_view, f->n);
    if (!f->tensors)
        return error_set(h->err, AR_NOMEM, "%s: out of memory", h->name);
    for (int64_t i = 0; i < f->n; i++) f->tensors[i] = entries[i].tensor;
    return tensor_index_build(&f->index, &f->mem, f->tensors, f->n, h->name,
                              h->err);
}

static ar_status read_root(const header *h, st_file *f, json_t *root) {
    if (!json_is_object(root))
        return error_set(h->err, AR_FORMAT, "%s: the header is not an object",
                         h->name);
    const size_t n = json_object_size(root);
    if (n > ST_MAX_TENSORS + 1)
        return error_set(h->err, AR_FORMAT, "%s: more than %d tensors", h->name,
                         ST_MAX_TENSORS);
    entry *entries = mem_new(entry, n);
    if (!entries)
        return error_set(h->err, AR_NOMEM, "%s: out of memory", h->name);
    const ar_status s = read_entries(h, f, root, entries);
    mem_free(entries);
    return s;
}

static ar_status read_file(st_file *f, const char *name,
                           const unsigned char *data, size_t size,
                           ar_error *err) {
    if (size < 8)
        return error_set(err, AR_FORMAT,
                         "%s: %zu bytes are too few for a safetensors file",
                         name, size);
    uint64_t n = 0; /* little-endian, whatever the machine */
    for (int i = 7; i >= 0; i--) n = n << 8 | data[i];
    if (n > ST_MAX_HEADER)
        return error_set(err, AR_FORMAT,
                         "%s: its header would have %" PRIu64
                         " bytes; not a safetensors file?",
                         name, n);
    if (n > size - 8)
        return error_set(err, AR_FORMAT, "%s: the file ends inside its header",
                         name);
    if (!n || data[8] != '{')
        return error_set(err, AR_FORMAT, "%s: its header is not a JSON object",
                         name);
    json_t *root;
    TRY(parse_json(&root, name, data + 8, (size_t)n, err));
    const header h = {name, data + 8 + n, size - 8 - n, err};
    const ar_status s = read_root(&h, f, root);
    json_decref(root);
    return s;
}

static ar_status file_new(st_file **out, const char *name, ar_error *err) {
    *out = mem_new(st_file, 1);
    if (!*out) return error_set(err, AR_NOMEM, "%s: out of memory", name);
    arena_open(&(*out)->mem, 1 << 14);
    return AR_OK;
}

ar_status st_open(st_file **out, const char *path, ar_error *err) {
    *out = NULL;
    st_file *f;
    TRY(file_new(&f, path, err));
    ar_status s = file_map_open(&f->map, path, err);
    if (s == AR_OK) s = read_file(f, path, f->map.data, f->map.size, err);
    if (s == AR_OK)
        *out = f;
    else
        st_close(f);
    return s;
}

ar_status st_open_memory(st_file **out, const void *data, size_t size,
                         const char *name, ar_error *err) {
    *out = NULL;
    st_file *f;
    TRY(file_new(&f, name, err));
    const ar_status s = read_file(f, name, data, size, err);
    if (s == AR_OK)
        *out = f;
    else
        st_close(f);
    return s;
}

void st_close(st_file *f) {
    if (!f) return;
    json_decref(f->metadata);
    file_map_close(&f->map);
    arena_close(&f->mem);
    mem_free(f);
}

int64_t st_count(const st_file *f) { return f->n; }

const tensor_view *st_get(const st_file *f, int64_t i) {
    return i >= 0 && i < f->n ? &f->tensors[i] : NULL;
}

const tensor_view *st_find(const st_file *f, const char *name) {
    return tensor_index_find(&f->index, name);
}

const char *st_metadata(const st_file *f, const char *key) {
    return json_string_value(json_object_get(f->metadata, key));
}

size_t st_mapped(const st_file *f) { return f->map.size; }
