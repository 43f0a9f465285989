/* test_graph.c - building graphs: shapes, errors, constants, states. */
#include "tests/test.h"

#include "base/mem.h"
#include "base/text.h"
#include "core/graph.h"

/* The graph's error must contain `word`; closes it. */
static void expect_error(graph *g, const char *word) {
    ar_error err = {0};
    if (!graph_status(g, &err) || !strstr(err.message, word))
        fail_msg("gave \"%s\", wanted \"%s\"", err.message, word);
    graph_close(g);
}

static void expect_shape(const graph *g, ref r, ar_type t, shape want) {
    char is[SHAPE_TEXT], must[SHAPE_TEXT];
    const shape s = graph_shape(g, r);
    ar_error err = {0};
    graph_status(g, &err);
    if (!r || graph_type(g, r) != t || !shape_equal(&s, &want))
        fail_msg("%s %s, wanted %s %s; %s", ar_type_name(graph_type(g, r)),
                 shape_text(&s, is), ar_type_name(t), shape_text(&want, must),
                 err.message);
}

static ref input(graph *g, ar_type t, shape s) {
    return graph_input(g, "x", t, s, 0, 0);
}

void test_graph_first_error_sticks(void **state) {
    (void)state;
    graph g;
    graph_open(&g);
    const ref a = input(&g, AR_F32, shape2(4, 8));
    assert_int_equal(graph_matmul(&g, a, a, NULL), 0);
    assert_int_equal(graph_add(&g, 0, a), 0);
    assert_int_equal(graph_input(&g, "y", AR_F32, shape1(1), 0, 0), 0);
    assert_int_equal(graph_shape(&g, 0).rank, 0);
    expect_error(&g, "MATMUL: [4, 8] times [4, 8]: inner dimensions 8 and 4 "
                     "differ");
}

void test_graph_bad_inputs(void **state) {
    (void)state;
    graph g;
    graph_open(&g);
    graph_unary(&g, UNARY_EXP, 0);
    expect_error(&g, "UNARY: input 0 is missing");
    graph_open(&g);
    graph_unary(&g, UNARY_EXP, ref_make(77, 0));
    expect_error(&g, "not in this graph");
    graph_open(&g);
    const ref x = input(&g, AR_F32, shape1(3));
    graph_op(&g, OP_ROPE, NULL, (ref[]){x, x}, 2);
    expect_error(&g, "ROPE: has 2 inputs, takes 3 to 3");
    graph_open(&g);
    graph_op(&g, OP_PARAM, NULL, NULL, 0);
    expect_error(&g, "not one for graph_op");
    graph_open(&g);
    input(&g, AR_F32, shape2(1 << 30, 1 << 30));
    expect_error(&g, "too many elements");
    graph_open(&g);
    input(&g, AR_F32, shape2(3, 0));
    expect_error(&g, "must be positive");
    graph_open(&g);
    input(&g, (ar_type)99, shape1(3));
    expect_error(&g, "no such type");
    graph_open(&g);
    graph_add(&g, input(&g, AR_F32, shape1(3)), input(&g, AR_F64, shape1(3)));
    expect_error(&g, "BINARY: types f32 and f64 differ");
    graph_open(&g);
    graph_add(&g, input(&g, AR_F32, shape1(3)), input(&g, AR_F32, shape1(4)));
    expect_error(&g, "BINARY: [3] and [4] do not repeat to one shape");
}

void test_graph_many_nodes(void **state) {
    (void)state;
    graph g;
    graph_open(&g);
    ref x = input(&g, AR_F32, shape1(3));
    for (int i = 0; i < 5000; i++) x = graph_unary(&g, UNARY_NEG, x);
    assert_ok(graph_status(&g, err));
    assert_int_equal(g.n_nodes, 5002);
    assert_int_equal(graph_node(&g, x)->in[0], ref_make(5000, 0));
    graph_close(&g);
}

void test_graph_constants_are_joined(void **state) {
    (void)state;
    graph g;
    graph_open(&g);
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 100; i++) {
            const ref a = graph_scalar(&g, AR_F32, i);
            const ref b = graph_scalar(&g, AR_F64, i);
            assert_int_equal(ref_node(a), 1 + 2 * i);
            assert_int_equal(ref_node(b), 2 + 2 * i);
        }
    const float x[2] = {1, 2};
    const ref flat = graph_const(&g, AR_F32, shape1(2), x);
    assert_int_not_equal(flat, graph_const(&g, AR_F32, shape2(1, 2), x));
    assert_int_equal(flat, graph_const(&g, AR_F32, shape1(2), x));
    const float *copy = graph_node(&g, flat)->attr.data.data;
    assert_ptr_not_equal(copy, x);
    assert_memory_equal(copy, x, sizeof x);
    assert_ok(graph_status(&g, err));
    graph_close(&g);
}

