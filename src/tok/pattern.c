/* pattern.c - patterns over classes of code points. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "tok/pattern.h"

#include <pcre2.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "tok/code_classes.h"
#include "tok/pattern_parse.h"
#include "tok/utf8.h"

/* Steps of one match; those that a text needs take a few per character. */
enum { MATCH_LIMIT = 100000000 };

struct pattern {
    pcre2_general_context *memory;
    pcre2_code *code;
    bool compiled; /* to machine code */
    code_classes classes;
};

struct matcher {
    pcre2_general_context *memory;
    pcre2_match_context *context;
    pcre2_match_data *data;
    pcre2_jit_stack *stack; /* only for patterns that asked for one */
};

static void *take(size_t n, void *unused) {
    (void)unused;
    return mem_alloc(n);
}

static void give(void *p, void *unused) {
    (void)unused;
    mem_free(p);
}

static void add_byte(text *t, int c) { text_addf(t, "\\x%02x", c); }

/* "[...]" with the classes that make up a set. */
static void write_set(text *t, const code_classes *c, int set) {
    bool any = false;
    text_adds(t, "[");
    for (int i = 0; i < c->n; i++)
        if (c->sets[i] >> set & 1) {
            add_byte(t, i);
            any = true;
        }
    if (!any) text_adds(t, "^\\x00-\\xff");
    text_adds(t, "]");
}

static ar_status compile(pattern *p, const parsed_pattern *parsed,
                         ar_error *err) {
    text t = {0};
    text_adds(&t, "");
    for (size_t i = 0; i < parsed->n_items; i++) {
        const pattern_item it = parsed->items[i];
        if (it.set < 0)
            text_add(&t, parsed->text.data + it.offset, it.size);
        else
            write_set(&t, &p->classes, it.set);
    }
    ar_status s = text_status(&t, err);
    if (s == AR_OK) {
        int code;
        PCRE2_SIZE at;
        pcre2_compile_context *c = pcre2_compile_context_create(p->memory);
        p->code = c ? pcre2_compile((PCRE2_SPTR)t.data, t.size,
                                    PCRE2_NO_AUTO_CAPTURE | PCRE2_NEVER_UTF,
                                    &code, &at, c)
                    : NULL;
        if (!c || (!p->code && code == PCRE2_ERROR_HEAP_FAILED)) {
            s = error_set(err, AR_NOMEM, "out of memory for a pattern");
        } else if (!p->code) {
            char why[120] = "";
            pcre2_get_error_message(code, (PCRE2_UCHAR *)why, sizeof why);
            s = error_set(err, AR_FORMAT, "bad pattern: %s", why);
        }
        pcre2_compile_context_free(c);
    }
    text_close(&t);
    return s;
}

static ar_status build(pattern *p, const char *source,
                       enum pattern_dialect dialect, ar_error *err) {
    p->memory = pcre2_general_context_create(take, give, NULL);
    if (!p->memory)
        return error_set(err, AR_NOMEM, "out of memory for a pattern");
    parsed_pattern *parsed = mem_new(parsed_pattern, 1);
    if (!parsed) return error_set(err, AR_NOMEM, "out of memory for a pattern");
    ar_status s = pattern_parse(parsed, source, dialect, err);
    if (s == AR_OK)
        s = code_classes_open(&p->classes, parsed->sets, parsed->n_sets, err);
    if (s == AR_OK) s = compile(p, parsed, err);
    pattern_parse_close(parsed);
    mem_free(parsed);
    /* without machine code the interpreter gives the same matches */
    if (s == AR_OK)
        p->compiled = !pcre2_jit_compile(p->code, PCRE2_JIT_COMPLETE);
    return s;
}

ar_status pattern_open(pattern **out, const char *source, ar_error *err) {
    return pattern_open_as(out, source, PATTERN_ONIGURUMA, err);
}

