/* fuzz_safetensors.c - st_open_memory over any bytes. */
#include <stdlib.h>
#include <string.h>

#include "format/safetensors.h"
#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    st_file *f;
    ar_error err;
    if (st_open_memory(&f, data, size, "input", &err) != AR_OK) return 0;
    size_t total = 0;
    for (int64_t i = 0; i < st_count(f); i++) {
        const tensor_view *t = st_get(f, i);
        const volatile uint8_t *p = t->data; /* so that it is read */
        if (t->size) (void)p[0], (void)p[t->size - 1];
        total += t->size;
        if (st_find(f, t->name) != t) abort();
    }
    if (total > size) abort();
    st_metadata(f, "format");
    st_close(f);
    return 0;
}
