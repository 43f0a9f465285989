/* test_rewrite.c - what each rule of rewrites.def makes of a graph, and what
 * it must leave alone. */
#include "base/mem.h"
#include "tests/core/graph_look.h"

enum { T = 6, C = 12, V = 20 };

static ref input(graph *g, shape s) {
    return graph_input(g, "x", AR_F32, s, 1, 64 * (int64_t)g->n_nodes);
}

/* Rewrite g, which is closed. */
static void rewrite(graph *g, graph *out) {
    assert_ok(graph_rewrite(g, out, err));
    graph_close(g);
}

void test_rewrite_dead_and_equal(void **state) {
    (void)state;
    graph g, out;
    graph_open(&g);
    const ref x = input(&g, shape2(T, C)), y = input(&g, shape2(T, C));
    graph_unary(&g, UNARY_EXP, y); /* dead */
    const ref a = graph_softmax(&g, x), b = graph_softmax(&g, x);
    save(&g, "out", graph_mul(&g, a, b));
    rewrite(&g, &out);
    assert_int_equal(count_ops(&out, OP_UNARY), 0);
    assert_int_equal(count_ops(&out, OP_INPUT), 1);
    assert_int_equal(count_ops(&out, OP_SOFTMAX), 1);
    const node *mul = graph_node(&out, stored(&out, "out"));
    assert_int_equal(mul->in[0], mul->in[1]);
    graph_close(&out);
}

/* Leaves keep what binds them; effects keep their order; reads of a state
 * before a write stay before it. */
void test_rewrite_state(void **state) {
    (void)state;
    graph g, out;
    graph_open(&g);
    const ref s = graph_state(&g, "s", AR_F32, shape1(C), 4, 128);
    const ref x = graph_param(&g, "weight", AR_F32, shape1(C), 2, 64);
    const ref old = graph_affine(&g, s, 1, 0); /* a copy of the old version */
    const ref gone = graph_copy(&g, s);
    const ref new = graph_store(&g, s, x);
    save(&g, "new", graph_unary(&g, UNARY_NEG, new));
    save(&g, "old", graph_add(&g, old, gone));
    graph_accumulate(&g, new, x);
    rewrite(&g, &out);
    assert_int_equal(count_ops(&out, OP_COPY), 1);
    const node *add = graph_node(&out, stored(&out, "old"));
    assert_int_equal(graph_node(&out, add->in[0])->op, OP_UNARY);
    const node *p = the_op(&out, OP_PARAM);
    assert_string_equal(p->name, "weight");
    assert_int_equal(p->attr.leaf.slot, 2);
    assert_int_equal(p->attr.leaf.offset, 64);
    assert_int_equal(out.nodes[out.n_nodes - 1].op, OP_ACCUMULATE);
    graph_close(&out);
}

void test_rewrite_regions(void **state) {
    (void)state;
    graph g, out;
    graph_open(&g);
    ref x = input(&g, shape2(T, C));
    const ref first = x;
    for (int i = 0; i < 3; i++) {
        graph_region_begin(&g, "layer", i);
        graph_unary(&g, UNARY_EXP, x); /* dead */
        /* equal in every region, yet each keeps its own */
        const ref same = graph_softmax(&g, first);
        x = graph_add(&g, graph_add(&g, x, same), graph_scalar(&g, AR_F32, 1));
        graph_region_end(&g);
    }
    save(&g, "out", x);
    rewrite(&g, &out);
    assert_int_equal(out.n_regions, 3);
    assert_int_equal(count_ops(&out, OP_SOFTMAX), 3);
    for (int i = 0; i < 3; i++) {
        const region *part = &out.regions[i];
        assert_string_equal(part->name, "layer");
        assert_int_equal(part->index, i);
        int n = 0;
        for (uint32_t k = part->first; k < part->end; k++)
            n += out.nodes[k].region == i && out.nodes[k].op == OP_BINARY;
        assert_int_equal(n, 2);
    }
    assert_true(graph_region_hash(&out, 1) == graph_region_hash(&out, 2));
    graph_close(&out);
}

