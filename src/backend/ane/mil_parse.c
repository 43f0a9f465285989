/* mil_parse.c - MIL text to a program: functions and statements.
 *
 *   program(1.3) [buildInfo = ...] { func NAME<opset>(TYPE NAME, ...) [attrs]
 *   { TYPE NAME, ... = op(key = value, ...)[key = value, ...]; ... }
 *   -> (NAME, ...); ... }
 *
 * A statement may be without results (write_state).  Types and literals are in
 * mil_parse_value.c.  No function here calls itself. */
#include <string.h>

#include "backend/ane/mil_parse.h"
#include "base/error.h"
#include "base/mem.h"

/* A result whose statement is not read to its end. */
typedef struct result_name {
    const char *text;
    size_t size;
    mil_place place;
} result_name;

/* ---- words ---- */

void mil_fail_here(mil_parser *s, ar_status code, const char *what) {
    s->p->place = s->x.place;
    mil_fail(s->p, code, "%s", what);
}

/* Messages are plain text, whatever the source is. */
static char shown(char c) { return c >= ' ' && c <= '~' ? c : '?'; }

void mil_expected(mil_parser *s, const char *what) {
    const mil_lex *x = &s->x;
    char word[41] = "the end of the text";
    const size_t n = x->size < 40 ? x->size : 40;
    for (size_t i = 0; i < n; i++) word[i] = shown(x->text[i]);
    if (n) word[n] = 0;
    s->p->place = x->place;
    if (x->kind == MIL_BAD && *x->text == '"')
        mil_fail(s->p, AR_FORMAT, "text without a closing \"");
    else
        mil_fail(s->p, AR_FORMAT, "expected %s, not %s%s", what, word,
                 x->size > n ? "..." : "");
}

bool mil_accept(mil_parser *s, char mark) {
    if (!mil_lex_is(&s->x, mark)) return false;
    mil_lex_next(&s->x);
    return true;
}

bool mil_expect(mil_parser *s, char mark) {
    if (mil_failed(s->p)) return false;
    if (mil_accept(s, mark)) return true;
    const char what[] = {mark, 0};
    mil_expected(s, what);
    return false;
}

static bool expect_kind(mil_parser *s, enum mil_token kind, const char *what) {
    if (mil_failed(s->p)) return false;
    if (s->x.kind != kind)
        mil_expected(s, what);
    else if (s->x.size > MIL_MAX_NAME)
        mil_fail_here(s, AR_RANGE, "a name or number is too long");
    return !mil_failed(s->p);
}

/* A word, which is passed over and given in *w. */
static bool take(mil_parser *s, enum mil_token kind, const char *what,
                 result_name *w) {
    if (!expect_kind(s, kind, what)) return false;
    *w = (result_name){s->x.text, s->x.size, s->x.place};
    mil_lex_next(&s->x);
    return true;
}

static void take_keyword(mil_parser *s, const char *word) {
    if (mil_failed(s->p)) return;
    if (mil_lex_word(&s->x, word))
        mil_lex_next(&s->x);
    else
        mil_expected(s, word);
}

/* ---- statements ---- */

static mil_ref look_up(mil_parser *s) {
    s->p->place = s->x.place;
    const mil_ref r = mil_lookup(s->p, s->x.text, s->x.size);
    if (!r)
        mil_fail(s->p, AR_FORMAT, "there is no value \"%.*s\" before this",
                 (int)s->x.size, s->x.text);
    mil_lex_next(&s->x);
    return r;
}

/* A word that is the name of a value, rather than the beginning of a literal:
 * true and false are names only where something is called so. */
static bool is_reference(const mil_parser *s) {
    const char behind = mil_lex_peek(&s->x);
    if (s->x.kind != MIL_WORD || behind == '(' || behind == '<') return false;
    if (!mil_lex_word(&s->x, "true") && !mil_lex_word(&s->x, "false"))
        return true;
    return mil_lookup(s->p, s->x.text, s->x.size) != 0;
}

/* A name, a literal, or a number that says no type (an error). */
static void parse_value(mil_parser *s) {
    if (mil_failed(s->p)) return;
    mil_ref r = 0;
    if (s->x.kind == MIL_NUM) {
        mil_fail_here(s, AR_FORMAT, "a number needs a type, as in int32(1)");
    } else if (is_reference(s)) {
        r = expect_kind(s, MIL_WORD, "a value") ? look_up(s) : 0;
    } else {
        mil_literal l;
        const mil_place place = s->x.place;
        if (!mil_parse_literal(s, &l)) return;
        s->p->place = place;
        r = mil_add_literal(s->p, &l);
    }
    mil_ref *to = r ? mil_push(s->p, &s->refs, sizeof *to) : NULL;
    if (to) *to = r;
}

