/* test_ref_lm.c - the plain kernels of language models, of state and of
 * randomness, against values worked out by hand or by a direct formula. */
#include "backend/cpu/cpu.h"
#include "base/rng.h"
#include "tests/cpu/ref_bench.h"

static void embed(ref_bench *b) {
    const tensor w =
        ref_tensor(b, AR_BF16, shape2(3, 2), LIST(1, 2, 3, 4, 5, 6));
    const tensor ids = ref_tensor(b, AR_I32, shape1(5), LIST(2, 0, -1, 3, 2));
    const tensor y = ref_tensor(b, AR_BF16, shape2(5, 2), NULL);
    const tensor dy = ref_tensor(b, b->real, shape2(5, 2),
                                 LIST(1, 2, 3, 4, 5, 6, 7, 8, 10, 20));
    const tensor dw =
        ref_tensor(b, b->real, shape2(3, 2), LIST(1, 1, 1, 1, 1, 1));
    const op_attr a = {.embed = {3}};
    CALL2(b, OP_EMBED, NULL, w, ids, y);
    ref_expect(b, "embed", &y, LIST(5, 6, 1, 2, 0, 0, 0, 0, 5, 6));
    ref_call(b, OP_EMBED_DW, &a, (const tensor[]){ids, dy, dw}, 3, &dw, 1);
    ref_expect(b, "onto base", &dw, LIST(4, 5, 1, 1, 12, 23));
    CALL2(b, OP_EMBED_DW, &a, ids, dy, dw);
    ref_expect(b, "embed_dw", &dw, LIST(3, 4, 0, 0, 11, 22));
}

/* A turn by 90 degrees takes (a, b) to (-b, a); the fifth element stays. */
static void rope(ref_bench *b) {
    const double right = 1.5707963267948966;
    const tensor n = ref_tensor(b, AR_I32, shape1(2), LIST(1, 1000001));
    const tensor f = ref_tensor(b, AR_F64, shape1(2), LIST(right, 0));
    const tensor c = ref_tensor(b, b->real, shape2(2, 2), NULL);
    const tensor s = ref_tensor(b, b->real, shape2(2, 2), NULL);
    op_attr a = {.rope_table = {0.5, (int32_t)b->real, 0}};
    ref_call(b, OP_ROPE_TABLE, &a, (const tensor[]){n, f}, 2,
             (const tensor[]){c, s}, 2);
    for (int i = 0; i < 2; i++) {
        assert_near(ref_value(&c, 2 * i), 0, 1e-9);
        assert_near(ref_value(&s, 2 * i), 0.5, 1e-9);
        assert_near(ref_value(&c, 2 * i + 1), 0.5, 0);
        assert_near(ref_value(&s, 2 * i + 1), 0, 0);
    }
    const tensor cosines =
        ref_tensor(b, b->real, shape2(2, 2), LIST(0, 1, 1, 0));
    const tensor sines = ref_tensor(b, b->real, shape2(2, 2), LIST(1, 0, 0, 1));
    const tensor x = ref_tensor(b, b->real, shape3(2, 1, 5),
                                LIST(1, 2, 3, 4, 5, 6, 7, 8, 9, 10));
    const tensor y = ref_tensor(b, b->real, shape3(2, 1, 5), NULL);
    const tensor in[] = {x, cosines, sines};
    a = (op_attr){.rope = {0, 0}};
    ref_call(b, OP_ROPE, &a, in, 3, &y, 1);
    ref_expect(b, "halves", &y, LIST(-3, 2, 1, 4, 5, 6, -9, 8, 7, 10));
    a.rope.interleaved = 1;
    ref_call(b, OP_ROPE, &a, in, 3, &y, 1);
    ref_expect(b, "pairs", &y, LIST(-2, 1, 3, 4, 5, 6, 7, -9, 8, 10));
    a.rope.inverse = 1;
    ref_call(b, OP_ROPE, &a, in, 3, &y, 1);
    ref_expect(b, "back", &y, LIST(2, -1, 3, 4, 5, 6, 7, 9, -8, 10));
}

