/* test_ref.c - the plain kernels against values worked out by hand: moving
 * elements, functions of them, sums, norms, products. */
#include "backend/cpu/cpu.h"
#include "tests/cpu/ref_bench.h"

/* f and f' at 1 (and the values at -2 where those are special). */
static const struct {
    int kind;
    double x, y, dy;
} unary_values[] = {
    {UNARY_IDENTITY, -2, -2, 1},
    {UNARY_NEG, -2, 2, -1},
    {UNARY_ABS, -2, 2, -1},
    {UNARY_ABS, 0, 0, 0},
    {UNARY_SIGN, -2, -1, 0},
    {UNARY_SQR, -2, 4, -4},
    {UNARY_SQRT, 4, 2, 0.25},
    {UNARY_RSQRT, 4, 0.5, -0.0625},
    {UNARY_RECIPROCAL, 4, 0.25, -0.0625},
    {UNARY_EXP, 1, 2.718281828459045, 2.718281828459045},
    {UNARY_LOG, 2, 0.6931471805599453, 0.5},
    {UNARY_TANH, 1, 0.7615941559557649, 0.41997434161402614},
    {UNARY_SIGMOID, 1, 0.7310585786300049, 0.19661193324148185},
    {UNARY_SOFTPLUS, 1, 1.3132616875182228, 0.7310585786300049},
    {UNARY_SOFTPLUS, 100, 100, 1},
    {UNARY_RELU, 3, 3, 1},
    {UNARY_RELU, -2, 0, 0},
    {UNARY_RELU_SQR, 3, 9, 6},
    {UNARY_RELU_SQR, -2, 0, 0},
    {UNARY_LEAKY_RELU_SQR, 3, 9, 6},
    {UNARY_LEAKY_RELU_SQR, -2, 1, -1},
    {UNARY_SILU, 1, 0.7310585786300049, 0.9276705118714867},
    {UNARY_GELU, 1, 0.8413447460685429, 1.0833154705876864},
    {UNARY_GELU_TANH, 1, 0.8411919906082768, 1.0829640838457826},
};

static void unary(ref_bench *b) {
    bool seen[UNARY_COUNT] = {0};
    for (size_t i = 0; i < sizeof unary_values / sizeof *unary_values; i++) {
        const double half = unary_values[i].x / 2, slope = unary_values[i].dy;
        op_attr a = {.unary = {unary_values[i].kind, 0, 2, 0}}; /* f(2x) */
        const tensor x = ref_tensor(b, b->real, shape1(1), &half);
        const tensor dy = ref_tensor(b, b->real, shape1(1), LIST(3));
        const tensor y = ref_tensor(b, b->real, shape1(1), NULL);
        CALL1(b, OP_UNARY, &a, x, y);
        ref_expect(b, "unary", &y, &unary_values[i].y);
        CALL2(b, OP_UNARY_DX, &a, x, dy, y);
        ref_expect(b, "unary_dx", &y, LIST(6 * slope));
        seen[unary_values[i].kind] = true;
    }
    for (int k = 0; k < UNARY_COUNT; k++) assert_true(seen[k]);
}

void test_ref_unary(void **state) {
    (void)state;
    ref_bench_each(unary);
}

/* 2a = 2, 2, 6, 6 and -b = -3, 2, 1, 7; a is broadcast along its rows. */
static void binary(ref_bench *b) {
    static const double want[BINARY_COUNT][4] = {
        [BINARY_ADD] = {-1, 4, 7, 13}, [BINARY_SUB] = {5, 0, 5, -1},
        [BINARY_MUL] = {-6, 4, 6, 42}, [BINARY_DIV] = {-2 / 3., 1, 6, 6 / 7.},
        [BINARY_MAX] = {2, 2, 6, 7},   [BINARY_MIN] = {-3, 2, 1, 6},
        [BINARY_GE] = {1, 1, 1, 0},    [BINARY_GT] = {1, 0, 1, 0},
    };
    tensor x = ref_tensor(b, b->real, shape1(2), LIST(1, 3));
    x.rank = 2;
    x.dim[0] = x.dim[1] = 2;
    x.stride[0] = 1, x.stride[1] = 0;
    const tensor z = ref_tensor(b, b->real, shape2(2, 2), LIST(3, -2, -1, -7));
    const tensor y = ref_tensor(b, b->real, shape2(2, 2), NULL);
    for (int kind = 0; kind < BINARY_COUNT; kind++) {
        const op_attr a = {.binary = {kind, 0, 2, -1}};
        CALL2(b, OP_BINARY, &a, x, z, y);
        ref_expect(b, "binary", &y, want[kind]);
    }
}

