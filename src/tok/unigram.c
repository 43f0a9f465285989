/* unigram.c - the segmentation of a piece with the best sum of scores. */
#include "tok/unigram.h"

#include "base/error.h"
#include "base/mem.h"
#include "tok/utf8.h"

/* The best way to reach a place in the piece. */
typedef struct place {
    double score;
    int32_t from; /* where its last token starts, -1: not reached */
    int32_t id;   /* -1: a character that is no token */
} place;

struct unigram_run {
    const unigram *u;
    const vocab *vocab;
    place *places; /* [capacity] */
    int32_t *starts;
    size_t capacity;
};

void unigram_close(unigram *u) {
    trie_close(&u->tokens);
    mem_free(u->scores);
    *u = (unigram){0};
}

ar_status unigram_run_open(unigram_run **out, const unigram *u, const vocab *v,
                           ar_error *err) {
    *out = mem_new(unigram_run, 1);
    if (!*out) return error_set(err, AR_NOMEM, "out of memory for encoding");
    **out = (unigram_run){.u = u, .vocab = v};
    return AR_OK;
}

void unigram_run_close(unigram_run *r) {
    if (!r) return;
    mem_free(r->places);
    mem_free(r->starts);
    mem_free(r);
}

static ar_status reserve(unigram_run *r, size_t n, ar_error *err) {
    if (n <= r->capacity) return AR_OK;
    if (n > INT32_MAX / 2)
        return error_set(err, AR_RANGE, "a piece of more than 2^30 bytes");
    mem_free(r->places);
    mem_free(r->starts);
    r->capacity = 0;
    r->places = mem_new(place, 2 * n);
    r->starts = mem_new(int32_t, 2 * n);
    if (!r->places || !r->starts)
        return error_set(err, AR_NOMEM, "out of memory for encoding");
    r->capacity = 2 * n;
    return AR_OK;
}

static void reach(const unigram *u, place *at, double from_score, int32_t from,
                  int32_t id) {
    double score = from_score + (id < 0 ? u->unknown_score : u->scores[id]);
    if (u->single) score = (double)(float)score;
    if (at->from < 0 || score > at->score) *at = (place){score, from, id};
}

/* Every token that starts at i, and the character there if it is none. */
static size_t extend(unigram_run *r, const char *p, size_t n, size_t i) {
    const unsigned char *s = (const unsigned char *)p;
    const double score = r->places[i].score;
    uint32_t cp, node = 1;
    const int decoded = utf8_decode(s + i, s + n, &cp);
    const size_t size = decoded ? (size_t)decoded : 1;
    bool known = false;
    for (size_t k = i; k < n; k++) {
        const trie_edge *e = trie_step(&r->u->tokens, node, s[k]);
        if (!e) break;
        node = e->node;
        if (e->id < 0) continue;
        reach(r->u, &r->places[k + 1], score, (int32_t)i, e->id);
        known |= k + 1 == i + size;
    }
    if (!known) reach(r->u, &r->places[i + size], score, (int32_t)i, -1);
    return size;
}

/* Neighbouring characters that are no tokens: their bytes, or one unknown. */
static void add_unknown(unigram_run *r, id_sink *sink, const char *p,
                        size_t n) {
    const unigram *u = r->u;
    /* the library looks the whole up again; SentencePiece does not */
    const int32_t id = u->single ? -1 : vocab_find(r->vocab, p, n);
    bool bytes = u->byte_fallback && id < 0;
    for (size_t i = 0; i < n && bytes; i++)
        bytes = u->byte_id[(unsigned char)p[i]] >= 0;
    for (size_t i = 0; i < n && bytes; i++)
        sink_add(sink, &u->byte_id[(unsigned char)p[i]], 1);
    const int32_t whole = id >= 0 ? id : u->unknown;
    if (!bytes && whole >= 0) sink_add(sink, &whole, 1);
}

ar_status unigram_run_piece(unigram_run *r, id_sink *sink, const char *p,
                            size_t n, ar_error *err) {
    TRY(reserve(r, n + 1, err));
    place *places = r->places;
    for (size_t i = 0; i <= n; i++) places[i].from = -1;
    places[0] = (place){0};
    for (size_t i = 0; i < n;) i += extend(r, p, n, i);
    size_t k = 0;
    for (int32_t i = (int32_t)n; i > 0; i = places[i].from) r->starts[k++] = i;
    for (size_t start = 0; k > 0;) {
        size_t end = (size_t)r->starts[--k];
        const int32_t id = places[end].id;
        if (id >= 0 && id != r->u->unknown) {
            sink_add(sink, &id, 1);
            start = end;
            continue;
        }
        while (k > 0 && (places[r->starts[k - 1]].id < 0 ||
                         places[r->starts[k - 1]].id == r->u->unknown))
            end = (size_t)r->starts[--k];
        add_unknown(r, sink, p + start, end - start);
        start = end;
    }
    return AR_OK;
}
