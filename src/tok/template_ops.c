/* template_ops.c - operators, as Python's. */
#include <math.h>
#include <string.h>

#include "tok/template_run.h"
#include "tok/template_text.h"

static ar_status fail_types(render *r, const char *op, value a, value b) {
    TRY(check_defined(r, a));
    TRY(check_defined(r, b));
    return run_fail(r, AR_FORMAT,
                    "unsupported operand type(s) for %s: '%s' and '%s'", op,
                    value_type_name(a), value_type_name(b));
}

static ar_status too_large(render *r) {
    return run_fail(r, AR_RANGE, "an integer of more than 127 bits");
}

static ar_status add_safe(render *r, value v, text *t) {
    if (v.safe) {
        text_add(t, v.s.p, v.s.n);
        return AR_OK;
    }
    const arguments none = {.named = &(dict){0}};
    value escaped;
    TRY(call_filter(r, (str){"e", 1}, v, &none, &escaped));
    text_add(t, escaped.s.p, escaped.s.n);
    return AR_OK;
}

/* Text that is marked as safe escapes what is added to it. */
static ar_status join_safe(render *r, value a, value b, value *out) {
    text t = {0};
    ar_status s = add_safe(r, a, &t);
    if (s == AR_OK) s = add_safe(r, b, &t);
    if (s == AR_OK) return run_take(r, &t, out);
    text_close(&t);
    return s;
}

static ar_status join_text(render *r, str a, str b, value *out) {
    if (a.n + b.n > RUN_OUTPUT)
        return run_fail(r, AR_RANGE, "a text is longer than %d MiB",
                        RUN_OUTPUT >> 20);
    void *p;
    TRY(run_alloc(r, a.n + b.n, &p));
    if (a.n) memcpy(p, a.p, a.n);
    if (b.n) memcpy((char *)p + a.n, b.p, b.n);
    *out = v_text(p, a.n + b.n);
    return run_step(r, a.n + b.n);
}

static ar_status join_seq(render *r, value a, value b, value *out) {
    const size_t n = a.seq->n, m = b.seq->n;
    TRY(run_seq(r, (value_type)a.type, n + m, out));
    if (n) memcpy(out->seq->at, a.seq->at, n * sizeof(value));
    if (m) memcpy(out->seq->at + n, b.seq->at, m * sizeof(value));
    return AR_OK;
}

static ar_status add(render *r, value a, value b, value *out) {
    if (a.type == V_TEXT && b.type == V_TEXT) {
        if (!a.safe && !b.safe) return join_text(r, a.s, b.s, out);
        TRY(join_safe(r, a, b, out));
        out->safe = true;
        return AR_OK;
    }
    if (a.type == b.type && (a.type == V_LIST || a.type == V_TUPLE))
        return join_seq(r, a, b, out);
    if (a.type != V_TEXT) return fail_types(r, "+", a, b);
    TRY(check_defined(r, b));
    return run_fail(r, AR_FORMAT,
                    "can only concatenate str (not \"%s\") to str",
                    value_type_name(b));
}

static ar_status repeat(render *r, value v, integer times, value *out) {
    const bool words = v.type == V_TEXT;
    const size_t n = words ? v.s.n : v.seq->n;
    if (times < 0) times = 0;
    if (n && times > RUN_MEMORY / (integer)n)
        return run_fail(r, AR_RANGE, "values take more than %d MiB",
                        RUN_MEMORY >> 20);
    const size_t k = n ? (size_t)times : 0;
    if (!words) {
        TRY(run_seq(r, (value_type)v.type, n * k, out));
        for (size_t i = 0; i < k; i++)
            memcpy(out->seq->at + i * n, v.seq->at, n * sizeof(value));
        return AR_OK;
    }
    void *p;
    TRY(run_alloc(r, n * k, &p));
    for (size_t i = 0; i < k; i++) memcpy((char *)p + i * n, v.s.p, n);
    *out = v_text(p, n * k);
    return run_step(r, n * k);
}

static ar_status power(render *r, integer base, integer exponent, value *out) {
    if (exponent < 0) {
        if (!base) return run_fail(r, AR_FORMAT, "0 to a negative power");
        *out = v_float(pow((double)base, (double)exponent));
        return AR_OK;
    }
    integer v = 1;
    for (; exponent; exponent /= 2) {
        if (exponent % 2 && __builtin_mul_overflow(v, base, &v))
            return too_large(r);
        if (exponent > 1 && __builtin_mul_overflow(base, base, &base))
            return too_large(r);
    }
    *out = v_int(v);
    return AR_OK;
}

