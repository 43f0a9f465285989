/* test_mil_verify.c - every rule is broken by one program and kept by another;
 * targets, strictness, weight files, programs of others, damage, time. */
#include <stdlib.h>

#include "backend/ane/mil_blob.h"
#include "backend/ane/mil_verify.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "tests/test.h"

typedef struct rule_case {
    const char *id, *chip, *os, *bad, *good;
} rule_case;

static const rule_case cases[] = {
#define RULE_CASE(id, ...) {#id, __VA_ARGS__},
#include "tests/ane/rule_cases.def"
#undef RULE_CASE
};
enum { N_CASES = sizeof cases / sizeof *cases };

/* ---- templates ---- */

static const char *type_of(char letter) {
    static const struct {
        char letter;
        const char *name;
    } types[] = {{'h', "fp16"}, {'f', "fp32"},  {'i', "int32"},
                 {'b', "bool"}, {'c', "int8"},  {'C', "uint8"},
                 {'j', "int4"}, {'s', "int16"}, {'t', "uint3"}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].letter == letter) return types[i].name;
    return NULL;
}

/* h[...] of s; how much of it that is, or 0. */
static size_t expand_type(text *t, const char *s) {
    const char *name = s[1] == '[' ? type_of(s[0]) : NULL;
    const char *end = name ? strchr(s, ']') : NULL;
    if (!end) return 0;
    text_addf(t, "tensor<%s, %.*s>", name, (int)(end - s), s + 1);
    return (size_t)(end - s) + 1;
}

/* {9:text}; n: the number for % while inside one, else -1. */
static void expand(text *t, const char *s, size_t size, int n) {
    const char *end = s + size;
    char before = ' ';
    while (s < end) {
        const bool word = (before >= 'a' && before <= 'z') || before == '_';
        size_t used = word ? 0 : expand_type(t, s);
        char *colon;
        const long times = *s == '{' ? strtol(s + 1, &colon, 10) : 0;
        if (times > 0 && *colon == ':') {
            const char *close = strchr(colon, '}');
            assert_non_null(close);
            for (int i = 0; i < times; i++)
                expand(t, colon + 1, (size_t)(close - colon) - 1, i);
            used = (size_t)(close - s) + 1;
        } else if (!used && *s == '%' && n >= 0) {
            text_addf(t, "%d", n);
            used = 1;
        } else if (!used) {
            text_add(t, s, 1);
            used = 1;
        }
        s += used;
        before = s[-1];
    }
}

static void compose(text *t, const char *s) {
    text_clear(t);
    if (strncmp(s, "program", 7) == 0) {
        text_adds(t, s);
        return;
    }
    const char *body = strchr(s, '|'), *results = body ? strrchr(s, '|') : NULL;
    assert_non_null(body);
    assert_true(results > body);
    text_adds(t, "program(1.3)\n[buildInfo = dict<string, "
                 "string>({{\"coremlc-version\", \"3505.4.1\"}})]\n{\n func "
                 "main<ios18>(");
    expand(t, s, (size_t)(body - s), -1);
    text_adds(t, ") {\n");
    expand(t, body + 1, (size_t)(results - body) - 1, -1);
    text_addf(t, "\n } -> (%s);\n}\n", results + 1);
}

/* ---- asking ---- */

static void verify(const char *source, const char *chip, const char *os,
                   bool strict, mil_findings *out) {
    mil_verify_options o = {0};
    assert_ok(ane_target_read(&o.target, *chip ? chip : NULL, *os ? os : NULL,
                              strict, err));
    assert_ok(mil_verify_text(source, strlen(source), &o, out, err));
}

static const mil_finding *found(const mil_findings *f, const char *id) {
    for (int i = 0; i < f->n; i++)
        if (strcmp(f->at[i].rule->id, id) == 0) return &f->at[i];
    return NULL;
}

static bool is_text_rule(const char *id) {
    return strcmp(id, "T1") == 0 || strcmp(id, "T2") == 0;
}

