/* gguf_read.c - reading one GGUF file.
 *
 * A cursor goes once over everything before the data and takes nothing that it
 * has not measured against the bytes that are left. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "format/gguf_int.h"
#include "format/parse.h"

enum {
    MIN_VALUE = 8 + 4 + 1,         /* bytes of a key and the smallest value */
    MIN_TENSOR = 8 + 1 + 4 + 4 + 8 /* bytes of the smallest description */
};

typedef struct cursor {
    const unsigned char *p, *end, *begin;
    const char *file; /* for errors */
    ar_error *err;
} cursor;

static size_t left(const cursor *c) { return (size_t)(c->end - c->p); }

static ar_status take(cursor *c, void *out, size_t n, const char *what) {
    if (left(c) < n)
        return error_set(c->err, AR_FORMAT, "%s: the file ends inside %s",
                         c->file, what);
    memcpy(out, c->p, n);
    c->p += n;
    return AR_OK;
}

static ar_status take_string(cursor *c, gguf_string *out, const char *what) {
    uint64_t size = 0;
    TRY(take(c, &size, sizeof size, what));
    if (size > left(c))
        return error_set(c->err, AR_FORMAT,
                         "%s: %s would have %" PRIu64 " bytes of %zu", c->file,
                         what, size, left(c));
    *out = (gguf_string){(const char *)c->p, (size_t)size};
    c->p += size;
    return AR_OK;
}

/* A key or the name of a tensor. */
static ar_status take_name(cursor *c, gguf_string *out, size_t most,
                           const char *what) {
    TRY(take_string(c, out, what));
    if (!out->size || out->size > most)
        return error_set(c->err, AR_FORMAT,
                         "%s: %s has %zu bytes, 1 to %zu are allowed", c->file,
                         what, out->size, most);
    if (parse_is_utf8(out->data, out->size)) return AR_OK;
    return error_set(c->err, AR_FORMAT, "%s: %s is not UTF-8 without NUL",
                     c->file, what);
}

bool gguf_is(const void *data, size_t size) {
    return size >= 4 && !memcmp(data, "GGUF", 4);
}

static ar_status read_version(cursor *c, gguf_part *p) {
    uint32_t version = 0;
    char magic[4];
    TRY(take(c, magic, sizeof magic, "its first bytes"));
    if (!gguf_is(magic, sizeof magic))
        return error_set(c->err, AR_FORMAT, "%s: not a GGUF file", c->file);
    TRY(take(c, &version, sizeof version, "its header"));
    if (version && !(version & 0xffff))
        return error_set(c->err, AR_UNSUPPORTED,
                         "%s: is big-endian; only little-endian GGUF is read",
                         c->file);
    if (version != 2 && version != 3)
        return error_set(c->err, AR_UNSUPPORTED,
                         "%s: is GGUF version %" PRIu32
                         "; versions 2 and 3 are read",
                         c->file, version);
    p->version = (int)version;
    return AR_OK;
}

/* A count in the header, of things that take at least `size` bytes each. */
static ar_status read_count(cursor *c, int64_t *out, uint64_t most, size_t size,
                            const char *what) {
    uint64_t n = 0;
    TRY(take(c, &n, sizeof n, "its header"));
    if (n > most)
        return error_set(c->err, AR_FORMAT,
                         "%s: has %" PRIu64 " %s, more than %" PRIu64, c->file,
                         n, what, most);
    if (n > left(c) / size)
        return error_set(c->err, AR_FORMAT,
                         "%s: is too short for its %" PRIu64 " %s", c->file, n,
                         what);
    *out = (int64_t)n;
    return AR_OK;
}

#define KEY_FAIL(code, fmt, ...)                                               \
    error_set(c->err, code, "%s: key \"%.*s\" " fmt, c->file,                  \
              (int)(v->key.size < 100 ? v->key.size : 100), v->key.data,       \
              __VA_ARGS__)

/* Pass over n elements that are not arrays. */
static ar_status skip(cursor *c, const gguf_value *v, uint32_t kind,
                      uint64_t n) {
    if (kind >= GGUF_KIND_COUNT)
        return KEY_FAIL(AR_FORMAT, "has unknown type %" PRIu32, kind);
    const size_t fixed = gguf_kind_size(kind);
    if (n > left(c) / (fixed ? fixed : sizeof(uint64_t)))
        return KEY_FAIL(AR_FORMAT,
                        "would have %" PRIu64 " elements in %zu bytes", n,
                        left(c));
    c->p += n * fixed;
    for (gguf_string s; !fixed && n; n--)
        TRY(take_string(c, &s, "a string of its metadata"));
    return AR_OK;
}

/* Pass over an array whose kind and count have been read; arrays in it are
 * kept on a stack. */
