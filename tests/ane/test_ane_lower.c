/* test_ane_lower.c - graphs as programs of the Neural Engine: every case of
 * every op is lowered, with types that follow, or refused with a reason. */
#include <stdlib.h>
#include <string.h>

#include "backend/ane/ane_lower.h"
#include "backend/ane/mil_check.h"
#include "base/mem.h"
#include "tests/op_cases.h"
#include "tests/test.h"

static void check_ports(const ane_port *p, int n) {
    for (int i = 0; i < n; i++) {
        assert_int_equal(p[i].type.rank, 4);
        assert_int_equal(p[i].type.dtype, MIL_FP16);
        assert_int_equal(p[i].type.dim[0], 1);
        assert_int_equal(p[i].type.dim[2], 1);
        if (i) assert_true(strcmp(p[i - 1].name, p[i].name) < 0);
    }
}

static void check_program(ane_lowered *p, const char *name) {
    const mil_program *m = ane_get_program(p);
    const void *data;
    size_t size;
    int n_in, n_out;
    assert_ok(mil_check(name, m, err));
    assert_ok(ane_weight_file(p, &data, &size, err));
    const mil_file file = {ANE_WEIGHT_PATH, data, size};
    assert_ok(mil_check_files(name, m, &file, 1, err));
    const ane_port *in = ane_inputs(p, &n_in), *out = ane_outputs(p, &n_out);
    check_ports(in, n_in);
    check_ports(out, n_out);
    const mil_func *f = mil_get_func(m, 0);
    assert_int_equal(f->n_params, n_in);
    assert_int_equal(f->n_results, n_out);
    for (int i = 0; i < n_in; i++)
        assert_string_equal(mil_get(f, f->params[i])->name, in[i].name);
    for (int i = 0; i < n_out; i++)
        assert_string_equal(mil_get(f, f->results[i])->name, out[i].name);
}

/* ---- every case ---- */

static case_device cpu_device(void) {
    case_device on = {.b = backend_find("cpu")};
    assert_ok(on.b->open(0, NULL, &on.d, err));
    return on;
}

/* Can every node but the views of constants be done? */
static bool all_supported(const graph *g, const char **why) {
    bool yes = true;
    for (uint32_t i = 1; i < g->n_nodes; i++) {
        const char *reason = NULL;
        if (ane_supports(g, &g->nodes[i], &reason)) {
            assert_null(reason);
        } else {
            assert_true(reason && *reason);
            if (!*why) *why = reason; /* the first */
            yes = false;
        }
    }
    return yes;
}

/* Refused if and only if ane_supports says so of a node. */
static bool lower_case(const op_case *c, case_device on,
                       const ane_lower_options *opt) {
    op_case_program p;
    ane_lowered *a = NULL;
    char name[CASE_TEXT];
    const char *why = NULL;
    ar_error error = {0};
    op_case_text(c, name);
    assert_ok(op_case_open(&p, c, on, AR_F32, false, err));
    const bool yes = all_supported(&p.g, &why);
    const ar_status s = ane_lower(&p.g, NULL, opt, &a, &error);
    if (yes && s != AR_OK) fail_msg("%s: %s", name, error.message);
    if (!yes && (s != AR_UNSUPPORTED || !strstr(error.message, why)))
        fail_msg("%s: \"%s\", wanted \"%s\"", name, error.message, why);
    if (s == AR_OK) check_program(a, name);
    ane_lowered_close(a);
    op_case_close(&p);
    return s == AR_OK;
}

void test_ane_lowers_every_case(void **state) {
    (void)state;
    const case_device on = cpu_device();
    const ane_lower_options matrix = {.norm = ANE_NORM_MUL,
                                      .rope = ANE_ROPE_MATRIX};
    int lowered[OP_COUNT] = {0}, refused[OP_COUNT] = {0}, n = 0;
    for (int i = 0; i < n_op_cases; i++) {
        const bool yes = lower_case(&op_cases[i], on, NULL);
        assert_int_equal(yes, lower_case(&op_cases[i], on, &matrix));
        (yes ? lowered : refused)[op_cases[i].op]++;
        n += yes;
    }
    for (int i = 0; i < OP_COUNT; i++)
        if (lowered[i] + refused[i])
            print_message("%-20s %3d lowered %3d refused\n", op_table[i].name,
                          lowered[i], refused[i]);
    print_message("%d of %d cases\n", n, n_op_cases);
    on.b->close(on.d);
}

/* ---- by hand ---- */

