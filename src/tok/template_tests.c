/* template_tests.c - the tests of templates, and the lists of all that is
 * built in. */
#include <string.h>

#include "tok/template_filters.h"
#include "tok/template_text.h"

static const builtin_row filters[] = {
#define FILTER(name, function, parameters) {name, function, parameters},
#include "tok/template_filters.def"
#undef FILTER
};
static const builtin_row tests[] = {
#define TEST(name, function, parameters) {name, function, parameters},
#include "tok/template_tests.def"
#undef TEST
};
static const builtin_row functions[] = {
#define FUNCTION(name, function, parameters) {name, function, parameters},
#include "tok/template_functions.def"
#undef FUNCTION
};

static const builtin_row *find(const builtin_row *rows, size_t n, str name) {
    for (size_t i = 0; i < n; i++)
        if (str_is(name, rows[i].name)) return &rows[i];
    return NULL;
}

#define COUNT(rows) (sizeof(rows) / sizeof *(rows))
const builtin_row *filter_find(str name) {
    return find(filters, COUNT(filters), name);
}
const builtin_row *test_find(str name) {
    return find(tests, COUNT(tests), name);
}
const builtin_row *function_find(str name) {
    return find(functions, COUNT(functions), name);
}

static ar_status answer(bool b, value *out) {
    *out = v_bool(b);
    return AR_OK;
}

static ar_status compare(call *c, compare_op op, value *out) {
    bool truth;
    TRY(op_compare(c->r, op, c->self, c->p[0], &truth));
    return answer(truth, out);
}

ar_status test_eq(call *c, value *out) { return compare(c, C_EQ, out); }
ar_status test_ne(call *c, value *out) { return compare(c, C_NE, out); }
ar_status test_lt(call *c, value *out) { return compare(c, C_LT, out); }
ar_status test_le(call *c, value *out) { return compare(c, C_LE, out); }
ar_status test_gt(call *c, value *out) { return compare(c, C_GT, out); }
ar_status test_ge(call *c, value *out) { return compare(c, C_GE, out); }
ar_status test_in(call *c, value *out) { return compare(c, C_IN, out); }

ar_status test_defined(call *c, value *out) {
    return answer(c->self.type != V_UNDEFINED, out);
}
ar_status test_undefined(call *c, value *out) {
    return answer(c->self.type == V_UNDEFINED, out);
}
ar_status test_none(call *c, value *out) {
    return answer(c->self.type == V_NONE, out);
}
ar_status test_boolean(call *c, value *out) {
    return answer(c->self.type == V_BOOL, out);
}
ar_status test_true(call *c, value *out) {
    return answer(c->self.type == V_BOOL && c->self.truth, out);
}
ar_status test_false(call *c, value *out) {
    return answer(c->self.type == V_BOOL && !c->self.truth, out);
}
ar_status test_integer(call *c, value *out) {
    return answer(c->self.type == V_INT, out);
}
ar_status test_float(call *c, value *out) {
    return answer(c->self.type == V_FLOAT, out);
}
ar_status test_number(call *c, value *out) {
    return answer(is_number(c->self), out);
}
ar_status test_string(call *c, value *out) {
    return answer(c->self.type == V_TEXT, out);
}
ar_status test_mapping(call *c, value *out) {
    return answer(c->self.type == V_DICT, out);
}

ar_status test_sequence(call *c, value *out) {
    const uint8_t t = c->self.type;
    return answer(t == V_TEXT || t == V_LIST || t == V_TUPLE || t == V_RANGE ||
                      t == V_DICT || t == V_UNDEFINED,
                  out);
}

ar_status test_iterable(call *c, value *out) {
    const uint8_t t = c->self.type;
    return answer(is_seq(c->self) || t == V_TEXT || t == V_DICT ||
                      t == V_UNDEFINED || t == V_LOOP,
                  out);
}

ar_status test_callable(call *c, value *out) {
    const uint8_t t = c->self.type;
    return answer(
        t == V_MACRO || t == V_BUILTIN || t == V_LOOP || t == V_UNDEFINED, out);
}

ar_status test_escaped(call *c, value *out) {
    return answer(c->self.safe, out);
}

ar_status test_sameas(call *c, value *out) {
    const value a = c->self, b = c->p[0];
    if (a.type != b.type) return answer(false, out);
    if (is_seq(a)) return answer(a.seq == b.seq, out);
    if (a.type == V_DICT) return answer(a.dict == b.dict, out);
    return answer(value_equal(a, b), out);
}

static ar_status remainder_is(call *c, value by, integer want, value *out) {
    value m;
    TRY(op_binary(c->r, B_MOD, c->self, by, &m));
    return answer(is_number(m) && value_real(m) == (double)want, out);
}

ar_status test_even(call *c, value *out) {
    return remainder_is(c, v_int(2), 0, out);
}
ar_status test_odd(call *c, value *out) {
    return remainder_is(c, v_int(2), 1, out);
}
ar_status test_divisibleby(call *c, value *out) {
    return remainder_is(c, c->p[0], 0, out);
}

/* As str.isupper and str.islower: some letter, and none of the other case. */
static ar_status one_case(call *c, bool upper, value *out) {
    value s;
    size_t size;
    bool some = false, other = false;
    TRY(show_str(c->r, c->self, &s));
    for (size_t at = 0; at < s.s.n; at += size) {
        const uint32_t cp = text_first((str){s.s.p + at, s.s.n - at}, &size);
        some = some || (upper ? text_is_upper(cp) : text_is_lower(cp));
        other = other || (upper ? text_is_lower(cp) : text_is_upper(cp));
    }
    return answer(some && !other, out);
}

ar_status test_upper(call *c, value *out) { return one_case(c, true, out); }
ar_status test_lower(call *c, value *out) { return one_case(c, false, out); }

ar_status test_filter(call *c, value *out) {
    return answer(c->self.type == V_TEXT && filter_find(c->self.s), out);
}
ar_status test_test(call *c, value *out) {
    return answer(c->self.type == V_TEXT && test_find(c->self.s), out);
}