void test_rewrite_identity(void **state) {
    (void)state;
    graph g, out;
    graph_open(&g);
    const ref x = graph_softmax(&g, input(&g, shape2(T, C)));
    save(&g, "same", graph_affine(&g, x, 1, 0));
    save(&g, "scaled", graph_affine(&g, x, 2, 0));
    save(&g, "copied", graph_copy(&g, x));
    /* a view with gaps cannot stand for a dense result */
    save(&g, "turned", graph_copy(&g, graph_transpose(&g, x)));
    rewrite(&g, &out);
    assert_int_equal(graph_node(&out, stored(&out, "same"))->op, OP_SOFTMAX);
    assert_int_equal(stored(&out, "same"), stored(&out, "copied"));
    assert_int_equal(graph_node(&out, stored(&out, "scaled"))->op, OP_UNARY);
    assert_int_equal(graph_node(&out, stored(&out, "turned"))->op, OP_COPY);
    graph_close(&out);
}

void test_rewrite_views(void **state) {
    (void)state;
    graph g, out;
    graph_open(&g);
    const ref x = graph_softmax(&g, input(&g, shape3(2, T, C)));
    const int to[] = {2, 0, 1}, back[] = {1, 2, 0};
    const ref there = graph_permute(&g, x, to);
    save(&g, "none", graph_permute(&g, there, back));
    save(&g, "twice", graph_permute(&g, there, to));
    ref y = graph_reshape(&g, x, shape1(2 * T * C));
    save(&g, "plain", graph_reshape(&g, y, shape3(2, T, C)));
    save(&g, "flat", graph_reshape(&g, y, shape2(2 * T, C)));
    rewrite(&g, &out);
    const ref soft = stored(&out, "none");
    assert_int_equal(graph_node(&out, soft)->op, OP_SOFTMAX);
    assert_int_equal(stored(&out, "plain"), soft);
    assert_int_equal(graph_node(&out, stored(&out, "flat"))->in[0], soft);
    const node *p = the_op(&out, OP_PERMUTE);
    assert_int_equal(p->in[0], soft);
    for (int i = 0; i < 3; i++) assert_int_equal(p->attr.view.v[i], back[i]);
    the_op(&out, OP_RESHAPE);
    graph_close(&out);
}

void test_rewrite_affine(void **state) {
    (void)state;
    graph g, out;
    graph_open(&g);
    const ref x = input(&g, shape2(T, C)), y = input(&g, shape2(T, C));
    /* tanh(3 (2 x + 1)), as softcap builds it, and scaled sums */
    const ref inner = graph_affine(&g, graph_affine(&g, x, 2, 1), 3, 0);
    save(&g, "tanh", graph_unary(&g, UNARY_TANH, inner));
    const ref half = graph_affine(&g, x, 0.5, 0);
    const ref less = graph_unary(&g, UNARY_NEG, y);
    save(&g, "sum", graph_axpby(&g, 4, half, 5, less));
    /* an offset stays, and so does what others read */
    const ref moved = graph_affine(&g, x, 1, 7);
    save(&g, "moved", graph_add(&g, moved, y));
    const ref shared = graph_affine(&g, y, 9, 0);
    save(&g, "shared", shared);
    save(&g, "read", graph_add(&g, shared, x));
    rewrite(&g, &out);
    const node *n = graph_node(&out, stored(&out, "tanh"));
    assert_int_equal(n->attr.unary.kind, UNARY_TANH);
    assert_near(n->attr.unary.a, 6, 0);
    assert_near(n->attr.unary.b, 3, 0);
    assert_int_equal(graph_node(&out, n->in[0])->op, OP_INPUT);
    n = graph_node(&out, stored(&out, "sum"));
    assert_near(n->attr.binary.alpha, 2, 0);
    assert_near(n->attr.binary.beta, -5, 0);
    n = graph_node(&out, stored(&out, "moved"));
    assert_int_equal(graph_node(&out, n->in[0])->op, OP_UNARY);
    n = graph_node(&out, stored(&out, "read"));
    assert_int_equal(n->in[0], stored(&out, "shared"));
    graph_close(&out);
}

