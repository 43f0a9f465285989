/* test_plan.c - order, lifetimes and places, checked by imitating a run. */
#include "tests/test.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "core/op_rules.h"
#include "core/plan.h"

/* ---- an imitated run: memory holds the names of values ---- */

enum { SLOTS = 6, UNITS = 1 << 12, UNIT = 64 };
enum { SLOT_IN, SLOT_W, SLOT_S, SLOT_T, SLOT_CONSTS, SLOT_VALUES };

static ref memory[SLOTS][UNITS];

/* What memory holds where r is read: the ref behind views and behind a STORE
 * that is not a step, whose source was put there. */
static ref content(const plan *p, ref r, const uint8_t *kept) {
    for (;;) {
        const node *n = graph_node(p->g, r);
        if (op_table[n->op].flags & OP_VIEW)
            r = n->in[0];
        else if (n->op == OP_STORE && !kept[ref_node(r)])
            r = n->in[1];
        else
            return r;
    }
}

static ref *cells(const plan *p, ref storage, int64_t *n) {
    const value *v = graph_value(p->g, storage);
    const place at = p->places[storage];
    const int slot = at.slot == SLOT_BLOCK   ? SLOT_VALUES
                     : at.slot == SLOT_CONST ? SLOT_CONSTS
                                             : at.slot;
    const int64_t size = (int64_t)ar_type_size(v->type, shape_count(&v->shape));
    *n = (size + UNIT - 1) / UNIT;
    assert_int_equal(at.offset % UNIT, 0);
    assert_true(at.offset >= 0 && at.offset / UNIT + *n <= UNITS);
    if (slot == SLOT_VALUES)
        assert_true(at.offset + size <= (int64_t)p->block_size);
    if (slot == SLOT_CONSTS)
        assert_true(at.offset + size <= (int64_t)p->const_size);
    return &memory[slot][at.offset / UNIT];
}

static void put(const plan *p, ref storage, ref name) {
    int64_t n;
    ref *to = cells(p, storage, &n);
    for (int64_t i = 0; i < n; i++) to[i] = name;
}

static void expect(const plan *p, ref storage, ref name) {
    int64_t n;
    const ref *at = cells(p, storage, &n);
    for (int64_t i = 0; i < n; i++)
        if (at[i] != name)
            fail_msg("memory of %u holds %u, not %u", storage, at[i], name);
}

/* A step may write where it reads only over the input its op allows, element
 * for element. */
static void check_sharing(const plan *p, uint32_t index) {
    const node *n = &p->g->nodes[index];
    const int allowed = op_inplace_input(n->op);
    bool over[MAX_INPUTS] = {false};
    if (op_table[n->op].flags & OP_EFFECT) return;
    for (int o = 0; o < n->n_out; o++)
        for (int k = 0; k < n->n_in; k++) {
            if (!n->in[k]) continue;
            const value *x = graph_value(p->g, n->in[k]);
            int64_t n_to, n_from;
            const ref *to = cells(p, ref_make(index, o), &n_to);
            const ref *from = cells(p, x->storage, &n_from);
            if (to >= from + n_from || from >= to + n_to) continue;
            over[k] = true;
            assert_int_equal(o, 0);
            assert_true(k == allowed || op_table[n->op].flags & OP_INPLACE);
            assert_true(value_is_dense(x) && to == from && !x->offset);
        }
    for (int k = 0; k < n->n_in; k++) assert_true(!over[k] || over[allowed]);
}

/* Every leaf holds itself; STOREs alone may be missing from the steps. */
static void start_memory(const plan *p, const uint8_t *kept) {
    const graph *g = p->g;
    memset(memory, 0, sizeof memory);
    for (uint32_t i = 1; i < g->n_nodes; i++) {
        const enum op_id op = g->nodes[i].op;
        const ref r = ref_make(i, 0);
        if (op_table[op].flags & OP_EFFECT)
            assert_true(kept[i] || op == OP_STORE);
        if (op == OP_CONST && p->places[r].slot != SLOT_CONST)
            continue; /* nobody reads it */
        if (op_table[op].flags & OP_LEAF) put(p, r, r);
    }
}

