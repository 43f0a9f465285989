/* fuzz_packed.c - weights_join and reading what it joined, over any bytes: a
 * config.json up to the first NUL, then a safetensors file. */
#include <stdlib.h>
#include <string.h>

#include "format/weights.h"
#include "fuzz/fuzz.h"

/* The last row of a matrix, if it is not absurdly long. */
static void read_row(const tensor_view *t) {
    static float row[1 << 16];
    const int64_t n = shape_last(&t->shape), all = shape_count(&t->shape);
    ar_error err;
    if (n > (int64_t)(sizeof row / sizeof *row)) return;
    if (tensor_read_f32(t, all - n, n, row, &err) != AR_OK) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    weights *w;
    ar_error err = {0};
    const uint8_t *end = size ? memchr(data, 0, size) : NULL;
    if (!end) return 0;
    const size_t config = (size_t)(end - data);
    if (weights_open_memory(&w, end + 1, size - config - 1, "input", &err) !=
        AR_OK)
        return 0;
    if (weights_join(w, "config", (const char *)data, config, &err) != AR_OK) {
        if (!err.message[0]) abort();
        weights_close(w);
        return 0;
    }
    for (int64_t i = 0; i < weights_count(w); i++) {
        const tensor_view *t = weights_get(w, i);
        if (weights_find(w, t->name) != t) abort();
        if (t->packed) read_row(t);
    }
    weights_close(w);
    return 0;
}
