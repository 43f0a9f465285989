/* hub_download.h - one file, in ranges over several connections.
 *
 * The bytes go to .NAME.part beside the file's place, which gets its name when
 * all are there and their sum holds.  Anything that breaks is tried again
 * after a pause that doubles; a file that changed on the server begins anew; a
 * server that cannot send ranges sends the whole.  What came is kept when the
 * work ends early, and goes on from there in the next call. */
#ifndef HUB_HUB_DOWNLOAD_H
#define HUB_HUB_DOWNLOAD_H

#include "hub/hub.h"
#include "hub/hub_http.h"

typedef struct download_job {
    http_client *client;
    const hub_options *options;
    const char *url;
    const char *path;        /* where the file goes; its folder is there */
    const char *name;        /* for sentences */
    const char *page;        /* where access is asked for; NULL for a URL */
    int64_t size;            /* bytes; -1 = not known */
    char sha256[SHA256_HEX]; /* "" = not known; filled if the server tells */
    hub_progress
        progress;    /* what is shown; done counts up from what is there */
    int64_t fetched; /* bytes that came over the network */
} download_job;

/* Errors: AR_IO, AR_FORMAT (wrong bytes, which are removed; lengths that do
 * not hold), AR_CANCELLED, AR_NOMEM. */
ar_status download(download_job *job, ar_error *err);

/* Bytes of the file, or of its part, that are on the disk; 0 if none. */
int64_t download_present(const char *path, const char *part);

/* ".NAME.part" beside `path`; AR_RANGE if it does not fit.  The state has
 * ".json" behind it. */
ar_status download_part_path(char *out, size_t size, const char *path,
                             ar_error *err);

/* A sentence for a status that is an error. */
ar_status download_refused(const http_head *h, const char *name,
                           const char *page, bool token, ar_error *err);

#endif
