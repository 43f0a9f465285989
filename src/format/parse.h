/* parse.h - JSON and names of files, with the limits that all of them share. */
#ifndef FORMAT_PARSE_H
#define FORMAT_PARSE_H

#include <jansson.h>
#include <stdbool.h>

#include "arcane/status.h"

/* The JSON value in n bytes (json_decref it): UTF-8 without NUL, no key twice
 * in an object, at most 2048 levels deep, nothing behind it.
 * Errors: AR_FORMAT, AR_NOMEM; the sentence starts with `name`. */
ar_status parse_json(json_t **out, const char *name, const void *text, size_t n,
                     ar_error *err);

/* A name that can only be a file in the folder at hand. */
int parse_is_plain_name(const char *name);

/* Well-formed UTF-8 (no surrogates, no longer form than needed) without NUL. */
bool parse_is_utf8(const char *text, size_t n);

#endif
