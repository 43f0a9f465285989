/* template_lex.c - a template as tokens. */
#include "tok/template_lex.h"

#include <string.h>

#include "base/error.h"
#include "tok/template_text.h"

ar_status lex_source(arena *mem, const char *source, size_t n, str *out,
                     ar_error *err) {
    char *p = arena_text(mem, source, n);
    if (!p) return error_set(err, AR_NOMEM, "out of memory for a template");
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        p[k++] = source[i] == '\r' ? '\n' : source[i];
        if (source[i] == '\r' && i + 1 < n && source[i + 1] == '\n') i++;
    }
    if (k && p[k - 1] == '\n') k--;
    *out = (str){p, k};
    return AR_OK;
}

void lex_open(lexer *l, const char *name, str source, ar_error *err) {
    *l = (lexer){.name = name,
                 .p = source.p,
                 .end = source.p + source.n,
                 .line_start = source.p,
                 .line = 1,
                 .mode = T_DATA,
                 .line_starting = true,
                 .err = err};
}

static ar_status fail_at(const lexer *l, const char *what) {
    return error_set(l->err, AR_FORMAT, "%s:%d:%d: %s", l->name, l->line,
                     (int)(l->p - l->line_start) + 1, what);
}

static void advance(lexer *l, const char *to) {
    for (; l->p < to; l->p++)
        if (*l->p == '\n') {
            l->line++;
            l->line_start = l->p + 1;
        }
}

static bool has(const lexer *l, const char *p, const char *word) {
    const size_t n = strlen(word);
    return (size_t)(l->end - p) >= n && !memcmp(p, word, n);
}

static const char *skip_white(const lexer *l, const char *p) {
    const str rest = text_strip_left((str){p, (size_t)(l->end - p)});
    return rest.p;
}

/* The first of {{ {% {# at or after p, or the end. */
static const char *find_tag(const lexer *l) {
    for (const char *p = l->p; p + 1 < l->end; p++)
        if (*p == '{' && (p[1] == '{' || p[1] == '%' || p[1] == '#')) return p;
    return l->end;
}

/* What is left of the text before the tag at `tag`. */
static str before_tag(const lexer *l, const char *tag) {
    str s = {l->p, (size_t)(tag - l->p)};
    if (tag == l->end) return s;
    const char sign = tag + 2 < l->end ? tag[2] : 0;
    if (sign == '-') return text_strip_right(s);
    if (sign == '+' || tag[1] == '{') return s;
    size_t start = s.n;
    while (start > 0 && s.p[start - 1] != '\n') start--;
    if (!start && !l->line_starting) return s;
    const str line = {s.p + start, s.n - start};
    if (!text_strip_left(line).n) s.n = start;
    return s;
}

/* Behind a closing tag `close` at p, with its sign; NULL if there is none.
 * `trim`: a newline behind it belongs to it. */
static const char *tag_end(const lexer *l, const char *p, const char *close,
                           bool trim) {
    const char sign = p < l->end ? *p : 0;
    if (has(l, p, close)) {
        p += 2;
        return trim && p < l->end && *p == '\n' ? p + 1 : p;
    }
    if ((sign != '-' && sign != '+') || !has(l, p + 1, close)) return NULL;
    if (sign == '+') return trim ? p + 3 : NULL;
    return skip_white(l, p + 3);
}

static void end_tag(lexer *l, const char *to) {
    advance(l, to);
    l->line_starting = to[-1] == '\n';
}

static ar_status skip_comment(lexer *l) {
    const char *p = l->p + 2;
    if (p < l->end && (*p == '-' || *p == '+')) p++;
    for (; p < l->end; p++) {
        if (*p != '#' && *p != '-' && *p != '+') continue;
        const char *end = tag_end(l, p, "#}", true);
        if (!end) continue;
        end_tag(l, end);
        return AR_OK;
    }
    return fail_at(l, "a comment has no end");
}

/* Behind `{% word %}` at p, or NULL if that is not what is there. */
static const char *word_tag(const lexer *l, const char *p, const char *word,
                            bool trim) {
    if (!has(l, p, "{%")) return NULL;
    p += 2;
    if (p < l->end && (*p == '-' || *p == '+')) p++;
    p = skip_white(l, p);
    if (!has(l, p, word)) return NULL;
    p = skip_white(l, p + strlen(word));
    const char *end = tag_end(l, p, "%}", trim);
    return !trim && end == p + 3 && *p == '+' ? NULL : end;
}

static token make(const lexer *l, token_kind kind, const char *p, size_t n) {
    return (token){kind, {p, n}, l->line, (int)(l->p - l->line_start) + 1};
}

static ar_status lex_raw(lexer *l, const char *body, token *out) {
    const token start = make(l, T_DATA, body, 0);
    advance(l, body);
    l->line_starting = body[-1] == '\n';
    for (const char *p = body; p < l->end; p++) {
        const char *end = word_tag(l, p, "endraw", true);
        if (!end) continue;
        *out = start;
        out->s = before_tag(l, p);
        end_tag(l, end);
        return AR_OK;
    }
    *out = start;
    if (l->p == l->end) return AR_OK;
    return fail_at(l, "{% raw %} has no {% endraw %}");
}

