/* token_tree.c - building the tree of all token texts. */
#include "infer/token_tree.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"

typedef struct entry {
    const char *p;
    uint32_t n;
    int32_t id;
} entry;

static int compare(const void *a, const void *b) {
    const entry *x = a, *y = b;
    const int c = memcmp(x->p, y->p, x->n < y->n ? x->n : y->n);
    if (c) return c;
    if (x->n != y->n) return x->n < y->n ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

/* starts [n_vocab + 1] and all bytes. */
static ar_status read_bytes(ar_token_tree *t, const ar_tokenizer *tok,
                            text *all, ar_error *err) {
    char piece[TOKEN_TREE_DEPTH];
    for (int32_t id = 0; id < t->n_vocab; id++) {
        size_t n;
        TRY(ar_tokenizer_decode(tok, &id, 1, AR_MIDDLE, piece, sizeof piece, &n,
                                err));
        t->starts[id] = (uint32_t)all->size;
        if (n <= sizeof piece) text_add(all, piece, n);
        if (all->size > INT32_MAX)
            return error_set(err, AR_RANGE,
                             "the vocabulary has more than 2 GiB of texts");
    }
    t->starts[t->n_vocab] = (uint32_t)all->size;
    return text_status(all, err);
}

static uint32_t common(const entry *a, const entry *b) {
    uint32_t n = 0;
    while (n < a->n && n < b->n && a->p[n] == b->p[n]) n++;
    return n;
}

/* Nodes of sorted entries; with nodes NULL they are only counted. */
static uint32_t lay_out(ar_token_tree *t, const entry *e, int32_t n) {
    uint32_t path[TOKEN_TREE_DEPTH + 1], at = 0, depth = 0;
    for (int32_t i = 0; i < n; i++) {
        const uint32_t same = i ? common(&e[i - 1], &e[i]) : 0;
        if (t->nodes)
            for (; depth > same; depth--) t->nodes[path[depth]].skip = at;
        for (depth = same; depth < e[i].n;) {
            const uint8_t byte = (uint8_t)e[i].p[depth++];
            if (t->nodes)
                t->nodes[at] = (token_node){.first = (uint32_t)i,
                                            .depth = (uint16_t)depth,
                                            .byte = byte};
            path[depth] = at++;
        }
        if (t->ids) t->ids[i] = e[i].id;
        if ((int)e[i].n > t->depth) t->depth = (int)e[i].n;
    }
    if (t->nodes)
        for (; depth > 0; depth--) t->nodes[path[depth]].skip = at;
    return at;
}

static ar_status build(ar_token_tree *t, entry *e, ar_error *err) {
    int32_t n = 0;
    for (int32_t id = 0; id < t->n_vocab; id++) {
        size_t size;
        const char *p = token_tree_bytes(t, id, &size);
        if (size) e[n++] = (entry){p, (uint32_t)size, id};
    }
    qsort(e, (size_t)n, sizeof *e, compare);
    t->n_ids = n;
    t->n_nodes = lay_out(t, e, n);
    t->nodes = mem_new(token_node, t->n_nodes + 1u);
    t->ids = mem_new(int32_t, n);
    if (!t->nodes || !t->ids)
        return error_set(err, AR_NOMEM, "no memory for a tree of tokens");
    lay_out(t, e, n);
    t->nodes[t->n_nodes].first = (uint32_t)n;
    return AR_OK;
}

ar_status ar_token_tree_open(ar_token_tree **out, const ar_tokenizer *tok,
                             ar_error *err) {
    *out = NULL;
    ar_token_tree *t = mem_new(ar_token_tree, 1);
    if (!t) return error_set(err, AR_NOMEM, "no memory for a tree of tokens");
    t->n_vocab = ar_tokenizer_vocab(tok);
    t->starts = mem_new(uint32_t, t->n_vocab + 1);
    entry *e = mem_new(entry, t->n_vocab);
    text all = {0};
    ar_status s = AR_NOMEM;
    if (t->starts && e)
        s = read_bytes(t, tok, &all, err);
    else
        error_set(err, s, "no memory for a tree of tokens");
    t->bytes = all.data;
    if (s == AR_OK) s = build(t, e, err);
    mem_free(e);
    if (s == AR_OK)
        *out = t;
    else
        ar_token_tree_close(t);
    return s;
}

void ar_token_tree_close(ar_token_tree *t) {
    if (!t) return;
    mem_free(t->nodes);
    mem_free(t->ids);
    mem_free(t->starts);
    mem_free(t->bytes);
    mem_free(t);
}

const char *token_tree_bytes(const ar_token_tree *t, int32_t id, size_t *n) {
    *n = 0;
    if (id < 0 || id >= t->n_vocab || t->starts[id] == t->starts[id + 1])
        return NULL;
    *n = t->starts[id + 1] - t->starts[id];
    return t->bytes + t->starts[id];
}
