/* fast_elementwise.c - UNARY, BINARY, GATED, SELECT and gradients, on rows.
 *
 * Operands may lie in any way: parts whose elements are not side by side are
 * copied to the stack first. */
#include <string.h>

#include "backend/cpu/fast_rows.h"

typedef struct operands {
    const tensor *t[ROW_TENSORS]; /* outputs, then inputs */
    int n;
} operands;

static operands operands_of(const op_call *c, int n_in) {
    operands o = {.n = 0};
    for (int i = 0; i < c->n_out; i++) o.t[o.n++] = &c->out[i];
    for (int i = 0; i < n_in; i++) o.t[o.n++] = &c->in[i];
    return o;
}

/* Outputs have their elements side by side. */
static bool outputs_fit(const op_call *c) {
    for (int i = 0; i < c->n_out; i++)
        if (!tensor_contiguous(&c->out[i])) return false;
    return true;
}

static bool floats_fit(const op_call *c) {
    const operands o = operands_of(c, c->n_in);
    return all_f32(o.t, o.n) && outputs_fit(c);
}

static void run_parts(const op_call *c, row_part_fn *fn) {
    const operands o = operands_of(c, c->n_in);
    row_walk w;
    row_walk_init(&w, o.t, o.n, false);
    row_walk_run(&w, c, ROW_PART, fn);
}

static float *out_at(const op_call *c, int i, const int64_t *at) {
    return (float *)c->out[i].data + at[i];
}

/* Input i of a part. */
static const float *in_at(const op_call *c, const row_walk *w, int i,
                          const int64_t *at, int64_t n, float *tmp) {
    const int k = c->n_out + i;
    return floats_of(&c->in[i], at[k], w->step[k], n, tmp);
}

/* ---- UNARY: y = f(a x + b) ---- */

static bool unary_fits(const op_call *c) {
    return floats_fit(c) && c->k->unary(c->attr->unary.kind, 0, NULL, NULL);
}

static void unary_part(const op_call *c, const row_walk *w, const int64_t *at,
                       int64_t n) {
    float tmp[ROW_PART];
    const struct unary_attr *f = &c->attr->unary;
    const float *x = in_at(c, w, 0, at, n, tmp);
    float *y = out_at(c, 0, at);
    const bool plain = f->a == 1 && f->b == 0;
    if (!plain || f->kind == UNARY_IDENTITY) {
        c->k->scale(n, x, (float)f->a, (float)f->b, y);
        x = y;
    }
    if (f->kind != UNARY_IDENTITY) c->k->unary(f->kind, n, x, y);
}

static void unary(const op_call *c) { run_parts(c, unary_part); }
const cpu_fast fast_unary = {OP_UNARY, unary_fits, unary, NULL, "vec"};

/* ---- UNARY_DX: dx = a f'(a x + b) dy ---- */

static bool unary_dx_fits(const op_call *c) {
    return floats_fit(c) &&
           c->k->unary_dx(c->attr->unary.kind, 0, NULL, NULL, NULL);
}

static void unary_dx_part(const op_call *c, const row_walk *w,
                          const int64_t *at, int64_t n) {
    float tmp_x[ROW_PART], tmp_dy[ROW_PART];
    const struct unary_attr *f = &c->attr->unary;
    const float *x = in_at(c, w, 0, at, n, tmp_x);
    const float *dy = in_at(c, w, 1, at, n, tmp_dy);
    float *dx = out_at(c, 0, at);
    if (f->a != 1 || f->b != 0) {
        c->k->scale(n, x, (float)f->a, (float)f->b, tmp_x);
        x = tmp_x;
    }
    c->k->unary_dx(f->kind, n, x, dy, dx);
    if (f->a != 1) c->k->scale(n, dx, (float)f->a, -0.0f, dx);
}

static void unary_dx(const op_call *c) { run_parts(c, unary_dx_part); }
const cpu_fast fast_unary_dx = {OP_UNARY_DX, unary_dx_fits, unary_dx, NULL,
                                "vec"};

/* ---- BINARY: y = f(alpha a, beta b) ---- */

static bool binary_fits(const op_call *c) {
    return floats_fit(c) &&
           c->k->binary(c->attr->binary.kind, 0, NULL, NULL, NULL);
}

/* x times f, in tmp unless f is 1; -0 keeps the sign of zeros. */
static const float *scaled(const op_call *c, int64_t n, const float *x,
                           double f, float *tmp) {
    if (f == 1) return x;
    c->k->scale(n, x, (float)f, -0.0f, tmp);
    return tmp;
}