static void show(const char *what, const rule_case *k, const text *t,
                 const mil_findings *f) {
    print_message("%s: %s\n%s\n", k->id, what, t->data);
    for (int i = 0; i < f->n; i++)
        print_message("  %s %u:%u %s\n", f->at[i].rule->id, f->at[i].place.line,
                      f->at[i].place.column, f->at[i].message);
}

/* Asks about one program; is there a finding of the rule, and is the text fine
 * otherwise? */
static bool try_one(const rule_case *k, const char *source, bool wanted) {
    text t = {0};
    mil_findings f;
    compose(&t, source);
    verify(t.data, k->chip, k->os, false, &f);
    const mil_finding *hit = found(&f, k->id);
    const char *wrong = NULL;
    if (!is_text_rule(k->id) && (found(&f, "T1") || found(&f, "T2")))
        wrong = "the text is wrong";
    else if (wanted != (hit != NULL))
        wrong = wanted ? "not found" : "found";
    else if (hit && (!*hit->message || strchr(hit->message, '$')))
        wrong = "the message is not whole";
    else if (hit && hit->counts != (hit->rule->severity <= MIL_WRONG &&
                                    hit->rule->confidence <= 'B'))
        wrong = "it counts wrongly";
    if (wrong) show(wrong, k, &t, &f);
    mil_findings_close(&f);
    text_close(&t);
    return !wrong;
}

void test_mil_rules_have_both_programs(void **state) {
    (void)state;
    int wrong = 0;
    for (int i = 0; i < N_CASES; i++) {
        wrong += !try_one(&cases[i], cases[i].bad, true);
        wrong += !try_one(&cases[i], cases[i].good, false);
    }
    assert_int_equal(wrong, 0);
}

void test_mil_rules_have_cases(void **state) {
    (void)state;
    int wrong = 0;
    for (int i = 0; i < mil_n_rules(); i++) {
        const mil_rule *r = mil_get_rule(i);
        int n = 0;
        for (int k = 0; k < N_CASES; k++) n += strcmp(cases[k].id, r->id) == 0;
        const bool elsewhere =
            r->scope == MIL_ON_RUNTIME || r->scope == MIL_ON_FILE;
        if (!n == elsewhere) continue;
        print_message("%s has %d cases\n", r->id, n);
        wrong++;
    }
    for (int k = 0; k < N_CASES; k++)
        if (!mil_find_rule_id(cases[k].id)) {
            print_message("%s is no rule\n", cases[k].id);
            wrong++;
        }
    assert_int_equal(wrong, 0);
}

static void verify_case(const rule_case *k, const char *chip, const char *os,
                        bool strict, mil_findings *f) {
    text t = {0};
    compose(&t, k->bad);
    verify(t.data, chip, os, strict, f);
    text_close(&t);
}

/* A rule of some chips is silent on the others, and speaks without a chip. */
void test_mil_rules_of_chips(void **state) {
    (void)state;
    int others = 0;
    for (int k = 0; k < N_CASES; k++) {
        const mil_rule *r = mil_find_rule_id(cases[k].id);
        for (int i = 0; i < ane_n_chips() && *r->chips; i++) {
            const ane_chip *chip = ane_get_chip(i);
            mil_findings f;
            if (ane_chip_among(chip, r->chips)) continue;
            verify_case(&cases[k], chip->name, "", false, &f);
            if (found(&f, r->id)) fail_msg("%s on %s", r->id, chip->name);
            mil_findings_close(&f);
            others++;
        }
        mil_findings f;
        verify_case(&cases[k], "", "", false, &f);
        if (!found(&f, r->id)) fail_msg("%s is silent without a chip", r->id);
        mil_findings_close(&f);
    }
    assert_true(others > 20);
}

static const rule_case *case_of(const char *id) {
    for (int k = 0; k < N_CASES; k++)
        if (strcmp(cases[k].id, id) == 0) return &cases[k];
    return NULL;
}

static int counting(const char *id, const char *chip, const char *os,
                    bool strict) {
    mil_findings f;
    verify_case(case_of(id), chip, os, strict, &f);
    const mil_finding *hit = found(&f, id);
    const int n = hit ? hit->counts : -1;
    mil_findings_close(&f);
    return n;
}

