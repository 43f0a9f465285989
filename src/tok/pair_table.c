/* pair_table.c - neighbouring tokens of a corpus. */
#include "tok/pair_table.h"

#include <stdbool.h>

#include "base/error.h"
#include "base/mem.h"

static ar_status no_memory(ar_error *err) {
    return error_set(err, AR_NOMEM, "out of memory for counting pairs");
}

static size_t first_slot(const pair_table *t, int32_t left, int32_t right) {
    const uint64_t key = (uint64_t)left << 24 | (uint64_t)right;
    return (size_t)(key * 0x9E3779B97F4A7C15u >> 32) & (t->n_slots - 1);
}

/* The slot of a pair, or the empty one where it belongs. */
static size_t find_slot(const pair_table *t, int32_t left, int32_t right) {
    size_t i = first_slot(t, left, right);
    for (; t->slots[i]; i = (i + 1) & (t->n_slots - 1)) {
        const pair *p = &t->pairs[t->slots[i] - 1];
        if (p->left == left && p->right == right) break;
    }
    return i;
}

static ar_status grow_slots(pair_table *t, ar_error *err) {
    if (t->n < t->n_slots / 2) return AR_OK;
    const size_t n = t->n_slots ? 2 * t->n_slots : 1024;
    uint32_t *slots = mem_new(uint32_t, n);
    if (!slots) return no_memory(err);
    mem_free(t->slots);
    t->slots = slots;
    t->n_slots = n;
    for (size_t i = 0; i < t->n; i++)
        t->slots[find_slot(t, t->pairs[i].left, t->pairs[i].right)] =
            (uint32_t)i + 1;
    return AR_OK;
}

static ar_status append(pair_table *t, pair p, ar_error *err) {
    if (t->n == UINT32_MAX - 1)
        return error_set(err, AR_RANGE, "the corpus has 2^32 distinct pairs");
    if (t->n == t->capacity) {
        const size_t want = t->capacity ? 2 * t->capacity : 1024;
        pair *pairs = mem_realloc(t->pairs, want * sizeof *pairs);
        if (!pairs) return no_memory(err);
        t->pairs = pairs;
        t->capacity = want;
    }
    t->pairs[t->n++] = p;
    return AR_OK;
}

static ar_status add_place(pair_table *t, pair *p, uint32_t word,
                           ar_error *err) {
    if (p->places && t->places[p->places - 1].word == word) return AR_OK;
    uint32_t at = t->free_places;
    if (at) {
        t->free_places = t->places[at - 1].next;
    } else {
        if (t->n_places == UINT32_MAX - 1)
            return error_set(err, AR_RANGE,
                             "the corpus has 2^32 places of pairs");
        if (t->n_places == t->places_capacity) {
            const size_t want =
                t->places_capacity ? 2 * t->places_capacity : 1024;
            place *q = mem_realloc(t->places, want * sizeof *q);
            if (!q) return no_memory(err);
            t->places = q;
            t->places_capacity = want;
        }
        at = (uint32_t)++t->n_places;
    }
    t->places[at - 1] = (place){word, p->places};
    p->places = at;
    return AR_OK;
}

ar_status pair_table_add(pair_table *t, int32_t left, int32_t right,
                         uint32_t word, int64_t delta, ar_error *err) {
    TRY(grow_slots(t, err));
    const size_t slot = find_slot(t, left, right);
    if (!t->slots[slot]) {
        TRY(append(t, (pair){.left = left, .right = right}, err));
        t->slots[slot] = (uint32_t)t->n;
    }
    pair *p = &t->pairs[t->slots[slot] - 1];
    p->count += delta;
    return add_place(t, p, word, err);
}

void pair_table_take(pair_table *t, int32_t left, int32_t right,
                     int64_t delta) {
    t->pairs[t->slots[find_slot(t, left, right)] - 1].count -= delta;
}

/* Whether a comes out of the heap before b. */
static bool before(const pair_table *t, pair_rank a, pair_rank b) {
    if (a.count != b.count) return a.count > b.count;
    const pair *x = &t->pairs[a.pair], *y = &t->pairs[b.pair];
    return x->left != y->left ? x->left < y->left : x->right < y->right;
}

static void sift_down(pair_table *t, size_t i, pair_rank r) {
    pair_rank *h = t->heap;
    size_t child;
    while ((child = 2 * i + 1) < t->n_heap) {
        if (child + 1 < t->n_heap && before(t, h[child + 1], h[child])) child++;
        if (!before(t, h[child], r)) break;
        h[i] = h[child];
        i = child;
    }
    h[i] = r;
}

static ar_status push(pair_table *t, pair_rank r, ar_error *err) {
    if (t->n_heap == t->heap_capacity) {
        const size_t want = t->heap_capacity ? 2 * t->heap_capacity : 1024;
        pair_rank *h = mem_realloc(t->heap, want * sizeof *h);
        if (!h) return no_memory(err);
        t->heap = h;
        t->heap_capacity = want;
    }
    size_t i = t->n_heap++;
    for (; i && before(t, r, t->heap[(i - 1) / 2]); i = (i - 1) / 2)
        t->heap[i] = t->heap[(i - 1) / 2];
    t->heap[i] = r;
    return AR_OK;
}

ar_status pair_table_push_from(pair_table *t, size_t first, ar_error *err) {
    for (size_t i = first; i < t->n; i++)
        if (t->pairs[i].count > 0)
            TRY(push(t, (pair_rank){t->pairs[i].count, (uint32_t)i}, err));
    return AR_OK;
}

pair *pair_table_pop(pair_table *t) {
    while (t->n_heap) {
        const pair_rank top = t->heap[0];
        pair *p = &t->pairs[top.pair];
        if (p->count == top.count && p->count > 0) {
            t->n_heap--;
            if (t->n_heap) sift_down(t, 0, t->heap[t->n_heap]);
            return p;
        }
        if (p->count > 0) /* fewer than when it was put in */
            sift_down(t, 0, (pair_rank){p->count, top.pair});
        else if (--t->n_heap)
            sift_down(t, 0, t->heap[t->n_heap]);
    }
    return NULL;
}

void pair_table_release(pair_table *t, pair *p) {
    p->count = 0;
    if (!p->places) return;
    place *last = &t->places[p->places - 1];
    while (last->next) last = &t->places[last->next - 1];
    last->next = t->free_places;
    t->free_places = p->places;
    p->places = 0;
}

void pair_table_close(pair_table *t) {
    mem_free(t->pairs);
    mem_free(t->slots);
    mem_free(t->places);
    mem_free(t->heap);
    *t = (pair_table){0};
}