static ar_status skip_array(cursor *c, const gguf_value *v, uint32_t kind,
                            uint64_t n) {
    uint64_t open[GGUF_MAX_NESTING] = {0}; /* arrays still to come, by depth */
    int depth = 0;
    for (;;) {
        if (kind == GGUF_ARRAY) {
            if (depth == GGUF_MAX_NESTING)
                return KEY_FAIL(AR_FORMAT, "has arrays more than %d deep",
                                GGUF_MAX_NESTING);
            open[depth++] = n;
        } else {
            TRY(skip(c, v, kind, n));
        }
        while (depth && !open[depth - 1]) depth--;
        if (!depth) return AR_OK;
        open[depth - 1]--;
        TRY(take(c, &kind, sizeof kind, "an array of its metadata"));
        TRY(take(c, &n, sizeof n, "an array of its metadata"));
    }
}

static ar_status read_value(cursor *c, gguf_value *v) {
    uint32_t kind = 0;
    uint64_t count = 1;
    TRY(take_name(c, &v->key, GGUF_MAX_KEY, "a key of its metadata"));
    TRY(take(c, &kind, sizeof kind, "its metadata"));
    v->is_array = kind == GGUF_ARRAY;
    if (v->is_array) {
        TRY(take(c, &kind, sizeof kind, "an array of its metadata"));
        TRY(take(c, &count, sizeof count, "an array of its metadata"));
    }
    v->data = c->p;
    TRY(v->is_array ? skip_array(c, v, kind, count) : skip(c, v, kind, 1));
    v->size = (size_t)(c->p - v->data);
    v->kind = (enum gguf_kind)kind;
    v->count = (int64_t)count;
    return AR_OK;
}

static int compare_keys(const gguf_string *a, const gguf_string *b) {
    const size_t n = a->size < b->size ? a->size : b->size;
    const int order = memcmp(a->data, b->data, n);
    return order ? order : a->size < b->size ? -1 : a->size > b->size;
}

static int by_key(const void *pa, const void *pb) {
    const gguf_value *const *a = pa, *const *b = pb;
    return compare_keys(&(*a)->key, &(*b)->key);
}

static ar_status read_values(cursor *c, gguf_part *p, arena *a) {
    p->values = arena_new(a, gguf_value, p->n_values);
    p->sorted = arena_new(a, const gguf_value *, p->n_values);
    if (!p->values || !p->sorted)
        return error_set(c->err, AR_NOMEM, "%s: out of memory", c->file);
    for (int64_t i = 0; i < p->n_values; i++) {
        TRY(read_value(c, &p->values[i]));
        p->sorted[i] = &p->values[i];
    }
    qsort(p->sorted, (size_t)p->n_values, sizeof *p->sorted, by_key);
    for (int64_t i = 1; i < p->n_values; i++) {
        const gguf_value *v = p->sorted[i];
        if (!by_key(&p->sorted[i - 1], &v))
            return KEY_FAIL(AR_FORMAT, "is there %s", "twice");
    }
    return AR_OK;
}

#undef KEY_FAIL

static ar_status read_alignment(const cursor *c, const gguf_part *p,
                                uint64_t *out) {
    int64_t alignment = GGUF_ALIGNMENT;
    const gguf_value *v = gguf_part_find(p, GGUF_ALIGNMENT_KEY);
    if (v && (v->is_array || v->kind != GGUF_U32 ||
              !gguf_as_int(v, 0, &alignment) || !gguf_alignment_ok(alignment)))
        return error_set(c->err, AR_FORMAT,
                         "%s: " GGUF_ALIGNMENT_KEY
                         " is not a u32 that is a power of two up to %d",
                         c->file, GGUF_MAX_ALIGNMENT);
    *out = (uint64_t)alignment;
    return AR_OK;
}

#define FAIL(code, fmt, ...)                                                   \
    error_set(c->err, code, "%s: tensor \"%.100s\" " fmt, c->file, t->name,    \
              __VA_ARGS__)

/* Dims, the innermost first, turned round. */
static ar_status read_dims(cursor *c, tensor_view *t) {
    uint32_t rank = 0;
    TRY(take(c, &rank, sizeof rank, "the description of a tensor"));
    if (rank > GGUF_MAX_DIMS)
        return FAIL(AR_FORMAT, "has %" PRIu32 " dimensions, %d are allowed",
                    rank, GGUF_MAX_DIMS);
    t->shape.rank = (int)rank;
    for (uint32_t i = 0; i < rank; i++) {
        uint64_t dim = 0;
        TRY(take(c, &dim, sizeof dim, "the description of a tensor"));
        if (dim > INT64_MAX)
            return FAIL(AR_FORMAT, "has a dimension of %" PRIu64, dim);
        t->shape.dim[rank - 1 - i] = (int64_t)dim;
    }
    return AR_OK;
}

static ar_status read_type(cursor *c, tensor_view *t) {
    uint32_t number = 0;
    TRY(take(c, &number, sizeof number, "the description of a tensor"));
    t->type = gguf_type_of(number);
    if (t->type == AR_NONE)
        return FAIL(AR_UNSUPPORTED, "has type %" PRIu32 ", which is not known",
                    number);
    if (shape_last(&t->shape) % tensor_block(t->type))
        return FAIL(AR_FORMAT,
                    "is %s with rows of %" PRId64
                    ", which are not whole blocks of %d",
                    ar_type_name(t->type), shape_last(&t->shape),
                    tensor_block(t->type));
    if (!tensor_size(t->type, &t->shape, &t->size))
        return FAIL(AR_FORMAT, "has a size beyond %d bits", 63);
    return AR_OK;
}

