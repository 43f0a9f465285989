/* model_text.h - how a model at a path reads and writes text: its tokenizer and
 * its chat template, wherever its files keep them. */
#ifndef INFER_MODEL_TEXT_H
#define INFER_MODEL_TEXT_H

#include <jansson.h>

#include "arcane/model.h"

struct text;

/* The tokenizer of a path: a GGUF file, or what ar_tokenizer_open reads.
 * Errors: those of ar_model_tokenizer, and AR_FORMAT where there is none. */
ar_status tokenizer_find(ar_tokenizer **out, const char *path, ar_error *err);

/* Append the source of a chat template to `out`.  The path is a model folder, a
 * GGUF file, or the template itself; the one called `name`, or the usual one
 * (NULL).  tokens: an object of the special tokens that come with it
 * ("bos_token", ...), the caller's to free.  Errors: AR_IO, AR_NOMEM;
 * AR_FORMAT, also where there is no such template. */
ar_status template_find(const char *path, const char *name, struct text *out,
                        json_t **tokens, ar_error *err);

#endif
