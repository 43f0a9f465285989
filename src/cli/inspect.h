/* inspect.h - the parts of arcane inspect.
 *
 * Objects are new references.  An object whose member did not fit into memory
 * lacks it, so what is printed is never wrong, only shorter. */
#ifndef CLI_INSPECT_H
#define CLI_INSPECT_H

#include <jansson.h>
#include <stdbool.h>

#include "format/format.h"
#include "model/model.h"
#include "tok/tok.h"

typedef struct inspect_args {
    const char *model;
    bool tensors, metadata, json;
} inspect_args;

static inline void put_text(json_t *o, const char *key, const char *s) {
    json_object_set_new(o, key, json_string(s));
}
static inline void put_int(json_t *o, const char *key, int64_t x) {
    json_object_set_new(o, key, json_integer(x));
}
static inline void put_real(json_t *o, const char *key, double x) {
    json_object_set_new(o, key, json_real(x));
}

/* Any bytes as a string; what is not UTF-8 becomes U+FFFD. */
json_t *inspect_text(const char *p, size_t n);
/* Architecture, sizes, windows, rotation. */
json_t *inspect_model(const survey *s);
/* Kind, vocabulary, special tokens, chat template; null if there is none. */
ar_status inspect_tokenizer(json_t **out, const survey *s, ar_error *err);
/* A list of key, kind and value; of arrays the first few elements. */
json_t *inspect_metadata(const gguf *g);

/* The object of all of these as text on stdout. */
void inspect_show(const json_t *all, const inspect_args *a);

#endif
