/* test_ane_runtime.c - the runtime's contract as the simulator keeps it. */
#include <stdlib.h>

#include "backend/ane/ane_runtime_sim.h"
#include "backend/ane/mil_blob.h"
#include "tests/test.h"

/* Parameters and results whose names are not in the order of the program. */
static const char mixed[] =
    "program(1.3){"
    "func first<ios18>(tensor<fp16,[1,2,1,20]> z,tensor<fp16,[1,2,1,2]> a){"
    "tensor<fp16,[1,2,1,2]> c=slice_by_size(x=z,begin=tensor<int32,[4]>([0,0,"
    "0,0]),size=tensor<int32,[4]>([1,2,1,2]));"
    "tensor<fp16,[1,2,1,2]> y=add(x=c,y=a);"
    "tensor<fp16,[1,2,1,2]> b=sub(x=c,y=a);}->(y,b);"
    "func second<ios18>(tensor<fp16,[1,2,1,2]> x){"
    "tensor<fp16,[1,2,1,2]> y=mul(x=x,y=fp16(2));}->(y);}";

enum { PAGE = 16384 };

typedef struct bench {
    ane_sim *r;
    unsigned char *room[4];
} bench;

static bench open_bench(const ane_sim_options *opt) {
    bench b = {.r = ane_sim_open(opt)};
    for (int i = 0; i < 4; i++) b.room[i] = calloc(1, PAGE);
    return b;
}

static void close_bench(bench *b) {
    ane_sim_close(b->r);
    for (int i = 0; i < 4; i++) free(b->room[i]);
}

static enum ane_sim_code compile(bench *b, const char *id, const char *mil) {
    ar_error err = {0};
    return ane_sim_compile(b->r, id, mil, strlen(mil), &err);
}

/* Channel k of a surface of [1, 2, 1, W]: rows lie 64 bytes apart. */
static void put(unsigned char *surface, int k, float x) {
    mil_sim_pack_f16(&x, 1, surface + 64 * k);
}

static int half_at(const unsigned char *surface, int k) {
    return surface[64 * k] | surface[64 * k + 1] << 8;
}

enum { HALF_3 = 0x4200, HALF_MINUS_1 = 0xbc00, HALF_8 = 0x4800 };

void test_ane_runtime_binds_by_name(void **state) {
    (void)state;
    bench b = open_bench(NULL);
    ane_sim_symbol s;
    assert_int_equal(compile(&b, "id", mixed), ANE_SIM_DONE);
    assert_int_equal(ane_sim_load(b.r, "id", NULL), ANE_SIM_DONE);
    assert_true(ane_sim_get_symbol(b.r, "id", 0, false, 0, &s));
    assert_string_equal(s.name, "a");
    assert_true(ane_sim_get_symbol(b.r, "id", 0, true, 0, &s));
    assert_string_equal(s.name, "b");
    assert_true(ane_sim_get_symbol(b.r, "id", 1, false, 0, &s));
    assert_int_equal(s.index, 2); /* after the first procedure's */
    assert_false(ane_sim_get_symbol(b.r, "id", 1, false, 1, &s));
    assert_false(ane_sim_get_symbol(b.r, "id", 2, false, 0, &s));
    put(b.room[0], 0, 2); /* a */
    put(b.room[1], 0, 1); /* z */
    const ane_sim_surface in[] = {{b.room[0], PAGE, 0}, {b.room[1], PAGE, 1}};
    const ane_sim_surface out[] = {{b.room[2], PAGE, 0}, {b.room[3], PAGE, 1}};
    const ane_sim_request q = {in, out, 2, 2};
    assert_int_equal(ane_sim_evaluate(b.r, "id", 0, &q, NULL), ANE_SIM_DONE);
    assert_int_equal(half_at(b.room[2], 0), HALF_MINUS_1); /* b = z - a */
    assert_int_equal(half_at(b.room[3], 0), HALF_3);       /* y = z + a */
    close_bench(&b);
}

void test_ane_runtime_declared_order(void **state) {
    (void)state;
    ane_sim_options opt = ane_sim_options_default();
    opt.declared_order = true;
    bench b = open_bench(&opt);
    ane_sim_symbol s;
    assert_int_equal(compile(&b, "id", mixed), ANE_SIM_DONE);
    assert_true(ane_sim_get_symbol(b.r, "id", 0, false, 0, &s));
    assert_string_equal(s.name, "z");
    assert_true(ane_sim_get_symbol(b.r, "id", 0, true, 0, &s));
    assert_string_equal(s.name, "y");
    close_bench(&b);
}

