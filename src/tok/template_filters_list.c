/* template_filters_list.c - filters of lists: their parts, and each element
 * through another filter or test. */
#include <string.h>

#include "tok/template_filters.h"
#include "tok/template_text.h"

static const arguments no_arguments = {.named = &(dict){0}};

ar_status filter_length(call *c, value *out) {
    integer n;
    TRY(value_length(c->r, c->self, &n));
    *out = v_int(n);
    return AR_OK;
}

ar_status filter_list(call *c, value *out) {
    return value_items(c->r, c->self, out);
}

ar_status filter_items(call *c, value *out) {
    if (c->self.type == V_UNDEFINED) return run_seq(c->r, V_GENERATOR, 0, out);
    if (c->self.type != V_DICT)
        return run_fail(c->r, AR_FORMAT,
                        "Can only get item pairs from a mapping.");
    const dict *d = c->self.dict;
    TRY(run_seq(c->r, V_GENERATOR, d->n, out));
    for (size_t i = 0; i < d->n; i++) {
        TRY(run_seq(c->r, V_TUPLE, 2, &out->seq->at[i]));
        out->seq->at[i].seq->at[0] = d->keys[i];
        out->seq->at[i].seq->at[1] = d->values[i];
    }
    return AR_OK;
}

ar_status filter_first(call *c, value *out) {
    value items;
    TRY(value_items(c->r, c->self, &items));
    if (!items.seq->n)
        return run_undefined(c->r, out, "No first item, sequence was empty.");
    *out = items.seq->at[0];
    return AR_OK;
}

ar_status filter_last(call *c, value *out) {
    value items;
    if (c->self.type == V_GENERATOR)
        return run_fail(c->r, AR_FORMAT, "'generator' is not reversible");
    TRY(value_items(c->r, c->self, &items));
    if (!items.seq->n)
        return run_undefined(c->r, out, "No last item, sequence was empty.");
    *out = items.seq->at[items.seq->n - 1];
    return AR_OK;
}

ar_status filter_reverse(call *c, value *out) {
    value items;
    TRY(value_items(c->r, c->self, &items));
    const size_t n = items.seq->n;
    if (c->self.type != V_TEXT) {
        TRY(run_seq(c->r, V_GENERATOR, n, out));
        for (size_t i = 0; i < n; i++)
            out->seq->at[i] = items.seq->at[n - 1 - i];
        return AR_OK;
    }
    text t = {0};
    for (size_t i = n; i-- > 0;)
        text_add(&t, items.seq->at[i].s.p, items.seq->at[i].s.n);
    return run_take(c->r, &t, out);
}

ar_status filter_attr(call *c, value *out) {
    str name;
    TRY(arg_text(c, 0, "", &name));
    if (c->self.type == V_DICT || c->self.type == V_NAMESPACE) {
        const builtin_row *row; /* elements are not looked at */
        if (!attr_method(c->self, name, &row))
            return run_undefined(c->r, out, "'dict object' has no attribute");
    }
    return attr_get(c->r, c->self, name, out);
}

ar_status filter_join(call *c, value *out) {
    value items, s;
    str by;
    TRY(value_items(c->r, c->self, &items));
    TRY(arg_text(c, 0, "", &by));
    text t = {0};
    ar_status status = AR_OK;
    for (size_t i = 0; i < items.seq->n && status == AR_OK; i++) {
        s = items.seq->at[i];
        if (i) text_add(&t, by.p, by.n);
        if (arg_some(c, 1)) status = attr_path(c->r, s, c->p[1], &s);
        if (status == AR_OK) status = show_add(c->r, &t, s, false);
        if (t.size > RUN_OUTPUT)
            status = run_fail(c->r, AR_RANGE, "a text is longer than %d MiB",
                              RUN_OUTPUT >> 20);
    }
    if (status == AR_OK) return run_take(c->r, &t, out);
    text_close(&t);
    return status;
}

ar_status filter_sum(call *c, value *out) {
    value items;
    TRY(value_items(c->r, c->self, &items));
    *out = arg_given(c, 1) ? c->p[1] : v_int(0);
    for (size_t i = 0; i < items.seq->n; i++) {
        value v = items.seq->at[i];
        if (arg_some(c, 0)) TRY(attr_path(c->r, v, c->p[0], &v));
        TRY(op_binary(c->r, B_ADD, *out, v, out));
    }
    return AR_OK;
}

