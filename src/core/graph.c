/* graph.c - the array of nodes and the general builder. */
#include "core/graph.h"
#include "core/infer_rules.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "core/build.h"
#include "core/op_rules.h"

enum { MAX_NODES = 1 << 24, FIRST_CAPACITY = 64 };

void graph_open(graph *g) {
    *g = (graph){.n_nodes = 1, .open_region = -1};
    arena_open(&g->mem, (size_t)1 << 14);
}

void graph_close(graph *g) {
    mem_free(g->nodes);
    mem_free(g->stale);
    mem_free(g->regions);
    mem_free(g->consts);
    arena_close(&g->mem);
    *g = (graph){.n_nodes = 1, .open_region = -1};
}

ar_status graph_status(const graph *g, ar_error *err) {
    if (g->error.code && err) *err = g->error;
    return g->error.code;
}

ref graph_fail(graph *g, ar_status code, const char *fmt, ...) {
    if (g->error.code) return 0;
    g->error.code = code;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(g->error.message, sizeof g->error.message, fmt, ap);
    va_end(ap);
    return 0;
}

const node *graph_node(const graph *g, ref r) {
    const uint32_t i = ref_node(r);
    return i && i < g->n_nodes ? &g->nodes[i] : NULL;
}

const value *graph_value(const graph *g, ref r) {
    const node *n = graph_node(g, r);
    return n && ref_out(r) < n->n_out ? &n->out[ref_out(r)] : NULL;
}

shape graph_shape(const graph *g, ref r) {
    const value *v = graph_value(g, r);
    return v ? v->shape : (shape){0};
}

ar_type graph_type(const graph *g, ref r) {
    const value *v = graph_value(g, r);
    return v ? v->type : AR_NONE;
}

ref graph_output(const graph *g, ref r, int i) {
    const node *n = graph_node(g, r);
    return n && i >= 0 && i < n->n_out ? ref_make(ref_node(r), i) : 0;
}

ref graph_version(const graph *g, ref r) {
    const node *n = graph_node(g, r);
    while (n && op_table[n->op].flags & OP_VIEW) {
        r = n->in[0];
        n = graph_node(g, r);
    }
    return r;
}

static bool reserve(graph *g) {
    if (g->n_nodes < g->capacity) return true;
    if (g->n_nodes >= MAX_NODES) {
        graph_fail(g, AR_RANGE, "a graph has at most %d nodes", MAX_NODES);
        return false;
    }
    const uint32_t old = g->capacity, now = old ? old * 2 : FIRST_CAPACITY;
    node *nodes = mem_realloc(g->nodes, now * sizeof *nodes);
    if (nodes) g->nodes = nodes;
    uint8_t *stale = nodes ? mem_realloc(g->stale, now * MAX_OUTPUTS) : NULL;
    if (!stale) {
        graph_fail(g, AR_NOMEM, "out of memory for a graph of %u nodes", now);
        return false;
    }
    g->stale = stale;
    g->capacity = now;
    memset(stale + old * MAX_OUTPUTS, 0, (now - old) * MAX_OUTPUTS);
    if (!old) memset(nodes, 0, sizeof *nodes);
    return true;
}

static bool check_input(graph *g, const node *n, int i) {
    const char *op = op_table[n->op].name;
    const ref r = n->in[i];
    if (!r) {
        if (op_input_optional(n->op, i)) return true;
        graph_fail(g, AR_RANGE, "%s: input %d is missing", op, i);
        return false;
    }
    if (!graph_value(g, r)) {
        graph_fail(g, AR_RANGE, "%s: input %d is not in this graph", op, i);
        return false;
    }
    if (g->stale[graph_version(g, r)]) {
        const node *leaf = graph_node(g, graph_value(g, r)->storage);
        graph_fail(g, AR_RANGE, "%s: reads a stale version of state \"%s\"", op,
                   leaf->name);
        return false;
    }
    return true;
}

static bool check_inputs(graph *g, node *n, int n_in) {
    const op_info *op = &op_table[n->op];
    while (n_in > op->min_in && n_in <= MAX_INPUTS && !n->in[n_in - 1]) n_in--;
    if (n_in < op->min_in || n_in > op->max_in) {
        graph_fail(g, AR_RANGE, "%s: has %d inputs, takes %d to %d", op->name,
                   n_in, op->min_in, op->max_in);
        return false;
    }
    n->n_in = (uint8_t)n_in;
    for (int i = 0; i < n_in; i++)
        if (!check_input(g, n, i)) return false;
    return true;
}

ref graph_append(graph *g, node *n) {
    const op_info *op = &op_table[n->op];
    if (g->error.code || !reserve(g)) return 0;
    ar_error err = {0};
    ar_status status = infer_check_blocks(g, n, &err);
    if (status == AR_OK) status = op->infer(g, n, &err);
    if (status) return graph_fail(g, status, "%s: %s", op->name, err.message);

    const uint32_t index = g->n_nodes++;
    for (int i = 0; i < n->n_out; i++)
        if (!n->out[i].storage) n->out[i].storage = ref_make(index, i);
    for (int i = 0; op->flags & OP_EFFECT && i < n->n_out; i++) {
        const int k = op_state_input(n->op, i);
        if (k >= 0) g->stale[graph_version(g, n->in[k])] = 1;
    }
    n->region = g->open_region;
    g->nodes[index] = *n;
    return ref_make(index, 0);
}

ref graph_op(graph *g, enum op_id op, const op_attr *attr, const ref *in,
             int n_in) {
    if (g->error.code) return 0;
    if ((unsigned)op >= OP_COUNT || op_table[op].flags & OP_LEAF)
        return graph_fail(g, AR_RANGE, "op %d is not one for graph_op", op);
    node n = {.op = op};
    if (attr) memcpy(&n.attr, attr, op_attr_size(op));
    for (int i = 0; i < n_in && i < MAX_INPUTS; i++) n.in[i] = in[i];
    return check_inputs(g, &n, n_in) ? graph_append(g, &n) : 0;
}

void graph_region_begin(graph *g, const char *name, int index) {
    if (g->error.code) return;
    if (g->open_region >= 0) {
        graph_fail(g, AR_RANGE, "region \"%s\" %d begins inside \"%s\" %d",
                   name, index, g->regions[g->open_region].name,
                   g->regions[g->open_region].index);
        return;
    }
    char *copy = arena_text(&g->mem, name, strlen(name));
    if (copy && g->n_regions == g->region_capacity) {
        const int32_t now = g->region_capacity ? g->region_capacity * 2 : 16;
        region *all = mem_realloc(g->regions, (size_t)now * sizeof *all);
        if (all)
            g->regions = all, g->region_capacity = now;
        else
            copy = NULL;
    }
    if (!copy) {
        graph_fail(g, AR_NOMEM, "out of memory for region \"%s\"", name);
        return;
    }
    g->regions[g->n_regions] = (region){copy, index, g->n_nodes, g->n_nodes};
    g->open_region = g->n_regions++;
}

void graph_region_end(graph *g) {
    if (g->error.code) return;
    if (g->open_region < 0) {
        graph_fail(g, AR_RANGE, "a region ends that was not begun");
        return;
    }
    g->regions[g->open_region].end = g->n_nodes;
    g->open_region = -1;
}
