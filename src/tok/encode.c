/* encode.c - text to ids. */
#include "base/error.h"
#include "tok/encoder.h"

/* One call. */
typedef struct encoding {
    const ar_tokenizer *tok;
    bool special;
    id_sink sink;
    encoder *model;
    const char *start; /* of the text */
    const char *first; /* the part that begins there, normalised, or NULL */
    pieces *pieces;
    text rooms[2]; /* for normalising */
} encoding;

static ar_status take_piece(void *ctx, const char *p, size_t n, ar_error *err) {
    return encoder_piece(((encoding *)ctx)->model, p, n, err);
}

/* What happens to a text between added tokens. */
typedef ar_status part_fn(encoding *e, const char *p, size_t n, ar_error *err);

static ar_status split_added(encoding *e, const added_set *set, const char *p,
                             size_t n, part_fn *part, ar_error *err) {
    added_search s = {.set = set, .text = p, .n = n, .special = e->special};
    size_t done = 0;
    for (;;) {
        const added_match m = added_next(&s);
        if (m.start > done) TRY(part(e, p + done, m.start - done, err));
        if (!m.token) return AR_OK;
        sink_add(&e->sink, &m.token->id, 1);
        done = m.end;
    }
}

static ar_status encode_plain(encoding *e, const char *p, size_t n,
                              ar_error *err) {
    return pieces_cut(e->pieces, p, n, p == e->first, err);
}

static ar_status encode_part(encoding *e, const char *p, size_t n,
                             ar_error *err) {
    const bool first = p == e->start;
    TRY(tokenizer_normalize(e->tok, &p, &n, e->rooms, err));
    e->first = first ? p : NULL;
    return split_added(e, &e->tok->normalized, p, n, encode_plain, err);
}

static ar_status encode_all(encoding *e, const char *p, size_t n,
                            unsigned flags, ar_error *err) {
    const ar_tokenizer *tok = e->tok;
    TRY(encoder_open(&e->model, tok, &e->sink, err));
    TRY(pieces_open(&e->pieces, tok->steps, tok->n_steps, take_piece, e, err));
    if (flags & AR_TEMPLATE)
        sink_add(&e->sink, tok->before, (size_t)tok->n_before);
    TRY(split_added(e, &tok->raw, p, n, encode_part, err));
    if (flags & AR_TEMPLATE)
        sink_add(&e->sink, tok->after, (size_t)tok->n_after);
    return AR_OK;
}

ar_status ar_tokenizer_encode(const ar_tokenizer *tok, const char *p, size_t n,
                              unsigned flags, int32_t *ids, size_t capacity,
                              size_t *count, ar_error *err) {
    if (n > (size_t)1 << 31)
        return error_set(err, AR_RANGE, "a document of more than 2^31 bytes");
    encoding e = {.tok = tok,
                  .special = flags & AR_SPECIAL,
                  .start = p,
                  .sink = {.ids = ids, .capacity = capacity}};
    const ar_status s = encode_all(&e, p, n, flags, err);
    pieces_close(e.pieces);
    encoder_close(e.model);
    text_close(&e.rooms[0]);
    text_close(&e.rooms[1]);
    if (s == AR_OK) *count = e.sink.count;
    return s;
}