static ar_status divide(render *r, binary_op op, integer a, integer b,
                        value *out) {
    if (!b) return run_fail(r, AR_FORMAT, "division by zero");
    if (op == B_DIV) {
        *out = v_float((double)a / (double)b);
        return AR_OK;
    }
    if (b == -1) { /* the smallest integer has no positive partner */
        integer v = 0;
        if (op == B_FLOOR_DIV && __builtin_sub_overflow(v, a, &v))
            return too_large(r);
        *out = v_int(v);
        return AR_OK;
    }
    integer q = a / b, m = a % b;
    if (m && (m < 0) != (b < 0)) {
        q--;
        m += b;
    }
    *out = v_int(op == B_MOD ? m : q);
    return AR_OK;
}

static ar_status integers(render *r, binary_op op, integer a, integer b,
                          value *out) {
    integer v = 0;
    bool over = false;
    switch (op) {
    case B_ADD: over = __builtin_add_overflow(a, b, &v); break;
    case B_SUB: over = __builtin_sub_overflow(a, b, &v); break;
    case B_MUL: over = __builtin_mul_overflow(a, b, &v); break;
    case B_POW: return power(r, a, b, out);
    default: return divide(r, op, a, b, out);
    }
    if (over) return too_large(r);
    *out = v_int(v);
    return AR_OK;
}

static ar_status reals(render *r, binary_op op, double a, double b,
                       value *out) {
    double v = 0;
    switch (op) {
    case B_ADD: v = a + b; break;
    case B_SUB: v = a - b; break;
    case B_MUL: v = a * b; break;
    case B_POW:
        if (a == 0 && b < 0)
            return run_fail(r, AR_FORMAT, "0 to a negative power");
        v = pow(a, b);
        if (isinf(v) && !isinf(a) && !isinf(b))
            return run_fail(r, AR_RANGE, "a number is too large");
        break;
    default:
        if (b == 0) return run_fail(r, AR_FORMAT, "float division by zero");
        v = a / b;
        if (op == B_DIV) break;
        const double m = fmod(a, b);
        const double back = m != 0 && (m < 0) != (b < 0) ? m + b : m;
        v = op == B_MOD ? back : floor((a - back) / b + 0.5);
    }
    *out = v_float(v);
    return AR_OK;
}

static ar_status percent(render *r, value a, value b, value *out) {
    const dict none = {0};
    const bool many = b.type == V_TUPLE;
    if ((b.type == V_LIST || b.type == V_DICT) &&
        text_find(a.s, (str){"%", 1}, 0) < 0) {
        *out = a; /* these may be left over, as with a mapping */
        return AR_OK;
    }
    return format_percent(r, a.s, many ? b.seq->at : &b, many ? b.seq->n : 1,
                          b.type == V_DICT ? b.dict : &none, out);
}

static ar_status concat(render *r, value a, value b, value *out) {
    value left, right;
    TRY(show_str(r, a, &left));
    TRY(show_str(r, b, &right));
    return join_text(r, left.s, right.s, out);
}

static bool is_repeatable(value v) {
    return v.type == V_TEXT || v.type == V_LIST || v.type == V_TUPLE;
}

ar_status op_binary(render *r, binary_op op, value a, value b, value *out) {
    static const char *const names[] = {"+",  "-", "*",  "/",
                                        "//", "%", "**", "~"};
    if (op == B_CONCAT) return concat(r, a, b, out);
    if (is_integral(a) && is_integral(b))
        return integers(r, op, value_integer(a), value_integer(b), out);
    if (is_number(a) && is_number(b))
        return reals(r, op, value_real(a), value_real(b), out);
    if (op == B_ADD) return add(r, a, b, out);
    if (op == B_MUL && is_repeatable(a) && is_integral(b))
        return repeat(r, a, value_integer(b), out);
    if (op == B_MUL && is_repeatable(b) && is_integral(a))
        return repeat(r, b, value_integer(a), out);
    if (op == B_MOD && a.type == V_TEXT) return percent(r, a, b, out);
    return fail_types(r, names[op], a, b);
}

