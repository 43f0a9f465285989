/* op_cases.h - the shared list of cases of every op, and running one of them.
 *
 * A case is an op, its attributes, its operands (shape, type, layout, range of
 * values) and how near two right answers are.  The rows are in op_cases.def.
 * The same rows are used to compare values between devices, gradients with
 * finite differences, and by benchmarks.
 *
 *   op_case_program p;
 *   TRY(op_case_open(&p, &op_cases[i], device, AR_F32, false, err));
 *   TRY(op_case_run(&p, err));
 *   x = op_case_output(&p, 0, 5);
 *   op_case_close(&p);
 *
 * Operands hold the same numbers in every run of a case, whatever its type:
 * they are rounded to the type that the row names. */
#ifndef TESTS_OP_CASES_H
#define TESTS_OP_CASES_H

#include "core/backend.h"

/* How an operand lies in memory. */
enum case_layout {
    DENSE,
    TURNED,   /* the last two dims swapped */
    SLICED,   /* the last dim is the middle of a wider one */
    STEPPED,  /* every second element of the last dim */
    PART,     /* the last dim but one is the end of a longer one */
    REPEATED, /* the first dim has stride 0 */
};

typedef struct case_input {
    enum case_layout layout;
    ar_type type;         /* AR_NONE: an absent optional input */
    shape shape;          /* as the op sees it */
    double low, high;     /* uniform between; integers: both included */
    const double *values; /* or, if not NULL, these */
} case_input;

typedef struct op_case {
    enum op_id op;
    op_attr attr;
    unsigned grad;    /* bit i: check the gradient of input i */
    double tolerance; /* of f32: relative to the element or, where that is
                         larger, to the mean size of the output's elements */
    case_input in[MAX_INPUTS];
} op_case;

extern const op_case op_cases[];
extern const int n_op_cases;

/* Which device, opened by the caller. */
typedef struct case_device {
    const backend *b;
    device *d;
} case_device;

/* Operands and results, all in host memory; where the device has its own, they
 * are written to it before a run and read back after it. */
typedef struct op_case_program {
    const op_case *row;
    case_device on;
    ar_type real; /* F32, or F64: all floats are F64 */
    arena mem;
    graph g;
    program *program;
    buffer buffers[2]; /* inputs; states */
    buffer there[2];   /* those of the device; unused if it reads the host's */
    bool copies;
    size_t size[2];
    int n_out;
    ref leaf[MAX_INPUTS]; /* of each input, 0 if absent */
    ref dy;               /* that of the result; 0 if it has none */
    ref out[MAX_OUTPUTS], grad[MAX_INPUTS]; /* states with what was computed */
} op_case_program;

/* Row i as text, for messages: "MATMUL [2, 3] [3, 4]". */
enum { CASE_TEXT = 256 };
const char *op_case_text(const op_case *c, char *text);
int op_case_inputs(const op_case *c);

/* Builds and compiles the graph of a case and fills its operands.  With
 * `grads`, the gradients of sum(y dy) are computed too, y being output 0 (of
 * SPLIT, all outputs side by side). */
ar_status op_case_open(op_case_program *p, const op_case *c, case_device on,
                       ar_type real, bool grads, ar_error *err);
void op_case_close(op_case_program *p);
ar_status op_case_run(op_case_program *p, ar_error *err);

/* The leaf behind input k, the gradient's dy, the state of output k or of the
 * gradient of input k: number of elements, and element i. */
int64_t op_case_count(const op_case_program *p, ref leaf);
double op_case_get(const op_case_program *p, ref leaf, int64_t i);
void op_case_set(op_case_program *p, ref leaf, int64_t i, double x);
/* How many elements of the outputs of p differ from those of `want` by more
 * than the row's tolerance times `wider`; says the first to stderr.  name:
 * whose values p has. */
int op_case_count_far(const op_case_program *p, const op_case_program *want,
                      double wider, const char *name);
/* Its bytes, for comparing bits. */
const void *op_case_bytes(const op_case_program *p, ref leaf, size_t *size);

#endif
