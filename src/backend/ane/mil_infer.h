/* mil_infer.h - what the rules for types of results share.
 *
 * A rule reads the types of the arguments and the constants among them, and
 * sets the types of the results.  They are those of coremltools 9.0, except
 * that an axis must be one of the tensor's, and sizes must come out whole. */
#ifndef ANE_MIL_INFER_H
#define ANE_MIL_INFER_H

#include "backend/ane/mil_ops.h"

enum { MIL_LIST = 32 }; /* numbers in a constant that gives a shape */

typedef struct mil_infer_call {
    const mil_func *f;
    const mil_op *op;
    const char *signature;
    int opset;
    mil_type *out; /* room for op->n_outs */
    int n_out;
    ar_error *err;
} mil_infer_call;

typedef struct mil_list {
    int64_t v[MIL_LIST];
    int n;
} mil_list;

typedef ar_status (*mil_infer_rule)(mil_infer_call *c);

/* AR_FORMAT "operation: what". */
ar_status typing_bad(const mil_infer_call *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* The type of an argument; NULL if it is absent. */
const mil_type *typing_in(const mil_infer_call *c, const char *key);
bool typing_has(const mil_infer_call *c, const char *key);
/* Its elements; the program must say them.  *l is NULL if it is absent. */
ar_status typing_constant(const mil_infer_call *c, const char *key,
                          const mil_literal **l);
/* One whole number, or its default. */
ar_status typing_int(const mil_infer_call *c, const char *key, int64_t *out);
ar_status typing_flag(const mil_infer_call *c, const char *key, bool *out);
/* Whole numbers, n of them: n < 0 is any number; the default, repeated n
 * times, in their absence. */
ar_status typing_list(const mil_infer_call *c, const char *key, int n,
                      mil_list *out);
/* A text, or its default, in out. */
ar_status typing_text(const mil_infer_call *c, const char *key,
                      char out[MIL_ARG_TEXT]);
/* Position from the front of an axis that may count from the back. */
ar_status typing_wrap(const mil_infer_call *c, int64_t axis, int rank,
                      int *out);
/* The same of the argument `key`. */
ar_status typing_axis(const mil_infer_call *c, const char *key, int rank,
                      int *out);
ar_status typing_broadcast(const mil_infer_call *c, const mil_type *a,
                           const mil_type *b, mil_type *out);

/* The i-th result; all are set in turn. */
ar_status typing_set(mil_infer_call *c, mil_type t);
/* Puts a dimension in, or takes one out. */
ar_status typing_insert(const mil_infer_call *c, mil_type *t, int at,
                        int64_t dim);
void typing_remove(mil_type *t, int at);

#define MIL_RULE(op, rule) ar_status type_of_##rule(mil_infer_call *c);
#include "backend/ane/mil_infer.def"
#undef MIL_RULE

#endif
