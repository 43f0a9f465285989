/* cmd_ane_verify.c - arcane ane verify: what the Neural Engine would make of a
 * program.
 *
 * Findings of one rule are printed together: their places, then what is known
 * of the rule. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/ane/ane.h"
#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "cli/options.h"

typedef struct verify_args {
    const char *program, *chip, *os, *weights;
    bool strict, json;
} verify_args;

static const cli_option options[] = {
    {"FILE", NULL, CLI_TEXT, true, offsetof(verify_args, program), NULL,
     "a program as MIL text"},
    {"--chip", NULL, CLI_TEXT, false, offsetof(verify_args, chip), "NAME",
     "m1 to m5, m1-pro, m2-max ...; default: every chip"},
    {"--os", NULL, CLI_TEXT, false, offsetof(verify_args, os), "VERSION",
     "macOS, such as 15 or 15.5; default: every version"},
    {"--strict", NULL, CLI_FLAG, false, offsetof(verify_args, strict), NULL,
     "count folklore, too (confidence C); so it is for a chip or macOS that is "
     "not known"},
    {"--weights", NULL, CLI_TEXT, false, offsetof(verify_args, weights), "DIR",
     "the folder that has the program's weight files, or their folder weights/"
     "; they are looked into"},
    {"--json", NULL, CLI_FLAG, false, offsetof(verify_args, json), NULL,
     "print an object"},
    OPTIONS_END,
};

enum { MAX_PROGRAM = 1 << 30 };

/* Every way in which rules are grouped; in order. */
static const char *const headings[] = {
    "errors: it does not compile, load or run",
    "wrong data: it runs, and its numbers are wrong",
    "slow",
    "notes",
};

/* ---- text ---- */

typedef struct page {
    const char *file;
    const mil_findings *f;
    bool colour;
} page;

static const char *paint(const page *p, const char *code) {
    return p->colour ? code : "";
}

static const char *colour_of(enum mil_severity s) {
    static const char *const codes[] = {"\033[31m", "\033[35m", "\033[33m",
                                        "\033[36m"};
    return codes[s];
}

static const char *trust(char confidence) {
    if (confidence == 'A') return "several projects";
    if (confidence == 'B') return "one project, with a test";
    return "folklore: a remark, or sources disagree";
}

static void print_place(const page *p, const mil_finding *f) {
    printf("  %s%s", paint(p, "\033[1m"), p->file);
    if (f->place.line) printf(":%u:%u", f->place.line, f->place.column);
    printf("%s: %s\n", paint(p, "\033[0m"), f->message);
}

static void print_rule(const page *p, const mil_rule *r, bool counts) {
    printf("%s%s%s  confidence %c (%s)%s\n", paint(p, colour_of(r->severity)),
           r->id, paint(p, "\033[0m"), r->confidence, trust(r->confidence),
           counts || r->severity > MIL_WRONG ? "" : "; does not count");
    for (int i = 0; i < p->f->n; i++)
        if (p->f->at[i].rule == r) print_place(p, &p->f->at[i]);
    printf("    why:     %s\n    instead: %s\n    sources: %s\n", r->why,
           r->hint, r->sources);
    if (*r->chips) printf("    chips:   %s\n", r->chips);
    for (int i = 0; i < mil_n_disputes(); i++) {
        const mil_dispute *d = mil_get_dispute(i);
        if (strcmp(d->rule, r->id) == 0)
            printf("    %-8s %s; but: %s\n", d->id, d->one, d->other);
    }
}

static void print_group(const page *p, enum mil_severity s) {
    bool headed = false;
    for (int i = 0; i < mil_n_rules(); i++) {
        const mil_rule *r = mil_get_rule(i);
        const mil_finding *first = NULL;
        for (int k = 0; r->severity == s && k < p->f->n && !first; k++)
            if (p->f->at[k].rule == r) first = &p->f->at[k];
        if (!first) continue;
        if (!headed)
            printf("%s%s%s\n\n", paint(p, "\033[1m"), headings[s],
                   paint(p, "\033[0m"));
        headed = true;
        print_rule(p, r, first->counts);
        puts("");
    }
}

static int n_runtime(void) {
    int n = 0;
    for (int i = 0; i < mil_n_rules(); i++)
        n += mil_get_rule(i)->scope == MIL_ON_RUNTIME;
    return n;
}

static void print_target(const verify_args *a, const ane_target *t) {
    printf("held against %s, ", t->chip ? t->chip->name : "every chip");
    if (t->os)
        printf("macOS %d.%d", t->os / 100, t->os % 100);
    else
        printf("every macOS");
    if (a->chip && !t->chip) printf("; \"%s\" is not known", a->chip);
    if (a->os && !t->os) printf("; macOS %s is not known", a->os);
    printf("%s.\n", t->strict ? "; folklore counts" : "");
}

