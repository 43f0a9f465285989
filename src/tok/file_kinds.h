/* file_kinds.h - the kinds of files that tokenizers are read from. */
#ifndef TOK_FILE_KINDS_H
#define TOK_FILE_KINDS_H

#include <jansson.h>

#include "arcane/tokenizer.h"

/* Each reads a whole file in memory.  Errors: as ar_tokenizer_open; *out is
 * NULL then. */
ar_status read_sentencepiece(ar_tokenizer **out, const char *data, size_t size,
                             ar_error *err);
ar_status read_tekken(ar_tokenizer **out, const json_t *root, ar_error *err);
/* Ranks, and the object of spec.json. */
ar_status read_tiktoken(ar_tokenizer **out, const char *data, size_t size,
                        const json_t *spec, ar_error *err);
/* tokenizer.json or tekken.json. */
ar_status read_json(ar_tokenizer **out, const char *data, size_t size,
                    ar_error *err);

#endif
