/* grammar_run.c - the states that texts lead to.
 *
 * A way to read a text is a node and a frame: what is to follow when the
 * node's rule is over, a list that shares its tail with others and is held
 * once, so that equal lists have one number.  A state is a set of ways, held
 * once too, and remembers where each class of bytes leads: a text that stays
 * in few states costs a look-up a byte.  A call that is the last of its rule
 * leaves no frame. */
#include <stdlib.h>

#include "base/error.h"
#include "infer/grammar_int.h"

enum {
    MAX_WAYS = 1 << 16, /* of one state */
    MAX_SEEN = 1 << 18, /* nodes passed on the way to a state */
    MAX_STATES = 1 << 16,
    MAX_ALL_WAYS = 1 << 22,
    MAX_FRAMES = 1 << 20,
    ROOM_STATES = 1 << 14, /* more is large */
    ROOM_WAYS = 1 << 20,
    ROOM_FRAMES = 1 << 18,
    LAST_STAMP = (1 << 23) - 1,
    BOTTOM = 0, /* behind the root there is nothing */
};

static ar_status no_memory(ar_error *err) {
    return error_set(err, AR_NOMEM, "no memory for the states of a grammar");
}
static ar_status is_full(ar_error *err) {
    return error_set(err, AR_FULL,
                     "the grammar leads to more states than there is room for");
}

static uint64_t mix(uint64_t h, uint64_t v) {
    h = (h ^ v) * 0x9E3779B97F4A7C15u;
    return h ^ h >> 29;
}

/* ---- tables of numbers ---- */

typedef uint64_t hash_of(const grammar_run *r, uint32_t number);

static bool table_reserve(grammar_run *r, run_table *t, hash_of *hash) {
    if (t->used * 2 < t->n) return true;
    const size_t n = t->n ? t->n * 2 : 256;
    uint32_t *slots = mem_new(uint32_t, n);
    if (!slots) return false;
    for (size_t i = 0; i < t->n; i++) {
        if (!t->slots[i]) continue;
        size_t k = (size_t)hash(r, t->slots[i] - 1) & (n - 1);
        while (slots[k]) k = (k + 1) & (n - 1);
        slots[k] = t->slots[i];
    }
    mem_free(t->slots);
    t->slots = slots;
    t->n = n;
    return true;
}

static uint64_t frame_hash(const grammar_run *r, uint32_t i) {
    return mix(mix(0, r->frames[i].node), r->frames[i].parent);
}

static uint64_t state_hash(const grammar_run *r, uint32_t i) {
    const run_state *s = &r->states[i];
    uint64_t h = s->can_end;
    for (uint32_t k = 0; k < s->n; k++) {
        const run_way w = r->ways[s->first + k];
        h = mix(h, (uint64_t)w.node << 32 | w.frame);
    }
    return h;
}

static ar_status find_frame(grammar_run *r, run_frame f, uint32_t *out,
                            ar_error *err) {
    if (r->n_frames == MAX_FRAMES) return is_full(err);
    if (!gram_reserve((void **)&r->frames, &r->frames_capacity, r->n_frames + 1,
                      sizeof *r->frames) ||
        !table_reserve(r, &r->frame_table, frame_hash))
        return no_memory(err);
    run_table *t = &r->frame_table;
    const uint32_t fresh = (uint32_t)r->n_frames;
    r->frames[fresh] = f;
    size_t i = (size_t)frame_hash(r, fresh) & (t->n - 1);
    for (; t->slots[i]; i = (i + 1) & (t->n - 1)) {
        const run_frame *other = &r->frames[t->slots[i] - 1];
        if (other->node != f.node || other->parent != f.parent) continue;
        *out = t->slots[i] - 1;
        return AR_OK;
    }
    t->slots[i] = fresh + 1;
    t->used++;
    r->n_frames++;
    *out = fresh;
    return AR_OK;
}

/* ---- from seeds to a state ---- */

/* Of a way and of the step that saw it: 21 bits, 20 bits, the rest; a slot of
 * another step is free. */
static uint64_t seen_key(const grammar_run *r, run_way w) {
    return (uint64_t)r->stamp << 41 | (uint64_t)w.node << 20 | w.frame;
}
static bool is_seen(const grammar_run *r, uint64_t key) {
    return key >> 41 == r->stamp;
}

static bool grow_seen(grammar_run *r) {
    const size_t n = r->seen_size ? r->seen_size * 2 : 256;
    uint64_t *seen = mem_new(uint64_t, n);
    if (!seen) return false;
    for (size_t i = 0; i < r->seen_size; i++) {
        if (!is_seen(r, r->seen[i])) continue;
        size_t k = (size_t)mix(0, r->seen[i]) & (n - 1);
        while (seen[k]) k = (k + 1) & (n - 1);
        seen[k] = r->seen[i];
    }
    mem_free(r->seen);
    r->seen = seen;
    r->seen_size = n;
    return true;
}

