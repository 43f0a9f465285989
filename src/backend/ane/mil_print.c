/* mil_print.c - a MIL program as text. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "backend/ane/mil_int.h"

/* What is being printed. */
typedef struct printer {
    const mil_program *p;
    const mil_func *f;
    text *out;
} printer;

static bool verbose(const printer *s) { return s->p->syntax == MIL_VERBOSE; }

/* ---- types ---- */

/* A scalar is a plain type in the short syntax, tensor<T, []> in the other;
 * what was parsed keeps the form that it had. */
static bool is_plain(const printer *s, const mil_type *t) {
    if (t->rank || t->state) return false;
    if (s->p->restyled) return !verbose(s);
    return !t->tensor && !(verbose(s) && !s->p->source);
}

static void print_type(const printer *s, const mil_type *t) {
    char all[MIL_TYPE_TEXT];
    mil_type shown = *t;
    shown.tensor = !is_plain(s, t);
    text_adds(s->out, mil_type_text(&shown, all));
}

/* ---- constants ---- */

static void print_text(text *out, const char *s) {
    text_adds(out, "\"");
    for (; *s; s++) {
        const char *plain = "\"\\\n\t\r", *shown = "\"\\ntr";
        const char *special = strchr(plain, *s);
        if (special)
            text_addf(out, "\\%c", shown[special - plain]);
        else
            text_add(out, s, 1);
    }
    text_adds(out, "\"");
}

/* The shortest decimal that is read back as the same number, without an
 * exponent; else hexadecimal, which is exact. */
static void print_real(text *out, enum mil_dtype t, double x) {
    char word[64];
    uint64_t back[1] = {0};
    if (!isfinite(x)) {
        text_adds(out, isnan(x) ? "nan" : x < 0 ? "-inf" : "inf");
        return;
    }
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(word, sizeof word, "%.*g", digits, x);
        if (strpbrk(word, "e")) continue;
        mil_put_word(t, back, 0, word);
        if (mil_get_number(t, back, 0) != x) continue;
        text_addf(out, "%s%s", word, strchr(word, '.') ? "" : ".0");
        return;
    }
    text_addf(out, "%a", x);
}

static void print_number(text *out, const mil_literal *l, int64_t i) {
    const enum mil_dtype t = l->type.dtype;
    uint64_t wide;
    if (t == MIL_BOOL) {
        text_adds(out, mil_number(l, i) != 0 ? "true" : "false");
    } else if (mil_is_float(t)) {
        print_real(out, t, mil_number(l, i));
    } else if (t == MIL_UINT64 || t == MIL_INT64) { /* not all are doubles */
        memcpy(&wide, (const char *)l->data + i * 8, sizeof wide);
        if (t == MIL_UINT64)
            text_addf(out, "%" PRIu64, wide);
        else
            text_addf(out, "%" PRId64, (int64_t)wide);
    } else {
        text_addf(out, "%.0f", mil_number(l, i));
    }
}

/* Brackets that open before element i, or close behind the one before it. */
static int brackets(const mil_type *t, int64_t i) {
    int64_t inner = 1;
    int n = 0;
    for (int d = t->rank - 1; d >= 0; d--) {
        inner *= t->dim[d];
        n += i % inner == 0;
    }
    return n;
}

static void print_elements(text *out, const mil_literal *l) {
    const mil_type *t = &l->type;
    const int64_t n = mil_count(t);
    const char *words = l->data;
    if (t->rank && n == 0) text_adds(out, "[]");
    for (int64_t i = 0; i < n; i++) {
        for (int k = brackets(t, i); k > 0; k--) text_adds(out, "[");
        if (t->dtype == MIL_STRING) {
            print_text(out, words);
            words += strlen(words) + 1;
        } else {
            print_number(out, l, i);
        }
        for (int k = brackets(t, i + 1); k > 0; k--) text_adds(out, "]");
        if (i + 1 < n) text_adds(out, ", ");
    }
}

static void print_file(const printer *s, const mil_literal *l) {
    const bool v = verbose(s);
    text_adds(s->out, v ? "BLOBFILE(path = tensor<string, []>("
                        : "BLOBFILE(path = string(");
    print_text(s->out, l->path);
    text_addf(s->out, "), offset = %s(%" PRIu64 "))",
              v ? "tensor<uint64, []>" : "uint64", l->offset);
}

