/* test_moe.c - experts whose weights lie in blocks, or one by one. */
#include "base/mem.h"
#include "infer/infer.h"
#include "model/export.h"
#include "tests/infer/step_tokens.h"
#include "tests/model/golden_io.h"

enum { V = 160, MOST = 256 };

static void check_text(const ar_model *m, const json_t *io, const char *where,
                       double tolerance) {
    ar_engine *e;
    ar_engine_options o = ar_engine_options_default();
    o.device = where;
    o.exact = true;
    assert_ok(ar_engine_open(&e, m, &o, err));
    const json_t *prompts = json_object_get(io, "prompts");
    for (size_t k = 0; k < json_array_size(prompts); k++) {
        int32_t ids[MOST];
        double y[V];
        ar_session *s;
        const int64_t n = golden_ids(json_array_get(prompts, k), ids, MOST);
        assert_ok(ar_session_open(&s, e, err));
        assert_ok(ar_session_feed(s, ids, n, false, y, err));
        golden_compare(json_array_get(json_object_get(io, "last_logits"), k), y,
                       tolerance);
        ar_session_close(s);
    }
    ar_engine_close(e);
}

static void check_memory(const ar_model *m, size_t most) {
    ar_engine *e;
    ar_engine_memory use;
    assert_ok(ar_engine_open(&e, m, NULL, err));
    ar_engine_memory_use(e, &use);
    assert_true(use.weights < most);
    ar_engine_close(e);
}

/* MXFP4 in two tensors becomes blocks of its own bits: 17 bytes for 32. */
void test_moe_blocks(void **state) {
    (void)state;
    ar_model *m;
    json_t *io = golden_json(golden_model("gpt_oss_mxfp4", "io.json"));
    assert_ok(ar_model_open(&m, golden_model("gpt_oss_mxfp4", ""), err));
    check_text(m, io, "reference-f64", 1e-8);
    check_text(m, io, "reference", 5e-4);
    check_text(m, io, "cpu", 5e-4);
    int64_t packed = 0, vectors = 0;
    for (int i = 0; i < m->params.n; i++) {
        const int64_t n = shape_count(&m->params.spec[i].shape);
        if (m->params.spec[i].shape.rank == 3) packed += n / 32 * 17;
        if (m->params.spec[i].shape.rank == 1) vectors += n * 4;
    }
    assert_true(packed > 0);
    check_memory(m, (size_t)(packed + vectors) + 64u * (unsigned)m->params.n);
    ar_model_close(m);
    json_decref(io);
}

static const int32_t text[] = {3, 14, 15, 92, 65, 35, 8, 9, 79};
enum { N_TEXT = sizeof text / sizeof *text };

/* y [N_TEXT, n_vocab] */
static void all_logits(const ar_model *m, const char *where, bool exact,
                       double *y) {
    ar_engine *e;
    ar_session *s;
    ar_engine_options o = ar_engine_options_default();
    o.device = where;
    o.exact = exact;
    assert_ok(ar_engine_open(&e, m, &o, err));
    assert_ok(ar_session_open(&s, e, err));
    assert_ok(ar_session_feed(s, text, N_TEXT, true, y, err));
    ar_session_close(s);
    ar_engine_close(e);
}

/* Experts in blocks, in a GGUF file: those of folders are exact. */
static ar_model *open_blocks(void) {
    char file[600];
    ar_model *m, *g;
    const export_options as_they_are = {0};
    snprintf(file, sizeof file, "%s/blocks.gguf", test_folder());
    assert_ok(ar_model_open(&m, golden_model("gpt_oss_mxfp4", ""), err));
    assert_ok(export_gguf(m, file, &as_they_are, err));
    ar_model_close(m);
    assert_ok(ar_model_open(&g, file, err));
    return g;
}

/* Activations of 8 bits before experts move logits, by less than a fifth of
 * their deviation, unless the engine is exact; on every device alike. */