/* Go on from a way, unless that is done already. */
static ar_status visit(grammar_run *r, run_way w, ar_error *err) {
    const uint64_t key = seen_key(r, w);
    if (r->n_seen * 2 >= r->seen_size && !grow_seen(r)) return no_memory(err);
    size_t i = (size_t)mix(0, key) & (r->seen_size - 1);
    for (; is_seen(r, r->seen[i]); i = (i + 1) & (r->seen_size - 1))
        if (r->seen[i] == key) return AR_OK;
    if (r->n_seen == MAX_SEEN)
        return error_set(err, AR_RANGE,
                         "the grammar is too ambiguous: there are more than "
                         "%d ways to read the text so far",
                         MAX_SEEN);
    r->seen[i] = key;
    r->n_seen++;
    if (!gram_reserve((void **)&r->todo, &r->todo_capacity, r->n_todo + 1,
                      sizeof *r->todo))
        return no_memory(err);
    r->todo[r->n_todo++] = w;
    return AR_OK;
}

static ar_status find_way(grammar_run *r, run_way w, ar_error *err) {
    if (r->n_found == MAX_WAYS)
        return error_set(err, AR_RANGE,
                         "the grammar is too ambiguous: there are more than "
                         "%d ways to go on from the text so far",
                         MAX_WAYS);
    if (!gram_reserve((void **)&r->found, &r->found_capacity, r->n_found + 1,
                      sizeof *r->found))
        return no_memory(err);
    r->found[r->n_found++] = w;
    return AR_OK;
}

static ar_status call(grammar_run *r, const gram_node *n, uint32_t frame,
                      ar_error *err) {
    uint32_t inner = frame;
    if (r->g->nodes[n->next].kind != NODE_RETURN)
        TRY(find_frame(r, (run_frame){n->next, frame}, &inner, err));
    return visit(r, (run_way){r->g->starts[n->arg], inner}, err);
}

/* Follow all that takes no byte from what is in `todo`. */
static ar_status close_ways(grammar_run *r, bool *can_end, ar_error *err) {
    while (r->n_todo) {
        const run_way w = r->todo[--r->n_todo];
        const gram_node *n = &r->g->nodes[w.node];
        switch (n->kind) {
        case NODE_BYTES: TRY(find_way(r, w, err)); break;
        case NODE_SPLIT:
            TRY(visit(r, (run_way){n->next, w.frame}, err));
            TRY(visit(r, (run_way){n->arg, w.frame}, err));
            break;
        case NODE_CALL: TRY(call(r, n, w.frame, err)); break;
        default:
            if (w.frame == BOTTOM) {
                *can_end = true;
                break;
            }
            TRY(visit(
                r,
                (run_way){r->frames[w.frame].node, r->frames[w.frame].parent},
                err));
        }
    }
    return AR_OK;
}

static int compare_ways(const void *a, const void *b) {
    const run_way *x = a, *y = b;
    if (x->node != y->node) return x->node < y->node ? -1 : 1;
    return x->frame < y->frame ? -1 : x->frame > y->frame;
}

/* The number of the state that has the ways found. */
static ar_status find_state(grammar_run *r, bool can_end, grammar_state *out,
                            ar_error *err) {
    const size_t n = r->n_found, classes = (size_t)r->g->n_classes;
    const uint32_t fresh = (uint32_t)r->n_states;
    if (r->n_states == MAX_STATES || r->n_ways + n > MAX_ALL_WAYS)
        return is_full(err);
    if (!gram_reserve((void **)&r->ways, &r->ways_capacity, r->n_ways + n,
                      sizeof *r->ways) ||
        !gram_reserve((void **)&r->states, &r->states_capacity, r->n_states + 1,
                      sizeof *r->states) ||
        !gram_reserve((void **)&r->rows, &r->rows_capacity,
                      (r->n_states + 1) * classes, sizeof *r->rows) ||
        !table_reserve(r, &r->state_table, state_hash))
        return no_memory(err);
    if (n) {
        qsort(r->found, n, sizeof *r->found, compare_ways);
        memcpy(r->ways + r->n_ways, r->found, n * sizeof *r->ways);
    }
    r->states[fresh] = (run_state){(uint32_t)r->n_ways, (uint32_t)n, can_end};
    run_table *t = &r->state_table;
    size_t i = (size_t)state_hash(r, fresh) & (t->n - 1);
    for (; t->slots[i]; i = (i + 1) & (t->n - 1)) {
        const run_state *s = &r->states[t->slots[i] - 1];
        if (s->n != n || s->can_end != can_end ||
            (n && memcmp(r->ways + s->first, r->ways + r->n_ways,
                         n * sizeof *r->ways) != 0))
            continue;
        *out = t->slots[i] - 1;
        return AR_OK;
    }
    t->slots[i] = fresh + 1;
    t->used++;
    r->n_ways += n;
    r->n_states++;
    memset(r->rows + fresh * classes, 0xFF, classes * sizeof *r->rows);
    *out = fresh;
    return AR_OK;
}