void test_ref_binary(void **state) {
    (void)state;
    ref_bench_each(binary);
}

static void gated(ref_bench *b) {
    const op_attr a = {.gated = {UNARY_SQR}};
    const tensor g = ref_tensor(b, b->real, shape1(2), LIST(3, -1));
    const tensor u = ref_tensor(b, b->real, shape1(2), LIST(2, 5));
    const tensor dy = ref_tensor(b, b->real, shape1(2), LIST(1, 10));
    const tensor dg = ref_tensor(b, b->real, shape1(2), NULL);
    const tensor du = ref_tensor(b, b->real, shape1(2), NULL);
    CALL2(b, OP_GATED, &a, g, u, dg);
    ref_expect(b, "gated", &dg, LIST(18, 5));
    ref_call(b, OP_GATED_DX, &a, (const tensor[]){g, u, dy}, 3,
             (const tensor[]){dg, du}, 2);
    ref_expect(b, "d gate", &dg, LIST(12, -100));
    ref_expect(b, "d up", &du, LIST(9, 10));
}

void test_ref_gated(void **state) {
    (void)state;
    ref_bench_each(gated);
}

/* Integers that no float or double holds come through unchanged. */
static void move_integers(ref_bench *b) {
    static const int64_t big[4] = {INT64_MAX, INT64_MIN + 1, 1 << 24 | 1, -7};
    tensor x = ref_tensor(b, AR_I64, shape2(2, 2), NULL);
    memcpy(x.data, big, sizeof big);
    tensor turned = x;
    turned.stride[0] = 1, turned.stride[1] = 2;
    const tensor y = ref_tensor(b, AR_I64, shape2(2, 2), NULL);
    const tensor c = ref_tensor(b, AR_BOOL, shape2(2, 2), LIST(1, 0, 0, 1));
    const tensor zero = ref_tensor(b, AR_I64, shape2(2, 2), LIST(0, 0, 0, 0));
    const int64_t *out = y.data;
    CALL1(b, OP_COPY, NULL, turned, y);
    assert_true(out[0] == big[0] && out[1] == big[2] && out[2] == big[1]);
    CALL2(b, OP_STORE, NULL, y, x, y);
    assert_memory_equal(out, big, sizeof big);
    ref_call(b, OP_SELECT, NULL, (const tensor[]){c, x, zero}, 3, &y, 1);
    assert_true(out[0] == big[0] && out[1] == 0 && out[3] == -7);
    const tensor narrow = ref_tensor(b, AR_I8, shape2(2, 2), NULL);
    CALL1(b, OP_CAST, NULL, x, narrow);
    ref_expect(b, "i64 to i8", &narrow, LIST(127, -128, 127, -7));
}

static void cast(ref_bench *b) {
    const tensor x =
        ref_tensor(b, b->real, shape1(5), LIST(2.5, -3.5, 300, -1e10, 0));
    const tensor i = ref_tensor(b, AR_I32, shape1(5), NULL);
    const tensor u = ref_tensor(b, AR_U8, shape1(5), NULL);
    const tensor t = ref_tensor(b, AR_BOOL, shape1(5), NULL);
    const tensor h = ref_tensor(b, AR_BF16, shape1(5), NULL);
    CALL1(b, OP_CAST, NULL, x, i);
    ref_expect(b, "i32", &i, LIST(2, -4, 300, INT32_MIN, 0));
    CALL1(b, OP_CAST, NULL, x, u);
    ref_expect(b, "u8", &u, LIST(2, 0, 255, 0, 0));
    CALL1(b, OP_CAST, NULL, x, t);
    ref_expect(b, "bool", &t, LIST(1, 1, 1, 1, 0));
    CALL1(b, OP_CAST, NULL, x, h);
    ref_expect(b, "bf16", &h, LIST(2.5, -3.5, 300, -9999220736.0, 0));
}

