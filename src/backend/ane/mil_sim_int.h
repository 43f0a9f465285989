/* mil_sim_int.h - what the files of the simulator share.
 *
 * A value is an array of cells of four bytes: floats for the types of real
 * numbers, int32 for all others (wider integers saturate), so that operations
 * that only move elements need not look at the type. */
#ifndef ANE_MIL_SIM_INT_H
#define ANE_MIL_SIM_INT_H

#include "backend/ane/mil_infer.h"
#include "backend/ane/mil_sim.h"

typedef union sim_cell {
    float f;
    int32_t i;
} sim_cell;

typedef struct sim_tensor {
    mil_type type;
    sim_cell *data;
    int64_t count;
    bool constant;
    bool flushed; /* it has no subnormal fp16: products may take it as is */
} sim_tensor;

typedef struct sim_chip {
    const char *name;
    bool half_away, zero_ceiling, flush, q4_slice, wide_lanes;
} sim_chip;

/* What is done to an operation's real results at levels 1 and 2. */
enum sim_finish {
    SIM_MOVE,   /* nothing: elements are only moved */
    SIM_REAL,   /* rounded */
    SIM_PRODUCT /* done by the operation itself, with the ceiling */
};

enum { SIM_SCRATCH = 5 };

/* One operation being run.  call: for the typing_ functions, which read the
 * attributes. */
typedef struct sim_call {
    mil_infer_call call;
    mil_sim *sim;
    sim_tensor *values; /* by mil_ref */
    int level;
    const sim_chip *chip; /* never NULL; of no effect at level 0 */
} sim_call;

typedef ar_status (*sim_op)(sim_call *c);

/* An argument, or NULL; i-th of its values; i-th result. */
const sim_tensor *sim_in(const sim_call *c, const char *key);
const sim_tensor *sim_in_list(const sim_call *c, const char *key, int i);
int sim_in_count(const sim_call *c, const char *key);
sim_tensor *sim_out(const sim_call *c, int i);
/* The number an argument has, or its default in the list of operations. */
double sim_number(const sim_call *c, const char *key);
/* A buffer of n cells, kept until the simulator is closed; which: below
 * SIM_SCRATCH. */
ar_status sim_scratch(sim_call *c, int which, int64_t n, float **out);

bool sim_is_real(enum mil_dtype t);
static inline double sim_get(const sim_tensor *t, int64_t i) {
    return sim_is_real(t->type.dtype) ? (double)t->data[i].f : t->data[i].i;
}
void sim_put(sim_tensor *t, int64_t i, double x); /* truncates, saturates */

/* Steps of the axes in a packed tensor. */
void sim_steps(const mil_type *t, int64_t *step);
/* Steps of x when it is spread over the shape of `to`: 0 where it repeats. */
void sim_spread(const mil_type *x, const mil_type *to, int64_t *step);
/* An axis with what is before and behind it. */
typedef struct sim_line {
    int64_t before, n, behind;
} sim_line;
sim_line sim_line_of(const mil_type *t, int axis);

/* Walks over a shape; at[k] follows step[k]. */
enum { SIM_WALKS = 3 };
typedef struct sim_walk {
    int rank;
    int64_t dim[MIL_MAX_DIMS], index[MIL_MAX_DIMS];
    int64_t step[SIM_WALKS][MIL_MAX_DIMS], at[SIM_WALKS];
} sim_walk;
sim_walk sim_walk_over(const mil_type *t);
void sim_walk_next(sim_walk *w);

/* ---- numbers of the chips ---- mil_sim_round.c */
const sim_chip *sim_find_chip(const char *name); /* NULL if there is none */
float sim_round(const sim_chip *chip, double x);
/* As above; NaN (an operation without a value) is +0. */
float sim_round_result(const sim_chip *chip, double x);
/* A sum of products: flushed, and no more than the ceiling if `wide`. */
float sim_round_product(const sim_chip *chip, double x, bool wide);
float sim_flush(float x); /* a subnormal fp16 becomes 0 of its sign */
/* What the engine takes: rounded, NaN becomes +inf. */
float sim_round_input(const sim_chip *chip, double x);
/* A sum of n products in the order of the four lanes. */
float sim_lanes(const sim_chip *chip, const float *a, const float *b,
                int64_t n);

/* ---- products ---- mil_sim_gemm.c */
typedef struct sim_gemm sim_gemm;
ar_status sim_gemm_open(int n_threads, sim_gemm **out, ar_error *err);
void sim_gemm_close(sim_gemm *g);
int64_t sim_gemm_shapes(const sim_gemm *g);
/* y [m, n] = a [m, k] times b [k, n], f32 sums; at level 2 in the order of the
 * lanes.  a_turned: a lies as [k, m]; b_turned: b as [n, k]. */
typedef struct sim_product {
    const float *a, *b;
    float *y;
    int64_t m, n, k;
    bool a_turned, b_turned;
} sim_product;
ar_status sim_multiply(sim_call *c, const sim_product *p);
sim_gemm *sim_gemm_of(mil_sim *s);
/* The numbers of an operand as the chip takes them; which: a scratch buffer. */
ar_status sim_operand(sim_call *c, const sim_tensor *t, int which,
                      const float **out);
/* Adds a bias (NULL: none) along l and rounds: sums of `taps` products. */
void sim_finish_product(const sim_call *c, sim_tensor *y,
                        const sim_tensor *bias, int64_t taps, sim_line l);
ar_status sim_gemm_run(sim_gemm *g, const sim_product *p, ar_error *err);

/* ---- windows ---- mil_sim_window.c */
/* What a convolution or a pool does to images, as three axes (the first ones 1
 * where there are fewer). */
typedef struct sim_window {
    int64_t in[3], out[3], kernel[3], stride[3], dilation[3];
    int64_t pad[3];    /* in front */
    int64_t padded[3]; /* in with padding on both sides */
} sim_window;
/* kernel [..]: sizes of its spatial axes.  turned: of conv_transpose, where in
 * and out change places. */
ar_status sim_read_window(const sim_call *c, const int64_t *kernel, bool turned,
                          sim_window *w);

/* ---- constants ---- mil_sim_const.c */
/* Elements of a literal in memory. */
void sim_decode(const mil_literal *l, sim_tensor *out);

#define SIM_OP(op, run, finish) ar_status run_##run(sim_call *c);
#include "backend/ane/mil_sim.def"
#undef SIM_OP

#endif
