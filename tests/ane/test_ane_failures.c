/* test_ane_failures.c - the driver when the runtime fails it. */
#include "tests/ane/ane_fixture.h"
#include "tests/test.h"

static const struct {
    mock_fault fault;
    ar_status status; /* of the opening */
    const char *says;
    int loads, compiles;
} failures[] = {
    {{"compile", "_ANECompiler : ANECCompile() FAILED err=(InvalidMILProgram)",
      1, 1},
     AR_FORMAT,
     "cannot read the program",
     0,
     1},
    {{"compile", "_ANECompiler : ANECCompile() FAILED err=(CompilationFailure)",
      1, 1},
     AR_FORMAT,
     "cannot do",
     0,
     1},
    {{"compile", "_ANECompiler : ANECCompile() FAILED err=()", 1, 1},
     AR_FORMAT,
     "refuses the program",
     0,
     1},
    {{"compile", "Couldn't communicate with a helper application.", 4097, 1},
     AR_DEVICE,
     "service died",
     0,
     1},
    {{"compile", NULL, 0, 1}, AR_DEVICE, "no reason given", 0, 1},
    {{"load", "createProgramInstance 0x20004", 6, 1}, AR_OK, "", 2, 1},
    {{"load", "createProgramInstance 0x20004", 6, 3}, AR_OK, "", 4, 1},
    {{"load", "createProgramInstance 0x20004", 6, 4},
     AR_DEVICE,
     "address window",
     4,
     1},
    {{"load", "program load failed: no memory", 53, 2}, AR_OK, "", 3, 1},
    {{"load", "program load failed: no memory", 53, 9},
     AR_DEVICE,
     "wired",
     4,
     1},
    {{"load", "GetANEFModel: must re-compile", 6, 1}, AR_OK, "", 2, 2},
    {{"load", "GetANEFModel: must re-compile", 6, 2},
     AR_DEVICE,
     "dropped",
     2,
     2},
    {{"load", "verifyBundleAtPath: invalid model", 10, 1}, AR_OK, "", 2, 2},
    {{"load", NULL, 0, 1}, AR_OK, "", 2, 1},
    {{"load", NULL, 0, 4}, AR_DEVICE, "no reason given", 4, 1},
};

void test_ane_driver_failures_to_open(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof failures / sizeof *failures; i++) {
        mock_begin(&mock_one, 1);
        ane_driver *d = mock_driver();
        mock->fault = failures[i].fault;
        ane_program *p;
        if (failures[i].status == AR_OK) {
            assert_ok(ane_program_open(&p, d, &mock_plain, NULL, err));
            mock_run(d, p, 2);
        } else {
            assert_fails(failures[i].status, failures[i].says,
                         ane_program_open(&p, d, &mock_plain, NULL, err));
            assert_null(p);
        }
        assert_int_equal(mock->loads, failures[i].loads);
        assert_int_equal(mock->compiles, failures[i].compiles);
        ane_program_close(p);
        assert_int_equal(mock->unloads, failures[i].status == AR_OK);
        ane_driver_close(d);
        mock_end();
    }
}

