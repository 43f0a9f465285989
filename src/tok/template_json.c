/* template_json.c - JSON as values of a template, and values as JSON. */
#include "tok/template_json.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

#include "tok/template_filters.h"
#include "tok/template_text.h"

static ar_status take_value(render *r, json_t *j, int depth, value *out);

static ar_status take_list(render *r, json_t *j, int depth, value *out) {
    TRY(run_seq(r, V_LIST, json_array_size(j), out));
    for (size_t i = 0; i < out->seq->n; i++)
        TRY(take_value(r, json_array_get(j, i), depth - 1, &out->seq->at[i]));
    return AR_OK;
}

static ar_status take_dict(render *r, json_t *j, int depth, value *out) {
    TRY(run_dict(r, json_object_size(j), out));
    dict *const d = out->dict;
    for (void *at = json_object_iter(j); at;
         at = json_object_iter_next(j, at), d->n++) {
        const char *key = json_object_iter_key(at);
        TRY(run_text(r, key, strlen(key), &d->keys[d->n]));
        TRY(take_value(r, json_object_iter_value(at), depth - 1,
                       &d->values[d->n]));
    }
    return AR_OK;
}

static ar_status take_value(render *r, json_t *j, int depth, value *out) {
    if (depth < 0)
        return run_fail(r, AR_RANGE, "variables are nested more than %d deep",
                        VALUE_DEPTH);
    switch (json_typeof(j)) {
    case JSON_OBJECT: return take_dict(r, j, depth, out);
    case JSON_ARRAY: return take_list(r, j, depth, out);
    case JSON_STRING:
        return run_text(r, json_string_value(j), json_string_length(j), out);
    case JSON_INTEGER: *out = v_int(json_integer_value(j)); return AR_OK;
    case JSON_REAL: *out = v_float(json_real_value(j)); return AR_OK;
    case JSON_TRUE: *out = v_bool(true); return AR_OK;
    case JSON_FALSE: *out = v_bool(false); return AR_OK;
    default: *out = v_none(); return AR_OK;
    }
}

ar_status json_variables(render *r, const char *json, size_t size, scope *s) {
    json_error_t e;
    json_t *j = json_loadb(json, size, JSON_ALLOW_NUL, &e);
    if (!j && e.line < 0)
        return run_fail(r, AR_FORMAT, "the variables are not JSON");
    if (!j)
        return error_set(r->err, AR_FORMAT,
                         "the variables are not JSON: line %d column %d: %s",
                         e.line, e.column, e.text);
    value all;
    ar_status status = AR_OK;
    if (!json_is_object(j))
        status =
            error_set(r->err, AR_FORMAT, "the variables are not a JSON object");
    if (status == AR_OK) status = take_value(r, j, VALUE_DEPTH, &all);
    json_decref(j);
    for (size_t i = 0; status == AR_OK && i < all.dict->n; i++)
        status = scope_set(r, s, all.dict->keys[i].s, all.dict->values[i]);
    return status;
}

/* ---- tojson: json.dumps of Python ---- */

typedef struct dump {
    render *r;
    text t;
    bool ascii, sorted, lines; /* lines: an indent was given */
    str indent, item, key;     /* separators */
    int depth;
} dump;

static void add_code(text *t, uint32_t cp) {
    if (cp >= 0x10000) {
        text_addf(t, "\\u%04x", 0xD800 + ((cp - 0x10000) >> 10));
        cp = 0xDC00 + ((cp - 0x10000) & 0x3FF);
    }
    text_addf(t, "\\u%04x", (unsigned)cp);
}

static void dump_text(dump *d, str s) {
    static const char from[] = "\"\\\n\r\t\b\f", to[] = "\"\\nrtbf";
    text_adds(&d->t, "\"");
    size_t size;
    for (size_t at = 0; at < s.n; at += size) {
        const uint32_t cp = text_first((str){s.p + at, s.n - at}, &size);
        const char *special = cp && cp < 0x80 ? strchr(from, (int)cp) : NULL;
        if (special)
            text_addf(&d->t, "\\%c", to[special - from]);
        else if (cp < 0x20 || (d->ascii && cp > 0x7F))
            add_code(&d->t, cp);
        else
            text_add(&d->t, s.p + at, size);
    }
    text_adds(&d->t, "\"");
}

static void dump_float(dump *d, double f) {
    if (isfinite(f))
        show_float(&d->t, f);
    else
        text_adds(&d->t, isnan(f) ? "NaN" : f < 0 ? "-Infinity" : "Infinity");
}

static void new_line(dump *d) {
    if (!d->lines) return;
    text_adds(&d->t, "\n");
    for (int i = 0; i < d->depth && d->t.size <= RUN_OUTPUT; i++)
        text_add(&d->t, d->indent.p, d->indent.n);
}

static ar_status dump_value(dump *d, value v);

