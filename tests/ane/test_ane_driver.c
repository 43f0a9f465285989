/* test_ane_driver.c - the driver against a stand-in for macOS's runtime. */
#include <pthread.h>
#include <stdlib.h>

#include "backend/ane/ane_objc.h"
#include "base/file.h"
#include "base/mem.h"
#include "tests/ane/ane_fixture.h"
#include "tests/test.h"

void test_ane_driver_runs(void **state) {
    (void)state;
    for (int way = 0; way < 4; way++) {
        mock_begin(&mock_one, 1);
        ane_driver *d = mock_driver();
        const ane_program_options o = {.route = way & 1 ? ANE_ROUTE_CLIENT
                                                        : ANE_ROUTE_MEMORY,
                                       .direct = way & 2,
                                       .qos = 33};
        ane_program *p;
        assert_ok(ane_program_open(&p, d, &mock_plain, &o, err));
        assert_int_equal(ane_program_n_procedures(p), 1);
        assert_null(ane_program_procedure(p, 1));
        const ane_procedure *f = ane_program_procedure(p, 0);
        assert_string_equal(f->name, "main");
        const ane_port *y = &f->outputs[0];
        assert_string_equal(y->name, "y");
        assert_string_equal(y->type, "Float32");
        assert_int_equal(y->c, 3);
        assert_int_equal(y->row_stride, 64);
        assert_int_equal(y->plane_stride, 128);
        assert_int_equal(y->size, 384);
        mock_run(d, p, 2);
        assert_int_equal(mock->direct, way & 2 ? 1 : 0);
        assert_int_equal(mock->compiles, 1);
        ane_program_close(p);
        assert_int_equal(mock->unloads, 1);
        ane_driver_close(d);
        mock_end();
    }
}

void test_ane_driver_weights(void **state) {
    (void)state;
    mock_begin(&mock_one, 1);
    ane_driver *d = mock_driver();
    char id[2][ANE_NAME * 2];
    for (unsigned char scale = 3; scale < 5; scale++) {
        const ane_file files[] = {{"scale", &scale, 1}, {"w.bin", "abcd", 4}};
        const ane_source src = {"two files", mock_text, MOCK_TEXT, files, 2};
        for (int way = 0; way < 2; way++) {
            const ane_program_options o = {
                .route = way ? ANE_ROUTE_CLIENT : ANE_ROUTE_MEMORY, .qos = 21};
            ane_program *p;
            assert_ok(ane_program_open(&p, d, &src, &o, err));
            /* other weights are another id: never what was loaded before */
            mock_run(d, p, (float)scale);
            if (!way)
                snprintf(id[scale - 3], sizeof *id, "%s", ane_program_id(p));
            ane_program_close(p);
        }
    }
    assert_string_not_equal(id[0], id[1]);
    ane_driver_close(d);
    mock_end();
}

static const mock_function bank[] = {
    {"first", {{"x", "Float32", 1, 1, 4}}, {{"y", "Float32", 1, 1, 4}}, 1, 1},
    {"second",
     {{"q", "Float32", 2, 1, 16},
      {"k", "Float32", 2, 1, 16},
      {"a", "Float32", 2, 1, 16}},
     {{"z", "Float32", 2, 1, 16}, {"b", "Float32", 2, 1, 16}},
     3,
     2},
};

