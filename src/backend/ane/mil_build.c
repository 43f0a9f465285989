/* mil_build.c - adding functions, statements and constants to a program. */
#include <ctype.h>
#include <string.h>

#include "backend/ane/mil_check.h"
#include "backend/ane/mil_int.h"
#include "backend/ane/mil_ops.h"
#include "base/error.h"
#include "base/mem.h"

/* ---- steps that the parser takes too ---- */

void mil_add_func(mil_program *p, const char *name, const char *opset) {
    if (mil_failed(p)) return;
    if (p->in_func) {
        mil_fail(p, AR_FORMAT, "function \"%s\" begins inside another", name);
        return;
    }
    if (mil_find_func(p, name)) {
        mil_fail(p, AR_FORMAT, "there are two functions \"%s\"", name);
        return;
    }
    if (p->funcs.n >= MIL_MAX_FUNCS) {
        mil_fail(p, AR_RANGE, "more than %d functions", MIL_MAX_FUNCS);
        return;
    }
    mil_func *f = mil_push(p, &p->funcs, sizeof *f);
    if (!f) return;
    f->name = mil_intern(p, name, strlen(name));
    f->opset = mil_intern(p, opset, strlen(opset));
    f->place = p->place;
    p->in_func = true;
    if (p->names.slots)
        memset(p->names.slots, 0, p->names.n_slots * sizeof(name_slot));
    p->names.used = 0;
    p->values.n = p->ops.n = p->params.n = 0;
    mil_push(p, &p->values, sizeof(mil_value)); /* [0] is none */
}

static mil_ref add_value(mil_program *p, const mil_value *v, const char *name,
                         size_t n) {
    if (mil_failed(p)) return 0;
    if (!p->in_func) {
        mil_fail(p, AR_FORMAT, "a value outside of a function");
        return 0;
    }
    if (p->values.n > MIL_MAX_VALUES) {
        mil_fail(p, AR_RANGE, "more than %d values", MIL_MAX_VALUES);
        return 0;
    }
    const mil_ref r = (mil_ref)p->values.n;
    mil_value *to = mil_push(p, &p->values, sizeof *to);
    if (!to) return 0;
    *to = *v;
    to->place = p->place;
    if (name) to->name = mil_claim(p, name, n, r);
    return mil_failed(p) ? 0 : r;
}

mil_ref mil_add_param(mil_program *p, const char *name, size_t n,
                      const mil_type *t) {
    const mil_value v = {.type = *t, .op = -1, .out = (int32_t)p->params.n};
    const mil_ref r = add_value(p, &v, name, n);
    mil_ref *to = r ? mil_push(p, &p->params, sizeof *to) : NULL;
    if (to) *to = r;
    return to ? r : 0;
}

mil_ref mil_add_literal(mil_program *p, const mil_literal *l) {
    if (mil_failed(p)) return 0;
    mil_literal *copy = mil_take(p, sizeof *copy);
    if (!copy) return 0;
    *copy = *l;
    const mil_value v = {.type = l->type, .op = -2, .literal = copy};
    return add_value(p, &v, NULL, 0);
}

void mil_add_op(mil_program *p, const char *kind, size_t n) {
    if (mil_failed(p)) return;
    if (!p->in_func || p->in_op) {
        mil_fail(p, AR_FORMAT, "%.*s begins %s", (int)n, kind,
                 p->in_op ? "inside another statement"
                          : "outside of a function");
        return;
    }
    p->op = (mil_op){.kind = mil_intern(p, kind, n), .place = p->place};
    p->op.id = mil_find_op(p->op.kind);
    p->args[0].n = p->args[1].n = 0;
    p->in_op = true;
}

void mil_add_arg(mil_program *p, bool attr, const mil_arg *arg) {
    if (mil_failed(p)) return;
    if (!p->in_op) {
        mil_fail(p, AR_FORMAT, "argument %s outside of a statement", arg->key);
        return;
    }
    pile *args = &p->args[attr];
    const mil_arg *known = args->data;
    for (size_t i = 0; i < args->n; i++)
        if (strcmp(known[i].key, arg->key) == 0) {
            mil_fail(p, AR_FORMAT, "%s: argument \"%s\" is given twice",
                     p->op.kind, arg->key);
            return;
        }
    mil_arg *to = mil_push(p, args, sizeof *to);
    if (to) *to = *arg;
}

/* The list of arguments that has been gathered, for good. */
static const mil_arg *keep_args(mil_program *p, bool attr, int32_t *n) {
    const pile *a = &p->args[attr];
    mil_arg *to = mil_take(p, a->n * sizeof *to);
    if (to && a->n) memcpy(to, a->data, a->n * sizeof *to);
    *n = to ? (int32_t)a->n : 0;
    return to;
}