static void check_inputs(const plan *p, const node *n, const uint8_t *kept) {
    for (int k = 0; k < n->n_in; k++)
        if (n->in[k])
            expect(p, graph_value(p->g, n->in[k])->storage,
                   content(p, n->in[k], kept));
}

/* After the run each state holds its newest version. */
static void check_states(const plan *p, const uint8_t *kept) {
    const graph *g = p->g;
    for (uint32_t i = 1; i < g->n_nodes; i++) {
        const node *n = &g->nodes[i];
        if (op_table[n->op].flags & OP_VIEW) continue;
        for (int k = 0; k < n->n_out; k++) {
            const ref r = ref_make(i, k), s = n->out[k].storage;
            if (graph_node(g, s)->op == OP_STATE && !g->stale[r])
                expect(p, s, content(p, r, kept));
        }
    }
}

static void imitate(const plan *p) {
    uint8_t *kept = mem_alloc(p->g->n_nodes);
    assert_non_null(kept);
    for (uint32_t s = 0; s < p->n_steps; s++) kept[p->steps[s]] = 1;
    start_memory(p, kept);
    for (uint32_t s = 0; s < p->n_steps; s++) {
        const node *n = &p->g->nodes[p->steps[s]];
        check_sharing(p, p->steps[s]);
        check_inputs(p, n, kept);
        for (int k = 0; k < n->n_out; k++)
            put(p, n->out[k].storage, ref_make(p->steps[s], k));
    }
    check_states(p, kept);
    mem_free(kept);
}

/* ---- random graphs ---- */

static uint64_t seed_now, drawn;
static int draw(int n) {
    return (int)(rng_bits(seed_now, 1, drawn++) % (uint64_t)n);
}

enum { MOST_REFS = 400, N_STATES = 4, SIDE = 8 };

typedef struct pool {
    graph *g;
    ref x[MOST_REFS];
    int n;
    ref ids, state[N_STATES];
} pool;

static bool is_stale(const graph *g, ref r) {
    while (op_table[graph_node(g, r)->op].flags & OP_VIEW)
        r = graph_node(g, r)->in[0];
    return g->stale[r];
}

/* A value [SIDE, SIDE] that may still be read; recent ones more often. */
static ref pick(pool *p) {
    for (;;) {
        const int back = draw(2) ? draw(4) : draw(p->n);
        const ref r = p->x[back < p->n ? p->n - 1 - back : 0];
        if (!is_stale(p->g, r)) return r;
    }
}

static ref compute(pool *p) {
    graph *g = p->g;
    const ref a = pick(p), b = pick(p);
    switch (draw(9)) {
    case 0: return graph_unary(g, UNARY_EXP, a);
    case 1: return graph_add(g, a, b);
    case 2: return graph_gated(g, UNARY_SILU, a, b);
    case 3: return graph_matmul(g, a, b, NULL);
    case 4: return graph_transpose(g, a);
    case 5:
        return graph_reshape(g, graph_reshape(g, a, shape1(SIDE * SIDE)),
                             shape2(SIDE, SIDE));
    case 6:
        return graph_broadcast(g, graph_slice(g, a, 0, draw(SIDE), 1),
                               shape2(SIDE, SIDE));
    case 7: return graph_rms_norm(g, a, 0, 1e-5, 0);
    default: {
        const op_attr rows = {.embed = {SIDE}};
        return graph_op(g, OP_EMBED_DW, &rows, (ref[]){p->ids, a, b}, 3);
    }
    }
}

/* The new version, 0 if x may not be written there. */
static ref write_state(pool *p) {
    graph *g = p->g;
    const int i = draw(N_STATES);
    const ref x = pick(p);
    const value *v = graph_value(g, x);
    if (v->storage == graph_value(g, p->state[i])->storage &&
        !value_same_layout(v, graph_value(g, p->state[i])))
        return 0;
    p->state[i] = draw(3) ? graph_store(g, p->state[i], x)
                          : graph_accumulate(g, p->state[i], x);
    return p->state[i];
}

