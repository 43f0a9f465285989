/* template.c - chat templates: opening and rendering. */
#include "arcane/template.h"

#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "tok/template_json.h"
#include "tok/template_parse.h"
#include "tok/template_text.h"
#include "tok/utf8.h"

enum { TEMPLATE_SIZE = 4 << 20 };

struct ar_template {
    arena mem;
    const char *name;
    const node *list;
};

static ar_status read_template(ar_template *t, const char *name,
                               const char *source, size_t size, ar_error *err) {
    if (size > TEMPLATE_SIZE)
        return error_set(err, AR_RANGE, "%s: more than %d MiB", name,
                         TEMPLATE_SIZE >> 20);
    if (utf8_valid(source, size) < size)
        return error_set(err, AR_FORMAT, "%s: byte %zu is not UTF-8", name,
                         utf8_valid(source, size));
    t->name = arena_text(&t->mem, name, strlen(name));
    if (!t->name) return error_set(err, AR_NOMEM, "%s: out of memory", name);
    str s;
    node *list;
    TRY(lex_source(&t->mem, source, size, &s, err));
    TRY(template_parse(&t->mem, t->name, s, &list, err));
    t->list = list;
    return AR_OK;
}

ar_status ar_template_open(ar_template **out, const char *name,
                           const char *source, size_t size, ar_error *err) {
    *out = NULL;
    ar_template *t = mem_new(ar_template, 1);
    if (!t) return error_set(err, AR_NOMEM, "%s: out of memory", name);
    arena_open(&t->mem, 1 << 14);
    const ar_status s = read_template(t, name, source, size, err);
    if (s == AR_OK)
        *out = t;
    else
        ar_template_close(t);
    return s;
}

void ar_template_close(ar_template *t) {
    if (!t) return;
    arena_close(&t->mem);
    mem_free(t);
}

/* What the wall clock shows, as if it showed UTC. */
static int64_t wall_clock(void) {
    const time_t now = time(NULL);
    struct tm tm;
    if (!localtime_r(&now, &tm)) return (int64_t)now;
    return (int64_t)now + tm.tm_gmtoff;
}

static char *copy_text(const char *p, size_t n) {
    char *q = mem_alloc(n + 1);
    if (q && n) memcpy(q, p, n);
    return q;
}

static ar_status take_result(render *r, ar_template_result *out) {
    out->text = copy_text(r->out.data, r->out.size);
    out->spans = mem_alloc(r->spans.n * sizeof *out->spans);
    if (!out->text || !out->spans) {
        ar_template_result_close(out);
        return error_set(r->err, AR_NOMEM, "%s: out of memory", r->name);
    }
    out->size = r->out.size;
    out->n_spans = r->spans.n;
    if (r->spans.n)
        memcpy(out->spans, r->spans.at, r->spans.n * sizeof *out->spans);
    return AR_OK;
}

ar_status ar_template_render(const ar_template *t, const char *variables,
                             size_t size, const ar_template_options *opt,
                             ar_template_result *out, ar_error *err) {
    ar_error own;
    *out = (ar_template_result){0};
    render r = {.name = t->name, .err = err ? err : &own};
    r.now = opt && opt->now ? opt->now : wall_clock();
    arena_open(&r.mem, 1 << 16);
    ar_status s = scope_open(&r, NULL, &r.scope);
    if (s == AR_OK) s = json_variables(&r, variables, size, r.scope);
    if (s == AR_OK) s = run_list(&r, t->list);
    if (s == AR_OK) s = take_result(&r, out);
    if (s != AR_OK && r.raised.p) {
        out->raised = copy_text(r.raised.p, r.raised.n);
        out->raised_size = out->raised ? r.raised.n : 0;
    }
    text_close(&r.out);
    arena_close(&r.mem);
    return s;
}

void ar_template_result_close(ar_template_result *r) {
    mem_free(r->text);
    mem_free(r->spans);
    mem_free(r->raised);
    *r = (ar_template_result){0};
}
