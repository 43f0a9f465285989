/* json_text.h - JSON as text, in memory of our own. */
#ifndef TRAIN_JSON_TEXT_H
#define TRAIN_JSON_TEXT_H

#include <jansson.h>

/* The text of `json`, indented, NUL-terminated; free with mem_free.  NULL on
 * no memory, or if json is NULL. */
char *json_text(const json_t *json);

#endif