void test_graph_binary_repeats(void **state) {
    (void)state;
    graph g;
    graph_open(&g);
    const ref a = input(&g, AR_F32, shape3(4, 1, 3));
    const ref b = input(&g, AR_F32, shape2(5, 1));
    const ref y = graph_mul(&g, a, b);
    expect_shape(&g, y, AR_F32, shape3(4, 5, 3));
    const value *left = graph_value(&g, graph_node(&g, y)->in[0]);
    const value *right = graph_value(&g, graph_node(&g, y)->in[1]);
    assert_int_equal(left->stride[1], 0);
    assert_int_equal(left->stride[0], 3);
    assert_int_equal(right->stride[0], 0);
    assert_int_equal(right->stride[1], 1);
    assert_int_equal(right->stride[2], 0);
    const uint32_t n = g.n_nodes;
    graph_add(&g, a, a);
    assert_int_equal(g.n_nodes, n + 1); /* no views between equal shapes */
    expect_shape(&g, graph_select(&g, a, b, a), AR_F32, shape3(4, 5, 3));
    graph_close(&g);
}

void test_graph_products(void **state) {
    (void)state;
    graph g;
    graph_open(&g);
    const ref x = input(&g, AR_F32, shape4(2, 3, 4, 8));
    const ref w = input(&g, AR_BF16, shape2(5, 8));
    const ref bias = input(&g, AR_F32, shape1(5));
    expect_shape(&g, graph_linear(&g, x, w, bias, NULL), AR_F32,
                 shape4(2, 3, 4, 5));
    expect_shape(&g, graph_linear(&g, input(&g, AR_F32, shape1(8)), w, 0, NULL),
                 AR_F32, shape1(5));
    expect_shape(&g, graph_matmul(&g, x, graph_transpose(&g, w), NULL), AR_F32,
                 shape4(2, 3, 4, 5));
    expect_shape(&g, graph_matmul(&g, x, graph_transpose(&g, x), NULL), AR_F32,
                 shape4(2, 3, 4, 4));
    const ref h = input(&g, AR_F16, shape2(3, 8));
    const ref y = graph_linear(&g, h, w, 0, NULL);
    expect_shape(&g, y, AR_F32, shape2(3, 5));
    assert_int_equal(graph_node(&g, y)->attr.matmul.compute, AR_F32);
    const ref d = input(&g, AR_F64, shape2(8, 8));
    const ref z = graph_matmul(&g, d, d, NULL);
    expect_shape(&g, z, AR_F64, shape2(8, 8));
    assert_int_equal(graph_node(&g, z)->attr.matmul.compute, AR_F64);
    graph_matmul(&g, d, input(&g, AR_F32, shape2(8, 8)), NULL);
    expect_error(&g, "MATMUL: types f64 and f32");
}

void test_graph_reductions(void **state) {
    (void)state;
    graph g;
    graph_open(&g);
    const ref x = input(&g, AR_F32, shape2(4, 8));
    expect_shape(&g, graph_reduce(&g, REDUCE_SUM, x, 0), AR_F32, shape2(1, 8));
    expect_shape(&g, graph_reduce(&g, REDUCE_MEAN, x, -1), AR_F32, shape1(1));
    expect_shape(&g, graph_reduce(&g, REDUCE_ARGMAX, x, 1), AR_I32,
                 shape2(4, 1));
    expect_shape(&g, graph_reduce_as(&g, REDUCE_SUM_SQR, x, -1, AR_F64), AR_F64,
                 shape1(1));
    const ref top = graph_op(&g, OP_TOPK, &(op_attr){.topk = {3}}, &x, 1);
    expect_shape(&g, top, AR_F32, shape2(4, 3));
    const ref index = graph_output(&g, top, 1);
    expect_shape(&g, index, AR_I32, shape2(4, 3));
    const ref picked = graph_op(&g, OP_GATHER, NULL, (ref[]){x, index}, 2);
    expect_shape(&g, picked, AR_F32, shape2(4, 3));
    const ref back = graph_op(&g, OP_GATHER_DX, &(op_attr){.axis = {.n = 8}},
                              (ref[]){index, picked}, 2);
    expect_shape(&g, back, AR_F32, shape2(4, 8));
    const ref w = input(&g, AR_F32, shape1(8));
    expect_shape(&g, graph_rms_norm(&g, x, 0, 1e-5, 0), AR_F32, shape2(4, 8));
    expect_shape(&g, graph_layer_norm(&g, x, 0, w, 1e-5), AR_F32, shape2(4, 8));
    graph_layer_norm(&g, x, w, input(&g, AR_F32, shape1(4)), 1e-5);
    expect_error(&g, "LAYER_NORM: b is [4], must be [8]");
}