ar_status op_negate(render *r, value v, value *out) {
    if (v.type == V_FLOAT)
        *out = v_float(-v.f);
    else if (is_integral(v))
        return integers(r, B_SUB, 0, value_integer(v), out);
    else {
        TRY(check_defined(r, v));
        return run_fail(r, AR_FORMAT, "bad operand type for unary -: '%s'",
                        value_type_name(v));
    }
    return AR_OK;
}

static ar_status order_seq(render *r, const seq *a, const seq *b, int *out) {
    if (++r->depth > RUN_DEPTH)
        return run_fail(r, AR_RANGE, "values are nested too deeply");
    const size_t n = a->n < b->n ? a->n : b->n;
    for (size_t i = 0; i < n; i++) {
        TRY(run_step(r, 0));
        if (value_equal(a->at[i], b->at[i])) continue;
        r->depth--;
        return op_order(r, a->at[i], b->at[i], out);
    }
    r->depth--;
    *out = a->n < b->n ? -1 : a->n > b->n;
    return AR_OK;
}

static int order_text(str a, str b) {
    const size_t n = a.n < b.n ? a.n : b.n;
    const int c = n ? memcmp(a.p, b.p, n) : 0;
    if (c) return c < 0 ? -1 : 1;
    return a.n < b.n ? -1 : a.n > b.n;
}

ar_status op_order(render *r, value a, value b, int *out) {
    TRY(check_defined(r, a));
    TRY(check_defined(r, b));
    if (is_integral(a) && is_integral(b)) {
        const integer x = value_integer(a), y = value_integer(b);
        *out = x < y ? -1 : x > y;
    } else if (is_number(a) && is_number(b)) {
        const double x = value_real(a), y = value_real(b);
        *out = x < y ? -1 : x > y;
    } else if (a.type == V_TEXT && b.type == V_TEXT) {
        *out = order_text(a.s, b.s);
    } else if (a.type == b.type && (a.type == V_LIST || a.type == V_TUPLE)) {
        return order_seq(r, a.seq, b.seq, out);
    } else {
        return run_fail(r, AR_FORMAT,
                        "'<' not supported between instances of '%s' and '%s'",
                        value_type_name(a), value_type_name(b));
    }
    return run_step(r, a.type == V_TEXT ? a.s.n : 0);
}

/* Equality that is paid for in steps. */
static ar_status op_equal(render *r, value a, value b, bool *out) {
    int64_t work = RUN_STEPS - r->steps;
    *out = value_equal_within(a, b, &work);
    r->steps = RUN_STEPS - work;
    return run_step(r, a.type == V_TEXT ? a.s.n : 0);
}

ar_status op_contains(render *r, value all, value v, bool *out) {
    *out = false;
    if (all.type == V_TEXT) {
        if (v.type != V_TEXT) {
            TRY(check_defined(r, v));
            return run_fail(r, AR_FORMAT,
                            "'in <string>' requires string, not %s",
                            value_type_name(v));
        }
        *out = text_find(all.s, v.s, 0) >= 0;
        return run_step(r, all.s.n);
    }
    if (all.type == V_DICT) {
        if (!value_hashable(v))
            return run_fail(r, AR_FORMAT, "unhashable type: '%s'",
                            value_type_name(v));
        *out = dict_find(all.dict, v) >= 0;
        return run_step(r, all.dict->n * 8);
    }
    if (all.type == V_UNDEFINED) return AR_OK;
    if (!is_seq(all))
        return run_fail(r, AR_FORMAT, "argument of type '%s' is not iterable",
                        value_type_name(all));
    value items;
    TRY(value_items(r, all, &items));
    for (size_t i = 0; i < items.seq->n && !*out; i++)
        TRY(op_equal(r, items.seq->at[i], v, out));
    return AR_OK;
}

ar_status op_compare(render *r, compare_op op, value a, value b, bool *out) {
    int order = 0;
    switch (op) {
    case C_EQ:
    case C_NE:
        TRY(op_equal(r, a, b, out));
        *out = *out == (op == C_EQ);
        return AR_OK;
    case C_IN: return op_contains(r, b, a, out);
    case C_NOT_IN:
        TRY(op_contains(r, b, a, out));
        *out = !*out;
        return AR_OK;
    default: break;
    }
    TRY(op_order(r, a, b, &order));
    *out = op == C_LT   ? order < 0
           : op == C_LE ? order <= 0
           : op == C_GT ? order > 0
                        : order >= 0;
    return AR_OK;
}
