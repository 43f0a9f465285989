/* gguf.h - reading and writing the GGUF format, versions 2 and 3.
 *
 * header | metadata | descriptions of tensors | data.  Every count, offset,
 * size, type and name is checked when the file is opened; the data are mapped
 * and read in place, and opening does not touch them.
 *
 *   gguf *g;
 *   int64_t layers;
 *   TRY(gguf_open(&g, path, err));
 *   TRY(gguf_int(g, "llama.block_count", &layers, err));
 *
 * Dims are turned round against the file: ours are row-major, [rows, columns].
 * Limits: 1e6 tensors, 65536 keys, 4 dims, names of 512 bytes, keys of 65535,
 * arrays in arrays 8 deep, alignment a power of two up to 1 MiB, 1000 parts. */
#ifndef FORMAT_GGUF_H
#define FORMAT_GGUF_H

#include "base/file.h"
#include "format/tensor_view.h"

/* Text in the file: not NUL-terminated, any bytes. */
typedef struct gguf_string {
    const char *data;
    size_t size; /* bytes */
} gguf_string;

enum gguf_kind {
#define GGUF_KIND(name, bytes, text) GGUF_##name,
#include "format/gguf_kinds.def"
#undef GGUF_KIND
    GGUF_KIND_COUNT
};
const char *gguf_kind_name(unsigned kind); /* "u8" */

/* A key and its value: `count` elements of one kind.  Without `is_array` it is
 * a single value, which reads like an array of one. */
typedef struct gguf_value {
    gguf_string key; /* UTF-8 without NUL */
    enum gguf_kind kind;
    bool is_array;
    int64_t count;
    const unsigned char *data; /* [size], as in the file, not aligned */
    size_t size;               /* bytes */
} gguf_value;

typedef struct gguf gguf;

/* Do bytes begin as a GGUF file does? */
bool gguf_is(const void *data, size_t size);

/* Opens a file; if it is a part of a model in several ("-00002-of-00003.gguf"),
 * all of them.  Metadata are those of the first part; tensors are in the order
 * of the files.
 * Errors: AR_IO (also for a part that is missing), AR_FORMAT, AR_UNSUPPORTED (a
 * version, byte order or tensor type that is not read), AR_NOMEM; the sentence
 * names the file and the tensor or key. */
ar_status gguf_open(gguf **out, const char *path, ar_error *err);
/* One file, or one part alone, whose bytes are borrowed until gguf_close. */
ar_status gguf_open_memory(gguf **out, const void *data, size_t size,
                           const char *name, ar_error *err);
void gguf_close(gguf *g);          /* NULL is fine */
size_t gguf_mapped(const gguf *g); /* bytes of the file mappings */
int gguf_parts(const gguf *g);
int gguf_version(const gguf *g);

int64_t gguf_count(const gguf *g); /* tensors */
const tensor_view *gguf_get(const gguf *g, int64_t i);
const tensor_view *gguf_find_tensor(const gguf *g, const char *name);

int64_t gguf_n_values(const gguf *g);
const gguf_value *gguf_value_at(const gguf *g, int64_t i);   /* file order */
const gguf_value *gguf_find(const gguf *g, const char *key); /* or NULL */

/* Element i of a value, 0 for a single one.  False, with *out as it was, if v
 * is NULL, there is no element i, or it is of another kind.  Whole numbers of
 * every width read as int; those and floats as real. */
bool gguf_as_int(const gguf_value *v, int64_t i, int64_t *out);
bool gguf_as_real(const gguf_value *v, int64_t i, double *out);
bool gguf_as_bool(const gguf_value *v, int64_t i, bool *out);
/* A single string; and all count of an array, in one pass. */
bool gguf_as_string(const gguf_value *v, gguf_string *out);
bool gguf_as_strings(const gguf_value *v, gguf_string *out);

/* A single value that must be there.  Errors: AR_FORMAT, with *out as it was,
 * if it is missing or of another kind. */
ar_status gguf_int(const gguf *g, const char *key, int64_t *out, ar_error *err);
ar_status gguf_real(const gguf *g, const char *key, double *out, ar_error *err);
ar_status gguf_bool(const gguf *g, const char *key, bool *out, ar_error *err);
ar_status gguf_text(const gguf *g, const char *key, gguf_string *out,
                    ar_error *err);

/* Writing version 3: metadata and declarations in any order, then the bytes of
 * the tensors in the order of their declaration.  The first failure sticks;
 * gguf_commit reports it and leaves the old file alone.  A u32
 * "general.alignment" sets the alignment of the data, 32 otherwise.
 * Errors: AR_IO, AR_NOMEM, AR_UNSUPPORTED (a type the format lacks), AR_RANGE
 * (a name or key twice or too long, a value that does not fit its kind, dims
 * that are no tensor, other bytes than declared), AR_FORMAT (not UTF-8). */
typedef struct gguf_writer gguf_writer;
ar_status gguf_create(gguf_writer **out, const char *path, ar_error *err);
void gguf_put_int(gguf_writer *w, const char *key, enum gguf_kind kind,
                  int64_t x); /* a kind of whole number */
void gguf_put_real(gguf_writer *w, const char *key, enum gguf_kind kind,
                   double x); /* F32, F64 */
void gguf_put_bool(gguf_writer *w, const char *key, bool x);
void gguf_put_string(gguf_writer *w, const char *key, gguf_string s);
/* n numbers of the kind, as in memory. */
void gguf_put_array(gguf_writer *w, const char *key, enum gguf_kind kind,
                    const void *data, int64_t n);
void gguf_put_strings(gguf_writer *w, const char *key, const gguf_string *s,
                      int64_t n);
void gguf_put_value(gguf_writer *w, const gguf_value *v); /* of another file */
void gguf_declare(gguf_writer *w, const char *name, ar_type t, const shape *s);
/* Bytes of the tensors, in any number of pieces. */
void gguf_data(gguf_writer *w, const void *p, size_t size);
ar_status gguf_commit(gguf_writer *w, ar_error *err); /* frees w */
void gguf_abandon(gguf_writer *w); /* frees w; NULL is fine */

#endif
