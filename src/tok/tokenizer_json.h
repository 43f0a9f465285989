/* tokenizer_json.h - the parts of tokenizer.json. */
#ifndef TOK_TOKENIZER_JSON_H
#define TOK_TOKENIZER_JSON_H

#include <jansson.h>

#include "tok/tokenizer.h"

/* Fields of an object, by name; `what` names the object in errors
 * (AR_FORMAT).  A field that is absent or null gives the fallback. */
ar_status field_bool(const json_t *o, const char *what, const char *name,
                     bool fallback, bool *out, ar_error *err);
/* NULL if absent or null. */
ar_status field_text(const json_t *o, const char *what, const char *name,
                     const char **out, ar_error *err);
/* Below VOCAB_MAX. */
ar_status id_read(const json_t *v, const char *what, int32_t *out,
                  ar_error *err);

/* "prepend_scheme" of Metaspace. */
ar_status metaspace_prefix(const json_t *o, const char *what,
                           enum cut_prefix *out, ar_error *err);

/* model_kind.write of each kind. */
ar_status write_bpe(const ar_tokenizer *tok, text *out, text *name,
                    ar_error *err);
ar_status write_unigram(const ar_tokenizer *tok, text *out, text *name,
                        ar_error *err);
ar_status write_wordpiece(const ar_tokenizer *tok, text *out, text *name,
                          ar_error *err);

/* One kind of a part of the file: rows of a table, found by "type".  The
 * first row of the table is what an object without a type is. */
typedef ar_status part_read(ar_tokenizer *tok, const json_t *o, ar_error *err);
typedef struct part_row {
    const char *type;
    part_read *read;
} part_row;

typedef struct part_table {
    const char *name; /* key in the file */
    const char *list; /* key of the members of a "Sequence"; NULL = none */
    const part_row *rows;
    size_t n_rows;
} part_table;

/* Read one part, which is not null.  Errors: AR_FORMAT, AR_UNSUPPORTED
 * (naming the type), those of the row. */
ar_status part_table_read(const part_table *t, ar_tokenizer *tok,
                          const json_t *o, ar_error *err);

extern const part_table model_table, normalizer_table, pre_tokenizer_table,
    post_processor_table, decoder_table;

/* Normaliser, pre-tokenizer, post-processor and decoder out of the object of
 * a file; they are also kept as text for writing. */
ar_status tokenizer_read_parts(ar_tokenizer *tok, const json_t *root,
                               ar_error *err);
/* The same from text of our own. */
ar_status tokenizer_set_parts(ar_tokenizer *tok, const char *json,
                              ar_error *err);
ar_status tokenizer_read_added(ar_tokenizer *tok, const json_t *root,
                               ar_error *err);
/* A whole file in memory.  Errors: as ar_tokenizer_open. */
ar_status tokenizer_read(ar_tokenizer *tok, const char *data, size_t size,
                         ar_error *err);

/* Parse a JSON text; close it with json_decref.  Errors: AR_FORMAT. */
ar_status json_parse(const char *data, size_t size, json_t **out,
                     ar_error *err);

/* Append the JSON form of a string: n bytes of UTF-8, with quotes. */
void json_add_string(text *t, const char *s, size_t n);

#endif
