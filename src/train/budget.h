/* budget.h - when a run ends: "300s", "1e15flop", "500Mtok", "2000steps". */
#ifndef TRAIN_BUDGET_H
#define TRAIN_BUDGET_H

#include "arcane/status.h"

enum budget_unit {
    BUDGET_STEPS,
    BUDGET_TOKENS,
    BUDGET_FLOPS,
    BUDGET_SECONDS,
};

typedef struct budget {
    enum budget_unit unit;
    double amount;
} budget;

/* A number, then k, M, G, T or P (not before s, min, h), then steps, tok,
 * flop, s, min or h; "step", "tokens" and "flops" are understood too.
 * Errors: AR_USAGE. */
ar_status budget_parse(budget *out, const char *text, ar_error *err);

#endif