static void forget_scratch(grammar_run *r) {
    if (++r->stamp == LAST_STAMP) {
        if (r->seen) memset(r->seen, 0, r->seen_size * sizeof *r->seen);
        r->stamp = 1;
    }
    r->n_seen = r->n_todo = r->n_found = 0;
}

ar_status grammar_run_start(grammar_run *r, grammar_state *out, ar_error *err) {
    bool can_end = false;
    forget_scratch(r);
    TRY(visit(r, (run_way){r->g->root, BOTTOM}, err));
    TRY(close_ways(r, &can_end, err));
    return find_state(r, can_end, out, err);
}

static ar_status step(grammar_run *r, grammar_state s, uint8_t byte,
                      grammar_state *out, ar_error *err) {
    const run_state from = r->states[s];
    bool can_end = false;
    forget_scratch(r);
    for (uint32_t i = 0; i < from.n; i++) {
        const run_way w = r->ways[from.first + i];
        const gram_node *n = &r->g->nodes[w.node];
        if (byte_set_has(&r->g->sets[n->arg], byte))
            TRY(visit(r, (run_way){n->next, w.frame}, err));
    }
    TRY(close_ways(r, &can_end, err));
    return find_state(r, can_end, out, err);
}

ar_status grammar_run_step(grammar_run *r, grammar_state s, uint8_t byte,
                           grammar_state *out, ar_error *err) {
    const size_t at = s * (size_t)r->g->n_classes + r->g->class_of[byte];
    if (r->rows[at] == GRAMMAR_UNKNOWN) {
        grammar_state next;
        TRY(step(r, s, byte, &next, err));
        r->rows[at] = next;
    }
    *out = r->rows[at];
    return AR_OK;
}

bool grammar_run_can_end(const grammar_run *r, grammar_state s) {
    return r->states[s].can_end;
}
bool grammar_run_can_go_on(const grammar_run *r, grammar_state s) {
    return r->states[s].n > 0;
}

/* ---- opening, trimming ---- */

/* The state without a way is the first: GRAMMAR_DEAD. */
static ar_status add_dead(grammar_run *r, ar_error *err) {
    grammar_state dead;
    forget_scratch(r);
    return find_state(r, false, &dead, err);
}

ar_status grammar_run_open(grammar_run **out, const ar_grammar *g,
                           ar_error *err) {
    *out = NULL;
    grammar_run *r = mem_new(grammar_run, 1);
    if (!r) return no_memory(err);
    r->g = g;
    r->n_frames = 1; /* BOTTOM */
    const ar_status s = add_dead(r, err);
    if (s != AR_OK) {
        grammar_run_close(r);
        return s;
    }
    *out = r;
    return AR_OK;
}

void grammar_run_close(grammar_run *r) {
    if (!r) return;
    mem_free(r->states);
    mem_free(r->rows);
    mem_free(r->ways);
    mem_free(r->frames);
    mem_free(r->state_table.slots);
    mem_free(r->frame_table.slots);
    mem_free(r->todo);
    mem_free(r->found);
    mem_free(r->seen);
    mem_free(r);
}

bool grammar_run_is_large(const grammar_run *r) {
    return r->n_states > ROOM_STATES || r->n_ways > ROOM_WAYS ||
           r->n_frames > ROOM_FRAMES;
}

/* Copy the frames that a state needs; kept [n_frames of from], zero, gets
 * their numbers in `to`. */
static ar_status copy_frames(grammar_run *to, const grammar_run *from,
                             const run_state *s, uint32_t *kept,
                             ar_error *err) {
    for (uint32_t i = 0; i < s->n; i++) {
        uint32_t f = from->ways[s->first + i].frame;
        for (; f != BOTTOM && !kept[f]; f = from->frames[f].parent) kept[f] = 1;
    }
    /* a parent is older than its children */
    for (uint32_t i = 1; i < from->n_frames; i++) {
        if (!kept[i]) continue;
        run_frame f = from->frames[i];
        if (f.parent != BOTTOM) f.parent = kept[f.parent];
        TRY(find_frame(to, f, &kept[i], err));
    }
    return AR_OK;
}

ar_status grammar_run_trim(grammar_run *r, grammar_state *s, ar_error *err) {
    grammar_run *to;
    grammar_state at = GRAMMAR_DEAD;
    const run_state *from = &r->states[*s];
    TRY(grammar_run_open(&to, r->g, err));
    uint32_t *kept = mem_new(uint32_t, r->n_frames);
    ar_status status =
        kept ? copy_frames(to, r, from, kept, err) : no_memory(err);
    forget_scratch(to);
    for (uint32_t i = 0; i < from->n && status == AR_OK; i++) {
        run_way w = r->ways[from->first + i];
        if (w.frame != BOTTOM) w.frame = kept[w.frame];
        status = find_way(to, w, err);
    }
    if (status == AR_OK) status = find_state(to, from->can_end, &at, err);
    mem_free(kept);
    if (status == AR_OK) {
        const grammar_run old = *r;
        *r = *to;
        *to = old;
        *s = at;
    }
    grammar_run_close(to);
    return status;
}
