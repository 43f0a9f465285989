/* template_functions.c - the functions that every template has, and filters
 * of numbers and of whole values. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tok/template_filters.h"
#include "tok/template_text.h"

/* ---- functions ---- */

static ar_status fill_dict(call *c, value *out) {
    TRY(run_dict(c->r, c->named->n, out));
    if (c->n > 1 || (c->n && c->args[0].type != V_DICT))
        return run_fail(c->r, AR_FORMAT, "only a dict and names may be given");
    const dict *const from[2] = {c->n ? c->args[0].dict : NULL, c->named};
    for (int k = 0; k < 2; k++)
        for (size_t i = 0; from[k] && i < from[k]->n; i++)
            TRY(run_dict_set(c->r, out->dict, from[k]->keys[i],
                             from[k]->values[i]));
    return AR_OK;
}

ar_status function_dict(call *c, value *out) { return fill_dict(c, out); }

ar_status function_namespace(call *c, value *out) {
    TRY(fill_dict(c, out));
    out->type = V_NAMESPACE;
    return AR_OK;
}

ar_status function_raise(call *c, value *out) {
    (void)out;
    value s;
    TRY(show_str(c->r, c->p[0], &s));
    c->r->raised = s.s.p ? s.s : (str){"", 0};
    return run_fail(c->r, AR_FORMAT, "%.*s", s.s.n > 200 ? 200 : (int)s.s.n,
                    s.s.p ? s.s.p : "");
}

ar_status function_range(call *c, value *out) {
    integer part[3] = {0, 0, 1};
    if (c->n < 1 || c->n > 3 || c->named->n)
        return run_fail(c->r, AR_FORMAT, "range() takes one to three numbers");
    for (size_t i = 0; i < c->n; i++) {
        TRY(check_defined(c->r, c->args[i]));
        if (!is_integral(c->args[i]))
            return run_fail(c->r, AR_FORMAT,
                            "'%s' object cannot be interpreted as an integer",
                            value_type_name(c->args[i]));
        part[c->n == 1 ? 1 : i] = value_integer(c->args[i]);
        if (part[i] > INT64_MAX || part[i] < INT64_MIN)
            return run_fail(c->r, AR_RANGE, "range() of too large a number");
    }
    const integer step = part[2];
    if (!step) return run_fail(c->r, AR_FORMAT, "range() of step zero");
    const integer way = step > 0 ? part[1] - part[0] : part[0] - part[1];
    const integer size = step > 0 ? step : -step;
    const integer n = way > 0 ? (way + size - 1) / size : 0;
    if (n > RUN_RANGE)
        return run_fail(c->r, AR_RANGE,
                        "Range too big. The sandbox blocks ranges larger than "
                        "MAX_RANGE (%d).",
                        RUN_RANGE);
    TRY(run_seq(c->r, V_RANGE, (size_t)n, out));
    for (integer i = 0; i < n; i++) out->seq->at[i] = v_int(part[0] + i * step);
    out->seq->start = part[0];
    out->seq->stop = part[1];
    out->seq->step = step;
    return AR_OK;
}

ar_status format_time(render *r, str format, int64_t now, value *out) {
    char pattern[256], buffer[1024];
    struct tm tm;
    const time_t seconds = (time_t)now;
    if (format.n >= sizeof pattern - 1 || !gmtime_r(&seconds, &tm))
        return run_fail(r, AR_RANGE, "a time cannot be shown");
    if (format.n) memcpy(pattern, format.p, format.n);
    pattern[format.n] = ' '; /* so that 0 bytes mean that it did not fit */
    pattern[format.n + 1] = 0;
    const size_t n = strftime(buffer, sizeof buffer, pattern, &tm);
    if (!n) return run_fail(r, AR_RANGE, "a time is too long");
    return run_text(r, buffer, n - 1, out);
}

ar_status function_strftime_now(call *c, value *out) {
    str format;
    TRY(arg_text(c, 0, "", &format));
    return format_time(c->r, format, c->r->now, out);
}

/* ---- filters ---- */

ar_status filter_default(call *c, value *out) {
    const bool falsy = arg_truth(c, 1, false) && !value_truth(c->self);
    *out = c->self;
    if (c->self.type == V_UNDEFINED || falsy)
        *out = arg_given(c, 0) ? c->p[0] : v_text("", 0);
    return AR_OK;
}

ar_status filter_tojson(call *c, value *out) {
    return json_dump(c, c->self, out);
}

ar_status filter_abs(call *c, value *out) {
    *out = c->self;
    if (is_number(c->self) && value_real(c->self) >= 0) {
        if (c->self.type == V_BOOL) *out = v_int(c->self.truth);
        return AR_OK;
    }
    return op_negate(c->r, c->self, out);
}

static int digit_of(char c) {
    if (isdigit((unsigned char)c)) return c - '0';
    return isalpha((unsigned char)c) ? (c | 32) - 'a' + 10 : 99;
}

/* Whether s, which has a sign behind it, goes on with the mark of its base. */
static bool has_base_mark(str s, int base) {
    const char mark = base == 16 ? 'x' : base == 8 ? 'o' : 'b';
    return s.n > 2 && s.p[0] == '0' && (base == 16 || base == 8 || base == 2) &&
           (s.p[1] | 0x20) == mark;
}

/* A single underscore between digits. */
static bool is_separator(str s, size_t i) {
    return s.p[i] == '_' && i > 0 && i + 1 < s.n && s.p[i - 1] != '_';
}

