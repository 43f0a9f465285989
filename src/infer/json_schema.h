/* json_schema.h - JSON schemas as grammars.
 *
 * A schema (draft 2020-12, the part that docs/formats/grammar.md lists)
 * becomes a grammar all of whose texts are JSON that the schema allows.  It
 * may allow fewer texts than the schema; what it cannot hold to is refused. */
#ifndef INFER_JSON_SCHEMA_H
#define INFER_JSON_SCHEMA_H

#include "infer/grammar.h"

struct text;

enum { JSON_SCHEMA_MAX = 1 << 20 }; /* bytes of a schema */

/* Append the grammar, in GBNF, of n bytes of schema to `out`; `name` stands
 * in front of errors.  Errors: AR_FORMAT (not JSON, not a schema),
 * AR_UNSUPPORTED naming the place in the schema, AR_RANGE, AR_NOMEM. */
ar_status json_schema_text(struct text *out, const char *name, const char *json,
                           size_t n, ar_error *err);

/* The grammar of a schema.  Errors: those of json_schema_text and
 * ar_grammar_open. */
ar_status ar_grammar_from_schema(ar_grammar **out, const char *name,
                                 const char *json, size_t n, ar_error *err);

#endif
