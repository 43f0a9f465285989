/* mil_blob.h - the weight file of a MIL program ("blob storage version 2").
 *
 * Little-endian.  A header of 64 bytes (count, version 2), then per blob 64
 * bytes of metadata (0xDEADBEEF, type, size, absolute offset of the data,
 * unused bits at the end) and its data, each at a multiple of 64.  A program
 * names a blob by the offset of its METADATA.  The format is that of
 * coremltools' MILBlob (BlobDataType, storage_metadata). */
#ifndef ANE_MIL_BLOB_H
#define ANE_MIL_BLOB_H

#include "backend/ane/mil.h"

/* ---- reading ---- the bytes are borrowed until the program is done. */
typedef struct mil_blob {
    enum mil_dtype dtype;
    const void *data;
    size_t size;     /* bytes */
    int64_t count;   /* elements */
    uint64_t offset; /* of the metadata: what a program says */
} mil_blob;

/* The blob whose metadata is at `offset` of a file in memory.  name is for
 * messages.  Errors: AR_FORMAT naming the offset. */
ar_status mil_blob_at(const char *name, const void *file, size_t file_size,
                      uint64_t offset, mil_blob *out, ar_error *err);
/* All blobs, front to back: *next is 0 before the first call; AR_OK with
 * out->data NULL after the last. */
ar_status mil_blob_next(const char *name, const void *file, size_t file_size,
                        uint64_t *next, mil_blob *out, ar_error *err);

/* A weight file in memory under the path that programs give it
 * ("@model_path/weights/weight.bin"); all borrowed. */
typedef struct mil_file {
    const char *path;
    const void *data;
    size_t size;
} mil_file;

/* The elements of a constant: its own, or those in one of n files, where there
 * must be as many bytes as its type has.  (The blob's type is not compared:
 * programs that run call int8 fp16 there.)  Errors: AR_FORMAT with path and
 * offset. */
ar_status mil_literal_data(const mil_literal *l, const mil_file *files, int n,
                           const void **data, ar_error *err);

/* ---- writing ---- one blob after the other into a file in memory or on disk;
 * equal blobs are written once.  The first error sticks. */
typedef struct mil_blob_writer mil_blob_writer;
mil_blob_writer *mil_blob_open(void); /* into memory; NULL: no memory */
/* Offset of the metadata, for the program.  data is copied. */
uint64_t mil_blob_add(mil_blob_writer *w, enum mil_dtype t, const void *data,
                      int64_t n);
/* The finished file, owned by w. */
ar_status mil_blob_finish(mil_blob_writer *w, const void **file, size_t *size,
                          ar_error *err);
void mil_blob_close(mil_blob_writer *w);

#endif
