/* json_text.h - JSON as text, in memory of our own. */
#ifndef BASE_JSON_TEXT_H
#define BASE_JSON_TEXT_H

#include <jansson.h>

struct text;

/* Append the text of `json`, with jansson's flags; t fails on no memory, or
 * if json is NULL. */
void text_add_json(struct text *t, const json_t *json, size_t flags);

/* The text of `json`, indented, NUL-terminated; free with mem_free.  NULL on
 * no memory, or if json is NULL. */
char *json_text(const json_t *json);

#endif
