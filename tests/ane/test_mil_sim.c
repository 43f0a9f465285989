/* test_mil_sim.c - what operations compute, against coremltools, torch and
 * NumPy; whole programs; what is refused. */
#include <math.h>
#include <stdlib.h>

#include "backend/ane/mil_sim.h"
#include "backend/ane/mil_check.h"
#include "base/file.h"
#include "base/mem.h"
#include "quant/quant.h"
#include "tests/test.h"

enum { MOST = 64 };

static size_t bytes_of(const mil_func *f, mil_ref r) {
    return mil_size(&mil_get(f, r)->type);
}

/* Element i of what a run gave. */
static double element(const mil_type *t, const unsigned char *p, int64_t i) {
    float f;
    int32_t n;
    switch (t->dtype) {
    case MIL_FP16: return f16_to_f32((uint16_t)(p[2 * i] | p[2 * i + 1] << 8));
    case MIL_FP32: memcpy(&f, p + 4 * i, sizeof f); return f;
    case MIL_INT32: memcpy(&n, p + 4 * i, sizeof n); return n;
    case MIL_UINT16: return p[2 * i] | p[2 * i + 1] << 8;
    case MIL_INT16: return (int16_t)(p[2 * i] | p[2 * i + 1] << 8);
    case MIL_INT8: return (signed char)p[i];
    default: return p[i];
    }
}

/* Worst difference in units of the allowed one. */
static double compare(const mil_type *t, const void *got, const void *want,
                      double tolerance) {
    double worst = 0;
    for (int64_t i = 0; i < mil_count(t); i++) {
        const double x = element(t, got, i), y = element(t, want, i);
        const bool whole = t->dtype != MIL_FP16 && t->dtype != MIL_FP32;
        const double rough = t->dtype == MIL_FP16 && tolerance < 3e-3
                                 ? 3e-3 /* the oracle counts in fp16, too */
                                 : tolerance;
        const double room = whole ? 0.5 : rough * (1 + fabs(y));
        const double off = x == y ? 0 : fabs(x - y) / room;
        if (!(off <= worst)) worst = off;
    }
    return worst;
}

/* Runs the one function of a program on packed arguments at *data and
 * compares its results with those behind; *data is moved on. */
static double run_case(const char *source, size_t size, int level,
                       const unsigned char **data, double tolerance) {
    mil_program *p;
    mil_sim *s;
    text t = {0};
    ar_error err = {0};
    mil_sim_options opt = mil_sim_options_default();
    const void *in[MOST];
    void *out[MOST];
    double worst = 0;
    opt.level = level;
    opt.n_threads = 1;
    text_adds(&t, "program(1.3) {");
    text_add(&t, source, size);
    text_adds(&t, "}");
    if (mil_parse("case", t.data, t.size, &p, &err) != AR_OK ||
        mil_sim_open("case", p, &opt, &s, &err) != AR_OK)
        fail_msg("%.*s\n  %s", (int)size, source, err.message);
    const mil_func *f = mil_get_func(p, 0);
    for (int32_t i = 0; i < f->n_params; i++) {
        in[i] = *data;
        *data += bytes_of(f, f->params[i]);
    }
    for (int32_t i = 0; i < f->n_results; i++)
        out[i] = malloc(bytes_of(f, f->results[i]) + 1);
    if (mil_sim_run(s, 0, in, out, &err) != AR_OK)
        fail_msg("%.*s\n  %s", (int)size, source, err.message);
    for (int32_t i = 0; i < f->n_results; i++) {
        const double off =
            compare(&mil_get(f, f->results[i])->type, out[i], *data, tolerance);
        if (!(off <= worst)) worst = off;
        *data += bytes_of(f, f->results[i]);
        free(out[i]);
    }
    mil_sim_close(s);
    mil_close(p);
    text_close(&t);
    return worst;
}

/* All cases of golden/mil/values.mil; those that are off by more are shown. */
static void run_values(int level, double tolerance) {
    file_map m, v;
    int n = 0, wrong = 0;
    assert_ok(file_map_open(&m, test_golden("mil/values.mil"), err));
    assert_ok(file_map_open(&v, test_golden("mil/values.bin"), err));
    const char *s = (const char *)m.data, *end = s + m.size;
    const unsigned char *data = v.data;
    while (s < end) {
        const char *nl = memchr(s, '\n', (size_t)(end - s));
        assert_non_null(nl);
        if (strncmp(s, "func ", 5) == 0) {
            const double off =
                run_case(s, (size_t)(nl - s), level, &data, tolerance);
            n++;
            if (!(off <= 1)) {
                wrong++;
                print_message("%.*s\n  %g times off\n", (int)(nl - s), s, off);
            }
        }
        s = nl + 1;
    }
    assert_true(data == v.data + v.size);
    assert_true(n > 600);
    assert_int_equal(wrong, 0);
    file_map_close(&m);
    file_map_close(&v);
}