void test_ane_runtime_surfaces(void **state) {
    (void)state;
    ane_sim_options opt = ane_sim_options_default();
    opt.min_surface = 0;
    bench b = open_bench(&opt);
    assert_int_equal(compile(&b, "id", mixed), ANE_SIM_DONE);
    const int64_t d[] = {1, 2, 1, 20}, wide[] = {3, 40, 5, 33};
    mil_type t = mil_tensor(MIL_FP16, 4, d);
    assert_int_equal(ane_sim_row_stride(&t), 64);
    assert_int_equal(ane_sim_surface_size(&t), 128);
    t = mil_tensor(MIL_FP16, 4, wide);
    assert_int_equal(ane_sim_row_stride(&t), 128);
    assert_int_equal(ane_sim_surface_size(&t), 128 * 5 * 40 * 3);
    ane_sim_surface in[] = {{b.room[0], 128, 2}};
    ane_sim_surface out[] = {{b.room[1], 128, 2}};
    ane_sim_request q = {in, out, 1, 1};
    assert_int_equal(ane_sim_evaluate(b.r, "id", 1, &q, NULL),
                     ANE_SIM_NOT_LOADED);
    assert_int_equal(ane_sim_load(b.r, "id", NULL), ANE_SIM_DONE);
    put(b.room[0], 1, 4);
    assert_int_equal(ane_sim_evaluate(b.r, "id", 1, &q, NULL), ANE_SIM_DONE);
    assert_int_equal(half_at(b.room[1], 1), HALF_8);
    in[0].size = 127;
    assert_int_equal(ane_sim_evaluate(b.r, "id", 1, &q, NULL),
                     ANE_SIM_INFERENCE);
    in[0].size = 128;
    in[0].index = 0; /* of the procedure, not of the program */
    assert_int_equal(ane_sim_evaluate(b.r, "id", 1, &q, NULL),
                     ANE_SIM_BAD_SYMBOL);
    in[0].index = 2;
    q.n_out = 0;
    assert_int_equal(ane_sim_evaluate(b.r, "id", 1, &q, NULL),
                     ANE_SIM_INFERENCE);
    q.n_out = 1;
    assert_int_equal(ane_sim_evaluate(b.r, "id", 2, &q, NULL),
                     ANE_SIM_INFERENCE);
    const ane_sim_surface twice[] = {{b.room[0], 128, 0}, {b.room[0], 128, 0}};
    q = (ane_sim_request){twice, twice, 2, 2};
    assert_int_equal(ane_sim_evaluate(b.r, "id", 0, &q, NULL),
                     ANE_SIM_BAD_SYMBOL);
    close_bench(&b);
    b = open_bench(NULL); /* a page at least */
    assert_int_equal(compile(&b, "id", mixed), ANE_SIM_DONE);
    assert_int_equal(ane_sim_load(b.r, "id", NULL), ANE_SIM_DONE);
    q = (ane_sim_request){in, out, 1, 1};
    assert_int_equal(ane_sim_evaluate(b.r, "id", 1, &q, NULL),
                     ANE_SIM_INFERENCE);
    close_bench(&b);
}

/* Surfaces in the order of the program: no error where they are large enough,
 * but the wrong numbers; 0x1d where they are not. */
void test_ane_runtime_wrong_order(void **state) {
    (void)state;
    static const char uneven[] =
        "program(1.3){func main<ios18>(tensor<fp16,[1,9,1,20]> z,tensor<fp16,"
        "[1,1,1,1]> a){tensor<fp16,[1,9,1,20]> y=add(x=z,y=a);}->(y);}";
    ane_sim_options opt = ane_sim_options_default();
    opt.min_surface = 0;
    bench b = open_bench(&opt);
    assert_int_equal(compile(&b, "id", uneven), ANE_SIM_DONE);
    assert_int_equal(ane_sim_load(b.r, "id", NULL), ANE_SIM_DONE);
    const ane_sim_surface in[] = {{b.room[0], 576, 0}, {b.room[1], 64, 1}};
    const ane_sim_surface out[] = {{b.room[2], 576, 0}};
    const ane_sim_request q = {in, out, 2, 1};
    assert_int_equal(ane_sim_evaluate(b.r, "id", 0, &q, NULL),
                     ANE_SIM_INFERENCE);
    close_bench(&b);
}

