/* mil_sim_map.c - operations of each element by itself. */
#include <math.h>
#include <string.h>

#include "backend/ane/mil_sim_int.h"
#include "base/error.h"

/* What a function takes beside x. */
typedef struct knobs {
    double alpha, beta, eps;
    bool engine; /* the engine's answers at the edges */
} knobs;

static double softplus(double x, bool engine) {
    if (engine && isinf(x) && x > 0) return 0;
    return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
}

static double sigmoid(double x) { return 1 / (1 + exp(-x)); }

static double clamp(double x, double low, double high) {
    return x < low ? low : x > high ? high : x;
}

/* The engine has no -0 here: 1 / -0 is +inf. */
static double inverse_of(double x, const knobs *k) {
    return k->engine && x == 0 ? INFINITY : 1 / x;
}

static double log_of(double x, const knobs *k) {
    return k->engine && x == 0 ? -45440 : log(x);
}

static double softsign(double x, const knobs *k) {
    if (k->engine && isinf(x)) return 0;
    return x / (1 + fabs(x));
}

static double sign_of(double x) { return (x > 0) - (x < 0); }

/* Functions of one number: roots, powers, angles, rounding. */
static double plain(int op, double x, const knobs *k) {
    switch (op) {
    case MIL_OP_abs: return fabs(x);
    case MIL_OP_acos: return acos(x);
    case MIL_OP_asin: return asin(x);
    case MIL_OP_atan: return atan(x);
    case MIL_OP_atanh: return atanh(x);
    case MIL_OP_ceil: return ceil(x);
    case MIL_OP_cos: return cos(x);
    case MIL_OP_cosh: return cosh(x);
    case MIL_OP_erf: return erf(x);
    case MIL_OP_exp: return exp(x);
    case MIL_OP_exp2: return exp2(x);
    case MIL_OP_floor: return floor(x);
    case MIL_OP_inverse: return inverse_of(x + k->eps, k);
    case MIL_OP_log: return log_of(x + k->eps, k);
    default: return x;
    }
}

static double plain_more(int op, double x, const knobs *k) {
    switch (op) {
    case MIL_OP_logical_not: return x == 0;
    case MIL_OP_round: return k->engine ? round(x) : rint(x);
    case MIL_OP_rsqrt: return inverse_of(sqrt(x + k->eps), k);
    case MIL_OP_sign: return sign_of(x);
    case MIL_OP_sin: return sin(x);
    case MIL_OP_sinh: return sinh(x);
    case MIL_OP_sqrt: return sqrt(x);
    case MIL_OP_square: return x * x;
    case MIL_OP_tan: return tan(x);
    case MIL_OP_tanh: return tanh(x);
    case MIL_OP_threshold: return x > k->alpha ? x : k->alpha;
    case MIL_OP_clip: return clamp(x, k->alpha, k->beta);
    default: return plain(op, x, k);
    }
}

/* Activations with bounds and slopes. */
static double bent(int op, double x, const knobs *k) {
    const double a = k->alpha, b = k->beta;
    switch (op) {
    case MIL_OP_clamped_relu: return fmin(x < 0 ? a * x : x, b);
    case MIL_OP_elu: return x > 0 ? x : a * expm1(x);
    case MIL_OP_leaky_relu: return x >= 0 ? x : a * x;
    case MIL_OP_relu: return x > 0 ? x : 0;
    case MIL_OP_thresholded_relu: return x > a ? x : 0;
    default: return plain_more(op, x, k);
    }
}

/* Activations; the rest is above. */
static double activation(int op, double x, const knobs *k) {
    const double a = k->alpha, b = k->beta;
    switch (op) {
    case MIL_OP_linear_activation: return a * x + b;
    case MIL_OP_relu6: return clamp(x, 0, 6);
    case MIL_OP_scaled_tanh: return a * tanh(b * x);
    case MIL_OP_sigmoid: return sigmoid(x);
    case MIL_OP_sigmoid_hard: return clamp(a * x + b, 0, 1);
    case MIL_OP_silu: return x * sigmoid(x);
    case MIL_OP_softplus: return softplus(x, k->engine);
    case MIL_OP_softsign: return softsign(x, k);
    default: return bent(op, x, k);
    }
}

