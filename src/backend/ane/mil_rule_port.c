/* mil_rule_port.c - rules about a program's head, its functions' inputs and
 * results, and the sizes of what is in them. */
#include <string.h>

#include "backend/ane/mil_rule.h"

enum { PAGE = 16384, MANY_CHANNELS = 768, SHORT_ROW = 32, FEW_PIXELS = 16 };

static bool is_byte(enum mil_dtype t) {
    return t == MIL_INT8 || t == MIL_UINT8;
}

/* ---- head ---- */

void rule_no_version(rule_call *c) {
    const mil_pair *pairs;
    const int n = mil_build_info(c->p, &pairs);
    for (int i = 0; i < n; i++)
        if (strcmp(pairs[i].key, "coremlc-version") == 0) return;
    rule_hit(c, (mil_place){1, 1}, NULL);
}

void rule_short_text(rule_call *c) {
    if (mil_get_syntax(c->p) == MIL_SHORT && !c->limits->short_syntax)
        rule_hit(c, (mil_place){1, 1}, NULL);
}

void rule_odd_opset(rule_call *c) {
    const char *s = c->f->opset;
    if (strcmp(s, "ios16") != 0 && strcmp(s, "ios18") != 0 &&
        strcmp(s, "CoreML6") != 0 && strcmp(s, "CoreML8") != 0)
        rule_hit(c, c->f->place, c->f->name, s, NULL);
}

void rule_flexible(rule_call *c) {
    if (c->f->attrs && strstr(c->f->attrs, "FlexibleShapeInformation"))
        rule_hit(c, c->f->place, c->f->name, NULL);
}

/* ---- one port ---- */

void rule_loose_rows(rule_call *c) {
    const mil_type *t = &c->value->type;
    const int64_t row = rule_dim(t, 0) * mil_dtype_bits(t->dtype) / 8;
    if (row % 64 == 0 || mil_count(t) <= rule_dim(t, 0)) return;
    rule_hit(c, c->value->place, c->value->name, rule_int(row).s, NULL);
}

void rule_small_surface(rule_call *c) {
    const double size = rule_surface(&c->value->type);
    if (size < PAGE)
        rule_hit(c, c->value->place, c->value->name, rule_real(size).s, NULL);
}

void rule_narrow_rows(rule_call *c) {
    const mil_type *t = &c->value->type;
    if (rule_dim(t, 2) > MANY_CHANNELS && rule_dim(t, 0) < SHORT_ROW)
        rule_hit(c, c->value->place, c->value->name, rule_int(rule_dim(t, 2)).s,
                 rule_int(rule_dim(t, 0)).s, NULL);
}

void rule_few_pixels(rule_call *c) {
    const mil_type *t = &c->value->type;
    const double n = (double)rule_dim(t, 0) * (double)rule_dim(t, 1);
    if (t->rank == 4 && n < FEW_PIXELS)
        rule_hit(c, c->value->place, c->value->name, rule_real(n).s, NULL);
}

void rule_fp32_port(rule_call *c) {
    if (c->value->type.dtype == MIL_FP32)
        rule_hit(c, c->value->place, c->value->name, NULL);
}

static void hit_type(rule_call *c) {
    rule_hit(c, c->value->place, c->value->name,
             mil_dtype_name(c->value->type.dtype), NULL);
}

void rule_port_type(rule_call *c) {
    const enum mil_dtype t = c->value->type.dtype;
    if (t == MIL_FP16 || t == MIL_FP32 || t == MIL_BOOL || is_byte(t)) return;
    if (!(c->result && t == MIL_INT32)) hit_type(c);
}

void rule_int8_input(rule_call *c) {
    if (!c->result && is_byte(c->value->type.dtype)) hit_type(c);
}

void rule_int8_result(rule_call *c) {
    if (c->result && is_byte(c->value->type.dtype)) hit_type(c);
}

