/* mil_verify.h - what the Neural Engine would make of a program.
 *
 * Every known limit is a row of mil_rules.def.  A program that passed
 * mil_check is held against all of them for a chip and a macOS; every place
 * that breaks one is a finding.  Nothing here has run on the hardware: a rule
 * says what others saw, and how much that is worth. */
#ifndef ANE_MIL_VERIFY_H
#define ANE_MIL_VERIFY_H

#include "backend/ane/ane_chip.h"
#include "backend/ane/mil.h"
#include "base/arena.h"

/* Of errors and wrong data those count whose confidence is A or B, or any
 * where folklore counts; the other two never do. */
enum mil_severity {
    MIL_ERROR, /* it does not compile, load or run */
    MIL_WRONG, /* it runs and gives wrong numbers */
    MIL_SLOW,
    MIL_NOTE
};

/* What a rule is asked about. */
enum mil_scope {
    MIL_ON_TEXT, /* asked by mil_verify_text: grammar and types */
    MIL_ON_PROGRAM,
    MIL_ON_FUNC,
    MIL_ON_PORT,   /* a parameter or result of a function */
    MIL_ON_VALUE,  /* any value, constants too */
    MIL_ON_OP,     /* a statement other than const */
    MIL_ON_BLOB,   /* a constant that is in a file */
    MIL_ON_FILE,   /* the same, with the folder of weights at hand */
    MIL_ON_RUNTIME /* the process and its surfaces: the driver's */
};

typedef struct mil_rule {
    const char *id;
    enum mil_scope scope;
    enum mil_severity severity;
    char confidence;   /* 'A' several projects, 'B' one with a test, 'C' a
                          remark, or sources disagree */
    const char *chips; /* "" = all */
    int os_from, os_to;
    const char *ops; /* "" = all */
    const char *message, *why, *hint, *sources;
} mil_rule;

/* Two sides of a contradiction behind a rule. */
typedef struct mil_dispute {
    const char *id, *rule, *one, *other;
} mil_dispute;

int mil_n_rules(void);
const mil_rule *mil_get_rule(int i);
const mil_rule *mil_find_rule_id(const char *id); /* or NULL */
int mil_n_disputes(void);
const mil_dispute *mil_get_dispute(int i);
const char *mil_severity_text(enum mil_severity s);

typedef struct mil_finding {
    const mil_rule *rule;
    const char *func;    /* its name, or "" */
    mil_place place;     /* 0, 0 where there is none */
    const char *message; /* with the names and numbers of the place */
    bool counts;
} mil_finding;

typedef struct mil_findings {
    mil_finding *at; /* in order of place */
    int n, n_counting;
    arena mem;
} mil_findings;

typedef struct mil_verify_options {
    ane_target target;
    const char *weights; /* folder, or NULL: files are not looked into */
} mil_verify_options;

/* Holds p, which passed mil_check, against every rule; *out to be closed,
 * after errors too.  Time is linear in the program's size, but for sorting
 * what was found.  Errors: AR_NOMEM; AR_RANGE for more than 256 weight files.
 */
ar_status mil_verify(const mil_program *p, const mil_verify_options *o,
                     mil_findings *out, ar_error *err);
/* Reads, checks and verifies text: what is wrong with the text is a finding,
 * too. */
ar_status mil_verify_text(const char *source, size_t size,
                          const mil_verify_options *o, mil_findings *out,
                          ar_error *err);
void mil_findings_close(mil_findings *f);

#endif
