/* mil.h - a program of the Neural Engine's language, in memory.
 *
 * MIL (Model Intermediate Language) is text: a program has functions, a
 * function has parameters, statements and results, a statement calls one
 * operation with keyword arguments.  Here a program is arrays in one arena:
 * values are named by a `mil_ref` (0 = none), so it can be printed, checked
 * (mil_check.h), verified against the hardware's limits (mil_verify.h) and run
 * by the simulator (mil_sim.h).
 *
 * It comes from text (mil_parse) or from the builder, whose first error
 * sticks:
 *
 *   mil_program *p = mil_open();
 *   mil_func_begin(p, "main", "ios18");
 *   mil_ref x = mil_param(p, "in00_x", mil_tensor(MIL_FP16, 4, dims));
 *   mil_ref axis = mil_const_i32(p, "axis", -1);
 *   mil_op_begin(p, "softmax");
 *   mil_arg_ref(p, "axis", axis);
 *   mil_arg_ref(p, "x", x);
 *   mil_ref y = mil_op_end(p, "out00_y", type);
 *   mil_func_end(p, &y, 1);
 *   TRY(mil_status(p, err));
 *   mil_print(p, &text);
 *   mil_close(p); */
#ifndef ANE_MIL_H
#define ANE_MIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arcane/status.h"
#include "arcane/types.h"
#include "base/text.h"

enum mil_dtype {
    MIL_NONE,
#define MIL_TYPE(name, ...) MIL_##name,
#include "backend/ane/mil_types.def"
#undef MIL_TYPE
    MIL_DTYPE_COUNT
};

/* Rank 7 only for tables of constexpr_lut_to_dense; tensors have at most 5. */
enum { MIL_MAX_DIMS = 7, MIL_UNKNOWN = -1 };

/* tensor<fp16, [1, 4, 1, 8]>; or, with tensor false, a plain fp16.  A state
 * parameter is state<tensor<fp16, [...]>>.  MIL_NONE: a literal of a type that
 * no operation takes (dict, list, tuple), kept as text. */
typedef struct mil_type {
    enum mil_dtype dtype;
    bool tensor, state;
    int rank;                  /* 0: one element */
    int64_t dim[MIL_MAX_DIMS]; /* >= 0, or MIL_UNKNOWN where it says "?" */
} mil_type;

const char *mil_dtype_name(enum mil_dtype t); /* "fp16"; never NULL */
enum mil_dtype mil_dtype_from_name(const char *s, size_t n); /* MIL_NONE */
int mil_dtype_bits(enum mil_dtype t);
enum mil_dtype mil_dtype_of(ar_type t); /* MIL_NONE where MIL has none */
ar_type mil_ar_type(enum mil_dtype t);  /* AR_NONE where there is none */
mil_type mil_scalar(enum mil_dtype t);
mil_type mil_tensor(enum mil_dtype t, int rank, const int64_t *dim);
/* Elements; -1 on overflow or if a size is unknown. */
int64_t mil_count(const mil_type *t);
size_t mil_size(const mil_type *t); /* bytes, packed; 0 for strings */
/* Element type, shape, state or not; tensor<T, []> is T. */
bool mil_same_type(const mil_type *a, const mil_type *b);
/* "tensor<fp16, [1, 4]>" in `out`, which it returns; cut to size. */
enum { MIL_TYPE_TEXT = 200 };
const char *mil_type_text(const mil_type *t, char out[MIL_TYPE_TEXT]);

/* A constant: its elements here, or a place in a weight file. */
typedef struct mil_literal {
    mil_type type;
    const void *data;     /* mil_size bytes, or texts with a NUL behind each */
    const char *path;     /* "@model_path/weights/weight.bin", or NULL */
    uint64_t offset;      /* of the blob's metadata in that file */
    const char *spelling; /* how the source wrote what is behind the type, so
                             that it is printed so again; NULL = shortest exact
                             form */
} mil_literal;

/* Line and column, from 1; 0 where a program was built. */
typedef struct mil_place {
    uint32_t line, column;
} mil_place;

typedef uint32_t mil_ref; /* index into func.values; 0 = none */

typedef struct mil_value {
    const char *name; /* NULL: a literal written in place */
    mil_type type;
    int32_t op;                 /* index of the statement that makes it; -1 a
                                   parameter, -2 a literal in place */
    int32_t out;                /* which of its results, or of the parameters */
    const mil_literal *literal; /* of const statements and literals in place */
    mil_place place;
} mil_value;

/* One keyword argument: x = a, or values = (a, b, c). */
typedef struct mil_arg {
    const char *key;
    const mil_ref *values;
    int32_t n_values;
    bool list; /* written in brackets */
    mil_place place;
} mil_arg;

