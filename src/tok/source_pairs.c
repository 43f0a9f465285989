/* source_pairs.c - merges out of tokens that have ranks themselves. */
#include "base/error.h"
#include "base/mem.h"
#include "tok/source_build.h"

enum {
    /* Longer tokens are never made by merging: n cuts of n bytes each. */
    MAX_PAIR_BYTES = 1024,
    /* Cuts whose parts are fetched ahead together; so with merges. */
    BLOCK_CUTS = 32,
    AHEAD = 16
};

typedef struct found_merge {
    int32_t left, right, id;
} found_merge;

typedef struct found_list {
    found_merge *list;
    size_t n, capacity;
} found_list;

typedef struct cut {
    uint32_t at;
    uint64_t left, right; /* vocab_hash of what it gives */
} cut;

static bool takes_part(const vocab *v, int32_t id) {
    const token *t = &v->tokens[id];
    return (t->flags & TOKEN_MODEL) &&
           !(t->flags & (TOKEN_APART | TOKEN_RAW)) && t->size > 1 &&
           t->size <= MAX_PAIR_BYTES;
}

/* The next cuts of a token, from `*at` on, BLOCK_CUTS at most. */
static int next_cuts(const vocab *v, int32_t id, bool chars, uint32_t *at,
                     cut cuts[BLOCK_CUTS]) {
    const char *p = vocab_bytes(v, id);
    const uint32_t size = v->tokens[id].size;
    int n = 0;
    for (; *at < size && n < BLOCK_CUTS; ++*at) {
        if (chars && (p[*at] & 0xC0) == 0x80) continue;
        cut *c = &cuts[n++];
        c->at = *at;
        c->left = vocab_hash(p, *at);
        c->right = vocab_hash(p + *at, size - *at);
        vocab_touch(v, c->left);
        vocab_touch(v, c->right);
    }
    return n;
}

/* The token that is these bytes and may be part of another, or -1. */
static int32_t find_part(const vocab *v, const char *p, size_t n,
                         uint64_t hash) {
    const int32_t id = vocab_find_hashed(v, p, n, hash);
    return id >= 0 && (v->tokens[id].flags & TOKEN_APART) ? -1 : id;
}

static ar_status keep(found_list *f, found_merge m, ar_error *err) {
    if (f->n == f->capacity) {
        if (f->n >= INT32_MAX / 4)
            return error_set(err, AR_RANGE,
                             "a vocabulary of more than %zu merges", f->n);
        const size_t want = f->capacity ? 2 * f->capacity : 4096;
        found_merge *p = mem_realloc(f->list, want * sizeof *p);
        if (!p)
            return error_set(err, AR_NOMEM, "out of memory for %zu merges",
                             want);
        f->list = p;
        f->capacity = want;
    }
    f->list[f->n++] = m;
    return AR_OK;
}

/* All merges that give one token. */
static ar_status find_merges(found_list *f, const vocab *v, int32_t id,
                             bool chars, ar_error *err) {
    const char *p = vocab_bytes(v, id);
    const uint32_t size = v->tokens[id].size;
    cut cuts[BLOCK_CUTS];
    for (uint32_t at = 1; at < size;) {
        const int n = next_cuts(v, id, chars, &at, cuts);
        for (const cut *c = cuts; c < cuts + n; c++) {
            found_merge m = {.id = id};
            m.left = find_part(v, p, c->at, c->left);
            if (m.left < 0) continue;
            m.right = find_part(v, p + c->at, size - c->at, c->right);
            if (m.right >= 0) TRY(keep(f, m, err));
        }
    }
    return AR_OK;
}

static ar_status fill(bpe *b, const found_list *f, const int32_t *ranks,
                      ar_error *err) {
    TRY(bpe_open(b, (int32_t)f->n, err));
    for (size_t i = 0; i < f->n; i++) {
        const found_merge *m = &f->list[i];
        if (i + AHEAD < f->n) bpe_touch(b, m[AHEAD].left, m[AHEAD].right);
        bpe_add(b, m->left, m->right, ranks[m->id], m->id);
    }
    return AR_OK;
}

ar_status source_add_pairs(ar_tokenizer *tok, const int32_t *ranks, bool chars,
                           ar_error *err) {
    const vocab *v = &tok->vocab;
    TRY(vocab_index(&tok->vocab, err));
    found_list f = {0};
    ar_status s = AR_OK;
    for (int32_t id = 0; id < v->n && s == AR_OK; id++)
        if (takes_part(v, id)) s = find_merges(&f, v, id, chars, err);
    if (s == AR_OK) s = fill(&tok->bpe, &f, ranks, err);
    mem_free(f.list);
    return s;
}
