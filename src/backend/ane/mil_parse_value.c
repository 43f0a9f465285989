/* mil_parse_value.c - MIL text to types and literals. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backend/ane/mil_parse.h"

/* ---- text as it is ---- */

static bool opens(char c) {
    return c == '(' || c == '[' || c == '{' || c == '<';
}

static char closing(char c) {
    return (char)(c == '(' ? ')' : c == '[' ? ']' : c == '{' ? '}' : '>');
}

/* Past the bracket that closes the one that is next. */
static bool skip_brackets(mil_parser *s) {
    char wanted[MIL_MAX_DEPTH];
    int depth = 0;
    do {
        const mil_lex *x = &s->x;
        if (x->kind == MIL_END || x->kind == MIL_BAD) {
            mil_expected(s, "a closing bracket");
            return false;
        }
        if (x->kind == MIL_MARK && opens(*x->text)) {
            if (depth == MIL_MAX_DEPTH) {
                mil_fail_here(s, AR_RANGE, "brackets are too deep");
                return false;
            }
            wanted[depth++] = closing(*x->text);
        } else if (x->kind == MIL_MARK && depth &&
                   *x->text == wanted[depth - 1]) {
            depth--;
        } else if (x->kind == MIL_MARK && strchr(")]}>", *x->text)) {
            mil_expected(s, "another bracket");
            return false;
        }
        mil_lex_next(&s->x);
    } while (depth);
    return true;
}

/* The source as it is, which has no zero byte; NULL after failing. */
static const char *cut(mil_parser *s, const char *from, const char *to) {
    const size_t n = (size_t)(to - from);
    if (!memchr(from, 0, n)) return mil_copy_text(s->p, from, n);
    mil_fail_here(s, AR_FORMAT, "a zero byte in the text before this");
    return NULL;
}

const char *mil_parse_raw(mil_parser *s) {
    const char *from = s->x.text;
    const char *to = from;
    /* The closing bracket is one byte; the word behind it may be far. */
    mil_parser look = *s;
    if (!skip_brackets(&look)) return NULL;
    to = look.x.text;
    while (to > from && !strchr(")]}>", to[-1])) to--;
    s->x = look.x;
    return cut(s, from, to);
}

static char escaped(char c) {
    switch (c) {
    case 'n': return '\n';
    case 't': return '\t';
    case 'r': return '\r';
    default: return c;
    }
}

const char *mil_parse_text(mil_parser *s) {
    const char *in = s->x.text + 1;
    const char *end = s->x.text + s->x.size - 1;
    char *out = mil_take(s->p, s->x.size), *to = out;
    if (!out) return NULL;
    for (; in < end; in++) {
        if (*in == 0) {
            mil_fail_here(s, AR_FORMAT, "a text has a zero byte");
            return NULL;
        }
        if (*in == '\\' && in + 1 < end)
            in++, *to++ = escaped(*in);
        else
            *to++ = *in;
    }
    *to = 0;
    mil_lex_next(&s->x);
    return out;
}

/* ---- types ---- */

static bool parse_dim(mil_parser *s, int64_t *dim) {
    char word[32];
    if (mil_accept(s, '?')) return *dim = MIL_UNKNOWN, true;
    char *end = word;
    if (s->x.kind == MIL_NUM && s->x.size < sizeof word) {
        memcpy(word, s->x.text, s->x.size);
        word[s->x.size] = 0;
        errno = 0;
        *dim = strtoll(word, &end, 10);
        if (*end || errno || *dim < 0 || *dim > INT32_MAX) end = word;
    }
    if (end == word) {
        mil_expected(s, "a size");
        return false;
    }
    mil_lex_next(&s->x);
    return true;
}

static bool parse_element(mil_parser *s, mil_type *t) {
    t->dtype = s->x.kind == MIL_WORD ? mil_dtype_from_name(s->x.text, s->x.size)
                                     : MIL_NONE;
    if (t->dtype == MIL_NONE) {
        mil_expected(s, "a type");
        return false;
    }
    mil_lex_next(&s->x);
    return true;
}

