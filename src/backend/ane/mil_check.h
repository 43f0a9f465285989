/* mil_check.h - do the operations of a MIL program exist, and do types follow?
 *
 * Names are resolved by the parser; here every statement is held against
 * mil_ops.def (known operation of the function's opset, known and required
 * arguments, constant where it must be, element types of its domain) and its
 * results' types against what the operation gives (shape rules of coremltools
 * 9.0's definitions). */
#ifndef ANE_MIL_CHECK_H
#define ANE_MIL_CHECK_H

#include "backend/ane/mil_blob.h"

enum mil_op_id {
#define MIL_OP(name, ...) MIL_OP_##name,
#include "backend/ane/mil_ops.def"
#undef MIL_OP
    MIL_OP_COUNT
};

/* Types of the results of one statement, from its arguments, which have been
 * held against mil_ops.def.  out: room for op->n_outs; n_out: how many results
 * the operation has, which may be another number.  Errors: AR_FORMAT
 * "operation: what"; AR_UNSUPPORTED for one without a rule. */
ar_status mil_infer(const mil_func *f, const mil_op *op, mil_type *out,
                    int *n_out, ar_error *err);

/* The whole program; the first fault is the error: AR_FORMAT or AR_UNSUPPORTED
 * "name:line:column: operation: what" (in a built program, which has no lines,
 * "name: result: operation: what"). */
ar_status mil_check(const char *name, const mil_program *p, ar_error *err);

/* Is every constant that the program has in a file there, as large as its
 * type?  Errors: AR_FORMAT "name:line:column: path: blob at offset: what". */
ar_status mil_check_files(const char *name, const mil_program *p,
                          const mil_file *files, int n, ar_error *err);

#endif
