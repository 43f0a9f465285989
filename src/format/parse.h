/* parse.h - JSON of files, read with the limits that all of them share. */
#ifndef FORMAT_PARSE_H
#define FORMAT_PARSE_H

#include <jansson.h>

#include "arcane/status.h"

/* The JSON value in n bytes (json_decref it): UTF-8 without NUL, no key twice
 * in an object, at most 2048 levels deep, nothing behind it.
 * Errors: AR_FORMAT, AR_NOMEM; the sentence starts with `name`. */
ar_status parse_json(json_t **out, const char *name, const void *text, size_t n,
                     ar_error *err);

/* A name that can only be a file in the folder at hand. */
int parse_is_plain_name(const char *name);

#endif