/* Several procedures, inputs and outputs out of order: names bind. */
void test_ane_driver_binds_by_name(void **state) {
    (void)state;
    mock_begin(bank, 2);
    ane_driver *d = mock_driver();
    ane_program *p;
    assert_ok(ane_program_open(&p, d, &mock_plain, NULL, err));
    const ane_procedure *f = ane_program_procedure(p, 1);
    assert_string_equal(f->name, "second");
    assert_int_equal(f->n_inputs, 3);
    assert_int_equal(f->inputs[0].symbol, 1); /* global */
    assert_int_equal(ane_port_find(f->inputs, 3, "a"), 0);
    assert_int_equal(ane_port_find(f->inputs, 3, "k"), 1);
    assert_int_equal(ane_port_find(f->inputs, 3, "q"), 2);
    assert_int_equal(ane_port_find(f->inputs, 3, "x"), -1);
    assert_int_equal(ane_port_find(f->outputs, 2, "b"), 0);
    ane_surface *in[3], *out[2];
    float x[32], b[32], z[32];
    for (int i = 0; i < 3; i++) {
        for (int k = 0; k < 32; k++) x[k] = (float)(k + 100 * i);
        assert_ok(ane_surface_open(&in[i], d, f->inputs[i].size, err));
        assert_ok(ane_surface_write(in[i], &f->inputs[i], x, err));
    }
    for (int i = 0; i < 2; i++)
        assert_ok(ane_surface_open(&out[i], d, f->outputs[i].size, err));
    assert_ok(ane_program_run(p, 1, in, out, err));
    assert_ok(ane_surface_read(out[0], &f->outputs[0], b, err));
    assert_ok(ane_surface_read(out[1], &f->outputs[1], z, err));
    for (int k = 0; k < 32; k++) {
        const float sum = (float)(6 * k + 2 * 100 + 3 * 200);
        assert_near(b[k], 2 * sum, 0);
        assert_near(z[k], 4 * sum, 0);
    }
    for (int i = 0; i < 3; i++) ane_surface_close(in[i]);
    for (int i = 0; i < 2; i++) ane_surface_close(out[i]);
    ane_program_close(p);
    ane_driver_close(d);
    mock_end();
}

/* A request is made once for its surfaces; a new surface is never taken for
 * one that had its place; what a program keeps outlives the caller's. */
void test_ane_driver_requests(void **state) {
    (void)state;
    mock_begin(&mock_one, 1);
    ane_driver *d = mock_driver();
    ane_program *p;
    assert_ok(ane_program_open(&p, d, &mock_plain, NULL, err));
    const size_t size = ane_program_procedure(p, 0)->inputs[0].size;
    ane_surface *s[12];
    for (int i = 0; i < 12; i++)
        assert_ok(ane_surface_open(&s[i], d, size, err));
    for (int i = 0; i < 20; i++)
        assert_ok(ane_program_run(p, 0, &s[i % 2], &s[1 - i % 2], err));
    assert_int_equal(mock->requests, 2);
    for (int i = 2; i < 12; i++)
        assert_ok(ane_program_run(p, 0, &s[0], &s[i], err));
    assert_int_equal(mock->requests, 12);
    assert_ok(ane_program_run(p, 0, &s[0], &s[11], err));
    assert_int_equal(mock->requests, 12); /* among the last eight */
    assert_ok(ane_program_run(p, 0, &s[0], &s[1], err));
    assert_int_equal(mock->requests, 13); /* made room */
    for (int i = 0; i < 12; i++) ane_surface_close(s[i]);
    for (int i = 0; i < 10; i++) mock_run(d, p, 2);
    assert_int_equal(mock->requests, 23);
    ane_program_close(p);
    ane_driver_close(d);
    mock_end();
}

void test_ane_driver_says_what_is_missing(void **state) {
    (void)state;
    static const char *const needed[] = {"NSDictionary",
                                         "_ANEInMemoryModelDescriptor",
                                         "_ANEInMemoryModel",
                                         "_ANERequest",
                                         "_ANEIOSurfaceObject",
                                         "hexStringIdentifier",
                                         ("modelWithMILText:weights:"
                                          "optionsPlist:"),
                                         "loadWithQoS:options:error:",
                                         "modelAttributes"};
    ane_driver *d;
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
        mock_begin(&mock_one, 1);
        mock->missing = needed[i];
        assert_fails(AR_UNSUPPORTED, needed[i], ane_driver_open(&d, NULL, err));
        assert_null(d);
        mock_end();
    }
    mock_begin(&mock_one, 1);
    mock->no_engine = true;
    assert_fails(AR_UNSUPPORTED, "has none", ane_driver_open(&d, NULL, err));
    mock_end();
    setenv(ANE_LIBRARY_VARIABLE, "/nowhere/lib.so", 1);
    assert_fails(AR_UNSUPPORTED, "no Neural Engine here: /nowhere/lib.so",
                 ane_driver_open(&d, NULL, err));
    unsetenv(ANE_LIBRARY_VARIABLE);
}

