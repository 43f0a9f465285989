/* session_file.c - reading the form of a saved session. */
#include "infer/session_file.h"

#include <string.h>

#include "base/error.h"
#include "base/hash.h"

_Static_assert(sizeof(session_header) == 56, "as the file has it");
_Static_assert(sizeof(session_layer_header) == 16, "as the file has it");
_Static_assert(sizeof(session_states_header) == 16, "as the file has it");

enum {
    MAX_PAGE = 1 << 12,
    SUM_SIZE = 8,
    PLACE_SIZE = 8,
    BLOCK = 1 << 16,
};

void session_sum_add(session_sum *s, const void *p, size_t n) {
    const unsigned char *at = p;
    while (n > 0) {
        const size_t room = BLOCK - s->n, m = n < room ? n : room;
        memcpy(s->block + s->n, at, m);
        s->n += m;
        at += m;
        n -= m;
        if (s->n < BLOCK) break;
        s->hash = hash_xx64(s->block, BLOCK, s->hash);
        s->n = 0;
    }
}

uint64_t session_sum_end(session_sum *s) {
    if (s->n) s->hash = hash_xx64(s->block, s->n, s->hash);
    s->n = 0;
    return s->hash;
}

uint64_t session_sum_of(const void *p, size_t n) {
    const unsigned char *at = p;
    uint64_t hash = 0;
    for (size_t m; n > 0; at += m, n -= m) {
        m = n < BLOCK ? n : BLOCK;
        hash = hash_xx64(at, m, hash);
    }
    return hash;
}

/* ---- reading ---- */

typedef struct reader {
    const unsigned char *at;
    size_t left;
} reader;

/* The next bytes, or NULL if there are not so many. */
static const unsigned char *take(reader *r, size_t n) {
    const unsigned char *p = r->at;
    if (n > r->left) return NULL;
    r->at += n;
    r->left -= n;
    return p;
}

static ar_status cut_off(const char *where, ar_error *err) {
    return error_set(err, AR_FORMAT, "the file ends inside its %s", where);
}

static ar_status read_type(const char *name, ar_type *out, ar_error *err) {
    if (memchr(name, 0, 8)) *out = ar_type_from_name(name);
    if (*out != AR_NONE) return AR_OK;
    return error_set(err, AR_FORMAT, "the cache has no known type");
}

static ar_status read_header(session_image *out, reader *r, char *version,
                             ar_error *err) {
    session_header h;
    const unsigned char *p = take(r, sizeof h);
    if (!p) return cut_off("header", err);
    memcpy(&h, p, sizeof h);
    const size_t name = sizeof h.magic - 1;
    if (memcmp(h.magic, SESSION_MAGIC, name))
        return error_set(err, AR_FORMAT, "is not a saved session");
    *version = h.magic[name];
    if (*version != '1' && *version != SESSION_MAGIC[name])
        return error_set(err, AR_FORMAT,
                         "is a saved session of another version");
    TRY(read_type(h.k_type, &out->k_type, err));
    TRY(read_type(h.v_type, &out->v_type, err));
    if (h.page < 1 || h.page > MAX_PAGE || h.n_layers < 1 ||
        h.n_layers > MAX_LAYERS || h.n_text > INT32_MAX || h.n_ready > h.n_text)
        return error_set(err, AR_FORMAT,
                         "pages of %lu tokens, %lu layers, %llu of %llu "
                         "tokens: this cannot be",
                         (unsigned long)h.page, (unsigned long)h.n_layers,
                         (unsigned long long)h.n_ready,
                         (unsigned long long)h.n_text);
    out->model = h.model;
    out->page = h.page;
    out->n_layers = h.n_layers;
    out->n_text = (int64_t)h.n_text;
    out->n_ready = (int64_t)h.n_ready;
    return AR_OK;
}

static ar_status read_rows(reader *r, size_t n, size_t row,
                           const unsigned char **out, ar_error *err) {
    size_t size;
    *out = __builtin_mul_overflow(n, row, &size) ? NULL : take(r, size);
    return *out ? AR_OK : cut_off("keys and values", err);
}

static ar_status read_layer(const session_image *m, session_layer *out,
                            reader *r, ar_error *err) {
    session_layer_header h;
    const unsigned char *p = take(r, sizeof h);
    if (!p) return cut_off("keys and values", err);
    memcpy(&h, p, sizeof h);
    if (h.first > (uint64_t)m->n_ready || h.first % (uint64_t)m->page)
        return error_set(err, AR_FORMAT, "a layer begins at token %llu of %lld",
                         (unsigned long long)h.first, (long long)m->n_ready);
    *out = (session_layer){
        .first = (int64_t)h.first, .k_row = h.k_row, .v_row = h.v_row};
    const size_t n = (size_t)(m->n_ready - out->first);
    TRY(read_rows(r, n, out->k_row, &out->k, err));
    return read_rows(r, n, out->v_row, &out->v, err);
}

const unsigned char *session_image_state(const session_image *m, int64_t i,
                                         int64_t *place) {
    const unsigned char *p =
        m->states + (size_t)i * (PLACE_SIZE + m->state_size);
    memcpy(place, p, PLACE_SIZE);
    return p + PLACE_SIZE;
}

static ar_status read_states(session_image *m, reader *r, ar_error *err) {
    session_states_header h;
    size_t record, size;
    const unsigned char *p = take(r, sizeof h);
    if (!p) return cut_off("states", err);
    memcpy(&h, p, sizeof h);
    if (h.n > SESSION_MAX_STATES || (h.n > 0) != (h.size > 0))
        return error_set(err, AR_FORMAT,
                         "%llu states of %llu bytes: this cannot be",
                         (unsigned long long)h.n, (unsigned long long)h.size);
    if (__builtin_add_overflow((size_t)h.size, PLACE_SIZE, &record) ||
        __builtin_mul_overflow(record, (size_t)h.n, &size) ||
        !(m->states = take(r, size)))
        return cut_off("states", err);
    m->n_states = (int64_t)h.n;
    m->state_size = (size_t)h.size;
    int64_t before = 0, place;
    for (int64_t i = 0; i < m->n_states; i++, before = place) {
        session_image_state(m, i, &place);
        if (place <= before || place > m->n_ready)
            return error_set(err, AR_FORMAT,
                             "a state of token %lld behind one of %lld, of "
                             "%lld tokens",
                             (long long)place, (long long)before,
                             (long long)m->n_ready);
    }
    return AR_OK;
}

ar_status session_image_read(session_image *out, const void *data, size_t size,
                             ar_error *err) {
    if (size < SUM_SIZE) return cut_off("header", err);
    reader r = {data, size - SUM_SIZE};
    char version = 0;
    memset(out, 0, sizeof *out);
    TRY(read_header(out, &r, &version, err));
    out->marks = take(&r, (size_t)out->n_text * sizeof(int32_t));
    if (!out->marks) return cut_off("tokens", err);
    for (int64_t l = 0; l < out->n_layers; l++)
        TRY(read_layer(out, &out->layer[l], &r, err));
    if (version != '1') TRY(read_states(out, &r, err));
    if (r.left) return error_set(err, AR_FORMAT, "%zu bytes too many", r.left);
    const uint64_t sum = session_sum_of(data, size - SUM_SIZE);
    if (!memcmp(&sum, r.at, SUM_SIZE)) return AR_OK;
    return error_set(err, AR_FORMAT, "is damaged: its checksum is another");
}