void test_mil_sim_values(void **state) {
    (void)state;
    run_values(0, 2e-5);
}

/* ---- what the engine does ---- */

/* y of a program with the fp16 (or fp32) parameters p0, p1, ... */
typedef struct trial {
    const char *chip;
    int level;
    const char *body; /* "(tensor<fp16,[2]> p0){...}" */
    const float *in[3];
} trial;

static void run_trial(const trial *t, float *y) {
    mil_program *p;
    mil_sim *s;
    text source = {0};
    mil_sim_options opt = {t->level, t->chip, NULL, NULL, 1};
    void *in[3] = {0}, *out;
    text_addf(&source, "program(1.3){func main<ios18>%s->(y);}", t->body);
    assert_ok(mil_parse("t", source.data, source.size, &p, err));
    assert_ok(mil_sim_open("t", p, &opt, &s, err));
    const mil_func *f = mil_get_func(p, 0);
    for (int32_t i = 0; i < f->n_params; i++) {
        const mil_type *type = &mil_get(f, f->params[i])->type;
        in[i] = malloc(mil_size(type));
        if (type->dtype == MIL_FP16)
            mil_sim_pack_f16(t->in[i], mil_count(type), in[i]);
        else
            memcpy(in[i], t->in[i], mil_size(type));
    }
    const mil_type *type = &mil_get(f, f->results[0])->type;
    out = malloc(mil_size(type));
    assert_ok(mil_sim_run(s, 0, (const void *const *)in, &out, err));
    for (int64_t i = 0; i < mil_count(type); i++)
        y[i] = (float)element(type, out, i);
    for (int i = 0; i < 3; i++) free(in[i]);
    free(out);
    mil_sim_close(s);
    mil_close(p);
    text_close(&source);
}

/* One element of f(p0[i]). */
static float of(const char *chip, int level, const char *f, float x) {
    char body[200];
    float y;
    snprintf(body, sizeof body, "(tensor<fp32,[1]> p0){tensor<fp32,[1]> y=%s;}",
             f);
    run_trial(&(trial){chip, level, body, {&x}}, &y);
    return y;
}

#define ALL_NEAR(x, y) assert_true(fabs((double)(x) - (double)(y)) < 1e-6)

void test_mil_sim_rounding(void **state) {
    (void)state;
    static const char zero[] = "add(x=p0,y=fp32(0))";
    ALL_NEAR(of("m4", 0, zero, 2049), 2049);
    ALL_NEAR(of("m1", 1, zero, 2049), 2048); /* ties to even */
    ALL_NEAR(of("m5", 1, zero, 2049), 2050); /* ties away from zero */
    ALL_NEAR(of("m5", 1, zero, -2049), -2050);
    ALL_NEAR(of("m3ultra", 1, zero, 2049), 2050);
    ALL_NEAR(of("m1", 1, zero, 2051), 2052);
    ALL_NEAR(mil_sim_round("m1", 1.0f + 0x1p-11f), 1);
    ALL_NEAR(mil_sim_round("m1", 65519), 65504);
    assert_true(isinf(mil_sim_round("m1", 65520)));
    ALL_NEAR(mil_sim_round("m1", 0x1p-24f) * 0x1p24f, 1);
    ALL_NEAR(mil_sim_round("m1", 0x1p-25f), 0);
    ALL_NEAR(of("m1", 0, "round(x=p0)", 2.5f), 2);
    ALL_NEAR(of("m1", 1, "round(x=p0)", 2.5f), 3);
    /* every fp16 is itself, and between two the nearer one */
    for (uint32_t h = 0; h < 0x7bff; h++) {
        const float a = f16_to_f32((uint16_t)h);
        const float b = f16_to_f32((uint16_t)(h + 1));
        assert_true(mil_sim_round("m1", a) == a);
        assert_true(mil_sim_round("m5", -a) == -a);
        assert_true(mil_sim_round("m1", (a + b) / 2) == (h % 2 ? b : a));
        assert_true(mil_sim_round("m5", (a + b) / 2) == b);
    }
}