/* Digits in a base, with a sign and single underscores between them. */
static bool read_integer(str s, int base, integer *out) {
    integer v = 0;
    s = text_strip(s);
    const bool minus = s.n && s.p[0] == '-';
    if (minus || (s.n && s.p[0] == '+')) s = (str){s.p + 1, s.n - 1};
    if (has_base_mark(s, base)) s = (str){s.p + 2, s.n - 2};
    if (!s.n) return false;
    for (size_t i = 0; i < s.n; i++) {
        if (is_separator(s, i)) continue;
        const int d = digit_of(s.p[i]);
        if (d >= base || __builtin_mul_overflow(v, base, &v) ||
            __builtin_add_overflow(v, d, &v))
            return false;
    }
    *out = minus ? -v : v;
    return true;
}

/* What float() reads. */
static bool read_real(str s, double *out) {
    char buffer[400];
    s = text_strip(s);
    if (!s.n || s.n >= sizeof buffer) return false;
    memcpy(buffer, s.p, s.n);
    buffer[s.n] = 0;
    if (memchr(buffer, 'x', s.n) || memchr(buffer, 'X', s.n) ||
        memchr(buffer, '(', s.n))
        return false;
    char *end;
    *out = strtod(buffer, &end);
    return end == buffer + s.n;
}

static bool whole(double f, integer *out) {
    if (!(fabs(f) < 1e38)) return false;
    *out = (integer)f;
    return true;
}

ar_status filter_int(call *c, value *out) {
    integer base, v = 0;
    double f;
    TRY(arg_int(c, 1, 10, &base));
    if (base < 2 || base > 36)
        return run_fail(c->r, AR_RANGE, "a base is 2 to 36");
    TRY(check_defined(c->r, c->self));
    bool good = is_integral(c->self);
    if (good) v = value_integer(c->self);
    if (c->self.type == V_FLOAT) good = whole(c->self.f, &v);
    if (c->self.type == V_TEXT)
        good = read_integer(c->self.s, (int)base, &v) ||
               (read_real(c->self.s, &f) && whole(f, &v));
    *out = good ? v_int(v) : arg_given(c, 0) ? c->p[0] : v_int(0);
    return AR_OK;
}

ar_status filter_float(call *c, value *out) {
    double f = 0;
    TRY(check_defined(c->r, c->self));
    bool good = is_number(c->self);
    if (good) f = value_real(c->self);
    if (c->self.type == V_TEXT) good = read_real(c->self.s, &f);
    *out = good ? v_float(f) : arg_given(c, 0) ? c->p[0] : v_float(0);
    return AR_OK;
}

/* As round(): to the nearest decimal of the exact value, ties to even. */
static double round_decimal(double f, int precision) {
    char s[512];
    if (!isfinite(f) || precision > 300) return f;
    if (precision >= 0) {
        snprintf(s, sizeof s, "%.*f", precision, f);
        return strtod(s, NULL);
    }
    const double scale = pow(10, -precision);
    return nearbyint(f / scale) * scale;
}

ar_status filter_round(call *c, value *out) {
    integer precision;
    str method;
    TRY(arg_int(c, 0, 0, &precision));
    TRY(arg_text(c, 1, "common", &method));
    TRY(check_defined(c->r, c->self));
    if (!is_number(c->self))
        return run_fail(c->r, AR_FORMAT, "round() of %s",
                        value_type_name(c->self));
    if (precision < -300 || precision > 300)
        return run_fail(c->r, AR_RANGE, "a precision of more than 300");
    const double f = value_real(c->self), scale = pow(10, (double)precision);
    if (str_is(method, "ceil"))
        *out = v_float(ceil(f * scale) / scale);
    else if (str_is(method, "floor"))
        *out = v_float(floor(f * scale) / scale);
    else if (!str_is(method, "common"))
        return run_fail(c->r, AR_FORMAT,
                        "method must be common, ceil or floor");
    else if (is_integral(c->self) && precision >= 0)
        *out = v_int(value_integer(c->self));
    else
        *out = v_float(round_decimal(f, (int)precision));
    return AR_OK;
}

/* ---- sorting: merges of ever longer runs ---- */

static ar_status merge(render *r, value *const v[2], value *const k[2],
                       const size_t at[3], bool reverse) {
    size_t i = at[0], j = at[1];
    for (size_t to = at[0]; to < at[2]; to++) {
        bool left = j >= at[2];
        if (!left && i < at[1]) {
            int order;
            TRY(op_order(r, k[0][j], k[0][i], &order));
            left = reverse ? order <= 0 : order >= 0;
        }
        const size_t from = left ? i++ : j++;
        v[1][to] = v[0][from];
        k[1][to] = k[0][from];
    }
    return AR_OK;
}

ar_status sort_values(render *r, value *v, value *keys, size_t n,
                      bool reverse) {
    value spare_v, spare_k;
    TRY(run_seq(r, V_LIST, n, &spare_v));
    TRY(run_seq(r, V_LIST, n, &spare_k));
    value *vs[2] = {v, spare_v.seq->at}, *ks[2] = {keys, spare_k.seq->at};
    for (size_t run = 1; run < n; run *= 2) {
        for (size_t i = 0; i < n; i += 2 * run) {
            const size_t middle = i + run < n ? i + run : n;
            const size_t end = middle + run < n ? middle + run : n;
            TRY(merge(r, vs, ks, (size_t[3]){i, middle, end}, reverse));
        }
        value *swap = vs[0];
        vs[0] = vs[1];
        vs[1] = swap;
        swap = ks[0];
        ks[0] = ks[1];
        ks[1] = swap;
    }
    if (n && vs[0] != v) memcpy(v, vs[0], n * sizeof *v);
    return AR_OK;
}