void test_ref_embed(void **state) {
    (void)state;
    ref_bench_each(embed);
    ref_bench_each(rope);
}

/* The formula as it is written in papers: all scores, mask, softmax, sum. */
enum { B = 2, T = 5, H = 4, D = 3, S = 7, G = 2, E = 2 };

static void plain_attention(const struct attention_attr *a, const double *q,
                            const double *k, const double *v, double *o,
                            double *lse) {
    for (int r = 0; r < B * T * H; r++) {
        const int h = r % H, i = r / H % T, bi = r / H / T;
        double p[S], sum = 0;
        for (int e = 0; e < E; e++) o[r * E + e] = 0;
        for (int j = 0; j < S; j++) {
            const int kv = (bi * S + j) * G + h / (H / G);
            double s = 0;
            for (int d = 0; d < D; d++) s += q[r * D + d] * k[kv * D + d];
            s *= a->scale;
            if (a->softcap > 0) s = a->softcap * tanh(s / a->softcap);
            const int ahead = j - (i + S - T);
            const bool seen = (!a->causal || ahead <= 0) &&
                              (!a->window || -ahead < a->window);
            p[j] = seen ? exp(s) : 0;
            sum += p[j];
            for (int e = 0; e < E; e++) o[r * E + e] += p[j] * v[kv * E + e];
        }
        for (int e = 0; e < E; e++) o[r * E + e] /= sum;
        lse[(bi * H + h) * T + i] = log(sum);
    }
}

static const struct attention_attr kinds[] = {
    {1, 0, 0, 0, 0}, {0.7, 0, 0, 1, 0}, {2, 0, 3, 1, 0}, {1, 1.5, 2, 1, 0}};

static void attention(ref_bench *b) {
    double q[B * T * H * D], k[B * S * G * D], v[B * S * G * E];
    double o[B * T * H * E], lse[B * H * T];
    ref_fill(q, B * T * H * D, 1);
    ref_fill(k, B * S * G * D, 2);
    ref_fill(v, B * S * G * E, 3);
    const tensor in[] = {ref_tensor(b, b->real, shape4(B, T, H, D), q),
                         ref_tensor(b, b->real, shape4(B, S, G, D), k),
                         ref_tensor(b, b->real, shape4(B, S, G, E), v)};
    const tensor out[] = {ref_tensor(b, b->real, shape4(B, T, H, E), NULL),
                          ref_tensor(b, b->real, shape3(B, H, T), NULL)};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const op_attr a = {.attention = kinds[i]};
        ref_call(b, OP_ATTENTION, &a, in, 3, out, 2);
        plain_attention(&kinds[i], q, k, v, o, lse);
        ref_expect(b, "attention", &out[0], o);
        ref_expect(b, "lse", &out[1], lse);
    }
}

/* One query, one key: o = v whatever the score, so only dv = do is not 0. */
static void attention_gradient(ref_bench *b) {
    const shape one = shape4(1, 1, 1, 1);
    const op_attr a = {.attention = {.scale = 1}};
    const tensor q = ref_tensor(b, b->real, one, LIST(0.5));
    const tensor k = ref_tensor(b, b->real, shape4(1, 2, 1, 1), LIST(2, 2));
    const tensor v = ref_tensor(b, b->real, shape4(1, 2, 1, 1), LIST(1, 5));
    const tensor o = ref_tensor(b, b->real, one, LIST(3));
    const tensor lse =
        ref_tensor(b, b->real, shape3(1, 1, 1), LIST(1 + log(2)));
    const tensor d = ref_tensor(b, b->real, one, LIST(8));
    const tensor dq = ref_tensor(b, b->real, one, NULL);
    const tensor dk = ref_tensor(b, b->real, shape4(1, 2, 1, 1), NULL);
    const tensor dv = ref_tensor(b, b->real, shape4(1, 2, 1, 1), NULL);
    ref_call(b, OP_ATTENTION_DQKV, &a, (const tensor[]){q, k, v, o, lse, d}, 6,
             (const tensor[]){dq, dk, dv}, 3);
    /* p = 1/2, ds = 1/2 (8 v - 24) = -8, 8 */
    ref_expect(b, "dq", &dq, LIST(0));
    ref_expect(b, "dk", &dk, LIST(-4, 4));
    ref_expect(b, "dv", &dv, LIST(4, 4));
}

