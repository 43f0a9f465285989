/* test_mil_sim_program.c - whole programs in the simulator: those of others,
 * weights from files, states, running out of memory, what is refused. */
#include <math.h>
#include <stdlib.h>

#include "backend/ane/mil_sim.h"
#include "base/file.h"
#include "base/mem.h"
#include "tests/test.h"

/* A weight file made up for a program: metadata wherever it points, all with
 * the same data behind them. */
typedef struct made_up {
    unsigned char *file;
    size_t size;
} made_up;

static void put64(unsigned char *p, uint64_t x) {
    for (int i = 0; i < 8; i++) p[i] = (unsigned char)(x >> 8 * i);
}

static void each_blob(const mil_program *p, made_up *m, size_t *end,
                      size_t *most) {
    for (int i = 0; i < mil_n_funcs(p); i++) {
        const mil_func *f = mil_get_func(p, i);
        for (int32_t r = 1; r < f->n_values; r++) {
            const mil_literal *l = f->values[r].literal;
            if (!l || !l->path) continue;
            const size_t size = mil_size(&l->type);
            if (l->offset + 64 > *end) *end = l->offset + 64;
            if (size > *most) *most = size;
            if (!m->file) continue;
            unsigned char *at = m->file + l->offset;
            put64(at, 0xDEADBEEF | (uint64_t)1 << 32);
            put64(at + 8, size);
            put64(at + 16, (*end + 63) / 64 * 64);
        }
    }
}

static made_up make_up(const mil_program *p) {
    made_up m = {0};
    size_t end = 64, most = 0;
    each_blob(p, &m, &end, &most);
    m.size = (end + 63) / 64 * 64 + most + 64;
    m.file = calloc(1, m.size);
    m.file[4] = 2;
    for (size_t i = (end + 63) / 64 * 64; i + 1 < m.size; i += 2) {
        m.file[i] = (unsigned char)(i * 7);
        m.file[i + 1] = (unsigned char)(i % 6 ? 0x24 : 0xa4);
    }
    each_blob(p, &m, &end, &most);
    return m;
}

static ar_status give_file(void *user, const char *path, const void **data,
                           size_t *size, ar_error *err) {
    const made_up *m = user;
    (void)path, (void)err;
    *data = m->file;
    *size = m->size;
    return AR_OK;
}

/* Every function once, on small numbers; 0 if the program is refused. */
static int run_program(const char *name, const mil_program *p, int level,
                       made_up *m) {
    mil_sim_options opt = mil_sim_options_default();
    mil_sim *s;
    ar_error err = {0};
    opt.level = level;
    opt.file = give_file;
    opt.user = m;
    if (mil_sim_open(name, p, &opt, &s, &err) != AR_OK) {
        print_message("%s: %s\n", name, err.message);
        return 0;
    }
    for (int i = 0; i < mil_n_funcs(p); i++) {
        const mil_func *f = mil_get_func(p, i);
        const void **in = calloc((size_t)f->n_params + 1, sizeof *in);
        void **out = calloc((size_t)f->n_results + 1, sizeof *out);
        int n = 0;
        for (int32_t k = 0; k < f->n_params; k++) {
            const mil_type *t = &mil_get(f, f->params[k])->type;
            if (!t->state) in[n++] = calloc(1, mil_size(t) + 1);
        }
        for (int32_t k = 0; k < f->n_results; k++)
            out[k] = calloc(1, mil_size(&mil_get(f, f->results[k])->type) + 1);
        if (mil_sim_run(s, i, in, out, &err) != AR_OK)
            fail_msg("%s: %s", name, err.message);
        for (int k = 0; k < n; k++) free((void *)(uintptr_t)in[k]);
        for (int32_t k = 0; k < f->n_results; k++) free(out[k]);
        free(in);
        free(out);
    }
    mil_sim_close(s);
    return 1;
}

void test_mil_sim_programs_of_others(void **state) {
    (void)state;
    file_list l;
    int ran = 0, n = 0;
    const char *folder = AR_SOURCE_DIR "/tests/ane/programs";
    assert_ok(file_list_open(&l, folder, err));
    for (size_t i = 0; i < l.n; i++) {
        char path[4096];
        file_map map;
        mil_program *p;
        assert_ok(file_join(path, sizeof path, folder, l.names[i], err));
        assert_ok(file_map_open(&map, path, err));
        assert_ok(
            mil_parse(l.names[i], (const char *)map.data, map.size, &p, err));
        made_up m = make_up(p);
        for (int level = 0; level < 2; level++) {
            ran += run_program(l.names[i], p, level, &m);
            n++;
        }
        free(m.file);
        mil_close(p);
        file_map_close(&map);
    }
    file_list_close(&l);
    print_message("%d of %d ran\n", ran, n);
    assert_int_equal(ran, n - 2); /* one has a mask that must fit its data */
}

static mil_program *parsed(const char *source) {
    mil_program *p;
    assert_ok(mil_parse("p", source, strlen(source), &p, err));
    return p;
}