/* Behind "tensor". */
static bool parse_tensor(mil_parser *s, mil_type *t) {
    t->tensor = true;
    if (!mil_expect(s, '<') || !parse_element(s, t) || !mil_expect(s, ',') ||
        !mil_expect(s, '['))
        return false;
    if (!mil_accept(s, ']')) {
        do {
            if (t->rank == MIL_MAX_DIMS) {
                mil_fail_here(s, AR_RANGE, "a tensor has too many dimensions");
                return false;
            }
            if (!parse_dim(s, &t->dim[t->rank])) return false;
            t->rank++;
        } while (mil_accept(s, ','));
        if (!mil_expect(s, ']')) return false;
    }
    return mil_expect(s, '>');
}

bool mil_parse_type(mil_parser *s, mil_type *t) {
    *t = (mil_type){0};
    if (mil_failed(s->p)) return false;
    t->state = mil_lex_word(&s->x, "state");
    if (t->state) {
        mil_lex_next(&s->x);
        if (!mil_expect(s, '<')) return false;
    }
    if (mil_lex_word(&s->x, "tensor")) {
        mil_lex_next(&s->x);
        if (!parse_tensor(s, t)) return false;
    } else if (t->state || !parse_element(s, t)) {
        mil_expected(s, "a tensor");
        return false;
    }
    return !t->state || mil_expect(s, '>');
}

/* ---- elements ---- */

static bool put_number(mil_parser *s, enum mil_dtype t, void *data, int64_t i) {
    char word[128];
    const size_t n = s->x.size;
    if (n >= sizeof word) return false;
    memcpy(word, s->x.text, n);
    word[n] = 0;
    return mil_put_word(t, data, i, word);
}

/* true and false; inf and nan, which have the look of names. */
static bool put_word(mil_parser *s, enum mil_dtype t, void *data, int64_t i) {
    if (t != MIL_BOOL) return mil_is_float(t) && put_number(s, t, data, i);
    const bool yes = mil_lex_word(&s->x, "true");
    if (!yes && !mil_lex_word(&s->x, "false")) return false;
    ((uint8_t *)data)[i] = yes;
    return true;
}

static void put_element(mil_parser *s, enum mil_dtype t, void *data,
                        int64_t i) {
    bool good = false;
    if (s->x.kind == MIL_NUM && t != MIL_BOOL)
        good = put_number(s, t, data, i);
    else if (s->x.kind == MIL_WORD)
        good = put_word(s, t, data, i);
    if (good) {
        mil_lex_next(&s->x);
        return;
    }
    char what[32] = "a value of ";
    strncat(what, mil_dtype_name(t), sizeof what - strlen(what) - 1);
    mil_expected(s, what);
}

/* The elements of one literal as they are read.  They lie all at the depth of
 * the shape, or all in one flat list. */
typedef struct elements {
    const mil_type *type;
    int64_t count, n; /* that there must be; so far */
    void *data;       /* of count elements, or NULL: texts */
    text texts;
    int64_t parts[MIL_MAX_DIMS + 1]; /* so far, of each list that is open */
    int depth, at_depth;             /* lists open; where elements are */
} elements;

static void wrong_count(mil_parser *s, int64_t have, int64_t want) {
    s->p->place = s->x.place;
    mil_fail(s->p, AR_FORMAT, "%lld elements where the shape has %lld",
             (long long)have, (long long)want);
}

static void add_text(mil_parser *s, elements *e) {
    if (s->x.kind != MIL_QUOTED) {
        mil_expected(s, "a text");
        return;
    }
    const mil_place place = s->x.place;
    const char *one = mil_parse_text(s);
    if (one) text_add(&e->texts, one, strlen(one) + 1);
    s->p->place = place;
    if (e->texts.failed) mil_fail(s->p, AR_NOMEM, "out of memory");
}

