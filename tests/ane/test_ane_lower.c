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

static void check_program(ane_program *p, const char *name) {
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
    ane_program *a = NULL;
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
    ane_program_close(a);
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