void test_graph_concat_and_pad(void **state) {
    (void)state;
    graph g;
    graph_open(&g);
    const ref a = input(&g, AR_I32, shape2(4, 8));
    const ref b = input(&g, AR_I32, shape2(4, 3));
    expect_shape(&g, graph_concat(&g, (ref[]){a, b, a}, 3, 1), AR_I32,
                 shape2(4, 19));
    op_attr pad = {.view = {.axis = 1, .v = {1, 17, 2}}};
    expect_shape(&g, graph_op(&g, OP_PAD, &pad, &a, 1), AR_I32, shape2(4, 17));
    graph_concat(&g, (ref[]){a, b}, 2, 0);
    expect_error(&g, "CONCAT: i32 [4, 8] and i32 [4, 3] cannot be joined");
    graph_open(&g);
    const ref x = input(&g, AR_F32, shape2(4, 8));
    pad.view.v[1] = 15;
    graph_op(&g, OP_PAD, &pad, &x, 1);
    expect_error(&g, "PAD: [4, 8] from 1 in steps of 2 does not fit into 15");
}

void test_graph_attention_shapes(void **state) {
    (void)state;
    graph g;
    graph_open(&g);
    const ref q = input(&g, AR_F64, shape4(2, 5, 6, 4));
    const ref k = input(&g, AR_F64, shape4(2, 7, 3, 4));
    const ref v = input(&g, AR_F64, shape4(2, 7, 3, 8));
    const struct attention_attr attr = {.causal = 1};
    const ref o = graph_attention(&g, q, k, v, &attr);
    expect_shape(&g, o, AR_F64, shape4(2, 5, 6, 8));
    const ref lse = graph_output(&g, o, 1);
    expect_shape(&g, lse, AR_F64, shape3(2, 6, 5));
    assert_near(graph_node(&g, o)->attr.attention.scale, 0.5, 0);
    const op_attr all = {.attention = attr};
    const ref dq =
        graph_op(&g, OP_ATTENTION_DQKV, &all, (ref[]){q, k, v, o, lse, o}, 6);
    expect_shape(&g, graph_output(&g, dq, 2), AR_F64, shape4(2, 7, 3, 8));
    graph_attention(&g, k, k, v, NULL);
    assert_ok(graph_status(&g, err));
    graph_attention(&g, k, q, v, NULL);
    expect_error(&g, "do not agree");
}

void test_graph_language_model_shapes(void **state) {
    (void)state;
    graph g;
    graph_open(&g);
    const ref table = input(&g, AR_F32, shape2(100, 16));
    const ref ids = input(&g, AR_I32, shape1(6));
    const ref x = graph_embed(&g, table, ids);
    expect_shape(&g, x, AR_F32, shape2(6, 16));
    const op_attr rows = {.embed = {100}};
    expect_shape(&g,
                 graph_op(&g, OP_EMBED_DW, &rows, (ref[]){ids, x, table}, 3),
                 AR_F32, shape2(100, 16));
    const ref f = input(&g, AR_F64, shape1(2));
    const ref turn = graph_rope_table(&g, ids, f, 1, AR_F32);
    expect_shape(&g, graph_output(&g, turn, 1), AR_F32, shape2(6, 2));
    const ref heads = graph_reshape(&g, x, shape3(6, 4, 4));
    expect_shape(&g, graph_rope(&g, heads, turn, true, false), AR_F32,
                 shape3(6, 4, 4));
    const ref logp = graph_xent(&g, x, table, ids, NULL);
    expect_shape(&g, logp, AR_F32, shape1(6));
    const ref dx =
        graph_op(&g, OP_XENT_DXW, NULL, (ref[]){x, table, ids, logp}, 4);
    expect_shape(&g, graph_output(&g, dx, 1), AR_F32, shape2(100, 16));
    expect_shape(&g, graph_output(&g, dx, 2), AR_F32, shape1(6));

    const ref pool = input(&g, AR_BF16, shape4(9, 32, 2, 4));
    const ref pages = input(&g, AR_I32, shape2(3, 5));
    const ref paged = graph_op(&g, OP_ATTENTION_PAGED, NULL,
                               (ref[]){heads, pool, pool, pages, ids, ids}, 6);
    expect_shape(&g, paged, AR_F32, shape3(6, 4, 4));
    assert_int_equal(graph_node(&g, paged)->attr.paged.page, 32);

    const ref seed = input(&g, AR_I64, shape1(2));
    const op_attr random = {.random = {RANDOM_NORMAL, AR_F32, 7, shape2(3, 4)}};
    expect_shape(&g, graph_op(&g, OP_RANDOM, &random, &seed, 1), AR_F32,
                 shape2(3, 4));
    graph_xent(&g, heads, table, ids, NULL);
    expect_error(&g, "XENT: x [6, 4, 4] must have 2 dimensions");
}

