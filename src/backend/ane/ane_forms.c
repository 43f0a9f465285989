/* ane_forms.c - the forms that a graph's value has in a program, and how it
 * crosses the border. */
#include <stdio.h>
#include <string.h>

#include "backend/ane/ane_lower_int.h"
#include "backend/ane/mil_int.h"
#include "base/mem.h"
#include "quant/quant.h"

/* ---- sizes ---- */

static int64_t product(const shape *s, int from, int to) {
    int64_t n = 1;
    for (int i = from < 0 ? 0 : from; i < to; i++) n *= s->dim[i];
    return n;
}

ane_dims ane_form_dims(const shape *s, enum ane_form f) {
    const int r = s->rank;
    ane_dims d = {4, {1, 1, 1, 1}};
    if (f == CHANNEL) {
        d.dim[1] = shape_last(s);
        d.dim[3] = product(s, 0, r - 1);
    } else if (f == MERGED) {
        d.dim[1] = product(s, r - 2, r);
        d.dim[3] = product(s, 0, r - 2);
    } else if (f == HEADS) {
        d.dim[0] = product(s, 0, r - 3);
        d.dim[1] = s->dim[r - 2];
        d.dim[2] = s->dim[r - 1];
        d.dim[3] = s->dim[r - 3];
    } else {
        d.rank = r ? r : 1;
        memcpy(d.dim, s->dim, sizeof s->dim[0] * (size_t)r);
    }
    return d;
}

static mil_type form_type(const ane_dims *d) {
    return mil_tensor(MIL_FP16, d->rank, d->dim);
}

/* ---- constants ---- */

static const void *leaf_bytes(const lower *l, ref leaf) {
    const node *n = graph_node(l->g, leaf);
    if (n->op == OP_CONST) return n->attr.data.data;
    if (n->op != OP_PARAM || !l->opt.weight) return NULL;
    return l->opt.weight(l->opt.context, l->g, leaf);
}

bool ane_is_constant(const lower *l, ref r) {
    return leaf_bytes(l, graph_value(l->g, r)->storage) != NULL;
}

/* The elements that v has in the decoded leaf, row major. */
static void gather(const value *v, const float *leaf, uint16_t *out) {
    int64_t at[MAX_DIMS] = {0};
    const int64_t n = shape_count(&v->shape);
    int64_t from = v->offset;
    for (int64_t i = 0; i < n; i++) {
        out[i] = f32_to_f16(leaf[from]);
        for (int k = v->shape.rank - 1; k >= 0; k--) {
            from += v->stride[k];
            if (++at[k] < v->shape.dim[k]) break;
            from -= v->stride[k] * at[k];
            at[k] = 0;
        }
    }
}

static const uint16_t *elements(lower *l, const value *v) {
    const value *leaf = graph_value(l->g, v->storage);
    const int64_t all = shape_count(&leaf->shape);
    const int64_t n = shape_count(&v->shape);
    uint16_t *out = arena_new(&l->mem, uint16_t, n);
    float *x = mem_new(float, all);
    const bool got = x && out;
    if (!got)
        ane_fail(l, AR_NOMEM, "out of memory for constants");
    else if (!type_decode_f32(leaf->type, leaf_bytes(l, v->storage), x, all))
        ane_fail(l, AR_UNSUPPORTED, "constants of type %s",
                 ar_type_name(leaf->type));
    else
        gather(v, x, out);
    mem_free(x);
    return ANE_FAILED(l) ? NULL : out;
}

const uint16_t *ane_elements(lower *l, ref r) {
    return elements(l, graph_value(l->g, r));
}

/* A value that repeats over all rows or all channels is stored once. */
static value unrepeated(const value *v) {
    value u = *v;
    const int last = v->shape.rank - 1;
    bool rows = true;
    for (int i = 0; i < last; i++)
        rows &= v->shape.dim[i] == 1 || v->stride[i] == 0;
    for (int i = 0; rows && i < last; i++) u.shape.dim[i] = 1;
    if (last >= 0 && v->stride[last] == 0) u.shape.dim[last] = 1;
    return u;
}