void test_mil_sim_edges(void **state) {
    (void)state;
    const float inf = INFINITY;
    static const char *const chips[] = {"m1", "m3", "m5"};
    for (int i = 0; i < 3; i++) {
        const char *m = chips[i];
        assert_true(of(m, 1, "relu(x=p0)", NAN) == inf);
        ALL_NEAR(of(m, 1, "sigmoid(x=p0)", NAN), 1);
        ALL_NEAR(of(m, 1, "tanh(x=p0)", NAN), 1);
        ALL_NEAR(of(m, 1, "erf(x=p0)", NAN), 1);
        ALL_NEAR(of(m, 1, "sub(x=p0,y=p0)", inf), 0);
        ALL_NEAR(of(m, 1, "mul(x=p0,y=fp32(0))", inf), 0);
        ALL_NEAR(of(m, 1, "sqrt(x=p0)", -1), 0);
        ALL_NEAR(of(m, 1, "rsqrt(x=p0,epsilon=fp32(0))", -1), 0);
        ALL_NEAR(of(m, 1, "log(x=p0,epsilon=fp32(0))", -1), 0);
        ALL_NEAR(of(m, 1, "log(x=p0,epsilon=fp32(0))", 0), -45440);
        assert_true(of(m, 1, "rsqrt(x=p0,epsilon=fp32(0))", -0.0f) == inf);
        assert_true(of(m, 1, "inverse(x=p0,epsilon=fp32(0))", -0.0f) == inf);
        assert_true(of(m, 1, "exp(x=p0)", 11.09375f) == inf);
        assert_true(of(m, 1, "exp(x=p0)", 11.0859375f) < 65504);
        ALL_NEAR(of(m, 1, "softplus(x=p0)", inf), 0);
        ALL_NEAR(of(m, 1, "softsign(x=p0)", inf), 0);
        ALL_NEAR(of(m, 1, "mul(x=p0,y=fp32(2))", 30000), 60000);
        assert_true(of(m, 1, "mul(x=p0,y=fp32(3))", 30000) == inf);
        assert_true(!signbit(of(m, 1, "add(x=p0,y=fp32(0))", -0.0f)));
        /* subnormal numbers are kept where nothing is multiplied */
        ALL_NEAR(of(m, 1, "add(x=p0,y=p0)", 0x1p-24f) * 0x1p23f, 1);
    }
    assert_true(isnan(of("m1", 0, "sqrt(x=p0)", -1)));
}

static const char two_taps[] =
    "(tensor<fp16,[1,2]> p0,tensor<fp16,[2,1]> p1){tensor<fp16,[1,1]> "
    "y=matmul(x=p0,y=p1);}";
static const char one_tap[] =
    "(tensor<fp16,[1,1,1,1]> p0,tensor<fp16,[1,1,1,1]> p1){tensor<fp16,"
    "[1,1,1,1]> y=conv(x=p0,weight=p1);}";

static float product(const char *chip, int level, const float a[2],
                     const float b[2]) {
    float y;
    run_trial(&(trial){chip, level, two_taps, {a, b}}, &y);
    return y;
}

void test_mil_sim_ceiling(void **state) {
    (void)state;
    const float a[] = {128, 128}, b[] = {128, 128}, c[] = {128, 127.875f};
    const float minus[] = {-128, -128}, wide[] = {200}, back[] = {256, 1};
    const float forth[] = {128, -16384};
    for (int level = 1; level < 3; level++) {
        assert_true(product("m1", level, a, b) == INFINITY);
        assert_true(product("m4", level, a, minus) == -INFINITY);
        ALL_NEAR(product("m3ultra", level, a, b), 0);
        ALL_NEAR(product("m1", level, a, c), 32752);
    }
    ALL_NEAR(product("m1", 0, a, b), 32768);
    /* what is too large inside a sum does not come back: level 2 only */
    ALL_NEAR(product("m1", 1, back, forth), 16384);
    float y;
    run_trial(&(trial){"m1", 1, one_tap, {wide, wide}}, &y);
    ALL_NEAR(y, 40000);
}