void test_graph_state_versions(void **state) {
    (void)state;
    graph g;
    graph_open(&g);
    const ref s = graph_state(&g, "k", AR_F32, shape2(4, 8), 1, 64);
    const ref x = input(&g, AR_F32, shape2(4, 8));
    const ref rows = graph_reshape(&g, s, shape2(8, 4));
    const ref next = graph_store(&g, s, x);
    assert_int_equal(graph_value(&g, next)->storage, s);
    const ref sum = graph_accumulate(&g, next, x);
    assert_int_equal(graph_value(&g, sum)->storage, s);
    graph_copy(&g, sum);
    assert_ok(graph_status(&g, err));
    graph_store(&g, rows, x);
    expect_error(&g, "STORE: reads a stale version of state \"k\"");
    graph_open(&g);
    graph_store(&g, input(&g, AR_F32, shape1(4)), input(&g, AR_F32, shape1(4)));
    expect_error(&g, "STORE: input 0 is not a state");
    graph_open(&g);
    const ref t = graph_state(&g, "t", AR_F32, shape2(4, 4), 1, 64);
    graph_store(&g, t, graph_transpose(&g, t));
    expect_error(&g, "STORE: input 1 is another view of state \"t\"");
    graph_open(&g);
    const ref u = graph_state(&g, "u", AR_F32, shape2(4, 4), 1, 64);
    graph_store(&g, graph_transpose(&g, u), input(&g, AR_F32, shape2(4, 4)));
    expect_error(&g, "STORE: the view [4, 4] of state \"u\" has gaps");
}

/* A pool of blocks is written by rows, quantised, and seen as pages. */
void test_graph_state_of_blocks(void **state) {
    (void)state;
    graph g;
    graph_open(&g);
    const ref slot = input(&g, AR_I32, shape1(6));
    const ref x = input(&g, AR_F32, shape3(6, 2, 64));
    ref pool = graph_state(&g, "k", AR_Q8_0, shape4(9, 16, 2, 64), 1, 0);
    pool = graph_reshape(&g, pool, shape3(144, 2, 64));
    pool = graph_store_rows(&g, pool, slot, x);
    pool = graph_reshape(&g, pool, shape4(9, 16, 2, 64));
    const ref table = input(&g, AR_I32, shape2(3, 5));
    const ref o = graph_op(&g, OP_ATTENTION_PAGED, NULL,
                           (ref[]){x, pool, pool, table, slot, slot}, 6);
    expect_shape(&g, o, AR_F32, shape3(6, 2, 64));
    assert_ok(graph_status(&g, err));
    graph_reshape(&g, pool, shape3(144, 4, 32));
    expect_error(&g, "RESHAPE: input 0 has blocks of q8_0");
    graph_open(&g);
    pool = graph_state(&g, "k", AR_Q8_0, shape2(9, 64), 1, 0);
    graph_store_rows(&g, pool, input(&g, AR_I32, shape1(2)),
                     input(&g, AR_F16, shape2(2, 64)));
    expect_error(&g, "STORE_ROWS: x is f16, must be f32 or f64");
}

