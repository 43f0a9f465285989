/* json_schema_decimal.c - numbers between bounds that have a fraction.
 *
 * Bounds are counted in units of their last digit: 0.25 is 25 of two digits.
 * What lies between them is a whole number with any fraction, or the whole
 * part of a bound with a fraction on the right side of the bound's. */
#include "infer/json_schema_int.h"

/* One more choice of a group. */
static void next(text *out, const char **between) {
    text_adds(out, *between);
    *between = " | ";
}

/* `whole`, a point, a fraction from a to b, then `more` digits; zeros at the
 * end of the fraction may be left out. */
static void part(text *out, int64_t whole, int64_t a, int64_t b,
                 const schema_decimals *d, const char *more) {
    int64_t step = 1;
    schema_range(out, whole, whole);
    text_adds(out, " \".\" (");
    schema_digits(out, a, b, d->places);
    text_addf(out, " %s{0,%d}", more, d->digits - d->places);
    for (int n = d->places - 1; n > 0; n--) {
        step *= 10;
        if ((a + step - 1) / step > b / step) continue;
        text_adds(out, " | ");
        schema_digits(out, (a + step - 1) / step, b / step, n);
    }
    text_adds(out, ")");
}

void schema_decimal(text *out, int64_t a, int64_t b, const schema_decimals *d) {
    int64_t unit = 1;
    for (int i = 0; i < d->places; i++) unit *= 10;
    const int64_t low = a / unit, high = b / unit, last = b % unit;
    const bool whole_low = a % unit == 0 && !d->above;
    const char *between = "";
    int64_t first = a % unit + d->above; /* fraction at `high` */
    bool plain = low < high || whole_low;
    text_adds(out, "(");
    if (low < high) {
        if (!whole_low && first < unit) {
            next(out, &between);
            part(out, low, first, unit - 1, d, "[0-9]");
        }
        if (low + !whole_low < high) {
            next(out, &between);
            schema_range(out, low + !whole_low, high - 1);
            text_addf(out, " (\".\" [0-9]{1,%d})?", d->digits);
        }
        first = 0;
    }
    if (first < last) {
        next(out, &between);
        part(out, high, first, last - 1, d, "[0-9]");
    }
    if (!d->below && first <= last) {
        next(out, &between);
        part(out, high, last, last, d, "\"0\"");
    }
    plain &= last > 0 || !d->below;
    if (plain) {
        next(out, &between);
        schema_range(out, high, high);
    }
    text_adds(out, ")");
}
