/* mil_blob.c - the weight file of a MIL program. */
#include "backend/ane/mil_blob.h"

#include <string.h>

#include "backend/ane/mil_int.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/mem.h"

enum { ALIGN = 64, VERSION = 2 };
#define SENTINEL 0xDEADBEEFu

/* Both are 64 bytes in the file, little-endian as all machines here are. */
typedef struct file_header {
    uint32_t count, version;
    uint64_t reserved[7];
} file_header;

typedef struct blob_header {
    uint32_t sentinel, code;
    uint64_t size, offset, unused_bits;
    uint64_t reserved[4];
} blob_header;

_Static_assert(sizeof(file_header) == ALIGN, "header of a file");
_Static_assert(sizeof(blob_header) == ALIGN, "header of a blob");

static uint64_t round_up(uint64_t x) {
    return (x + ALIGN - 1) & ~(uint64_t)(ALIGN - 1);
}

/* ---- reading ---- */

static ar_status check_file(const char *name, const void *file, size_t size,
                            ar_error *err) {
    file_header h;
    if (size < sizeof h)
        return error_set(err, AR_FORMAT,
                         "%s: %zu bytes are too few for a weight file", name,
                         size);
    memcpy(&h, file, sizeof h);
    if (h.version != VERSION)
        return error_set(err, AR_FORMAT, "%s: weight file of version %u, not 2",
                         name, h.version);
    return AR_OK;
}

/* The numbers of one blob; what is wrong, or NULL. */
static const char *look_over(const blob_header *h, size_t file_size,
                             mil_blob *out) {
    out->dtype = mil_dtype_of_blob(h->code);
    if (h->sentinel != SENTINEL) return "no blob begins there";
    if (out->dtype == MIL_NONE) return "its type is unknown";
    if (h->offset < ALIGN || h->offset % ALIGN)
        return "its data do not begin at a multiple of 64";
    if (h->offset > file_size || h->size > file_size - h->offset)
        return "its data end behind the file";
    const uint64_t bits = h->size * 8; /* a file is far below 2^61 */
    const uint64_t each = (uint64_t)mil_dtype_bits(out->dtype);
    if (h->unused_bits > (each < 8 ? 7 : 0) || h->unused_bits > bits ||
        (bits - h->unused_bits) % each)
        return "its size is not of whole elements";
    out->count = (int64_t)((bits - h->unused_bits) / each);
    return NULL;
}

ar_status mil_blob_at(const char *name, const void *file, size_t file_size,
                      uint64_t offset, mil_blob *out, ar_error *err) {
    blob_header h;
    mil_blob b = {.offset = offset};
    *out = (mil_blob){0};
    TRY(check_file(name, file, file_size, err));
    const char *what = NULL;
    if (offset < ALIGN || offset % ALIGN)
        what = "blobs begin at multiples of 64";
    else if (offset > file_size || file_size - offset < sizeof h)
        what = "the file ends before";
    if (!what) {
        memcpy(&h, (const char *)file + offset, sizeof h);
        what = look_over(&h, file_size, &b);
    }
    if (what)
        return error_set(err, AR_FORMAT, "%s: blob at %llu: %s", name,
                         (unsigned long long)offset, what);
    b.data = (const char *)file + h.offset;
    b.size = (size_t)h.size;
    *out = b;
    return AR_OK;
}

ar_status mil_blob_next(const char *name, const void *file, size_t file_size,
                        uint64_t *next, mil_blob *out, ar_error *err) {
    const uint64_t at = *next ? *next : ALIGN;
    *out = (mil_blob){0};
    TRY(check_file(name, file, file_size, err));
    if (at > file_size || file_size - at < sizeof(blob_header)) return AR_OK;
    TRY(mil_blob_at(name, file, file_size, at, out, err));
    const uint64_t data =
        (uint64_t)((const char *)out->data - (const char *)file);
    const uint64_t behind = round_up(data + out->size);
    *next = behind > at + ALIGN ? behind : at + ALIGN;
    return AR_OK;
}

ar_status mil_literal_data(const mil_literal *l, const mil_file *files, int n,
                           const void **data, ar_error *err) {
    int i = 0;
    mil_blob b;
    *data = l->data;
    if (!l->path) return AR_OK;
    while (i < n && strcmp(files[i].path, l->path) != 0) i++;
    if (i == n)
        return error_set(err, AR_FORMAT, "there is no weight file \"%s\"",
                         l->path);
    TRY(mil_blob_at(l->path, files[i].data, files[i].size, l->offset, &b, err));
    if (mil_count(&l->type) < 0 || b.size != mil_size(&l->type)) {
        char type[MIL_TYPE_TEXT];
        return error_set(err, AR_FORMAT,
                         "%s: blob at %llu: it has %zu bytes, not those of %s",
                         l->path, (unsigned long long)l->offset, b.size,
                         mil_type_text(&l->type, type));
    }
    *data = b.data;
    return AR_OK;
}

