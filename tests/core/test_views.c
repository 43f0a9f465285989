/* test_views.c - views, composed at random, against a plain copy. */
#include "tests/test.h"

#include "base/rng.h"
#include "core/graph.h"

enum { ELEMENTS = 720, CHAIN = 6, ROUNDS = 4000, MOST = 1 << 14 };

/* What a view should show: an array of indices into the leaf. */
typedef struct picture {
    shape s;
    int32_t at[MOST];
} picture;

static uint64_t drawn;
static int64_t draw(int64_t n) {
    return (int64_t)(rng_bits(7, 0, drawn++) % (uint64_t)n);
}

/* Position i of a dense value of shape s, as coordinates. */
static void unpack(const shape *s, int64_t i, int64_t *c) {
    for (int k = s->rank; k-- > 0; i /= s->dim[k]) c[k] = i % s->dim[k];
}

static int64_t pack(const shape *s, const int64_t *c) {
    int64_t i = 0;
    for (int k = 0; k < s->rank; k++) i = i * s->dim[k] + c[k];
    return i;
}

static void check(const graph *g, ref r, const picture *want) {
    const value *v = graph_value(g, r);
    assert_true(shape_equal(&v->shape, &want->s));
    bool dense = true;
    for (int64_t i = 0; i < shape_count(&v->shape); i++) {
        int64_t c[MAX_DIMS], at = v->offset;
        unpack(&v->shape, i, c);
        for (int k = 0; k < v->shape.rank; k++) at += c[k] * v->stride[k];
        assert_int_equal(at, want->at[i]);
        dense = dense && at == v->offset + i;
    }
    assert_int_equal(value_is_dense(v), dense);
}

static shape random_factors(int64_t count) {
    shape s = {.rank = 1, .dim = {count}};
    const int64_t rank = draw(MAX_DIMS + 1);
    if (!rank) return count == 1 ? (shape){0} : s;
    while (s.rank < rank) {
        int64_t *last = &s.dim[s.rank - 1], f = 1;
        for (int tries = 0; tries < 6; tries++) {
            const int64_t d = 1 + draw(7);
            if (*last % d == 0) f = d;
        }
        const int64_t rest = *last / f;
        *last = f;
        s.dim[s.rank++] = rest;
    }
    return s;
}

static ref reshape(graph *g, ref x, picture *p, bool *copied) {
    const uint32_t before = g->n_nodes;
    p->s = random_factors(shape_count(&p->s));
    const ref y = graph_reshape(g, x, p->s);
    for (uint32_t i = before; i < g->n_nodes; i++)
        *copied = *copied || g->nodes[i].op == OP_COPY;
    return y;
}

static ref permute(graph *g, ref x, picture *p) {
    static picture old;
    old = *p;
    int order[MAX_DIMS] = {0, 1, 2, 3, 4};
    for (int i = p->s.rank; i > 1; i--) {
        const int k = (int)draw(i), t = order[k];
        order[k] = order[i - 1];
        order[i - 1] = t;
    }
    for (int i = 0; i < p->s.rank; i++) p->s.dim[i] = old.s.dim[order[i]];
    for (int64_t i = 0; i < shape_count(&p->s); i++) {
        int64_t c[MAX_DIMS], d[MAX_DIMS];
        unpack(&p->s, i, c);
        for (int k = 0; k < p->s.rank; k++) d[order[k]] = c[k];
        p->at[i] = old.at[pack(&old.s, d)];
    }
    return graph_permute(g, x, order);
}

static ref slice(graph *g, ref x, picture *p) {
    static picture old;
    if (!p->s.rank) return x;
    old = *p;
    const int axis = (int)draw(p->s.rank);
    const int64_t dim = p->s.dim[axis], start = draw(dim), step = 1 + draw(3);
    const int64_t size = 1 + draw((dim - 1 - start) / step + 1);
    p->s.dim[axis] = size;
    for (int64_t i = 0; i < shape_count(&p->s); i++) {
        int64_t c[MAX_DIMS];
        unpack(&p->s, i, c);
        c[axis] = start + c[axis] * step;
        p->at[i] = old.at[pack(&old.s, c)];
    }
    const op_attr a = {.view = {.axis = axis, .v = {start, size, step}}};
    return graph_op(g, OP_SLICE, &a, &x, 1);
}