static void add_element(mil_parser *s, elements *e) {
    const mil_type *t = e->type;
    if (!e->at_depth) e->at_depth = e->depth;
    const bool here = e->depth == t->rank || e->depth == 1;
    if (e->depth != e->at_depth || !here) {
        mil_expected(s, "a list as deep as the shape");
        return;
    }
    if (e->n >= e->count) {
        wrong_count(s, e->n + 1, e->count);
        return;
    }
    if (t->dtype == MIL_STRING)
        add_text(s, e);
    else
        put_element(s, t->dtype, e->data, e->n);
    e->n++;
    e->parts[e->depth]++;
}

/* A value that is not in a list. */
static void add_single(mil_parser *s, elements *e) {
    if (e->type->dtype == MIL_STRING)
        add_text(s, e);
    else
        put_element(s, e->type->dtype, e->data, 0);
    e->n = 1;
}

static void open_list(mil_parser *s, elements *e) {
    if (e->depth == e->type->rank) {
        mil_fail_here(s, AR_FORMAT, "a list is deeper than its shape");
        return;
    }
    e->parts[e->depth]++;
    e->parts[++e->depth] = 0;
}

static void close_list(mil_parser *s, elements *e) {
    const int64_t parts = e->parts[e->depth--];
    const bool flat = e->at_depth == 1 && e->type->rank > 1;
    if (!flat && parts != e->type->dim[e->depth])
        wrong_count(s, parts, e->type->dim[e->depth]);
}

static void parse_list(mil_parser *s, elements *e) {
    while (!mil_failed(s->p)) {
        if (!mil_lex_is(&s->x, '[')) {
            add_element(s, e);
        } else {
            open_list(s, e);
            mil_lex_next(&s->x);
            if (!mil_lex_is(&s->x, ']')) continue;
        }
        while (!mil_failed(s->p) && e->depth && mil_lex_is(&s->x, ']')) {
            close_list(s, e);
            mil_lex_next(&s->x);
        }
        if (!e->depth) return;
        mil_expect(s, ',');
    }
}

/* What is in the brackets behind a type. */
static void parse_elements(mil_parser *s, mil_literal *l) {
    const mil_type *t = &l->type;
    elements e = {.type = t, .count = mil_count(t)};
    const bool is_text = t->dtype == MIL_STRING;
    if (e.count < 0) {
        mil_fail_here(s, AR_FORMAT, "a literal of no known size");
        return;
    }
    /* Each takes at least a byte, so no shape can ask for much. */
    if (e.count > s->x.end - s->x.text) {
        mil_fail_here(s, AR_FORMAT, "fewer elements than the shape has");
        return;
    }
    if (!is_text && !(e.data = mil_take(s->p, mil_size(t)))) return;
    if (mil_lex_is(&s->x, '['))
        parse_list(s, &e);
    else if (e.count == 1)
        add_single(s, &e);
    else
        mil_expected(s, "[");
    if (!mil_failed(s->p) && e.n != e.count) wrong_count(s, e.n, e.count);
    if (is_text && !mil_failed(s->p))
        e.data = (void *)mil_copy_text(s->p, e.texts.data, e.texts.size);
    text_close(&e.texts);
    l->data = e.data;
}

/* ---- literals ---- */

/* The closing bracket; what the source says from `from` to it is kept. */
static bool finish(mil_parser *s, mil_literal *l, const char *from) {
    const char *end = s->x.text + 1;
    if (!mil_expect(s, ')')) return false;
    l->spelling = cut(s, from, end);
    return !mil_failed(s->p);
}

static bool is_bare(const mil_parser *s) {
    return s->x.kind == MIL_QUOTED || mil_lex_word(&s->x, "true") ||
           mil_lex_word(&s->x, "false");
}