static void concat_and_pad(ref_bench *b) {
    const tensor x = ref_tensor(b, b->real, shape2(2, 1), LIST(1, 2));
    const tensor z = ref_tensor(b, b->real, shape2(2, 2), LIST(3, 4, 5, 6));
    const tensor y = ref_tensor(b, b->real, shape2(2, 3), NULL);
    const tensor p = ref_tensor(b, b->real, shape2(2, 5), NULL);
    op_attr a = {.axis = {1, 0, 0}};
    CALL2(b, OP_CONCAT, &a, x, z, y);
    ref_expect(b, "concat", &y, LIST(1, 3, 4, 2, 5, 6));
    a = (op_attr){.view = {1, 0, {1, 5, 3}}};
    CALL1(b, OP_PAD, &a, z, p);
    ref_expect(b, "pad", &p, LIST(0, 3, 0, 0, 4, 0, 5, 0, 0, 6));
}

void test_ref_move(void **state) {
    (void)state;
    ref_bench_each(move_integers);
    ref_bench_each(cast);
    ref_bench_each(concat_and_pad);
}

static void reduce(ref_bench *b) {
    static const struct {
        int axis;
        shape out;
        double want[REDUCE_COUNT][3];
    } rows[] = {
        {1, {2, {2, 1}}, {{6, 5}, {2, 5 / 3.}, {14, 13}, {3, 3}, {2, 0}}},
        {0,
         {2, {1, 3}},
         {{4, 4, 3}, {2, 2, 1.5}, {10, 8, 9}, {3, 2, 3}, {1, 0, 0}}},
        {-1, {1, {1}}, {{11}, {11 / 6.}, {27}, {3}, {2}}},
    };
    const tensor x =
        ref_tensor(b, b->real, shape2(2, 3), LIST(1, 2, 3, 3, 2, 0));
    for (int i = 0; i < 3; i++)
        for (int kind = 0; kind < REDUCE_COUNT; kind++) {
            const op_attr a = {.reduce = {kind, rows[i].axis, 0}};
            const ar_type t = kind == REDUCE_ARGMAX ? AR_I32 : b->real;
            const tensor y = ref_tensor(b, t, rows[i].out, NULL);
            CALL1(b, OP_REDUCE, &a, x, y);
            ref_expect(b, "reduce", &y, rows[i].want[kind]);
        }
}

/* Squares are added in double if the result is F64: 1 + 2^-60 is lost, but
 * 2^24 + 1 is not. */
static void reduce_wide(ref_bench *b) {
    const tensor x = ref_tensor(b, AR_F32, shape1(2), LIST(4096, 1));
    const tensor y = ref_tensor(b, AR_F64, shape1(1), NULL);
    const op_attr a = {.reduce = {REDUCE_SUM_SQR, 0, AR_F64}};
    CALL1(b, OP_REDUCE, &a, x, y);
    assert_true(ref_value(&y, 0) == 16777217);
}

static void order(ref_bench *b) {
    const tensor x =
        ref_tensor(b, b->real, shape2(2, 4), LIST(1, 5, 5, 2, -1, -3, -2, -1));
    const tensor y = ref_tensor(b, b->real, shape2(2, 3), NULL);
    const tensor i = ref_tensor(b, AR_I32, shape2(2, 3), NULL);
    const tensor z = ref_tensor(b, b->real, shape2(2, 4), NULL);
    op_attr a = {.topk = {3}};
    ref_call(b, OP_TOPK, &a, &x, 1, (const tensor[]){y, i}, 2);
    ref_expect(b, "topk", &y, LIST(5, 5, 2, -1, -1, -2));
    ref_expect(b, "topk index", &i, LIST(1, 2, 3, 0, 3, 2));
    a = (op_attr){.axis = {0, 0, 0}};
    CALL1(b, OP_CUMSUM, &a, x, z);
    ref_expect(b, "cumsum", &z, LIST(1, 6, 11, 13, -1, -4, -6, -7));
    a.axis.n = 1;
    CALL1(b, OP_CUMSUM, &a, x, z);
    ref_expect(b, "cumsum from end", &z, LIST(13, 12, 7, 2, -7, -6, -3, -1));
}

