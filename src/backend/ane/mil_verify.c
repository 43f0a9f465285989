/* mil_verify.c - a program against every row of mil_rules.def. */
#include "backend/ane/mil_verify.h"

#include <stdlib.h>
#include <string.h>

#include "backend/ane/mil_rule.h"
#include "base/error.h"
#include "base/mem.h"

static const mil_rule rules[] = {
#define ANE_RULE(id, scope, severity, confidence, chips, from, to, ops,        \
                 predicate, ...)                                               \
    {#id, MIL_ON_##scope, MIL_##severity, confidence, chips, from, to,         \
     ops, __VA_ARGS__},
#include "backend/ane/mil_rules.def"
};

static const rule_predicate predicates[] = {
#define ANE_RULE(id, scope, severity, confidence, chips, from, to, ops,        \
                 predicate, ...)                                               \
    rule_##predicate,
#include "backend/ane/mil_rules.def"
};

static const mil_dispute disputes[] = {
#define ANE_DISPUTE(id, ...) {#id, __VA_ARGS__},
#include "backend/ane/mil_rules.def"
};

enum {
    N_RULES = sizeof rules / sizeof *rules,
    N_DISPUTES = sizeof disputes / sizeof *disputes
};

int mil_n_rules(void) { return N_RULES; }
const mil_rule *mil_get_rule(int i) { return &rules[i]; }
int mil_n_disputes(void) { return N_DISPUTES; }
const mil_dispute *mil_get_dispute(int i) { return &disputes[i]; }

const mil_rule *mil_find_rule_id(const char *id) {
    for (int i = 0; i < N_RULES; i++)
        if (strcmp(rules[i].id, id) == 0) return &rules[i];
    return NULL;
}

const char *mil_severity_text(enum mil_severity s) {
    static const char *const words[] = {"error", "wrong data", "slow", "note"};
    return words[s];
}

/* Asked by mil_verify_text, or by nobody. */
void rule_none(rule_call *c) { (void)c; }

/* ---- one verification ---- */

/* Which rules are asked, and which about which operation. */
typedef struct verifier {
    rule_call call;
    bool on[N_RULES];
    int by_op[MIL_OP_COUNT + 1]; /* where an operation's part of `list` is */
    int16_t list[MIL_OP_COUNT * N_RULES];
    const char *weights;
    rule_file files[RULE_FILES];
    int n_files;
} verifier;

static bool applies(const mil_rule *r, const ane_target *t) {
    if (!ane_chip_among(t->chip, r->chips)) return false;
    if (!t->os) return true;
    return (!r->os_from || t->os >= r->os_from) &&
           (!r->os_to || t->os <= r->os_to);
}

static bool names(const char *words, const char *word) {
    const size_t n = strlen(word);
    for (const char *s = words; *s; s += strspn(s, " ")) {
        const size_t size = strcspn(s, " ");
        if (size == n && memcmp(s, word, n) == 0) return true;
        s += size;
    }
    return !*words;
}

static void select_rules(verifier *v, const ane_target *t) {
    int n = 0;
    for (int i = 0; i < N_RULES; i++) v->on[i] = applies(&rules[i], t);
    for (int op = 0; op < MIL_OP_COUNT; op++) {
        v->by_op[op] = n;
        for (int i = 0; i < N_RULES; i++)
            if (v->on[i] && rules[i].scope == MIL_ON_OP &&
                names(rules[i].ops, mil_op_name(op)))
                v->list[n++] = (int16_t)i;
    }
    v->by_op[MIL_OP_COUNT] = n;
}

static void ask(verifier *v, int rule) {
    v->call.rule = &rules[rule];
    predicates[rule](&v->call);
}

static void ask_all(verifier *v, enum mil_scope scope) {
    for (int i = 0; i < N_RULES; i++)
        if (v->on[i] && rules[i].scope == scope) ask(v, i);
}

/* ---- weight files ---- */

/* "@model_path/weights/w.bin" is that below the folder, or w.bin in it. */
static void open_file(const char *folder, rule_file *f) {
    const char *name = f->path, *slash = strrchr(name, '/');
    char path[4096];
    if (rule_starts(name, "@model_path/")) name += strlen("@model_path/");
    if (strstr(name, "..")) return;
    if (file_join(path, sizeof path, folder, name, NULL) != AR_OK) return;
    if (!file_exists(path) && slash &&
        file_join(path, sizeof path, folder, slash + 1, NULL) != AR_OK)
        return;
    if (file_is_folder(path)) return;
    f->open = file_map_open(&f->map, path, NULL) == AR_OK;
}

static ar_status ask_file(verifier *v, ar_error *err) {
    rule_call *c = &v->call;
    int i = 0;
    while (i < v->n_files && strcmp(v->files[i].path, c->blob->path) != 0) i++;
    c->first = i == v->n_files;
    if (c->first) {
        if (i == RULE_FILES)
            return error_set(err, AR_RANGE, "more than %d weight files",
                             RULE_FILES);
        v->files[v->n_files++] = (rule_file){.path = c->blob->path};
        open_file(v->weights, &v->files[i]);
    }
    c->file = &v->files[i];
    ask_all(v, MIL_ON_FILE);
    return AR_OK;
}