void test_mil_rules_strict(void **state) {
    (void)state;
    assert_int_equal(counting("G2", "m4", "15.5", false), 0);
    assert_int_equal(counting("G2", "m4", "15.5", true), 1);
    assert_int_equal(counting("G2", "m9", "15.5", false), 1); /* no such chip */
    assert_int_equal(counting("G2", "m4", "27", false), 1);   /* nor macOS */
    assert_int_equal(counting("G24", "m4", "15.5", false), 1);
    assert_int_equal(counting("S14", "m4", "15.5", true), 0); /* only slow */
    assert_int_equal(counting("G27", "m4", "15.5", true), 0); /* a note */
    /* Versions. */
    assert_int_equal(counting("A22", "m1", "14", false), 1);
    assert_int_equal(counting("A22", "m1", "15.9", false), 1);
    assert_int_equal(counting("A22", "m1", "26", false), -1);
    assert_int_equal(counting("A22", "m1", "", false), 1);
    assert_int_equal(counting("G28", "m2-max", "15.7.4", false), 1);
    assert_int_equal(counting("G28", "m2-max", "15.6", false), -1);
}

void test_ane_chips(void **state) {
    (void)state;
    ane_target t;
    const ane_limits all = ane_limits_of(NULL);
    for (int i = 0; i < ane_n_chips(); i++) {
        const ane_limits l = ane_limits_of(ane_get_chip(i));
        assert_int_equal(l.generation, ane_get_chip(i)->generation);
        assert_true(all.max_wh <= l.max_wh && all.kernel_w <= l.kernel_w);
        assert_true(all.kernel_h <= l.kernel_h && all.trig <= l.trig);
        assert_true(all.kernel_w_fp16 <= l.kernel_w_fp16);
        assert_true(all.cast <= l.cast && all.wide_slice <= l.wide_slice);
    }
    assert_int_equal(all.max_wh, 16384);
    assert_int_equal(all.kernel_w_fp16, 13);
    assert_false(ane_concat_width(NULL));
    assert_true(ane_concat_width(ane_find_chip("m4")));
    assert_false(ane_concat_width(ane_find_chip("m3-ultra")));
    assert_string_equal(ane_find_chip("h16")->name, "m4");
    assert_true(ane_chip_among(ane_find_chip("m2-max"), "m1 m2"));
    assert_true(ane_chip_among(ane_find_chip("m2-max"), "m2-max"));
    assert_false(ane_chip_among(ane_find_chip("m2"), "m1 m2-max"));
    assert_ok(ane_target_read(&t, "m4-pro", "15.5", false, err));
    assert_true(t.chip && t.os == 1505 && !t.strict);
    assert_ok(ane_target_read(&t, NULL, NULL, false, err));
    assert_true(!t.chip && !t.os && !t.strict);
    assert_ok(ane_target_read(&t, "m12-ultra", NULL, false, err));
    assert_true(!t.chip && t.strict);
    assert_ok(ane_target_read(&t, "m1", "13", false, err));
    assert_true(t.chip && !t.os && t.strict);
    static const char *const bad[] = {"", "m", "M1", "m1x!", "x1", "m123"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_fails(AR_USAGE, "is no chip",
                     ane_target_read(&t, bad[i], NULL, false, err));
    static const char *const no[] = {"", "x", "15.", "15.x", "-1", "1e3", "0"};
    for (size_t i = 0; i < sizeof no / sizeof *no; i++)
        assert_fails(AR_USAGE, "is no version",
                     ane_target_read(&t, NULL, no[i], false, err));
}

void test_mil_rules_rows(void **state) {
    (void)state;
    bool seen[28] = {false};
    for (int i = 0; i < mil_n_rules(); i++) {
        const mil_rule *r = mil_get_rule(i);
        assert_ptr_equal(mil_find_rule_id(r->id), r); /* once */
        assert_true(r->confidence >= 'A' && r->confidence <= 'C');
        assert_true(*r->message && *r->why && *r->hint && *r->sources);
    }
    for (int i = 0; i < mil_n_disputes(); i++) {
        const mil_dispute *d = mil_get_dispute(i);
        const long k = strtol(d->id + 1, NULL, 10);
        assert_true(d->id[0] == 'K' && k >= 1 && k <= 27);
        assert_non_null(mil_find_rule_id(d->rule));
        assert_true(*d->one && *d->other);
        seen[k] = true;
    }
    for (int k = 1; k <= 27; k++) assert_true(seen[k]);
}

/* ---- whole programs ---- */

#define PROGRAMS AR_SOURCE_DIR "/tests/ane/programs"

/* "name.mil m1 14 strict: S5@5 ..." of one program. */
static void describe(text *t, const char *name, const char *source, size_t size,
                     const char *const target[2]) {
    mil_verify_options o = {0};
    mil_findings f;
    assert_ok(
        ane_target_read(&o.target, target[0], target[1], !target[0], err));
    assert_ok(mil_verify_text(source, size, &o, &f, err));
    text_addf(t, "%s %s:", name, target[0] ? target[0] : "strict");
    for (int i = 0; i < f.n; i++)
        text_addf(t, " %s%s@%u", f.at[i].counts ? "" : "~", f.at[i].rule->id,
                  f.at[i].place.line);
    text_adds(t, "\n");
    mil_findings_close(&f);
}

/* What is found in each of tests/ane/programs, for an old chip, a new one, and
 * strictly for all, is written down in golden/mil/findings.txt. */
void test_mil_verify_programs_of_others(void **state) {
    (void)state;
    static const char *const targets[][2] = {
        {"m1", "14"}, {"m4", "15.5"}, {NULL, NULL}};
    text t = {0};
    file_list l;
    char path[512];
    assert_ok(file_list_open(&l, PROGRAMS, err));
    for (size_t i = 0; i < l.n; i++) {
        if (!strstr(l.names[i], ".mil")) continue;
        char *data;
        size_t size;
        snprintf(path, sizeof path, PROGRAMS "/%s", l.names[i]);
        assert_ok(file_read(path, 1 << 20, &data, &size, err));
        for (int k = 0; k < 3; k++)
            describe(&t, l.names[i], data, size, targets[k]);
        mem_free(data);
    }
    file_list_close(&l);
    char *wanted;
    size_t size;
    assert_ok(file_read(test_golden("mil/findings.txt"), 1 << 20, &wanted,
                        &size, err));
    const bool same = strcmp(wanted, t.data) == 0;
    for (char *line = t.data, *end; !same && (end = strchr(line, '\n'));
         line = end + 1)
        print_message("%.*s\n", (int)(end - line), line);
    assert_true(same);
    mem_free(wanted);
    text_close(&t);
}

/* ---- weight files ---- */

#define CONSTANT(name, type, offset)                                           \
    "tensor<" type "> " name " = const()[val = tensor<" type                   \
    ">(BLOBFILE(path = string(\"@model_path/weights/w.bin\"), offset = "       \
    "uint64(" offset ")))];"

static void write_weights(const char *folder) {
    static const uint16_t x[64];
    const void *file;
    size_t size;
    char path[512];
    mil_blob_writer *w = mil_blob_open();
    assert_int_equal(mil_blob_add(w, MIL_FP16, x, 32), 64);
    assert_int_equal(mil_blob_add(w, MIL_INT8, x, 32), 192);
    assert_ok(mil_blob_finish(w, &file, &size, err));
    snprintf(path, sizeof path, "%s/weights", folder);
    assert_ok(file_make_folder(path, err));
    snprintf(path, sizeof path, "%s/weights/w.bin", folder);
    assert_ok(file_replace(path, file, size, err));
    mil_blob_close(w);
}

static const struct {
    const char *constants, *id, *word; /* NULL: nothing is found */
} weights[] = {
    {CONSTANT("a", "fp16, [32]", "64") CONSTANT("b", "int8, [32]", "192"), NULL,
     NULL},
    {CONSTANT("a", "fp16, [32]", "64") CONSTANT("b", "fp16, [32]", "128"),
     "G6b", "128"},
    {CONSTANT("a", "fp16, [32]", "640000"), "G6b", "640000"},
    {CONSTANT("a", "fp16, [32]", "18446744073709551552"), "G6b", "w.bin"},
    {CONSTANT("a", "fp32, [32]", "64"), "G6c", "is fp16, the constant fp32"},
    {CONSTANT("a", "fp16, [33]", "64"), "G6d",
     "has 32 elements, the constant 33"},
    {"tensor<fp16, [32]> a = const()[val = tensor<fp16, [32]>(BLOBFILE(path = "
     "string(\"@model_path/weights/v.bin\"), offset = uint64(64)))];",
     "G6e", "v.bin\" cannot be read"},
    {"tensor<fp16, [32]> a = const()[val = tensor<fp16, [32]>(BLOBFILE(path = "
     "string(\"@model_path/../weights/w.bin\"), offset = uint64(64)))];",
     "G6e", "cannot be read"},
};

static void compose_weights(text *t, const char *constants) {
    text_clear(t);
    text_addf(t,
              "program(1.3)[buildInfo = dict<string, "
              "string>({{\"coremlc-version\", \"1\"}})]{\nfunc "
              "main<ios18>(tensor<fp16, [1, 128, 1, 64]> x) {%s tensor<fp16, "
              "[1, 128, 1, 64]> y = relu(x = x);} -> (y);}",
              constants);
}

void test_mil_verify_weights(void **state) {
    (void)state;
    const char *folder = test_folder();
    char inner[512];
    write_weights(folder);
    snprintf(inner, sizeof inner, "%s/weights", folder);
    text t = {0};
    for (size_t i = 0; i < 2 * sizeof weights / sizeof *weights; i++) {
        const char *id = weights[i / 2].id;
        mil_verify_options o = {{.chip = ane_find_chip("m4")},
                                .weights = i % 2 ? inner : folder};
        mil_findings f;
        compose_weights(&t, weights[i / 2].constants);
        assert_ok(mil_verify_text(t.data, t.size, &o, &f, err));
        const mil_finding *hit = id ? found(&f, id) : NULL;
        assert_true(id ? hit && f.n_counting >= 1 : f.n == 0);
        if (hit && !strstr(hit->message, weights[i / 2].word))
            fail_msg("%s, not %s", hit->message, weights[i / 2].word);
        assert_true(!hit || (hit->counts && hit->place.line == 2));
        mil_findings_close(&f);
    }
    text_close(&t);
}

/* A file is opened once, however many constants it has; one of 2 GB and more,
 * most of which is a hole, is too large. */
void test_mil_verify_large_file(void **state) {
    (void)state;
    const char *folder = test_folder();
    char path[512];
    snprintf(path, sizeof path, "%s/w.bin", folder);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 2147483648L, SEEK_SET), 0);
    assert_int_equal(fputc(0, file), 0);
    assert_int_equal(fclose(file), 0);
    text t = {0};
    mil_findings f;
    mil_verify_options o = {{.chip = ane_find_chip("m4")}, .weights = folder};
    compose_weights(&t, CONSTANT("a", "fp16, [32]", "64")
                            CONSTANT("b", "fp16, [32]", "128"));
    assert_ok(mil_verify_text(t.data, t.size, &o, &f, err));
    assert_int_equal(f.n, 3); /* and no blob, twice */
    assert_non_null(found(&f, "A16b"));
    mil_findings_close(&f);
    text_close(&t);
}

