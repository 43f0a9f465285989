/* stream.c - the text of ids that come one by one. */
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "tok/tokenizer.h"
#include "tok/utf8.h"

struct ar_tokenizer_stream {
    const ar_tokenizer *tok;
    unsigned flags;
    decode_run run;
    text bytes; /* not yet given out: at most a part of one character */
    text ready; /* given out by the last call */
};

static void emit_bytes(void *ctx, const char *p, size_t n) {
    text_add(ctx, p, n);
}

ar_status ar_tokenizer_stream_open(ar_tokenizer_stream **out,
                                   const ar_tokenizer *tok, unsigned flags,
                                   ar_error *err) {
    ar_tokenizer_stream *s = *out = mem_new(ar_tokenizer_stream, 1);
    if (!s) return error_set(err, AR_NOMEM, "out of memory for decoding");
    s->tok = tok;
    s->flags = flags;
    s->run = (decode_run){
        .tok = tok, .emit = emit_bytes, .ctx = &s->bytes, .stream = true};
    if (flags & AR_MIDDLE) decode_in_middle(&s->run);
    return AR_OK;
}

void ar_tokenizer_stream_close(ar_tokenizer_stream *s) {
    if (!s) return;
    (void)decode_close(&s->run, NULL);
    text_close(&s->bytes);
    text_close(&s->ready);
    mem_free(s);
}

/* Bytes at the end that may be the start of a character. */
static size_t open_end(const char *p, size_t n) {
    for (size_t k = 1; k <= 3 && k <= n; k++) {
        const unsigned char lead = (unsigned char)p[n - k];
        if (lead < 0x80) return 0;
        if (lead < 0xC0) continue;
        /* it is if some bytes behind it would make a character of it */
        unsigned char probe[4] = {0, 0x80, 0x80, 0x80};
        if (lead == 0xE0) probe[1] = 0xA0;
        if (lead == 0xF0) probe[1] = 0x90;
        memcpy(probe, p + n - k, k);
        uint32_t cp;
        return utf8_decode(probe, probe + 4, &cp) > (int)k ? k : 0;
    }
    return 0;
}

/* Give out all but the last n bytes. */
static ar_status give(ar_tokenizer_stream *s, size_t held, const char **out,
                      size_t *n, ar_error *err) {
    TRY(text_status(&s->bytes, err));
    const size_t size = s->bytes.size - held;
    text_clear(&s->ready);
    if (size) utf8_add_lossy(&s->ready, s->bytes.data, size);
    TRY(text_status(&s->ready, err));
    if (size && held) memmove(s->bytes.data, s->bytes.data + size, held);
    s->bytes.size = held;
    *out = s->ready.data ? s->ready.data : "";
    *n = s->ready.size;
    return AR_OK;
}

ar_status ar_tokenizer_stream_add(ar_tokenizer_stream *s, int32_t id,
                                  const char **out, size_t *n, ar_error *err) {
    const vocab *v = &s->tok->vocab;
    if (vocab_has(v, id) &&
        (!(v->tokens[id].flags & TOKEN_SPECIAL) || (s->flags & AR_SPECIAL)))
        decode_feed(&s->run, id);
    return give(s, open_end(s->bytes.data, s->bytes.size), out, n, err);
}

ar_status ar_tokenizer_stream_end(ar_tokenizer_stream *s, const char **out,
                                  size_t *n, ar_error *err) {
    decode_end(&s->run);
    return give(s, 0, out, n, err);
}
