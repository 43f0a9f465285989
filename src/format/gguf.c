/* gguf.c - a GGUF model: one file, or the parts of a split one as a whole.
 *
 * A part says in its metadata which one it is and of how many; the number in
 * its name must agree, since the names of the others are made from it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "format/gguf_int.h"

enum { PATH_SIZE = 4096 };

struct gguf {
    arena mem;
    gguf_part *parts; /* [n_parts] in order, in the arena */
    int n_parts;
    int64_t n;
    const tensor_view *tensors; /* of all parts */
    tensor_index index;
};

/* What a part says of the whole. */
typedef struct split {
    int64_t no, count, tensors; /* part (from 0), parts, tensors in all */
} split;

static ar_status no_memory(const char *name, ar_error *err) {
    return error_set(err, AR_NOMEM, "%s: out of memory", name);
}

static ar_status gguf_new(gguf **out, const char *name, ar_error *err) {
    *out = mem_new(gguf, 1);
    if (!*out) return no_memory(name, err);
    arena_open(&(*out)->mem, 1 << 14);
    return AR_OK;
}

/* A key of the split; `missing` if it is not there. */
static ar_status read_split_key(const gguf_part *p, const char *key,
                                int64_t missing, int64_t *out, ar_error *err) {
    const gguf_value *v = gguf_part_find(p, key);
    *out = missing;
    if (!v || (!v->is_array && gguf_as_int(v, 0, out))) return AR_OK;
    return error_set(err, AR_FORMAT, "%s: %s is not a whole number", p->name,
                     key);
}

/* A file that is whole is part 0 of 1. */
static ar_status read_split(const gguf_part *p, split *s, ar_error *err) {
    TRY(read_split_key(p, "split.count", 1, &s->count, err));
    TRY(read_split_key(p, "split.no", 0, &s->no, err));
    TRY(read_split_key(p, "split.tensors.count", -1, &s->tensors, err));
    if (s->count == 0 && s->no == 0) s->count = 1;
    if (s->count < 1 || s->no < 0 || s->no >= s->count)
        return error_set(err, AR_FORMAT,
                         "%s: says that it is part %" PRId64 " of %" PRId64,
                         p->name, s->no + 1, s->count);
    if (s->count > GGUF_MAX_PARTS)
        return error_set(err, AR_UNSUPPORTED,
                         "%s: is one of %" PRId64 " parts, more than %d",
                         p->name, s->count, GGUF_MAX_PARTS);
    return AR_OK;
}

/* "-00002-of-00003.gguf" */
typedef struct ending {
    char text[32];
    size_t size;
} ending;

static ending make_ending(int64_t no, int64_t count) {
    ending e;
    e.size = (size_t)snprintf(e.text, sizeof e.text, "-%05d-of-%05d.gguf",
                              (int)no + 1, (int)count);
    return e;
}

static ar_status check_name(const gguf_part *p, const split *s, ar_error *err) {
    const ending e = make_ending(s->no, s->count);
    const size_t n = strlen(p->name);
    if (n > e.size && !strcmp(p->name + n - e.size, e.text)) return AR_OK;
    return error_set(err, AR_FORMAT,
                     "%s: is part %" PRId64 " of %" PRId64
                     ", so its name should end in %s",
                     p->name, s->no + 1, s->count, e.text);
}

static ar_status open_part(gguf *g, gguf_part *p, const char *path,
                           ar_error *err) {
    p->name = arena_text(&g->mem, path, strlen(path));
    if (!p->name) return no_memory(path, err);
    TRY(file_map_open(&p->map, path, err));
    return gguf_read_part(p, &g->mem, p->map.data, p->map.size, err);
}

/* Part `no` of the model that `first`, the file asked for, belongs to. */
static ar_status open_sibling(gguf *g, const gguf_part *first,
                              const split *whole, int no, ar_error *err) {
    char path[PATH_SIZE];
    const ending e = make_ending(no, whole->count);
    const size_t n = strlen(first->name) - e.size;
    if (n + e.size >= sizeof path)
        return error_set(err, AR_RANGE, "%.100s...: the path is too long",
                         first->name);
    memcpy(path, first->name, n);
    memcpy(path + n, e.text, e.size + 1);
    if (!file_exists(path))
        return error_set(err, AR_IO,
                         "%s: is not there; it is part %d of %" PRId64, path,
                         no + 1, whole->count);
    gguf_part *p = &g->parts[no];
    split s;
    TRY(open_part(g, p, path, err));
    TRY(read_split(p, &s, err));
    if (s.no == no && s.count == whole->count && s.tensors == whole->tensors)
        return AR_OK;
    return error_set(err, AR_FORMAT,
                     "%s: is part %" PRId64 " of %" PRId64 " with %" PRId64
                     " tensors, expected part %d of %" PRId64 " with %" PRId64,
                     path, s.no + 1, s.count, s.tensors, no + 1, whole->count,
                     whole->tensors);
}

/* The parts beside the one that is open, which moves to its place. */
static ar_status open_siblings(gguf *g, const split *s, ar_error *err) {
    TRY(check_name(&g->parts[0], s, err));
    gguf_part *parts = arena_new(&g->mem, gguf_part, s->count);
    if (!parts) return no_memory(g->parts[0].name, err);
    parts[s->no] = g->parts[0];
    g->parts = parts;
    g->n_parts = (int)s->count;
    for (int i = 0; i < g->n_parts; i++)
        if (i != s->no) TRY(open_sibling(g, &parts[s->no], s, i, err));
    return AR_OK;
}

