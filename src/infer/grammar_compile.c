/* grammar_compile.c - from rules to nodes on bytes.
 *
 * Sequences are built from their end.  A class that has characters of several
 * bytes is a rule of its own, so that repeating it costs two nodes. */
#include "base/error.h"
#include "infer/grammar_int.h"
#include "tok/utf8.h"

enum { MAX_NODES = 1 << 21, MAX_SETS = 1 << 14, SET_SLOTS = 1 << 15, END = 0 };

typedef struct compiler {
    ar_grammar *g;
    const gram_source *s;
    uint32_t *class_start; /* [n_classes] node, 0 = not yet */
    uint16_t *set_slots;   /* [SET_SLOTS] set + 1 */
    ar_status status;      /* the first failure */
    ar_error *err;
} compiler;

static uint32_t fail(compiler *c, ar_status code, const char *what) {
    if (c->status == AR_OK)
        c->status = error_set(c->err, code, "%.100s: %s", c->s->name, what);
    return END;
}

static uint32_t add_node(compiler *c, node_kind kind, uint32_t arg,
                         uint32_t next) {
    ar_grammar *g = c->g;
    if (c->status != AR_OK) return END;
    if (g->n_nodes == MAX_NODES)
        return fail(c, AR_RANGE,
                    "the grammar is too large: its repetitions make more than "
                    "2097152 places");
    if (!gram_reserve((void **)&g->nodes, &g->nodes_capacity, g->n_nodes + 1,
                      sizeof *g->nodes))
        return fail(c, AR_NOMEM, "no memory for a grammar");
    g->nodes[g->n_nodes] = (gram_node){kind, arg, next};
    return (uint32_t)g->n_nodes++;
}

/* ---- bytes ---- */

static void set_add(byte_set *s, unsigned low, unsigned high) {
    for (unsigned b = low; b <= high; b++)
        s->bits[b >> 6] |= (uint64_t)1 << (b & 63);
}

static uint32_t find_set(compiler *c, const byte_set *set) {
    ar_grammar *g = c->g;
    uint64_t hash = 0;
    for (int i = 0; i < 4; i++)
        hash = (hash ^ set->bits[i]) * 0x9E3779B97F4A7C15u;
    size_t i = (size_t)(hash >> 40) & (SET_SLOTS - 1);
    for (; c->set_slots[i]; i = (i + 1) & (SET_SLOTS - 1)) {
        const uint32_t at = c->set_slots[i] - 1u;
        if (!memcmp(&g->sets[at], set, sizeof *set)) return at;
    }
    if (g->n_sets == MAX_SETS)
        return fail(c, AR_RANGE, "the grammar has too many classes");
    if (!gram_reserve((void **)&g->sets, &g->sets_capacity, g->n_sets + 1,
                      sizeof *g->sets))
        return fail(c, AR_NOMEM, "no memory for a grammar");
    g->sets[g->n_sets] = *set;
    c->set_slots[i] = (uint16_t)(g->n_sets + 1);
    return (uint32_t)g->n_sets++;
}

static uint32_t bytes_node(compiler *c, unsigned low, unsigned high,
                           uint32_t next) {
    byte_set set = {{0}};
    set_add(&set, low, high);
    const uint32_t at = find_set(c, &set);
    return add_node(c, NODE_BYTES, at, next);
}

/* ---- characters of several bytes ---- */

/* Code points whose n bytes vary each on its own, from low to high. */
static uint32_t sequence_node(compiler *c, uint32_t low, uint32_t high) {
    char a[4], b[4];
    const int n = utf8_encode(low, a);
    utf8_encode(high, b);
    uint32_t node = END;
    for (int i = n - 1; i >= 0; i--)
        node = bytes_node(c, (unsigned char)a[i], (unsigned char)b[i], node);
    return node;
}

/* The most of low.. up to high that is one sequence: all have as many bytes,
 * and below the first byte that differs they run over everything. */
static uint32_t sequence_end(uint32_t low, uint32_t high) {
    static const uint32_t ends[] = {0x7F, 0x7FF, 0xD7FF, 0xFFFF, 0x10FFFF};
    int k = 0;
    while (low > ends[k]) k++;
    if (high > ends[k]) high = ends[k];
    for (int bits = 18; bits >= 6; bits -= 6) {
        const uint32_t part = (UINT32_C(1) << bits) - 1;
        if ((low & ~part) == (high & ~part)) continue; /* one leading part */
        if (low & part) high = low | part;
        if ((high & part) != part) high = (high & ~part) - 1;
    }
    return high;
}

/* Ranges above ASCII, one choice after the other; `other` is the last. */
static uint32_t wide_nodes(compiler *c, const gram_class *class,
                           uint32_t other) {
    for (int i = class->n - 1; i >= 0; i--) {
        uint32_t low = class->ranges[i].low;
        const uint32_t high = class->ranges[i].high;
        if (low < 0x80) low = 0x80;
        while (low <= high && c->status == AR_OK) {
            if (low >= 0xD800 && low <= 0xDFFF) low = 0xE000; /* surrogates */
            if (low > high) break;
            const uint32_t end = sequence_end(low, high);
            const uint32_t node = sequence_node(c, low, end);
            other = other == END ? node : add_node(c, NODE_SPLIT, other, node);
            low = end + 1;
        }
    }
    return other;
}