ar_status run_unary(sim_call *c) {
    const sim_tensor *x = sim_in(c, "x");
    sim_tensor *y = sim_out(c, 0);
    const knobs k = {sim_number(c, "alpha"), sim_number(c, "beta"),
                     sim_number(c, "epsilon"), c->level > 0};
    for (int64_t i = 0; i < x->count; i++)
        sim_put(y, i, activation(c->call.op->id, sim_get(x, i), &k));
    return AR_OK;
}

ar_status run_copy(sim_call *c) {
    const sim_tensor *x = sim_in(c, "x");
    memcpy(sim_out(c, 0)->data, x->data, sizeof(sim_cell) * (size_t)x->count);
    return AR_OK;
}

ar_status run_gelu(sim_call *c) {
    const sim_tensor *x = sim_in(c, "x");
    sim_tensor *y = sim_out(c, 0);
    char mode[MIL_ARG_TEXT];
    TRY(typing_text(&c->call, "mode", mode));
    for (int64_t i = 0; i < x->count; i++) {
        const double v = sim_get(x, i);
        double half = 0.5 * (1 + erf(v * M_SQRT1_2));
        if (mode[0] == 'T')
            half =
                0.5 * (1 + tanh(sqrt(2 / M_PI) * (v + 0.044715 * v * v * v)));
        else if (mode[0] == 'S')
            half = sigmoid(1.702 * v);
        sim_put(y, i, v * half);
    }
    return AR_OK;
}

/* x [N, C, ...], one alpha (and beta) for each channel. */
ar_status run_by_channel(sim_call *c) {
    const sim_tensor *x = sim_in(c, "x"), *alpha = sim_in(c, "alpha");
    const sim_tensor *beta = sim_in(c, "beta");
    sim_tensor *y = sim_out(c, 0);
    if (x->type.rank < 2)
        return typing_bad(&c->call, "x has rank %d, below 2", x->type.rank);
    const sim_line l = sim_line_of(&x->type, 1);
    if ((alpha->count != 1 && alpha->count != l.n) ||
        (beta && beta->count != 1 && beta->count != l.n))
        return typing_bad(&c->call, "not one number for each of %lld channels",
                          (long long)l.n);
    for (int64_t i = 0; i < x->count; i++) {
        const int64_t k = i / l.behind % l.n;
        const double v = sim_get(x, i);
        const double a = sim_get(alpha, alpha->count == 1 ? 0 : k);
        if (!beta)
            sim_put(y, i, v >= 0 ? v : a * v);
        else
            sim_put(y, i,
                    a * softplus(v * sim_get(beta, beta->count == 1 ? 0 : k),
                                 c->level > 0));
    }
    return AR_OK;
}

/* Whole numbers keep their low bits, real ones the nearest that there is. */
static int32_t low_bits(int32_t x, const mil_type *t) {
    const bool small = mil_dtype_bits(t->dtype) < 32;
    const uint32_t bits = (uint32_t)x;
    switch (t->dtype) {
    case MIL_BOOL: return x != 0;
    case MIL_INT8: return (int8_t)bits;
    case MIL_INT16: return (int16_t)bits;
    default:
        return small ? (int32_t)(bits & ((1u << mil_dtype_bits(t->dtype)) - 1))
                     : x;
    }
}

ar_status run_cast(sim_call *c) {
    const sim_tensor *x = sim_in(c, sim_in(c, "x") ? "x" : "source_val");
    sim_tensor *y = sim_out(c, 0);
    const bool whole =
        !sim_is_real(x->type.dtype) && !sim_is_real(y->type.dtype);
    for (int64_t i = 0; i < x->count; i++)
        if (whole)
            y->data[i].i = low_bits(x->data[i].i, &y->type);
        else
            sim_put(y, i, sim_get(x, i));
    return AR_OK;
}

/* ---- two operands ---- */

static double arithmetic(int op, double x, double y) {
    switch (op) {
    case MIL_OP_add: return x + y;
    case MIL_OP_sub: return x - y;
    case MIL_OP_mul: return x * y;
    case MIL_OP_real_div: return x / y;
    case MIL_OP_floor_div: return floor(x / y);
    case MIL_OP_mod: return x - floor(x / y) * y;
    case MIL_OP_maximum: return x > y ? x : y;
    case MIL_OP_minimum: return x < y ? x : y;
    default: return pow(x, y);
    }
}