/* Rows of at most `n` elements; a short one is filled up. */
ar_status filter_batch(call *c, value *out) {
    value items;
    integer n;
    TRY(value_items(c->r, c->self, &items));
    TRY(arg_int(c, 0, 1, &n));
    if (n < 1 || n > RUN_RANGE)
        return run_fail(c->r, AR_RANGE, "rows have 1 to %d elements",
                        RUN_RANGE);
    const size_t size = (size_t)n, count = (items.seq->n + size - 1) / size;
    TRY(run_seq(c->r, V_GENERATOR, count, out));
    for (size_t i = 0; i < count; i++) {
        const size_t rest = items.seq->n - i * size;
        const size_t k = rest < size ? rest : size;
        const bool fill = k < size && arg_some(c, 1);
        value *row = &out->seq->at[i];
        TRY(run_seq(c->r, V_LIST, fill ? size : k, row));
        for (size_t j = 0; j < row->seq->n; j++)
            row->seq->at[j] = j < k ? items.seq->at[i * size + j] : c->p[1];
    }
    return AR_OK;
}

/* `n` columns, the first ones longer by one. */
ar_status filter_slice(call *c, value *out) {
    value items;
    integer n;
    TRY(value_items(c->r, c->self, &items));
    TRY(arg_int(c, 0, 1, &n));
    if (n < 1 || n > RUN_RANGE)
        return run_fail(c->r, AR_RANGE, "there are 1 to %d slices", RUN_RANGE);
    const size_t count = (size_t)n, each = items.seq->n / count,
                 more = items.seq->n % count;
    TRY(run_seq(c->r, V_GENERATOR, count, out));
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        const size_t k = each + (i < more);
        const bool fill = arg_some(c, 1) && i >= more;
        value *row = &out->seq->at[i];
        TRY(run_seq(c->r, V_LIST, k + fill, row));
        if (k) memcpy(row->seq->at, items.seq->at + at, k * sizeof(value));
        if (fill) row->seq->at[k] = c->p[1];
        at += k;
    }
    return AR_OK;
}

/* ---- map, select and their kin ---- */

/* The arguments behind the first `n`. */
static arguments rest_of(const call *c, size_t n) {
    if (c->n <= n) return (arguments){.named = (dict *)c->named};
    return (arguments){(value *)c->args + n, c->n - n, (dict *)c->named};
}

/* What is walked: nothing, if it is false in any way, None too. */
static ar_status walked(call *c, value *out) {
    if (!value_truth(c->self)) return run_seq(c->r, V_LIST, 0, out);
    return value_items(c->r, c->self, out);
}

ar_status filter_map(call *c, value *out) {
    value items;
    TRY(walked(c, &items));
    const int64_t by = dict_find_text(c->named, (str){"attribute", 9});
    const int64_t or_else = dict_find_text(c->named, (str){"default", 7});
    if (by < 0 && (!c->n || c->args[0].type != V_TEXT))
        return run_fail(c->r, AR_FORMAT, "map requires a filter argument");
    const arguments a = rest_of(c, 1);
    TRY(run_seq(c->r, V_GENERATOR, items.seq->n, out));
    for (size_t i = 0; i < items.seq->n; i++) {
        value v = items.seq->at[i], *to = &out->seq->at[i];
        if (by < 0) {
            TRY(call_filter(c->r, c->args[0].s, v, &a, to));
            continue;
        }
        TRY(attr_path(c->r, v, c->named->values[by], to));
        if (to->type == V_UNDEFINED && or_else >= 0)
            *to = c->named->values[or_else];
    }
    return AR_OK;
}