void test_mil_sim_flush(void **state) {
    (void)state;
    const float tiny[] = {0x1p-20f, 0}, one[] = {1, 0};
    ALL_NEAR(product("m1", 1, tiny, one), 0);
    ALL_NEAR(product("m3ultra", 1, tiny, one), 0);
    ALL_NEAR(product("m5", 1, tiny, one) * 0x1p20f, 1);
    ALL_NEAR(product("m1", 0, tiny, one) * 0x1p20f, 1);
    /* a constant that products alone use, and one that is added, too */
    static const char alone[] =
        "(tensor<fp16,[1,2]> p0){tensor<fp16,[1,1]> y=matmul(x=p0,y=tensor<"
        "fp16,[2,1]>([0x1p-20,0x1p-3]));}";
    static const char both[] =
        "(tensor<fp16,[1,1]> p0){tensor<fp16,[1,1]> w=const()[name=string("
        "\"w\"),val=tensor<fp16,[1,1]>([0x1p-20])];tensor<fp16,[1,1]> z="
        "matmul(x=p0,y=w);tensor<fp16,[1,1]> y=add(x=z,y=w);}";
    const float ones[] = {1024, 1};
    float y;
    run_trial(&(trial){"m1", 1, alone, {ones}}, &y);
    ALL_NEAR(y, 0.125);
    run_trial(&(trial){"m1", 1, both, {ones}}, &y);
    ALL_NEAR(y * 0x1p20f, 1);
}

void test_mil_sim_slice(void **state) {
    (void)state;
    static const char cut[] =
        "(tensor<fp16,[1,4]> p0){tensor<fp16,[1,2]> y=slice_by_size(x=p0,"
        "begin=tensor<int32,[2]>([0,%d]),size=tensor<int32,[2]>([1,2]));}";
    const float x[] = {5000, 5000, 4094, 0.0001f};
    for (int begin = 0; begin < 3; begin++) {
        char body[200];
        float old[2], new[2];
        snprintf(body, sizeof body, cut, begin);
        run_trial(&(trial){"m2", 1, body, {x}}, old);
        run_trial(&(trial){"m3", 1, body, {x}}, new);
        assert_true(new[0] == x[begin]);
        assert_true(begin == 1 ? isinf(old[0]) : old[0] == x[begin]);
        assert_true(old[1] == new[1]);
    }
}

/* Sums in the order of the lanes: what was measured. */
void test_mil_sim_lanes(void **state) {
    (void)state;
    static const char sum[] =
        "(tensor<fp16,[1,1025]> p0,tensor<fp16,[1025,1]> p1){tensor<fp16,"
        "[1,1]> y=matmul(x=p0,y=p1);}";
    float a[1025], b[1025], y;
    for (int i = 0; i < 1025; i++) a[i] = b[i] = 1;
    a[0] = 4096;
    run_trial(&(trial){"m1", 2, sum, {a, b}}, &y);
    ALL_NEAR(y, 5116);
    run_trial(&(trial){"m3ultra", 2, sum, {a, b}}, &y);
    ALL_NEAR(y, 5120);
    run_trial(&(trial){"m1", 1, sum, {a, b}}, &y);
    ALL_NEAR(y, 5120);
    static const float triples[][2] = {
        {1000, 16}, {4090, 16}, {4096, 4}, {8192, 4}};
    for (int k = 0; k < 4; k++) {
        for (int i = 0; i < 1025; i++) a[i] = 0;
        for (int i = 0; i < 48; i += 3) {
            a[i] = triples[k][0];
            a[i + 1] = -triples[k][0];
            a[i + 2] = 1;
        }
        run_trial(&(trial){"m1", 2, sum, {a, b}}, &y);
        ALL_NEAR(y, triples[k][1]);
    }
}

void test_mil_sim_index_and_mask(void **state) {
    (void)state;
    static const char arg[] =
        "(tensor<fp16,[2052]> p0){int32 y=reduce_argmax(x=p0,axis=int32(0),"
        "keep_dims=bool(false));}";
    static const char masked[] =
        "(tensor<fp16,[1,1,1]> p0,tensor<fp16,[1,2,1]> p1,tensor<fp16,[1,2]> "
        "p2){tensor<fp16,[1,1,1]> y=scaled_dot_product_attention(query=p0,"
        "key=p1,value=p1,attn_mask=p2);}";
    float x[2052] = {0}, y;
    x[2049] = 1;
    run_trial(&(trial){"m4", 0, arg, {x}}, &y);
    ALL_NEAR(y, 2049);
    run_trial(&(trial){"m4", 1, arg, {x}}, &y);
    ALL_NEAR(y, 2048);
    const float q[] = {0}, k[] = {1, 3}, mask[] = {0, -10000};
    run_trial(&(trial){"m4", 0, masked, {q, k, mask}}, &y);
    ALL_NEAR(y, 1);
    run_trial(&(trial){"m4", 1, masked, {q, k, mask}}, &y);
    ALL_NEAR(y, 2);
}
