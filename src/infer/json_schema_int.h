/* json_schema_int.h - writing a schema as GBNF; private to json_schema_*.c.
 *
 * Each schema becomes a rule, written behind the rules that it needs; a
 * function that appends to `out` appends one side of a rule, whole. */
#ifndef INFER_JSON_SCHEMA_INT_H
#define INFER_JSON_SCHEMA_INT_H

#include <jansson.h>
#include <stdbool.h>

#include "base/text.h"
#include "infer/json_schema.h"

enum {
    SCHEMA_MAX_DEPTH = 64,
    SCHEMA_MAX_RULES = 1 << 16,
    SCHEMA_MAX_WORK = 1 << 22, /* keys copied and values compared */
    SCHEMA_NAME = 24,          /* bytes of a rule's name */
};

typedef struct schema_writer {
    const char *name;
    const json_t *root;
    text rules;    /* that are written */
    json_t *refs;  /* {"reference": "rule"} */
    json_t *queue; /* list of the references, in the order they were met */
    json_t *owned; /* list of schemas made by merging */
    int n_rules;
    size_t work;
    ar_error *err;
} schema_writer;

/* A schema and where it stands: "up/key/word" or "up/key/index". */
typedef struct schema_at {
    const struct schema_at *up;
    const char *key, *word; /* NULL = none */
    int64_t index;          /* used if there is no word; -1 = none */
    const json_t *node;
    int depth;
} schema_at;

schema_at schema_under(const schema_at *up, const char *key, const char *word,
                       int64_t index, const json_t *node);

/* Fails with "name: place: sentence". */
ar_status schema_fail(schema_writer *w, const schema_at *at, ar_status code,
                      const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Write a schema as a rule; `rule` gets its name. */
ar_status schema_rule(schema_writer *w, const schema_at *at,
                      char rule[SCHEMA_NAME]);
/* Write a rule of which the side is known. */
ar_status schema_add(schema_writer *w, const text *side,
                     char rule[SCHEMA_NAME]);
/* Note that joining and comparing has taken so many steps.  Errors: AR_RANGE
 * once it is too many. */
ar_status schema_work(schema_writer *w, size_t steps);
/* Keep a schema that was made until the end; NULL is passed on as no memory.
 * Takes the reference. */
ar_status schema_keep(schema_writer *w, json_t *made, const json_t **out);

/* The schema that a reference leads to. */
ar_status schema_find(schema_writer *w, const schema_at *at, const char *ref,
                      const json_t **out);
/* The rule of it, written later. */
ar_status schema_ref(schema_writer *w, const schema_at *at, const char *ref,
                     const char **rule);

/* Schemas that list their values, and those of one type. */
ar_status schema_enum(schema_writer *w, const schema_at *at, text *out);
ar_status schema_object(schema_writer *w, const schema_at *at, text *out);
ar_status schema_array(schema_writer *w, const schema_at *at, text *out);
ar_status schema_string(schema_writer *w, const schema_at *at, text *out);
ar_status schema_number(schema_writer *w, const schema_at *at, bool whole,
                        text *out);

/* The inside of strings, without quotes, that match a regular expression;
 * shortest and longest (-1 = no limit) are lengths in characters.  Asked for
 * lengths are held to where that is possible. */
typedef struct schema_lengths {
    int64_t min, max; /* -1 = no limit */
} schema_lengths;
ar_status schema_pattern(schema_writer *w, const schema_at *at,
                         const char *pattern, schema_lengths asked, text *out);

/* Strings without escapes that are none of the keys of an object. */
ar_status schema_other_keys(schema_writer *w, const schema_at *at,
                            const json_t *keys, char rule[SCHEMA_NAME]);

/* Whole numbers from low to high. */
void schema_range(text *out, int64_t low, int64_t high);
/* Numbers of n digits, zeros in front included, from a to b. */
void schema_digits(text *out, int64_t a, int64_t b, int n);

/* Numbers from a to b, 0 <= a <= b, in units of 10^-places; there is one. */
typedef struct schema_decimals {
    int places;        /* above 0 */
    int digits;        /* behind the point, at most; not below places */
    bool above, below; /* a itself is out; b itself is out */
} schema_decimals;
void schema_decimal(text *out, int64_t a, int64_t b, const schema_decimals *d);

/* What is allowed by both; a new reference in *out. */
ar_status schema_merge(schema_writer *w, const schema_at *at, const json_t *a,
                       const json_t *b, const json_t **out);
/* The schema without one of its keys. */
ar_status schema_without(schema_writer *w, const json_t *node, const char *key,
                         const json_t **out);
/* Is there no text that is written for one and allowed by the other? */
bool schema_apart(schema_writer *w, const json_t *a, const json_t *b,
                  int depth);

/* Types as bits. */
enum {
    TYPE_NULL = 1,
    TYPE_BOOLEAN = 2,
    TYPE_INTEGER = 4,
    TYPE_NUMBER = 8, /* with what is no integer */
    TYPE_STRING = 16,
    TYPE_ARRAY = 32,
    TYPE_OBJECT = 64,
    TYPE_ALL = 127,
};
unsigned schema_types(const json_t *node); /* 0 if "type" is wrong */
unsigned schema_type_of(const json_t *value);
bool schema_says_nothing(const char *key); /* a title or such */

/* A literal of GBNF for n bytes; of a JSON value. */
void schema_literal(text *out, const char *p, size_t n);
ar_status schema_value(schema_writer *w, const json_t *value, text *out);

/* A count under a key, `other` if there is none. */
ar_status schema_count(schema_writer *w, const schema_at *at, const char *key,
                       int64_t other, int64_t *out);

#endif
