/* decode.c - tokens to text, one after the other. */
#include "tok/decode.h"

#include <string.h>

#include "base/error.h"
#include "tok/tokenizer.h"
#include "tok/utf8.h"

static const char replacement[] = "\xEF\xBF\xBD";

void decode_next(decode_run *r, int step, const char *p, size_t n) {
    if (++step < r->tok->n_decoders)
        r->tok->decoders[step].fn(r, step, p, n);
    else if (n)
        r->emit(r->ctx, p, n);
}

static const decode_step *step_at(const decode_run *r, int step) {
    return &r->tok->decoders[step];
}

void decode_pass(decode_run *r, int step, const char *p, size_t n) {
    decode_next(r, step, p, n);
}

static bool starts_with(const char *p, size_t n, const char *what, size_t k) {
    return n >= k && !memcmp(p, what, k);
}

/* Is `what` in p[0..n)? */
static bool has_text(const char *p, size_t n, const char *what, size_t k) {
    const char *end = p + n;
    while (p < end && (p = memchr(p, *what, (size_t)(end - p)))) {
        if (starts_with(p, (size_t)(end - p), what, k)) return true;
        p++;
    }
    return false;
}

/* Append p[0..n) with `to` for every `from`. */
static void add_replaced(text *out, const char *p, size_t n, const char *from,
                         const char *to) {
    const size_t k = strlen(from);
    size_t done = 0, i = 0;
    while (i < n) {
        if (!starts_with(p + i, n - i, from, k)) {
            i++;
            continue;
        }
        text_add(out, p + done, i - done);
        text_adds(out, to);
        done = i += k;
    }
    text_add(out, p + done, n - done);
}

static void next_room(decode_run *r, int step) {
    const text *room = &r->at[step].room;
    decode_next(r, step, room->data ? room->data : "", room->size);
}

void decode_replace(decode_run *r, int step, const char *p, size_t n) {
    const decode_step *s = step_at(r, step);
    text_clear(&r->at[step].room);
    add_replaced(&r->at[step].room, p, n, s->from, s->to);
    next_room(r, step);
}

/* All marks of the first token go, those of others become spaces. */
void decode_metaspace(decode_run *r, int step, const char *p, size_t n) {
    const decode_step *s = step_at(r, step);
    const bool first = !r->at[step].index++ && s->prefix;
    text_clear(&r->at[step].room);
    add_replaced(&r->at[step].room, p, n, s->from, first ? "" : " ");
    next_room(r, step);
}

/* One mark at the start goes, others become spaces. */
void decode_sentencepiece(decode_run *r, int step, const char *p, size_t n) {
    const decode_step *s = step_at(r, step);
    const size_t k = strlen(s->from);
    if (!r->at[step].done && s->prefix && starts_with(p, n, s->from, k)) {
        p += k;
        n -= k;
        r->at[step].done = !s->squeeze;
    }
    r->at[step].done |= n > 0;
    if (!has_text(p, n, s->from, k)) {
        decode_next(r, step, p, n);
        return;
    }
    text_clear(&r->at[step].room);
    add_replaced(&r->at[step].room, p, n, s->from, " ");
    next_room(r, step);
}

/* At most `start` times the content at the start, `stop` times at the end. */
void decode_strip(decode_run *r, int step, const char *p, size_t n) {
    const decode_step *s = step_at(r, step);
    const size_t k = strlen(s->from);
    if (!s->fused) {
        r->at[step].index = 0;
        r->at[step].done = false;
    }
    while (!r->at[step].done && n && r->at[step].index < (size_t)s->start &&
           starts_with(p, n, s->from, k)) {
        r->at[step].index++;
        p += k;
        n -= k;
    }
    r->at[step].done |= n > 0;
    for (int i = 0; i < s->stop; i++) {
        if (n < k || memcmp(p + n - k, s->from, k) != 0) break;
        n -= k;
    }
    decode_next(r, step, p, n);
}

void decode_spaced(decode_run *r, int step, const char *p, size_t n) {
    if (!r->at[step].index++) {
        decode_next(r, step, p, n);
        return;
    }
    text_clear(&r->at[step].room);
    text_adds(&r->at[step].room, " ");
    text_add(&r->at[step].room, p, n);
    next_room(r, step);
}