static void parse_arg(mil_parser *s, bool attr) {
    result_name key;
    mil_arg arg = {0};
    if (!take(s, MIL_WORD, "the name of an argument", &key)) return;
    arg.key = mil_intern(s->p, key.text, key.size);
    arg.place = key.place;
    if (!mil_expect(s, '=')) return;
    s->refs.n = 0;
    arg.list = mil_accept(s, '(');
    if (!arg.list) {
        parse_value(s);
    } else if (!mil_accept(s, ')')) {
        do parse_value(s);
        while (!mil_failed(s->p) && mil_accept(s, ','));
        mil_expect(s, ')');
    }
    if (mil_failed(s->p)) return;
    mil_ref *values = mil_take(s->p, s->refs.n * sizeof *values);
    if (!values) return;
    if (s->refs.n) memcpy(values, s->refs.data, s->refs.n * sizeof *values);
    arg.values = values;
    arg.n_values = (int32_t)s->refs.n;
    s->p->place = key.place;
    mil_add_arg(s->p, attr, &arg);
}

/* Behind the opening bracket, to past the closing one. */
static void parse_args(mil_parser *s, bool attr) {
    const char close = attr ? ']' : ')';
    if (mil_failed(s->p) || mil_accept(s, close)) return;
    do parse_arg(s, attr);
    while (!mil_failed(s->p) && mil_accept(s, ','));
    mil_expect(s, close);
}

static void parse_results(mil_parser *s) {
    s->types.n = s->names.n = 0;
    if (s->x.kind == MIL_WORD && mil_lex_peek(&s->x) == '(') return;
    do {
        mil_type t;
        result_name w;
        if (!mil_parse_type(s, &t)) return;
        if (!take(s, MIL_WORD, "the name of a result", &w)) return;
        mil_type *type = mil_push(s->p, &s->types, sizeof *type);
        result_name *name = mil_push(s->p, &s->names, sizeof *name);
        if (!type || !name) return;
        *type = t;
        *name = w;
    } while (mil_accept(s, ','));
    mil_expect(s, '=');
}

static void parse_statement(mil_parser *s) {
    result_name kind;
    mil_program *p = s->p;
    parse_results(s);
    if (!take(s, MIL_WORD, "an operation", &kind)) return;
    p->place = kind.place;
    mil_add_op(p, kind.text, kind.size);
    if (!mil_expect(s, '(')) return;
    parse_args(s, false);
    if (mil_accept(s, '[')) parse_args(s, true);
    mil_expect(s, ';');
    const int n = (int)s->names.n;
    mil_ref *outs = mil_add_outs(p, n);
    const result_name *names = s->names.data;
    const mil_type *types = s->types.data;
    for (int i = 0; i < n && outs; i++) {
        p->place = names[i].place;
        outs[i] = mil_add_out(p, names[i].text, names[i].size, &types[i], i);
    }
    mil_finish_op(p);
}

/* ---- functions ---- */

static void parse_params(mil_parser *s) {
    if (!mil_expect(s, '(') || mil_accept(s, ')')) return;
    do {
        mil_type t;
        result_name w;
        if (!mil_parse_type(s, &t)) return;
        if (!take(s, MIL_WORD, "the name of a parameter", &w)) return;
        s->p->place = w.place;
        mil_add_param(s->p, w.text, w.size, &t);
    } while (!mil_failed(s->p) && mil_accept(s, ','));
    mil_expect(s, ')');
}

static void parse_outputs(mil_parser *s) {
    if (mil_failed(s->p)) return;
    if (s->x.kind != MIL_ARROW) {
        mil_expected(s, "->");
        return;
    }
    mil_lex_next(&s->x);
    s->refs.n = 0;
    if (!mil_expect(s, '(')) return;
    if (!mil_accept(s, ')')) {
        do {
            if (!expect_kind(s, MIL_WORD, "a result")) return;
            const mil_ref r = look_up(s);
            mil_ref *to = r ? mil_push(s->p, &s->refs, sizeof *to) : NULL;
            if (to) *to = r;
        } while (!mil_failed(s->p) && mil_accept(s, ','));
        mil_expect(s, ')');
    }
    mil_expect(s, ';');
    mil_finish_func(s->p, s->refs.data, (int)s->refs.n);
}

