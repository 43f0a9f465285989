/* mil_rule_number.c - rules about the numbers that come out. */
#include <math.h>
#include <string.h>

#include "backend/ane/mil_rule.h"

/* Epsilons below the first are lost, below the second on some paths. */
#define LOST 0x1p-17
#define DOUBTFUL 6e-5

/* The constant of a few elements that a value is, or NULL. */
static const mil_literal *few(const mil_value *v, int64_t most) {
    const mil_literal *l = v ? v->literal : NULL;
    if (!l || !l->data || l->type.dtype == MIL_STRING) return NULL;
    const int64_t n = mil_count(&l->type);
    return n >= 1 && n <= most ? l : NULL;
}

static bool all_zero(const mil_value *v) {
    const mil_literal *l = few(v, 16);
    for (int64_t i = 0; l && i < mil_count(&l->type); i++)
        if (mil_number(l, i) != 0) return false;
    return l != NULL;
}

static void zero_product(rule_call *c, const mil_value *a, const mil_value *b) {
    if (rule_starts(rule_maker(c, a), "reduce_") && all_zero(b))
        rule_hit(c, c->op->place, rule_name(c), a->name, NULL);
}

void rule_reduce_by_zero(rule_call *c) {
    const mil_value *x = rule_arg(c, "x"), *y = rule_arg(c, "y");
    zero_product(c, x, y);
    zero_product(c, y, x);
}

static void scaled(rule_call *c, const mil_value *a, const mil_value *b) {
    const char *maker = rule_maker(c, a);
    if (!few(b, 1) || b->type.rank) return;
    if (strcmp(maker, "round") == 0 || strcmp(maker, "floor") == 0 ||
        strcmp(maker, "ceil") == 0)
        rule_hit(c, c->op->place, rule_name(c), maker, a->name, NULL);
}

void rule_scaled_round(rule_call *c) {
    const mil_value *x = rule_arg(c, "x"), *y = rule_arg(c, "y");
    scaled(c, x, y);
    scaled(c, y, x);
}

static void epsilon_between(rule_call *c, double from, double to) {
    const mil_literal *l = rule_const(c, "epsilon");
    if (!l) l = rule_const(c, "eps");
    if (!l || mil_count(&l->type) < 1) return;
    const double e = mil_number(l, 0);
    if (e >= from && e < to)
        rule_hit(c, c->op->place, c->op->kind, rule_name(c), rule_real(e).s,
                 NULL);
}

void rule_tiny_epsilon(rule_call *c) { epsilon_between(c, 0, LOST); }
void rule_small_epsilon(rule_call *c) { epsilon_between(c, LOST, DOUBTFUL); }

/* Does the last axis of the result begin behind that of x? */
static bool is_offset(const rule_call *c, const mil_value *x) {
    const int last = x->type.rank - 1;
    if (strcmp(c->op->kind, "split") == 0) {
        return c->op->n_outs > 1 && rule_axis(c, "axis", x) == last;
    }
    const mil_literal *b = rule_const(c, "begin");
    const mil_literal *m = rule_const(c, "begin_mask");
    if (!b || mil_count(&b->type) != x->type.rank) return false;
    if (m && mil_count(&m->type) == x->type.rank && mil_number(m, last) != 0)
        return false;
    const double at = mil_number(b, last);
    return at != 0 && at != -(double)x->type.dim[last];
}

void rule_offset_slice(rule_call *c) {
    const mil_value *x = rule_arg(c, "x");
    if (c->limits->wide_slice || !rule_computed(c, x) || !x->type.rank) return;
    if (is_offset(c, x))
        rule_hit(c, c->op->place, c->op->kind, rule_name(c), NULL);
}

/* A constant's elements are in one value, so that each is looked at once. */
void rule_minus_inf(rule_call *c) {
    const mil_literal *l = c->value->literal;
    if (c->value->op != -2 || !l || !l->data) return;
    if (l->type.dtype != MIL_FP16 && l->type.dtype != MIL_FP32) return;
    const int64_t n = mil_count(&l->type);
    for (int64_t i = 0; i < n; i++) {
        const double x = mil_number(l, i);
        if (!isinf(x)) continue;
        rule_hit(c, c->place, c->value->name ? c->value->name : "a constant",
                 x < 0 ? "-inf" : "inf", NULL);
        return;
    }
}

void rule_log_softmax(rule_call *c) {
    const mil_value *x = rule_arg(c, "x");
    if (strcmp(rule_maker(c, x), "softmax") == 0)
        rule_hit(c, c->op->place, rule_name(c), x->name, NULL);
}