static ar_status read_tensor(cursor *c, arena *a, tensor_view *t,
                             uint64_t *offset) {
    gguf_string name;
    TRY(take_name(c, &name, GGUF_MAX_NAME, "the name of a tensor"));
    t->name = arena_text(a, name.data, name.size);
    if (!t->name)
        return error_set(c->err, AR_NOMEM, "%s: out of memory", c->file);
    TRY(read_dims(c, t));
    TRY(read_type(c, t));
    return take(c, offset, sizeof *offset, "the description of a tensor");
}

/* The bytes of a tensor, `offset` from the start of `size` bytes of data. */
static ar_status place(const cursor *c, tensor_view *t, uint64_t offset,
                       uint64_t alignment, const unsigned char *data,
                       size_t size) {
    if (offset % alignment)
        return FAIL(AR_FORMAT,
                    "is at byte %" PRIu64 ", not a multiple of %" PRIu64,
                    offset, alignment);
    if (offset > size || t->size > size - offset)
        return FAIL(AR_FORMAT,
                    "has %zu bytes from byte %" PRIu64
                    " on, the data have %zu; is the file cut short?",
                    t->size, offset, size);
    t->data = data + offset;
    return AR_OK;
}

static int by_place(const void *pa, const void *pb) {
    const tensor_view *a = *(const tensor_view *const *)pa;
    const tensor_view *b = *(const tensor_view *const *)pb;
    if (a->data != b->data)
        return (const char *)a->data < (const char *)b->data ? -1 : 1;
    return a->size < b->size ? -1 : a->size > b->size;
}

/* No byte is in two tensors. */
static ar_status check_overlap(const cursor *c, const gguf_part *p) {
    const tensor_view **sorted = mem_new(const tensor_view *, p->n);
    if (!sorted)
        return error_set(c->err, AR_NOMEM, "%s: out of memory", c->file);
    for (int64_t i = 0; i < p->n; i++) sorted[i] = &p->tensors[i];
    qsort(sorted, (size_t)p->n, sizeof *sorted, by_place);
    ar_status s = AR_OK;
    for (int64_t i = 1; i < p->n && s == AR_OK; i++) {
        const tensor_view *before = sorted[i - 1], *t = sorted[i];
        if ((const char *)before->data + before->size > (const char *)t->data)
            s = FAIL(AR_FORMAT, "overlaps \"%.60s\"", before->name);
    }
    mem_free(sorted);
    return s;
}

#undef FAIL

/* offsets[n]: of the tensors, in the data. */
static ar_status read_tensors(cursor *c, gguf_part *p, arena *a,
                              uint64_t *offsets) {
    uint64_t alignment = 0;
    TRY(read_alignment(c, p, &alignment));
    for (int64_t i = 0; i < p->n; i++)
        TRY(read_tensor(c, a, &p->tensors[i], &offsets[i]));
    const uint64_t read = (uint64_t)(c->p - c->begin);
    const uint64_t gap = (0 - read) & (alignment - 1);
    if (gap > left(c)) {
        if (!p->n) return AR_OK; /* metadata only, not padded at the end */
        return error_set(c->err, AR_FORMAT, "%s: the file ends before its data",
                         c->file);
    }
    c->p += gap;
    for (int64_t i = 0; i < p->n; i++)
        TRY(place(c, &p->tensors[i], offsets[i], alignment, c->p, left(c)));
    return check_overlap(c, p);
}

ar_status gguf_read_part(gguf_part *p, arena *a, const void *data, size_t size,
                         ar_error *err) {
    static const unsigned char nothing[1];
    if (!data) data = nothing;
    cursor c = {.p = data, .begin = data, .file = p->name, .err = err};
    c.end = c.p + size;
    TRY(read_version(&c, p));
    TRY(read_count(&c, &p->n, GGUF_MAX_TENSORS, MIN_TENSOR, "tensors"));
    TRY(read_count(&c, &p->n_values, GGUF_MAX_VALUES, MIN_VALUE, "keys"));
    TRY(read_values(&c, p, a));
    p->tensors = arena_new(a, tensor_view, p->n);
    uint64_t *offsets = mem_new(uint64_t, p->n);
    const ar_status s =
        p->tensors && offsets
            ? read_tensors(&c, p, a, offsets)
            : error_set(err, AR_NOMEM, "%s: out of memory", p->name);
    mem_free(offsets);
    return s;
}

const gguf_value *gguf_part_find(const gguf_part *p, const char *key) {
    const gguf_string wanted = {key, strlen(key)};
    int64_t low = 0, high = p->n_values;
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        const int order = compare_keys(&wanted, &p->sorted[middle]->key);
        if (!order) return p->sorted[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}