static void print_literal(const printer *s, const mil_literal *l) {
    const char *spelling = l->spelling;
    const bool generic = l->type.dtype == MIL_NONE;
    const bool bare = spelling && *spelling != '(';
    if (s->p->restyled && !generic && (bare || l->path)) spelling = NULL;
    if (generic || (bare && spelling)) {
        text_adds(s->out, spelling);
        return;
    }
    print_type(s, &l->type);
    if (spelling) {
        text_adds(s->out, spelling);
        return;
    }
    text_adds(s->out, "(");
    if (l->path)
        print_file(s, l);
    else
        print_elements(s->out, l);
    text_adds(s->out, ")");
}

/* ---- statements ---- */

static void print_ref(const printer *s, mil_ref r) {
    const mil_value *v = mil_get(s->f, r);
    if (v->name)
        text_adds(s->out, v->name);
    else
        print_literal(s, v->literal);
}

static void print_args(const printer *s, const mil_arg *a, int n) {
    for (int i = 0; i < n; i++) {
        text_addf(s->out, "%s%s = ", i ? ", " : "", a[i].key);
        if (a[i].list) text_adds(s->out, "(");
        for (int k = 0; k < a[i].n_values; k++) {
            if (k) text_adds(s->out, ", ");
            print_ref(s, a[i].values[k]);
        }
        if (a[i].list) text_adds(s->out, ")");
    }
}

static void print_value(const printer *s, mil_ref r) {
    print_type(s, &mil_get(s->f, r)->type);
    text_addf(s->out, " %s", mil_get(s->f, r)->name);
}

static void print_op(const printer *s, const mil_op *op) {
    text_adds(s->out, "        ");
    for (int i = 0; i < op->n_outs; i++) {
        if (i) text_adds(s->out, ", ");
        print_value(s, op->outs[i]);
    }
    text_addf(s->out, "%s%s(", op->n_outs ? " = " : "", op->kind);
    print_args(s, op->args, op->n_args);
    text_adds(s->out, ")");
    if (op->n_attrs) {
        text_adds(s->out, "[");
        print_args(s, op->attrs, op->n_attrs);
        text_adds(s->out, "]");
    }
    text_adds(s->out, ";\n");
}

static void print_func(const printer *s) {
    const mil_func *f = s->f;
    text_addf(s->out, "    func %s<%s>(", f->name, f->opset);
    for (int i = 0; i < f->n_params; i++) {
        if (i) text_adds(s->out, ", ");
        print_value(s, f->params[i]);
    }
    text_adds(s->out, ")");
    if (f->attrs) text_addf(s->out, " %s", f->attrs);
    text_adds(s->out, " {\n");
    for (int i = 0; i < f->n_ops; i++) print_op(s, &f->ops[i]);
    text_adds(s->out, "    } -> (");
    for (int i = 0; i < f->n_results; i++)
        text_addf(s->out, "%s%s", i ? ", " : "",
                  mil_get(f, f->results[i])->name);
    text_adds(s->out, ");\n");
}

/* ---- the program ---- */

static void print_info(const printer *s) {
    const mil_pair *pairs;
    const int n = mil_build_info(s->p, &pairs);
    const char *of = verbose(s) ? "tensor<string, []>" : "string";
    text_addf(s->out, "[buildInfo = dict<%s, %s>({", of, of);
    for (int i = 0; i < n; i++) {
        text_adds(s->out, i ? ", {" : "{");
        print_text(s->out, pairs[i].key);
        text_adds(s->out, ", ");
        print_text(s->out, pairs[i].value);
        text_adds(s->out, "}");
    }
    text_adds(s->out, "})]\n");
}

void mil_print(const mil_program *p, text *out) {
    printer s = {p, NULL, out};
    text_addf(out, "program(%s)\n", mil_version(p));
    if (p->attrs && !p->restyled)
        text_addf(out, "%s\n", p->attrs);
    else if (p->info.n || !p->source)
        print_info(&s);
    text_adds(out, "{\n");
    for (int i = 0; i < mil_n_funcs(p); i++) {
        s.f = mil_get_func(p, i);
        print_func(&s);
    }
    text_adds(out, "}\n");
}