static void close_files(verifier *v) {
    for (int i = 0; i < v->n_files; i++)
        if (v->files[i].open) file_map_close(&v->files[i].map);
}

/* ---- walking ---- */

static ar_status walk_values(verifier *v, ar_error *err) {
    rule_call *c = &v->call;
    for (int32_t i = 1; i < c->f->n_values && c->status == AR_OK; i++) {
        c->value = mil_get(c->f, (mil_ref)i);
        c->place = c->value->place;
        ask_all(v, MIL_ON_VALUE);
        c->blob = c->value->literal;
        /* A const's value is a literal in place, too: once. */
        if (!c->blob || !c->blob->path || c->value->op >= 0) continue;
        ask_all(v, MIL_ON_BLOB);
        if (v->weights) TRY(ask_file(v, err));
    }
    return AR_OK;
}

static void walk_ports(verifier *v, const mil_ref *ports, int n, bool result) {
    v->call.result = result;
    for (int i = 0; i < n; i++) {
        v->call.value = mil_get(v->call.f, ports[i]);
        if (!v->call.value->type.state) ask_all(v, MIL_ON_PORT);
    }
}

static void walk_ops(verifier *v) {
    rule_call *c = &v->call;
    for (int32_t i = 0; i < c->f->n_ops && c->status == AR_OK; i++) {
        c->op = &c->f->ops[i];
        if (c->op->id < 0 || c->op->id == MIL_OP_const) continue;
        for (int k = v->by_op[c->op->id]; k < v->by_op[c->op->id + 1]; k++)
            ask(v, v->list[k]);
    }
}

static ar_status walk(verifier *v, ar_error *err) {
    rule_call *c = &v->call;
    ask_all(v, MIL_ON_PROGRAM);
    for (int i = 0; i < mil_n_funcs(c->p); i++) {
        c->f = mil_get_func(c->p, i);
        ask_all(v, MIL_ON_FUNC);
        walk_ports(v, c->f->params, c->f->n_params, false);
        walk_ports(v, c->f->results, c->f->n_results, true);
        walk_ops(v);
        TRY(walk_values(v, err));
    }
    return c->status;
}

static int by_place(const void *a, const void *b) {
    const mil_finding *x = a, *y = b;
    if (x->place.line != y->place.line)
        return x->place.line < y->place.line ? -1 : 1;
    if (x->place.column != y->place.column)
        return x->place.column < y->place.column ? -1 : 1;
    if (x->rule != y->rule) return x->rule < y->rule ? -1 : 1;
    return strcmp(x->message, y->message);
}

enum { CHUNK = 1 << 14 };

ar_status mil_verify(const mil_program *p, const mil_verify_options *o,
                     mil_findings *out, ar_error *err) {
    const ane_limits limits = ane_limits_of(o->target.chip);
    *out = (mil_findings){0};
    arena_open(&out->mem, CHUNK);
    verifier *v = mem_new(verifier, 1);
    if (!v) return error_set(err, AR_NOMEM, "out of memory");
    v->call = (rule_call){
        .p = p, .target = &o->target, .limits = &limits, .out = out};
    v->weights = o->weights;
    select_rules(v, &o->target);
    ar_status s = walk(v, err);
    if (s == AR_NOMEM) error_set(err, s, "out of memory for what was found");
    close_files(v);
    mem_free(v);
    if (out->n) qsort(out->at, (size_t)out->n, sizeof *out->at, by_place);
    return s;
}

/* ---- text ---- */

#define NAME "text"

/* "text:line:column: what" as a finding. */
static ar_status tell(const char *rule, const mil_verify_options *o,
                      mil_findings *out, const ar_error *fault, ar_error *err) {
    rule_call c = {
        .target = &o->target, .out = out, .rule = mil_find_rule_id(rule)};
    const char *s = fault->message;
    mil_place at = {0};
    arena_open(&out->mem, CHUNK);
    if (rule_starts(s, NAME ":")) {
        char *end;
        at.line = (uint32_t)strtoul(s + strlen(NAME ":"), &end, 10);
        if (*end == ':') at.column = (uint32_t)strtoul(end + 1, &end, 10);
        if (rule_starts(end, ": ")) s = end + 2;
    }
    rule_hit(&c, at, s, NULL);
    if (c.status != AR_OK) error_set(err, c.status, "out of memory");
    return c.status;
}

ar_status mil_verify_text(const char *source, size_t size,
                          const mil_verify_options *o, mil_findings *out,
                          ar_error *err) {
    mil_program *p = NULL;
    ar_error fault = {0};
    *out = (mil_findings){0};
    ar_status s = mil_parse(NAME, source, size, &p, &fault);
    const char *rule = "T1";
    if (s == AR_OK) {
        s = mil_check(NAME, p, &fault);
        rule = "T2";
    }
    if (s == AR_NOMEM)
        error_set(err, s, "%s", fault.message);
    else if (s != AR_OK)
        s = tell(rule, o, out, &fault, err);
    else
        s = mil_verify(p, o, out, err);
    mil_close(p);
    return s;
}

void mil_findings_close(mil_findings *f) {
    mem_free(f->at);
    arena_close(&f->mem);
    *f = (mil_findings){0};
}
