/* fuzz_tokenizer.c - tokenizer.json from any bytes, then used. */
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "tok/tokenizer_json.h"

enum { MAX_IDS = 2048 };

/* What is counted and what is written must agree, with and without room. */
static void use(const ar_tokenizer *tok, const char *s, size_t n,
                unsigned flags) {
    static int32_t ids[MAX_IDS];
    static char bytes[1 << 16];
    size_t count, again, size, measured;
    ar_error err;
    if (ar_tokenizer_encode(tok, s, n, flags, ids, MAX_IDS, &count, &err)) {
        if (err.code != AR_RANGE || !err.message[0]) abort();
        return;
    }
    if (ar_tokenizer_encode(tok, s, n, flags, NULL, 0, &again, &err)) abort();
    if (count != again) abort();
    if (count > MAX_IDS) return;
    for (size_t i = 0; i < count; i++)
        if (ids[i] < 0 || ids[i] >= ar_tokenizer_vocab(tok)) abort();
    ar_tokenizer_decode(tok, ids, count, flags, bytes, sizeof bytes, &size,
                        &err);
    ar_tokenizer_decode(tok, ids, count, flags, NULL, 0, &measured, &err);
    if (size != measured) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char sample[] =
        "The <s>d\xC3\xB6g's 12\xFF  \n ABab e\xCC\x81";
    ar_tokenizer *tok;
    ar_error err;
    if (tokenizer_new(&tok, &err)) return 0;
    if (tokenizer_read(tok, (const char *)data, size, &err) == AR_OK) {
        use(tok, sample, sizeof sample - 1, AR_SPECIAL | AR_TEMPLATE);
        use(tok, sample, sizeof sample - 1, 0);
        use(tok, (const char *)data, size < 64 ? size : 64, AR_SPECIAL);
        use(tok, "", 0, AR_TEMPLATE);
    } else if (!err.message[0]) {
        abort();
    }
    ar_tokenizer_close(tok);
    return 0;
}
