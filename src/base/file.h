/* file.h - files: mapped for reading, replaced whole when written. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arcane/status.h"

/* A read-only mapping, shared with every other process that has the file. */
typedef struct file_map {
    const unsigned char *data; /* NULL for an empty file */
    size_t size;               /* bytes */
} file_map;

/* Errors: AR_IO with the path and the system's reason. */
ar_status file_map_open(file_map *out, const char *path, ar_error *err);
void file_map_close(file_map *m);

/* The whole file in memory with a NUL behind it; free with mem_free.
 * Errors: AR_IO; AR_RANGE if it is larger than max bytes; AR_NOMEM. */
ar_status file_read(const char *path, size_t max, char **data, size_t *size,
                    ar_error *err);

/* A file being written beside its final place.  Nothing is seen at `path`
 * until file_commit has synced the bytes and renamed them; after an error or
 * file_abandon the old file is untouched.  Writes are buffered; the first
 * failure sticks and file_commit reports it.  A symbolic link stays, and the
 * file it points to is replaced.  Errors: AR_IO, also if there is something at
 * `path` that is not a regular file; AR_RANGE (the path is too long). */
typedef struct file_writer file_writer;
ar_status file_create(file_writer **out, const char *path, ar_error *err);
void file_write(file_writer *w, const void *p, size_t n);
uint64_t file_written(const file_writer *w);          /* bytes so far */
ar_status file_commit(file_writer *w, ar_error *err); /* frees w */
void file_abandon(file_writer *w); /* frees w; NULL is fine */

/* file_create, write and commit in one. */
ar_status file_replace(const char *path, const void *p, size_t n,
                       ar_error *err);

bool file_exists(const char *path);
bool file_is_folder(const char *path);
/* Do both lead to the same file or folder? */
bool file_same(const char *a, const char *b);
ar_status file_make_folder(const char *path, ar_error *err); /* and parents */
/* Sync the folder itself, so that renames in it survive a power cut. */
ar_status file_sync_folder(const char *path, ar_error *err);
/* Remove a file, or a folder with all that is in it. */
ar_status file_remove(const char *path, ar_error *err);
ar_status file_rename(const char *from, const char *to, ar_error *err);

/* Lock a file, made if there is none, against other processes until
 * file_unlock or the end of this process; the file itself stays.  It does not
 * wait: if another holds the lock, AR_IO with the sentence `busy`.  On a file
 * system without locks it succeeds and guards nothing.  Errors: AR_IO. */
ar_status file_lock(int *out, const char *path, const char *busy,
                    ar_error *err);
void file_unlock(int lock); /* -1 is fine */

/* Names in a folder, sorted, without "." and ".."; free with
 * file_list_close. */
typedef struct file_list {
    char **names;
    size_t n;
} file_list;
ar_status file_list_open(file_list *out, const char *path, ar_error *err);
void file_list_close(file_list *l);

/* The folder of things that are kept for later, as "models": `kind` in
 * ARCANE_HOME, else in "arcane" of $XDG_CACHE_HOME or of the system's place for
 * caches.  Errors: AR_IO where nothing says, AR_RANGE for a path too long. */
ar_status file_kept_folder(char *out, size_t size, const char *kind,
                           ar_error *err);

/* dir + "/" + name in `out` of `size` bytes; AR_RANGE if it does not fit. */
ar_status file_join(char *out, size_t size, const char *dir, const char *name,
                    ar_error *err);

#endif
