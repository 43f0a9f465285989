/* mil_sim_call.h - the simulator itself: a program made ready to run. */
#ifndef ANE_MIL_SIM_CALL_H
#define ANE_MIL_SIM_CALL_H

#include "backend/ane/mil_sim_int.h"

typedef struct sim_step {
    const mil_op *op;
    sim_op run;
    enum sim_finish finish;
    const char *signature;
} sim_step;

typedef struct sim_func {
    const mil_func *f;
    sim_tensor *values; /* by mil_ref */
    sim_step *steps;    /* without those done when the program was opened */
    int n_steps, opset;
} sim_func;

typedef struct sim_state {
    const char *name;
    sim_tensor held;
} sim_state;

struct mil_sim {
    const mil_program *p;
    const char *name;
    int level;
    const sim_chip *chip;
    sim_func *funcs;
    int n_funcs;
    sim_state *states;
    int n_states;
    sim_cell *constants, *block, *state_block;
    size_t const_size, block_size, state_size; /* bytes */
    sim_gemm *gemm;
    float *scratch[SIM_SCRATCH];
    int64_t scratch_n[SIM_SCRATCH];
};

/* Places all values of a function that are no constants in one block; cells
 * it needs in *cells.  With block NULL it only counts. */
ar_status sim_layout(sim_func *f, sim_cell *block, int64_t *cells,
                     ar_error *err);
/* One step, and what is done to its results. */
ar_status sim_run_step(mil_sim *s, sim_func *f, const sim_step *step,
                       ar_error *err);
sim_step sim_step_of(const mil_op *op, int opset);
/* What comes from outside, as the engine takes it. */
void sim_take_in(const mil_sim *s, sim_tensor *t);
/* The constants of all functions. */
ar_status sim_load_constants(mil_sim *s, const mil_sim_options *opt,
                             ar_error *err);

#endif
