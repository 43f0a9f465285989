/* fuzz_imatrix.c - imatrix_open_memory over any bytes. */
#include <math.h>
#include <stdlib.h>

#include "format/imatrix.h"
#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    imatrix *x;
    ar_error err = {0};
    if (imatrix_open_memory(&x, data, size, "input", &err) != AR_OK) {
        if (x || !err.message[0]) abort();
        return 0;
    }
    for (int64_t i = 0; i < imatrix_count(x); i++) {
        const imatrix_entry *e = imatrix_get(x, i);
        if (imatrix_find(x, e->name) != e) abort();
        for (int64_t k = 0; k < e->columns * e->matrices; k++)
            if (!(e->mean[k] >= 0) || isinf(e->mean[k])) abort();
    }
    imatrix_close(x);
    return 0;
}
