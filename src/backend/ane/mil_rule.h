/* mil_rule.h - what the predicates of mil_rules.def share.
 *
 * A predicate is called with what its scope names set, and calls rule_hit for
 * each place that breaks the rule. */
#ifndef ANE_MIL_RULE_H
#define ANE_MIL_RULE_H

#include "backend/ane/mil_ops.h"
#include "backend/ane/mil_verify.h"
#include "base/file.h"

enum { RULE_FILES = 256, RULE_NUMBER = 24 };

typedef struct rule_file {
    const char *path; /* of the program */
    file_map map;
    bool open;
} rule_file;

typedef struct rule_call {
    const mil_program *p;
    const mil_func *f;
    const mil_op *op;
    const mil_value *value;  /* of PORT and VALUE */
    bool result;             /* the port is one */
    const mil_literal *blob; /* of BLOB and FILE */
    mil_place place;         /* of the statement with it */
    const rule_file *file;   /* of FILE */
    bool first;              /* the first constant of that file */

    const mil_rule *rule;
    const ane_target *target;
    const ane_limits *limits;
    mil_findings *out;
    size_t capacity;
    ar_status status; /* AR_NOMEM sticks */
} rule_call;

typedef void (*rule_predicate)(rule_call *c);

/* A finding: texts up to NULL are $1, $2 ... of the rule's message. */
void rule_hit(rule_call *c, mil_place at, ...) __attribute__((sentinel));

typedef struct rule_number {
    char s[RULE_NUMBER];
} rule_number;
rule_number rule_int(int64_t n);
rule_number rule_real(double x);

/* ---- looking at a statement ---- */
/* The name of its first result, "" if there is none. */
const char *rule_name(const rule_call *c);
/* An argument; NULL if it is absent. */
const mil_value *rule_arg(const rule_call *c, const char *key);
const mil_literal *rule_const(const rule_call *c, const char *key);
/* A whole number that is a constant; or, else, `other`. */
int64_t rule_whole(const rule_call *c, const char *key, int64_t other);
/* Is it text that says this? */
bool rule_says(const rule_call *c, const char *key, const char *word);
/* The axis argument from the front of x's axes; -1: there is none. */
int rule_axis(const rule_call *c, const char *key, const mil_value *x);
/* Not known before the program runs. */
bool rule_computed(const rule_call *c, const mil_value *v);
/* The kind of statement that makes a value; "" for parameters. */
const char *rule_maker(const rule_call *c, const mil_value *v);
bool rule_starts(const char *s, const char *start);
/* Size of the axis that is `from_end` before the last; 1 where there is none.
 */
int64_t rule_dim(const mil_type *t, int from_end);
/* Bytes of a surface: rows at multiples of 64. */
double rule_surface(const mil_type *t);

#define ANE_RULE(id, scope, severity, confidence, chips, from, to, ops,        \
                 predicate, ...)                                               \
    void rule_##predicate(rule_call *c);
#include "backend/ane/mil_rules.def"

#endif