static void parse_func(mil_parser *s) {
    result_name name, opset;
    mil_program *p = s->p;
    take_keyword(s, "func");
    if (!take(s, MIL_WORD, "the name of a function", &name)) return;
    if (!mil_expect(s, '<')) return;
    if (!take(s, MIL_WORD, "an opset", &opset)) return;
    if (!mil_expect(s, '>')) return;
    p->place = name.place;
    mil_add_func(p, mil_intern(p, name.text, name.size),
                 mil_intern(p, opset.text, opset.size));
    parse_params(s);
    if (!mil_failed(p) && mil_lex_is(&s->x, '[')) {
        const char *attrs = mil_parse_raw(s);
        mil_func *f = (mil_func *)p->funcs.data + p->funcs.n - 1;
        f->attrs = attrs;
    }
    mil_expect(s, '{');
    while (!mil_failed(p) && !mil_accept(s, '}')) parse_statement(s);
    parse_outputs(s);
}

/* ---- the program ---- */

static void parse_pair(mil_parser *s) {
    mil_pair pair;
    if (!mil_expect(s, '{')) return;
    if (!expect_kind(s, MIL_QUOTED, "a text")) return;
    pair.key = mil_parse_text(s);
    if (!mil_expect(s, ',')) return;
    if (!expect_kind(s, MIL_QUOTED, "a text")) return;
    pair.value = mil_parse_text(s);
    if (!mil_expect(s, '}')) return;
    mil_pair *to = mil_push(s->p, &s->p->info, sizeof *to);
    if (to) *to = pair;
}

/* dict<string, string>({{"key", "value"}, ...}) */
static void parse_info(mil_parser *s) {
    take_keyword(s, "dict");
    if (mil_failed(s->p)) return;
    if (mil_lex_is(&s->x, '<') && !mil_parse_raw(s)) return;
    if (!mil_expect(s, '(') || !mil_expect(s, '{')) return;
    if (!mil_accept(s, '}')) {
        do parse_pair(s);
        while (!mil_failed(s->p) && mil_accept(s, ','));
        mil_expect(s, '}');
    }
    mil_expect(s, ')');
}

/* The attributes of a program are kept as written; buildInfo is also read. */
static void parse_program_attrs(mil_parser *s) {
    const mil_lex from = s->x;
    result_name key;
    s->p->attrs = mil_parse_raw(s);
    if (mil_failed(s->p)) return;
    const mil_lex behind = s->x;
    s->x = from;
    mil_lex_next(&s->x);
    if (take(s, MIL_WORD, "buildInfo", &key) && mil_expect(s, '=') &&
        key.size == 9 && memcmp(key.text, "buildInfo", 9) == 0)
        parse_info(s);
    s->x = behind;
}

static void parse_program(mil_parser *s) {
    result_name version;
    mil_program *p = s->p;
    take_keyword(s, "program");
    if (!mil_expect(s, '(')) return;
    if (!take(s, MIL_NUM, "the version", &version)) return;
    p->version = mil_intern(p, version.text, version.size);
    if (strcmp(p->version, "1.0") == 0) p->syntax = MIL_VERBOSE;
    if (!mil_expect(s, ')')) return;
    if (mil_lex_is(&s->x, '[')) parse_program_attrs(s);
    if (!mil_expect(s, '{')) return;
    while (!mil_failed(p) && !mil_accept(s, '}')) parse_func(s);
    if (!mil_failed(p) && s->x.kind != MIL_END)
        mil_expected(s, "the end of the text");
}

ar_status mil_parse(const char *name, const char *source, size_t size,
                    mil_program **out, ar_error *err) {
    *out = NULL;
    mil_parser s = {.p = mil_open()};
    if (!s.p) return error_set(err, AR_NOMEM, "out of memory for %s", name);
    s.p->source = mil_copy_text(s.p, name, strlen(name));
    mil_lex_open(&s.x, source, size);
    parse_program(&s);
    mem_free(s.refs.data);
    mem_free(s.types.data);
    mem_free(s.names.data);
    const ar_status status = mil_status(s.p, err);
    if (status == AR_OK) {
        s.p->place = (mil_place){0};
        *out = s.p;
    } else {
        mil_close(s.p);
    }
    return status;
}