void test_rewrite_zero(void **state) {
    (void)state;
    graph g, out;
    graph_open(&g);
    const ref x = graph_softmax(&g, input(&g, shape2(T, C)));
    const ref zero = graph_scalar(&g, AR_F32, 0);
    save(&g, "right", graph_add(&g, x, zero));
    save(&g, "left", graph_add(&g, zero, x));
    save(&g, "minus", graph_sub(&g, zero, x));
    save(&g, "turned", graph_add(&g, graph_transpose(&g, x), zero));
    save(&g, "one", graph_add(&g, x, graph_scalar(&g, AR_F32, 1)));
    rewrite(&g, &out);
    assert_int_equal(graph_node(&out, stored(&out, "right"))->op, OP_SOFTMAX);
    assert_int_equal(stored(&out, "left"), stored(&out, "right"));
    const node *n = graph_node(&out, stored(&out, "minus"));
    assert_int_equal(n->op, OP_UNARY);
    assert_near(n->attr.unary.a, -1, 0);
    assert_int_equal(graph_node(&out, stored(&out, "turned"))->op, OP_COPY);
    the_op(&out, OP_BINARY);
    graph_close(&out);
}

/* q, k and v cut from one product: their gradients are laid side by side. */
void test_rewrite_pads(void **state) {
    (void)state;
    graph g, out;
    graph_open(&g);
    const ref x = input(&g, shape2(T, 12));
    ref y = 0, d;
    for (int i = 0; i < 3; i++) {
        const ref part = graph_slice(&g, x, 1, 4 * i, 4);
        const ref z = graph_unary(&g, i ? UNARY_TANH : UNARY_EXP, part);
        y = y ? graph_mul(&g, y, z) : z;
    }
    graph_grad(&g, y, input(&g, shape2(T, 4)), &x, 1, false, &d);
    save(&g, "dx", d);
    assert_int_equal(count_ops(&g, OP_PAD), 3);
    rewrite(&g, &out);
    assert_int_equal(count_ops(&out, OP_PAD), 0);
    const node *n = the_op(&out, OP_CONCAT);
    assert_int_equal(n->n_in, 3);
    assert_int_equal(n->attr.axis.axis, 1);
    const node *first = graph_node(&out, n->in[0]);
    assert_int_equal(first->op, OP_UNARY_DX);
    assert_int_equal(first->attr.unary.kind, UNARY_EXP);
    graph_close(&out);
}

/* Parts with a gap between them are added as before. */
void test_rewrite_pads_apart(void **state) {
    (void)state;
    graph g, out;
    graph_open(&g);
    const ref x = input(&g, shape2(T, 12));
    const ref a = graph_slice(&g, x, 1, 0, 4), b = graph_slice(&g, x, 1, 8, 4);
    ref d;
    graph_grad(&g, graph_mul(&g, a, b), input(&g, shape2(T, 4)), &x, 1, false,
               &d);
    save(&g, "dx", d);
    rewrite(&g, &out);
    assert_int_equal(count_ops(&out, OP_PAD), 2);
    assert_int_equal(count_ops(&out, OP_CONCAT), 0);
    graph_close(&out);
}

/* A tied language model: loss, dx and dw from one sweep over the logits, and
 * the embedding's gradient added to the projection's. */
