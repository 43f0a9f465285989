/* ane_lower.c - the nodes of a graph, one after the other, into a program. */
#include "backend/ane/ane_lower_int.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "backend/ane/mil_int.h"
#include "base/error.h"
#include "base/mem.h"

struct ane_lowered {
    mil_program *program;
    mil_blob_writer *blob;
    arena mem;
    ane_port *ports[2];
    int n_ports[2];
};

mil_ref ane_fail(lower *l, ar_status code, const char *fmt, ...) {
    if (l->status) return 0;
    l->status = code;
    l->err.code = code;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(l->err.message, sizeof l->err.message, fmt, ap);
    va_end(ap);
    return 0;
}

/* ---- the nodes ---- */

static ane_lowering *const lowerings[OP_COUNT] = {
#define ANE_OP(op, lowering, check) [OP_##op] = lowering,
#include "backend/ane/ane_ops.def"
#undef ANE_OP
};

static bool is_leaf(const node *n) {
    return (op_table[n->op].flags & OP_LEAF) != 0;
}

static bool is_inside(const lower *l, uint32_t i) {
    return (!l->in || l->in[i]) && !is_leaf(&l->g->nodes[i]);
}

static void lower_node(lower *l, uint32_t i) {
    const node *n = &l->g->nodes[i];
    const char *why = NULL;
    char s[SHAPE_TEXT];
    if (op_table[n->op].flags & OP_VIEW && ane_is_constant(l, ref_make(i, 0)))
        return; /* made where it is used */
    if (!ane_supports(l->g, n, &why))
        ane_fail(l, AR_UNSUPPORTED, "node %u, %s %s: %s", i,
                 op_table[n->op].name, shape_text(&n->out[0].shape, s), why);
    else
        lowerings[n->op](l, n, ref_make(i, 0));
}

/* What nodes outside read of this node. */
static void find_outputs(lower *l, bool *read) {
    for (uint32_t i = 1; i < l->g->n_nodes; i++) {
        const node *n = &l->g->nodes[i];
        for (int k = 0; l->in && !l->in[i] && k < n->n_in; k++)
            if (n->in[k] && is_inside(l, ref_node(n->in[k])))
                read[n->in[k]] = true;
    }
}

static void lower_nodes(lower *l) {
    const size_t n_refs = (size_t)l->g->n_nodes * MAX_OUTPUTS;
    l->entry = arena_new(&l->mem, ane_entry, n_refs);
    bool *read = arena_new(&l->mem, bool, n_refs);
    if (!l->entry || !read) {
        ane_fail(l, AR_NOMEM, "out of memory for a graph");
        return;
    }
    find_outputs(l, read);
    for (uint32_t i = 1; i < l->g->n_nodes && !ANE_FAILED(l); i++) {
        if (!is_inside(l, i)) continue;
        lower_node(l, i);
        const bool effect = op_table[l->g->nodes[i].op].flags & OP_EFFECT;
        for (int k = 0; k < l->g->nodes[i].n_out && !effect; k++)
            if (read[ref_make(i, k)] && !ANE_FAILED(l))
                ane_output(l, ref_make(i, k), 0);
    }
    if (!ANE_FAILED(l) && l->n_ports[1] == 0)
        ane_fail(l, AR_UNSUPPORTED, "nothing is read of these nodes");
}

/* ---- a program ---- */

static ar_status give(lower *l, ane_lowered *p, ar_error *err) {
    TRY(mil_status(l->p, err));
    if (l->status) {
        if (err) *err = l->err;
        return l->status;
    }
    mil_func_end(l->p, l->port_ref[1], l->n_ports[1]);
    TRY(mil_status(l->p, err));
    TRY(ane_finish(l, &p->program, err));
    p->blob = l->blob;
    p->mem = l->mem;
    for (int i = 0; i < 2; i++) {
        p->ports[i] = l->ports[i];
        p->n_ports[i] = l->n_ports[i];
    }
    l->blob = NULL;
    arena_open(&l->mem, 64);
    return AR_OK;
}

ar_status ane_lower(const graph *g, const bool *in,
                    const ane_lower_options *opt, ane_lowered **out,
                    ar_error *err) {
    *out = NULL;
    TRY(graph_status(g, err));
    lower l = {.g = g, .in = in, .p = mil_open(), .blob = mil_blob_open()};
    ane_lowered *p = mem_new(ane_lowered, 1);
    arena_open(&l.mem, (size_t)1 << 16);
    if (opt) l.opt = *opt;
    if (l.opt.max_chunk <= 0) l.opt.max_chunk = ANE_MAX_EXTENT;
    ar_status s;
    if (!l.p || !l.blob || !p) {
        s = error_set(err, AR_NOMEM, "out of memory for a program");
    } else {
        mil_func_begin(l.p, "main", "ios18");
        lower_nodes(&l);
        s = give(&l, p, err);
    }
    mil_close(l.p);
    if (l.blob) mil_blob_close(l.blob);
    arena_close(&l.mem);
    if (s == AR_OK)
        *out = p;
    else
        mem_free(p);
    return s;
}

void ane_lowered_close(ane_lowered *p) {
    if (!p) return;
    mil_close(p->program);
    mil_blob_close(p->blob);
    arena_close(&p->mem);
    mem_free(p);
}

const mil_program *ane_get_program(const ane_lowered *p) { return p->program; }

const ane_port *ane_inputs(const ane_lowered *p, int *n) {
    *n = p->n_ports[0];
    return p->ports[0];
}

const ane_port *ane_outputs(const ane_lowered *p, int *n) {
    *n = p->n_ports[1];
    return p->ports[1];
}

ar_status ane_weight_file(ane_lowered *p, const void **data, size_t *size,
                          ar_error *err) {
    return mil_blob_finish(p->blob, data, size, err);
}
