/* mil_sim.h - running MIL programs without a Neural Engine.
 *
 * Three levels of likeness:
 *
 *   0  what the operations mean, in f32 (coremltools' definitions);
 *   1  what the engine gives: operands and results in fp16, products summed in
 *      f32 and rounded once, its ceilings, flushes and answers for NaN, by
 *      chip (mil_sim_chips.def).  Functions that the engine reads from tables
 *      are exact and then rounded, so hardware differs by the tables' error;
 *   2  as 1, with products summed in the order of its four lanes; slow, for
 *      single operations.
 *
 * Nothing here has been held against the hardware; docs/internals/ane.md says
 * what is modelled and from which reports.
 *
 *   mil_sim_options opt = mil_sim_options_default();
 *   opt.level = 1;
 *   TRY(mil_sim_open("x.mil", program, &opt, &sim, err));
 *   TRY(mil_sim_run(sim, 0, inputs, outputs, err));
 *   mil_sim_close(sim); */
#ifndef ANE_MIL_SIM_H
#define ANE_MIL_SIM_H

#include "backend/ane/mil.h"

typedef struct mil_sim mil_sim;

/* The bytes of a weight file, valid until the simulator is open (constants are
 * copied).  path is as the program has it.  Errors: of the caller's choice. */
typedef ar_status (*mil_sim_file)(void *user, const char *path,
                                  const void **data, size_t *size,
                                  ar_error *err);

typedef struct mil_sim_options {
    int level;         /* 0, 1 or 2 */
    const char *chip;  /* "m1" ... "m5", "m3ultra"; of levels 1 and 2 */
    mil_sim_file file; /* NULL: a program with weights in files is refused */
    void *user;
    int n_threads; /* of products; 0 = as many as the process may use */
} mil_sim_options;
mil_sim_options mil_sim_options_default(void); /* level 0, "m4" */

/* p: checked here (mil_check), borrowed until close.  All memory is taken
 * here, but for what products need in the first run.  Errors: those of
 * mil_check and of weight files; AR_UNSUPPORTED for an operation that is not
 * simulated or an unknown chip, AR_NOMEM. */
ar_status mil_sim_open(const char *name, const mil_program *p,
                       const mil_sim_options *opt, mil_sim **out,
                       ar_error *err);
void mil_sim_close(mil_sim *s);

/* Function `func` by its place in the program.  in: one pointer for each
 * parameter that is no state, in order; out: one for each result; elements
 * packed, of the types of the program (mil_size bytes).  Errors: AR_RANGE for
 * an index that points nowhere. */
ar_status mil_sim_run(mil_sim *s, int func, const void *const *in,
                      void *const *out, ar_error *err);

/* States are zero after open, shared by the functions by name, and kept from
 * run to run. */
void mil_sim_reset(mil_sim *s);
/* Bytes of constants, of what a run holds at most, and of states. */
typedef struct mil_sim_stats {
    size_t const_size, block_size, state_size;
    int64_t n_products; /* shapes compiled for the CPU backend */
} mil_sim_stats;
void mil_sim_get_stats(const mil_sim *s, mil_sim_stats *out);

/* The chips of mil_sim_chips.def by number; NULL behind the last. */
const char *mil_sim_chip_name(int i);
/* x as the chip rounds to fp16; an unknown chip rounds to even. */
float mil_sim_round(const char *chip, float x);
/* n floats to packed fp16, rounded to even; out may be x. */
void mil_sim_pack_f16(const float *x, int64_t n, void *out);

#endif