static ar_status choose(call *c, bool by_attribute, bool keep, value *out) {
    value items;
    TRY(walked(c, &items));
    const size_t first = by_attribute ? 1 : 0;
    if (by_attribute && !c->n)
        return run_fail(c->r, AR_FORMAT,
                        "Missing parameter for attribute name");
    const bool test = c->n > first;
    if (test && c->args[first].type != V_TEXT)
        return run_fail(c->r, AR_FORMAT, "the name of a test is no string");
    const arguments a = rest_of(c, first + 1);
    TRY(run_seq(c->r, V_GENERATOR, items.seq->n, out));
    size_t n = 0;
    for (size_t i = 0; i < items.seq->n; i++) {
        value v = items.seq->at[i];
        if (by_attribute) TRY(attr_path(c->r, v, c->args[0], &v));
        bool truth = value_truth(v);
        if (test) TRY(call_test(c->r, c->args[first].s, v, &a, &truth));
        if (truth == keep) out->seq->at[n++] = items.seq->at[i];
    }
    out->seq->n = n;
    return AR_OK;
}

ar_status filter_select(call *c, value *out) {
    return choose(c, false, true, out);
}
ar_status filter_reject(call *c, value *out) {
    return choose(c, false, false, out);
}
ar_status filter_selectattr(call *c, value *out) {
    return choose(c, true, true, out);
}
ar_status filter_rejectattr(call *c, value *out) {
    return choose(c, true, false, out);
}

/* ---- by key ---- */

/* What an element is compared by: an attribute of it, text in lower case
 * unless case counts. */
static ar_status key_of(render *r, value v, value path, bool exact,
                        value *out) {
    *out = v;
    if (path.type != V_MISSING && path.type != V_NONE)
        TRY(attr_path(r, v, path, out));
    if (exact || out->type != V_TEXT) return AR_OK;
    return call_filter(r, (str){"lower", 5}, *out, &no_arguments, out);
}

static ar_status keys_of(render *r, value items, value path, bool exact,
                         value *out) {
    TRY(run_seq(r, V_LIST, items.seq->n, out));
    for (size_t i = 0; i < items.seq->n; i++)
        TRY(key_of(r, items.seq->at[i], path, exact, &out->seq->at[i]));
    return AR_OK;
}

/* A path of several names, "a,b", makes a tuple of keys. */
static ar_status sort_keys(render *r, value items, value path, bool exact,
                           value *out) {
    const bool many =
        path.type == V_TEXT && path.s.n && memchr(path.s.p, ',', path.s.n);
    if (!many) return keys_of(r, items, path, exact, out);
    TRY(run_seq(r, V_LIST, items.seq->n, out));
    for (size_t i = 0; i < items.seq->n; i++)
        TRY(run_seq(r, V_LIST, 0, &out->seq->at[i]));
    for (str rest = path.s; rest.n || rest.p;) {
        const char *comma = rest.n ? memchr(rest.p, ',', rest.n) : NULL;
        const size_t n = comma ? (size_t)(comma - rest.p) : rest.n;
        value column, one;
        TRY(keys_of(r, items, v_text(rest.p, n), exact, &column));
        for (size_t i = 0; i < items.seq->n; i++) {
            TRY(run_seq(r, V_LIST, 1, &one));
            one.seq->at[0] = column.seq->at[i];
            TRY(op_binary(r, B_ADD, out->seq->at[i], one, &out->seq->at[i]));
        }
        if (!comma) break;
        rest = (str){comma + 1, rest.n - n - 1};
    }
    return AR_OK;
}

/* A list of its own that may be changed. */
static ar_status copy_items(render *r, value v, value *out) {
    value items;
    TRY(value_items(r, v, &items));
    TRY(run_seq(r, V_LIST, items.seq->n, out));
    if (items.seq->n)
        memcpy(out->seq->at, items.seq->at, items.seq->n * sizeof(value));
    return AR_OK;
}

ar_status filter_sort(call *c, value *out) {
    value keys;
    TRY(copy_items(c->r, c->self, out));
    TRY(sort_keys(c->r, *out, c->p[2], arg_truth(c, 1, false), &keys));
    return sort_values(c->r, out->seq->at, keys.seq->at, out->seq->n,
                       arg_truth(c, 0, false));
}

ar_status filter_dictsort(call *c, value *out) {
    value keys, of = c->self;
    if (of.type != V_DICT)
        return run_fail(c->r, AR_FORMAT, "dictsort needs a dict, not %s",
                        value_type_name(of));
    str by;
    TRY(arg_text(c, 1, "key", &by));
    if (!str_is(by, "key") && !str_is(by, "value"))
        return run_fail(c->r, AR_FORMAT,
                        "You can only sort by either \"key\" or \"value\"");
    TRY(filter_items(c, out));
    out->type = V_LIST;
    TRY(keys_of(c->r, *out, v_int(str_is(by, "value")), arg_truth(c, 0, false),
                &keys));
    return sort_values(c->r, out->seq->at, keys.seq->at, out->seq->n,
                       arg_truth(c, 2, false));
}

