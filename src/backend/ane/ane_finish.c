/* ane_finish.c - the program that is given away: only what the results need,
 * equal constants once, and names that sort in the order of declaration. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "backend/ane/ane_lower_int.h"
#include "backend/ane/mil_int.h"
#include "base/error.h"

typedef struct finisher {
    lower *l;
    const mil_func *from;
    mil_program *to;
    mil_ref *map;       /* old to new */
    bool *live;         /* by value */
    const char **names; /* of results, by value; NULL = a number */
    bool *again;        /* by result: needs a statement of its own */
    int n_values;
} finisher;

static const mil_op *maker(const finisher *f, mil_ref r) {
    const int32_t op = f->from->values[r].op;
    return op < 0 ? NULL : &f->from->ops[op];
}

/* Does the value only show parameters in another way?  The engine wants at
 * least one statement that computes. */
static bool only_moves(const finisher *f, mil_ref r) {
    static const char *const moves[] = {"reshape", "transpose", "concat",
                                        "slice_by_size", "slice_by_index"};
    for (;;) {
        const mil_op *op = maker(f, r);
        bool moving = false;
        if (!op) return true;
        for (size_t i = 0; i < sizeof moves / sizeof *moves; i++)
            moving |= strcmp(op->kind, moves[i]) == 0;
        if (!moving) return strcmp(op->kind, "const") == 0;
        const mil_ref x = mil_find_ref(op, "x");
        r = x ? x : mil_find_ref(op, "values");
    }
}

static void mark(finisher *f) {
    const mil_func *from = f->from;
    for (int i = 0; i < from->n_results; i++) f->live[from->results[i]] = true;
    for (int i = from->n_ops - 1; i >= 0; i--) {
        const mil_op *op = &from->ops[i];
        bool needed = false;
        for (int k = 0; k < op->n_outs; k++) needed |= f->live[op->outs[k]];
        for (int k = 0; needed && k < op->n_args; k++)
            for (int j = 0; j < op->args[k].n_values; j++)
                f->live[op->args[k].values[j]] = true;
    }
}

/* ---- names ---- */

/* The leaf's or state's own name, as far as MIL allows its letters. */
static const char *port_name(finisher *f, int side, int i) {
    const lower *l = f->l;
    const ane_port *p = &l->ports[side][i];
    const node *n = graph_node(l->g, p->leaf ? p->leaf : p->value);
    char name[96];
    int at = snprintf(name, sizeof name, "%s%0*d_", side ? "out" : "in",
                      l->n_ports[side] > 100 ? 4 : 2, i);
    const char *s = p->kind == ANE_PAGE_MASK ? "mask" : n->name;
    char number[24];
    snprintf(number, sizeof number, "n%u", ref_node(p->value));
    if (!s) s = number;
    for (; *s && at < (int)sizeof name - 1; s++)
        name[at++] = isalnum((unsigned char)*s) ? *s : '_';
    return arena_text(&f->l->mem, name, (size_t)at);
}

/* Unused inputs are dropped before the others are numbered. */
static void name_ports(finisher *f) {
    lower *l = f->l;
    int n = 0;
    for (int i = 0; i < l->n_ports[0]; i++) {
        if (!f->live[l->port_ref[0][i]]) continue;
        l->ports[0][n] = l->ports[0][i];
        l->port_ref[0][n++] = l->port_ref[0][i];
    }
    l->n_ports[0] = n;
    for (int side = 0; side < 2; side++)
        for (int i = 0; i < l->n_ports[side]; i++) {
            const char *name = port_name(f, side, i);
            const mil_ref r = l->port_ref[side][i];
            if (!name) {
                ane_fail(l, AR_NOMEM, "out of memory for names");
                return;
            }
            l->ports[side][i].name = name;
            if (side && (f->names[r] || only_moves(f, r)))
                f->again[i] = true;
            else
                f->names[r] = name;
        }
}

/* ---- statements ---- */

static void check_extents(finisher *f, const mil_value *v) {
    char name[MIL_TYPE_TEXT];
    const mil_type *t = &v->type;
    for (int i = 0; i < t->rank; i++)
        if (t->dim[i] > (i < t->rank - 2 ? ANE_MAX_CHANNELS : ANE_MAX_EXTENT))
            ane_fail(f->l, AR_UNSUPPORTED, "%s is larger than every chip takes",
                     mil_type_text(t, name));
}

static const char *value_name(finisher *f, mil_ref r, char name[24]) {
    if (f->names[r]) return f->names[r];
    snprintf(name, 24, "v%05d", f->n_values++);
    return name;
}

static bool same_literal(const mil_literal *a, const mil_literal *b) {
    if (!mil_same_type(&a->type, &b->type)) return false;
    if (a->type.tensor != b->type.tensor) return false;
    if (a->path || b->path) return a->path && b->path && a->offset == b->offset;
    if (a->type.dtype == MIL_STRING) return strcmp(a->data, b->data) == 0;
    return memcmp(a->data, b->data, mil_size(&a->type)) == 0;
}

