/* json_schema_pattern.c - regular expressions inside JSON strings.
 *
 * Each atom becomes what stands for it between the quotes: a quote, a
 * backslash or a control character is written with its escape, and only so.
 * An end without an anchor may be preceded or followed by anything. */
#include <string.h>

#include "base/error.h"
#include "infer/json_schema_class.h"
#include "infer/json_schema_int.h"

enum { MAX_DEPTH = 32, MAX_COUNT = 100000, NO_LIMIT = -1 };

typedef struct regex {
    schema_writer *w;
    const schema_at *at;
    const char *p;
    int depth;
} regex;

/* A sequence; of the items with a length that varies, the one there is. */
typedef struct sequence {
    schema_lengths all;
    int n_varied;
    size_t from, to;       /* where its count stands in the text */
    schema_lengths varied; /* of its atom */
    int64_t min, max;      /* its count */
    bool closed;           /* anchors on both sides */
} sequence;

static ar_status fail(regex *r, const char *what) {
    return schema_fail(r->w, r->at, AR_UNSUPPORTED,
                       "\"pattern\": %s at \"%.30s\"", what, r->p);
}

static int64_t times(int64_t a, int64_t b) {
    if (a == 0 || b == 0) return 0;
    if (a == NO_LIMIT || b == NO_LIMIT) return NO_LIMIT;
    return a > INT32_MAX / b ? INT32_MAX : a * b;
}
static int64_t plus(int64_t a, int64_t b) {
    return a == NO_LIMIT || b == NO_LIMIT ? NO_LIMIT
           : a + b > INT32_MAX            ? INT32_MAX
                                          : a + b;
}

static void add_count(text *out, int64_t min, int64_t max) {
    if (min == 1 && max == 1) return;
    text_addf(out, "{%lld,", (long long)min);
    if (max != NO_LIMIT) text_addf(out, "%lld", (long long)max);
    text_adds(out, "}");
}

/* ---- counts ---- */

static bool read_number(const char **p, int64_t *out) {
    if (**p < '0' || **p > '9') return false;
    for (*out = 0; **p >= '0' && **p <= '9'; (*p)++) {
        *out = *out * 10 + (**p - '0');
        if (*out > MAX_COUNT) return false;
    }
    return true;
}

static ar_status read_braces(regex *r, int64_t *min, int64_t *max) {
    const char *p = r->p + 1;
    bool good = read_number(&p, min);
    *max = *min;
    if (good && *p == ',') {
        p++;
        *max = NO_LIMIT;
        if (*p != '}') good = read_number(&p, max);
    }
    if (!good || *p != '}' || (*max != NO_LIMIT && *max < *min))
        return fail(r, "there is no such count");
    r->p = p + 1;
    return AR_OK;
}

/* How often the atom may come; a lazy count allows the same texts. */
static ar_status read_count(regex *r, int64_t *min, int64_t *max) {
    const char c = *r->p;
    *min = *max = 1;
    if (c == '{') {
        TRY(read_braces(r, min, max));
    } else if (c == '*' || c == '+' || c == '?') {
        *min = c == '+';
        *max = c == '?' ? 1 : NO_LIMIT;
        r->p++;
    } else {
        return AR_OK;
    }
    if (*r->p == '?') r->p++;
    if (*r->p && strchr("*+{", *r->p)) return fail(r, "a count behind a count");
    return AR_OK;
}

/* ---- atoms ---- */

static ar_status parse_choice(regex *r, bool top, text *out, sequence *seq);

static ar_status parse_group(regex *r, text *out, schema_lengths *n) {
    sequence inner = {0};
    if (++r->depth > MAX_DEPTH) return fail(r, "groups are nested too deeply");
    r->p++;
    if (!strncmp(r->p, "?:", 2)) {
        r->p += 2;
    } else if (r->p[0] == '?' && r->p[1] == '<' && r->p[2] != '=' &&
               r->p[2] != '!') {
        while (*r->p && *r->p != '>') r->p++;
        if (*r->p) r->p++;
    } else if (*r->p == '?') {
        return fail(r, "looking around cannot be held to");
    }
    text_adds(out, "(");
    TRY(parse_choice(r, false, out, &inner));
    if (*r->p != ')') return fail(r, "a group is not closed");
    text_adds(out, ")");
    r->p++;
    r->depth--;
    *n = inner.all;
    return AR_OK;
}

