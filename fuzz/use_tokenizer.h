/* use_tokenizer.h - what fuzz targets do with a tokenizer that was read. */
#ifndef FUZZ_USE_TOKENIZER_H
#define FUZZ_USE_TOKENIZER_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "arcane/tokenizer.h"
#include "tok/utf8.h"

enum { USE_MAX_IDS = 2048 };

/* What a stream gives is UTF-8 after every id. */
static void use_stream(const ar_tokenizer *tok, const int32_t *ids, size_t n) {
    ar_tokenizer_stream *s;
    const char *p;
    size_t k;
    ar_error err;
    if (ar_tokenizer_stream_open(&s, tok, AR_SPECIAL, &err)) return;
    for (size_t i = 0; i <= n; i++) {
        const ar_status status =
            i < n ? ar_tokenizer_stream_add(s, ids[i], &p, &k, &err)
                  : ar_tokenizer_stream_end(s, &p, &k, &err);
        if (status) break;
        if (utf8_valid(p, k) < k) abort();
    }
    ar_tokenizer_stream_close(s);
}

/* What is counted and what is written must agree, with and without room. */
static void use_text(const ar_tokenizer *tok, const char *s, size_t n,
                     unsigned flags) {
    static int32_t ids[USE_MAX_IDS];
    static char bytes[1 << 16];
    size_t count, again, size, measured;
    ar_error err;
    if (ar_tokenizer_encode(tok, s, n, flags, ids, USE_MAX_IDS, &count, &err)) {
        if (err.code != AR_RANGE || !err.message[0]) abort();
        return;
    }
    if (ar_tokenizer_encode(tok, s, n, flags, NULL, 0, &again, &err)) abort();
    if (count != again) abort();
    if (count > USE_MAX_IDS) return;
    for (size_t i = 0; i < count; i++)
        if (ids[i] < 0 || ids[i] >= ar_tokenizer_vocab(tok)) abort();
    if (ar_tokenizer_decode(tok, ids, count, flags, bytes, sizeof bytes, &size,
                            &err) ||
        ar_tokenizer_decode(tok, ids, count, flags, NULL, 0, &measured, &err))
        return;
    if (size != measured) abort();
    use_stream(tok, ids, count);
}

static void use_tokenizer(const ar_tokenizer *tok, const uint8_t *data,
                          size_t size) {
    static const char sample[] =
        "The <s>d\xC3\xB6g's 12\xFF  \n ABab e\xCC\x81 \xEF\xAC\x81";
    use_text(tok, sample, sizeof sample - 1, AR_SPECIAL | AR_TEMPLATE);
    use_text(tok, sample, sizeof sample - 1, 0);
    use_text(tok, (const char *)data, size < 64 ? size : 64, AR_SPECIAL);
    use_text(tok, "", 0, AR_TEMPLATE);
}

#endif