static void gather(ref_bench *b) {
    const tensor x = ref_tensor(b, b->real, shape2(2, 2), LIST(1, 2, 3, 4));
    const tensor i =
        ref_tensor(b, AR_I32, shape2(2, 3), LIST(1, 0, 1, 2, -1, 0));
    const tensor y = ref_tensor(b, b->real, shape2(2, 3), NULL);
    const tensor dy =
        ref_tensor(b, b->real, shape2(2, 3), LIST(1, 2, 4, 8, 16, 32));
    const tensor dx = ref_tensor(b, b->real, shape2(2, 2), NULL);
    const op_attr a = {.axis = {0, 0, 2}};
    CALL2(b, OP_GATHER, NULL, x, i, y);
    ref_expect(b, "gather", &y, LIST(2, 1, 2, 0, 0, 3));
    CALL2(b, OP_GATHER_DX, &a, i, dy, dx);
    ref_expect(b, "gather_dx", &dx, LIST(2, 5, 32, 0));
}

void test_ref_reduce(void **state) {
    (void)state;
    ref_bench_each(reduce);
    ref_bench_each(reduce_wide);
    ref_bench_each(order);
    ref_bench_each(gather);
}

/* exp of 0, log 2, log 3 is 1, 2, 3, also far from 0. */
static void softmax(ref_bench *b) {
    const double l2 = log(2), l3 = log(3);
    const tensor x = ref_tensor(b, b->real, shape2(2, 3),
                                LIST(0, l2, l3, 1000, -1000, 1000));
    const tensor y = ref_tensor(b, b->real, shape2(2, 3), NULL);
    const tensor dy =
        ref_tensor(b, b->real, shape2(2, 3), LIST(6, 0, 0, 1, 5, 3));
    const tensor dx = ref_tensor(b, b->real, shape2(2, 3), NULL);
    CALL1(b, OP_SOFTMAX, NULL, x, y);
    ref_expect(b, "softmax", &y, LIST(1 / 6., 1 / 3., 0.5, 0.5, 0, 0.5));
    CALL2(b, OP_SOFTMAX_DX, NULL, y, dy, dx);
    ref_expect(b, "softmax_dx", &dx, LIST(5 / 6., -1 / 3., -0.5, -0.5, 0, 0.5));
}

/* Row 3, 4: rms sqrt(12.5); row 1, 3: mean 2, deviation 1. */
static void norms(ref_bench *b) {
    const double r = 1 / sqrt(12.5), eps = 0.21;
    const tensor x = ref_tensor(b, b->real, shape2(1, 2), LIST(3, 4));
    const tensor z = ref_tensor(b, b->real, shape2(1, 2), LIST(1, 3));
    const tensor w = ref_tensor(b, b->real, shape1(2), LIST(10, 20));
    const tensor s = ref_tensor(b, b->real, shape1(2), LIST(1, -1));
    const tensor dy = ref_tensor(b, b->real, shape2(1, 2), LIST(2, 5));
    const tensor y = ref_tensor(b, b->real, shape2(1, 2), NULL);
    const tensor dw = ref_tensor(b, b->real, shape1(2), NULL);
    const tensor db = ref_tensor(b, b->real, shape1(2), NULL);
    const tensor none = {0};
    op_attr a = {.norm = {0, 1}};
    CALL1(b, OP_RMS_NORM, &a, x, y);
    ref_expect(b, "rms_norm, no weight", &y, LIST(3 * r, 4 * r));
    CALL2(b, OP_RMS_NORM, &a, x, w, y);
    ref_expect(b, "rms_norm", &y, LIST(33 * r, 84 * r));
    CALL2(b, OP_RMS_NORM_DW, &a, x, dy, dw);
    ref_expect(b, "rms_norm_dw", &dw, LIST(6 * r, 20 * r));
    ref_call(b, OP_RMS_NORM_DX, &a, (const tensor[]){x, none, dy}, 3, &y, 1);
    /* mean(g xh) = 13 r; xh = 3 r, 4 r */
    ref_expect(b, "rms_norm_dx", &y,
               LIST(r * (2 - 39 * r * r), r * (5 - 52 * r * r)));
    a.norm = (struct norm_attr){eps, 0};
    ref_call(b, OP_LAYER_NORM, &a, (const tensor[]){z, w, s}, 3, &y, 1);
    ref_expect(b, "layer_norm", &y, LIST(1 - 10 / 1.1, 20 / 1.1 - 1));
    ref_call(b, OP_LAYER_NORM_DW, &a, (const tensor[]){z, dy}, 2,
             (const tensor[]){dw, db}, 2);
    ref_expect(b, "layer_norm_dw", &dw, LIST(-2 / 1.1, 5 / 1.1));
    ref_expect(b, "layer_norm_db", &db, LIST(2, 5));
    /* g = 20, 100: less the mean, -40, 40; xh mean(g xh) = -/+ 40 / 1.21 */
    ref_call(b, OP_LAYER_NORM_DX, &a, (const tensor[]){z, w, dy}, 3, &y, 1);
    const double d = (40 - 40 / 1.21) / 1.1;
    ref_expect(b, "layer_norm_dx", &y, LIST(-d, d));
}

