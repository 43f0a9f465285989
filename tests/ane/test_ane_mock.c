/* test_ane_mock.c - the stand-in refuses what the runtime is known to refuse:
 * here its messages are sent by hand, without the driver's care. */
#include <stdlib.h>

#include "backend/ane/ane_objc.h"
#include "base/file.h"
#include "tests/ane/ane_fixture.h"
#include "tests/test.h"

static ane_objc rt;
static objc_id none; /* an empty dictionary */

static void *open_runtime(void) {
    mock_begin(&mock_one, 1);
    assert_ok(ane_objc_open(&rt, err));
    void *pool = rt.pool_push();
    none = ane_objc_dictionary(&rt, NULL, NULL, 0);
    return pool;
}

static objc_id make_model(void) {
    const objc_id d = SEND(&rt, descriptor_make, rt.of.descriptor,
                           ane_objc_data(&rt, "text", 4), none, (objc_id)NULL);
    return SEND(&rt, memory_make, rt.of.memory_model, d);
}

static const char *folder_of(objc_id model) {
    static char path[700];
    snprintf(path, sizeof path, "%s/%s", mock->temp,
             ane_objc_text(&rt, SEND(&rt, memory_id, model)));
    return path;
}

static void stage(objc_id model, const char *text) {
    char path[800];
    snprintf(path, sizeof path, "%s/model.mil", folder_of(model));
    assert_ok(file_make_folder(folder_of(model), err));
    assert_ok(file_replace(path, text, strlen(text), err));
}

static void says(objc_id e, const char *word) {
    char text[300];
    ane_objc_describe(&rt, e, text, sizeof text);
    if (!strstr(text, word)) fail_msg("\"%s\" without \"%s\"", text, word);
}

/* Nothing compiles before its files are there as the descriptor has them, and
 * nothing loads before it is compiled. */
void test_ane_mock_wants_files(void **state) {
    (void)state;
    void *pool = open_runtime();
    const objc_id m = make_model();
    objc_id e = NULL;
    assert_false(SEND(&rt, memory_compile, m, 21, none, &e));
    says(e, "InvalidMILProgram");
    stage(m, "other");
    assert_false(SEND(&rt, memory_compile, m, 21, none, &e));
    assert_false(SEND(&rt, memory_load, m, 21, none, &e));
    says(e, "must re-compile");
    stage(m, "text");
    assert_true(SEND(&rt, memory_compile, m, 21, none, &e));
    assert_true(SEND(&rt, memory_load, m, 21, none, &e));
    assert_true(SEND(&rt, memory_unload, m, 21, &e));
    mock->compile_limit = mock->compiles;
    e = NULL;
    assert_false(SEND(&rt, memory_compile, m, 21, none, &e));
    assert_null(e); /* silent */
    assert_ok(file_remove(folder_of(m), err));
    rt.pool_pop(pool);
    mock_end();
}

static objc_id wrap(size_t bytes) {
    const objc_id n = ane_objc_number(&rt, bytes);
    const objc_id how = ane_objc_dictionary(&rt, &rt.surface_bytes, &n, 1);
    const objc_id s = rt.surface_create(how);
    const objc_id o = SEND(&rt, surface_wrap, rt.of.surface, s);
    rt.cf_release(s);
    return o;
}

static objc_id request(size_t bytes, uint64_t in, uint64_t procedure) {
    const objc_id x = wrap(bytes), y = wrap(384);
    const objc_id at = ane_objc_number(&rt, in), zero = ane_objc_number(&rt, 0);
    return SEND(&rt, request_make, rt.of.request, ane_objc_array(&rt, &x, 1),
                ane_objc_array(&rt, &at, 1), ane_objc_array(&rt, &y, 1),
                ane_objc_array(&rt, &zero, 1), (objc_id)NULL, (objc_id)NULL,
                ane_objc_number(&rt, procedure));
}

void test_ane_mock_status(void **state) {
    (void)state;
    void *pool = open_runtime();
    const objc_id m = make_model();
    objc_id e = NULL;
    stage(m, "text");
    assert_true(SEND(&rt, memory_compile, m, 21, none, &e));
    assert_false(
        SEND(&rt, memory_evaluate, m, 21, none, request(384, 0, 0), &e));
    says(e, "not loaded");
    assert_true(SEND(&rt, memory_load, m, 21, none, &e));
    assert_true(
        SEND(&rt, memory_evaluate, m, 21, none, request(384, 0, 0), &e));
    assert_false(
        SEND(&rt, memory_evaluate, m, 21, none, request(383, 0, 0), &e));
    says(e, "status=0x1d");
    assert_false(
        SEND(&rt, memory_evaluate, m, 21, none, request(384, 1, 0), &e));
    says(e, "status=0x2 ");
    assert_false(
        SEND(&rt, memory_evaluate, m, 21, none, request(384, 0, 1), &e));
    says(e, "status=0x1d");
    assert_true(SEND(&rt, memory_unload, m, 21, &e));
    assert_ok(file_remove(folder_of(m), err));
    rt.pool_pop(pool);
    mock_end();
}

/* What would throw is seen, and so is an object without a pool. */
void test_ane_mock_sees_throws(void **state) {
    (void)state;
    void *pool = open_runtime();
    const objc_id text = ane_objc_string(&rt, "text");
    assert_null(SEND(&rt, descriptor_make, rt.of.descriptor, text, none,
                     (objc_id)NULL));
    assert_int_equal(mock->exceptions, 1);
    SEND(&rt, array_count, text); /* a string has none */
    assert_int_equal(mock->exceptions, 2);
    assert_string_equal(mock->exception, "count");
    const objc_id list = ane_objc_array(&rt, &text, 1);
    SEND(&rt, array_at, list, 1);
    assert_int_equal(mock->exceptions, 3);
    rt.pool_pop(pool);
    rt.release(rt.retain(ane_objc_string(&rt, "leaks")));
    assert_int_equal(mock->exceptions, 4);
    rt.pool_push();
    rt.pool_pop(pool); /* a mark further out takes all behind it */
    assert_int_equal(mock->live, 0);
    unsetenv(ANE_LIBRARY_VARIABLE);
}

/* Another program's folder changed after its compile: the id keeps what it
 * was compiled with. */
void test_ane_mock_keeps_weights(void **state) {
    (void)state;
    mock_begin(&mock_one, 1);
    ane_driver *d = mock_driver();
    const ane_file file = {"scale", "\3", 1};
    const ane_source src = {"kept", mock_text, MOCK_TEXT, &file, 1};
    ane_program *p, *q;
    assert_ok(ane_program_open(&p, d, &src, NULL, err));
    char path[700];
    snprintf(path, sizeof path, "%s/%s/weights/scale", mock->temp,
             ane_program_id(p));
    assert_ok(file_replace(path, "\7", 1, err));
    mock_run(d, p, 3);
    assert_ok(ane_program_open(&q, d, &src, NULL, err));
    mock_run(d, q, 3);
    ane_program_close(q);
    mock_run(d, p, 3); /* although its folder is gone */
    ane_program_close(p);
    ane_driver_close(d);
    mock_end();
}