static double two(int op, double x, double y) {
    switch (op) {
    case MIL_OP_logical_and: return x != 0 && y != 0;
    case MIL_OP_logical_or: return x != 0 || y != 0;
    case MIL_OP_logical_xor: return (x != 0) != (y != 0);
    case MIL_OP_equal: return x == y;
    case MIL_OP_not_equal: return x != y;
    case MIL_OP_greater: return x > y;
    case MIL_OP_greater_equal: return x >= y;
    case MIL_OP_less: return x < y;
    case MIL_OP_less_equal: return x <= y;
    default: return arithmetic(op, x, y);
    }
}

/* What 32 bits do not hold wraps around, as integers do. */
static void put_whole(sim_tensor *t, int64_t i, double x) {
    if (fabs(x) < 9e15)
        t->data[i].i = (int32_t)(uint32_t)(int64_t)x;
    else
        sim_put(t, i, x);
}

ar_status run_binary(sim_call *c) {
    const sim_tensor *x = sim_in(c, "x"), *y = sim_in(c, "y");
    sim_tensor *out = sim_out(c, 0);
    sim_walk w = sim_walk_over(&out->type);
    sim_spread(&x->type, &out->type, w.step[0]);
    sim_spread(&y->type, &out->type, w.step[1]);
    const int op = c->call.op->id;
    const bool whole = out->type.dtype == MIL_INT32;
    for (int64_t i = 0; i < out->count; i++, sim_walk_next(&w)) {
        const double v = two(op, sim_get(x, w.at[0]), sim_get(y, w.at[1]));
        if (whole)
            put_whole(out, i, v);
        else
            sim_put(out, i, v);
    }
    return AR_OK;
}

ar_status run_select(sim_call *c) {
    const sim_tensor *a = sim_in(c, "a"), *b = sim_in(c, "b");
    const sim_tensor *cond = sim_in(c, "cond");
    sim_tensor *out = sim_out(c, 0);
    sim_walk w = sim_walk_over(&out->type);
    sim_spread(&cond->type, &out->type, w.step[0]);
    sim_spread(&a->type, &out->type, w.step[1]);
    sim_spread(&b->type, &out->type, w.step[2]);
    for (int64_t i = 0; i < out->count; i++, sim_walk_next(&w))
        out->data[i] =
            cond->data[w.at[0]].i ? a->data[w.at[1]] : b->data[w.at[2]];
    return AR_OK;
}

/* ---- numbers in few bits ---- */

/* scale and zero_point: one number, or one for each place along axis. */
static ar_status quantum(sim_call *c, const sim_tensor *x, sim_line *l) {
    int axis;
    *l = (sim_line){1, 1, x->count};
    if (!typing_has(&c->call, "axis")) return AR_OK;
    TRY(typing_axis(&c->call, "axis", x->type.rank, &axis));
    *l = sim_line_of(&x->type, axis);
    return AR_OK;
}

ar_status run_quantize(sim_call *c) {
    const sim_tensor *x = sim_in(c, "input"), *s = sim_in(c, "scale");
    const sim_tensor *z = sim_in(c, "zero_point");
    sim_tensor *y = sim_out(c, 0);
    sim_line l;
    TRY(quantum(c, x, &l));
    for (int64_t i = 0; i < x->count; i++) {
        const int64_t k = i / l.behind % l.n;
        const float scaled =
            (float)(sim_get(x, i) / sim_get(s, s->count == 1 ? 0 : k));
        sim_put(y, i,
                rintf(scaled) + (z ? sim_get(z, z->count == 1 ? 0 : k) : 0));
    }
    return AR_OK;
}

ar_status run_dequantize(sim_call *c) {
    const sim_tensor *x = sim_in(c, "input"), *s = sim_in(c, "scale");
    const sim_tensor *z = sim_in(c, "zero_point");
    sim_tensor *y = sim_out(c, 0);
    sim_line l;
    TRY(quantum(c, x, &l));
    for (int64_t i = 0; i < x->count; i++) {
        const int64_t k = i / l.behind % l.n;
        const double zero = z ? sim_get(z, z->count == 1 ? 0 : k) : 0;
        sim_put(y, i,
                sim_get(s, s->count == 1 ? 0 : k) * (sim_get(x, i) - zero));
    }
    return AR_OK;
}