static ar_status dump_list(dump *d, const seq *s) {
    if (!s->n) {
        text_adds(&d->t, "[]");
        return AR_OK;
    }
    text_adds(&d->t, "[");
    d->depth++;
    for (size_t i = 0; i < s->n; i++) {
        if (i) text_add(&d->t, d->item.p, d->item.n);
        new_line(d);
        TRY(dump_value(d, s->at[i]));
    }
    d->depth--;
    new_line(d);
    text_adds(&d->t, "]");
    return AR_OK;
}

static ar_status dump_key(dump *d, value key) {
    if (key.type == V_TEXT) {
        dump_text(d, key.s);
        return AR_OK;
    }
    if (!is_number(key) && key.type != V_NONE)
        return run_fail(d->r, AR_FORMAT,
                        "keys must be str, int, float, bool or None, not %s",
                        value_type_name(key));
    text_adds(&d->t, "\"");
    TRY(dump_value(d, key));
    text_adds(&d->t, "\"");
    return AR_OK;
}

/* Keys and values, in the order of the keys if that is asked for. */
static ar_status in_order(dump *d, const dict *from, dict *out) {
    *out = *from;
    if (!d->sorted) return AR_OK;
    value keys, values, copy;
    const size_t n = from->n;
    TRY(run_seq(d->r, V_LIST, n, &keys));
    TRY(run_seq(d->r, V_LIST, n, &values));
    TRY(run_seq(d->r, V_LIST, n, &copy));
    memcpy(keys.seq->at, from->keys, n * sizeof(value));
    memcpy(copy.seq->at, from->keys, n * sizeof(value));
    memcpy(values.seq->at, from->values, n * sizeof(value));
    TRY(sort_values(d->r, values.seq->at, copy.seq->at, n, false));
    memcpy(copy.seq->at, from->keys, n * sizeof(value));
    TRY(sort_values(d->r, keys.seq->at, copy.seq->at, n, false));
    *out = (dict){keys.seq->at, values.seq->at, n, n};
    return AR_OK;
}

static ar_status dump_dict(dump *d, const dict *from) {
    if (!from->n) {
        text_adds(&d->t, "{}");
        return AR_OK;
    }
    dict s;
    TRY(in_order(d, from, &s));
    text_adds(&d->t, "{");
    d->depth++;
    for (size_t i = 0; i < s.n; i++) {
        if (i) text_add(&d->t, d->item.p, d->item.n);
        new_line(d);
        TRY(dump_key(d, s.keys[i]));
        text_add(&d->t, d->key.p, d->key.n);
        TRY(dump_value(d, s.values[i]));
    }
    d->depth--;
    new_line(d);
    text_adds(&d->t, "}");
    return AR_OK;
}

static ar_status dump_value(dump *d, value v) {
    TRY(run_step(d->r, v.type == V_TEXT ? v.s.n * 8 : 0));
    if (d->t.size > RUN_OUTPUT || d->depth > VALUE_DEPTH)
        return run_fail(d->r, AR_RANGE, "a value is too large for JSON");
    switch ((value_type)v.type) {
    case V_NONE: text_adds(&d->t, "null"); return AR_OK;
    case V_BOOL: text_adds(&d->t, v.truth ? "true" : "false"); return AR_OK;
    case V_INT: show_integer(&d->t, v.i, 10); return AR_OK;
    case V_FLOAT: dump_float(d, v.f); return AR_OK;
    case V_TEXT: dump_text(d, v.s); return AR_OK;
    case V_LIST:
    case V_TUPLE: return dump_list(d, v.seq);
    case V_DICT: return dump_dict(d, v.dict);
    default:
        return run_fail(d->r, AR_FORMAT,
                        "Object of type %s is not JSON serializable",
                        value_type_name(v));
    }
}

static ar_status read_options(call *c, dump *d) {
    static const char blanks[64] = "                                "
                                   "                               ";
    d->ascii = arg_truth(c, 0, false);
    d->sorted = arg_truth(c, 3, false);
    d->lines = arg_some(c, 1);
    if (d->lines && c->p[1].type == V_TEXT) {
        d->indent = c->p[1].s;
    } else {
        integer n;
        TRY(arg_int(c, 1, 0, &n));
        if (n > 63) return run_fail(c->r, AR_RANGE, "an indent above 63");
        d->indent = (str){blanks, n > 0 ? (size_t)n : 0};
    }
    d->item = d->lines ? (str){",", 1} : (str){", ", 2};
    d->key = (str){": ", 2};
    if (!arg_some(c, 2)) return AR_OK;
    value two;
    TRY(value_items(c->r, c->p[2], &two));
    if (two.seq->n != 2 || two.seq->at[0].type != V_TEXT ||
        two.seq->at[1].type != V_TEXT)
        return run_fail(c->r, AR_FORMAT, "separators are not two strings");
    d->item = two.seq->at[0].s;
    d->key = two.seq->at[1].s;
    return AR_OK;
}

ar_status json_dump(call *c, value v, value *out) {
    dump d = {.r = c->r};
    TRY(read_options(c, &d));
    const ar_status s = dump_value(&d, v);
    if (s == AR_OK) return run_take(c->r, &d.t, out);
    text_close(&d.t);
    return s;
}