void rule_int32_result(rule_call *c) {
    if (c->result && c->value->type.dtype == MIL_INT32)
        rule_hit(c, c->value->place, c->value->name, NULL);
}

/* ---- all ports of a function ---- */

static void compare_sizes(rule_call *c, const mil_ref *ports, int n) {
    const mil_value *first = NULL;
    for (int i = 0; i < n; i++) {
        const mil_value *v = mil_get(c->f, ports[i]);
        if (v->type.state) continue;
        if (!first) first = v;
        const double a = rule_surface(&first->type), b = rule_surface(&v->type);
        if (a == b) continue;
        rule_hit(c, v->place, first->name, v->name, c->f->name, rule_real(a).s,
                 rule_real(b).s, NULL);
        return;
    }
}

void rule_input_sizes(rule_call *c) {
    compare_sizes(c, c->f->params, c->f->n_params);
}

void rule_output_sizes(rule_call *c) {
    compare_sizes(c, c->f->results, c->f->n_results);
}

static void compare_names(rule_call *c, const mil_ref *ports, int n) {
    const mil_value *before = NULL;
    for (int i = 0; i < n; i++) {
        const mil_value *v = mil_get(c->f, ports[i]);
        if (v->type.state) continue;
        if (before && v != before && strcmp(before->name, v->name) > 0)
            rule_hit(c, v->place, before->name, v->name, c->f->name, NULL);
        before = v;
    }
}

void rule_unsorted(rule_call *c) {
    compare_names(c, c->f->params, c->f->n_params);
    compare_names(c, c->f->results, c->f->n_results);
}

void rule_many_inputs(rule_call *c) {
    if (c->f->n_params > 1)
        rule_hit(c, c->f->place, c->f->name, rule_int(c->f->n_params).s, NULL);
}

/* ---- sizes and types of any value ---- */

/* Named in a message; literals in place have no name of their own. */
static const char *name_of(const mil_value *v) {
    return v->name ? v->name : "a constant";
}

void rule_rank(rule_call *c) {
    const mil_type *t = &c->value->type;
    if (t->rank > 5 && rule_computed(c, c->value))
        rule_hit(c, c->place, name_of(c->value), rule_int(t->rank).s, NULL);
}

static void compare_axis(rule_call *c, int from_end, const char *axis,
                         int most) {
    const int64_t n = rule_dim(&c->value->type, from_end);
    if (n > most && rule_computed(c, c->value))
        rule_hit(c, c->place, name_of(c->value), rule_int(n).s, axis,
                 rule_int(most).s, NULL);
}

void rule_wide(rule_call *c) {
    compare_axis(c, 0, "W", c->limits->max_wh);
    compare_axis(c, 1, "H", c->limits->max_wh);
}

/* Axes are N, C, H, W, or N, D, C, H, W. */
void rule_deep(rule_call *c) {
    const bool five = c->value->type.rank > 4;
    compare_axis(c, 2, "C", c->limits->max_c);
    if (five) compare_axis(c, 3, "D", c->limits->max_d);
    compare_axis(c, five ? 4 : 3, "N", c->limits->max_n);
}

static bool is_const_result(const rule_call *c) {
    return c->value->literal && c->value->op >= 0; /* its literal was asked */
}

void rule_four_bits(rule_call *c) {
    const enum mil_dtype t = c->value->type.dtype;
    if ((t == MIL_INT4 || t == MIL_UINT4) && !is_const_result(c))
        rule_hit(c, c->place, name_of(c->value), mil_dtype_name(t), NULL);
}

void rule_odd_bits(rule_call *c) {
    const enum mil_dtype t = c->value->type.dtype;
    const bool odd =
        t == MIL_UINT1 || t == MIL_UINT2 || t == MIL_UINT3 || t == MIL_UINT6;
    if (odd && !is_const_result(c))
        rule_hit(c, c->place, name_of(c->value), mil_dtype_name(t), NULL);
}