/* [.., N, C] as channels first: turned in memory, not in the program. */
static mil_ref constant(lower *l, ref r, enum ane_form f) {
    value v = *graph_value(l->g, r);
    if (f == CHANNEL) v = unrepeated(&v);
    const ane_dims d = ane_form_dims(&v.shape, f);
    const uint16_t *x = elements(l, &v);
    if (!x || f == PLAIN) return ane_const(l, form_type(&d), x);
    const int64_t n = d.dim[3], c = d.dim[1] * d.dim[2];
    uint16_t *y = arena_new(&l->mem, uint16_t, d.dim[0] * n * c);
    if (!y) return ane_fail(l, AR_NOMEM, "out of memory for constants");
    for (int64_t b = 0; b < d.dim[0]; b++)
        for (int64_t i = 0; i < n; i++)
            for (int64_t k = 0; k < c; k++)
                y[(b * c + k) * n + i] = x[(b * n + i) * c + k];
    return ane_const(l, form_type(&d), y);
}

/* ---- the border ---- */

static ane_port *new_port(lower *l, int side, mil_ref x) {
    const int n = l->n_ports[side];
    if (n == l->capacity[side]) {
        const int to = n ? 2 * n : 16;
        ane_port *ports = arena_new(&l->mem, ane_port, to);
        mil_ref *refs = arena_new(&l->mem, mil_ref, to);
        if (!ports || !refs) {
            ane_fail(l, AR_NOMEM, "out of memory for %d ports", to);
            return NULL;
        }
        if (n) {
            memcpy(ports, l->ports[side], (size_t)n * sizeof *ports);
            memcpy(refs, l->port_ref[side], (size_t)n * sizeof *refs);
        }
        l->ports[side] = ports;
        l->port_ref[side] = refs;
        l->capacity[side] = to;
    }
    l->port_ref[side][n] = x;
    l->n_ports[side]++;
    return &l->ports[side][n];
}

mil_ref ane_input(lower *l, ref r, enum ane_port_kind kind, int64_t channels,
                  int64_t positions, int channel_dims) {
    for (int i = 0; i < l->n_ports[0]; i++)
        if (l->ports[0][i].value == r && l->ports[0][i].kind == kind &&
            l->ports[0][i].channel_dims == channel_dims)
            return l->port_ref[0][i];
    const int64_t dim[] = {1, channels, 1, positions};
    const mil_type t = mil_tensor(MIL_FP16, 4, dim);
    char name[24];
    snprintf(name, sizeof name, "p%d", l->n_ports[0]);
    /* not mil_param: this draft has them where they are met */
    const mil_ref x =
        ANE_FAILED(l) ? 0 : mil_add_param(l->p, name, strlen(name), &t);
    ane_port *p = x ? new_port(l, 0, x) : NULL;
    if (!p) return 0;
    *p = (ane_port){
        .kind = kind, .value = r, .type = t, .channel_dims = channel_dims};
    return x;
}

/* [B, H, D, N] to and from [1, H D, 1, B N]. */
static mil_ref heads_to_border(lower *l, mil_ref x, const ane_dims *d) {
    x = ane_transpose4(l, x, 1, 2, 0, 3);
    return ane_reshape4(l, x, 1, d->dim[1] * d->dim[2], 1,
                        d->dim[0] * d->dim[3]);
}

static mil_ref heads_of_border(lower *l, mil_ref x, const ane_dims *d) {
    x = ane_reshape4(l, x, d->dim[1], d->dim[2], d->dim[0], d->dim[3]);
    return ane_transpose4(l, x, 2, 0, 1, 3);
}

static mil_ref read_leaf(lower *l, ref r, bool heads) {
    const enum ane_form f = heads ? MERGED : CHANNEL;
    const ane_dims d = ane_form_dims(&graph_value(l->g, r)->shape, f);
    return l->entry[r].form[f] =
               ane_input(l, r, ANE_VALUE, d.dim[1], d.dim[3], heads ? 2 : 1);
}

static void put_output(lower *l, mil_ref x, ane_port as) {
    ane_port *p = x ? new_port(l, 1, x) : NULL;
    if (!p) return;
    as.type = ane_type(l, x);
    *p = as;
}