ar_status pattern_open_as(pattern **out, const char *source,
                          enum pattern_dialect dialect, ar_error *err) {
    *out = NULL;
    pattern *p = mem_new(pattern, 1);
    if (!p) return error_set(err, AR_NOMEM, "out of memory for a pattern");
    const ar_status s = build(p, source, dialect, err);
    if (s != AR_OK) {
        pattern_close(p);
        return s;
    }
    *out = p;
    return AR_OK;
}

void pattern_close(pattern *p) {
    if (!p) return;
    pcre2_code_free(p->code);
    pcre2_general_context_free(p->memory);
    code_classes_close(&p->classes);
    mem_free(p);
}

size_t pattern_transcribe(const pattern *p, const char *s, size_t n,
                          uint8_t *codes, size_t *size) {
    const unsigned char *q = (const unsigned char *)s, *end = q + n;
    uint8_t *out = codes;
    while (q < end) {
        if (*q < 0x80) {
            *out++ = p->classes.ascii[*q++];
            continue;
        }
        uint32_t cp;
        const int k = utf8_decode_long(q, end, &cp);
        if (!k) break;
        *out++ = code_classes_get(&p->classes, cp);
        q += k;
    }
    *size = (size_t)(q - (const unsigned char *)s);
    return (size_t)(out - codes);
}

ar_status matcher_open(matcher **out, ar_error *err) {
    *out = NULL;
    matcher *m = mem_new(matcher, 1);
    if (m) m->memory = pcre2_general_context_create(take, give, NULL);
    if (m && m->memory) {
        m->context = pcre2_match_context_create(m->memory);
        m->data = pcre2_match_data_create(1, m->memory);
    }
    if (!m || !m->context || !m->data) {
        matcher_close(m);
        return error_set(err, AR_NOMEM, "out of memory for matching");
    }
    pcre2_set_match_limit(m->context, MATCH_LIMIT);
    *out = m;
    return AR_OK;
}

void matcher_close(matcher *m) {
    if (!m) return;
    pcre2_jit_stack_free(m->stack);
    pcre2_match_data_free(m->data);
    pcre2_match_context_free(m->context);
    pcre2_general_context_free(m->memory);
    mem_free(m);
}

/* Most patterns do with the 32 KiB of the machine's stack that PCRE2 takes
 * by itself. */
static ar_status grow_stack(matcher *m, ar_error *err) {
    m->stack = pcre2_jit_stack_create(1 << 16, 1 << 26, m->memory);
    if (!m->stack)
        return error_set(err, AR_NOMEM, "out of memory for matching");
    pcre2_jit_stack_assign(m->context, NULL, m->stack);
    return AR_OK;
}

static int run(const pattern *p, matcher *m, const uint8_t *codes, size_t n,
               size_t from) {
    return p->compiled
               ? pcre2_jit_match(p->code, codes, n, from, 0, m->data,
                                 m->context)
               : pcre2_match(p->code, codes, n, from, 0, m->data, m->context);
}

static ar_status find_failed(int code, ar_error *err) {
    if (code == PCRE2_ERROR_NOMEMORY)
        return error_set(err, AR_NOMEM, "out of memory for matching");
    char why[120] = "";
    pcre2_get_error_message(code, (PCRE2_UCHAR *)why, sizeof why);
    return error_set(err, AR_RANGE,
                     "the pattern is too costly for this text: %s", why);
}

ar_status pattern_find(const pattern *p, matcher *m, const uint8_t *codes,
                       size_t n, size_t from, match *out, ar_error *err) {
    int code = run(p, m, codes, n, from);
    if (code == PCRE2_ERROR_JIT_STACKLIMIT && !m->stack) {
        TRY(grow_stack(m, err));
        code = run(p, m, codes, n, from);
    }
    out->found = code >= 0;
    if (code == PCRE2_ERROR_NOMATCH) return AR_OK;
    if (code < 0) return find_failed(code, err);
    const PCRE2_SIZE *at = pcre2_get_ovector_pointer(m->data);
    out->start = at[0];
    out->end = at[1];
    return AR_OK;
}
