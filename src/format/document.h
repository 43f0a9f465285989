/* document.h - documents out of text files.
 *
 * .jsonl and .ndjson (the string under "text" or `key`, a line each) and text
 * (every other name; a whole file is one document), both also as .zst.  Blank
 * lines and empty documents are passed over.  Lines are read one at a time, so
 * a file of any size takes the memory of its longest line.  Limits: a line or
 * text file of 2^31 - 1 bytes, zstd windows of 128 MiB. */
#ifndef FORMAT_DOCUMENT_H
#define FORMAT_DOCUMENT_H

#include <stddef.h>
#include <stdint.h>

#include "arcane/status.h"

typedef struct documents documents;

/* key NULL = "text".  Errors: AR_IO, AR_FORMAT. */
ar_status documents_open(documents **out, const char *const *paths,
                         int64_t n_paths, const char *key, ar_error *err);
/* One file whose bytes are in memory, borrowed until documents_close; its kind
 * is told by `name`. */
ar_status documents_open_memory(documents **out, const char *name,
                                const void *data, size_t size, const char *key,
                                ar_error *err);
/* The next document, valid until the next call; *text = NULL at the end.
 * Errors name the file and the line. */
ar_status documents_next(documents *d, const char **text, size_t *n,
                         ar_error *err);
/* Bytes of files read so far and in all, for progress. */
void documents_progress(const documents *d, uint64_t *done, uint64_t *total);
void documents_rewind(documents *d);
void documents_close(documents *d);

#endif
