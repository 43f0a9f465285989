/* test_grads.c - gradients of whole models against an independent
 * implementation: golden/models/NAME/grads.safetensors. */
#include "base/mem.h"
#include "tests/train/train_case.h"

static int64_t read_rows(const json_t *rows, int32_t *out) {
    size_t i, k;
    json_t *row, *id;
    int64_t n = 0;
    json_array_foreach(rows, i, row) json_array_foreach(row, k, id) out[n++] =
        (int32_t)json_integer_value(id);
    return n;
}

static double value_at(const tensor_view *x, int64_t i) {
    if (x->type == AR_F64) {
        double v;
        memcpy(&v, (const char *)x->data + i * 8, 8);
        return v;
    }
    float v;
    memcpy(&v, (const char *)x->data + i * 4, 4);
    return v;
}

/* Largest difference relative to the tensor's largest value, over all. */
static double compare(const st_file *got, const st_file *want) {
    double worst = 0;
    for (int64_t k = 0; k < st_count(want); k++) {
        const tensor_view *w = st_get(want, k);
        const tensor_view *g = st_find(got, w->name);
        if (!g) fail_msg("no gradient of %s", w->name);
        assert_true(shape_equal(&g->shape, &w->shape));
        double most = 0, most_off = 0;
        for (int64_t i = 0; i < shape_count(&w->shape); i++) {
            most = fmax(most, fabs(value_at(w, i)));
            most_off = fmax(most_off, fabs(value_at(w, i) - value_at(g, i)));
        }
        worst = fmax(worst, most_off / most);
    }
    return worst;
}

static void check_grads(const char *name, const char *where, double tolerance) {
    char path[200], out[400];
    ar_model *m;
    snprintf(path, sizeof path, "models/%s", name);
    assert_ok(ar_model_open(&m, test_golden(path), err));
    snprintf(path, sizeof path, "models/%s/io.json", name);
    json_t *io = case_json(path);
    const json_t *train = json_object_get(io, "train");
    int32_t inputs[32], targets[32];
    assert_int_equal(read_rows(json_object_get(train, "inputs"), inputs), 32);
    assert_int_equal(read_rows(json_object_get(train, "targets"), targets), 32);
    const grads_batch batch = {inputs, targets, 2, 16};
    const device_options one = {.n_threads = 1};
    double loss;
    snprintf(out, sizeof out, "%s/grads.safetensors", test_folder());
    assert_ok(grads_run(m, &batch, where, &one, out, &loss, err));
    assert_near(loss, json_number_value(json_object_get(train, "loss")),
                tolerance);
    st_file *got, *want;
    assert_ok(st_open(&got, out, err));
    snprintf(path, sizeof path, "models/%s/grads.safetensors", name);
    assert_ok(st_open(&want, test_golden(path), err));
    const double d = compare(got, want);
    print_message("gradients of %s on %s: within %.1e\n", name, where, d);
    assert_true(d < tolerance);
    st_close(got);
    st_close(want);
    json_decref(io);
    ar_model_close(m);
}

void test_grads_gpt2(void **state) {
    (void)state;
    check_grads("gpt2", "reference-f64", 2e-7); /* stored as F32 */
    check_grads("gpt2", "cpu", 1e-4);
}

void test_grads_llama(void **state) {
    (void)state;
    check_grads("llama", "reference-f64", 2e-7);
    check_grads("llama", "cpu", 1e-4);
}

void test_grads_refuse(void **state) {
    (void)state;
    ar_model *m;
    assert_ok(ar_model_open(&m, test_golden("models/gpt2"), err));
    int32_t ids[4] = {1, 2, 160, 3};
    grads_batch batch = {ids, ids, 1, 4};
    assert_fails(AR_RANGE, "vocabulary",
                 grads_run(m, &batch, "cpu", NULL, "unused", NULL, err));
    static int32_t many[200];
    batch = (grads_batch){many, many, 1, 200};
    assert_fails(AR_RANGE, "context",
                 grads_run(m, &batch, "cpu", NULL, "unused", NULL, err));
    batch = (grads_batch){many, many, 1, 4};
    assert_fails(AR_USAGE, "abacus",
                 grads_run(m, &batch, "abacus", NULL, "unused", NULL, err));
    ar_model_close(m);
}