static void print_text(const verify_args *a, const ane_target *t,
                       const mil_findings *f) {
    const char *no = getenv("NO_COLOR");
    const page p = {a->program, f, isatty(STDOUT_FILENO) && !(no && *no)};
    for (int s = MIL_ERROR; s <= MIL_NOTE; s++) print_group(&p, s);
    print_target(a, t);
    printf("%d findings, %d count. None of the rules was tried by this program "
           "on the hardware; %d more are about the process and its surfaces.\n",
           f->n, f->n_counting, n_runtime());
}

/* ---- JSON ---- */

static json_t *disputes_of(const mil_rule *r) {
    json_t *list = json_array();
    for (int i = 0; i < mil_n_disputes(); i++) {
        const mil_dispute *d = mil_get_dispute(i);
        if (strcmp(d->rule, r->id) == 0)
            json_array_append_new(list,
                                  json_pack("{s:s, s:s, s:s}", "id", d->id,
                                            "one", d->one, "other", d->other));
    }
    return list;
}

static json_t *finding_json(const mil_finding *f) {
    const mil_rule *r = f->rule;
    const char confidence[] = {r->confidence, 0};
    return json_pack("{s:s, s:s, s:s, s:b, s:s, s:I, s:I, s:s, s:s, s:s, s:s, "
                     "s:s, s:o}",
                     "rule", r->id, "severity", mil_severity_text(r->severity),
                     "confidence", confidence, "counts", f->counts, "function",
                     f->func, "line", (json_int_t)f->place.line, "column",
                     (json_int_t)f->place.column, "message", f->message, "why",
                     r->why, "instead", r->hint, "sources", r->sources, "chips",
                     r->chips, "disputes", disputes_of(r));
}

static json_t *runtime_json(void) {
    json_t *list = json_array();
    for (int i = 0; i < mil_n_rules(); i++) {
        const mil_rule *r = mil_get_rule(i);
        if (r->scope == MIL_ON_RUNTIME)
            json_array_append_new(list, json_string(r->id));
    }
    return list;
}

static ar_status print_object(const verify_args *a, const ane_target *t,
                              const mil_findings *f, ar_error *err) {
    json_t *list = json_array();
    for (int i = 0; i < f->n; i++)
        if (json_array_append_new(list, finding_json(&f->at[i])) != 0) {
            json_decref(list);
            return error_set(err, AR_NOMEM, "out of memory");
        }
    char os[16] = "every";
    if (t->os) snprintf(os, sizeof os, "%d.%d", t->os / 100, t->os % 100);
    return print_json(json_pack("{s:s, s:s, s:s, s:b, s:i, s:i, s:o, s:o}",
                                "file", a->program, "chip",
                                t->chip ? t->chip->name : "every", "os", os,
                                "strict", t->strict, "found", f->n, "counting",
                                f->n_counting, "findings", list,
                                "not_evaluated", runtime_json()),
                      err);
}

static ar_status run(const void *parsed, ar_error *err) {
    const verify_args *a = parsed;
    mil_verify_options o = {.weights = a->weights};
    mil_findings f = {0};
    char *source;
    size_t size;
    TRY(ane_target_read(&o.target, a->chip, a->os, a->strict, err));
    if (a->weights && !file_is_folder(a->weights))
        return error_set(err, AR_IO, "%s: is no folder", a->weights);
    TRY(file_read(a->program, MAX_PROGRAM, &source, &size, err));
    ar_status s = mil_verify_text(source, size, &o, &f, err);
    if (s == AR_OK && a->json) s = print_object(a, &o.target, &f, err);
    if (s == AR_OK && !a->json) print_text(a, &o.target, &f);
    if (s == AR_OK && f.n_counting)
        s = error_set(err, AR_FORMAT, "%s: %d findings count", a->program,
                      f.n_counting);
    mil_findings_close(&f);
    mem_free(source);
    return s;
}

const cli_command cmd_ane_verify = {
    .name = "ane verify",
    .summary = "hold a program of the Neural Engine against all known limits",
    .text = "Every place that breaks a rule is a finding, with where the rule "
            "is from and how far it can be trusted. Errors and wrong data of "
            "confidence A or B count, and make the exit code 1; slow "
            "statements and notes do not. The rules are listed in "
            "docs/reference/ane_rules.md. Nothing here has run on the "
            "hardware.",
    .examples = "  arcane ane verify program.mil\n"
                "  arcane ane verify program.mil --chip m1 --os 14 --json\n"
                "  arcane ane verify program.mil --weights dir --strict\n",
    .options = options,
    .args_size = sizeof(verify_args),
    .run = run,
};
