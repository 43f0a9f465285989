/* hub_cache.h - the folder of models: what is there, and where.
 *
 *   models/hf/OWNER/NAME[@REVISION]/...     files of a repository
 *   models/url/HOST/PATH/FILE               a file from elsewhere
 *
 * Each folder has a list of what was fetched into it, .pulled.json: files with
 * their size, what identifies their content, and whether they are there.  It
 * is written before the first byte is fetched, so a model that is not whole is
 * never taken for one that is. */
#ifndef HUB_HUB_CACHE_H
#define HUB_HUB_CACHE_H

#include "base/arena.h"
#include "hub/hub_files.h"
#include "hub/hub_ref.h"

#define PULLED_NAME ".pulled.json"
#define PULLED_LOCK ".lock"

typedef struct pulled_row {
    const char *path; /* in the folder; owned by the list */
    const char *from; /* commit of the repository, or URL */
    int64_t size;     /* bytes; -1 = not known before it was there */
    char id[80];      /* "sha256:..." or "git:..." of the content; or "" */
    bool have;
} pulled_row;

typedef struct pulled {
    const char *source; /* "hf:OWNER/NAME@REVISION"; of a folder of URLs, the
                           part of them before the file, as they were given */
    pulled_row *row;
    int n, room;
    arena text;
} pulled;

/* Errors: AR_FORMAT, AR_NOMEM; the sentence starts with `name`. */
ar_status pulled_parse(pulled *out, const char *name, const char *json,
                       size_t n, ar_error *err);
/* Of a folder; an empty list if it has none. */
ar_status pulled_read(pulled *out, const char *folder, ar_error *err);
ar_status pulled_write(const pulled *p, const char *folder, ar_error *err);
void pulled_close(pulled *p);

/* The row of a path; NULL if there is none. */
pulled_row *pulled_find(const pulled *p, const char *path);
/* The same, made if there is none; NULL on no memory. */
pulled_row *pulled_add(pulled *p, const char *path);
void pulled_drop(pulled *p, pulled_row *row);

/* The list as files to choose from; hub_files_close it. */
ar_status pulled_files(const pulled *p, hub_files *out, ar_error *err);

/* The absolute folder of a reference. */
ar_status hub_folder_of(char *out, size_t size, const hub_ref *r,
                        ar_error *err);

/* Of a row: bytes on the disk, of a part if it is not whole; and when it last
 * changed, if later than *changed. */
int64_t pulled_present(const char *folder, const pulled_row *row,
                       int64_t *changed);
/* Remove a row's file, or its part; what is not there is fine. */
ar_status pulled_remove_files(const char *folder, const pulled_row *row,
                              ar_error *err);

#endif