/* types name, name = kind(args)[attrs];  An attribute is an argument in
 * square brackets; its values are literals in place.  const() has its value in
 * the attribute `val`. */
typedef struct mil_op {
    const char *kind; /* "conv" */
    int32_t id;       /* row of mil_ops.def; -1 = not in the list */
    const mil_arg *args, *attrs;
    int32_t n_args, n_attrs;
    const mil_ref *outs;
    int32_t n_outs;
    mil_place place;
} mil_op;

typedef struct mil_func {
    const char *name, *opset; /* "main", "ios18" */
    mil_value *values;        /* values[0] is unused */
    int32_t n_values;
    const mil_ref *params;
    int32_t n_params;
    mil_op *ops; /* const statements too, in order */
    int32_t n_ops;
    const mil_ref *results;
    int32_t n_results;
    const char *attrs; /* "[FlexibleShapeInformation = ...]" as written, or
                          NULL; nothing here looks into it */
    mil_place place;
} mil_func;

typedef struct mil_pair {
    const char *key, *value;
} mil_pair;

enum mil_syntax {
    MIL_SHORT,  /* program(1.3), string("x"), int32(1) */
    MIL_VERBOSE /* program(1.0), tensor<string, []>("x") */
};

typedef struct mil_program mil_program;

/* ---- a whole program ---- */
mil_program *mil_open(void); /* NULL when memory has run out */
void mil_close(mil_program *p);
/* The first error of building; AR_OK if none. */
ar_status mil_status(const mil_program *p, ar_error *err);

int mil_n_funcs(const mil_program *p);
const mil_func *mil_get_func(const mil_program *p, int i);
const mil_func *mil_find_func(const mil_program *p, const char *name);
const char *mil_version(const mil_program *p); /* "1.3" */
enum mil_syntax mil_get_syntax(const mil_program *p);
void mil_set_syntax(mil_program *p, enum mil_syntax s); /* and its version */
int mil_build_info(const mil_program *p, const mil_pair **pairs);

/* ---- text ---- size bytes, needing no NUL.  Errors: AR_FORMAT with
 * "name:line:column: what"; AR_NOMEM; AR_RANGE beyond a limit (enum mil_limit
 * in mil_int.h).  Time is linear in size. */
ar_status mil_parse(const char *name, const char *source, size_t size,
                    mil_program **out, ar_error *err);
/* Printing what was parsed gives the same tokens; its spaces are ours. */
void mil_print(const mil_program *p, text *out);

/* ---- building ---- names are copied; a name already taken in the function is
 * an error (AR_FORMAT), as is an op that mil_ops.def does not have, or one
 * without an argument that it demands. */
void mil_func_begin(mil_program *p, const char *name, const char *opset);
void mil_func_end(mil_program *p, const mil_ref *results, int n);
mil_ref mil_param(mil_program *p, const char *name, mil_type t);
/* data: mil_size bytes, copied. */
mil_ref mil_const(mil_program *p, const char *name, mil_type t,
                  const void *data);
mil_ref mil_const_file(mil_program *p, const char *name, mil_type t,
                       const char *path, uint64_t offset);
mil_ref mil_const_text(mil_program *p, const char *name, const char *s);
mil_ref mil_const_i32(mil_program *p, const char *name, int32_t x);
mil_ref mil_const_i32s(mil_program *p, const char *name, const int32_t *x,
                       int n);
mil_ref mil_const_bool(mil_program *p, const char *name, bool x);
mil_ref mil_const_f16(mil_program *p, const char *name, float x); /* rounded */
/* One statement: begin, arguments, end with the name and type of its result,
 * or mil_op_end_many. */
void mil_op_begin(mil_program *p, const char *kind);
void mil_arg_ref(mil_program *p, const char *key, mil_ref v);
void mil_arg_refs(mil_program *p, const char *key, const mil_ref *v, int n);
void mil_attr(mil_program *p, const char *key, mil_type t, const void *data);
void mil_attr_file(mil_program *p, const char *key, mil_type t,
                   const char *path, uint64_t offset);
mil_ref mil_op_end(mil_program *p, const char *name, mil_type t);
void mil_op_end_many(mil_program *p, const char *const *names,
                     const mil_type *types, int n, mil_ref *outs);

/* ---- looking ---- */
const mil_value *mil_get(const mil_func *f, mil_ref r); /* of r != 0 */
/* The argument (or attribute) of that name, or NULL. */
const mil_arg *mil_find_arg(const mil_op *op, const char *key);
/* Its first value; 0 if the argument is absent. */
mil_ref mil_find_ref(const mil_op *op, const char *key);
/* Constant behind a value, or NULL if it is computed. */
const mil_literal *mil_constant(const mil_func *f, mil_ref r);
/* Numbers of a constant of any plain type, as double; element i. */
double mil_number(const mil_literal *l, int64_t i);

#endif