static void tied_model(graph *g, bool weighted_by_itself) {
    const ref w = graph_param(g, "w", AR_F32, shape2(V, C), 0, 0);
    const ref ids = graph_input(g, "ids", AR_I32, shape1(T), 1, 0);
    const ref targets = graph_input(g, "targets", AR_I32, shape1(T), 1, 64);
    const ref x = graph_rms_norm(g, graph_embed(g, w, ids), 0, 1e-5, 0);
    ref logp = graph_xent(g, x, w, targets, NULL);
    if (weighted_by_itself) logp = graph_mul(g, logp, logp);
    const ref loss =
        graph_affine(g, graph_reduce(g, REDUCE_MEAN, logp, -1), -1, 0);
    save(g, "loss", loss);
    ref d;
    graph_grad(g, loss, graph_scalar(g, AR_F32, 1), &w, 1, false, &d);
    save(g, "dw", d);
}

void test_rewrite_xent(void **state) {
    (void)state;
    graph g, out;
    graph_open(&g);
    tied_model(&g, false);
    assert_int_equal(count_ops(&g, OP_XENT), 1);
    rewrite(&g, &out);
    assert_int_equal(count_ops(&out, OP_XENT), 0);
    the_op(&out, OP_XENT_DXW);
    const node *mean = the_op(&out, OP_REDUCE);
    assert_int_equal(graph_node(&out, mean->in[0])->op, OP_XENT_DXW);
    assert_int_equal(ref_out(mean->in[0]), 2);
    graph_close(&out);

    /* its gradient needs the loss first */
    graph_open(&g);
    tied_model(&g, true);
    rewrite(&g, &out);
    the_op(&out, OP_XENT);
    the_op(&out, OP_XENT_DXW);
    graph_close(&out);
}

void test_rewrite_xent_alone(void **state) {
    (void)state;
    graph g, out;
    graph_open(&g);
    const ref x = input(&g, shape2(T, C)), w = input(&g, shape2(V, C));
    const ref targets = graph_input(&g, "targets", AR_I32, shape1(T), 1, 0);
    const ref logp = graph_xent(&g, x, w, targets, NULL);
    ref d;
    graph_grad(&g, logp, input(&g, shape1(T)), &x, 1, false, &d);
    save(&g, "logp", logp); /* the gradient is dead: keep the cheap op */
    rewrite(&g, &out);
    the_op(&out, OP_XENT);
    assert_int_equal(count_ops(&out, OP_XENT_DXW), 0);
    graph_close(&out);
}

void test_rewrite_embed(void **state) {
    (void)state;
    graph g, out;
    graph_open(&g);
    tied_model(&g, false);
    assert_int_equal(the_op(&g, OP_EMBED_DW)->n_in, 2);
    rewrite(&g, &out);
    const node *n = the_op(&out, OP_EMBED_DW);
    assert_int_equal(n->n_in, 3);
    assert_int_equal(graph_node(&out, n->in[2])->op, OP_XENT_DXW);
    assert_int_equal(ref_out(n->in[2]), 1);
    assert_int_equal(graph_node(&out, stored(&out, "dw"))->op, OP_EMBED_DW);
    assert_int_equal(count_ops(&out, OP_BINARY), 0);
    graph_close(&out);
}

/* The error of the graph is passed on; so is a lack of memory. */
void test_rewrite_errors(void **state) {
    (void)state;
    graph g, out;
    graph_open(&g);
    graph_softmax(&g, 99);
    assert_fails(AR_RANGE, "SOFTMAX", graph_rewrite(&g, &out, err));
    graph_close(&g);

    graph_open(&g);
    tied_model(&g, false);
    for (int64_t n = 1;; n++) {
        ar_error err = {0};
        mem_fail_at(n, 1);
        const ar_status status = graph_rewrite(&g, &out, &err);
        mem_fail_at(0, 0);
        if (status == AR_OK) break;
        assert_int_equal(status, AR_NOMEM);
    }
    graph_close(&out);
    graph_close(&g);
}

/* ---- region hashes and costs ---- */