mil_ref *mil_add_outs(mil_program *p, int n) {
    if (mil_failed(p)) return NULL;
    p->op.args = keep_args(p, false, &p->op.n_args);
    p->op.attrs = keep_args(p, true, &p->op.n_attrs);
    mil_ref *outs = mil_take(p, (size_t)n * sizeof *outs);
    p->op.outs = outs;
    p->op.n_outs = outs ? n : 0;
    return mil_failed(p) ? NULL : outs;
}

mil_ref mil_add_out(mil_program *p, const char *name, size_t n,
                    const mil_type *t, int out) {
    mil_value v = {.type = *t, .op = (int32_t)p->ops.n, .out = out};
    if (!mil_failed(p) && strcmp(p->op.kind, "const") == 0) {
        const mil_ref val = mil_find_ref(&p->op, "val");
        if (val) v.literal = ((const mil_value *)p->values.data)[val].literal;
    }
    return add_value(p, &v, name, n);
}

void mil_finish_op(mil_program *p) {
    mil_op *to = mil_push(p, &p->ops, sizeof *to);
    if (to) *to = p->op;
    p->in_op = false;
}

/* Memory that is handed over, no larger than it need be. */
static void *hand_over(pile *a, size_t item) {
    void *data = mem_realloc(a->data, (a->n ? a->n : 1) * item);
    if (!data) data = a->data; /* shrinking failed: keep it as it is */
    *a = (pile){0};
    return data;
}

void mil_finish_func(mil_program *p, const mil_ref *results, int n) {
    if (mil_failed(p)) return;
    if (!p->in_func || p->in_op) {
        mil_fail(p, AR_FORMAT, "a function ends where none can");
        return;
    }
    mil_func *f = (mil_func *)p->funcs.data + p->funcs.n - 1;
    mil_ref *params = mil_take(p, p->params.n * sizeof *params);
    mil_ref *outs = mil_take(p, (size_t)n * sizeof *outs);
    if (!params || !outs) return;
    if (p->params.n)
        memcpy(params, p->params.data, p->params.n * sizeof *params);
    if (n) memcpy(outs, results, (size_t)n * sizeof *outs);
    f->params = params;
    f->n_params = (int32_t)p->params.n;
    f->results = outs;
    f->n_results = n;
    f->n_values = (int32_t)p->values.n;
    f->n_ops = (int32_t)p->ops.n;
    f->values = hand_over(&p->values, sizeof(mil_value));
    f->ops = p->ops.n ? hand_over(&p->ops, sizeof(mil_op)) : NULL;
    p->in_func = false;
}

/* ---- the builder: the same steps, with names and arguments checked ---- */

static bool is_name(const char *s) {
    if (!s || !(isalpha((unsigned char)*s) || *s == '_')) return false;
    size_t n = 0;
    for (; s[n]; n++)
        if (!isalnum((unsigned char)s[n]) && s[n] != '_') return false;
    return n <= MIL_MAX_NAME;
}

static bool want_name(mil_program *p, const char *s, const char *of_what) {
    if (mil_failed(p)) return false;
    if (is_name(s)) return true;
    mil_fail(p, AR_FORMAT, "\"%s\" cannot be the name of %s", s ? s : "",
             of_what);
    return false;
}

static bool want_value(mil_program *p, mil_ref r) {
    if (mil_failed(p)) return false;
    if (r && r < p->values.n) return true;
    mil_fail(p, AR_FORMAT, "%s: an argument or result that is no value",
             p->in_op ? p->op.kind : "the function");
    return false;
}

void mil_func_begin(mil_program *p, const char *name, const char *opset) {
    if (want_name(p, name, "a function") && want_name(p, opset, "an opset"))
        mil_add_func(p, name, opset);
}

void mil_func_end(mil_program *p, const mil_ref *results, int n) {
    for (int i = 0; i < n; i++)
        if (!want_value(p, results[i])) return;
    mil_finish_func(p, results, n);
}

mil_ref mil_param(mil_program *p, const char *name, mil_type t) {
    if (!want_name(p, name, "a parameter")) return 0;
    if (p->ops.n) {
        mil_fail(p, AR_FORMAT, "parameter \"%s\" follows a statement", name);
        return 0;
    }
    return mil_add_param(p, name, strlen(name), &t);
}

void mil_op_begin(mil_program *p, const char *kind) {
    if (!want_name(p, kind, "an operation")) return;
    mil_add_op(p, kind, strlen(kind));
    if (!mil_failed(p) && p->op.id < 0)
        mil_fail(p, AR_FORMAT, "there is no operation \"%s\"", kind);
}

static void add_refs(mil_program *p, bool attr, const char *key,
                     const mil_ref *v, int n, bool list) {
    if (!want_name(p, key, "an argument")) return;
    for (int i = 0; i < n; i++)
        if (!want_value(p, v[i])) return;
    mil_ref *values = mil_take(p, (size_t)n * sizeof *values);
    if (!values) return;
    if (n) memcpy(values, v, (size_t)n * sizeof *values);
    const mil_arg arg = {.key = mil_intern(p, key, strlen(key)),
                         .values = values,
                         .n_values = n,
                         .list = list};
    mil_add_arg(p, attr, &arg);
}