static ar_status parse_atom(regex *r, text *out, schema_lengths *n) {
    char_class class = {0};
    *n = (schema_lengths){1, 1};
    if (*r->p == '(') return parse_group(r, out, n);
    if (strchr("*+?{", *r->p)) return fail(r, "there is nothing to repeat");
    if (strchr("^$", *r->p))
        return fail(r, "an anchor inside cannot be held to");
    const char *why = char_class_parse(&class, &r->p);
    if (why) return fail(r, why);
    if (!char_class_write(&class, out)) return fail(r, "an empty class");
    return AR_OK;
}

static ar_status parse_item(regex *r, text *out, sequence *seq) {
    schema_lengths atom;
    int64_t min, max;
    if (seq->all.min || seq->all.max) text_adds(out, " ");
    TRY(parse_atom(r, out, &atom));
    const size_t from = out->size;
    TRY(read_count(r, &min, &max));
    add_count(out, min, max);
    const schema_lengths n = {times(atom.min, min), times(atom.max, max)};
    if (n.min != n.max) {
        seq->n_varied++;
        seq->from = from;
        seq->to = out->size;
        seq->varied = atom;
        seq->min = min;
        seq->max = max;
    }
    seq->all.min = plus(seq->all.min, n.min);
    seq->all.max = plus(seq->all.max, n.max);
    return AR_OK;
}

static void add_anything(text *out, sequence *seq, const char *what) {
    text_adds(out, what);
    seq->all.max = NO_LIMIT;
    seq->closed = false;
}

static ar_status parse_sequence(regex *r, bool top, text *out, sequence *seq) {
    *seq = (sequence){.closed = true};
    if (top && *r->p == '^')
        r->p++;
    else if (top)
        add_anything(out, seq, "char* ");
    text_adds(out, "\"\" ");
    while (*r->p && *r->p != '|' && *r->p != ')') {
        if (top && *r->p == '$' && (!r->p[1] || r->p[1] == '|')) {
            r->p++;
            return AR_OK;
        }
        TRY(parse_item(r, out, seq));
    }
    if (top) add_anything(out, seq, " char*");
    return AR_OK;
}

static ar_status parse_choice(regex *r, bool top, text *out, sequence *seq) {
    TRY(parse_sequence(r, top, out, seq));
    while (*r->p == '|') {
        sequence next;
        r->p++;
        text_adds(out, " | ");
        TRY(parse_sequence(r, top, out, &next));
        if (next.all.min < seq->all.min) seq->all.min = next.all.min;
        if (seq->all.max != NO_LIMIT &&
            (next.all.max == NO_LIMIT || next.all.max > seq->all.max))
            seq->all.max = next.all.max;
        seq->closed = false; /* its counts cannot be changed as one */
    }
    return AR_OK;
}

/* ---- lengths ---- */

/* If one item of single characters makes up all that varies, its count can be
 * held to lengths. */
static ar_status fit(regex *r, const sequence *seq, schema_lengths asked,
                     text *out) {
    const bool fits = seq->all.min >= asked.min &&
                      (asked.max == NO_LIMIT ||
                       (seq->all.max != NO_LIMIT && seq->all.max <= asked.max));
    if (fits) return AR_OK;
    if (!seq->closed || seq->n_varied != 1 || seq->varied.min != 1 ||
        seq->varied.max != 1)
        return schema_fail(r->w, r->at, AR_UNSUPPORTED,
                           "\"pattern\" beside minLength or maxLength that it "
                           "does not keep");
    const int64_t rest = seq->all.min - seq->min;
    int64_t min = seq->min, max = seq->max;
    if (asked.min - rest > min) min = asked.min - rest;
    if (asked.max != NO_LIMIT && (max == NO_LIMIT || asked.max - rest < max))
        max = asked.max - rest;
    if (max != NO_LIMIT && max < min)
        return schema_fail(r->w, r->at, AR_UNSUPPORTED,
                           "no text has the pattern and the length");
    text fitted = {0};
    text_add(&fitted, out->data, seq->from);
    add_count(&fitted, min, max);
    text_add(&fitted, out->data + seq->to, out->size - seq->to);
    const text old = *out;
    *out = fitted;
    fitted = old;
    text_close(&fitted);
    return text_status(out, r->w->err);
}

ar_status schema_pattern(schema_writer *w, const schema_at *at,
                         const char *pattern, schema_lengths asked, text *out) {
    regex r = {.w = w, .at = at, .p = pattern};
    sequence all;
    text side = {0};
    ar_status s = parse_choice(&r, true, &side, &all);
    if (s == AR_OK && *r.p) s = fail(&r, "a group is not open");
    if (s == AR_OK) s = text_status(&side, w->err);
    if (s == AR_OK) s = fit(&r, &all, asked, &side);
    if (s == AR_OK) text_addf(out, "(%s)", side.data);
    text_close(&side);
    return s;
}