void test_moe_act8(void **state) {
    (void)state;
    static double exact[N_TEXT * V], y[N_TEXT * V], z[N_TEXT * V];
    ar_model *m;
    m = open_blocks();
    const int n = (int)m->config.n_vocab * N_TEXT;
    assert_true(n <= N_TEXT * V);
    all_logits(m, "cpu", true, exact);
    all_logits(m, "cpu", false, y);
    all_logits(m, "reference", false, z);
    double sum = 0, square = 0, worst = 0, devices = 0;
    for (int i = 0; i < n; i++) {
        sum += exact[i];
        square += exact[i] * exact[i];
        worst = fmax(worst, fabs(y[i] - exact[i]));
        devices = fmax(devices, fabs(y[i] - z[i]));
    }
    const double deviation = sqrt(square / n - pow(sum / n, 2));
    assert_true(worst > 1e-4 * deviation && worst < 0.2 * deviation);
    assert_true(devices < 0.2 * worst);
    all_logits(m, "reference-f64", false, z);
    for (int i = 0; i < n; i++) assert_true(fabs(z[i] - exact[i]) < 5e-4);
    ar_model_close(m);
}

/* A text alone and at once, and a token at a time beside others, have the same
 * bits with them. */
void test_moe_act8_batch(void **state) {
    (void)state;
    enum { S = 4 };
    static double whole[N_TEXT * V], y[S * V];
    ar_model *m;
    ar_engine *e;
    ar_session *s[S];
    m = open_blocks();
    const int64_t n = m->config.n_vocab;
    all_logits(m, "cpu", false, whole);
    assert_ok(ar_engine_open(&e, m, NULL, err));
    for (int i = 0; i < S; i++) {
        assert_ok(ar_session_open(&s[i], e, err));
        if (i) assert_ok(ar_session_feed(s[i], text, i, false, NULL, err));
    }
    for (int step = 0; step + S <= N_TEXT; step++) {
        assert_ok(step_tokens(e, s, text + step, S, n, y, err));
        for (int i = 0; i < S; i++)
            assert_memory_equal(y + i * n, whole + (i + step) * n,
                                (size_t)n * sizeof *y);
    }
    for (int i = 0; i < S; i++) ar_session_close(s[i]);
    ar_engine_close(e);
    ar_model_close(m);
}

/* The same in a GGUF file, where gate and up are two stacks. */
void test_moe_blocks_gguf(void **state) {
    (void)state;
    char file[600];
    ar_model *m, *g;
    const export_options as_they_are = {0};
    json_t *io = golden_json(golden_model("gpt_oss_mxfp4", "io.json"));
    snprintf(file, sizeof file, "%s/m.gguf", test_folder());
    assert_ok(ar_model_open(&m, golden_model("gpt_oss_mxfp4", ""), err));
    assert_ok(export_gguf(m, file, &as_they_are, err));
    assert_ok(ar_model_open(&g, file, err));
    const tensor_view *t = weights_find(g->files, "blk.0.ffn_up_exps.weight");
    assert_true(t && t->type == AR_MXFP4);
    check_text(g, io, "reference-f64", 1e-6); /* f32 in the metadata */
    check_text(g, io, "cpu", 5e-4);
    ar_model_close(g);
    ar_model_close(m);
    json_decref(io);
}

/* And as a folder of plain numbers, [E, in, out]. */
void test_moe_unpacked(void **state) {
    (void)state;
    char folder[600];
    ar_model *m, *f;
    const export_options as_they_are = {0};
    json_t *io = golden_json(golden_model("gpt_oss_mxfp4", "io.json"));
    snprintf(folder, sizeof folder, "%s/m", test_folder());
    assert_ok(ar_model_open(&m, golden_model("gpt_oss_mxfp4", ""), err));
    assert_ok(export_folder(m, folder, &as_they_are, err));
    assert_ok(ar_model_open(&f, folder, err));
    assert_true(f->config.experts_turned);
    check_text(f, io, "reference-f64", 1e-8);
    ar_model_close(f);
    ar_model_close(m);
    json_decref(io);
}

/* ---- GGUF files from before stacks: a tensor for each expert ---- */

/* "blk.3.ffn_up_exps.weight" to "blk.3.ffn_up.7.weight"; false for others. */
static bool old_name(const char *name, int64_t i, char out[128]) {
    const char *at = strstr(name, "_exps.");
    if (!at) return false;
    snprintf(out, 128, "%.*s.%lld.%s", (int)(at - name), name, (long long)i,
             at + strlen("_exps."));
    return true;
}

