/* fuzz_weights.c - weights_open_memory over any bytes: every kind of file. */
#include <stdlib.h>
#include <string.h>

#include "format/weights.h"
#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    weights *w;
    ar_error err = {0};
    if (weights_open_memory(&w, data, size, "input", &err) != AR_OK) {
        if (w || !err.message[0]) abort();
        return 0;
    }
    size_t total = 0;
    for (int64_t i = 0; i < weights_count(w); i++) {
        const tensor_view *t = weights_get(w, i);
        const volatile uint8_t *p = t->data; /* so that it is read */
        if (t->size) (void)p[0], (void)p[t->size - 1];
        total += t->size;
        if (weights_find(w, t->name) != t) abort();
        if (weights_turned(w, t) && t->shape.rank != 2) abort();
    }
    if (total > size) abort();
    weights_close(w);
    return 0;
}
