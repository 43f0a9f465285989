/* grammar_mask.c - which tokens may come next.
 *
 * One pass over the tree of tokens, with the state after each byte of the
 * branch being walked; a byte that leads nowhere takes its branch with it.
 * Masks are kept by state, the least recently used one goes. */
#include "infer/grammar_mask.h"

#include "base/error.h"
#include "infer/grammar_int.h"

enum { KEPT = 32, MAX_ENDS = 64 };

typedef struct kept_mask {
    grammar_state state; /* GRAMMAR_DEAD = free */
    uint64_t used;       /* when, by count */
    uint64_t *bits;
} kept_mask;

struct ar_grammar_mask {
    const ar_token_tree *tree;
    grammar_run *run;
    grammar_state state;
    bool ended; /* by a token that ends a text */
    int64_t n_vocab;
    size_t n_words;
    int32_t ends[MAX_ENDS];
    int n_ends;
    grammar_state *path; /* [depth + 1] of the tree */
    kept_mask kept[KEPT];
    uint64_t clock;
};

ar_status ar_grammar_mask_open(ar_grammar_mask **out, const ar_grammar *g,
                               const ar_token_tree *t,
                               const ar_grammar_mask_options *o,
                               ar_error *err) {
    *out = NULL;
    if (o->n_vocab < 1 || o->n_vocab > INT32_MAX || o->n_ends < 0 ||
        o->n_ends > MAX_ENDS)
        return error_set(err, AR_RANGE, "a mask of %lld tokens with %d ends",
                         (long long)o->n_vocab, o->n_ends);
    ar_grammar_mask *m = mem_new(ar_grammar_mask, 1);
    if (!m) return error_set(err, AR_NOMEM, "no memory for a mask");
    m->tree = t;
    m->n_vocab = o->n_vocab;
    m->n_words = (size_t)(o->n_vocab + 63) / 64;
    for (int i = 0; i < o->n_ends; i++)
        if (o->ends[i] >= 0 && o->ends[i] < o->n_vocab)
            m->ends[m->n_ends++] = o->ends[i];
    m->path = mem_new(grammar_state, t->depth + 1);
    ar_status s =
        m->path ? AR_OK : error_set(err, AR_NOMEM, "no memory for a mask");
    if (s == AR_OK) s = grammar_run_open(&m->run, g, err);
    if (s == AR_OK) s = ar_grammar_mask_reset(m, err);
    if (s == AR_OK)
        *out = m;
    else
        ar_grammar_mask_close(m);
    return s;
}

void ar_grammar_mask_close(ar_grammar_mask *m) {
    if (!m) return;
    for (int i = 0; i < KEPT; i++) mem_free(m->kept[i].bits);
    mem_free(m->path);
    grammar_run_close(m->run);
    mem_free(m);
}

static ar_status trim(ar_grammar_mask *m, ar_error *err) {
    TRY(grammar_run_trim(m->run, &m->state, err));
    for (int i = 0; i < KEPT; i++) m->kept[i].state = GRAMMAR_DEAD;
    return AR_OK;
}

ar_status ar_grammar_mask_reset(ar_grammar_mask *m, ar_error *err) {
    m->ended = false;
    return grammar_run_start(m->run, &m->state, err);
}

/* ---- masks ---- */

static void set_bit(uint64_t *bits, int32_t id, bool on) {
    const uint64_t bit = (uint64_t)1 << (id & 63);
    bits[id >> 6] = on ? bits[id >> 6] | bit : bits[id >> 6] & ~bit;
}

static ar_status walk(ar_grammar_mask *m, uint64_t *bits, ar_error *err) {
    const ar_token_tree *t = m->tree;
    const grammar_run *r = m->run;
    const ar_grammar *g = r->g;
    m->path[0] = m->state;
    for (uint32_t i = 0; i < t->n_nodes;) {
        const token_node *n = &t->nodes[i];
        const grammar_state from = m->path[n->depth - 1];
        grammar_state to =
            r->rows[from * (size_t)g->n_classes + g->class_of[n->byte]];
        if (to == GRAMMAR_UNKNOWN)
            TRY(grammar_run_step(m->run, from, n->byte, &to, err));
        if (to == GRAMMAR_DEAD) {
            i = n->skip;
            continue;
        }
        m->path[n->depth] = to;
        for (uint32_t k = n->first; k < n[1].first; k++)
            if (t->ids[k] < m->n_vocab) set_bit(bits, t->ids[k], true);
        i++;
    }
    return AR_OK;
}