/* ---- damage, memory, time ---- */

void test_mil_verify_faults_have_places(void **state) {
    (void)state;
    static const struct {
        const char *source, *id, *word;
        uint32_t line, column;
    } faults[] = {
        {"", "T1", "expected", 1, 1},
        {"program(1.3)\n{\n  func f<ios18>() {\n   fp16 y = relu(x = z);\n",
         "T1", "z", 4, 22},
        {"program(1.3) {\n func f<ios18>(fp16 x) {\n  fp16 y = rilu(x = x);\n} "
         "-> (y); }",
         "T2", "rilu: there is no such operation", 3, 12},
        {"\x01", "T1", "", 1, 1},
    };
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        mil_findings f;
        verify(faults[i].source, "", "", false, &f);
        assert_int_equal(f.n, 1);
        assert_string_equal(f.at[0].rule->id, faults[i].id);
        assert_int_equal(f.at[0].place.line, faults[i].line);
        assert_int_equal(f.at[0].place.column, faults[i].column);
        assert_non_null(strstr(f.at[0].message, faults[i].word));
        assert_true(f.at[0].counts && !strstr(f.at[0].message, "text:"));
        for (const char *s = f.at[0].message; *s; s++)
            assert_true(*s >= ' ' || *s < 0);
        mil_findings_close(&f);
    }
}

