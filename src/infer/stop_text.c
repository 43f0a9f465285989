/* stop_text.c - a text that comes in pieces, up to the first stop string. */
#include "infer/stop_text.h"

#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "tok/utf8.h"

struct stop_text {
    char *stops[STOP_TEXT_MOST];
    size_t sizes[STOP_TEXT_MOST];
    int n;
    text held;    /* not yet shown, behind what the last call gave out */
    size_t given; /* bytes at the start of it that the last call gave out */
    const char *found;
};

static ar_status add_stop(stop_text *s, const char *stop, ar_error *err) {
    const size_t n = strlen(stop);
    if (!n) return error_set(err, AR_RANGE, "a stop string is empty");
    if (n > STOP_TEXT_BYTES)
        return error_set(err, AR_RANGE,
                         "the stop string \"%.40s...\" has more than %d bytes",
                         stop, STOP_TEXT_BYTES);
    if (utf8_valid(stop, n) < n)
        return error_set(err, AR_RANGE, "a stop string is not valid UTF-8");
    char *copy = mem_new(char, n + 1);
    if (!copy) return error_set(err, AR_NOMEM, "no memory for a stop string");
    memcpy(copy, stop, n);
    s->stops[s->n] = copy;
    s->sizes[s->n++] = n;
    return AR_OK;
}

ar_status stop_text_open(stop_text **out, const char *const *stops, int n,
                         ar_error *err) {
    *out = NULL;
    if (n > STOP_TEXT_MOST)
        return error_set(err, AR_RANGE, "more than %d stop strings",
                         STOP_TEXT_MOST);
    stop_text *s = mem_new(stop_text, 1);
    if (!s) return error_set(err, AR_NOMEM, "no memory for stop strings");
    for (int i = 0; i < n; i++) {
        const ar_status status = add_stop(s, stops[i], err);
        if (status == AR_OK) continue;
        stop_text_close(s);
        return status;
    }
    *out = s;
    return AR_OK;
}

void stop_text_close(stop_text *s) {
    if (!s) return;
    for (int i = 0; i < s->n; i++) mem_free(s->stops[i]);
    text_close(&s->held);
    mem_free(s);
}

void stop_text_reset(stop_text *s) {
    text_clear(&s->held);
    s->given = 0;
    s->found = NULL;
}

const char *stop_text_found(const stop_text *s) { return s->found; }

/* The longest stop that the first `end` bytes end with, or -1. */
static int stop_at(const stop_text *s, size_t end) {
    int best = -1;
    for (int i = 0; i < s->n; i++) {
        const size_t n = s->sizes[i];
        if (n > end || memcmp(s->held.data + end - n, s->stops[i], n) != 0)
            continue;
        if (best < 0 || n > s->sizes[best]) best = i;
    }
    return best;
}

/* Bytes at the end that may be the start of a stop. */
static size_t begun(const stop_text *s) {
    size_t most = 0;
    for (int i = 0; i < s->n; i++) {
        size_t k = s->sizes[i] - 1;
        if (k > s->held.size) k = s->held.size;
        while (k > most &&
               memcmp(s->held.data + s->held.size - k, s->stops[i], k) != 0)
            k--;
        if (k > most) most = k;
    }
    return most;
}

/* Where the last character begins, if p[0..n) ends inside it. */
static size_t whole(const char *p, size_t n) {
    for (size_t k = 1; k <= 3 && k <= n; k++) {
        const unsigned char c = (unsigned char)p[n - k];
        if ((c & 0xC0) == 0x80) continue;
        const size_t size = c < 0xC0 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
        return size > k ? n - k : n;
    }
    return n;
}

static void drop_given(stop_text *s) {
    if (!s->given) return;
    s->held.size -= s->given;
    memmove(s->held.data, s->held.data + s->given, s->held.size);
    s->given = 0;
}

static void give(stop_text *s, size_t n, const char **out, size_t *n_out) {
    *out = n ? s->held.data : "";
    *n_out = s->given = n;
}

ar_status stop_text_add(stop_text *s, const char *p, size_t n, const char **out,
                        size_t *n_out, ar_error *err) {
    drop_given(s);
    give(s, 0, out, n_out);
    if (s->found || !n) return AR_OK;
    const size_t had = s->held.size;
    text_add(&s->held, p, n);
    TRY(text_status(&s->held, err));
    for (size_t end = had + 1; end <= s->held.size && s->n; end++) {
        const int i = stop_at(s, end);
        if (i < 0) continue;
        s->found = s->stops[i];
        s->held.size = end - s->sizes[i];
        give(s, s->held.size, out, n_out);
        return AR_OK;
    }
    const size_t free_end = s->held.size - begun(s);
    give(s, whole(s->held.data, free_end), out, n_out);
    return AR_OK;
}

void stop_text_end(stop_text *s, const char **out, size_t *n_out) {
    drop_given(s);
    give(s, s->held.size, out, n_out);
}