/* "fp16" for string("fp16"), true for bool(true). */
static bool parse_bare(mil_parser *s, mil_literal *l) {
    const bool is_text = s->x.kind == MIL_QUOTED;
    l->type = mil_scalar(is_text ? MIL_STRING : MIL_BOOL);
    l->spelling = cut(s, s->x.text, s->x.text + s->x.size);
    if (is_text) {
        l->data = mil_parse_text(s);
        return !mil_failed(s->p);
    }
    void *data = mil_take(s->p, 1);
    if (data) put_element(s, MIL_BOOL, data, 0);
    l->data = data;
    return !mil_failed(s->p);
}

/* A literal with its elements in it. */
static bool parse_plain(mil_parser *s, mil_literal *l) {
    *l = (mil_literal){0};
    if (is_bare(s)) return parse_bare(s, l);
    if (!mil_parse_type(s, &l->type)) return false;
    const char *from = s->x.text;
    if (!mil_expect(s, '(')) return false;
    parse_elements(s, l);
    return finish(s, l, from);
}

static bool is_generic(const mil_parser *s) {
    return mil_lex_word(&s->x, "dict") || mil_lex_word(&s->x, "list") ||
           mil_lex_word(&s->x, "tuple");
}

/* dict<...>(...) and its like, which no operation takes. */
static bool parse_generic(mil_parser *s, mil_literal *l) {
    const char *from = s->x.text;
    mil_lex_next(&s->x);
    if (mil_lex_is(&s->x, '<') && !mil_parse_raw(s)) return false;
    if (!mil_lex_is(&s->x, '(')) {
        mil_expected(s, "(");
        return false;
    }
    const char *at = s->x.text;
    const char *rest = mil_parse_raw(s);
    if (rest) l->spelling = cut(s, from, at + strlen(rest));
    return !mil_failed(s->p);
}

static bool to_offset(const mil_literal *v, uint64_t *offset) {
    const double x = mil_get_number(v->type.dtype, v->data, 0);
    if (x < 0) return false;
    if (v->type.dtype == MIL_UINT64)
        memcpy(offset, v->data, sizeof *offset);
    else
        *offset = (uint64_t)x;
    return true;
}

/* What is behind "path =" or "offset =". */
static void parse_file_part(mil_parser *s, bool offset, mil_literal *l) {
    mil_literal v;
    const mil_place place = s->x.place;
    if (!parse_plain(s, &v)) return;
    const bool single = mil_count(&v.type) == 1;
    s->p->place = place;
    if (offset && single && mil_is_whole(v.type.dtype) &&
        to_offset(&v, &l->offset))
        return;
    if (!offset && single && v.type.dtype == MIL_STRING)
        l->path = v.data;
    else
        mil_fail(s->p, AR_FORMAT, "%s",
                 offset ? "an offset is a uint64" : "a path is a string");
}

/* BLOBFILE(path = string("..."), offset = uint64(64)), in any order. */
static void parse_file(mil_parser *s, mil_literal *l) {
    bool have[2] = {false, false};
    mil_lex_next(&s->x);
    if (!mil_expect(s, '(')) return;
    do {
        const bool offset = mil_lex_word(&s->x, "offset");
        if ((!offset && !mil_lex_word(&s->x, "path")) || have[offset]) {
            mil_expected(s, "path and offset, once each");
            return;
        }
        have[offset] = true;
        mil_lex_next(&s->x);
        if (mil_expect(s, '=')) parse_file_part(s, offset, l);
    } while (!mil_failed(s->p) && mil_accept(s, ','));
    if (!mil_failed(s->p) && !(have[0] && have[1]))
        mil_expected(s, "path and offset, once each");
    mil_expect(s, ')');
}

bool mil_parse_literal(mil_parser *s, mil_literal *l) {
    *l = (mil_literal){0};
    if (mil_failed(s->p)) return false;
    if (is_generic(s)) return parse_generic(s, l);
    if (is_bare(s)) return parse_bare(s, l);
    if (!mil_parse_type(s, &l->type)) return false;
    const char *from = s->x.text;
    if (!mil_expect(s, '(')) return false;
    if (mil_lex_word(&s->x, "BLOBFILE"))
        parse_file(s, l);
    else
        parse_elements(s, l);
    return finish(s, l, from);
}