void test_graph_state_rows_through_a_view(void **state) {
    (void)state;
    graph g;
    graph_open(&g);
    const ref pool = graph_state(&g, "pool", AR_F32, shape3(5, 4, 8), 1, 0);
    const ref flat = graph_reshape(&g, pool, shape2(20, 8));
    const ref slot = input(&g, AR_I32, shape1(3));
    const ref x = input(&g, AR_F32, shape2(3, 8));
    const ref next = graph_store_rows(&g, flat, slot, x);
    const ref now = graph_reshape(&g, next, shape3(5, 4, 8));
    expect_shape(&g, now, AR_F32, shape3(5, 4, 8));
    graph_copy(&g, now);
    assert_ok(graph_status(&g, err));
    graph_copy(&g, pool);
    expect_error(&g, "COPY: reads a stale version of state \"pool\"");
}

void test_graph_optimiser_versions(void **state) {
    (void)state;
    graph g;
    graph_open(&g);
    const shape s = shape2(3, 4);
    const ref p = graph_state(&g, "p", AR_F32, s, 1, 0);
    const ref m = graph_state(&g, "m", AR_F32, s, 2, 0);
    const ref v = graph_state(&g, "v", AR_F32, s, 2, 48);
    const ref dp = input(&g, AR_F32, s), h = input(&g, AR_F64, shape1(8));
    const ref next =
        graph_op(&g, OP_OPT_ADAMW, NULL, (ref[]){p, dp, m, v, h}, 5);
    assert_int_equal(graph_value(&g, next)->storage, p);
    assert_int_equal(graph_value(&g, graph_output(&g, next, 1))->storage, m);
    assert_int_equal(graph_value(&g, graph_output(&g, next, 2))->storage, v);
    graph_op(&g, OP_OPT_LION, NULL, (ref[]){next, dp, m, h}, 4);
    expect_error(&g, "OPT_LION: reads a stale version of state \"m\"");
    graph_open(&g);
    const ref q = graph_state(&g, "q", AR_F32, s, 1, 0);
    const ref dq = input(&g, AR_F32, s), k = input(&g, AR_F64, shape1(8));
    graph_op(&g, OP_OPT_SGD, NULL, (ref[]){q, dq, q, k}, 4);
    expect_error(&g, "OPT_SGD: writes state \"q\" twice");
}

void test_graph_regions(void **state) {
    (void)state;
    graph g;
    graph_open(&g);
    ref x = input(&g, AR_F32, shape1(3));
    for (int i = 0; i < 40; i++) {
        graph_region_begin(&g, "layer", i);
        x = graph_unary(&g, UNARY_NEG, x);
        graph_region_end(&g);
    }
    assert_ok(graph_status(&g, err));
    assert_int_equal(g.n_regions, 40);
    assert_int_equal(g.regions[39].first, 41);
    assert_int_equal(g.regions[39].end, 42);
    assert_string_equal(g.regions[39].name, "layer");
    assert_int_equal(graph_node(&g, x)->region, 39);
    assert_int_equal(g.nodes[1].region, -1);
    graph_region_begin(&g, "a", 0);
    graph_region_begin(&g, "b", 0);
    expect_error(&g, "region \"b\" 0 begins inside \"a\" 0");
}

static void build_something(graph *g) {
    graph_open(g);
    ref x = graph_input(g, "x", AR_F32, shape2(3, 8), 0, 0);
    for (int i = 0; i < 80; i++) {
        graph_region_begin(g, "layer", i);
        const ref w = graph_param(g, "w", AR_F32, shape2(8, 8), 1, 256 * i);
        x = graph_add(g, graph_linear(g, x, w, 0, NULL),
                      graph_scalar(g, AR_F32, i));
        graph_region_end(g);
    }
}

void test_graph_out_of_memory(void **state) {
    (void)state;
    graph g;
    mem_fail_at(0, 0);
    build_something(&g);
    assert_ok(graph_status(&g, err));
    graph_close(&g);
    const int64_t n = mem_fail_count();
    assert_true(n > 10);
    for (int64_t i = 1; i <= n; i++) {
        mem_fail_at(i, 0);
        build_something(&g);
        mem_fail_at(0, 0);
        assert_int_equal(graph_status(&g, NULL), AR_NOMEM);
        graph_close(&g);
    }
}