static void random_graph(graph *g, int n) {
    pool p = {.g = g};
    graph_open(g);
    const shape s = shape2(SIDE, SIDE);
    p.x[p.n++] = graph_input(g, "x", AR_F32, s, SLOT_IN, 0);
    p.x[p.n++] = graph_param(g, "w", AR_F32, s, SLOT_W, 0);
    p.ids = graph_input(g, "ids", AR_I32, shape1(SIDE), SLOT_IN, 256);
    for (int i = 0; i < N_STATES; i++)
        p.x[p.n++] = p.state[i] =
            graph_state(g, "s", AR_F32, s, i % 2 ? SLOT_S : SLOT_T, 256 * i);
    const float one[SIDE * SIDE] = {1};
    p.x[p.n++] = graph_const(g, AR_F32, s, one);
    for (int i = 0; i < n; i++) {
        const ref x = draw(4) ? compute(&p) : write_state(&p);
        if (x) p.x[p.n++] = x;
    }
}

void test_plan_random_graphs(void **state) {
    (void)state;
    int dropped = 0;
    for (seed_now = 1; seed_now <= 3000; seed_now++) {
        graph g;
        plan p;
        drawn = 0;
        random_graph(&g, 4 + draw(60));
        assert_ok(graph_status(&g, err));
        assert_ok(plan_build(&p, &g, NULL, NULL, err));
        imitate(&p);
        for (uint32_t i = 1; i < g.n_nodes; i++)
            dropped += g.nodes[i].op == OP_STORE;
        for (uint32_t s = 0; s < p.n_steps; s++)
            dropped -= g.nodes[p.steps[s]].op == OP_STORE;
        plan_close(&p);
        graph_close(&g);
    }
    assert_true(dropped > 1000);
}

/* ---- single facts ---- */

static plan planned(const graph *g) {
    plan p;
    assert_ok(graph_status(g, err));
    assert_ok(plan_build(&p, g, NULL, NULL, err));
    imitate(&p);
    return p;
}

static bool has_step(const plan *p, enum op_id op) {
    for (uint32_t s = 0; s < p->n_steps; s++)
        if (p->g->nodes[p->steps[s]].op == op) return true;
    return false;
}

void test_plan_leaves_out_the_dead(void **state) {
    (void)state;
    graph g;
    graph_open(&g);
    const ref x = graph_input(&g, "x", AR_F32, shape2(8, 8), SLOT_IN, 0);
    const ref out = graph_state(&g, "y", AR_F32, shape2(8, 8), SLOT_S, 128);
    graph_unary(&g, UNARY_EXP, x);
    const ref y = graph_matmul(&g, x, graph_transpose(&g, x), NULL);
    graph_store(&g, out, y);
    plan p = planned(&g);
    assert_int_equal(p.n_steps, 1);
    assert_int_equal(p.steps[0], ref_node(y));
    assert_int_equal(p.block_size, 0);
    assert_int_equal(p.places[y].slot, SLOT_S);
    assert_int_equal(p.places[y].offset, 128);
    assert_int_equal((int64_t)p.flops, 8 * 8 * 8); /* x xT: half of it */
    plan_close(&p);
    graph_close(&g);
}

void test_plan_chain_needs_two_values(void **state) {
    (void)state;
    graph g;
    graph_open(&g);
    const ref w = graph_param(&g, "w", AR_F32, shape2(8, 8), SLOT_W, 0);
    const ref out = graph_state(&g, "y", AR_F32, shape2(8, 8), SLOT_S, 0);
    ref x = graph_input(&g, "x", AR_F32, shape2(8, 8), SLOT_IN, 0);
    for (int i = 0; i < 20; i++) {
        x = graph_matmul(&g, x, w, NULL);
        x = graph_affine(&g, x, 2, 0); /* in place */
        x = graph_add(&g, x, w);       /* in place */
    }
    graph_store(&g, out, graph_transpose(&g, x));
    plan p = planned(&g);
    assert_int_equal(p.n_steps, 61);
    assert_int_equal(p.block_size, 2 * 256);
    assert_true(has_step(&p, OP_STORE));
    plan_close(&p);
    graph_close(&g);
}

