/* budget.c - reading a budget. */
#include "train/budget.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

static const struct unit {
    const char *name;
    enum budget_unit unit;
    double factor;
    int scales; /* k, M ... may stand before it */
} units[] = {
    {"steps", BUDGET_STEPS, 1, 1},   {"step", BUDGET_STEPS, 1, 1},
    {"tokens", BUDGET_TOKENS, 1, 1}, {"tok", BUDGET_TOKENS, 1, 1},
    {"flops", BUDGET_FLOPS, 1, 1},   {"flop", BUDGET_FLOPS, 1, 1},
    {"s", BUDGET_SECONDS, 1, 0},     {"min", BUDGET_SECONDS, 60, 0},
    {"h", BUDGET_SECONDS, 3600, 0},
};

static const struct unit *find_unit(const char *text, int scaled) {
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strcmp(units[i].name, text) == 0 && (!scaled || units[i].scales))
            return &units[i];
    return NULL;
}

ar_status budget_parse(budget *out, const char *text, ar_error *err) {
    char *end;
    double amount = strtod(text, &end);
    const struct unit *u = find_unit(end, 0);
    if (!u && *end) {
        static const char letters[] = "kMGTP";
        const char *letter = strchr(letters, *end);
        u = letter ? find_unit(end + 1, 1) : NULL;
        if (u) amount *= pow(1000, (double)(letter - letters + 1));
    }
    if (!u || end == text)
        return error_set(err, AR_USAGE,
                         "budget: \"%s\" is not like 300s, 1e15flop, 500Mtok "
                         "or 2000steps",
                         text);
    amount *= u->factor;
    if (u->unit == BUDGET_STEPS) amount = floor(amount);
    if (!isfinite(amount) || amount <= 0 || amount > 1e30)
        return error_set(err, AR_USAGE, "budget: \"%s\" is not above zero",
                         text);
    *out = (budget){u->unit, amount};
    return AR_OK;
}
