/* mil_sim_round.c - numbers as the chips have them. */
#include <math.h>
#include <string.h>

#include "backend/ane/mil_sim_int.h"

static const sim_chip chips[] = {
#define SIM_CHIP(name, ...) {#name, __VA_ARGS__},
#include "backend/ane/mil_sim_chips.def"
#undef SIM_CHIP
};

enum { N_CHIPS = sizeof chips / sizeof *chips };

const sim_chip *sim_find_chip(const char *name) {
    for (int i = 0; name && i < N_CHIPS; i++)
        if (strcmp(chips[i].name, name) == 0) return &chips[i];
    return NULL;
}

const char *mil_sim_chip_name(int i) {
    return i >= 0 && i < N_CHIPS ? chips[i].name : NULL;
}

/* Normal fp16 have 10 bits behind the first, down to 2^-14; subnormal ones
 * are multiples of 2^-24. */
static float on_grid(double x, bool half_away) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    int e = (int)(bits >> 52 & 0x7ff) - 1023;
    if (e < -14) e = -14;
    if (e > 1000) return (float)x; /* infinite or NaN */
    const double unit = ldexp(1, e - 10), scaled = x / unit;
    /* Both keep the sign of zero. */
    const double y = unit * (half_away ? round(scaled) : rint(scaled));
    return fabs(y) >= 65536 ? (float)copysign(INFINITY, x) : (float)y;
}

float sim_round(const sim_chip *chip, double x) {
    return on_grid(x, chip->half_away);
}

float mil_sim_round(const char *chip, float x) {
    const sim_chip *c = sim_find_chip(chip);
    return on_grid(x, c && c->half_away);
}

float sim_round_result(const sim_chip *chip, double x) {
    return isnan(x) ? 0 : sim_round(chip, x);
}

float sim_round_input(const sim_chip *chip, double x) {
    return isnan(x) ? INFINITY : sim_round(chip, x);
}

float sim_flush(float x) { return fabsf(x) < 0x1p-14f ? copysignf(0, x) : x; }

float sim_round_product(const sim_chip *chip, double x, bool wide) {
    float y = sim_round_result(chip, x);
    if (wide && fabsf(y) >= 32768)
        return chip->zero_ceiling ? 0 : copysignf(INFINITY, y);
    return chip->flush ? sim_flush(y) : y;
}

/* a + b where the smaller keeps 11 bits below the first of the larger. */
static float lane_add(float a, float b) {
    const float large = fabsf(a) > fabsf(b) ? a : b;
    int e;
    if (large == 0 || !isfinite(large)) return a + b;
    frexpf(large, &e); /* large is below 2^e */
    const double unit = ldexp(1, e - 12);
    return (float)(unit * (rint(a / unit) + rint(b / unit)));
}

/* Four lanes at a time are added one behind the other; then the sum of each
 * four goes into an f32.  Of the orders tried this alone gives what was
 * measured: 4096 and 1024 ones make 5116; of 16 triples B, -B, 1 all ones are
 * left while B <= 4090, and 4 from 4096 on. */
float sim_lanes(const sim_chip *chip, const float *a, const float *b,
                int64_t n) {
    float sum = 0;
    for (int64_t i = 0; i < n; i += 4) {
        float four = a[i] * b[i];
        for (int64_t k = i + 1; k < n && k < i + 4; k++) {
            const float x = a[k] * b[k];
            four = chip->wide_lanes ? four + x : lane_add(four, x);
        }
        sum += four;
        if (fabsf(sum) >= 32768 && n > 1) /* no later lane brings it back */
            return copysignf(INFINITY, sum);
    }
    return sum;
}
