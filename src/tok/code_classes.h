/* code_classes.h - code points that no set of a list tells apart, numbered. */
#ifndef TOK_CODE_CLASSES_H
#define TOK_CODE_CLASSES_H

#include <stdint.h>

#include "arcane/status.h"
#include "tok/code_set.h"
#include "tok/unicode.h"

enum { CODE_CLASSES_MAX = 256, CODE_BLOCKS = UNICODE_COUNT >> 8 };

typedef struct code_classes {
    uint8_t ascii[128];          /* class of each */
    uint16_t index[CODE_BLOCKS]; /* of the block of 256 code points */
    uint8_t *blocks;             /* [n_blocks, 256] classes */
    int n_blocks, capacity;
    int n;                           /* classes */
    uint64_t sets[CODE_CLASSES_MAX]; /* bit s: the class is in set s */
} code_classes;

/* At most 64 finished sets.  Errors: AR_UNSUPPORTED (more than 256 classes),
 * AR_NOMEM.  Close it in any case. */
ar_status code_classes_open(code_classes *out, const code_set *sets, int n_sets,
                            ar_error *err);
void code_classes_close(code_classes *c);

static inline uint8_t code_classes_get(const code_classes *c, uint32_t cp) {
    return c->blocks[(size_t)c->index[cp >> 8] * 256 + (cp & 255)];
}

#endif