/* Keys 0 to 6 of each sequence in pages of 4 that lie in any order give what
 * the same keys give side by side; dead rows give zeros. */
static void attention_paged(ref_bench *b) {
    enum { PAGE = 4, N_PAGES = 5 };
    static const int table[B][2] = {{3, 0}, {1, 4}};
    double q[B * T * H * D], k[B * S * G * D], v[B * S * G * E];
    double o[B * T * H * E], lse[B * H * T], want[3 * H * E] = {0};
    double pk[N_PAGES * PAGE * G * D], pv[N_PAGES * PAGE * G * E];
    ref_fill(q, B * T * H * D, 1);
    ref_fill(k, B * S * G * D, 2);
    ref_fill(v, B * S * G * E, 3);
    ref_fill(pk, N_PAGES * PAGE * G * D, 4);
    ref_fill(pv, N_PAGES * PAGE * G * E, 5);
    for (int r = 0; r < B * S * G; r++) {
        const int g = r % G, j = r / G % S, bi = r / G / S;
        const int to = (table[bi][j / PAGE] * PAGE + j % PAGE) * G + g;
        for (int d = 0; d < D; d++) pk[to * D + d] = k[r * D + d];
        for (int e = 0; e < E; e++) pv[to * E + e] = v[r * E + e];
    }
    /* rows: sequence 1, query 4 (position 6); dead; sequence 0, query 1 (3) */
    double rows[3 * H * D];
    memcpy(rows, q + (T + 4) * H * D, sizeof rows / 3);
    memcpy(rows + H * D, q, sizeof rows / 3);
    memcpy(rows + 2 * H * D, q + H * D, sizeof rows / 3);
    const tensor in[] = {
        ref_tensor(b, b->real, shape3(3, H, D), rows),
        ref_tensor(b, b->real, shape4(N_PAGES, PAGE, G, D), pk),
        ref_tensor(b, b->real, shape4(N_PAGES, PAGE, G, E), pv),
        ref_tensor(b, AR_I32, shape2(B, 2), LIST(3, 0, 1, 4)),
        ref_tensor(b, AR_I32, shape1(3), LIST(1, -1, 0)),
        ref_tensor(b, AR_I32, shape1(3), LIST(6, 2, 3))};
    const tensor out = ref_tensor(b, b->real, shape3(3, H, E), NULL);
    for (size_t i = 1; i < sizeof kinds / sizeof *kinds; i++) { /* causal */
        const struct attention_attr *f = &kinds[i];
        const op_attr a = {.paged = {f->scale, f->softcap, f->window, PAGE}};
        ref_call(b, OP_ATTENTION_PAGED, &a, in, 6, &out, 1);
        plain_attention(f, q, k, v, o, lse);
        memcpy(want, o + (T + 4) * H * E, sizeof want / 3);
        memcpy(want + 2 * H * E, o + H * E, sizeof want / 3);
        ref_expect(b, "paged", &out, want);
    }
}

void test_ref_attention(void **state) {
    (void)state;
    ref_bench_each(attention);
    ref_bench_each(attention_gradient);
    ref_bench_each(attention_paged);
}

