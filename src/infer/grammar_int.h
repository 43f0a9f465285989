/* grammar_int.h - a grammar as it is parsed and as it is run; private to
 * grammar_*.c.
 *
 * Parsing makes rules of alternatives of items.  Compiling makes nodes out of
 * them, on bytes: a character of several bytes is a chain of nodes, so that a
 * text may stop anywhere inside it. */
#ifndef INFER_GRAMMAR_INT_H
#define INFER_GRAMMAR_INT_H

#include <string.h>

#include "base/arena.h"
#include "base/mem.h"
#include "infer/grammar.h"

/* ---- parsed ---- */

enum { GRAMMAR_UNLIMITED = -1, GRAMMAR_MAX_RULES = 1 << 17 };

typedef struct code_range {
    uint32_t low, high; /* code points */
} code_range;

typedef struct gram_class {
    code_range *ranges; /* [n] ascending, apart */
    int n;
} gram_class;

typedef enum gram_kind { ITEM_CLASS, ITEM_RULE, ITEM_TEXT } gram_kind;

typedef struct gram_alt gram_alt;
typedef struct gram_rule gram_rule;

typedef struct gram_item {
    struct gram_item *next, *prev;
    gram_kind kind;
    int32_t min, max; /* repeated; max may be GRAMMAR_UNLIMITED */
    int32_t arg;      /* number of a class or a rule */
    const char *text; /* [size] UTF-8 */
    size_t size;
    gram_alt *alt;               /* that it is in */
    struct gram_item *next_call; /* of the same rule, from anywhere */
} gram_item;

struct gram_alt {
    gram_alt *next;
    gram_item *first, *last;
    gram_rule *rule;
    int64_t pending; /* scratch of grammar_check */
};

struct gram_rule {
    const char *name; /* with a '\'' in it where the parser made it */
    gram_alt *alts, *last;
    gram_item *calls;
    int line, column; /* where it is defined, or first called */
    int32_t number;
    bool defined, nullable, ends;
};

typedef struct gram_source {
    const char *name; /* for errors */
    arena memory;
    gram_rule **rules; /* [n_rules] */
    size_t n_rules, rules_capacity;
    gram_class *classes; /* [n_classes] */
    size_t n_classes, classes_capacity;
    int32_t *slots; /* [n_slots] rule + 1 by name, a power of two */
    size_t n_slots;
    int32_t root;
} gram_source;

ar_status grammar_parse(gram_source *out, const char *source, size_t n,
                        ar_error *err);
void gram_source_close(gram_source *s);

/* Everything that must hold of all rules together; sets `nullable`. */
ar_status grammar_check(gram_source *s, ar_error *err);

/* ---- compiled ---- */

typedef enum node_kind {
    NODE_BYTES,  /* a byte of set `arg`, then next */
    NODE_SPLIT,  /* next or arg */
    NODE_CALL,   /* rule `arg`, then next */
    NODE_RETURN, /* the rule is over */
} node_kind;

typedef struct gram_node {
    uint32_t kind, arg, next;
} gram_node;

typedef struct byte_set {
    uint64_t bits[4];
} byte_set;

static inline bool byte_set_has(const byte_set *s, unsigned byte) {
    return s->bits[byte >> 6] >> (byte & 63) & 1;
}

struct ar_grammar {
    gram_node *nodes; /* [n_nodes]; the first is the one NODE_RETURN */
    size_t n_nodes, nodes_capacity;
    uint32_t *starts; /* [n_starts] first node of each rule */
    size_t n_starts;
    byte_set *sets; /* [n_sets] */
    size_t n_sets, sets_capacity;
    uint32_t root;         /* node */
    uint8_t class_of[256]; /* bytes that no set tells apart */
    uint8_t byte_of[256];  /* [n_classes] one byte of each */
    int n_classes;
};

ar_status grammar_compile(ar_grammar *out, const gram_source *s, ar_error *err);

/* Room for n elements in *p; false if there is none. */
static inline bool gram_reserve(void **p, size_t *capacity, size_t n,
                                size_t size) {
    if (n <= *capacity) return true;
    size_t more = *capacity ? *capacity * 2 : 64;
    if (more < n) more = n;
    void *q = mem_realloc(*p, more * size);
    if (!q) return false;
    *p = q;
    *capacity = more;
    return true;
}

/* ---- run ---- */

enum { GRAMMAR_UNKNOWN = UINT32_MAX };

/* One way to read a text: a node, and what follows when its rule is over. */
typedef struct run_way {
    uint32_t node, frame;
} run_way;

typedef struct run_frame {
    uint32_t node;   /* to go on with */
    uint32_t parent; /* 0 = the root's end */
} run_frame;

typedef struct run_state {
    uint32_t first, n; /* ways; they stand at NODE_BYTES */
    bool can_end;
} run_state;

typedef struct run_table {
    uint32_t *slots; /* [n] number + 1 by hash, a power of two */
    size_t n, used;
} run_table;

struct grammar_run {
    const ar_grammar *g;
    run_state *states; /* [n_states]; 0 is dead */
    size_t n_states, states_capacity;
    uint32_t *rows; /* [n_states, n_classes] next state, or GRAMMAR_UNKNOWN */
    size_t rows_capacity;
    run_way *ways; /* [n_ways] of all states */
    size_t n_ways, ways_capacity;
    run_frame *frames; /* [n_frames]; 0 is unused */
    size_t n_frames, frames_capacity;
    run_table state_table, frame_table;
    /* scratch of one step */
    run_way *todo;
    size_t n_todo, todo_capacity;
    run_way *found;
    size_t n_found, found_capacity;
    uint64_t *seen; /* [seen_size] */
    size_t n_seen, seen_size;
    uint32_t stamp; /* of the step */
};

#endif
