/* test_grad.c - the structure of backward passes; their numbers are tested
 * against finite differences where there are kernels. */
#include "base/mem.h"
#include "tests/core/graph_look.h"

enum { B = 2, T = 6, H = 4, D = 8, C = 12, V = 20 };

static ref param(graph *g, shape s) {
    return graph_param(g, "p", AR_F32, s, 0, 64 * (int64_t)g->n_nodes);
}

static ref ids(graph *g, shape s) {
    return graph_input(g, "ids", AR_I32, s, 1, 64 * (int64_t)g->n_nodes);
}

/* The gradients of y for a gradient coming in. */
static void backward(graph *g, ref y, const ref *wrt, int n, ref *d) {
    const ref dy =
        graph_input(g, "dy", graph_type(g, y), graph_shape(g, y), 2, 0);
    graph_grad(g, y, dy, wrt, n, false, d);
}

/* Every one of n values has a gradient of its own type and shape. */
static void check_all(graph *g, ref y, const ref *wrt, int n) {
    ref d[8];
    backward(g, y, wrt, n, d);
    assert_ok(graph_status(g, err));
    for (int i = 0; i < n; i++) {
        assert_int_not_equal(d[i], 0);
        assert_shape(g, d[i], graph_shape(g, wrt[i]));
        assert_int_equal(graph_type(g, d[i]), graph_type(g, wrt[i]));
    }
}

void test_grad_elementwise(void **state) {
    (void)state;
    for (int kind = 0; kind < UNARY_COUNT; kind++) {
        graph g;
        graph_open(&g);
        const ref x = param(&g, shape2(T, C));
        const ref y = graph_unary(&g, (enum unary_kind)kind, x);
        ref d;
        if (kind != UNARY_SIGN)
            check_all(&g, y, &x, 1);
        else
            backward(&g, y, &x, 1, &d), assert_int_equal(d, 0);
        graph_close(&g);
    }
    for (int kind = 0; kind < BINARY_COUNT; kind++) {
        graph g;
        graph_open(&g);
        /* one operand is repeated to the other */
        const ref x[] = {param(&g, shape2(T, C)), param(&g, shape1(C))};
        const ref y = graph_binary(&g, (enum binary_kind)kind, x[0], x[1]);
        ref d[2];
        if (kind != BINARY_GE && kind != BINARY_GT)
            check_all(&g, y, x, 2);
        else
            backward(&g, y, x, 2, d), assert_int_equal(d[0] | d[1], 0);
        graph_close(&g);
    }
    graph g;
    graph_open(&g);
    const ref x[] = {param(&g, shape2(T, C)), param(&g, shape2(T, C)),
                     param(&g, shape2(T, C))};
    const ref s = graph_select(&g, x[0], x[1], x[2]);
    check_all(&g, graph_gated(&g, UNARY_SILU, s, x[0]), x, 3);
    graph_close(&g);
}

void test_grad_views(void **state) {
    (void)state;
    graph g;
    graph_open(&g);
    const ref p = param(&g, shape3(B, T, C));
    ref x = graph_reshape(&g, p, shape4(B, T, 3, 4));
    x = graph_permute(&g, x, (int[]){2, 0, 3, 1});
    x = graph_slice(&g, x, 1, 1, 1);
    x = graph_broadcast(&g, x, (shape){5, {7, 3, 5, 4, T}});
    x = graph_copy(&g, x);
    check_all(&g, graph_concat(&g, (ref[]){x, x}, 2, 3), &p, 1);
    assert_int_equal(count_ops(&g, OP_PAD), 1);
    assert_int_equal(the_op(&g, OP_PAD)->attr.view.v[1], B);
    graph_close(&g);
}

/* A slice with a step is padded with the same step. */
void test_grad_slice_step(void **state) {
    (void)state;
    graph g;
    graph_open(&g);
    const ref p = param(&g, shape2(T, 9));
    const op_attr a = {.view = {.axis = 1, .v = {1, 3, 3}}};
    check_all(&g, graph_op(&g, OP_SLICE, &a, &p, 1), &p, 1);
    const struct view_attr *v = &the_op(&g, OP_PAD)->attr.view;
    assert_int_equal(v->v[0], 1);
    assert_int_equal(v->v[1], 9);
    assert_int_equal(v->v[2], 3);
    graph_close(&g);
}