void test_ref_norm(void **state) {
    (void)state;
    ref_bench_each(softmax);
    ref_bench_each(norms);
}

/* Two products, the second matrix of each transposed in memory; then 9
 * columns, more than are gathered at once. */
static void matmul(ref_bench *b) {
    const tensor x = ref_tensor(b, b->real, shape3(2, 2, 3),
                                LIST(1, 2, 3, 4, 5, 6, 1, 0, 0, 0, 1, 0));
    tensor w = ref_tensor(b, b->real, shape3(2, 2, 3),
                          LIST(1, 0, -1, 2, 2, 2, 7, 8, 9, -7, -8, -9));
    w.dim[1] = 3, w.dim[2] = 2; /* [2, 3, 2] */
    w.stride[1] = 1, w.stride[2] = 3;
    const tensor bias = ref_tensor(b, b->real, shape1(2), LIST(100, 200));
    const tensor y = ref_tensor(b, b->real, shape3(2, 2, 2), NULL);
    op_attr a = {.matmul = {b->real, 0}};
    CALL2(b, OP_MATMUL, &a, x, w, y);
    ref_expect(b, "matmul", &y, LIST(-2, 12, -2, 30, 7, -7, 8, -8));
    ref_call(b, OP_MATMUL, &a, (const tensor[]){x, w, bias}, 3, &y, 1);
    ref_expect(b, "bias", &y, LIST(98, 212, 98, 230, 107, 193, 108, 192));

    const tensor c = ref_tensor(b, b->real, shape2(2, 1), LIST(2, 3));
    const tensor r =
        ref_tensor(b, AR_BF16, shape2(1, 9), LIST(1, 2, 3, 4, 5, 6, 7, 8, 9));
    const tensor z = ref_tensor(b, b->real, shape2(2, 9), NULL);
    CALL2(b, OP_MATMUL, &a, c, r, z);
    ref_expect(
        b, "wide", &z,
        LIST(2, 4, 6, 8, 10, 12, 14, 16, 18, 3, 6, 9, 12, 15, 18, 21, 24, 27));
}

/* 1 + 2^-9 is 1 in bf16 and itself in f16; 1 + 2^-12 is 1 in both. */
static void matmul_rounds(ref_bench *b) {
    const tensor x =
        ref_tensor(b, b->real, shape2(1, 2), LIST(1 + 0x1p-9, 1 + 0x1p-12));
    const tensor one = ref_tensor(b, b->real, shape2(2, 1), LIST(1, 1));
    const tensor y = ref_tensor(b, b->real, shape2(1, 1), NULL);
    op_attr a = {.matmul = {AR_BF16, 0}};
    CALL2(b, OP_MATMUL, &a, x, one, y);
    ref_expect(b, "bf16", &y, LIST(2));
    a.matmul.compute = AR_F16;
    CALL2(b, OP_MATMUL, &a, x, one, y);
    ref_expect(b, "f16", &y, LIST(2 + 0x1p-9));
}

void test_ref_matmul(void **state) {
    (void)state;
    ref_bench_each(matmul);
    ref_bench_each(matmul_rounds);
}
