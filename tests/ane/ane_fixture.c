/* ane_fixture.c - the driver with the stand-in behind it. */
#include "tests/ane/ane_fixture.h"

#include <dlfcn.h>
#include <stdlib.h>

#include "backend/ane/ane_objc.h"
#include "base/file.h"
#include "tests/test.h"

const mock_function mock_one = {
    "main", {{"x", "Float32", 3, 2, 5}}, {{"y", "Float32", 3, 2, 5}}, 1, 1};
const char mock_text[] = "program(1.3) { not looked into }";
const ane_source mock_plain = {
    .name = "test", .mil = mock_text, .mil_size = sizeof mock_text - 1};

ane_mock *mock;
static long live_before;

void mock_begin(const mock_function *f, int n) {
    void *lib = dlopen(ANE_MOCK_LIBRARY, RTLD_NOW);
    assert_non_null(lib);
    ane_mock_reset_fn *reset;
    ane_mock_state_fn *state;
    *(void **)&reset = dlsym(lib, "ane_mock_reset");
    *(void **)&state = dlsym(lib, "ane_mock_state");
    reset();
    mock = state();
    mock->functions = f;
    mock->n_functions = n;
    static char temp[300];
    snprintf(temp, sizeof temp, "%s", test_folder());
    mock->temp = temp;
    live_before = mock->live;
    setenv(ANE_LIBRARY_VARIABLE, ANE_MOCK_LIBRARY, 1);
}

void mock_end(void) {
    assert_string_equal(mock->exception, "");
    assert_int_equal(mock->exceptions, 0);
    assert_int_equal(mock->live, live_before);
    file_list left;
    assert_ok(file_list_open(&left, mock->temp, err));
    assert_int_equal(left.n, 0);
    file_list_close(&left);
    unsetenv(ANE_LIBRARY_VARIABLE);
}

const ane_driver_options mock_quick = {.wait_s = 0.0005,
                                       .compile_budget = 100000};

ane_driver *mock_driver(void) {
    ane_driver *d;
    assert_ok(ane_driver_open(&d, &mock_quick, err));
    return d;
}

void mock_run(ane_driver *d, ane_program *p, float factor) {
    const ane_procedure *f = ane_program_procedure(p, 0);
    float x[30], y[30] = {0};
    for (int i = 0; i < 30; i++) x[i] = (float)i - 7;
    ane_surface *in, *out;
    assert_ok(ane_surface_open(&in, d, f->inputs[0].size, err));
    assert_ok(ane_surface_open(&out, d, f->outputs[0].size, err));
    assert_ok(ane_surface_write(in, &f->inputs[0], x, err));
    assert_ok(ane_program_run(p, 0, &in, &out, err));
    assert_ok(ane_surface_read(out, &f->outputs[0], y, err));
    for (int i = 0; i < 30; i++) assert_near(y[i], factor * x[i], 0);
    ane_surface_close(in);
    ane_surface_close(out);
}