/* Parts without a gradient become zeros. */
void test_grad_split(void **state) {
    (void)state;
    graph g;
    graph_open(&g);
    const ref p = param(&g, shape2(T, 9));
    const ref a = graph_split(&g, p, 1, (int64_t[]){2, 3, 4}, 3);
    check_all(&g, graph_output(&g, a, 1), &p, 1);
    const node *c = the_op(&g, OP_CONCAT);
    assert_int_equal(c->n_in, 3);
    assert_int_equal(graph_node(&g, c->in[0])->op, OP_BROADCAST);
    assert_int_equal(graph_node(&g, c->in[1])->op, OP_INPUT);
    graph_close(&g);
}

/* Neighbouring repeated dims are summed at once. */
void test_grad_broadcast(void **state) {
    (void)state;
    const struct {
        shape from, to;
        int n_sums;
    } cases[] = {
        {shape1(C), shape4(B, T, H, C), 1},
        {shape1(1), shape3(B, T, C), 1},
        {{0}, shape3(B, T, C), 1},
        {shape3(B, 1, C), shape3(B, T, C), 1},
        {shape4(1, T, 1, C), shape4(B, T, H, C), 2},
        {shape2(T, C), shape4(1, 1, T, C), 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        graph g;
        graph_open(&g);
        const ref p = param(&g, cases[i].from);
        check_all(&g, graph_broadcast(&g, p, cases[i].to), &p, 1);
        assert_int_equal(count_ops(&g, OP_REDUCE), cases[i].n_sums);
        graph_close(&g);
    }
}

void test_grad_reduce(void **state) {
    (void)state;
    for (int kind = 0; kind <= REDUCE_MAX; kind++)
        for (int axis = -1; axis < 3; axis++) {
            graph g;
            graph_open(&g);
            const ref p = param(&g, shape3(B, T, C));
            check_all(&g, graph_reduce(&g, (enum reduce_kind)kind, p, axis), &p,
                      1);
            graph_close(&g);
        }
    graph g;
    graph_open(&g);
    const ref p = param(&g, shape3(B, T, C));
    /* sums of another type */
    check_all(&g, graph_reduce_as(&g, REDUCE_SUM, p, -1, AR_F64), &p, 1);
    const op_attr k = {.topk = {3}};
    check_all(&g, graph_op(&g, OP_TOPK, &k, &p, 1), &p, 1);
    const op_attr a = {.axis = {0}};
    check_all(&g, graph_op(&g, OP_CUMSUM, &a, &p, 1), &p, 1);
    assert_int_equal(g.nodes[g.n_nodes - 1].attr.axis.n, 1);
    const ref i = ids(&g, shape3(B, T, 2));
    check_all(&g, graph_op(&g, OP_GATHER, NULL, (ref[]){p, i}, 2), &p, 1);
    check_all(&g, graph_softmax(&g, p), &p, 1);
    graph_close(&g);
}

void test_grad_norms(void **state) {
    (void)state;
    graph g;
    graph_open(&g);
    const ref x[] = {param(&g, shape3(B, T, C)), param(&g, shape1(C)),
                     param(&g, shape1(C))};
    check_all(&g, graph_rms_norm(&g, x[0], x[1], 1e-5, 0), x, 2);
    check_all(&g, graph_rms_norm(&g, x[0], 0, 1e-5, 0), x, 1);
    check_all(&g, graph_layer_norm(&g, x[0], x[1], x[2], 1e-5), x, 3);
    check_all(&g, graph_layer_norm(&g, x[0], 0, 0, 1e-5), x, 1);
    /* weights alone need no dx, x alone no dw */
    assert_int_equal(count_ops(&g, OP_LAYER_NORM_DW), 1);
    const ref y = graph_layer_norm(&g, x[0], x[1], x[2], 1e-5);
    ref d[1];
    backward(&g, y, &x[2], 1, d);
    assert_int_equal(count_ops(&g, OP_LAYER_NORM_DW), 2);
    assert_int_equal(count_ops(&g, OP_LAYER_NORM_DX), 2);
    assert_ok(graph_status(&g, err));
    graph_close(&g);
}

void test_grad_matmul(void **state) {
    (void)state;
    graph g;
    graph_open(&g);
    const struct matmul_attr attr = {.compute = AR_BF16, .exact = 1};
    const ref x[] = {param(&g, shape3(B, T, C)), param(&g, shape2(V, C)),
                     param(&g, shape1(V))};
    check_all(&g, graph_linear(&g, x[0], x[1], x[2], &attr), x, 3);
    assert_int_equal(count_ops(&g, OP_MATMUL), 3);
    assert_int_equal(count_ops(&g, OP_REDUCE), 1);
    assert_int_equal(count_ops(&g, OP_COPY), 0);
    for (uint32_t i = 1; i < g.n_nodes; i++)
        if (g.nodes[i].op == OP_MATMUL)
            assert_int_equal(g.nodes[i].attr.matmul.compute, AR_BF16);
    const ref b[] = {param(&g, shape4(B, H, T, C)),
                     param(&g, shape4(B, H, C, D))};
    check_all(&g, graph_matmul(&g, b[0], b[1], NULL), b, 2);
    graph_close(&g);
}

void test_grad_language(void **state) {
    (void)state;
    graph g;
    graph_open(&g);
    const ref table = param(&g, shape2(V, C));
    check_all(&g, graph_embed(&g, table, ids(&g, shape2(B, T))), &table, 1);

    const ref angles = graph_rope_table(
        &g, ids(&g, shape1(T)),
        graph_input(&g, "f", AR_F64, shape1(D / 2), 1, 0), 1, AR_F32);
    const ref x = param(&g, shape4(B, T, H, D));
    check_all(&g, graph_rope(&g, x, angles, true, false), &x, 1);
    const node *turned = &g.nodes[g.n_nodes - 1];
    assert_int_equal(turned->op, OP_ROPE);
    assert_int_equal(turned->attr.rope.inverse, 1);

    const ref qkv[] = {param(&g, shape4(B, T, H, D)),
                       param(&g, shape4(B, T, 2, D)),
                       param(&g, shape4(B, T, 2, C))};
    const struct attention_attr a = {.causal = 1, .scale = 1};
    check_all(&g, graph_attention(&g, qkv[0], qkv[1], qkv[2], &a), qkv, 3);

    const ref xw[] = {param(&g, shape2(T, C)), param(&g, shape2(V, C))};
    check_all(&g, graph_xent(&g, xw[0], xw[1], ids(&g, shape1(T)), NULL), xw,
              2);
    graph_close(&g);
}

/* Only paths to wrt are followed; what the loss does not need has none. */
void test_grad_prunes(void **state) {
    (void)state;
    graph g;
    graph_open(&g);
    const ref x = param(&g, shape2(T, C)), w = param(&g, shape2(C, C));
    const ref v = param(&g, shape2(C, C)), other = param(&g, shape1(3));
    const ref h = graph_unary(&g, UNARY_GELU, graph_linear(&g, x, w, 0, NULL));
    const ref y = graph_linear(&g, h, v, 0, NULL);
    ref d[2];
    backward(&g, y, (ref[]){v, other}, 2, d);
    assert_ok(graph_status(&g, err));
    assert_int_not_equal(d[0], 0);
    assert_int_equal(d[1], 0);
    assert_int_equal(count_ops(&g, OP_UNARY_DX), 0);
    assert_int_equal(count_ops(&g, OP_MATMUL), 3);
    graph_close(&g);
}

/* A value inside the graph may be asked for, the loss itself too. */
void test_grad_inner_values(void **state) {
    (void)state;
    graph g;
    graph_open(&g);
    const ref x = param(&g, shape2(T, C));
    const ref h = graph_unary(&g, UNARY_EXP, x);
    const ref y = graph_mul(&g, h, h);
    check_all(&g, y, (ref[]){x, h, y}, 3);
    /* both uses of h are added */
    assert_int_equal(count_ops(&g, OP_UNARY_DX), 1);
    graph_close(&g);
}

void test_grad_narrow_types(void **state) {
    (void)state;
    graph g;
    graph_open(&g);
    const ref w = graph_param(&g, "w", AR_BF16, shape2(V, C), 0, 0);
    const ref n = graph_param(&g, "n", AR_BF16, shape1(C), 0, 4096);
    const ref x = graph_embed(&g, w, ids(&g, shape1(T)));
    const ref y = graph_unary(&g, UNARY_SILU, graph_rms_norm(&g, x, n, 0, 0));
    const ref z = graph_linear(&g, graph_mul(&g, y, x), w, 0, NULL);
    ref d[2];
    backward(&g, z, (ref[]){w, n}, 2, d);
    assert_ok(graph_status(&g, err));
    assert_int_equal(graph_type(&g, d[0]), AR_F32);
    assert_int_equal(graph_type(&g, d[1]), AR_F32);
    assert_shape(&g, d[0], shape2(V, C));
    assert_shape(&g, d[1], shape1(C));
    graph_close(&g);
}

void test_grad_refusals(void **state) {
    (void)state;
    ref d;
    graph g;
    graph_open(&g);
    ref x = param(&g, shape2(T, C));
    const ref y = graph_op(&g, OP_SOFTMAX_DX, NULL, (ref[]){x, x}, 2);
    backward(&g, y, &x, 1, &d);
    assert_fails(AR_UNSUPPORTED, "SOFTMAX_DX has no gradient",
                 graph_status(&g, err));
    assert_int_equal(d, 0);
    graph_close(&g);

    graph_open(&g);
    x = param(&g, shape4(B, T, H, D));
    const ref o = graph_attention(&g, x, x, x, NULL);
    backward(&g, graph_output(&g, o, 1), &x, 1, &d);
    assert_fails(AR_UNSUPPORTED, "lse", graph_status(&g, err));
    graph_close(&g);

    graph_open(&g);
    x = param(&g, shape2(T, C));
    graph_grad(&g, x, graph_scalar(&g, AR_F32, 1), &x, 1, false, &d);
    assert_fails(AR_SHAPE, "[6, 12]", graph_status(&g, err));
    graph_close(&g);
}

/* ---- recomputation ---- */

enum { LAYERS = 3 };

/* The last activation of LAYERS regions; weights in w. */
static ref layers(graph *g, ref x, ref *w) {
    for (int i = 0; i < LAYERS; i++) {
        graph_region_begin(g, "layer", i);
        w[i] = param(g, shape2(C, C));
        const ref h =
            graph_linear(g, graph_rms_norm(g, x, 0, 1e-5, 0), w[i], 0, NULL);
        x = graph_add(g, x, graph_unary(g, UNARY_RELU_SQR, h));
        graph_region_end(g);
    }
    return x;
}

static bool is_again(const graph *g, const node *n) {
    return n->region >= 0 && !strcmp(g->regions[n->region].name, "recompute");
}

/* Backward nodes read of the first pass only what enters regions. */
static void check_recomputed(const graph *g, uint32_t first_backward) {
    for (uint32_t i = first_backward; i < g->n_nodes; i++) {
        const node *n = &g->nodes[i];
        for (int k = 0; k < n->n_in; k++) {
            const node *in = graph_node(g, n->in[k]);
            if (!in || ref_node(n->in[k]) >= first_backward) continue;
            const bool inner = in->op == OP_RMS_NORM || in->op == OP_MATMUL ||
                               in->op == OP_UNARY;
            assert_false(inner);
        }
    }
}

void test_grad_recompute(void **state) {
    (void)state;
    graph g, out;
    graph_open(&g);
    ref w[LAYERS], d[LAYERS];
    const ref x = graph_input(&g, "x", AR_F32, shape2(T, C), 1, 0);
    const ref loss = graph_reduce(&g, REDUCE_SUM, layers(&g, x, w), -1);
    save(&g, "loss", loss);
    const uint32_t first = g.n_nodes;
    graph_grad(&g, loss, graph_scalar(&g, AR_F32, 1), w, LAYERS, true, d);
    for (int i = 0; i < LAYERS; i++) {
        assert_shape(&g, d[i], shape2(C, C));
        save(&g, (const char *[]){"d0", "d1", "d2"}[i], d[i]);
    }
    assert_ok(graph_status(&g, err));
    check_recomputed(&g, first);
    assert_int_equal(g.n_regions, 2 * LAYERS);

    /* joining equal expressions leaves second copies alone */
    assert_ok(graph_rewrite(&g, &out, err));
    int n_again = 0;
    for (uint32_t i = 1; i < out.n_nodes; i++)
        n_again +=
            is_again(&out, &out.nodes[i]) && out.nodes[i].op == OP_RMS_NORM;
    assert_int_equal(n_again, LAYERS);
    /* the last products of copies have no reader, and go */
    assert_int_equal(count_ops(&out, OP_UNARY), LAYERS);
    graph_close(&out);
    graph_close(&g);
}

/* Running out of memory anywhere is an error, not a crash. */
void test_grad_memory(void **state) {
    (void)state;
    for (int64_t n = 1; n < 200; n++) {
        graph g, out;
        graph_open(&g);
        ref w[LAYERS], d[LAYERS];
        const ref x = graph_input(&g, "x", AR_F32, shape2(T, C), 1, 0);
        const ref loss = graph_reduce(&g, REDUCE_SUM, layers(&g, x, w), -1);
        mem_fail_at(n, 1);
        graph_grad(&g, loss, graph_scalar(&g, AR_F32, 1), w, LAYERS, true, d);
        for (int i = 0; i < LAYERS; i++) save(&g, "d", d[i]);
        ar_error err = {0};
        const ar_status status = graph_rewrite(&g, &out, &err);
        mem_fail_at(0, 0);
        if (status == AR_OK) graph_close(&out);
        graph_close(&g);
        if (status == AR_OK) {
            assert_true(n > 3);
            return;
        }
        assert_int_equal(status, AR_NOMEM);
    }
    fail_msg("never enough memory");
}