/* A piece of data or, if none is left before it, the tag that follows. */
static ar_status lex_data(lexer *l, token *out) {
    while (l->p < l->end) {
        const char *tag = find_tag(l);
        const str s = before_tag(l, tag);
        *out = make(l, T_DATA, s.p, s.n);
        advance(l, tag);
        if (s.n) return AR_OK;
        if (tag == l->end) break;
        const char *raw = word_tag(l, tag, "raw", false);
        if (raw) {
            TRY(lex_raw(l, raw, out));
            if (out->s.n) return AR_OK;
            continue;
        }
        if (tag[1] == '#') {
            TRY(skip_comment(l));
            continue;
        }
        l->mode = tag[1] == '{' ? T_PRINT : T_BLOCK;
        *out = make(l, l->mode, tag, 2);
        const char sign = tag + 2 < l->end ? tag[2] : 0;
        advance(l, tag + (sign == '-' || sign == '+' ? 3 : 2));
        l->n_open = 0;
        return AR_OK;
    }
    *out = make(l, T_END, l->end, 0);
    return AR_OK;
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           is_digit(c) || (unsigned char)c >= 0x80;
}

/* Digits with single underscores between them. */
static const char *digits(const lexer *l, const char *p) {
    while (p < l->end && (is_digit(*p) || (*p == '_' && is_digit(p[-1]) &&
                                           p + 1 < l->end && is_digit(p[1]))))
        p++;
    return p;
}

/* Behind the exponent at p, or p if there is none. */
static const char *exponent_end(const lexer *l, const char *p) {
    if (p + 1 >= l->end || (*p != 'e' && *p != 'E')) return p;
    const char *q = p + 1;
    if (*q == '+' || *q == '-') q++;
    return q < l->end && is_digit(*q) ? digits(l, q) : p;
}

static token_kind number_end(const lexer *l, const char **at) {
    const char *p = *at;
    if (*p == '0' && p + 1 < l->end && p[1] && strchr("xXoObB", p[1])) {
        for (p += 2; p < l->end && is_word(*p);) p++;
        *at = p;
        return T_INT;
    }
    const char *const whole = *at = digits(l, p);
    if (p[-1] == '.') return T_INT; /* an index, not a decimal */
    if (whole + 1 < l->end && *whole == '.' && is_digit(whole[1]))
        *at = digits(l, whole + 1);
    *at = exponent_end(l, *at);
    return *at > whole ? T_FLOAT : T_INT;
}

static ar_status lex_string(lexer *l, token *out) {
    const char quote = *l->p;
    const char *p = l->p + 1;
    while (p < l->end && *p != quote) p += *p == '\\' && p + 1 < l->end ? 2 : 1;
    if (p >= l->end) return fail_at(l, "a string has no end");
    *out = make(l, T_STRING, l->p, (size_t)(p + 1 - l->p));
    advance(l, p + 1);
    return AR_OK;
}

static ar_status lex_bracket(lexer *l, char c) {
    static const char open[] = "([{", shut[] = ")]}";
    const char *at = strchr(open, c);
    if (at) {
        if (l->n_open == LEX_BRACKETS)
            return fail_at(l, "brackets are nested too deeply");
        l->open[l->n_open++] = shut[at - open];
    } else if (strchr(shut, c)) {
        if (!l->n_open || l->open[l->n_open - 1] != c)
            return fail_at(l, "a bracket is closed that is not open");
        l->n_open--;
    }
    return AR_OK;
}

static ar_status lex_operator(lexer *l, token *out) {
    static const char *const two[] = {"//", "**", "==", "!=", ">=", "<="};
    size_t n = 1;
    for (size_t i = 0; i < sizeof two / sizeof *two; i++)
        if (has(l, l->p, two[i])) n = 2;
    if (n == 1 && (!*l->p || !strchr("+-/*%~[](){}><=.:|,;", *l->p)))
        return fail_at(l, "a character that no expression has");
    TRY(lex_bracket(l, *l->p));
    *out = make(l, T_OP, l->p, n);
    advance(l, l->p + n);
    return AR_OK;
}

/* Inside of a tag. */
static ar_status lex_code(lexer *l, token *out) {
    advance(l, skip_white(l, l->p));
    if (l->p >= l->end) {
        if (l->n_open) return fail_at(l, "a bracket is not closed");
        return fail_at(l, "a tag is not closed");
    }
    const bool block = l->mode == T_BLOCK;
    const char *end =
        l->n_open ? NULL : tag_end(l, l->p, block ? "%}" : "}}", block);
    if (end) {
        *out = make(l, block ? T_BLOCK_END : T_PRINT_END, l->p, 2);
        end_tag(l, end);
        l->mode = T_DATA;
        return AR_OK;
    }
    const char *p = l->p;
    if (*p == '"' || *p == '\'') return lex_string(l, out);
    if (!is_word(*p)) return lex_operator(l, out);
    token_kind kind = T_NAME;
    if (is_digit(*p))
        kind = number_end(l, &p);
    else
        while (p < l->end && is_word(*p)) p++;
    *out = make(l, kind, l->p, (size_t)(p - l->p));
    advance(l, p);
    return AR_OK;
}

ar_status lex_next(lexer *l, token *out) {
    if (l->mode != T_DATA) return lex_code(l, out);
    return lex_data(l, out);
}
