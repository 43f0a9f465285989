/* document.c - documents out of text files, one after another.
 *
 * Plain files are mapped and their lines are found in place; compressed ones
 * go through a buffer that holds one line. */
#include "format/document.h"

#include <inttypes.h>
#include <string.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "format/parse.h"
#include "format/unzip.h"

enum { PIECE = 1 << 17 }; /* bytes decompressed at a time */

/* The file being read. */
typedef struct source {
    const char *name;
    int open, lines, zipped;
    file_map map;              /* empty when the bytes are borrowed */
    const unsigned char *data; /* [size], compressed if zipped */
    size_t size, pos;
    unzip zip;
    int64_t line; /* of the last one read, from 1 */
} source;

/* Decompressed bytes [begin, end) that have not been used. */
typedef struct window {
    char *p;
    size_t begin, end, capacity;
} window;

struct documents {
    arena mem;
    const char **paths;
    uint64_t *sizes; /* bytes of each file */
    int64_t n_paths, next;
    uint64_t total, passed; /* bytes in all; of the files before the open one */
    const char *key;
    const void *memory; /* the bytes of documents_open_memory, or NULL */
    source in;
    window out;
    json_t *row; /* holds the text of the last line */
};

static ar_status no_memory(ar_error *err) {
    return error_set(err, AR_NOMEM, "out of memory for documents");
}

static ar_status documents_new(documents **out, const char *const *paths,
                               int64_t n, const char *key, ar_error *err) {
    documents *d = mem_new(documents, 1);
    if (!d) return no_memory(err);
    arena_open(&d->mem, 4096);
    d->n_paths = n;
    d->paths = arena_new(&d->mem, const char *, n);
    d->sizes = arena_new(&d->mem, uint64_t, n);
    if (!key) key = "text";
    d->key = arena_text(&d->mem, key, strlen(key));
    int whole = d->paths && d->sizes && d->key;
    for (int64_t i = 0; i < n && whole; i++) {
        d->paths[i] = arena_text(&d->mem, paths[i], strlen(paths[i]));
        whole = d->paths[i] != NULL;
    }
    if (!whole) {
        documents_close(d);
        return no_memory(err);
    }
    *out = d;
    return AR_OK;
}

ar_status documents_open(documents **out, const char *const *paths,
                         int64_t n_paths, const char *key, ar_error *err) {
    documents *d;
    *out = NULL;
    TRY(documents_new(&d, paths, n_paths, key, err));
    for (int64_t i = 0; i < n_paths; i++) {
        file_map map;
        const ar_status s = file_map_open(&map, paths[i], err);
        if (s != AR_OK) {
            documents_close(d);
            return s;
        }
        d->sizes[i] = map.size;
        d->total += map.size;
        file_map_close(&map);
    }
    *out = d;
    return AR_OK;
}

ar_status documents_open_memory(documents **out, const char *name,
                                const void *data, size_t size, const char *key,
                                ar_error *err) {
    *out = NULL;
    TRY(documents_new(out, &name, 1, key, err));
    (*out)->memory = data ? data : "";
    (*out)->sizes[0] = (*out)->total = size;
    return AR_OK;
}

static int ends_with(const char *name, size_t n, const char *end) {
    const size_t m = strlen(end);
    return n >= m && !memcmp(name + n - m, end, m);
}

static void close_source(documents *d) {
    source *in = &d->in;
    if (in->open) {
        d->passed += d->sizes[d->next++];
        unzip_close(&in->zip);
        file_map_close(&in->map);
    }
    *in = (source){0};
    d->out.begin = d->out.end = 0;
}

static ar_status open_source(documents *d, ar_error *err) {
    source *in = &d->in;
    const char *name = d->paths[d->next];
    size_t n = strlen(name);
    *in = (source){.name = name};
    if (!d->memory) TRY(file_map_open(&in->map, name, err));
    in->open = 1;
    in->data = d->memory ? d->memory : in->map.data;
    in->size = d->memory ? (size_t)d->total : in->map.size;
    in->zipped = ends_with(name, n, ".zst");
    if (in->zipped) n -= 4;
    in->lines = ends_with(name, n, ".jsonl") || ends_with(name, n, ".ndjson");
    if (in->zipped) {
        TRY(unzip_open(&in->zip, name, in->data, in->size, err));
    } else if (in->lines && in->size >= 3 &&
               !memcmp(in->data, "\xef\xbb\xbf", 3)) {
        in->pos = 3; /* a byte order mark is no part of the first line */
    }
    return AR_OK;
}