enum { SLOT_IN, SLOT_OUT, SLOT_WEIGHTS };

static ref store(graph *g, const char *name, ref x) {
    return graph_store(
        g,
        graph_state(g, name, graph_type(g, x), graph_shape(g, x), SLOT_OUT, 0),
        x);
}

static const void *zeros(void *context, const graph *g, ref leaf) {
    (void)g;
    (void)leaf;
    return context;
}

static int count(const ane_lowered *p, const char *kind) {
    const mil_func *f = mil_get_func(ane_get_program(p), 0);
    int n = 0;
    for (int i = 0; i < f->n_ops; i++) n += strcmp(f->ops[i].kind, kind) == 0;
    return n;
}

/* As printed, constants left out: the shape of a program. */
static void print(const ane_lowered *p, text *out) {
    text all = {0};
    mil_print(ane_get_program(p), &all);
    assert_ok(text_status(&all, err));
    for (const char *s = all.data; *s;) {
        const size_t n = strcspn(s, "\n");
        char line[512];
        snprintf(line, sizeof line, "%.*s", (int)n, s);
        if (!strstr(line, "const()") && strstr(line, "tensor<"))
            text_addf(out, "%s\n", line + strspn(line, " "));
        s += n + (s[n] == '\n');
    }
    text_close(&all);
}

/* A linear layer and a gate, channels first from border to border. */
void test_ane_text(void **state) {
    (void)state;
    graph g;
    ane_lowered *p;
    text t = {0};
    static const float w[12] = {0};
    const ane_lower_options opt = {.weight = zeros, .context = (void *)w};
    graph_open(&g);
    const ref x = graph_input(&g, "x.0", AR_F32, shape2(2, 3), SLOT_IN, 0);
    const ref a = graph_param(&g, "w", AR_F32, shape2(4, 3), SLOT_WEIGHTS, 0);
    const ref y = graph_linear(&g, x, a, 0, NULL);
    store(&g, "y", graph_gated(&g, UNARY_SILU, y, y));
    assert_ok(ane_lower(&g, NULL, &opt, &p, err));
    check_program(p, "linear");
    print(p, &t);
    assert_string_equal(
        t.data,
        "func main<ios18>(tensor<fp16, [1, 3, 1, 2]> in00_x_0) {\n"
        "tensor<fp16, [1, 4, 1, 2]> v00005 = conv(dilations = v00001, groups "
        "= v00002, pad = v00003, pad_type = v00004, strides = v00001, weight "
        "= v00000, x = in00_x_0);\n"
        "tensor<fp16, [1, 4, 1, 2]> v00006 = sigmoid(x = v00005);\n"
        "tensor<fp16, [1, 4, 1, 2]> v00007 = mul(x = v00005, y = v00006);\n"
        "tensor<fp16, [1, 4, 1, 2]> out00_y = mul(x = v00007, y = v00005);\n");
    text_close(&t);
    ane_lowered_close(p);
    graph_close(&g);
}

/* A vocabulary in chunks with the largest found inside, or given away. */
void test_ane_vocabulary(void **state) {
    (void)state;
    enum { V = 5000, C = 4, N = 3 };
    static const float w[V * C] = {0};
    const ane_lower_options opt = {
        .weight = zeros, .context = (void *)w, .max_chunk = 2000};
    for (int whole = 0; whole < 2; whole++) {
        graph g;
        ane_lowered *p;
        int n;
        graph_open(&g);
        const ref x = graph_input(&g, "x", AR_F32, shape2(N, C), SLOT_IN, 0);
        const ref a =
            graph_param(&g, "w", AR_F32, shape2(V, C), SLOT_WEIGHTS, 0);
        const ref y = graph_softcap(&g, graph_linear(&g, x, a, 0, NULL), 30);
        store(&g, "y", whole ? y : graph_reduce(&g, REDUCE_ARGMAX, y, 1));
        assert_ok(ane_lower(&g, NULL, &opt, &p, err));
        check_program(p, "vocabulary");
        assert_int_equal(count(p, "conv"), 3);
        const ane_port *out = ane_outputs(p, &n);
        assert_int_equal(n, whole ? 3 : 1);
        if (whole) {
            assert_int_equal(out[2].first + out[2].type.dim[1], V);
        } else {
            assert_int_equal(out[0].base, 2000);
            assert_int_equal(out[0].type.dim[1], 2);
            float index[N];
            uint16_t half[2 * N];
            for (int i = 0; i < 2 * N; i++) half[i] = i < N ? 0x4000 : 0x4900;
            ane_unpack(&g, &out[0], half, index); /* chunk 2, place 10 */
            assert_near(index[0], 2 * 2000 + 10, 0);
        }
        ane_lowered_close(p);
        graph_close(&g);
    }
}