/* Logits 0, log 3 for x = 1; the second row is ignored. */
static void xent(ref_bench *b) {
    const double l3 = log(3);
    const tensor x = ref_tensor(b, b->real, shape2(3, 1), LIST(1, 5, 1));
    const tensor w = ref_tensor(b, b->real, shape2(2, 1), LIST(0, l3));
    const tensor t = ref_tensor(b, AR_I32, shape1(3), LIST(0, -1, 1));
    const tensor y = ref_tensor(b, b->real, shape1(3), NULL);
    const tensor g = ref_tensor(b, b->real, shape1(3), LIST(4, 1, 8));
    const tensor dx = ref_tensor(b, b->real, shape2(3, 1), NULL);
    const tensor dw = ref_tensor(b, b->real, shape2(2, 1), NULL);
    const op_attr a = {.xent = {0, b->real, 0}};
    ref_call(b, OP_XENT, &a, (const tensor[]){x, w, t}, 3, &y, 1);
    ref_expect(b, "xent", &y, LIST(log(0.25), 0, log(0.75)));
    ref_call(b, OP_XENT_DXW, &a, (const tensor[]){x, w, t, g}, 4,
             (const tensor[]){dx, dw, y}, 3);
    /* dz = 4 (3/4, -3/4) and 8 (-1/4, 1/4) */
    ref_expect(b, "dx", &dx, LIST(-3 * l3, 0, 2 * l3));
    ref_expect(b, "dw", &dw, LIST(1, -1));
    ref_expect(b, "logp", &y, LIST(log(0.25), 0, log(0.75)));
}

/* The cap bends the logits z to c tanh(z / c), and the slope with them. */
static void xent_softcap(ref_bench *b) {
    const double z = 2 * tanh(0.5), p = 1 / (1 + exp(-z));
    const double bend = 1 - tanh(0.5) * tanh(0.5);
    const tensor x = ref_tensor(b, b->real, shape2(1, 1), LIST(1));
    const tensor w = ref_tensor(b, b->real, shape2(2, 1), LIST(0, 1));
    const tensor t = ref_tensor(b, AR_I32, shape1(1), LIST(1));
    const tensor y = ref_tensor(b, b->real, shape1(1), NULL);
    const tensor g = ref_tensor(b, b->real, shape1(1), LIST(1));
    const tensor dx = ref_tensor(b, b->real, shape2(1, 1), NULL);
    const tensor dw = ref_tensor(b, b->real, shape2(2, 1), NULL);
    const op_attr a = {.xent = {2, b->real, 0}};
    ref_call(b, OP_XENT_DXW, &a, (const tensor[]){x, w, t, g}, 4,
             (const tensor[]){dx, dw, y}, 3);
    ref_expect(b, "logp", &y, LIST(log(p)));
    ref_expect(b, "dx", &dx, LIST((1 - p) * bend));
    ref_expect(b, "dw", &dw, LIST(p - 1, (1 - p) * bend));
}

void test_ref_xent(void **state) {
    (void)state;
    ref_bench_each(xent);
    ref_bench_each(xent_softcap);
}

static void store_and_add(ref_bench *b) {
    const tensor s =
        ref_tensor(b, b->real, shape2(3, 2), LIST(1, 2, 3, 4, 5, 6));
    const tensor x =
        ref_tensor(b, b->real, shape2(3, 2), LIST(9, 8, 7, 6, 5, 4));
    const tensor i = ref_tensor(b, AR_I32, shape1(3), LIST(2, 3, 0));
    const tensor n = ref_tensor(b, AR_I64, shape1(1), NULL);
    const tensor m = ref_tensor(b, AR_I64, shape1(1), LIST(1));
    CALL2(b, OP_ACCUMULATE, NULL, s, x, s);
    ref_expect(b, "accumulate", &s, LIST(10, 10, 10, 10, 10, 10));
    ref_call(b, OP_STORE_ROWS, NULL, (const tensor[]){s, i, x}, 3, &s, 1);
    ref_expect(b, "store_rows", &s, LIST(5, 4, 10, 10, 9, 8));
    CALL2(b, OP_STORE, NULL, s, x, s);
    ref_expect(b, "store", &s, LIST(9, 8, 7, 6, 5, 4));
    *(int64_t *)n.data = (int64_t)1 << 60;
    CALL2(b, OP_ACCUMULATE, NULL, n, m, n);
    assert_true(*(int64_t *)n.data == ((int64_t)1 << 60 | 1));
}