static ar_status fill(ar_grammar_mask *m, uint64_t *bits, ar_error *err) {
    memset(bits, 0, m->n_words * sizeof *bits);
    ar_status s = walk(m, bits, err);
    if (s == AR_FULL) {
        TRY(trim(m, err));
        memset(bits, 0, m->n_words * sizeof *bits);
        s = walk(m, bits, err);
        if (s == AR_FULL)
            s = error_set(err, AR_RANGE,
                          "the grammar leads to too many states for the "
                          "tokens of the vocabulary");
    }
    if (s != AR_OK) return s;
    for (int i = 0; i < m->n_ends; i++) /* whatever text they have */
        set_bit(bits, m->ends[i], grammar_run_can_end(m->run, m->state));
    return AR_OK;
}

static kept_mask *oldest(ar_grammar_mask *m) {
    kept_mask *best = &m->kept[0];
    for (int i = 0; i < KEPT; i++) {
        kept_mask *k = &m->kept[i];
        if (k->state == GRAMMAR_DEAD) return k;
        if (k->used < best->used) best = k;
    }
    return best;
}

static ar_status find_mask(ar_grammar_mask *m, kept_mask **out, ar_error *err) {
    for (int i = 0; i < KEPT; i++) {
        if (m->kept[i].state != m->state) continue;
        *out = &m->kept[i];
        return AR_OK;
    }
    kept_mask *k = oldest(m);
    k->state = GRAMMAR_DEAD;
    if (!k->bits) k->bits = mem_new(uint64_t, m->n_words);
    if (!k->bits) return error_set(err, AR_NOMEM, "no memory for a mask");
    TRY(fill(m, k->bits, err));
    k->state = m->state;
    *out = k;
    return AR_OK;
}

ar_status ar_grammar_mask_allowed(ar_grammar_mask *m, const uint64_t **bits,
                                  ar_error *err) {
    kept_mask *k = NULL;
    TRY(find_mask(m, &k, err));
    k->used = ++m->clock;
    size_t i = 0;
    while (i < m->n_words && !k->bits[i]) i++;
    if (m->ended || i == m->n_words)
        return error_set(err, AR_RANGE,
                         "the grammar allows no token of the vocabulary %s",
                         ar_grammar_mask_can_end(m) ? "behind its end"
                                                    : "where the text stands");
    *bits = k->bits;
    return AR_OK;
}

/* ---- going on ---- */

static bool is_end(const ar_grammar_mask *m, int32_t id) {
    for (int i = 0; i < m->n_ends; i++)
        if (m->ends[i] == id) return true;
    return false;
}

static ar_status follow(ar_grammar_mask *m, const char *p, size_t n,
                        grammar_state *out, ar_error *err) {
    grammar_state s = m->state;
    for (size_t i = 0; i < n && s != GRAMMAR_DEAD; i++)
        TRY(grammar_run_step(m->run, s, (uint8_t)p[i], &s, err));
    *out = s;
    return AR_OK;
}

ar_status ar_grammar_mask_accept(ar_grammar_mask *m, int32_t id,
                                 ar_error *err) {
    size_t n;
    grammar_state to = GRAMMAR_DEAD;
    const char *p = token_tree_bytes(m->tree, id, &n);
    const bool end = is_end(m, id);
    if (end && ar_grammar_mask_can_end(m) && !m->ended) {
        m->ended = true;
        return AR_OK;
    }
    if (n && !end && !m->ended && id < m->n_vocab) {
        if (grammar_run_is_large(m->run)) TRY(trim(m, err));
        ar_status s = follow(m, p, n, &to, err);
        if (s == AR_FULL) {
            TRY(trim(m, err));
            s = follow(m, p, n, &to, err);
        }
        TRY(s);
    }
    if (to == GRAMMAR_DEAD)
        return error_set(err, AR_RANGE, "token %d does not follow the grammar",
                         id);
    m->state = to;
    return AR_OK;
}

bool ar_grammar_mask_can_end(const ar_grammar_mask *m) {
    return grammar_run_can_end(m->run, m->state);
}

bool ar_grammar_mask_is_over(const ar_grammar_mask *m) {
    return m->ended || !grammar_run_can_go_on(m->run, m->state);
}
