/* unzip.h - zstd-compressed bytes, decompressed piece by piece. */
#ifndef FORMAT_UNZIP_H
#define FORMAT_UNZIP_H

#include <stddef.h>

#include "arcane/status.h"

/* Any number of frames behind each other.  The compressed bytes are borrowed
 * until unzip_close. */
typedef struct unzip {
    const char *name; /* of the file, for errors */
    const unsigned char *data;
    size_t size, pos; /* bytes in all, bytes consumed */
    void *stream;
    size_t wanted; /* by zstd: 0 at the end of a frame */
} unzip;

/* Errors: AR_NOMEM. */
ar_status unzip_open(unzip *u, const char *name, const void *data, size_t size,
                     ar_error *err);
/* Up to `capacity` bytes into out; *n = 0 at the end.
 * Errors: AR_FORMAT (damaged, or cut inside a frame). */
ar_status unzip_read(unzip *u, void *out, size_t capacity, size_t *n,
                     ar_error *err);
void unzip_close(unzip *u);

#endif