/* Three faults in one program, in order. */
static const char three[] =
    "h[1,4,1,48] x | h[1,4,1,48] r = round(x=x);\n h[1,4,1,48] l = log(x=r);\n"
    "h[1,4,1,48] y = tan(x=l); | y";

void test_mil_verify_finds_all(void **state) {
    (void)state;
    text t = {0};
    mil_findings f;
    compose(&t, three);
    verify(t.data, "m4", "15", false, &f);
    static const char *const ids[] = {"S2", "Q10", "G7", "R1", "S2"};
    int n = 0;
    for (int i = 0; i < f.n; i++)
        if (f.at[i].counts) {
            assert_true(n < 5);
            assert_string_equal(f.at[i].rule->id, n == 3   ? "S2"
                                                  : n == 4 ? "R1"
                                                           : ids[n]);
            n++;
        }
    assert_int_equal(n, 5);
    assert_int_equal(f.n_counting, 5);
    assert_string_equal(f.at[0].func, "main");
    mil_findings_close(&f);
    text_close(&t);
}

void test_mil_verify_out_of_memory(void **state) {
    (void)state;
    text t = {0};
    compose(&t, three);
    mil_verify_options o = {0};
    bool failed = true;
    for (int n = 1; failed; n++) {
        mil_findings f;
        ar_error err = {0};
        mem_fail_at(n, 1);
        const ar_status s = mil_verify_text(t.data, t.size, &o, &f, &err);
        mem_fail_at(0, 0);
        failed = s != AR_OK;
        if (failed) assert_int_equal(s, AR_NOMEM);
        if (failed) assert_true(err.message[0]);
        mil_findings_close(&f);
        assert_true(n < 500);
    }
    text_close(&t);
}