static void random_numbers(ref_bench *b) {
    const tensor seed = ref_tensor(b, AR_I64, shape1(2), LIST(42, 1000));
    const tensor y = ref_tensor(b, b->real, shape2(2, 2), NULL);
    double want[4];
    for (int kind = 0; kind < 2; kind++) {
        const op_attr a = {.random = {kind, (int32_t)b->real, 9, shape2(2, 2)}};
        for (int i = 0; i < 4; i++)
            want[i] = kind == RANDOM_NORMAL
                          ? rng_normal(42, 9, 1000 + (uint64_t)i)
                          : rng_uniform(42, 9, 1000 + (uint64_t)i);
        CALL1(b, OP_RANDOM, &a, seed, y);
        ref_expect(b, "random", &y, want);
    }
}

/* Two steps of each from p = 1, m = v = 0 with gradients 2 x 0.5, 2 x -0.25. */
static void sgd(ref_bench *b) {
    const tensor p = ref_tensor(b, b->real, shape1(1), LIST(1));
    const tensor m = ref_tensor(b, b->real, shape1(1), LIST(NAN));
    const tensor g = ref_tensor(b, b->real, shape1(1), LIST(0.5));
    const tensor d = ref_tensor(b, b->real, shape1(1), LIST(-0.25));
    const tensor h =
        ref_tensor(b, AR_F64, shape1(8), LIST(0.1, 0.5, 0.01, 2, 1, 0, 0, 0));
    op_attr a = {.sgd = {0}};
    const tensor out[] = {p, m};
    ref_call(b, OP_OPT_SGD, &a, (const tensor[]){p, g, m, h}, 4, out, 2);
    ref_expect(b, "m", &m, LIST(1.01));
    ref_expect(b, "p", &p, LIST(0.899));
    ((double *)h.data)[4] = 0;
    a.sgd.nesterov = 1;
    ref_call(b, OP_OPT_SGD, &a, (const tensor[]){p, d, m, h}, 4, out, 2);
    const double decayed = -0.5 + 0.01 * 0.899, mean = 0.505 + decayed;
    ref_expect(b, "m", &m, LIST(mean));
    ref_expect(b, "p", &p, LIST(0.899 - 0.1 * (decayed + 0.5 * mean)));
}

static void adamw(ref_bench *b) {
    const tensor p = ref_tensor(b, b->real, shape1(1), LIST(1));
    const tensor m = ref_tensor(b, b->real, shape1(1), LIST(0));
    const tensor v = ref_tensor(b, b->real, shape1(1), LIST(0));
    const tensor g = ref_tensor(b, b->real, shape1(1), LIST(0.5));
    const tensor h = ref_tensor(b, AR_F64, shape1(8),
                                LIST(0.1, 0.9, 0.99, 0.25, 0.01, 0.1, 0.01, 2));
    const tensor out[] = {p, m, v};
    ref_call(b, OP_OPT_ADAMW, NULL, (const tensor[]){p, g, m, v, h}, 5, out, 3);
    ref_expect(b, "m", &m, LIST(0.1));
    ref_expect(b, "v", &v, LIST(0.01));
    /* corrected moments 1 and 1: p = 0.999 - 0.1 / (1 + 0.25) */
    ref_expect(b, "p", &p, LIST(0.919));
}

static void lion(ref_bench *b) {
    const tensor p = ref_tensor(b, b->real, shape1(3), LIST(1, 1, 1));
    const tensor m = ref_tensor(b, b->real, shape1(3), LIST(1, -1, 0));
    const tensor g = ref_tensor(b, b->real, shape1(3), LIST(-1, -1, 0));
    const tensor h =
        ref_tensor(b, AR_F64, shape1(8), LIST(0.1, 0.9, 0.5, 0.01, 2, 0, 0, 0));
    const tensor out[] = {p, m};
    ref_call(b, OP_OPT_LION, NULL, (const tensor[]){p, g, m, h}, 4, out, 2);
    ref_expect(b, "p", &p, LIST(0.899, 1.099, 0.999));
    ref_expect(b, "m", &m, LIST(-0.5, -1.5, 0));
}