/* What is not needed may be missing: the driver does without. */
void test_ane_driver_without_the_client(void **state) {
    (void)state;
    static const char *const optional[] = {
        "_ANEClient", "_ANEModel",
        "modelAtURL:key:", "compileModel:options:qos:error:"};
    for (int i = 0; i < 4; i++) {
        mock_begin(&mock_one, 1);
        mock->missing = optional[i];
        ane_driver *d = mock_driver();
        assert_false(ane_driver_info(d)->client);
        ane_program *p;
        ane_program_options o = {.route = ANE_ROUTE_CLIENT, .qos = 21};
        assert_fails(AR_UNSUPPORTED, "no client",
                     ane_program_open(&p, d, &mock_plain, &o, err));
        assert_ok(ane_program_open(&p, d, &mock_plain, NULL, err));
        mock_run(d, p, 2);
        ane_program_close(p);
        ane_driver_close(d);
        mock_end();
    }
    mock_begin(&mock_one, 1);
    mock->missing = "_ANEDeviceInfo";
    ane_driver *d = mock_driver();
    assert_string_equal(ane_driver_info(d)->architecture, "");
    mock->missing = NULL;
    ane_driver_close(d);
    mock_end();
    mock_begin(&mock_one, 1);
    mock->missing = "doEvaluateDirectWithModel:options:request:qos:error:";
    d = mock_driver();
    const ane_program_options direct = {.direct = true, .qos = 21};
    ane_program *p;
    assert_fails(AR_UNSUPPORTED, "daemon",
                 ane_program_open(&p, d, &mock_plain, &direct, err));
    ane_driver_close(d);
    mock_end();
}

void test_ane_driver_info(void **state) {
    (void)state;
    mock_begin(&mock_one, 1);
    ane_driver *d = mock_driver();
    const ane_info *i = ane_driver_info(d);
    assert_string_equal(i->architecture, "h16g");
    assert_string_equal(i->build, "24F74");
    assert_string_equal(i->product, "macOS");
    assert_string_equal(i->chip, "Apple M4 (stand-in)");
    assert_string_equal(i->system, "Version 15.5 (Build 24F74)");
    assert_int_equal(i->cores, 16);
    assert_true(i->client && i->direct && i->has_engine);
    ane_driver_close(d);
    mock_end();
}

/* Nothing that would throw reaches the runtime. */
void test_ane_driver_checks_arguments(void **state) {
    (void)state;
    mock_begin(&mock_one, 1);
    ane_driver *d = mock_driver();
    ane_program *p;
    static const ane_file good = {"w", "1", 1};
    static const ane_file bad[] = {
        {NULL, "1", 1},      {"", "1", 1},
        {"..", "1", 1},      {"a/b", "1", 1},
        {".hidden", "1", 1}, {"w", NULL, 1},
        {"w", "1", 0},       {"w", "1", (size_t)1 << 31},
        {"w", "1", 1}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const ane_file files[] = {good, bad[i]};
        const ane_source src = {"files", mock_text, 4, files, 2};
        assert_fails(AR_RANGE,
                     "files: ", ane_program_open(&p, d, &src, NULL, err));
    }
    const ane_source none = {"none", mock_text, 0, NULL, 0};
    assert_fails(AR_RANGE, "no text",
                 ane_program_open(&p, d, &none, NULL, err));
    const ane_source many = {"many", mock_text, 4, &good, 257};
    assert_fails(AR_RANGE, "257", ane_program_open(&p, d, &many, NULL, err));
    const ane_program_options qos = {.qos = 22};
    assert_fails(AR_RANGE, "22",
                 ane_program_open(&p, d, &mock_plain, &qos, err));
    assert_int_equal(mock->compiles, 0);
    ane_surface *s, *small;
    assert_fails(AR_RANGE, "0 bytes", ane_surface_open(&s, d, 0, err));
    assert_fails(AR_RANGE, "4 GiB", ane_surface_open(&s, d, SIZE_MAX, err));
    static const mock_function wide = {"main",
                                       {{"x", "Float32", 1, 1, 8000}},
                                       {{"y", "Float32", 1, 1, 8000}},
                                       1,
                                       1};
    mock->functions = &wide;
    assert_ok(ane_program_open(&p, d, &mock_plain, NULL, err));
    assert_ok(ane_surface_open(&s, d, 32000, err));
    assert_ok(ane_surface_open(&small, d, 100, err));
    ane_surface *nothing = NULL;
    assert_fails(AR_RANGE, "no surface for x",
                 ane_program_run(p, 0, &nothing, &s, err));
    assert_fails(AR_RANGE, "no surface for y",
                 ane_program_run(p, 0, &s, NULL, err));
    assert_fails(AR_RANGE, "32000", ane_program_run(p, 0, &s, &small, err));
    assert_fails(AR_RANGE, "procedure 1", ane_program_run(p, 1, &s, &s, err));
    assert_fails(AR_RANGE, "procedure -1", ane_program_run(p, -1, &s, &s, err));
    static float v[8000];
    const ane_port *x = ane_program_procedure(p, 0)->inputs;
    assert_fails(AR_RANGE, "32000", ane_surface_write(small, x, v, err));
    assert_fails(AR_RANGE, "32000", ane_surface_read(small, x, v, err));
    assert_int_equal(mock->evaluations, 0);
    ane_surface_close(s);
    ane_surface_close(small);
    ane_program_close(p);
    ane_driver_close(d);
    mock_end();
}

