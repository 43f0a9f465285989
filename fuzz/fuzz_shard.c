/* fuzz_shard.c - shard_view over any bytes. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "format/shard.h"
#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    shard s;
    ar_error err;
    uint8_t *p = mem_alloc(size); /* aligned, as a mapping is */
    if (!p) return 0;
    if (size) memcpy(p, data, size);
    if (shard_view(&s, p, size, "input", &err) == AR_OK) {
        volatile int32_t seen; /* so that the ids are read */
        for (int64_t i = 0; i < s.n_tokens; i++) seen = shard_token(&s, i);
        if (s.n_tokens) (void)seen;
        if ((size_t)s.n_tokens * (size_t)s.width > size) abort();
        shard_close(&s);
    }
    mem_free(p);
    return 0;
}
