/* plan_infer.h - arcane plan, of prompts and answers. */
#ifndef CLI_PLAN_INFER_H
#define CLI_PLAN_INFER_H

#include "backend/backends.h"
#include "arcane/model.h"

/* Seconds of a prompt of n tokens, and of a token behind `depth`. */
typedef struct plan_times {
    double prompt, token;
} plan_times;

ar_status plan_infer(const ar_model *m, const device_speed *speed, int64_t n,
                     int64_t depth, plan_times *out, ar_error *err);

/* The machines of machines.def; NULL where i is none. */
const char *plan_machine(int i, device_speed *out);

#endif