static ar_status extreme(call *c, int want, value *out) {
    value items, keys;
    TRY(value_items(c->r, c->self, &items));
    if (!items.seq->n)
        return run_undefined(c->r, out,
                             "No aggregated item, sequence was empty.");
    TRY(keys_of(c->r, items, c->p[1], arg_truth(c, 0, false), &keys));
    size_t best = 0;
    for (size_t i = 1; i < items.seq->n; i++) {
        int order;
        TRY(op_order(c->r, keys.seq->at[i], keys.seq->at[best], &order));
        if (order == want) best = i;
    }
    *out = items.seq->at[best];
    return AR_OK;
}

ar_status filter_max(call *c, value *out) { return extreme(c, 1, out); }
ar_status filter_min(call *c, value *out) { return extreme(c, -1, out); }

ar_status filter_unique(call *c, value *out) {
    value items, keys, seen;
    TRY(value_items(c->r, c->self, &items));
    TRY(keys_of(c->r, items, c->p[1], arg_truth(c, 0, false), &keys));
    TRY(run_seq(c->r, V_GENERATOR, items.seq->n, out));
    TRY(run_dict(c->r, items.seq->n, &seen));
    size_t n = 0;
    for (size_t i = 0; i < items.seq->n; i++) {
        const size_t before = seen.dict->n;
        TRY(run_dict_set(c->r, seen.dict, keys.seq->at[i], v_none()));
        if (seen.dict->n > before) out->seq->at[n++] = items.seq->at[i];
    }
    out->seq->n = n;
    return AR_OK;
}

static ar_status add_group(render *r, value all, value key, value v,
                           value items) {
    value *group = &all.seq->at[all.seq->n++];
    TRY(run_seq(r, V_TUPLE, 2, group));
    group->seq->group = true;
    group->seq->at[0] = key;
    TRY(run_seq(r, V_LIST, items.seq->n, &group->seq->at[1]));
    group->seq->at[1].seq->at[0] = v;
    group->seq->at[1].seq->n = 1;
    return AR_OK;
}

ar_status filter_groupby(call *c, value *out) {
    value items, keys, exact;
    render *const r = c->r;
    TRY(copy_items(r, c->self, &items));
    const size_t n = items.seq->n;
    TRY(keys_of(r, items, c->p[0], true, &exact));
    for (size_t i = 0; i < n && arg_given(c, 1); i++)
        if (exact.seq->at[i].type == V_UNDEFINED) exact.seq->at[i] = c->p[1];
    TRY(keys_of(r, exact, (value){0}, arg_truth(c, 2, false), &keys));
    value pairs, sorted;
    TRY(run_seq(r, V_LIST, n, &pairs));
    TRY(copy_items(r, keys, &sorted));
    for (size_t i = 0; i < n; i++) {
        TRY(run_seq(r, V_TUPLE, 3, &pairs.seq->at[i]));
        value *const p = pairs.seq->at[i].seq->at;
        p[0] = keys.seq->at[i];
        p[1] = exact.seq->at[i];
        p[2] = items.seq->at[i];
    }
    TRY(sort_values(r, pairs.seq->at, sorted.seq->at, n, false));
    TRY(run_seq(r, V_LIST, n, out));
    out->seq->n = 0;
    for (size_t i = 0; i < n; i++) {
        const value *const p = pairs.seq->at[i].seq->at;
        const bool same =
            i && value_equal(pairs.seq->at[i - 1].seq->at[0], p[0]);
        if (!same) {
            size_t k = i; /* as many as are equal */
            while (k < n && value_equal(pairs.seq->at[k].seq->at[0], p[0])) k++;
            TRY(add_group(r, *out, p[1], p[2],
                          v_seq(V_LIST, &(seq){.n = k - i})));
        } else {
            seq *last = out->seq->at[out->seq->n - 1].seq->at[1].seq;
            last->at[last->n++] = p[2];
        }
    }
    return AR_OK;
}
