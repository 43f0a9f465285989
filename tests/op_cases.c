/* op_cases.c - the graph of one case: operands through their layouts, the op,
 * a state for every result. */
#include "tests/op_cases.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/rng.h"
#include "core/op_rules.h"
#include "quant/quant.h"

/* ---- the rows ---- */

#define RANK(...) (sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t))
#define IN(layout, type, low, high, ...)                                       \
    { layout, AR_##type, {RANK(__VA_ARGS__), {__VA_ARGS__}}, low, high, NULL }
#define X(...) IN(DENSE, F32, -1, 1, __VA_ARGS__)
#define ID(low, high, ...) IN(DENSE, I32, low, high, __VA_ARGS__)
#define GIVEN(type, n, ...)                                                    \
    {                                                                          \
        DENSE, AR_##type, {1, {n}}, 0, 0, (const double[]) { __VA_ARGS__ }     \
    }
#define GIVEN2(type, n, m, ...)                                                \
    {                                                                          \
        DENSE, AR_##type, {2, {n, m}}, 0, 0, (const double[]) { __VA_ARGS__ }  \
    }
#define NONE                                                                   \
    { .type = AR_NONE }

const op_case op_cases[] = {
#define CASE(op, attr, grad, tolerance, ...)                                   \
    {OP_##op, {attr}, grad, tolerance, {__VA_ARGS__}},
#include "tests/op_cases.def"
#undef CASE
};
const int n_op_cases = (int)(sizeof op_cases / sizeof *op_cases);

int op_case_inputs(const op_case *c) {
    int n = 0;
    for (int i = 0; i < MAX_INPUTS; i++)
        if (c->in[i].type != AR_NONE) n = i + 1;
    return n;
}

const char *op_case_text(const op_case *c, char *text) {
    char s[SHAPE_TEXT];
    int at = snprintf(text, CASE_TEXT, "case %d, %s", (int)(c - op_cases),
                      op_table[c->op].name);
    for (int i = 0; i < op_case_inputs(c) && at < CASE_TEXT; i++)
        at += snprintf(text + at, (size_t)(CASE_TEXT - at), " %s",
                       c->in[i].type ? shape_text(&c->in[i].shape, s) : "-");
    return text;
}

/* ---- leaves ---- */

enum { INPUTS, STATES };

/* Give a leaf its place in the buffer of its kind. */
static ref new_leaf(op_case_program *p, int slot, ar_type t, shape s) {
    const int64_t offset = (int64_t)p->size[slot];
    char name[16];
    snprintf(name, sizeof name, "leaf%u", p->g.n_nodes);
    p->size[slot] += (ar_type_size(t, shape_count(&s)) + 63) / 64 * 64;
    return slot == INPUTS ? graph_input(&p->g, name, t, s, slot, offset)
                          : graph_state(&p->g, name, t, s, slot, offset);
}

static ref new_result(op_case_program *p, ref x) {
    const ref s =
        new_leaf(p, STATES, graph_type(&p->g, x), graph_shape(&p->g, x));
    graph_store(&p->g, s, x);
    return s;
}

static unsigned char *leaf_data(const op_case_program *p, ref leaf) {
    const struct leaf_attr *a = &graph_node(&p->g, leaf)->attr.leaf;
    return (unsigned char *)p->buffers[a->slot].host + a->offset;
}

int64_t op_case_count(const op_case_program *p, ref leaf) {
    return shape_count(&graph_value(&p->g, leaf)->shape);
}

const void *op_case_bytes(const op_case_program *p, ref leaf, size_t *size) {
    *size = ar_type_size(graph_type(&p->g, leaf), op_case_count(p, leaf));
    return leaf_data(p, leaf);
}

double op_case_get(const op_case_program *p, ref leaf, int64_t i) {
    const ar_type t = graph_type(&p->g, leaf);
    double x = NAN;
    type_decode_f64(t, leaf_data(p, leaf) + ar_type_size(t, i), &x, 1);
    return x;
}

void op_case_set(op_case_program *p, ref leaf, int64_t i, double x) {
    const ar_type t = graph_type(&p->g, leaf);
    type_encode_f64(t, &x, leaf_data(p, leaf) + ar_type_size(t, i), 1);
}

/* ---- layouts ---- */

enum { MARGIN = 5 }; /* of SLICED and PART, elements */

static int layout_axis(const case_input *in) {
    const int rank = in->shape.rank;
    switch (in->layout) {
    case TURNED:
    case PART: return rank - 2;
    case SLICED:
    case STEPPED: return rank - 1;
    default: return 0;
    }
}

static shape leaf_shape(const case_input *in) {
    shape s = in->shape;
    if (in->layout == DENSE) return s;
    int64_t *dim = &s.dim[layout_axis(in)];
    const int64_t here = *dim;
    switch (in->layout) {
    case TURNED:
        *dim = dim[1];
        dim[1] = here;
        break;
    case SLICED:
    case PART: *dim = here + MARGIN; break;
    case STEPPED: *dim = 2 * here; break;
    case REPEATED: *dim = 1; break;
    default: break;
    }
    return s;
}

static ref layout_view(graph *g, const case_input *in, ref leaf) {
    const int axis = layout_axis(in);
    const int64_t size = in->shape.dim[axis];
    op_attr step = {.view = {.axis = axis, .v = {1, size, 2}}};
    switch (in->layout) {
    case TURNED: return graph_transpose(g, leaf);
    case SLICED: return graph_slice(g, leaf, axis, 2, size);
    case PART: return graph_slice(g, leaf, axis, MARGIN, size);
    case STEPPED: return graph_op(g, OP_SLICE, &step, &leaf, 1);
    case REPEATED: return graph_broadcast(g, leaf, in->shape);
    default: return leaf;
    }
}

/* ---- types ---- */

static ar_type type_in(const op_case_program *p, ar_type t) {
    return p->real == AR_F64 && type_is_float(t) ? AR_F64 : t;
}

static void widen(const op_case_program *p, int32_t *type) {
    *type = (int32_t)type_in(p, (ar_type)*type);
}

/* Attributes that name a type name F64 in a run in F64. */
static op_attr attr_in(const op_case_program *p) {
    op_attr a = p->row->attr;
    switch (p->row->op) {
    case OP_CAST: widen(p, &a.cast.type); break;
    case OP_REDUCE: widen(p, &a.reduce.type); break;
    case OP_ROPE_TABLE: widen(p, &a.rope_table.type); break;
    case OP_RANDOM: widen(p, &a.random.type); break;
    case OP_MATMUL:
    case OP_MATMUL_EXPERTS:
    case OP_MATMUL_EXPERTS_DW: widen(p, &a.matmul.compute); break;
    case OP_XENT:
    case OP_XENT_DXW: widen(p, &a.xent.compute); break;
    default: break;
    }
    return a;
}

/* The type that a product rounds its operands to, NONE if none. */
static ar_type compute_type(const op_case *c) {
    switch (c->op) {
    case OP_MATMUL:
    case OP_MATMUL_EXPERTS: return (ar_type)c->attr.matmul.compute;
    case OP_XENT:
    case OP_XENT_DXW: return (ar_type)c->attr.xent.compute;
    default: return AR_NONE;
    }
}

/* ---- values ---- */

static double rounded_to(ar_type t, double x) {
    unsigned char bytes[8];
    type_encode_f64(t, &x, bytes, 1);
    type_decode_f64(t, bytes, &x, 1);
    return x;
}

static double draw(const case_input *in, int k, int64_t i) {
    if (in->values) return in->values[i];
    const double u = rng_uniform(2024, (uint64_t)k, (uint64_t)i);
    if (!type_is_float(in->type))
        return in->low + floor(u * (in->high - in->low + 1));
    return in->low + u * (in->high - in->low);
}

/* Blocks are encoded row by row of the leaf. */
static void fill_blocks(op_case_program *p, int k) {
    enum { MOST = 2048 };
    const case_input *in = &p->row->in[k];
    const shape s = graph_shape(&p->g, p->leaf[k]);
    const int64_t n = shape_last(&s), rows = shape_count(&s) / n;
    float x[MOST] = {0};
    for (int64_t r = 0; r < rows && n <= MOST; r++) {
        unsigned char *to = leaf_data(p, p->leaf[k]);
        for (int64_t i = 0; i < n; i++)
            x[i] = (float)(in->low + (in->high - in->low) *
                                         rng_uniform(2024, (uint64_t)k,
                                                     (uint64_t)(r * n + i)));
        type_encode_f32(in->type, x, to + ar_type_size(in->type, r * n), n);
    }
}

/* In F64 nothing is rounded while a product is computed, so what the row asks
 * to be rounded there is rounded here. */
static void fill_input(op_case_program *p, int k) {
    const case_input *in = &p->row->in[k];
    const ar_type compute = compute_type(p->row);
    const bool operand = k < 2 && compute != AR_NONE && p->real == AR_F64;
    if (quant_is_block(in->type)) {
        fill_blocks(p, k);
        return;
    }
    for (int64_t i = 0; i < op_case_count(p, p->leaf[k]); i++) {
        double x = rounded_to(in->type, draw(in, k, i));
        if (operand) x = rounded_to(compute, x);
        op_case_set(p, p->leaf[k], i, x);
    }
}

static void fill(op_case_program *p) {
    memset(p->buffers[STATES].host, 0xff, p->buffers[STATES].size); /* NaN */
    for (int k = 0; k < op_case_inputs(p->row); k++)
        if (p->leaf[k]) fill_input(p, k);
    if (!p->dy) return;
    const case_input dy = {.type = AR_F32, .low = -1, .high = 1};
    for (int64_t i = 0; i < op_case_count(p, p->dy); i++)
        op_case_set(p, p->dy, i, rounded_to(AR_F32, draw(&dy, 99, i)));
}

/* ---- the graph ---- */

/* Does the op write its input k? */
static bool is_state(const op_case *c, int k) {
    if (!(op_table[c->op].flags & OP_EFFECT)) return false;
    if (c->op < OP_OPT_SGD) return k == 0;
    return k != 1 && k != op_case_inputs(c) - 1; /* p, m, v; not g, h */
}

static ref build_op(op_case_program *p) {
    const op_case *c = p->row;
    const op_attr attr = attr_in(p);
    const int n = op_case_inputs(c);
    ref in[MAX_INPUTS] = {0};
    for (int k = 0; k < n; k++) {
        const case_input *x = &c->in[k];
        if (x->type == AR_NONE) continue;
        p->leaf[k] = new_leaf(p, is_state(c, k) ? STATES : INPUTS,
                              type_in(p, x->type), leaf_shape(x));
        in[k] = layout_view(&p->g, x, p->leaf[k]);
    }
    return graph_op(&p->g, c->op, &attr, in, n);
}

/* What is read after a run: of ops that write state, the state itself. */
static void build_results(op_case_program *p, ref y) {
    for (int i = 0; i < p->n_out; i++) {
        const bool effect = op_table[p->row->op].flags & OP_EFFECT;
        const int k = effect ? op_state_input(p->row->op, i) : -1;
        p->out[i] =
            k < 0 ? new_result(p, graph_output(&p->g, y, i)) : p->leaf[k];
    }
}

static void build_grads(op_case_program *p, ref y) {
    graph *g = &p->g;
    ref parts[MAX_OUTPUTS], wrt[MAX_INPUTS], dx[MAX_INPUTS];
    int n = 0;
    if (p->row->op == OP_SPLIT) {
        for (int i = 0; i < p->n_out; i++) parts[i] = graph_output(g, y, i);
        y = graph_concat(g, parts, p->n_out, p->row->attr.view.axis);
    }
    if (!type_is_float(graph_type(g, y))) return; /* an index has none */
    p->dy = new_leaf(p, INPUTS, graph_type(g, y), graph_shape(g, y));
    for (int k = 0; k < MAX_INPUTS; k++)
        if (p->row->grad >> k & 1) wrt[n++] = p->leaf[k];
    graph_grad(g, y, p->dy, wrt, n, false, dx);
    n = 0;
    for (int k = 0; k < MAX_INPUTS; k++)
        if ((p->row->grad >> k & 1) && dx[n++])
            p->grad[k] = new_result(p, dx[n - 1]);
}

static ar_status take_buffers(op_case_program *p, ar_error *err) {
    enum { LINE = 64 };
    for (int i = 0; i < 2; i++) {
        char *memory = arena_alloc(&p->mem, p->size[i] + 2 * LINE);
        if (!memory) return error_set(err, AR_NOMEM, "no memory for a case");
        memory += LINE - (uintptr_t)memory % LINE;
        p->buffers[i] = (buffer){.host = memory, .size = p->size[i] + LINE};
    }
    return AR_OK;
}

static ar_status take_device_buffers(op_case_program *p, ar_error *err) {
    device_caps caps;
    p->on.b->caps(p->on.d, &caps);
    p->copies = !caps.host_memory;
    for (int i = 0; i < 2 && p->copies; i++)
        TRY(p->on.b->alloc(p->on.d, p->buffers[i].size, &p->there[i], err));
    return AR_OK;
}

ar_status op_case_open(op_case_program *p, const op_case *c, case_device on,
                       ar_type real, bool grads, ar_error *err) {
    *p = (op_case_program){.row = c, .on = on, .real = real};
    arena_open(&p->mem, 1 << 16);
    graph_open(&p->g);
    const ref y = build_op(p);
    if (y) {
        p->n_out = graph_node(&p->g, y)->n_out;
        build_results(p, y);
        if (grads) build_grads(p, y);
    }
    ar_status s = graph_status(&p->g, err);
    if (s == AR_OK) s = take_buffers(p, err);
    if (s == AR_OK) s = take_device_buffers(p, err);
    if (s == AR_OK) s = on.b->compile(on.d, &p->g, &p->program, err);
    if (s == AR_OK)
        fill(p);
    else
        op_case_close(p);
    return s;
}

void op_case_close(op_case_program *p) {
    if (p->program) p->on.b->release(p->program);
    for (int i = 0; i < 2 && p->copies; i++)
        p->on.b->free(p->on.d, &p->there[i]);
    graph_close(&p->g);
    arena_close(&p->mem);
    *p = (op_case_program){0};
}

static ar_status run_copies(op_case_program *p, ticket *t, ar_error *err) {
    const backend *b = p->on.b;
    for (int i = 0; i < 2; i++)
        TRY(b->write(p->on.d, &p->there[i], 0, p->buffers[i].host,
                     p->buffers[i].size, err));
    TRY(b->run(p->program, p->there, 2, t, err));
    return b->read(p->on.d, &p->there[STATES], 0, p->buffers[STATES].host,
                   p->buffers[STATES].size, err);
}

ar_status op_case_run(op_case_program *p, ar_error *err) {
    ticket t;
    TRY(p->copies ? run_copies(p, &t, err)
                  : p->on.b->run(p->program, p->buffers, 2, &t, err));
    return p->on.b->wait(p->on.d, t, err);
}

/* ---- comparing ---- */

/* Mean size of the finite elements of an output. */
static double mean_size(const op_case_program *p, ref out) {
    const int64_t n = op_case_count(p, out);
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        const double x = fabs(op_case_get(p, out, i));
        sum += isfinite(x) ? x : 0;
    }
    return sum / (double)n;
}

/* Integers and infinities must be equal. */
static bool near(double x, double want, double tolerance, double size) {
    if (x == want) return true;
    return fabs(x - want) <= tolerance * fmax(fabs(want), size);
}

int op_case_count_far(const op_case_program *p, const op_case_program *want,
                      double wider, const char *name) {
    const op_case *c = p->row;
    char text[CASE_TEXT];
    int far = 0;
    if (p->n_out != want->n_out) return 1;
    for (int k = 0; k < p->n_out; k++) {
        const double size = mean_size(want, want->out[k]);
        for (int64_t i = 0; i < op_case_count(p, p->out[k]); i++) {
            const double x = op_case_get(p, p->out[k], i);
            const double w = op_case_get(want, want->out[k], i);
            if (near(x, w, wider * c->tolerance, size) || far++) continue;
            fprintf(stderr,
                    "%s, %s: output %d, element %d is %.9g, not %.9g (mean "
                    "size %.3g)\n",
                    op_case_text(c, text), name, k, (int)i, x, w, size);
        }
    }
    return far;
}
