/* pattern_parse.c - a pattern as text and sets of code points. */
#include "tok/pattern_parse.h"

#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "tok/pattern_class.h"
#include "tok/utf8.h"

enum { MAX_GROUPS = 64, MAX_SOURCE = 1 << 16 };

typedef struct parser {
    parsed_pattern *out;
    pattern_reader r;
    bool caseless;
    enum pattern_dialect dialect;
    bool outer[MAX_GROUPS]; /* caseless, before each open group */
    int depth;
} parser;

static ar_status add_item(parsed_pattern *out, pattern_item item,
                          ar_error *err) {
    if (out->n_items == out->capacity) {
        const size_t want = out->capacity ? 2 * out->capacity : 64;
        pattern_item *p = mem_realloc(out->items, want * sizeof *p);
        if (!p) return error_set(err, AR_NOMEM, "out of memory for a pattern");
        out->items = p;
        out->capacity = want;
    }
    out->items[out->n_items++] = item;
    return AR_OK;
}

static ar_status add_text(parser *q, const char *s, size_t n, ar_error *err) {
    const size_t offset = q->out->text.size;
    text_add(&q->out->text, s, n);
    return add_item(q->out, (pattern_item){-1, offset, n}, err);
}

/* Takes the set over. */
static ar_status add_set(parser *q, code_set *set, ar_error *err) {
    parsed_pattern *out = q->out;
    int i = 0;
    while (i < out->n_sets && !code_set_equal(&out->sets[i], set)) i++;
    const bool failed = set->failed, full = i == PATTERN_MAX_SETS;
    if (i < out->n_sets || full || failed)
        code_set_close(set);
    else
        out->sets[out->n_sets++] = *set;
    if (failed) return error_set(err, AR_NOMEM, "out of memory for a pattern");
    if (full)
        return error_set(err, AR_UNSUPPORTED,
                         "the pattern names more than %d sets of characters",
                         PATTERN_MAX_SETS);
    return add_item(out, (pattern_item){.set = i}, err);
}

static ar_status add_single(parser *q, uint32_t c, ar_error *err) {
    code_set set = {0};
    code_set_add(&set, c, c);
    if (q->caseless) code_set_add_cases(&set);
    return add_set(q, &set, err);
}

static ar_status add_class(parser *q, ar_error *err) {
    code_set set = {0};
    const ar_status s = pattern_read_class(&q->r, q->caseless, &set, err);
    if (s == AR_OK) return add_set(q, &set, err);
    code_set_close(&set);
    return s;
}

static ar_status add_newline(parser *q, const char *before, const char *after,
                             ar_error *err) {
    TRY(add_text(q, before, strlen(before), err));
    TRY(add_single(q, '\n', err));
    return add_text(q, after, strlen(after), err);
}

/* The set of \w, or its opposite, in `before` and `after`. */
static ar_status add_word(parser *q, const char *before, bool invert,
                          const char *after, ar_error *err) {
    code_set set = {0};
    code_set_add_word(&set);
    code_set_finish(&set);
    if (invert) code_set_invert(&set);
    ar_status s = add_text(q, before, strlen(before), err);
    if (s != AR_OK)
        code_set_close(&set);
    else
        s = add_set(q, &set, err);
    return s == AR_OK ? add_text(q, after, strlen(after), err) : s;
}

/* \b: a word character on one side and none on the other. */
static ar_status add_boundary(parser *q, bool invert, ar_error *err) {
    TRY(add_word(q, "(?:(?<=", false, ")", err));
    TRY(add_word(q, invert ? "(?=" : "(?!", false, ")", err));
    TRY(add_word(q, "|(?<!", false, ")", err));
    return add_word(q, invert ? "(?!" : "(?=", false, "))", err);
}

static ar_status add_escape(parser *q, ar_error *err) {
    const int c = q->r.p < q->r.end ? *q->r.p : 0;
    if (c == 'b' || c == 'B') {
        q->r.p++;
        return add_boundary(q, c == 'B', err);
    }
    if (c == 'A' || c == 'z') {
        const char anchor[2] = {'\\', (char)c};
        q->r.p++;
        return add_text(q, anchor, 2, err);
    }
    code_set set = {0};
    int32_t single;
    const ar_status s = pattern_read_escape(&q->r, &set, &single, err);
    if (s != AR_OK) {
        code_set_close(&set);
        return s;
    }
    code_set_finish(&set);
    /* Oniguruma folds \p{..} in brackets only */
    if (q->caseless && single >= 0) code_set_add_cases(&set);
    return add_set(q, &set, err);
}

/* The kinds of groups, as they are written. */
static const char *const openings[] = {"?i:", "?:",  "?=", "?!",
                                       "?<=", "?<!", "?>", "?i)"};
enum { N_OPENINGS = sizeof openings / sizeof *openings };

