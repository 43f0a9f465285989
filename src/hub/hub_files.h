/* hub_files.h - the files of a repository, and which of them a model is. */
#ifndef HUB_HUB_FILES_H
#define HUB_HUB_FILES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/sha256.h"

#include "arcane/status.h"

/* Sizes up to 2^53 bytes, which JSON holds exactly. */
#define HUB_MAX_SIZE ((int64_t)1 << 53)

typedef struct hub_file {
    const char *path;        /* in the repository; owned by the list */
    int64_t size;            /* bytes; -1 if the list does not say */
    char sha256[SHA256_HEX]; /* "" for a file that git itself holds */
    char git[SHA256_HEX];    /* git's name of the content; "" if not said */
    bool chosen;
} hub_file;

typedef struct hub_files {
    char commit[129];
    hub_file *file; /* sorted by path */
    int n;
    arena names;
} hub_files;

/* The answer of .../api/models/ID/revision/REV?blobs=true.  Hidden files are
 * left out.  Errors: AR_FORMAT (not such an answer; a name that leads out of
 * the folder, a name twice, a size or sum that cannot be), AR_NOMEM; the
 * sentence starts with `name`. */
ar_status hub_files_parse(hub_files *out, const char *name, const char *json,
                          size_t n, ar_error *err);
void hub_files_close(hub_files *f);

/* A list of one's own: empty, then file by file, then sorted. */
void hub_files_begin(hub_files *f);
ar_status hub_files_add(hub_files *f, const hub_file *one, ar_error *err);
ar_status hub_files_sort(hub_files *f, const char *name, ar_error *err);

typedef struct hub_choice {
    bool folder;       /* a model of many files: the folder is to be opened */
    const char *first; /* else this file */
} hub_choice;

/* Mark the files that `choice` means: a path, a quantisation, or "" for the
 * model itself.  Safetensors come with their configuration and tokenizer; a
 * split GGUF file with all parts.  Errors: AR_IO (no such file; parts are
 * missing), AR_USAGE (several; the sentence names some), AR_UNSUPPORTED
 * (nothing that could be opened). */
ar_status hub_files_choose(hub_files *f, const char *name, const char *choice,
                           hub_choice *out, ar_error *err);

/* The length of a path without ".gguf" and the "-00001-of-00003" of a part;
 * *parts is 1 and *part 1 if it is no part.  0 if it is no GGUF file. */
size_t hub_gguf_stem(const char *path, int *part, int *parts);

#endif
