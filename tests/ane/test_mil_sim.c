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
        const double room =
            whole ? 0.5
                  : (t->dtype == MIL_FP16 && tolerance < 1e-3 ? 1e-3
                                                              : tolerance) *
                        (1 + fabs(y));
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
        const double off = compare(&mil_get(f, f->results[i])->type, out[i],
                                   *data, tolerance);
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
