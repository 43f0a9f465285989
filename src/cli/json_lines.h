/* json_lines.h - standard input as JSON lines: an object in, an object out. */
#ifndef CLI_JSON_LINES_H
#define CLI_JSON_LINES_H

#include <jansson.h>
#include <stdbool.h>

#include "arcane/status.h"

/* Answers one line; *out is the caller's.  An error is that of the line. */
typedef ar_status json_line_answer(void *ctx, const json_t *line, json_t **out,
                                   ar_error *err);

/* If the first line of standard input is an object with a member `key`,
 * answers every line with one, {"error": ...} where it cannot, and sets *raw
 * to NULL.  Else *raw is all of the input, free with mem_free.  Errors: AR_IO,
 * AR_NOMEM; AR_FORMAT after the last line if some had errors. */
ar_status json_lines(const char *key, json_line_answer *answer, void *ctx,
                     char **raw, size_t *size, ar_error *err);

#endif