void test_ane_runtime_limits(void **state) {
    (void)state;
    ane_sim_options opt = ane_sim_options_default();
    opt.max_compiles = 4;
    opt.max_loaded = 1;
    bench b = open_bench(&opt);
    ar_error err = {0};
    assert_int_equal(compile(&b, "one", mixed), ANE_SIM_DONE);
    assert_int_equal(compile(&b, "two", mixed), ANE_SIM_DONE);
    assert_int_equal(compile(&b, "bad", "program(1.3){"),
                     ANE_SIM_COMPILE_FAILED);
    assert_int_equal(ane_sim_load(b.r, "one", &err), ANE_SIM_DONE);
    assert_int_equal(ane_sim_load(b.r, "two", &err), ANE_SIM_NO_INSTANCE);
    ane_sim_unload(b.r, "one");
    assert_int_equal(ane_sim_load(b.r, "two", &err), ANE_SIM_DONE);
    assert_int_equal(ane_sim_load(b.r, "bad", &err), ANE_SIM_NOT_LOADED);
    assert_int_equal(ane_sim_loaded(b.r), 1);
    assert_int_equal(compile(&b, "three", mixed), ANE_SIM_DONE);
    assert_int_equal(compile(&b, "four", mixed), ANE_SIM_COMPILE_FAILED);
    assert_int_equal(ane_sim_compiles(b.r), 4);
    close_bench(&b);
}

/* Types that do not go in and out. */
void test_ane_runtime_edges(void **state) {
    (void)state;
    static const char form[] =
        "program(1.3){func main<ios18>(tensor<%s,[4]> x){tensor<%s,[4]> "
        "y=add(x=x,y=x);}->(y);}";
    static const struct {
        const char *type, *chip;
        enum ane_sim_code code;
    } c[] = {{"fp16", "m1", ANE_SIM_DONE},
             {"fp32", "m1", ANE_SIM_COMPILE_FAILED},
             {"fp32", "m4", ANE_SIM_DONE},
             {"int32", "m4", ANE_SIM_COMPILE_FAILED}};
    for (int i = 0; i < 4; i++) {
        ane_sim_options opt = ane_sim_options_default();
        opt.sim.chip = c[i].chip;
        char mil[200];
        snprintf(mil, sizeof mil, form, c[i].type, c[i].type);
        bench b = open_bench(&opt);
        assert_int_equal(compile(&b, "id", mil), c[i].code);
        close_bench(&b);
    }
}

static const void *weights;
static size_t weights_size;

static ar_status weight_file(void *user, const char *path, const void **data,
                             size_t *size, ar_error *err) {
    (void)user, (void)path, (void)err;
    *data = weights;
    *size = weights_size;
    return AR_OK;
}

static mil_blob_writer *one_weight(float x) {
    unsigned char half[2];
    mil_blob_writer *w = mil_blob_open();
    mil_sim_pack_f16(&x, 1, half);
    assert_int_equal(mil_blob_add(w, MIL_FP16, half, 1), 64);
    assert_ok(mil_blob_finish(w, &weights, &weights_size, err));
    return w;
}

/* Weights written anew under the same id are not seen; a new id sees them. */
void test_ane_runtime_stale_weights(void **state) {
    (void)state;
    static const char mil[] =
        "program(1.3){func main<ios18>(tensor<fp16,[1,1,1,1]> x){tensor<fp16,"
        "[1,1,1,1]> y=mul(x=x,y=tensor<fp16,[1,1,1,1]>(BLOBFILE(path=string("
        "\"w\"),offset=uint64(64))));}->(y);}";
    ane_sim_options opt = ane_sim_options_default();
    opt.sim.file = weight_file;
    bench b = open_bench(&opt);
    put(b.room[0], 0, 1);
    const ane_sim_surface in = {b.room[0], PAGE, 0}, out = {b.room[1], PAGE, 0};
    const ane_sim_request q = {&in, &out, 1, 1};
    mil_blob_writer *w = one_weight(3);
    assert_int_equal(compile(&b, "id", mil), ANE_SIM_DONE);
    mil_blob_close(w);
    w = one_weight(8);
    assert_int_equal(ane_sim_load(b.r, "id", NULL), ANE_SIM_DONE);
    ane_sim_unload(b.r, "id");
    assert_int_equal(compile(&b, "id", mil), ANE_SIM_DONE);
    assert_int_equal(ane_sim_load(b.r, "id", NULL), ANE_SIM_DONE);
    assert_int_equal(ane_sim_evaluate(b.r, "id", 0, &q, NULL), ANE_SIM_DONE);
    assert_int_equal(half_at(b.room[1], 0), HALF_3);
    assert_int_equal(compile(&b, "other", mil), ANE_SIM_DONE);
    assert_int_equal(ane_sim_load(b.r, "other", NULL), ANE_SIM_DONE);
    assert_int_equal(ane_sim_evaluate(b.r, "other", 0, &q, NULL), ANE_SIM_DONE);
    assert_int_equal(half_at(b.room[1], 0), HALF_8);
    mil_blob_close(w);
    close_bench(&b);
}
