/* json_schema_number.c - numbers between bounds, digit by digit. */
#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "infer/json_schema_int.h"

enum { USUAL_DIGITS = 15 };

static const int64_t usual_most = 999999999999999;  /* USUAL_DIGITS */
static const int64_t large_most = 9007199254740991; /* exact in a double */

/* ---- whole numbers ---- */

static int64_t power10(int n) {
    int64_t p = 1;
    while (n-- > 0) p *= 10;
    return p;
}

static int digits_of(int64_t x) {
    int n = 1;
    while (x >= 10) {
        x /= 10;
        n++;
    }
    return n;
}

static void add_digits(text *out, int n) {
    if (n == 1) text_adds(out, " [0-9]");
    if (n > 1) text_addf(out, " [0-9]{%d}", n);
}

/* Depth: n. */
void schema_digits(text *out, int64_t a, int64_t b, int n) {
    const int64_t unit = power10(n - 1);
    int first = (int)(a / unit), last = (int)(b / unit);
    if (n == 1) {
        text_addf(out, "[%d-%d]", first, last);
        return;
    }
    if (first == last) {
        text_addf(out, "\"%d\" ", first);
        schema_digits(out, a % unit, b % unit, n - 1);
        return;
    }
    text_adds(out, "(");
    const char * or = "";
    if (a % unit) {
        text_addf(out, "\"%d\" ", first++);
        schema_digits(out, a % unit, unit - 1, n - 1);
        or = " | ";
    }
    const bool part = b % unit != unit - 1;
    if (first <= last - part) {
        text_addf(out, "%s[%d-%d]", or, first, last - part);
        add_digits(out, n - 1);
        or = " | ";
    }
    if (part) {
        text_addf(out, "%s\"%d\" ", or, last);
        schema_digits(out, 0, b % unit, n - 1);
    }
    text_adds(out, ")");
}

/* 0 <= low <= high */
static void plain_range(text *out, int64_t low, int64_t high) {
    const int most = digits_of(high);
    for (int n = digits_of(low), first = n; n <= most; n++) {
        const int64_t least = n == 1 ? 0 : power10(n - 1);
        const int64_t last = power10(n) - 1;
        if (n > first) text_adds(out, " | ");
        schema_digits(out, low > least ? low : least, high < last ? high : last,
                      n);
    }
}

void schema_range(text *out, int64_t low, int64_t high) {
    text_adds(out, "(");
    if (low < 0) {
        text_adds(out, "\"-\" (");
        plain_range(out, high < 0 ? -high : 1, -low);
        text_adds(out, ")");
        if (high >= 0) text_adds(out, " | ");
    }
    if (high >= 0) plain_range(out, low > 0 ? low : 0, high);
    text_adds(out, ")");
}

/* ---- bounds ---- */

typedef struct bounds {
    double low, high;
    bool has_low, has_high, above, below; /* above: low itself is out */
} bounds;

static ar_status read_bound(schema_writer *w, const schema_at *at,
                            const char *key, double *out, bool *has) {
    const json_t *v = json_object_get(at->node, key);
    *has = false;
    if (!v) return AR_OK;
    if (!json_is_number(v))
        return schema_fail(w, at, AR_FORMAT,
                           "\"%s\" is not a number; older drafts' true and "
                           "false are not supported",
                           key);
    *out = json_number_value(v);
    *has = true;
    if (fabs(*out) <= (double)large_most) return AR_OK;
    return schema_fail(w, at, AR_UNSUPPORTED, "\"%s\" is beyond 2^53", key);
}

/* The tighter of each pair. */
static ar_status read_bounds(schema_writer *w, const schema_at *at,
                             bounds *out) {
    double low = 0, high = 0;
    bool has_low, has_high;
    bounds b = {0};
    TRY(read_bound(w, at, "minimum", &b.low, &b.has_low));
    TRY(read_bound(w, at, "maximum", &b.high, &b.has_high));
    TRY(read_bound(w, at, "exclusiveMinimum", &low, &has_low));
    TRY(read_bound(w, at, "exclusiveMaximum", &high, &has_high));
    if (has_low && (!b.has_low || low >= b.low)) {
        b.low = low;
        b.has_low = b.above = true;
    }
    if (has_high && (!b.has_high || high <= b.high)) {
        b.high = high;
        b.has_high = b.below = true;
    }
    *out = b;
    return AR_OK;
}

static ar_status no_number(schema_writer *w, const schema_at *at) {
    return schema_fail(w, at, AR_UNSUPPORTED,
                       "no number is between the bounds");
}