void test_ref_state(void **state) {
    (void)state;
    ref_bench_each(store_and_add);
    ref_bench_each(random_numbers);
    ref_bench_each(sgd);
    ref_bench_each(adamw);
    ref_bench_each(lion);
}

/* Dimensions of size 0: sums over nothing are 0, and nothing else is written
 * or read. */
static void empty(ref_bench *b) {
    const tensor none = ref_tensor(b, b->real, shape2(0, 3), NULL);
    const tensor thin = ref_tensor(b, b->real, shape2(3, 0), NULL);
    const tensor ids = ref_tensor(b, AR_I32, shape1(0), NULL);
    const tensor y = ref_tensor(b, b->real, shape2(3, 3), NULL);
    const tensor w = ref_tensor(b, b->real, shape2(3, 3), NULL);
    const tensor line = ref_tensor(b, b->real, shape2(1, 3), NULL);
    const tensor row = ref_tensor(b, b->real, shape1(3), NULL);
    const double zeros[9] = {0};
    op_attr a = {0};
    CALL1(b, OP_COPY, &a, none, none);
    CALL1(b, OP_SOFTMAX, &a, thin, thin);
    CALL1(b, OP_RMS_NORM, &a, none, none);
    CALL2(b, OP_MATMUL, &a, none, w, none);
    CALL2(b, OP_MATMUL, &a, thin, none, y);
    ref_expect(b, "product over nothing", &y, zeros);
    CALL1(b, OP_REDUCE, &a, none, line);
    ref_expect(b, "sum of nothing", &line, zeros);
    CALL2(b, OP_RMS_NORM_DW, &a, none, none, row);
    ref_expect(b, "no rows", &row, zeros);
    a.embed.rows = 3;
    CALL2(b, OP_EMBED_DW, &a, ids, none, y);
    ref_expect(b, "no ids", &y, zeros);
    CALL2(b, OP_EMBED, &a, w, ids, none);
    a = (op_attr){0};
    const tensor rows = ref_tensor(b, b->real, shape1(0), NULL);
    ref_call(b, OP_XENT_DXW, &a, (const tensor[]){none, w, ids, rows}, 4,
             (const tensor[]){none, y, rows}, 3);
    ref_expect(b, "no targets", &y, zeros);
}

/* Without keys a query has nothing to look at: zeros, log 0. */
static void empty_attention(ref_bench *b) {
    const tensor q = ref_tensor(b, b->real, shape4(1, 2, 1, 1), LIST(1, 2));
    const tensor k = ref_tensor(b, b->real, shape4(1, 0, 1, 1), NULL);
    const tensor o = ref_tensor(b, b->real, shape4(1, 2, 1, 1), NULL);
    const tensor lse = ref_tensor(b, b->real, shape3(1, 1, 2), NULL);
    const op_attr a = {.attention = {.scale = 1}};
    ref_call(b, OP_ATTENTION, &a, (const tensor[]){q, k, k}, 3,
             (const tensor[]){o, lse}, 2);
    ref_expect(b, "o", &o, LIST(0, 0));
    ref_expect(b, "lse", &lse, LIST(-INFINITY, -INFINITY));
    ref_call(b, OP_ATTENTION_DQKV, &a, (const tensor[]){q, k, k, o, lse, q}, 6,
             (const tensor[]){o, k, k}, 3);
    ref_expect(b, "dq", &o, LIST(0, 0));
}

void test_ref_empty(void **state) {
    (void)state;
    ref_bench_each(empty);
    ref_bench_each(empty_attention);
}