/* Decompress another piece behind what is held; *more = 0 at the end. */
static ar_status fill(documents *d, int *more, ar_error *err) {
    window *w = &d->out;
    if (w->begin) {
        memmove(w->p, w->p + w->begin, w->end - w->begin);
        w->end -= w->begin;
        w->begin = 0;
    }
    if (w->capacity - w->end < PIECE) {
        const size_t want = w->capacity * 2 + PIECE;
        char *p = mem_realloc(w->p, want);
        if (!p) return no_memory(err);
        w->p = p;
        w->capacity = want;
    }
    size_t n;
    TRY(unzip_read(&d->in.zip, w->p + w->end, PIECE, &n, err));
    d->in.pos = d->in.zip.pos;
    w->end += n;
    *more = n > 0;
    if (w->end > INT32_MAX)
        return error_set(err, AR_FORMAT,
                         "%s:%" PRId64 ": longer than 2^31 - 1 bytes",
                         d->in.name, d->in.line + 1);
    return AR_OK;
}

/* Bytes up to `end` (a line feed; -1 = the end of the file), without it;
 * *text = NULL when there are none left. */
static ar_status next_zipped(documents *d, int end, const char **text,
                             size_t *n, ar_error *err) {
    window *w = &d->out;
    size_t seen = 0; /* bytes without `end` */
    int more = 1;
    *text = NULL;
    for (;;) {
        const size_t held = w->end - w->begin;
        const char *p = held ? w->p + w->begin : NULL, *hit = NULL;
        if (end >= 0 && held > seen) hit = memchr(p + seen, end, held - seen);
        if (hit || (!more && held)) {
            *text = p;
            *n = hit ? (size_t)(hit - p) : held;
            w->begin += *n + (hit != NULL);
            return AR_OK;
        }
        if (!more) return AR_OK;
        seen = held;
        TRY(fill(d, &more, err));
    }
}

static ar_status next_plain(documents *d, int end, const char **text, size_t *n,
                            ar_error *err) {
    source *in = &d->in;
    *text = NULL;
    if (in->pos == in->size) return AR_OK;
    const char *p = (const char *)in->data + in->pos;
    const size_t left = in->size - in->pos;
    const char *hit = end >= 0 ? memchr(p, end, left) : NULL;
    *n = hit ? (size_t)(hit - p) : left;
    if (*n > INT32_MAX)
        return error_set(err, AR_FORMAT,
                         "%s:%" PRId64 ": longer than 2^31 - 1 bytes", in->name,
                         in->line + 1);
    in->pos += *n + (hit != NULL);
    *text = p;
    return AR_OK;
}

static ar_status next_piece(documents *d, int end, const char **text, size_t *n,
                            ar_error *err) {
    return d->in.zipped ? next_zipped(d, end, text, n, err)
                        : next_plain(d, end, text, n, err);
}

static int is_blank(const char *p, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (p[i] != ' ' && p[i] != '\t' && p[i] != '\r') return 0;
    return 1;
}

/* The text in a line of JSON; it may hold NULs. */
static ar_status read_line(documents *d, const char *line, size_t size,
                           const char **text, size_t *n, ar_error *err) {
    json_error_t why;
    d->row = json_loadb(line, size, JSON_ALLOW_NUL, &why);
    if (!d->row && json_error_code(&why) == json_error_out_of_memory)
        return no_memory(err);
    if (!d->row)
        return error_set(err, AR_FORMAT, "%s:%" PRId64 ": not valid JSON: %s",
                         d->in.name, d->in.line, why.text);
    const json_t *value = json_object_get(d->row, d->key);
    if (!json_is_string(value))
        return error_set(err, AR_FORMAT,
                         "%s:%" PRId64 ": not an object with a string under "
                         "\"%s\"",
                         d->in.name, d->in.line, d->key);
    *text = json_string_value(value);
    *n = json_string_length(value);
    return AR_OK;
}

/* The next document of the open file that is not empty. */
static ar_status next_here(documents *d, const char **text, size_t *n,
                           ar_error *err) {
    for (;;) {
        const char *piece;
        size_t size = 0;
        TRY(next_piece(d, d->in.lines ? '\n' : -1, &piece, &size, err));
        *text = piece;
        *n = size;
        if (!piece) return AR_OK;
        d->in.line++;
        if (d->in.lines) {
            if (is_blank(piece, size)) continue;
            json_decref(d->row);
            TRY(read_line(d, piece, size, text, n, err));
        }
        if (*n) return AR_OK;
    }
}

ar_status documents_next(documents *d, const char **text, size_t *n,
                         ar_error *err) {
    *text = NULL;
    *n = 0;
    while (d->in.open || d->next < d->n_paths) {
        const char *found = NULL;
        size_t size = 0;
        if (!d->in.open) TRY(open_source(d, err));
        TRY(next_here(d, &found, &size, err));
        if (found) {
            *text = found;
            *n = size;
            return AR_OK;
        }
        close_source(d);
    }
    return AR_OK;
}

void documents_progress(const documents *d, uint64_t *done, uint64_t *total) {
    *done = d->passed + d->in.pos;
    *total = d->total;
}

void documents_rewind(documents *d) {
    close_source(d);
    d->next = 0;
    d->passed = 0;
}

void documents_close(documents *d) {
    if (!d) return;
    close_source(d);
    json_decref(d->row);
    mem_free(d->out.p);
    arena_close(&d->mem);
    mem_free(d);
}
