/* template_run.h - one rendering of a template: its state, its limits, and
 * what the files of the evaluator offer each other. */
#ifndef TOK_TEMPLATE_RUN_H
#define TOK_TEMPLATE_RUN_H

#include "base/arena.h"
#include "base/error.h"
#include "base/text.h"
#include "tok/template_node.h"
#include "tok/template_value.h"

enum {
    RUN_STEPS = 20000000,   /* nodes, and pieces of long work */
    RUN_MEMORY = 256 << 20, /* bytes of values */
    RUN_OUTPUT = 64 << 20,  /* bytes of text, also of a macro's */
    RUN_DEPTH = 1000,       /* nested expressions, blocks and macros */
    RUN_RANGE = 100000,     /* numbers of range() */
};

typedef struct binding binding;
struct binding {
    str name;
    value v;
    binding *next;
};

typedef struct scope scope;
struct scope {
    scope *parent;
    binding *first;
};

typedef struct span_list {
    int64_t (*at)[2];
    size_t n, capacity;
} span_list;

typedef enum flow { FLOW_ON, FLOW_BREAK, FLOW_CONTINUE } flow;

typedef struct render {
    arena mem;
    size_t memory; /* bytes taken */
    int64_t steps;
    int depth;
    text out; /* of the innermost macro or block that is captured */
    const text *outermost; /* the template's own; NULL if that is `out` */
    size_t counted;        /* bytes of it whose */
    int64_t chars;         /* code points are these */
    scope *scope;
    flow flow;
    const node *at; /* for error messages */
    const char *name;
    span_list spans;
    str raised;  /* what raise_exception was given; p is NULL if not called */
    int64_t now; /* seconds, as if the local zone were UTC */
    ar_error *err;
} render;

struct template_loop {
    const value *items; /* [n] */
    size_t n, i;
    int depth0;
    const node *node; /* of a recursive loop, else NULL */
    scope *scope;     /* around it */
    seq *last;        /* what `changed` was given last */
};

struct template_macro {
    const node *node; /* N_MACRO */
    scope *scope;
};

/* A call of something that is built in.  The arguments that its row names are
 * p[0], p[1] ..., V_MISSING if not given. */
enum { CALL_PARAMETERS = 6 };
typedef struct call {
    render *r;
    value self;        /* what a method belongs to; what a filter filters */
    const value *args; /* [n], filters and tests: without what they filter */
    size_t n;
    const dict *named; /* never NULL */
    value p[CALL_PARAMETERS];
} call;

typedef ar_status builtin_function(call *c, value *out);

/* `parameters`: names with blanks between them, ! behind those that must be
 * given; "..." takes any arguments and leaves p alone. */
typedef struct builtin_row {
    const char *name;
    builtin_function *run;
    const char *parameters;
} builtin_row;

struct template_builtin {
    const builtin_row *row;
    value self;
};

/* ---- errors, memory, limits (template_run.c) ---- */

/* A sentence after "name:line:column: ". */
ar_status run_fail(render *r, ar_status code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
ar_status run_step(render *r, size_t bytes);
ar_status run_alloc(render *r, size_t size, void **out);
ar_status run_text(render *r, const char *p, size_t n, value *out);
/* The text is copied and closed. */
ar_status run_take(render *r, text *t, value *out);
ar_status run_seq(render *r, value_type type, size_t n, value *out);
ar_status run_dict(render *r, size_t capacity, value *out);
ar_status run_dict_set(render *r, dict *d, value key, value v);
ar_status run_undefined(render *r, value *out, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
ar_status run_emit(render *r, const char *p, size_t n);

ar_status scope_open(render *r, scope *parent, scope **out);
ar_status scope_set(render *r, scope *s, str name, value v);
/* NULL if no scope has it. */
const value *scope_get(const scope *s, str name);

/* ---- values (template_show.c, template_ops.c, template_attr.c) ---- */

/* As str() and repr(). */
ar_status show_str(render *r, value v, value *out);
ar_status show_add(render *r, text *t, value v, bool quoted);
void show_float(text *t, double f);
void show_integer(text *t, integer i, int base);
/* Fails with Jinja's sentence if v is undefined. */
ar_status check_defined(render *r, value v);

ar_status op_binary(render *r, binary_op op, value a, value b, value *out);
ar_status op_compare(render *r, compare_op op, value a, value b, bool *out);
ar_status op_negate(render *r, value v, value *out);
/* -1, 0 or 1, where Python's < allows it. */
ar_status op_order(render *r, value a, value b, int *out);
/* Whether `v` is in `all`. */
ar_status op_contains(render *r, value all, value v, bool *out);

/* The elements of anything that can be walked; a generator is used up. */
ar_status value_items(render *r, value v, value *out);
ar_status value_length(render *r, value v, integer *out);
ar_status attr_get(render *r, value v, str name, value *out);
ar_status item_get(render *r, value v, value key, value *out);
ar_status slice_get(render *r, value v, const value part[3], value *out);
/* "a.b.0" as `map(attribute=)` reads it. */
ar_status attr_path(render *r, value v, value path, value *out);
bool attr_method(value v, str name, const builtin_row **row);

/* ---- running (template_eval.c, template_exec.c, template_call.c) ---- */

ar_status run_eval(render *r, const node *n, value *out);
ar_status run_list(render *r, const node *first);
/* What the statements print, as text, in a scope of their own. */
ar_status run_capture(render *r, const node *list, scope *s, value *out);
ar_status run_for(render *r, const node *n);
ar_status run_loop(render *r, const node *n, value items, int depth0);
ar_status run_filters(render *r, const node *n, value v, value *out);

typedef struct arguments {
    value *args;
    size_t n;
    dict *named;
} arguments;
ar_status call_arguments(render *r, const node *list, arguments *out);
ar_status call_value(render *r, value f, const arguments *a, value *out);
ar_status call_builtin(render *r, const builtin_row *row, value self,
                       const arguments *a, value *out);
ar_status call_filter(render *r, str name, value v, const arguments *a,
                      value *out);
ar_status call_test(render *r, str name, value v, const arguments *a,
                    bool *out);

const builtin_row *filter_find(str name);
const builtin_row *test_find(str name);
const builtin_row *function_find(str name);

/* ---- for the functions of the .def lists ---- */

/* p[k] as an integer, a truth or text, with a fallback if it is missing. */
ar_status arg_int(call *c, int k, integer fallback, integer *out);
bool arg_truth(const call *c, int k, bool fallback);
ar_status arg_text(call *c, int k, const char *fallback, str *out);
static inline bool arg_given(const call *c, int k) {
    return c->p[k].type != V_MISSING;
}
/* As given, but None counts as missing. */
static inline bool arg_some(const call *c, int k) {
    return arg_given(c, k) && c->p[k].type != V_NONE;
}

/* Sorts [n] in place, stable; keys[i] belongs to v[i]. */
ar_status sort_values(render *r, value *v, value *keys, size_t n, bool reverse);
ar_status format_percent(render *r, str format, const value *args, size_t n,
                         const dict *named, value *out);
ar_status format_braces(render *r, str format, const arguments *a, value *out);
ar_status text_replace(render *r, str s, const str what[2], integer count,
                       value *out);
ar_status json_dump(call *c, value v, value *out);
ar_status format_time(render *r, str format, int64_t now, value *out);

#endif