enum { RECENT = 256 };

/* Constants are small and few kinds come again and again: the last ones are
 * looked through. */
static void copy_const(finisher *f, mil_ref r, mil_ref *recent, int *n) {
    const mil_literal *a = f->from->values[r].literal;
    char name[24];
    for (int i = 0; i < RECENT && i < *n; i++) {
        const mil_ref old = recent[i];
        if (same_literal(a, f->from->values[old].literal)) {
            f->map[r] = f->map[old];
            return;
        }
    }
    recent[(*n)++ % RECENT] = r;
    value_name(f, r, name);
    if (a->path)
        f->map[r] = mil_const_file(f->to, name, a->type, a->path, a->offset);
    else if (a->type.dtype == MIL_STRING)
        f->map[r] = mil_const_text(f->to, name, a->data);
    else
        f->map[r] = mil_const(f->to, name, a->type, a->data);
}

static void copy_op(finisher *f, const mil_op *op) {
    mil_ref x[ANE_MAX_PARTS];
    char name[24];
    mil_op_begin(f->to, op->kind);
    for (int i = 0; i < op->n_args; i++) {
        const mil_arg *a = &op->args[i];
        const int n = a->n_values < ANE_MAX_PARTS ? a->n_values : ANE_MAX_PARTS;
        for (int k = 0; k < n; k++) x[k] = f->map[a->values[k]];
        if (a->list)
            mil_arg_refs(f->to, a->key, x, n);
        else
            mil_arg_ref(f->to, a->key, x[0]);
    }
    const mil_value *v = &f->from->values[op->outs[0]];
    check_extents(f, v);
    f->map[op->outs[0]] =
        mil_op_end(f->to, value_name(f, op->outs[0], name), v->type);
}

static void copy_results(finisher *f) {
    lower *l = f->l;
    mil_ref one = 0;
    for (int i = 0; i < l->n_ports[1]; i++) {
        mil_ref *r = &l->port_ref[1][i];
        const mil_type t = f->from->values[*r].type;
        *r = f->map[*r];
        if (!f->again[i]) continue;
        if (!one) one = mil_const_f16(f->to, "one", 1);
        mil_op_begin(f->to, "mul");
        mil_arg_ref(f->to, "x", *r);
        mil_arg_ref(f->to, "y", one);
        *r = mil_op_end(f->to, l->ports[1][i].name, t);
    }
    mil_func_end(f->to, l->port_ref[1], l->n_ports[1]);
}

/* The compiler asks for coremlc-version; these are what running programs say.
 */
static void add_build_info(mil_program *p) {
    static const mil_pair pairs[] = {
        {"coremlc-component-MIL", "3510.2.1"},
        {"coremlc-version", "3505.4.1"},
        {"coremltools-component-milinternal", ""},
        {"coremltools-version", "9.0"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        mil_pair *to = mil_push(p, &p->info, sizeof *to);
        if (to) *to = pairs[i];
    }
}

static void copy(finisher *f) {
    lower *l = f->l;
    mil_ref recent[RECENT];
    int n_recent = 0;
    mil_func_begin(f->to, "main", "ios18");
    for (int i = 0; i < l->n_ports[0]; i++) {
        const mil_ref r = l->port_ref[0][i];
        check_extents(f, &f->from->values[r]);
        f->map[r] =
            mil_param(f->to, l->ports[0][i].name, f->from->values[r].type);
    }
    for (int i = 0; i < f->from->n_ops; i++) {
        const mil_op *op = &f->from->ops[i];
        if (!f->live[op->outs[0]]) continue;
        if (f->from->values[op->outs[0]].literal)
            copy_const(f, op->outs[0], recent, &n_recent);
        else
            copy_op(f, op);
    }
    copy_results(f);
}

ar_status ane_finish(lower *l, mil_program **out, ar_error *err) {
    const mil_func *from = mil_get_func(l->p, 0);
    const size_t n = (size_t)from->n_values;
    finisher f = {.l = l, .from = from, .to = mil_open()};
    f.map = arena_new(&l->mem, mil_ref, n);
    f.live = arena_new(&l->mem, bool, n);
    f.names = arena_new(&l->mem, const char *, n);
    f.again = arena_new(&l->mem, bool, l->n_ports[1]);
    ar_status s = AR_OK;
    if (!f.to || !f.map || !f.live || !f.names || !f.again) {
        s = error_set(err, AR_NOMEM, "out of memory for a program");
    } else {
        mark(&f);
        name_ports(&f);
        if (!l->status) copy(&f);
        add_build_info(f.to);
        s = mil_status(f.to, err);
        if (l->status) {
            if (err) *err = l->err;
            s = l->status;
        }
    }
    if (s == AR_OK)
        *out = f.to;
    else
        mil_close(f.to);
    return s;
}