static ar_status write_whole(schema_writer *w, const schema_at *at,
                             const bounds *b, text *out) {
    int64_t low = -usual_most, high = usual_most;
    if (b->has_low)
        low = (int64_t)(b->above ? floor(b->low) + 1 : ceil(b->low));
    if (b->has_high)
        high = (int64_t)(b->below ? ceil(b->high) - 1 : floor(b->high));
    if (!b->has_high && low > usual_most / 10) high = large_most;
    if (!b->has_low && high < -(usual_most / 10)) low = -large_most;
    if (low > high) return no_number(w, at);
    schema_range(out, low, high);
    return AR_OK;
}

/* ---- numbers with a fraction ---- */

/* Numbers from a to b, 0 <= a <= b, `above` a and `below` b where they are
 * out; `digits` behind the point.  There is one. */
static void fraction_range(text *out, int64_t a, int64_t b, bool above,
                           bool below, int digits) {
    const char * or = "";
    if (above && a < b) { /* a itself, but more */
        text_adds(out, "(");
        schema_range(out, a, a);
        text_addf(out, " \".\" \"0\"{0,%d} [1-9] [0-9]{0,%d}", digits - 1,
                  digits - 1);
        or = " | ";
    } else {
        text_adds(out, "(");
    }
    if (a + above < b) {
        text_adds(out, or);
        schema_range(out, a + above, b - 1);
        text_addf(out, " (\".\" [0-9]{1,%d})?", digits);
        or = " | ";
    }
    const bool last = !below && !(above && a == b);
    if (last) {
        text_adds(out, or);
        schema_range(out, b, b);
        text_addf(out, " (\".\" \"0\"{1,%d})?", digits);
    }
    text_adds(out, ")");
}

/* Bounds in units of 10^-places, and how many digits may stand behind the
 * point so that no number is rounded onto a bound. */
typedef struct span {
    int64_t low, high;
    int places, digits;
} span;

enum { MOST_PLACES = 6 };

/* Digits behind the point of a bound, or -1. */
static int places_of(double x) {
    char word[64];
    for (int n = 0; n <= MOST_PLACES && fabs(x) < 1e15; n++) {
        snprintf(word, sizeof word, "%.*f", n, x);
        if (strtod(word, NULL) == x) return n;
    }
    return -1;
}

static ar_status read_span(schema_writer *w, const schema_at *at,
                           const bounds *b, span *out) {
    const double low = b->has_low ? b->low : 0;
    const double high = b->has_high ? b->high : 0;
    const double given = fmax(fabs(low), fabs(high));
    const int n = places_of(low), m = places_of(high);
    *out = (span){.places = n > m ? n : m};
    if (n < 0 || m < 0 || (out->places && given >= 1e6))
        return schema_fail(w, at, AR_UNSUPPORTED,
                           "bounds of numbers beyond 1e15, or beyond 1e6 or "
                           "with more than %d digits behind the point",
                           MOST_PLACES);
    /* so that there is room between bounds that are out */
    if (out->places && (b->above || b->below)) out->places++;
    const double unit = (double)power10(out->places);
    const int64_t most = out->places ? power10(9 + out->places) : usual_most;
    out->low = b->has_low ? llround(low * unit) : -most;
    out->high = b->has_high ? llround(high * unit) : most;
    out->digits = USUAL_DIGITS + 1 - digits_of((int64_t)given);
    if (out->digits > USUAL_DIGITS) out->digits = USUAL_DIGITS;
    return AR_OK;
}

/* Numbers from a to b, in units. */
static void add_span(text *out, int64_t a, int64_t b, bool above, bool below,
                     const span *s) {
    const schema_decimals d = {s->places, s->digits, above, below};
    if (s->places)
        schema_decimal(out, a, b, &d);
    else
        fraction_range(out, a, b, above, below, s->digits);
}

static ar_status write_fraction(schema_writer *w, const schema_at *at,
                                const bounds *b, text *out) {
    span s;
    TRY(read_span(w, at, b, &s));
    if (s.low > s.high || (s.low == s.high && (b->above || b->below)))
        return no_number(w, at);
    if (s.low < 0) {
        text_adds(out, "\"-\" ");
        add_span(out, s.high < 0 ? -s.high : 0, -s.low, s.high <= 0 && b->below,
                 b->above, &s);
    }
    if (s.high > 0 || (s.high == 0 && !b->below)) {
        if (s.low < 0) text_adds(out, " | ");
        add_span(out, s.low > 0 ? s.low : 0, s.high, s.low >= 0 && b->above,
                 b->below, &s);
    }
    return AR_OK;
}

ar_status schema_number(schema_writer *w, const schema_at *at, bool whole,
                        text *out) {
    bounds b;
    TRY(read_bounds(w, at, &b));
    if (!b.has_low && !b.has_high) {
        text_adds(out, whole ? "integer" : "number");
        return AR_OK;
    }
    return whole ? write_whole(w, at, &b, out) : write_fraction(w, at, &b, out);
}