void test_ane_driver_compile_budget(void **state) {
    (void)state;
    mock_begin(&mock_one, 1);
    const ane_driver_options o = {.compile_budget = ane_compiles() + 2};
    ane_driver *d;
    ane_program *p;
    assert_ok(ane_driver_open(&d, &o, err));
    for (int i = 0; i < 2; i++) {
        assert_ok(ane_program_open(&p, d, &mock_plain, NULL, err));
        ane_program_close(p);
    }
    assert_fails(AR_FULL, "save a checkpoint and start",
                 ane_program_open(&p, d, &mock_plain, NULL, err));
    assert_int_equal(mock->compiles, 2);
    ane_driver_close(d);
    /* a second driver of the process has no budget of its own */
    assert_ok(ane_driver_open(&d, &o, err));
    assert_fails(AR_FULL, "budget",
                 ane_program_open(&p, d, &mock_plain, NULL, err));
    ane_driver_close(d);
    /* without a budget the system's own end is silent, and is a failure */
    d = mock_driver();
    mock->compile_limit = 2;
    assert_fails(AR_DEVICE, "no reason given",
                 ane_program_open(&p, d, &mock_plain, NULL, err));
    ane_driver_close(d);
    mock_end();
}

static ane_program *open_cached(ane_driver *d, int route) {
    const ane_program_options o = {
        .route = route ? ANE_ROUTE_CLIENT : ANE_ROUTE_MEMORY, .qos = 21};
    const ane_file file = {"scale", "\5", 1};
    const ane_source src = {"cached", mock_text, MOCK_TEXT, &file, 1};
    ane_program *p;
    assert_ok(ane_program_open(&p, d, &src, &o, err));
    mock_run(d, p, 5);
    return p;
}

/* Compiled once, loaded in later processes; not on another system; compiled
 * again when the system does not take what is there. */
void test_ane_driver_cache(void **state) {
    (void)state;
    for (int route = 0; route < 2; route++) {
        mock_begin(&mock_one, 1);
        char cache[300];
        snprintf(cache, sizeof cache, "%s", test_folder());
        for (int process = 0; process < 5; process++) {
            ane_driver_options o = mock_quick;
            o.cache = cache;
            mock_begin(&mock_one, 1); /* the daemon has forgotten */
            if (process == 3) mock->build = "25A1";
            if (process == 4) mock->stale = true;
            ane_driver *d;
            assert_ok(ane_driver_open(&d, &o, err));
            ane_program *p = open_cached(d, route);
            const bool compiled = process == 0 || process >= 3;
            assert_int_equal(mock->compiles, compiled);
            assert_int_equal(ane_program_was_cached(p), !compiled);
            assert_int_equal(mock->purges, process == 4);
            ane_program_close(p);
            ane_driver_close(d);
            mock_end();
        }
        file_list l;
        assert_ok(file_list_open(&l, cache, err));
        assert_int_equal(l.n, 2);
        assert_string_equal(l.names[0], "24F74-h16g");
        file_list_close(&l);
    }
}

/* A folder that was not finished, and one whose receipt is gone. */
void test_ane_driver_cache_damaged(void **state) {
    (void)state;
    static const char *const lost[] = {"net.plist", "compiled", "model.mil"};
    for (int i = 0; i < 3; i++) {
        mock_begin(&mock_one, 1);
        ane_driver_options o = mock_quick;
        char path[300], folder[900];
        snprintf(path, sizeof path, "%s", test_folder());
        o.cache = path;
        ane_driver *d;
        assert_ok(ane_driver_open(&d, &o, err));
        ane_program *p = open_cached(d, 0);
        snprintf(folder, sizeof folder, "%s/24F74-h16g/%s/%s", path,
                 ane_program_id(p), lost[i]);
        ane_program_close(p);
        ane_driver_close(d);
        mock_end();
        assert_ok(file_remove(folder, err));
        mock_begin(&mock_one, 1);
        assert_ok(ane_driver_open(&d, &o, err));
        p = open_cached(d, 0);
        assert_int_equal(mock->compiles, i < 2);
        ane_program_close(p);
        ane_driver_close(d);
        mock_end();
    }
}

