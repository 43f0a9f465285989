/* hub_part.h - how far a file is that is being fetched.
 *
 * A file is cut into segments of equal size (the last is shorter), each of
 * which is filled from its front.  Beside .NAME.part with the bytes stands
 * .NAME.part.json with this state, written after the bytes were synced: what
 * it calls done is on the disk. */
#ifndef HUB_HUB_PART_H
#define HUB_HUB_PART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/sha256.h"
#include "hub/hub_ref.h"

#include "arcane/status.h"

enum { PART_MAX_SEGMENTS = 1 << 16 };

typedef struct part {
    char url[HUB_MAX_URL];
    char etag[200];          /* as the server writes it; "" = not known */
    char sha256[SHA256_HEX]; /* "" = not known */
    int64_t size;            /* bytes; -1 = not known, then one segment */
    int64_t segment;         /* bytes of each segment but the last */
    int n;
    int64_t *done; /* [n] bytes at the front of each segment */
} part;

/* Cut `size` bytes (or -1) into segments of about `segment`, all empty.
 * Errors: AR_RANGE, AR_NOMEM. */
ar_status part_cut(part *p, int64_t size, int64_t segment, ar_error *err);
void part_close(part *p);

int64_t part_start(const part *p, int i);  /* of a segment in the file */
int64_t part_length(const part *p, int i); /* -1 = not known */
int64_t part_done(const part *p);          /* bytes of all segments */
int64_t part_extent(const part *p);        /* end of the last byte done */

/* Errors: AR_FORMAT, AR_NOMEM; the sentence starts with `name`. */
ar_status part_parse(part *out, const char *name, const char *json, size_t n,
                     ar_error *err);
ar_status part_read(part *out, const char *path, ar_error *err);
ar_status part_write(const part *p, const char *path, ar_error *err);

#endif