/* The tensors of all parts, by name. */
static ar_status join(gguf *g, int64_t wanted, ar_error *err) {
    const char *name = g->parts[0].name;
    for (int i = 0; i < g->n_parts; i++) g->n += g->parts[i].n;
    if (wanted >= 0 && g->n != wanted)
        return error_set(err, AR_FORMAT,
                         "%s: the parts have %" PRId64
                         " tensors, split.tensors.count says %" PRId64,
                         name, g->n, wanted);
    if (g->n > GGUF_MAX_TENSORS)
        return error_set(err, AR_FORMAT, "%s: more than %d tensors", name,
                         GGUF_MAX_TENSORS);
    g->tensors = g->parts[0].tensors;
    if (g->n_parts > 1) {
        tensor_view *all = arena_new(&g->mem, tensor_view, g->n);
        if (!all) return no_memory(name, err);
        g->tensors = all;
        for (int i = 0; i < g->n_parts; i++)
            for (int64_t k = 0; k < g->parts[i].n; k++)
                *all++ = g->parts[i].tensors[k];
    }
    return tensor_index_build(&g->index, &g->mem, g->tensors, g->n, name, err);
}

static ar_status open_files(gguf *g, const char *path, ar_error *err) {
    split s;
    g->parts = arena_new(&g->mem, gguf_part, 1);
    if (!g->parts) return no_memory(path, err);
    g->n_parts = 1;
    TRY(open_part(g, g->parts, path, err));
    TRY(read_split(g->parts, &s, err));
    if (s.count > 1) TRY(open_siblings(g, &s, err));
    return join(g, s.count > 1 ? s.tensors : -1, err);
}

ar_status gguf_open(gguf **out, const char *path, ar_error *err) {
    *out = NULL;
    gguf *g;
    TRY(gguf_new(&g, path, err));
    const ar_status s = open_files(g, path, err);
    if (s == AR_OK)
        *out = g;
    else
        gguf_close(g);
    return s;
}

static ar_status open_bytes(gguf *g, const void *data, size_t size,
                            const char *name, ar_error *err) {
    g->parts = arena_new(&g->mem, gguf_part, 1);
    if (!g->parts) return no_memory(name, err);
    g->n_parts = 1;
    g->parts->name = arena_text(&g->mem, name, strlen(name));
    if (!g->parts->name) return no_memory(name, err);
    TRY(gguf_read_part(g->parts, &g->mem, data, size, err));
    return join(g, -1, err);
}

ar_status gguf_open_memory(gguf **out, const void *data, size_t size,
                           const char *name, ar_error *err) {
    *out = NULL;
    gguf *g;
    TRY(gguf_new(&g, name, err));
    const ar_status s = open_bytes(g, data, size, name, err);
    if (s == AR_OK)
        *out = g;
    else
        gguf_close(g);
    return s;
}

void gguf_close(gguf *g) {
    if (!g) return;
    for (int i = 0; i < g->n_parts; i++) file_map_close(&g->parts[i].map);
    arena_close(&g->mem);
    mem_free(g);
}

size_t gguf_mapped(const gguf *g) {
    size_t size = 0;
    for (int i = 0; i < g->n_parts; i++) size += g->parts[i].map.size;
    return size;
}

int gguf_parts(const gguf *g) { return g->n_parts; }
int gguf_version(const gguf *g) { return g->parts[0].version; }
int64_t gguf_count(const gguf *g) { return g->n; }

const tensor_view *gguf_get(const gguf *g, int64_t i) {
    return i >= 0 && i < g->n ? &g->tensors[i] : NULL;
}

const tensor_view *gguf_find_tensor(const gguf *g, const char *name) {
    return tensor_index_find(&g->index, name);
}

int64_t gguf_n_values(const gguf *g) { return g->parts[0].n_values; }

const gguf_value *gguf_value_at(const gguf *g, int64_t i) {
    return i >= 0 && i < g->parts[0].n_values ? &g->parts[0].values[i] : NULL;
}

const gguf_value *gguf_find(const gguf *g, const char *key) {
    return gguf_part_find(&g->parts[0], key);
}

/* Why a single value could not be had. */
static ar_status lacks(const gguf *g, const char *key, const char *wanted,
                       ar_error *err) {
    const gguf_value *v = gguf_find(g, key);
    const char *name = g->parts[0].name;
    if (!v)
        return error_set(err, AR_FORMAT, "%s: has no key \"%.100s\"", name,
                         key);
    return error_set(err, AR_FORMAT, "%s: key \"%.100s\" is %s%s, not %s", name,
                     key, v->is_array ? "an array of " : "",
                     gguf_kind_name(v->kind), wanted);
}

/* NULL if it is not a single value. */
static const gguf_value *find_single(const gguf *g, const char *key) {
    const gguf_value *v = gguf_find(g, key);
    return v && !v->is_array ? v : NULL;
}

ar_status gguf_int(const gguf *g, const char *key, int64_t *out,
                   ar_error *err) {
    return gguf_as_int(find_single(g, key), 0, out)
               ? AR_OK
               : lacks(g, key, "a whole number below 2^63", err);
}

ar_status gguf_real(const gguf *g, const char *key, double *out,
                    ar_error *err) {
    return gguf_as_real(find_single(g, key), 0, out)
               ? AR_OK
               : lacks(g, key, "a number", err);
}

ar_status gguf_bool(const gguf *g, const char *key, bool *out, ar_error *err) {
    return gguf_as_bool(find_single(g, key), 0, out)
               ? AR_OK
               : lacks(g, key, "a bool", err);
}

ar_status gguf_text(const gguf *g, const char *key, gguf_string *out,
                    ar_error *err) {
    return gguf_as_string(find_single(g, key), out)
               ? AR_OK
               : lacks(g, key, "a string", err);
}