void test_ane_driver_folders(void **state) {
    (void)state;
    mock_begin(&mock_one, 1);
    ane_driver *d = mock_driver();
    ane_program *p;
    const char *temp = mock->temp;
    mock->temp = "";
    assert_fails(AR_DEVICE, "temporary folder",
                 ane_program_open(&p, d, &mock_plain, NULL, err));
    mock->temp = "/proc/none";
    assert_fails(AR_IO, "/proc/none",
                 ane_program_open(&p, d, &mock_plain, NULL, err));
    char deep[1020];
    memset(deep, 'a', sizeof deep - 1);
    deep[sizeof deep - 1] = 0;
    mock->temp = deep;
    assert_fails(AR_RANGE, "too long",
                 ane_program_open(&p, d, &mock_plain, NULL, err));
    assert_int_equal(mock->compiles, 0);
    mock->temp = temp;
    ane_driver_close(d);
    mock_end();
    char path[5000];
    memset(path, 'a', sizeof path - 1);
    path[sizeof path - 1] = 0;
    const ane_driver_options o = {.cache = path};
    assert_fails(AR_RANGE, "too long", ane_driver_open(&d, &o, err));
}

void test_ane_driver_out_of_memory(void **state) {
    (void)state;
    for (int n = 1;; n++) {
        mock_begin(&mock_one, 1);
        ane_driver *d = NULL;
        ane_program *p = NULL;
        ane_surface *s = NULL;
        mem_fail_at(n, 1);
        ar_status r = ane_driver_open(&d, &mock_quick, NULL);
        if (r == AR_OK) r = ane_program_open(&p, d, &mock_plain, NULL, NULL);
        if (r == AR_OK) r = ane_surface_open(&s, d, 384, NULL);
        if (r == AR_OK) r = ane_program_run(p, 0, &s, &s, NULL);
        mem_fail_at(0, 0);
        ane_surface_close(s);
        ane_program_close(p);
        ane_driver_close(d);
        mock_end();
        if (r == AR_OK) {
            assert_true(n > 6);
            break;
        }
        assert_int_equal(r, AR_NOMEM);
        assert_true(n < 100);
    }
}

typedef struct worker {
    ane_driver *d;
    ane_program *p;
    int wrong;
} worker;

static void *work(void *arg) {
    worker *w = arg;
    const ane_port *port = ane_program_procedure(w->p, 0)->inputs;
    for (int k = 0; k < 50; k++) {
        float x[30], y[30];
        for (int i = 0; i < 30; i++) x[i] = (float)(i + k);
        ane_surface *in = NULL, *out = NULL;
        if (ane_surface_open(&in, w->d, port->size, NULL) != AR_OK ||
            ane_surface_open(&out, w->d, port->size, NULL) != AR_OK ||
            ane_surface_write(in, port, x, NULL) != AR_OK ||
            ane_program_run(w->p, 0, &in, &out, NULL) != AR_OK ||
            ane_surface_read(out, port, y, NULL) != AR_OK)
            w->wrong++;
        else
            for (int i = 0; i < 30; i++) w->wrong += y[i] != 2 * x[i];
        ane_surface_close(in);
        ane_surface_close(out);
    }
    return NULL;
}

void test_ane_driver_threads(void **state) {
    (void)state;
    mock_begin(&mock_one, 1);
    worker w[3] = {{0}};
    w[0].d = mock_driver();
    assert_ok(ane_program_open(&w[0].p, w[0].d, &mock_plain, NULL, err));
    pthread_t t[3];
    for (int i = 0; i < 3; i++) {
        w[i] = (worker){w[0].d, w[0].p, 0};
        assert_int_equal(pthread_create(&t[i], NULL, work, &w[i]), 0);
    }
    for (int i = 0; i < 3; i++) {
        pthread_join(t[i], NULL);
        assert_int_equal(w[i].wrong, 0);
    }
    ane_program_close(w[0].p);
    ane_driver_close(w[0].d);
    mock_end();
}