static ref broadcast(graph *g, ref x, picture *p) {
    static picture old;
    old = *p;
    shape s = p->s;
    if (s.rank < MAX_DIMS && draw(2)) {
        memmove(s.dim + 1, s.dim, (MAX_DIMS - 1) * sizeof *s.dim);
        s.dim[0] = 1 + draw(3);
        s.rank++;
    }
    for (int i = 0; i < s.rank; i++)
        if (s.dim[i] == 1) s.dim[i] = 1 + draw(3);
    if (shape_count(&s) > MOST) return x;
    p->s = s;
    const int shift = s.rank - old.s.rank;
    for (int64_t i = 0; i < shape_count(&s); i++) {
        int64_t c[MAX_DIMS], d[MAX_DIMS];
        unpack(&s, i, c);
        for (int k = 0; k < old.s.rank; k++)
            d[k] = old.s.dim[k] == 1 ? 0 : c[k + shift];
        p->at[i] = old.at[pack(&old.s, d)];
    }
    return graph_broadcast(g, x, s);
}

void test_views_compose(void **state) {
    (void)state;
    static picture p;
    int copies = 0, reshapes = 0;
    for (int round = 0; round < ROUNDS; round++) {
        graph g;
        graph_open(&g);
        p.s = random_factors(ELEMENTS);
        for (int i = 0; i < ELEMENTS; i++) p.at[i] = i;
        ref x = graph_input(&g, "x", AR_F32, p.s, 0, 0);
        bool copied = false;
        for (int i = 0; i < CHAIN && !copied; i++) {
            switch (draw(4)) {
            case 0:
                x = reshape(&g, x, &p, &copied);
                reshapes++;
                break;
            case 1: x = permute(&g, x, &p); break;
            case 2: x = slice(&g, x, &p); break;
            default: x = broadcast(&g, x, &p);
            }
            assert_ok(graph_status(&g, err));
            if (!copied) check(&g, x, &p);
        }
        copies += copied;
        graph_close(&g);
    }
    assert_in_range(copies, 1, reshapes - 1);
}

/* Where a regular pattern exists, RESHAPE must find it without a copy. */
void test_views_reshape_without_copy(void **state) {
    (void)state;
    graph g;
    graph_open(&g);
    const ref x = graph_input(&g, "x", AR_F32, shape3(4, 6, 10), 0, 0);
    const ref rows = graph_slice(&g, x, 1, 2, 3); /* [4, 3, 10] */
    const ref a = graph_reshape(&g, rows, shape4(2, 2, 15, 2));
    assert_int_equal(graph_value(&g, a)->storage, x);
    assert_int_equal(graph_value(&g, a)->offset, 20);
    assert_int_equal(graph_value(&g, a)->stride[0], 120);
    assert_int_equal(graph_value(&g, a)->stride[2], 2);
    const ref one = graph_input(&g, "y", AR_F32, shape3(1, 10, 1), 0, 0);
    const ref many = graph_broadcast(&g, one, shape3(4, 10, 6));
    const ref b = graph_reshape(&g, many, (shape){5, {2, 2, 10, 3, 2}});
    assert_int_equal(graph_value(&g, b)->storage, one);
    const ref wide =
        graph_broadcast(&g, graph_scalar(&g, AR_F32, 1), shape3(4, 10, 6));
    const ref c = graph_reshape(&g, wide, shape1(240));
    assert_int_equal(graph_node(&g, c)->op, OP_RESHAPE);
    assert_int_equal(graph_value(&g, c)->stride[0], 0);
    const ref turned = graph_transpose(&g, x);
    const ref d = graph_reshape(&g, turned, shape2(40, 6));
    assert_int_not_equal(graph_value(&g, d)->storage, x);
    const ref none =
        graph_reshape(&g, graph_slice(&g, x, 0, 1, 1), shape4(1, 60, 1, 1));
    assert_int_equal(graph_value(&g, none)->storage, x);
    assert_ok(graph_status(&g, err));
    graph_op(&g, OP_RESHAPE, &(op_attr){.view = {.axis = 1, .v = {240}}},
             &turned, 1);
    assert_fails(AR_SHAPE, "RESHAPE: [4, 10, 6] to [240] takes a copy",
                 graph_status(&g, err));
    graph_close(&g);
}

