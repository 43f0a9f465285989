/* model_text.h - how a model reads and writes text: its tokenizer and its chat
 * template, wherever its files keep them. */
#ifndef INFER_MODEL_TEXT_H
#define INFER_MODEL_TEXT_H

#include <jansson.h>

#include "arcane/tokenizer.h"
#include "model/model.h"

struct text;

/* The tokenizer in the metadata of a GGUF file, or in the folder beside the
 * weights; *out is NULL where there is none.  Errors: those of
 * ar_tokenizer_open and tokenizer_from_source. */
ar_status ar_model_tokenizer(ar_tokenizer **out, const ar_model *m,
                             ar_error *err);

/* The same of a path: a GGUF file, or what ar_tokenizer_open reads.  Errors:
 * the same, and AR_FORMAT where there is none. */
ar_status tokenizer_find(ar_tokenizer **out, const char *path, ar_error *err);

/* Append the source of the chat template to `out`, nothing where there is
 * none.  Errors: AR_IO, AR_FORMAT, AR_NOMEM. */
ar_status model_template(const ar_model *m, struct text *out, ar_error *err);

/* The same of a path: a model folder, a GGUF file, or the template itself; the
 * one called `name`, or the usual one (NULL).  tokens: an object of the special
 * tokens that come with it ("bos_token", ...), the caller's to free.  Errors:
 * the same, and AR_FORMAT where there is no such template. */
ar_status template_find(const char *path, const char *name, struct text *out,
                        json_t **tokens, ar_error *err);

#endif