static void declare(gguf_writer *w, const tensor_view *t) {
    char name[128];
    const shape one = shape2(t->shape.dim[1], t->shape.dim[2]);
    if (!old_name(t->name, 0, name))
        gguf_declare(w, t->name, t->type, &t->shape);
    for (int64_t i = 0; old_name(t->name, i, name) && i < t->shape.dim[0]; i++)
        gguf_declare(w, name, t->type, &one);
}

static void write_older(const ar_model *m, const char *path) {
    gguf_writer *w;
    const gguf *g = weights_gguf(m->files);
    assert_ok(gguf_create(&w, path, err));
    for (int64_t i = 0; i < gguf_n_values(g); i++)
        gguf_put_value(w, gguf_value_at(g, i));
    for (int64_t i = 0; i < weights_count(m->files); i++)
        declare(w, weights_get(m->files, i));
    for (int64_t i = 0; i < weights_count(m->files); i++) {
        const tensor_view *t = weights_get(m->files, i);
        gguf_data(w, t->data, t->size);
    }
    assert_ok(gguf_commit(w, err));
}

void test_moe_older_gguf(void **state) {
    (void)state;
    char file[600], older[640];
    ar_model *m, *g;
    const export_options as_they_are = {0};
    json_t *io = golden_json(golden_model("mixtral", "io.json"));
    snprintf(file, sizeof file, "%s/m.gguf", test_folder());
    snprintf(older, sizeof older, "%s.older", file);
    assert_ok(ar_model_open(&m, golden_model("mixtral", ""), err));
    assert_ok(export_gguf(m, file, &as_they_are, err));
    ar_model_close(m);
    assert_ok(ar_model_open(&g, file, err));
    write_older(g, older);
    ar_model_close(g);
    assert_ok(ar_model_open(&g, older, err));
    assert_non_null(weights_find(g->files, "blk.1.ffn_down.3.weight"));
    check_text(g, io, "cpu", 5e-4);
    ar_model_close(g);
    json_decref(io);
}

/* Files count layers for guessing ahead, which no one here needs. */
static void write_ahead(const ar_model *m, const char *path) {
    gguf_writer *w;
    const gguf *g = weights_gguf(m->files);
    const char *const count = "glm4moe.block_count";
    const float x[2] = {0};
    const shape two = shape1(2);
    assert_ok(gguf_create(&w, path, err));
    for (int64_t i = 0; i < gguf_n_values(g); i++) {
        const gguf_value *v = gguf_value_at(g, i);
        if (v->key.size != strlen(count) ||
            memcmp(v->key.data, count, v->key.size) != 0)
            gguf_put_value(w, v);
    }
    gguf_put_int(w, count, GGUF_U32, m->config.n_layers + 1);
    gguf_put_int(w, "glm4moe.nextn_predict_layers", GGUF_U32, 1);
    for (int64_t i = 0; i < weights_count(m->files); i++) {
        const tensor_view *t = weights_get(m->files, i);
        gguf_declare(w, t->name, t->type, &t->shape);
    }
    gguf_declare(w, "blk.3.nextn.eh_proj.weight", AR_F32, &two);
    for (int64_t i = 0; i < weights_count(m->files); i++) {
        const tensor_view *t = weights_get(m->files, i);
        gguf_data(w, t->data, t->size);
    }
    gguf_data(w, x, sizeof x);
    assert_ok(gguf_commit(w, err));
}

void test_moe_ahead_gguf(void **state) {
    (void)state;
    char file[600], longer[640];
    ar_model *m, *g;
    const export_options as_they_are = {0};
    json_t *io = golden_json(golden_model("glm4_moe", "io.json"));
    snprintf(file, sizeof file, "%s/m.gguf", test_folder());
    snprintf(longer, sizeof longer, "%s.longer", file);
    assert_ok(ar_model_open(&m, golden_model("glm4_moe", ""), err));
    assert_ok(export_gguf(m, file, &as_they_are, err));
    ar_model_close(m);
    assert_ok(ar_model_open(&g, file, err));
    write_ahead(g, longer);
    ar_model_close(g);
    assert_ok(ar_model_open(&g, longer, err));
    assert_int_equal(g->config.n_layers, 3);
    check_text(g, io, "cpu", 5e-4);
    ar_model_close(g);
    json_decref(io);
}