void test_views_split(void **state) {
    (void)state;
    graph g;
    graph_open(&g);
    const ref x = graph_input(&g, "x", AR_F32, shape2(3, 12), 0, 0);
    const ref q = graph_split(&g, x, 1, (int64_t[]){6, 4, 2}, 3);
    const value *v = graph_value(&g, graph_output(&g, q, 2));
    assert_int_equal(v->offset, 10);
    assert_int_equal(v->stride[0], 12);
    assert_int_equal(v->shape.dim[1], 2);
    assert_int_equal(graph_output(&g, q, 3), 0);
    assert_false(value_is_dense(v));
    graph_split(&g, x, 1, (int64_t[]){6, 4}, 2);
    assert_fails(AR_SHAPE,
                 "SPLIT: parts of 6, 4, 0, 0 along axis 1 do not make "
                 "[3, 12]",
                 graph_status(&g, err));
    graph_close(&g);
}

void test_views_that_change_nothing(void **state) {
    (void)state;
    graph g;
    graph_open(&g);
    const ref x = graph_input(&g, "x", AR_F32, shape2(3, 12), 0, 0);
    assert_int_equal(graph_reshape(&g, x, shape2(3, 12)), x);
    assert_int_equal(graph_permute(&g, x, (int[]){0, 1}), x);
    assert_int_equal(graph_slice(&g, x, 1, 0, 12), x);
    assert_int_equal(graph_broadcast(&g, x, shape2(3, 12)), x);
    assert_int_equal(graph_cast(&g, x, AR_F32), x);
    graph_close(&g);
}

void test_views_errors(void **state) {
    (void)state;
    static const struct {
        enum op_id op;
        struct view_attr a;
        const char *word;
    } rows[] = {
        {OP_RESHAPE, {1, 0, {35}}, "RESHAPE: [3, 12] to [35]: 36 and 35"},
        {OP_RESHAPE, {6, 0, {36}}, "6 dimensions"},
        {OP_RESHAPE, {2, 0, {-3, -12}}, "must be positive"},
        {OP_PERMUTE, {0, 0, {1, 1}}, "PERMUTE: not an order"},
        {OP_PERMUTE, {0, 0, {-1, 0}}, "PERMUTE: not an order"},
        {OP_SLICE, {2, 0, {0, 1, 1}}, "SLICE: [3, 12] has no axis 2"},
        {OP_SLICE, {1, 0, {5, 5, 2}}, "SLICE: 5 elements from 5 in steps of 2"},
        {OP_SLICE, {1, 0, {INT64_MAX, 2, 1}}, "do not fit"},
        {OP_SLICE, {1, 0, {0, INT64_MAX, 1}}, "do not fit"},
        {OP_SPLIT, {-1, 0, {3}}, "SPLIT: [3, 12] has no axis -1"},
        {OP_SPLIT, {0, 0, {-1, 4}}, "do not make"},
        {OP_BROADCAST, {1, 0, {12}}, "BROADCAST: [3, 12] does not repeat"},
        {OP_BROADCAST, {2, 0, {6, 12}}, "BROADCAST: [3, 12] does not repeat"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        graph g;
        graph_open(&g);
        const ref x = graph_input(&g, "x", AR_F32, shape2(3, 12), 0, 0);
        const op_attr a = {.view = rows[i].a};
        assert_int_equal(graph_op(&g, rows[i].op, &a, &x, 1), 0);
        assert_fails(graph_status(&g, NULL), rows[i].word,
                     graph_status(&g, err));
        graph_close(&g);
    }
}
