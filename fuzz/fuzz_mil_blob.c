/* fuzz_mil_blob.c - a weight file out of any bytes: every byte of a blob is in
 * the file, and walking it ends. */
#include <stdlib.h>

#include "backend/ane/mil_blob.h"
#include "fuzz/fuzz.h"

static void look_into(const uint8_t *file, size_t size, const mil_blob *b) {
    const volatile uint8_t *p = b->data; /* so that it is read */
    const uint8_t *from = b->data;
    if (from < file || from > file + size) abort();
    if (b->size > (size_t)(file + size - from) || b->count < 0) abort();
    if (b->size) (void)p[0], (void)p[b->size - 1];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    mil_blob b;
    uint64_t next = 0;
    ar_error err = {0};
    for (size_t n = 0;; n++) {
        const uint64_t before = next;
        if (mil_blob_next("input", data, size, &next, &b, &err) != AR_OK) {
            if (!err.message[0]) abort();
            break;
        }
        if (!b.data) break;
        if (next <= before || n > size / 64) abort();
        look_into(data, size, &b);
    }
    for (uint64_t at = 0; at <= size; at += 64)
        if (mil_blob_at("input", data, size, at, &b, NULL) == AR_OK)
            look_into(data, size, &b);
    return 0;
}
