/* session_file.h - the form of a saved session: what its bytes say, whatever
 * engine they are for (docs/formats/session.md). */
#ifndef INFER_SESSION_FILE_H
#define INFER_SESSION_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "arcane/types.h"
#include "model/config.h"

/* The last character is the version; files of version 1 end behind the layers.
 */
#define SESSION_MAGIC "arcsess2"

/* All numbers are little-endian. */
typedef struct session_header {
    char magic[8];
    uint64_t model;            /* session_model_hash */
    char k_type[8], v_type[8]; /* ar_type_name, zeros behind it */
    uint32_t page, n_layers;
    uint64_t n_text, n_ready; /* tokens; those that are computed */
} session_header;

typedef struct session_layer_header {
    uint64_t first;        /* token of its first row, a multiple of page */
    uint32_t k_row, v_row; /* bytes of a token */
} session_layer_header;

/* Behind the layers. */
typedef struct session_states_header {
    uint64_t n;    /* states, 0 of a model that has none */
    uint64_t size; /* bytes of one, without its place */
} session_states_header;

enum { SESSION_MAX_STATES = 1025 };

typedef struct session_layer {
    int64_t first;
    size_t k_row, v_row;
    const unsigned char *k, *v; /* [n_ready - first] rows */
} session_layer;

/* A file in memory, checked: nothing points outside of it. */
typedef struct session_image {
    uint64_t model;
    ar_type k_type, v_type;
    int64_t page, n_layers, n_text, n_ready;
    const unsigned char *marks; /* i32 [n_text], at any address */
    session_layer layer[MAX_LAYERS];
    /* Records of a place and a state [state_size], at any address; the places
     * rise, from 1 to at most n_ready. */
    int64_t n_states;
    size_t state_size;
    const unsigned char *states;
} session_image;

/* The image borrows the data.  Errors: AR_FORMAT. */
ar_status session_image_read(session_image *out, const void *data, size_t size,
                             ar_error *err);

/* The state of record i, and the tokens of the text that it has seen. */
const unsigned char *session_image_state(const session_image *m, int64_t i,
                                         int64_t *place);

/* The checksum at the end of a file, of all bytes before it: XXH64 of each
 * block of 64 KiB, seeded with that of the block before it. */
typedef struct session_sum {
    uint64_t hash;
    size_t n; /* bytes of the block so far */
    unsigned char block[1 << 16];
} session_sum;
void session_sum_add(session_sum *s, const void *p, size_t n);
uint64_t session_sum_end(session_sum *s);
/* The same of bytes in memory. */
uint64_t session_sum_of(const void *p, size_t n);

#endif