void test_plan_in_place_needs_the_last_use(void **state) {
    (void)state;
    graph g;
    graph_open(&g);
    const ref in = graph_input(&g, "x", AR_F32, shape2(8, 8), SLOT_IN, 0);
    const ref out = graph_state(&g, "y", AR_F32, shape2(8, 8), SLOT_S, 0);
    const ref x = graph_matmul(&g, in, in, NULL);
    const ref turned = graph_transpose(&g, x);
    const ref a = graph_unary(&g, UNARY_EXP, x); /* turned is read later */
    const ref b = graph_add(&g, a, turned);      /* over a */
    const ref c = graph_mul(&g, x, turned);      /* x, but also turned */
    const ref d = graph_mul(&g, b, b);           /* over b, read twice alike */
    graph_store(&g, out, graph_transpose(&g, graph_matmul(&g, c, d, NULL)));
    plan p = planned(&g);
    assert_int_not_equal(p.places[a].offset, p.places[x].offset);
    assert_int_equal(p.places[b].offset, p.places[a].offset);
    assert_int_not_equal(p.places[c].offset, p.places[x].offset);
    assert_int_equal(p.places[d].offset, p.places[b].offset);
    plan_close(&p);
    graph_close(&g);
}

void test_plan_store_in_place(void **state) {
    (void)state;
    graph g;
    graph_open(&g);
    const ref x = graph_input(&g, "x", AR_F32, shape2(8, 8), SLOT_IN, 0);
    const ref ema = graph_state(&g, "ema", AR_F32, shape2(8, 8), SLOT_S, 0);
    const ref s = graph_state(&g, "s", AR_F32, shape2(8, 8), SLOT_S, 256);
    const ref t = graph_state(&g, "t", AR_F32, shape2(8, 8), SLOT_S, 512);
    graph_store(&g, ema, graph_axpby(&g, 0.9, ema, 0.1, x)); /* over ema */
    const ref late = graph_axpby(&g, 0.9, x, 0.1, s);        /* not over s */
    graph_store(&g, s, late);
    const ref y = graph_matmul(&g, x, x, NULL); /* t is read before STORE */
    const ref z = graph_matmul(&g, t, y, NULL);
    const ref now = graph_store(&g, t, y);
    graph_accumulate(&g, now, z);
    plan p = planned(&g);
    int stores = 0;
    for (uint32_t i = 0; i < p.n_steps; i++)
        stores += g.nodes[p.steps[i]].op == OP_STORE;
    assert_int_equal(stores, 2);
    assert_int_equal(p.places[late].slot, SLOT_BLOCK);
    assert_int_equal(p.places[y].slot, SLOT_BLOCK);
    plan_close(&p);
    graph_close(&g);
}

void test_plan_embed_gradient_over_its_base(void **state) {
    (void)state;
    graph g;
    graph_open(&g);
    const ref x = graph_input(&g, "x", AR_F32, shape2(8, 8), SLOT_IN, 0);
    const ref ids = graph_input(&g, "i", AR_I32, shape1(8), SLOT_IN, 1024);
    const ref out = graph_state(&g, "y", AR_F32, shape2(8, 8), SLOT_S, 0);
    const ref base = graph_matmul(&g, x, x, NULL);
    const op_attr rows = {.embed = {8}};
    const ref dw = graph_op(&g, OP_EMBED_DW, &rows, (ref[]){ids, x, base}, 3);
    const ref own = graph_op(&g, OP_EMBED_DW, &rows, (ref[]){ids, dw, dw}, 3);
    graph_store(&g, out, graph_transpose(&g, own));
    plan p = planned(&g);
    assert_int_equal(p.places[dw].offset, p.places[base].offset);
    assert_int_not_equal(p.places[own].offset, p.places[dw].offset);
    plan_close(&p);
    graph_close(&g);
}

static size_t work_of(void *device, const graph *g, const node *n) {
    (void)device, (void)g;
    return n->op == OP_MATMUL ? 1000 : 10;
}

void test_plan_totals(void **state) {
    (void)state;
    graph g;
    graph_open(&g);
    const ref x = graph_input(&g, "x", AR_F32, shape2(8, 8), SLOT_IN, 0);
    const ref out = graph_state(&g, "y", AR_F32, shape2(8, 8), SLOT_S, 0);
    const ref two = graph_scalar(&g, AR_F32, 2),
              three = graph_scalar(&g, AR_F32, 3);
    graph_scalar(&g, AR_F32, 4); /* nobody reads it */
    graph_accumulate(
        &g, out,
        graph_mul(&g, graph_matmul(&g, x, x, NULL), graph_mul(&g, two, three)));
    plan p;
    assert_ok(plan_build(&p, &g, work_of, NULL, err));
    imitate(&p);
    assert_int_equal(p.const_size, 128);
    assert_int_equal(p.work_size, 1000);
    assert_int_equal(p.block_size, 256 + 64);
    plan_close(&p);
    graph_close(&g);
}