void test_graph_dump(void **state) {
    (void)state;
    graph g;
    text t = {0};
    graph_open(&g);
    const ref x = graph_param(&g, "w", AR_F32, shape2(4, 8), 3, 64);
    graph_region_begin(&g, "layer", 2);
    graph_unary(&g, UNARY_EXP, graph_transpose(&g, x));
    graph_region_end(&g);
    graph_dump(&g, &t);
    assert_string_equal(t.data, "1: PARAM \"w\" slot 3 + 64 -> f32 [4, 8]\n"
                                "2: PERMUTE(1) -> f32 [8, 4] in 1 at 0 by 1 8"
                                "  layer 2\n"
                                "3: UNARY exp(2) -> f32 [8, 4]  layer 2\n");
    text_close(&t);
    graph_close(&g);
}

/* Shapes of ops along a text, and what does not fit. */
void test_graph_scan_shapes(void **state) {
    (void)state;
    graph g;
    graph_open(&g);
    const ref q = input(&g, AR_F32, shape4(2, 9, 2, 8));
    const ref v = input(&g, AR_F32, shape4(2, 9, 6, 5));
    const ref a = input(&g, AR_F32, shape3(2, 9, 6));
    const ref y = graph_op(&g, OP_SCAN, NULL, (ref[]){q, q, v, a, a}, 5);
    expect_shape(&g, y, AR_F32, shape4(2, 9, 6, 5));
    const ref d = graph_op(&g, OP_SCAN_DX, NULL, (ref[]){q, q, v, a, y}, 5);
    expect_shape(&g, graph_output(&g, d, 3), AR_F32, shape4(1, 2, 9, 6));

    const ref rows = input(&g, AR_I32, shape1(7));
    const ref k = input(&g, AR_F32, shape3(7, 2, 8));
    const ref x = input(&g, AR_F32, shape3(7, 6, 5));
    const ref b = input(&g, AR_F32, shape2(7, 6));
    const ref s = graph_state(&g, "s", AR_F32, shape4(3, 6, 8, 5), 1, 0);
    const ref next =
        graph_op(&g, OP_SCAN_ROWS, NULL, (ref[]){s, k, k, x, b, rows, rows}, 7);
    assert_int_equal(graph_value(&g, next)->storage, s);
    expect_shape(&g, graph_output(&g, next, 1), AR_F32, shape3(7, 6, 5));
    assert_int_equal(graph_value(&g, graph_output(&g, next, 1))->storage,
                     graph_output(&g, next, 1));
    graph_copy(&g, graph_output(&g, next, 1)); /* is never stale */
    graph_op(&g, OP_SCAN_ROWS, NULL, (ref[]){next, k, k, x, b, rows, rows}, 7);
    assert_ok(graph_status(&g, err));
    graph_op(&g, OP_SCAN_ROWS, NULL, (ref[]){next, k, k, x, b, rows, rows}, 7);
    expect_error(&g, "SCAN_ROWS: reads a stale version of state \"s\"");

    graph_open(&g);
    const ref u = input(&g, AR_F32, shape3(2, 9, 16));
    const ref w = input(&g, AR_F32, shape2(16, 4));
    expect_shape(&g, graph_op(&g, OP_CONV1D, NULL, (ref[]){u, w}, 2), AR_F32,
                 shape3(2, 9, 16));
    const ref t = graph_state(&g, "t", AR_F32, shape3(3, 4, 16), 1, 0);
    const ref r = input(&g, AR_F32, shape2(7, 16));
    const ref i = input(&g, AR_I32, shape1(7));
    graph_op(&g, OP_CONV1D_ROWS, NULL, (ref[]){t, r, w, i, i}, 5);
    expect_error(&g, "CONV1D_ROWS: state is [3, 4, 16], must be [3, 3, 16]");
    graph_open(&g);
    graph_op(&g, OP_CONV1D, NULL,
             (ref[]){input(&g, AR_F32, shape3(2, 9, 15)),
                     input(&g, AR_F32, shape2(16, 4))},
             2);
    expect_error(&g, "CONV1D: w has 16 channels, x has 15");
    graph_open(&g);
    const ref p = input(&g, AR_F32, shape4(2, 9, 4, 8));
    const ref o = input(&g, AR_F32, shape4(2, 9, 6, 5));
    graph_op(&g, OP_SCAN, NULL,
             (ref[]){p, p, o, input(&g, AR_F32, shape3(2, 9, 6))}, 4);
    expect_error(&g, "SCAN: q [2, 9, 4, 8] and v [2, 9, 6, 5] do not agree");
}
