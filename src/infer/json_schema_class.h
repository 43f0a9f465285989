/* json_schema_class.h - one character of a regular expression, inside a JSON
 * string; private to json_schema_pattern.c. */
#ifndef INFER_JSON_SCHEMA_CLASS_H
#define INFER_JSON_SCHEMA_CLASS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"

enum { CHAR_CLASS_MAX = 256 };

typedef struct char_class {
    struct {
        uint32_t low, high;
    } ranges[CHAR_CLASS_MAX]; /* [n] in any order */
    int n;
    bool inverted;
} char_class;

/* A character, an escape, a dot or a class at *p, which moves behind it.
 * Returns NULL, or what is wrong; *p is then where. */
const char *char_class_parse(char_class *c, const char **p);

/* What stands for it between quotes, one item of GBNF; false if that is
 * nothing.  U+0000 is never written. */
bool char_class_write(const char_class *c, text *out);

#endif