static void binary_part(const op_call *c, const row_walk *w, const int64_t *at,
                        int64_t n) {
    float tmp_a[ROW_PART], tmp_b[ROW_PART];
    const struct binary_attr *f = &c->attr->binary;
    const float alpha = (float)f->alpha, beta = (float)f->beta;
    const float *a = in_at(c, w, 0, at, n, tmp_a);
    const float *b = in_at(c, w, 1, at, n, tmp_b);
    float *y = out_at(c, 0, at);
    if (f->kind == BINARY_ADD || f->kind == BINARY_SUB) {
        c->k->add(n, a, alpha, b, f->kind == BINARY_ADD ? beta : -beta, y);
        return;
    }
    a = scaled(c, n, a, f->alpha, tmp_a);
    b = scaled(c, n, b, f->beta, tmp_b);
    if (f->kind == BINARY_MUL)
        c->k->mul(n, a, b, y);
    else
        c->k->binary(f->kind, n, a, b, y);
}

static void binary(const op_call *c) { run_parts(c, binary_part); }
const cpu_fast fast_binary = {OP_BINARY, binary_fits, binary, NULL, "vec"};

/* ---- GATED: y = f(gate) up, and its gradient ---- */

static bool gated_fits(const op_call *c) {
    return floats_fit(c) &&
           c->k->gated(c->attr->gated.kind, 0, NULL, NULL, NULL);
}

static void gated_part(const op_call *c, const row_walk *w, const int64_t *at,
                       int64_t n) {
    float tmp_g[ROW_PART], tmp_u[ROW_PART];
    const float *g = in_at(c, w, 0, at, n, tmp_g);
    const float *u = in_at(c, w, 1, at, n, tmp_u);
    c->k->gated(c->attr->gated.kind, n, g, u, out_at(c, 0, at));
}

static void gated(const op_call *c) { run_parts(c, gated_part); }
const cpu_fast fast_gated = {OP_GATED, gated_fits, gated, NULL, "vec"};

static bool gated_dx_fits(const op_call *c) {
    return floats_fit(c) &&
           c->k->gated_dx(c->attr->gated.kind, 0, NULL, NULL, NULL, NULL, NULL);
}

static void gated_dx_part(const op_call *c, const row_walk *w,
                          const int64_t *at, int64_t n) {
    float tmp_g[ROW_PART], tmp_u[ROW_PART], tmp_dy[ROW_PART];
    const float *g = in_at(c, w, 0, at, n, tmp_g);
    const float *u = in_at(c, w, 1, at, n, tmp_u);
    const float *dy = in_at(c, w, 2, at, n, tmp_dy);
    c->k->gated_dx(c->attr->gated.kind, n, g, u, dy, out_at(c, 0, at),
                   out_at(c, 1, at));
}

static void gated_dx(const op_call *c) { run_parts(c, gated_dx_part); }
const cpu_fast fast_gated_dx = {OP_GATED_DX, gated_dx_fits, gated_dx, NULL,
                                "vec"};

/* ---- SELECT: y = c != 0 ? a : b, four bytes copied as they are ---- */

static bool select_fits(const op_call *c) {
    const ar_type t = c->in[0].type;
    return (t == AR_BOOL || t == AR_U8 || t == AR_I32 || t == AR_F32) &&
           ar_type_size(c->out[0].type, 1) == 4 &&
           c->in[1].type == c->out[0].type && c->in[2].type == c->out[0].type &&
           outputs_fit(c);
}

/* Where element i of a part is not 0: any set bit, but of -0 the sign. */
static bool is_set(const tensor *t, int64_t at) {
    switch (t->type) {
    case AR_F32: return ((const float *)t->data)[at] != 0;
    case AR_I32: return ((const int32_t *)t->data)[at] != 0;
    default: return ((const uint8_t *)t->data)[at] != 0;
    }
}

static void select_part(const op_call *c, const row_walk *w, const int64_t *at,
                        int64_t n) {
    uint32_t *y = (uint32_t *)c->out[0].data + at[0];
    const uint32_t *a = (const uint32_t *)c->in[1].data + at[2];
    const uint32_t *b = (const uint32_t *)c->in[2].data + at[3];
    for (int64_t i = 0; i < n; i++)
        y[i] = is_set(&c->in[0], at[1] + i * w->step[1]) ? a[i * w->step[2]]
                                                         : b[i * w->step[3]];
}

static void select_run(const op_call *c) { run_parts(c, select_part); }
const cpu_fast fast_select = {OP_SELECT, select_fits, select_run, NULL, "rows"};
