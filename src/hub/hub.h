/* hub.h - models that are fetched: from a Hugging Face hub or any web server
 * into one folder, where they are found by the name they were fetched by.
 *
 *   hub_options o = hub_options_default();
 *   hub_pulled got;
 *   TRY(hub_pull(&got, "hf:owner/name:Q4_K_M", &o, err));
 *   ar_model_open(&m, got.path, err);
 *
 * What is fetched comes in ranges over several connections; what was broken
 * off goes on where it was, in this call or a later one; what came is compared
 * with the server's SHA-256. */
#ifndef HUB_HUB_H
#define HUB_HUB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arcane/status.h"

/* Does the word name something fetched, "hf:..." or a URL? */
bool hub_is_name(const char *name);

/* The folder of all models: $ARCANE_HOME/models, else models of the folder
 * "arcane" in $XDG_CACHE_HOME or in the system's place for caches.
 * Errors: AR_RANGE (too long), AR_IO (no such variable, not even HOME). */
ar_status hub_models_folder(char *out, size_t size, ar_error *err);

/* ---- fetching ---- */

typedef struct hub_progress {
    const char *file;    /* at hand */
    int n_file, n_files; /* it is the n-th of so many, from 1 */
    int64_t done, total; /* bytes, of all files; total -1 = not known */
    bool checking;       /* reading the file again for its sum */
} hub_progress;

/* What a caller sees while it waits; each may be NULL. */
typedef struct hub_watch {
    void *ctx;
    /* Ten times a second. */
    void (*progress)(void *ctx, const hub_progress *p);
    /* A sentence about what went wrong and is tried again. */
    void (*note)(void *ctx, const char *sentence);
    /* True ends the work with AR_CANCELLED; what came is kept. */
    bool (*stop)(void *ctx);
} hub_watch;

typedef struct hub_options {
    const char *endpoint; /* NULL: $HF_ENDPOINT, else https://huggingface.co */
    const char *sha256;   /* the sum of a URL's file; NULL = what it says */
    int connections;      /* for one file, 1 to HUB_MAX_CONNECTIONS */
    int retries;          /* so often in a row without a byte, then an error */
    double wait;          /* seconds before the first retry; doubles */
    int stall;            /* seconds without a byte that break a connection */
    int64_t segment;      /* bytes of a range */
    hub_watch watch;
} hub_options;

enum { HUB_MAX_CONNECTIONS = 16 };

hub_options hub_options_default(void);

typedef struct hub_pulled {
    char path[4096];  /* what to open: a folder or a file */
    int files;        /* that belong to it */
    int64_t bytes;    /* in them */
    int64_t fetched;  /* bytes that had to be fetched now */
    char commit[129]; /* of the repository; "" for a URL */
} hub_pulled;

/* Fetch what `name` says and is not there yet.  SIGPIPE must be ignored, since
 * connections break.  The token for the hub is
 * $HF_TOKEN, $HUGGING_FACE_HUB_TOKEN, or what the file $HF_TOKEN_PATH,
 * $HF_HOME/token or ~/.cache/huggingface/token holds; no other host gets it.
 * Errors: AR_USAGE (name, options), AR_IO (network, disk, server, somebody
 * else is fetching it), AR_FORMAT (lists, sums and lengths that do not hold),
 * AR_UNSUPPORTED (nothing there that can be read), AR_CANCELLED, AR_NOMEM. */
ar_status hub_pull(hub_pulled *out, const char *name, const hub_options *o,
                   ar_error *err);

/* ---- what is there ---- */

/* The path of what was fetched by `name`, in `out` of `size` bytes.  Errors:
 * AR_IO if it is not there or not whole, with the command that fetches it;
 * AR_USAGE, AR_FORMAT, AR_RANGE, AR_NOMEM. */
ar_status hub_find(char *out, size_t size, const char *name, ar_error *err);

typedef struct hub_model {
    char *name;          /* as hub_find and hub_remove take it */
    char *path;          /* what it opens */
    int64_t bytes;       /* that are there */
    int64_t whole_bytes; /* that there will be; -1 = not known */
    int64_t changed;     /* seconds since 1970 */
    bool whole;
} hub_model;

typedef struct hub_list {
    hub_model *model; /* sorted by name */
    int n;
} hub_list;

/* Everything in the folder of models; none if there is no such folder.
 * Errors: AR_IO, AR_FORMAT, AR_NOMEM. */
ar_status hub_list_open(hub_list *out, ar_error *err);
void hub_list_close(hub_list *l);

/* Remove what `name` says, begun or whole: a file, or with its repository's
 * name all that came from it.  *bytes (NULL is fine) is what became free.
 * Errors: AR_USAGE, AR_IO (nothing there, or it is being fetched), AR_FORMAT,
 * AR_NOMEM. */
ar_status hub_remove(const char *name, int64_t *bytes, ar_error *err);

#endif