void test_ane_driver_failures_to_run(void **state) {
    (void)state;
    static const struct {
        const char *text, *says;
    } faults[] = {
        {"processRequest ANEProgramProcessRequestDirect() Failed with "
         "status=0x1d : statusType=0x9: Program Inference error",
         "does not fit"},
        {"processRequest Failed with status=0x2 : statusType=0x9",
         "symbol index"},
        {"processRequest Failed with status=0x16 : statusType=0x9",
         "too large"},
        {"something new", "reason unknown"},
        {NULL, "no reason given"},
    };
    mock_begin(&mock_one, 1);
    ane_driver *d = mock_driver();
    ane_program *p;
    assert_ok(ane_program_open(&p, d, &mock_plain, NULL, err));
    const ane_procedure *f = ane_program_procedure(p, 0);
    ane_surface *x, *y;
    assert_ok(ane_surface_open(&x, d, f->inputs[0].size, err));
    assert_ok(ane_surface_open(&y, d, f->outputs[0].size, err));
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        mock->fault = (mock_fault){"evaluate", faults[i].text, 8, 1};
        assert_fails(AR_DEVICE, faults[i].says,
                     ane_program_run(p, 0, &x, &y, err));
        assert_ok(ane_program_run(p, 0, &x, &y, err));
    }
    float v[30];
    mock->fault = (mock_fault){"lock", NULL, 0, 2};
    assert_fails(AR_DEVICE, "locked: 0xe00002bd",
                 ane_surface_write(x, f->inputs, v, err));
    assert_fails(AR_DEVICE, "locked: 0xe00002bd",
                 ane_surface_read(x, f->inputs, v, err));
    ane_surface_close(x);
    ane_surface_close(y);
    ane_program_close(p);
    mock->fault = (mock_fault){"surface", NULL, 0, 1};
    assert_fails(AR_DEVICE, "no surface", ane_surface_open(&x, d, 64, err));
    assert_null(x);
    ane_driver_close(d);
    mock_end();
}

/* nil from each message that should give an object, and NO from others. */
static const struct {
    const char *message, *says;
} nils[] = {
    {"modelWithMILText:weights:optionsPlist:", "no descriptor"},
    {"inMemoryModelWithDescriptor:", "no model"},
    {"hexStringIdentifier", "no id"},
    {"UTF8String", "no id"},
    {"modelAttributes", "no procedures"},
    {"dataWithBytes:length:", "no memory"},
    {"stringWithUTF8String:", "no memory"},
    {"numberWithUnsignedLongLong:", "no memory"},
    {"dictionaryWithObjects:forKeys:count:", "no dictionary"},
    {"isKindOfClass:", "no id"},
    {"model", "no inner model"},
};

void test_ane_driver_nil(void **state) {
    (void)state;
    const ane_file file = {"scale", "\2", 1};
    const ane_source src = {"nil", mock_text, MOCK_TEXT, &file, 1};
    const ane_program_options o = {.direct = true, .qos = 21};
    for (size_t i = 0; i < sizeof nils / sizeof *nils; i++) {
        mock_begin(&mock_one, 1);
        ane_driver *d = mock_driver();
        mock->nil = nils[i].message;
        ane_program *p;
        assert_fails(AR_DEVICE, nils[i].says,
                     ane_program_open(&p, d, &src, &o, err));
        assert_null(p);
        mock->nil = NULL;
        ane_driver_close(d);
        mock_end();
    }
}

void test_ane_driver_nil_of_client(void **state) {
    (void)state;
    const ane_file file = {"scale", "\2", 1};
    const ane_source src = {"nil", mock_text, MOCK_TEXT, &file, 1};
    const ane_program_options client = {ANE_ROUTE_CLIENT, false, 21};
    static const char *const of_client[] = {
        "modelAtURL:key:", "fileURLWithPath:isDirectory:",
        "compileModel:options:qos:error:", "loadModel:options:qos:error:"};
    for (int i = 0; i < 4; i++) {
        mock_begin(&mock_one, 1);
        ane_driver *d = mock_driver();
        mock->nil = of_client[i];
        ane_program *p;
        assert_fails(AR_DEVICE,
                     "nil: ", ane_program_open(&p, d, &src, &client, err));
        mock->nil = NULL;
        ane_driver_close(d);
        mock_end();
    }
    mock_begin(&mock_one, 1);
    ane_driver *d = mock_driver();
    ane_program *p;
    ane_surface *s;
    mock->nil = "objectWithIOSurface:";
    assert_fails(AR_DEVICE, "takes no surface",
                 ane_surface_open(&s, d, 64, err));
    mock->nil = NULL;
    assert_ok(ane_program_open(&p, d, &mock_plain, NULL, err));
    assert_ok(ane_surface_open(&s, d, 384, err));
    mock->nil = "arrayWithObjects:count:";
    assert_fails(AR_DEVICE, "no request", ane_program_run(p, 0, &s, &s, err));
    mock->nil = NULL;
    ane_surface_close(s);
    ane_program_close(p);
    ane_driver_close(d);
    mock_end();
}

