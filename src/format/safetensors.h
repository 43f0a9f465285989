/* safetensors.h - reading and writing the safetensors format.
 *
 * u64 size of header | JSON header | data.  Every offset, size, type and name
 * is checked when the file is opened; the data are mapped and read in place.
 * Limits: header 100 MiB, 1e6 tensors, 5 dims, names of 512 bytes. */
#ifndef FORMAT_SAFETENSORS_H
#define FORMAT_SAFETENSORS_H

#include "base/file.h"
#include "format/tensor_view.h"

typedef struct st_file st_file;

/* Errors: AR_IO, AR_FORMAT, AR_UNSUPPORTED (a type we have no row for),
 * AR_NOMEM; the sentence names the file and the tensor. */
ar_status st_open(st_file **out, const char *path, ar_error *err);
/* The same over bytes in memory, borrowed until st_close. */
ar_status st_open_memory(st_file **out, const void *data, size_t size,
                         const char *name, ar_error *err);
void st_close(st_file *f);
int64_t st_count(const st_file *f);
const tensor_view *st_get(const st_file *f, int64_t i); /* in file order */
const tensor_view *st_find(const st_file *f,
                           const char *name); /* NULL if none */
/* A string of the header's __metadata__, or NULL. */
const char *st_metadata(const st_file *f, const char *key);
size_t st_mapped(const st_file *f); /* bytes of the file mapping */

/* Writing: declare all tensors, then write their bytes in the same order.  The
 * first failure sticks; st_commit reports it and leaves the old file alone.
 * Errors: AR_IO, AR_NOMEM, AR_UNSUPPORTED (a type the format lacks), AR_RANGE
 * (a name twice, other bytes than declared), AR_FORMAT (a name not UTF-8). */
typedef struct st_writer st_writer;
ar_status st_create(st_writer **out, const char *path, ar_error *err);
void st_meta(st_writer *w, const char *key, const char *string);
void st_declare(st_writer *w, const char *name, ar_type t, const shape *s);
/* Bytes of the tensors, in any number of pieces. */
void st_data(st_writer *w, const void *p, size_t size);
ar_status st_commit(st_writer *w, ar_error *err); /* frees w */
void st_abandon(st_writer *w);                    /* frees w; NULL is fine */

#endif