static double seconds(int n, int *found_in_all) {
    text t = {0};
    text_adds(&t, "program(1.3) { func main<ios18>(tensor<fp16, [1, 4, 1, 64]> "
                  "x) {\n");
    for (int i = 0; i < n; i++)
        text_addf(&t,
                  "tensor<fp16, [1, 4, 1, 64]> y%d = round(x = x);\n"
                  "tensor<fp16, [1, 4, 1, 64]> z%d = mul(x = y%d, y = "
                  "fp16(2));\n",
                  i, i, i);
    text_adds(&t, "} -> (y0); }");
    mil_program *p;
    mil_findings f;
    mil_verify_options o = {0};
    assert_ok(mil_parse("p", t.data, t.size, &p, err));
    const double from = clock_now();
    assert_ok(mil_verify(p, &o, &f, err));
    const double s = clock_now() - from;
    *found_in_all = f.n;
    mil_findings_close(&f);
    mil_close(p);
    text_close(&t);
    return s;
}

/* Sixteen times the statements do not take a hundred times as long. */
void test_mil_verify_large(void **state) {
    (void)state;
    int few, many;
    const double once = seconds(2500, &few), more = seconds(40000, &many);
    assert_true(few >= 5000 && many >= 80000);
    if (more > 100 * (once + 0.001)) fail_msg("%g s and %g s", once, more);
}