static uint64_t layer_hash(int slot, enum unary_kind kind, bool crossed) {
    graph g;
    graph_open(&g);
    const ref x = input(&g, shape2(T, C)), y = input(&g, shape2(T, C));
    graph_region_begin(&g, "layer", slot);
    const ref w = graph_param(&g, "w", AR_F32, shape2(C, C), slot, 0);
    const ref h = graph_unary(&g, kind, graph_linear(&g, x, w, 0, NULL));
    const ref z = graph_sub(&g, h, crossed ? x : y);
    graph_region_end(&g);
    save(&g, "out", z);
    const uint64_t hash = graph_region_hash(&g, 0);
    graph_close(&g);
    return hash;
}

void test_region_hash(void **state) {
    (void)state;
    const uint64_t h = layer_hash(1, UNARY_GELU, false);
    assert_true(h == layer_hash(2, UNARY_GELU, false));
    assert_true(h != layer_hash(1, UNARY_SILU, false));
    assert_true(h != layer_hash(1, UNARY_GELU, true));
}

static double attention_flops(int64_t t, int64_t s, int causal,
                              int64_t window) {
    graph g;
    graph_open(&g);
    const ref q = input(&g, shape4(2, t, 4, 8)),
              k = input(&g, shape4(2, s, 2, 8));
    const ref v = input(&g, shape4(2, s, 2, 5));
    const struct attention_attr a = {
        .scale = 1, .causal = causal, .window = window};
    const ref o = graph_attention(&g, q, k, v, &a);
    assert_ok(graph_status(&g, err));
    const double flops = node_flops(&g, graph_node(&g, o));
    graph_close(&g);
    return flops / (2 * 2 * 4 * (8 + 5)); /* pairs a query sees */
}

void test_node_flops(void **state) {
    (void)state;
    assert_near(attention_flops(6, 9, 0, 0), 54, 0);
    assert_near(attention_flops(6, 6, 1, 0), 21, 0);
    assert_near(attention_flops(6, 9, 1, 0), 39, 0);
    assert_near(attention_flops(6, 6, 1, 2), 11, 0);
    assert_near(attention_flops(6, 9, 1, 2), 12, 0);

    graph g;
    graph_open(&g);
    const ref x = input(&g, shape2(T, C)), w = input(&g, shape2(V, C));
    const ref b = input(&g, shape1(V));
    const ref y = graph_linear(&g, x, w, b, NULL);
    const node *n = graph_node(&g, y);
    assert_near(node_flops(&g, n), 2 * T * C * V + T * V, 0);
    assert_near(node_bytes(&g, n), 4 * (T * C + V * C + V + T * V), 0);
    const ref targets = graph_input(&g, "t", AR_I32, shape1(T), 1, 0);
    const ref lp = graph_xent(&g, x, w, targets, NULL);
    n = graph_node(&g, lp);
    assert_near(node_flops(&g, n), 2 * T * C * V, 0);
    const ref d =
        graph_op(&g, OP_XENT_DXW, NULL, (ref[]){x, w, targets, lp}, 4);
    n = graph_node(&g, d);
    assert_near(node_flops(&g, n), 6 * T * C * V, 0);
    /* a repeated row is read once; an operand read twice, once */
    const ref row = graph_broadcast(&g, b, shape2(T, V));
    const ref two = graph_mul(&g, y, row), same = graph_mul(&g, y, y);
    assert_near(node_bytes(&g, graph_node(&g, two)), 4 * (2 * T * V + V), 0);
    assert_near(node_bytes(&g, graph_node(&g, same)), 4 * 2 * T * V, 0);
    assert_near(node_bytes(&g, graph_node(&g, row)), 0, 0);
    assert_near(node_flops(&g, graph_node(&g, graph_copy(&g, x))), 0, 0);
    /* only the rows that ids name */
    const ref table = input(&g, shape2(1000, C));
    n = graph_node(&g, graph_embed(&g, table, targets));
    assert_near(node_bytes(&g, n), 4 * (2 * T * C + T), 0);
    assert_ok(graph_status(&g, err));
    graph_close(&g);
}