/* Descriptions that lack something or contradict themselves. */
static const struct {
    const char *hide, *lie;
    uint64_t value;
    ar_status status;
} bad[] = {
    {"ANEFModelDescription", NULL, 0, AR_DEVICE},
    {"ANEFModelProcedures", NULL, 0, AR_DEVICE},
    {"kANEFModelInputSymbolsArrayKey", NULL, 0, AR_DEVICE},
    {"kANEFModelOutputSymbolsArrayKey", NULL, 0, AR_DEVICE},
    {"ANEFModelInputSymbolIndexArray", NULL, 0, AR_DEVICE},
    {"ANEFModelOutputSymbolIndexArray", NULL, 0, AR_DEVICE},
    {"NetworkStatusList", NULL, 0, AR_DEVICE},
    {"LiveInputList", NULL, 0, AR_DEVICE},
    {"LiveOutputList", NULL, 0, AR_DEVICE},
    {"Type", NULL, 0, AR_UNSUPPORTED},
    {"Channels", NULL, 0, AR_UNSUPPORTED},
    {"Width", NULL, 0, AR_UNSUPPORTED},
    {"RowStride", NULL, 0, AR_UNSUPPORTED},
    {"PlaneStride", NULL, 0, AR_UNSUPPORTED},
    {"BatchStride", NULL, 0, AR_UNSUPPORTED},
    {NULL, "RowStride", 16, AR_DEVICE},
    {NULL, "RowStride", 0, AR_UNSUPPORTED},
    {NULL, "RowStride", UINT64_MAX, AR_UNSUPPORTED},
    {NULL, "PlaneStride", 64, AR_DEVICE},
    {NULL, "BatchStride", 128, AR_DEVICE},
    {NULL, "Batches", 1 << 30, AR_DEVICE},
    {NULL, "Batches", UINT64_MAX, AR_UNSUPPORTED},
    {NULL, "Width", 1 << 30, AR_DEVICE},
    {NULL, "Channels", 1 << 30, AR_DEVICE},
    {NULL, "Height", 1 << 30, AR_DEVICE},
    {NULL, "Depth", 2, AR_UNSUPPORTED},
    {NULL, "Interleave", 4, AR_UNSUPPORTED},
    {NULL, "ANEFModelProcedures", 7, AR_DEVICE}, /* of another class */
    {NULL, "Type", 7, AR_UNSUPPORTED},
    {NULL, "NetworkStatusList", 7, AR_DEVICE},
};

void test_ane_driver_bad_description(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        mock_begin(&mock_one, 1);
        ane_driver *d = mock_driver();
        mock->hide = bad[i].hide;
        mock->lie = bad[i].lie;
        mock->lie_value = bad[i].value;
        ane_program *p;
        ar_error e = {0};
        const ar_status s = ane_program_open(&p, d, &mock_plain, NULL, &e);
        if (s != bad[i].status)
            fail_msg("%s %s: %d \"%s\"", bad[i].hide ? bad[i].hide : "lie",
                     bad[i].lie ? bad[i].lie : "", s, e.message);
        assert_null(p);
        assert_int_equal(mock->unloads, 1); /* what was loaded is not left */
        ane_driver_close(d);
        mock_end();
    }
    /* names and ids of procedures may be missing */
    mock_begin(&mock_one, 1);
    ane_driver *d = mock_driver();
    mock->hide = "kANEFModelProcedureNameToIDMapKey";
    ane_program *p;
    assert_ok(ane_program_open(&p, d, &mock_plain, NULL, err));
    assert_string_equal(ane_program_procedure(p, 0)->name, "");
    mock->hide = NULL;
    mock_run(d, p, 2);
    ane_program_close(p);
    ane_driver_close(d);
    mock_end();
}