void ane_output(lower *l, ref r, ref leaf) {
    ane_entry *e = &l->entry[r];
    ane_port as = {
        .value = r, .leaf = leaf, .channel_dims = 1, .base = e->base};
    if (e->base) {
        put_output(l, e->form[CHANNEL], as);
    } else if (e->parts) {
        for (int i = 0; i < e->parts->n; i++) {
            put_output(l, e->parts->part[i], as);
            as.first += ane_type(l, e->parts->part[i]).dim[1];
        }
    } else if ((e->form[HEADS] || e->form[MERGED]) && !e->form[CHANNEL]) {
        as.channel_dims = 2;
        put_output(l, ane_full(l, r, MERGED), as);
    } else {
        put_output(l, ane_full(l, r, CHANNEL), as);
    }
}

/* ---- forms ---- */

bool ane_has(const lower *l, ref r, enum ane_form f) {
    return l->entry[r].form[f] != 0;
}

void ane_set(lower *l, ref r, enum ane_form f, mil_ref x) {
    l->entry[r].form[f] = x;
}

enum ane_form ane_common(const lower *l, const ref *r, int n) {
    static const enum ane_form order[] = {CHANNEL, MERGED, HEADS, PLAIN};
    for (int k = 0; k < ANE_FORMS; k++) {
        bool all = true;
        for (int i = 0; i < n; i++)
            all &= ane_has(l, r[i], order[k]) || ane_is_constant(l, r[i]);
        const bool fits =
            order[k] == CHANNEL || graph_shape(l->g, r[0]).rank > 2;
        if (all && fits) return order[k];
    }
    return CHANNEL;
}

static mil_ref to_plain(lower *l, ref r, const shape *s) {
    const ane_dims to = ane_form_dims(s, PLAIN);
    mil_ref x;
    if (ane_has(l, r, CHANNEL))
        x = ane_transpose4(l, ane_full(l, r, CHANNEL), 0, 2, 3, 1);
    else
        x = ane_transpose4(l, ane_full(l, r, HEADS), 0, 3, 1, 2);
    return ane_reshape(l, x, to.rank, to.dim);
}

static mil_ref from_plain(lower *l, ref r, const shape *s, enum ane_form f) {
    const ane_dims d = ane_form_dims(s, f);
    const mil_ref x = ane_full(l, r, PLAIN);
    if (f == CHANNEL)
        return ane_transpose4(l, ane_reshape4(l, x, 1, 1, d.dim[3], d.dim[1]),
                              0, 3, 1, 2);
    return ane_transpose4(
        l, ane_reshape4(l, x, d.dim[0], d.dim[3], d.dim[1], d.dim[2]), 0, 2, 3,
        1);
}

static void convert(lower *l, ref r, enum ane_form f) {
    const shape *s = &graph_value(l->g, r)->shape;
    const ane_entry *e = &l->entry[r];
    mil_ref x;
    if (f == HEADS && e->form[MERGED]) {
        const ane_dims d = ane_form_dims(s, HEADS);
        x = heads_of_border(l, ane_full(l, r, MERGED), &d);
    } else if (f == MERGED) {
        const ane_dims d = ane_form_dims(s, HEADS);
        x = heads_to_border(l, ane_full(l, r, HEADS), &d);
    } else if (f == PLAIN) {
        x = to_plain(l, r, s);
    } else {
        x = from_plain(l, r, s, f);
    }
    ane_set(l, r, f, x);
}

mil_ref ane_get(lower *l, ref r, enum ane_form f) {
    if (ANE_FAILED(l)) return 0;
    ane_entry *e = &l->entry[r];
    if (e->form[f]) return e->form[f];
    if (ane_is_constant(l, r)) return e->form[f] = constant(l, r, f);
    if (e->base)
        return ane_fail(l, AR_UNSUPPORTED, "an index is used as a number");
    if (e->parts)
        ane_set(l, r, CHANNEL, ane_concat(l, e->parts->part, e->parts->n, 1));
    bool known = false;
    for (int i = 0; i < ANE_FORMS; i++) known |= e->form[i] != 0;
    if (!known) read_leaf(l, r, f == HEADS || f == MERGED);
    if (!e->form[f]) convert(l, r, f);
    return ANE_FAILED(l) ? 0 : e->form[f];
}

mil_ref ane_full(lower *l, ref r, enum ane_form f) {
    const mil_ref x = ane_get(l, r, f);
    const ane_dims d = ane_form_dims(&graph_value(l->g, r)->shape, f);
    const mil_ref y = ane_repeat(l, x, d.dim);
    if (!l->entry[r].base) ane_set(l, r, f, y);
    return y;
}
