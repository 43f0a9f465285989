/* fuzz_jsonl.c - documents out of any bytes; the first one picks the kind. */
#include <stdlib.h>
#include <string.h>

#include "format/document.h"
#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const names[] = {"a.jsonl", "a.jsonl.zst", "a.txt",
                                        "a.txt.zst"};
    documents *d;
    ar_error err;
    if (!size) return 0;
    if (documents_open_memory(&d, names[data[0] % 4], data + 1, size - 1, NULL,
                              &err) != AR_OK)
        return 0;
    uint64_t done = 0, total = 0;
    for (;;) {
        const char *text;
        size_t n;
        if (documents_next(d, &text, &n, &err) != AR_OK || !text) break;
        if (!n || !memchr(text, text[n - 1], n)) abort();
    }
    documents_progress(d, &done, &total);
    if (done > total) abort();
    documents_close(d);
    return 0;
}