/* ---- writing ---- */

/* Where a blob is, to find an equal one. */
typedef struct written {
    uint64_t hash, offset, size;
    uint32_t code;
    int64_t count;
} written;

struct mil_blob_writer {
    char *file;
    size_t size, capacity;
    written *blobs;
    size_t n_blobs, room;
    ar_error err;
    ar_status status;
};

mil_blob_writer *mil_blob_open(void) { return mem_new(mil_blob_writer, 1); }

void mil_blob_close(mil_blob_writer *w) {
    if (!w) return;
    mem_free(w->file);
    mem_free(w->blobs);
    mem_free(w);
}

static void fail(mil_blob_writer *w, ar_status code, const char *what) {
    if (w->status == AR_OK)
        w->status = error_set(&w->err, code, "weight file: %s", what);
}

/* The file is `size` bytes, new ones zero. */
static bool extend(mil_blob_writer *w, size_t size) {
    if (size > w->capacity) {
        size_t want = w->capacity ? w->capacity : 4096;
        while (want < size && want < SIZE_MAX / 2) want *= 2;
        if (want < size) want = size;
        char *p = mem_realloc(w->file, want);
        if (!p) return fail(w, AR_NOMEM, "out of memory"), false;
        w->file = p;
        w->capacity = want;
    }
    memset(w->file + w->size, 0, size - w->size);
    w->size = size;
    return true;
}

/* Room for one more record of a blob. */
static bool make_room(mil_blob_writer *w) {
    if (w->n_blobs < w->room) return true;
    const size_t room = w->room ? w->room * 2 : 32;
    written *p = mem_realloc(w->blobs, room * sizeof *p);
    if (!p) return fail(w, AR_NOMEM, "out of memory"), false;
    w->blobs = p;
    w->room = room;
    return true;
}

static uint64_t find_equal(const mil_blob_writer *w, const written *b,
                           const void *data) {
    for (size_t i = 0; i < w->n_blobs; i++) {
        const written *o = &w->blobs[i];
        if (o->hash == b->hash && o->code == b->code && o->size == b->size &&
            o->count == b->count &&
            memcmp(w->file + o->offset + ALIGN, data, b->size) == 0)
            return o->offset;
    }
    return 0;
}

/* Everything of one blob behind the end of the file. */
static uint64_t append(mil_blob_writer *w, written b, const void *data,
                       int unused) {
    const size_t at = w->size ? (size_t)round_up(w->size) : ALIGN;
    if (!make_room(w) || !extend(w, at + ALIGN + b.size)) return 0;
    const blob_header h = {.sentinel = SENTINEL,
                           .code = b.code,
                           .size = b.size,
                           .offset = at + ALIGN,
                           .unused_bits = (uint64_t)unused};
    memcpy(w->file + at, &h, sizeof h);
    if (b.size) memcpy(w->file + at + ALIGN, data, b.size);
    b.offset = at;
    w->blobs[w->n_blobs++] = b;
    return at;
}

uint64_t mil_blob_add(mil_blob_writer *w, enum mil_dtype t, const void *data,
                      int64_t n) {
    if (w->status != AR_OK) return 0;
    const mil_type type = mil_tensor(t, 1, &n);
    const int code = mil_blob_of_dtype(t);
    if (!code) {
        fail(w, AR_UNSUPPORTED, "there are no blobs of this type");
        return 0;
    }
    if (n < 0 || n > INT64_MAX / 64) {
        fail(w, AR_RANGE, "no such number of elements");
        return 0;
    }
    written b = {.size = mil_size(&type), .code = (uint32_t)code, .count = n};
    const int unused = (int)(b.size * 8 - (uint64_t)(n * mil_dtype_bits(t)));
    const uint8_t last = b.size ? ((const uint8_t *)data)[b.size - 1] : 0;
    if (unused && last >> (8 - unused)) {
        fail(w, AR_FORMAT, "bits behind the last element are set");
        return 0;
    }
    b.hash = hash_xx64(data, b.size, 0);
    const uint64_t known = find_equal(w, &b, data);
    return known ? known : append(w, b, data, unused);
}

ar_status mil_blob_finish(mil_blob_writer *w, const void **file, size_t *size,
                          ar_error *err) {
    *file = NULL;
    *size = 0;
    if (w->status == AR_OK && !w->size) extend(w, ALIGN);
    if (w->status != AR_OK) {
        if (err) *err = w->err;
        return w->status;
    }
    const file_header h = {.count = (uint32_t)w->n_blobs, .version = VERSION};
    memcpy(w->file, &h, sizeof h);
    *file = w->file;
    *size = w->size;
    return AR_OK;
}