/* What BERT's clean-up changes, one after the other. */
static const char *const cleanups[][2] = {
    {" .", "."},   {" ?", "?"},     {" !", "!"},     {" ,", ","},
    {" ' ", "'"},  {" n't", "n't"}, {" 'm", "'m"},   {" do not", " don't"},
    {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
};

static void clean_up(text *t) {
    text other = {0};
    for (size_t i = 0; i < sizeof cleanups / sizeof *cleanups; i++) {
        if (!t->data || !strstr(t->data, cleanups[i][0])) continue;
        text_clear(&other);
        add_replaced(&other, t->data, t->size, cleanups[i][0], cleanups[i][1]);
        const text had = *t;
        *t = other;
        other = had;
        t->failed |= other.failed;
    }
    text_close(&other);
}

void decode_wordpiece(decode_run *r, int step, const char *p, size_t n) {
    const decode_step *s = step_at(r, step);
    text *room = &r->at[step].room;
    const size_t k = strlen(s->from);
    const bool inside = r->at[step].index++ > 0;
    text_clear(room);
    if (inside && starts_with(p, n, s->from, k)) {
        p += k;
        n -= k;
    } else if (inside) {
        text_adds(room, " ");
    }
    text_add(room, p, n);
    if (s->cleanup) clean_up(room);
    next_room(r, step);
}

static int hex_digit(char c) {
    const char *digits = "0123456789ABCDEFabcdef";
    const char *at = c ? strchr(digits, c) : NULL;
    if (!at) return -1;
    return (int)(at - digits) - (at - digits > 15 ? 6 : 0);
}

/* The byte that a token <0x00> to <0xFF> stands for, or -1. */
static int byte_of(const char *p, size_t n) {
    if (n != 6 || memcmp(p, "<0x", 3) != 0 || p[5] != '>') return -1;
    const int high = hex_digit(p[3]), low = hex_digit(p[4]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/* A run of bytes is over: it is text, or each byte of it U+FFFD; with `chars`
 * only each byte that is in no character. */
static void end_bytes(decode_run *r, int step) {
    text *run = &r->at[step].room;
    size_t i = 0;
    const size_t n = run->size;
    if (!n) return;
    run->size = 0; /* before it is handed on, which may end the next step */
    const size_t good = utf8_valid(run->data, n);
    if (good == n) {
        decode_next(r, step, run->data, n);
        return;
    }
    while (i < n) {
        const size_t k =
            step_at(r, step)->chars ? utf8_valid(run->data + i, n - i) : 0;
        if (k) decode_next(r, step, run->data + i, k);
        i += k;
        if (i < n) decode_next(r, step, replacement, 3);
        i++;
    }
}

void decode_bytes(decode_run *r, int step, const char *p, size_t n) {
    const int byte = byte_of(p, n);
    if (byte < 0) {
        end_bytes(r, step);
        decode_next(r, step, p, n);
    } else if (r->stream) {
        decode_next(r, step, &(char){(char)byte}, 1);
    } else {
        text_add(&r->at[step].room, &(char){(char)byte}, 1);
    }
}

void decode_feed(decode_run *r, int32_t id) {
    const vocab *v = &r->tok->vocab;
    decode_next(r, -1, vocab_bytes(v, id), v->tokens[id].size);
}

void decode_in_middle(decode_run *r) {
    for (int i = 0; i < r->tok->n_decoders; i++) {
        r->at[i].index = 1;
        r->at[i].done = true;
    }
}

void decode_end(decode_run *r) {
    for (int i = 0; i < r->tok->n_decoders; i++)
        if (r->tok->decoders[i].fn == decode_bytes) end_bytes(r, i);
}

ar_status decode_close(decode_run *r, ar_error *err) {
    bool failed = false;
    for (int i = 0; i < DECODE_MAX_STEPS; i++) {
        failed |= r->at[i].room.failed != 0;
        text_close(&r->at[i].room);
    }
    return failed ? error_set(err, AR_NOMEM, "out of memory for decoding")
                  : AR_OK;
}

static void count_bytes(void *ctx, const char *p, size_t n) {
    (void)p;
    *(size_t *)ctx += n;
}

ar_status decode_measure(ar_tokenizer *tok, ar_error *err) {
    size_t count = 0;
    decode_run r = {
        .tok = tok, .emit = count_bytes, .ctx = &count, .stream = true};
    for (int32_t id = 0; id < tok->vocab.n; id++) {
        token *t = &tok->vocab.tokens[id];
        if (!t->flags) continue;
        decode_in_middle(&r);
        count = 0;
        decode_feed(&r, id);
        t->shown = (uint32_t)count;
    }
    return decode_close(&r, err);
}

/* Where the text of a call goes. */
typedef struct room {
    char *p;
    size_t capacity, count;
} room;

static void emit_room(void *ctx, const char *p, size_t n) {
    room *o = ctx;
    if (o->p && o->count < o->capacity) {
        const size_t left = o->capacity - o->count;
        memcpy(o->p + o->count, p, n < left ? n : left);
    }
    o->count += n;
}

ar_status ar_tokenizer_decode(const ar_tokenizer *tok, const int32_t *ids,
                              size_t n, unsigned flags, char *out,
                              size_t capacity, size_t *count, ar_error *err) {
    room o = {out, capacity, 0};
    const bool middle = flags & AR_MIDDLE;
    decode_run r = {.tok = tok, .emit = emit_room, .ctx = &o, .stream = middle};
    if (middle) decode_in_middle(&r);
    for (size_t i = 0; i < n; i++) {
        if (!vocab_has(&tok->vocab, ids[i])) continue;
        const token *t = &tok->vocab.tokens[ids[i]];
        if ((t->flags & TOKEN_SPECIAL) && !(flags & AR_SPECIAL)) continue;
        decode_feed(&r, ids[i]);
    }
    decode_end(&r);
    TRY(decode_close(&r, err));
    *count = o.count;
    return AR_OK;
}