static bool is_ascii(const gram_class *class) {
    return class->ranges[class->n - 1].high < 0x80;
}

static byte_set ascii_of(const gram_class *class) {
    byte_set set = {{0}};
    for (int i = 0; i < class->n; i++) {
        const code_range r = class->ranges[i];
        if (r.low < 0x80) set_add(&set, r.low, r.high < 0x80 ? r.high : 0x7F);
    }
    return set;
}

/* A rule of the class, behind those of the source. */
static uint32_t class_rule(compiler *c, int32_t number) {
    const gram_class *class = &c->s->classes[number];
    const uint32_t rule = (uint32_t)(c->s->n_rules + (size_t)number);
    if (c->class_start[number]) return rule;
    const byte_set ascii = ascii_of(class);
    uint32_t node = END;
    if (ascii.bits[0] | ascii.bits[1]) {
        const uint32_t at = find_set(c, &ascii);
        node = add_node(c, NODE_BYTES, at, END);
    }
    node = wide_nodes(c, class, node);
    if (node == END) fail(c, AR_FORMAT, "a class has only surrogates");
    c->class_start[number] = node;
    c->g->starts[rule] = node;
    return rule;
}

/* ---- items ---- */

static uint32_t once(compiler *c, const gram_item *i, uint32_t next) {
    if (i->kind == ITEM_RULE)
        return add_node(c, NODE_CALL, (uint32_t)i->arg, next);
    if (i->kind == ITEM_CLASS) {
        const gram_class *class = &c->s->classes[i->arg];
        if (!is_ascii(class))
            return add_node(c, NODE_CALL, class_rule(c, i->arg), next);
        const byte_set set = ascii_of(class);
        const uint32_t at = find_set(c, &set);
        return add_node(c, NODE_BYTES, at, next);
    }
    for (size_t k = i->size; k > 0; k--) {
        const unsigned byte = (unsigned char)i->text[k - 1];
        next = bytes_node(c, byte, byte, next);
    }
    return next;
}

static uint32_t item_nodes(compiler *c, const gram_item *i, uint32_t after) {
    uint32_t next = after;
    if (i->max == GRAMMAR_UNLIMITED) {
        next = add_node(c, NODE_SPLIT, after, END);
        const uint32_t body = once(c, i, next);
        if (c->status == AR_OK) c->g->nodes[next].next = body;
    } else {
        for (int32_t k = i->min; k < i->max && c->status == AR_OK; k++) {
            const uint32_t body = once(c, i, next);
            next = add_node(c, NODE_SPLIT, after, body);
        }
    }
    for (int32_t k = 0; k < i->min && c->status == AR_OK; k++)
        next = once(c, i, next);
    return next;
}

static uint32_t rule_nodes(compiler *c, const gram_rule *r) {
    uint32_t start = END;
    for (const gram_alt *a = r->alts; a; a = a->next) {
        uint32_t node = END;
        for (const gram_item *i = a->last; i; i = i->prev)
            node = item_nodes(c, i, node);
        start = a == r->alts ? node : add_node(c, NODE_SPLIT, start, node);
    }
    return start;
}

/* Bytes that are in the same sets behave the same. */
static void make_classes(ar_grammar *g) {
    int n = 1;
    memset(g->class_of, 0, sizeof g->class_of);
    for (size_t s = 0; s < g->n_sets && n < 256; s++) {
        int16_t to[256];
        bool has_out[256] = {false};
        for (int b = 0; b < 256; b++)
            if (!byte_set_has(&g->sets[s], (unsigned)b))
                has_out[g->class_of[b]] = true;
        memset(to, -1, sizeof to);
        for (int b = 0; b < 256; b++) {
            const int old = g->class_of[b];
            if (!byte_set_has(&g->sets[s], (unsigned)b) || !has_out[old])
                continue;
            if (to[old] < 0) to[old] = (int16_t)n++;
            g->class_of[b] = (uint8_t)to[old];
        }
    }
    for (int b = 255; b >= 0; b--) g->byte_of[g->class_of[b]] = (uint8_t)b;
    g->n_classes = n;
}

static void compile_all(compiler *c) {
    ar_grammar *g = c->g;
    add_node(c, NODE_RETURN, 0, END); /* END */
    for (size_t i = 0; i < c->s->n_rules && c->status == AR_OK; i++)
        g->starts[i] = rule_nodes(c, c->s->rules[i]);
    g->root = g->starts[c->s->root];
    make_classes(g);
}

ar_status grammar_compile(ar_grammar *out, const gram_source *s,
                          ar_error *err) {
    compiler c = {.g = out, .s = s, .err = err};
    out->n_starts = s->n_rules + s->n_classes;
    out->starts = mem_new(uint32_t, out->n_starts);
    c.class_start = mem_new(uint32_t, s->n_classes);
    c.set_slots = mem_new(uint16_t, SET_SLOTS);
    if (out->starts && c.class_start && c.set_slots)
        compile_all(&c);
    else
        fail(&c, AR_NOMEM, "no memory for a grammar");
    mem_free(c.class_start);
    mem_free(c.set_slots);
    return c.status;
}