/* A state goes on from run to run, and begins anew after a reset. */
void test_mil_sim_state(void **state) {
    (void)state;
    mil_program *p = parsed(
        "program(1.3){func main<ios18>(state<tensor<fp32,[2]>> s,tensor<fp32,"
        "[2]> x){tensor<fp32,[2]> old=read_state(input=s);tensor<fp32,[2]> y="
        "add(x=old,y=x);tensor<fp32,[2]> z=coreml_update_state(state=s,value="
        "y);}->(z);}");
    mil_sim *s;
    float x[] = {1, -2}, y[2];
    const void *in[] = {x};
    void *out[] = {y};
    assert_ok(mil_sim_open("p", p, NULL, &s, err));
    for (int i = 1; i < 4; i++) {
        assert_ok(mil_sim_run(s, 0, in, out, err));
        assert_true(y[0] == (float)i && y[1] == (float)(-2 * i));
    }
    mil_sim_reset(s);
    assert_ok(mil_sim_run(s, 0, in, out, err));
    assert_true(y[0] == 1);
    mil_sim_close(s);
    mil_close(p);
}

static const char weighted[] =
    "program(1.3){func main<ios18>(tensor<fp16,[1,4,1,3]> x){tensor<fp16,"
    "[1,8,1,3]> y=conv(x=x,weight=tensor<fp16,[8,4,1,1]>(BLOBFILE(path="
    "string(\"@model_path/w\"),offset=uint64(64))),pad_type=string(\"same\"));"
    "}->(y);}";

void test_mil_sim_refuses(void **state) {
    (void)state;
    mil_program *p = parsed(weighted);
    made_up m = make_up(p);
    mil_sim *s;
    mil_sim_options opt = mil_sim_options_default();
    assert_fails(AR_FORMAT, "no folder of weights",
                 mil_sim_open("p", p, &opt, &s, err));
    opt.file = give_file;
    opt.user = &m;
    const size_t whole = m.size;
    for (m.size = 0; m.size < 192; m.size += 7)
        assert_fails(AR_FORMAT, "@model_path/w",
                     mil_sim_open("p", p, &opt, &s, err));
    m.size = whole;
    put64(m.file + 72, 62); /* two bytes less than the tensor */
    assert_fails(AR_FORMAT, "needs 64", mil_sim_open("p", p, &opt, &s, err));
    put64(m.file + 72, 64);
    opt.chip = "m9";
    assert_fails(AR_UNSUPPORTED, "m9", mil_sim_open("p", p, &opt, &s, err));
    opt.chip = "m1";
    opt.level = 3;
    assert_fails(AR_UNSUPPORTED, "level", mil_sim_open("p", p, &opt, &s, err));
    opt.level = 1;
    assert_ok(mil_sim_open("p", p, &opt, &s, err));
    assert_fails(AR_RANGE, "function 1", mil_sim_run(s, 1, NULL, NULL, err));
    mil_sim_close(s);
    mil_close(p);
    free(m.file);
    p = parsed("program(1.3){func main<ios18>(tensor<fp16,[3]> x,tensor<int32,"
               "[2]> i){tensor<fp16,[2]> y=gather(x=x,indices=i);}->(y);}");
    unsigned char x[6] = {0}, y[4];
    int32_t at[] = {2, -3};
    const void *in[] = {x, at};
    void *out[] = {y};
    assert_ok(mil_sim_open("p", p, NULL, &s, err));
    assert_ok(mil_sim_run(s, 0, in, out, err));
    at[0] = 3;
    assert_fails(AR_RANGE, "p:1:", mil_sim_run(s, 0, in, out, err));
    at[0] = -4;
    assert_fails(AR_RANGE, "index -4", mil_sim_run(s, 0, in, out, err));
    mil_sim_close(s);
    mil_close(p);
}

void test_mil_sim_out_of_memory(void **state) {
    (void)state;
    mil_program *p = parsed(weighted);
    made_up m = make_up(p);
    mil_sim_options opt = {1, "m1", give_file, &m, 1};
    unsigned char x[24] = {0}, y[48];
    const void *in[] = {x};
    void *out[] = {y};
    for (int64_t n = 1;; n++) {
        mil_sim *s = NULL;
        ar_error err = {0};
        mem_fail_at(n, 1);
        ar_status got = mil_sim_open("p", p, &opt, &s, &err);
        if (got == AR_OK) got = mil_sim_run(s, 0, in, out, &err);
        mem_fail_at(0, 0);
        mil_sim_close(s);
        if (got == AR_OK) break;
        assert_int_equal(got, AR_NOMEM);
        assert_true(n < 1000);
    }
    mil_close(p);
    free(m.file);
}

/* Values that are not needed at the same time share memory. */
void test_mil_sim_plans_memory(void **state) {
    (void)state;
    text t = {0};
    text_adds(&t, "program(1.3){func main<ios18>(tensor<fp16,[4096]> v0){");
    for (int i = 0; i < 50; i++)
        text_addf(&t, "tensor<fp16,[4096]> v%d=add(x=v%d,y=fp16(1));", i + 1,
                  i);
    text_adds(&t, "}->(v50);}");
    mil_program *p;
    mil_sim *s;
    mil_sim_stats stats;
    assert_ok(mil_parse("p", t.data, t.size, &p, err));
    assert_ok(mil_sim_open("p", p, NULL, &s, err));
    mil_sim_get_stats(s, &stats);
    assert_int_equal(stats.block_size, 2 * 4096 * 4);
    unsigned char x[8192] = {0}, y[8192];
    const void *in[] = {x};
    void *out[] = {y};
    assert_ok(mil_sim_run(s, 0, in, out, err));
    assert_int_equal(y[0] | y[1] << 8, 0x5240); /* 50 */
    mil_sim_close(s);
    mil_close(p);
    text_close(&t);
}