void mil_arg_ref(mil_program *p, const char *key, mil_ref v) {
    add_refs(p, false, key, &v, 1, false);
}

void mil_arg_refs(mil_program *p, const char *key, const mil_ref *v, int n) {
    add_refs(p, false, key, v, n, true);
}

static void add_attr(mil_program *p, const char *key, const mil_literal *l) {
    const mil_ref r = mil_add_literal(p, l);
    if (r) add_refs(p, true, key, &r, 1, false);
}

/* A literal whose elements are copied; false after failing p. */
static bool copy_literal(mil_program *p, mil_type t, const void *data,
                         mil_literal *out) {
    if (mil_failed(p)) return false;
    const size_t size = t.dtype == MIL_STRING ? strlen(data) + 1 : mil_size(&t);
    if (mil_count(&t) < 0 || (t.dtype == MIL_STRING && t.rank)) {
        mil_fail(p, AR_RANGE, "a constant has a shape without a size");
        return false;
    }
    void *copy = mil_take(p, size);
    if (!copy) return false;
    if (size) memcpy(copy, data, size);
    *out = (mil_literal){.type = t, .data = copy};
    return true;
}

static bool file_literal(mil_program *p, mil_type t, const char *path,
                         uint64_t offset, mil_literal *out) {
    if (mil_failed(p)) return false;
    *out = (mil_literal){.type = t, .offset = offset};
    out->path = mil_intern(p, path, strlen(path));
    return !mil_failed(p);
}

void mil_attr(mil_program *p, const char *key, mil_type t, const void *data) {
    mil_literal l;
    if (copy_literal(p, t, data, &l)) add_attr(p, key, &l);
}

void mil_attr_file(mil_program *p, const char *key, mil_type t,
                   const char *path, uint64_t offset) {
    mil_literal l;
    if (file_literal(p, t, path, offset, &l)) add_attr(p, key, &l);
}

void mil_op_end_many(mil_program *p, const char *const *names,
                     const mil_type *types, int n, mil_ref *outs) {
    for (int i = 0; i < n; i++) outs[i] = 0;
    if (mil_failed(p)) return;
    if (!p->in_op) {
        mil_fail(p, AR_FORMAT, "a statement ends that never began");
        return;
    }
    for (int i = 0; i < n; i++)
        if (!want_name(p, names[i], "a result")) return;
    mil_ref *refs = mil_add_outs(p, n);
    if (!refs) return;
    const mil_func *f = (mil_func *)p->funcs.data + p->funcs.n - 1;
    char missing[MIL_ARG_TEXT];
    if (mil_missing_arg(f, &p->op, missing))
        mil_fail(p, AR_FORMAT, "%s: argument \"%s\" is missing", p->op.kind,
                 missing);
    for (int i = 0; i < n; i++)
        refs[i] = outs[i] =
            mil_add_out(p, names[i], strlen(names[i]), &types[i], i);
    mil_finish_op(p);
}

mil_ref mil_op_end(mil_program *p, const char *name, mil_type t) {
    mil_ref out;
    mil_op_end_many(p, &name, &t, 1, &out);
    return out;
}

/* ---- constants ---- */

static mil_ref add_const(mil_program *p, const char *name,
                         const mil_literal *l) {
    mil_literal label;
    mil_op_begin(p, "const");
    if (copy_literal(p, mil_scalar(MIL_STRING), name, &label))
        add_attr(p, "name", &label);
    add_attr(p, "val", l);
    return mil_op_end(p, name, l->type);
}

mil_ref mil_const(mil_program *p, const char *name, mil_type t,
                  const void *data) {
    mil_literal l;
    return copy_literal(p, t, data, &l) ? add_const(p, name, &l) : 0;
}

mil_ref mil_const_file(mil_program *p, const char *name, mil_type t,
                       const char *path, uint64_t offset) {
    mil_literal l;
    return file_literal(p, t, path, offset, &l) ? add_const(p, name, &l) : 0;
}

mil_ref mil_const_text(mil_program *p, const char *name, const char *s) {
    return mil_const(p, name, mil_scalar(MIL_STRING), s);
}

mil_ref mil_const_i32(mil_program *p, const char *name, int32_t x) {
    return mil_const(p, name, mil_scalar(MIL_INT32), &x);
}

mil_ref mil_const_i32s(mil_program *p, const char *name, const int32_t *x,
                       int n) {
    const int64_t dim = n;
    return mil_const(p, name, mil_tensor(MIL_INT32, 1, &dim), x);
}

mil_ref mil_const_bool(mil_program *p, const char *name, bool x) {
    const uint8_t byte = x;
    return mil_const(p, name, mil_scalar(MIL_BOOL), &byte);
}

mil_ref mil_const_f16(mil_program *p, const char *name, float x) {
    uint16_t half;
    mil_put_real(MIL_FP16, &half, 0, x);
    return mil_const(p, name, mil_scalar(MIL_FP16), &half);
}