/* Some nodes only: what they read comes in, what others read goes out. */
void test_ane_some_nodes(void **state) {
    (void)state;
    graph g;
    ane_lowered *p;
    int n_in, n_out;
    graph_open(&g);
    const ref x = graph_input(&g, "x", AR_F32, shape2(5, 8), SLOT_IN, 0);
    const ref a = graph_unary(&g, UNARY_EXP, x);
    const ref b = graph_softmax(&g, a);
    const ref c = graph_mul(&g, a, b);
    store(&g, "c", c);
    bool in[16] = {false};
    in[ref_node(b)] = true;
    assert_ok(ane_lower(&g, in, NULL, &p, err));
    check_program(p, "softmax");
    const ane_port *i = ane_inputs(p, &n_in), *o = ane_outputs(p, &n_out);
    assert_int_equal(n_in, 1);
    assert_int_equal(n_out, 1);
    assert_int_equal(i[0].value, a);
    assert_int_equal(o[0].value, b);
    assert_int_equal(o[0].leaf, 0);
    ane_lowered_close(p);
    in[ref_node(b)] = false;
    assert_fails(AR_UNSUPPORTED, "nothing is read",
                 ane_lower(&g, in, NULL, &p, err));
    graph_close(&g);
}

/* What is packed and taken out again is the same, at its place. */
void test_ane_border(void **state) {
    (void)state;
    graph g;
    ane_lowered *p;
    int n;
    graph_open(&g);
    const ref x = graph_input(&g, "x", AR_F32, shape3(2, 3, 4), SLOT_IN, 0);
    store(&g, "y", graph_unary(&g, UNARY_RELU, x));
    assert_ok(ane_lower(&g, NULL, NULL, &p, err));
    float a[24], b[24] = {0};
    uint16_t half[24];
    for (int i = 0; i < 24; i++) a[i] = (float)i;
    const ane_port *in = ane_inputs(p, &n);
    ane_pack(&g, in, a, half);
    assert_int_equal(half[1], 0x4400); /* channel 0 of row 1 is element 4 */
    ane_unpack(&g, ane_outputs(p, &n), half, b);
    assert_memory_equal(a, b, sizeof a);
    ane_lowered_close(p);
    graph_close(&g);
}

/* A program of moves gets a statement that computes, as has an output that is
 * given twice. */
void test_ane_moves_only(void **state) {
    (void)state;
    graph g;
    ane_lowered *p;
    graph_open(&g);
    const ref x = graph_input(&g, "x", AR_F32, shape2(5, 8), SLOT_IN, 0);
    store(&g, "a", graph_transpose(&g, x));
    const ref y = graph_unary(&g, UNARY_TANH, x);
    store(&g, "b", y);
    store(&g, "c", y);
    assert_ok(ane_lower(&g, NULL, NULL, &p, err));
    check_program(p, "moves");
    assert_int_equal(count(p, "mul"), 2);
    assert_int_equal(count(p, "tanh"), 1);
    ane_lowered_close(p);
    graph_close(&g);
}

/* Every allocation fails in turn. */
void test_ane_out_of_memory(void **state) {
    (void)state;
    graph g;
    ane_lowered *p;
    static const float w[64] = {0};
    const ane_lower_options opt = {.weight = zeros, .context = (void *)w};
    graph_open(&g);
    const ref x = graph_input(&g, "x", AR_F32, shape2(5, 8), SLOT_IN, 0);
    const ref a = graph_param(&g, "w", AR_F32, shape2(8, 8), SLOT_WEIGHTS, 0);
    const ref y =
        graph_linear(&g, graph_rms_norm(&g, x, 0, 1e-5, 0), a, 0, NULL);
    store(&g, "y", graph_softmax(&g, y));
    assert_ok(graph_status(&g, err));
    ar_status s = AR_NOMEM;
    int n = 0;
    for (int i = 1; s == AR_NOMEM && i < 1000; i++, n++) {
        mem_fail_at(i, 1);
        s = ane_lower(&g, NULL, &opt, &p, NULL);
        mem_fail_at(0, 0);
        if (s != AR_OK) assert_null(p);
    }
    assert_int_equal(s, AR_OK);
    assert_true(n > 8);
    ane_lowered_close(p);
    graph_close(&g);
}
