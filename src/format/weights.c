/* weights.c - the tensors of a model: which kind of file, and what all share.
 */
#include "format/weights.h"

#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "format/packed.h"

enum { HEAD = 8 }; /* bytes that tell the kind */

static bool is_gguf(const unsigned char *head) { return gguf_is(head, HEAD); }

static bool is_rstk(const unsigned char *head) {
    return !memcmp(head, "RSTK", 4);
}

/* Magic and a version; of a safetensors file with a header of as many bytes as
 * the magic says, the second word is 0. */
static bool is_llmc(const unsigned char *head) {
    const uint32_t magic = 20240326;
    return !memcmp(head, &magic, 4) && memcmp(head + 4, "\0\0\0\0", 4) != 0;
}

static bool is_any(const unsigned char *head) {
    (void)head;
    return true;
}

static const struct {
    const char *text;
    bool (*is)(const unsigned char *head); /* [HEAD], zeros past the end */
    ar_status (*open)(weights *w, const weights_source *src, ar_error *err);
} formats[] = {
#define WEIGHTS_FORMAT(name, text, is, open) {text, is, open},
#include "format/formats.def"
#undef WEIGHTS_FORMAT
};

ar_status weights_no_memory(const char *path, ar_error *err) {
    return error_set(err, AR_NOMEM, "%s: out of memory for its tensors", path);
}

ar_status weights_index(weights *w, const char *path, ar_error *err) {
    return tensor_index_build(&w->index, &w->mem, w->tensors, w->n, path, err);
}

static enum weights_kind kind_of_bytes(const void *data, size_t size) {
    unsigned char head[HEAD] = {0};
    if (size) memcpy(head, data, size < HEAD ? size : HEAD);
    int i = 0;
    while (!formats[i].is(head)) i++;
    return (enum weights_kind)i;
}

static ar_status open_source(weights *w, const weights_source *src,
                             ar_error *err) {
    if (src->data) {
        w->kind = kind_of_bytes(src->data, src->size);
    } else if (file_is_folder(src->name)) {
        w->kind = WEIGHTS_SAFETENSORS;
        return weights_open_folder(w, src->name, err);
    } else {
        file_map map;
        TRY(file_map_open(&map, src->name, err));
        w->kind = kind_of_bytes(map.data, map.size);
        file_map_close(&map);
    }
    return formats[w->kind].open(w, src, err);
}

static ar_status open_weights(weights **out, const weights_source *src,
                              ar_error *err) {
    *out = NULL;
    weights *w = mem_new(weights, 1);
    if (!w) return weights_no_memory(src->name, err);
    arena_open(&w->mem, 1 << 14);
    const ar_status s = open_source(w, src, err);
    if (s == AR_OK)
        *out = w;
    else
        weights_close(w);
    return s;
}

ar_status weights_open(weights **out, const char *path, ar_error *err) {
    const weights_source src = {.name = path};
    return open_weights(out, &src, err);
}

ar_status weights_open_memory(weights **out, const void *data, size_t size,
                              const char *name, ar_error *err) {
    const weights_source src = {name, data ? data : "", size};
    return open_weights(out, &src, err);
}

ar_status weights_open_gguf(weights *w, const weights_source *src,
                            ar_error *err) {
    TRY(src->data
            ? gguf_open_memory(&w->gguf, src->data, src->size, src->name, err)
            : gguf_open(&w->gguf, src->name, err));
    w->n = gguf_count(w->gguf);
    w->tensors = gguf_get(w->gguf, 0); /* they lie in one array */
    return weights_index(w, src->name, err);
}

ar_status weights_join(weights *w, const char *name, const char *config,
                       size_t size, ar_error *err) {
    return packed_join(w, name, config, size, err);
}

void weights_close(weights *w) {
    if (!w) return;
    for (int64_t f = 0; f < w->n_files; f++) st_close(w->files[f]);
    gguf_close(w->gguf);
    file_map_close(&w->map);
    arena_close(&w->mem);
    mem_free(w);
}

int64_t weights_count(const weights *w) { return w->n; }

const tensor_view *weights_get(const weights *w, int64_t i) {
    return i >= 0 && i < w->n ? &w->tensors[i] : NULL;
}

const tensor_view *weights_find(const weights *w, const char *name) {
    return tensor_index_find(&w->index, name);
}

size_t weights_mapped(const weights *w) {
    size_t size = w->map.size + (w->gguf ? gguf_mapped(w->gguf) : 0);
    for (int64_t f = 0; f < w->n_files; f++) size += st_mapped(w->files[f]);
    return size;
}

enum weights_kind weights_kind_of(const weights *w) { return w->kind; }

const char *weights_kind_text(enum weights_kind kind) {
    return formats[kind].text;
}

const gguf *weights_gguf(const weights *w) { return w->gguf; }

const weights_header *weights_header_of(const weights *w) {
    return w->turned ? &w->header : NULL;
}

bool weights_turned(const weights *w, const tensor_view *t) {
    return w->turned && w->turned[t - w->tensors];
}