static ar_status open_group(parser *q, ar_error *err) {
    const char *rest = (const char *)q->r.p;
    const size_t left = (size_t)(q->r.end - q->r.p);
    const char *kind = "";
    for (int i = 0; i < N_OPENINGS; i++)
        if (left >= strlen(openings[i]) &&
            !memcmp(rest, openings[i], strlen(openings[i])))
            kind = openings[i];
    if (left && *rest == '?' && !*kind)
        return error_set(err, AR_UNSUPPORTED,
                         "(%.*s in the pattern is not supported",
                         left < 3 ? (int)left : 3, rest);
    q->r.p += strlen(kind);
    if (!strcmp(kind, "?i)")) {
        /* further on, Oniguruma and PCRE2 disagree about its reach */
        if (q->out->n_items)
            return error_set(err, AR_UNSUPPORTED,
                             "(?i) after the start of the pattern; (?i:...) "
                             "is supported");
        q->caseless = true;
        return AR_OK;
    }
    if (q->depth == MAX_GROUPS)
        return error_set(err, AR_UNSUPPORTED,
                         "groups of the pattern are more than %d deep",
                         MAX_GROUPS);
    q->outer[q->depth++] = q->caseless;
    if (!strcmp(kind, "?i:")) {
        q->caseless = true;
        kind = "?:";
    }
    TRY(add_text(q, "(", 1, err));
    return add_text(q, kind, strlen(kind), err);
}

static ar_status close_group(parser *q, ar_error *err) {
    if (!q->depth)
        return error_set(err, AR_FORMAT, ") without ( in the pattern");
    q->caseless = q->outer[--q->depth];
    return add_text(q, ")", 1, err);
}

static const unsigned char *skip_digits(const unsigned char *p,
                                        const unsigned char *end) {
    while (p < end && *p >= '0' && *p <= '9') p++;
    return p;
}

/* {n}, {n,} and {n,m}.  Oniguruma reads {n,m}+ as a repeat of a repeat and
 * {n}? as an option, PCRE2 does not: neither is let in.  To tiktoken they are
 * what they are to PCRE2. */
static ar_status add_counts(parser *q, ar_error *err) {
    const unsigned char *start = q->r.p - 1, *end = q->r.end;
    const unsigned char *p = skip_digits(q->r.p, end);
    const bool counted = p > q->r.p;
    const bool comma = p < end && *p == ',';
    if (comma) p = skip_digits(p + 1, end);
    if (!counted || p == end || *p != '}')
        return error_set(err, AR_UNSUPPORTED,
                         "{ in the pattern that is not {n}, {n,} or {n,m}; a "
                         "literal one is written \\{");
    p++;
    if (q->dialect != PATTERN_TIKTOKEN && p < end &&
        (*p == '+' || (*p == '?' && !comma)))
        return error_set(err, AR_UNSUPPORTED,
                         "%.*s in the pattern means different things to "
                         "different libraries",
                         (int)(p + 1 - start), (const char *)start);
    q->r.p = p;
    return add_text(q, (const char *)start, (size_t)(p - start), err);
}

static ar_status add_any(parser *q, ar_error *err) {
    code_set set = {0};
    code_set_add(&set, '\n', '\n');
    code_set_invert(&set);
    return add_set(q, &set, err);
}

/* "^" and "$": at the ends of lines, to tiktoken only at those of the text. */
static ar_status add_end(parser *q, bool start, ar_error *err) {
    if (q->dialect == PATTERN_TIKTOKEN)
        return add_text(q, start ? "\\A" : "\\z", 2, err);
    return start ? add_newline(q, "(?:\\A|(?<=", "))", err)
                 : add_newline(q, "(?:\\z|(?=", "))", err);
}

static ar_status parse_one(parser *q, ar_error *err) {
    const uint32_t c = pattern_next(&q->r);
    switch (c) {
    case '\\': return add_escape(q, err);
    case '[': return add_class(q, err);
    case '(': return open_group(q, err);
    case ')': return close_group(q, err);
    case '{': return add_counts(q, err);
    case '.': return add_any(q, err);
    case '^':
    case '$': return add_end(q, c == '^', err);
    case '|':
    case '*':
    case '+':
    case '?': return add_text(q, &(char){(char)c}, 1, err);
    default: return add_single(q, c, err);
    }
}

ar_status pattern_parse(parsed_pattern *out, const char *source,
                        enum pattern_dialect dialect, ar_error *err) {
    *out = (parsed_pattern){0};
    const size_t n = strlen(source);
    if (n > MAX_SOURCE || utf8_valid(source, n) < n)
        return error_set(err, AR_FORMAT,
                         n > MAX_SOURCE ? "the pattern is longer than 64 KiB"
                                        : "the pattern is not UTF-8");
    const unsigned char *p = (const unsigned char *)source;
    parser q = {.out = out, .r = {p, p + n}, .dialect = dialect};
    while (q.r.p < q.r.end) TRY(parse_one(&q, err));
    if (q.depth) return error_set(err, AR_FORMAT, "( without ) in the pattern");
    return text_status(&out->text, err);
}

void pattern_parse_close(parsed_pattern *p) {
    for (int i = 0; i < p->n_sets; i++) code_set_close(&p->sets[i]);
    mem_free(p->items);
    text_close(&p->text);
    *p = (parsed_pattern){0};
}