/* A later pass may leave reads of an old version behind the write. */
void test_plan_reads_before_the_write(void **state) {
    (void)state;
    graph g;
    graph_open(&g);
    const ref x = graph_input(&g, "x", AR_F32, shape2(8, 8), SLOT_IN, 0);
    const ref s = graph_state(&g, "s", AR_F32, shape2(8, 8), SLOT_S, 0);
    const ref t = graph_state(&g, "t", AR_F32, shape2(8, 8), SLOT_S, 256);
    const ref next = graph_accumulate(&g, s, x);
    const ref y = graph_matmul(&g, x, x, NULL);
    const ref last = graph_accumulate(&g, t, y);
    assert_ok(graph_status(&g, err));
    g.nodes[ref_node(y)].in[1] = s; /* the version before `next` */
    plan p;
    assert_ok(plan_build(&p, &g, NULL, NULL, err));
    assert_int_equal(p.n_steps, 3);
    assert_int_equal(p.steps[0], ref_node(y));
    assert_int_equal(p.steps[1], ref_node(next));
    assert_int_equal(p.steps[2], ref_node(last));
    imitate(&p);
    plan_close(&p);
    g.nodes[ref_node(y)].in[0] = next; /* old and new at once */
    assert_fails(AR_RANGE, "a state is read after it was written",
                 plan_build(&p, &g, NULL, NULL, err));
    graph_close(&g);
}

void test_plan_reports_graph_errors(void **state) {
    (void)state;
    graph g;
    plan p;
    graph_open(&g);
    assert_ok(plan_build(&p, &g, NULL, NULL, err));
    assert_int_equal(p.n_steps, 0);
    plan_close(&p);
    graph_copy(&g, 0);
    assert_fails(AR_RANGE, "COPY: input 0 is missing",
                 plan_build(&p, &g, NULL, NULL, err));
    graph_close(&g);
}

void test_plan_out_of_memory(void **state) {
    (void)state;
    graph g;
    plan p;
    seed_now = 5, drawn = 0;
    random_graph(&g, 60);
    mem_fail_at(0, 0);
    assert_ok(plan_build(&p, &g, NULL, NULL, err));
    plan_close(&p);
    const int64_t n = mem_fail_count();
    assert_true(n > 2);
    for (int64_t i = 1; i <= n; i++) {
        mem_fail_at(i, 0);
        const ar_status s = plan_build(&p, &g, NULL, NULL, NULL);
        mem_fail_at(0, 0);
        assert_int_equal(s, AR_NOMEM);
    }
    graph_close(&g);
}

/* 20 000 nodes: nothing may be quadratic but the layout, which is cheap. */
void test_plan_large_graph(void **state) {
    (void)state;
    graph g;
    graph_open(&g);
    const shape s = shape2(SIDE, SIDE);
    const ref w = graph_param(&g, "w", AR_F32, s, SLOT_W, 0);
    const ref out = graph_state(&g, "y", AR_F32, s, SLOT_S, 0);
    ref x = graph_input(&g, "x", AR_F32, s, SLOT_IN, 0);
    enum { DEPTH = 5000 };
    static ref kept[DEPTH];
    for (int i = 0; i < DEPTH; i++) kept[i] = x = graph_matmul(&g, x, w, NULL);
    ref sum = out;
    for (int i = DEPTH; i-- > 0;) {
        x = graph_mul(&g, graph_matmul(&g, x, w, NULL), kept[i]);
        sum = graph_accumulate(&g, sum, x);
    }
    const double start = clock_now();
    plan p;
    assert_ok(plan_build(&p, &g, NULL, NULL, err));
    assert_int_equal(p.n_steps, 4 * DEPTH);
    assert_true(p.block_size <= (DEPTH + 2) * 256);
    assert_true(clock_now() - start < 20); /* seconds; 0.1 as a rule */
    plan_close(&p);
    graph_close(&g);
}
