/* test_packed_engine.c - engines on folders whose matrices are several
 * tensors: the bits of their f32 numbers, in about the bytes of the file. */
#include "base/file.h"
#include "base/mem.h"
#include "quant/layout.h"
#include "tests/infer/golden_engine.h"
#include "tests/infer/made_model.h"
#include "tests/model/golden_models.h"

enum { V = 96, N = 12 };

/* Logits after N tokens, and what the weights take. */
static void run(const ar_model *m, const char *where, double *y,
                ar_engine_memory *use) {
    static const int32_t ids[N] = {1, 7, 90, 33, 2, 64, 5, 5, 71, 12, 8, 40};
    ar_engine_options o = ar_engine_options_default();
    ar_engine *e;
    ar_session *s;
    o.device = where;
    o.max_tokens = 64;
    o.max_rows = 8;
    assert_int_equal(m->config.n_vocab, V);
    assert_ok(ar_engine_open(&e, m, &o, err));
    assert_ok(ar_session_open(&s, e, err));
    assert_ok(ar_session_feed(s, ids, N, true, y, err));
    ar_engine_memory_use(e, use);
    ar_session_close(s);
    ar_engine_close(e);
}

/* Bytes of a model's matrices as blocks, and as they are in the file. */
static void count(const ar_model *m, size_t *blocks, size_t *file,
                  int *n_plain) {
    *blocks = *file = 0;
    *n_plain = 0;
    for (int64_t i = 0; i < weights_count(m->files); i++) {
        const tensor_view *t = weights_get(m->files, i);
        if (!t->packed) continue;
        const ar_type type = layout_block_type(t->packed);
        *n_plain += type == AR_NONE;
        *blocks += ar_type_size(type == AR_NONE ? AR_F32 : type,
                                shape_count(&t->shape));
        *file += t->size;
    }
}

void test_packed_engines(void **state) {
    (void)state;
    static double got[N * V], want[N * V];
    for (int i = 0; i < N_PACKED_MODELS; i++) {
        char folder[400];
        ar_model *m, *f;
        ar_engine_memory packed, plain;
        size_t blocks, file;
        int n_plain;
        assert_ok(ar_model_open(&m, golden_model(packed_models[i], ""), err));
        snprintf(folder, sizeof folder, "%s/%d", test_folder(), i);
        assert_ok(
            export_folder(m, folder, &(export_options){.type = AR_F32}, err));
        assert_ok(ar_model_open(&f, folder, err));
        run(m, "cpu", got, &packed);
        run(f, "cpu", want, &plain);
        for (int k = 0; k < N * V; k++) /* -0 may be 0 */
            if (got[k] != want[k])
                fail_msg("%s: logit %d is %.9g, not %.9g", packed_models[i], k,
                         got[k], want[k]);
        run(m, "reference-f64", got, &plain);
        run(f, "reference-f64", want, &plain);
        for (int k = 0; k < N * V; k++) assert_true(got[k] == want[k]);
        golden_check_engine(m, packed_models[i], "cpu", 5e-4);
        count(m, &blocks, &file, &n_plain);
        /* norms, and the embeddings where they are f16 in the file */
        assert_in_range(packed.weights, blocks, blocks + (1 << 13));
        if (n_plain == 0) assert_in_range(blocks, file / 2, file * 3 / 2);
        ar_model_close(f);
        ar_model_close(m);
    }
}

/* Latent attention and experts, as the large FP8 models have them. */
static const char latent[] =
    "{\"model_type\": \"deepseek_v3\", \"vocab_size\": 96, "
    "\"max_position_embeddings\": 64, \"num_hidden_layers\": 2, "
    "\"hidden_size\": 64, \"num_attention_heads\": 4, "
    "\"num_key_value_heads\": 4, \"intermediate_size\": 192, "
    "\"q_lora_rank\": 32, \"kv_lora_rank\": 64, \"qk_nope_head_dim\": 32, "
    "\"qk_rope_head_dim\": 32, \"v_head_dim\": 32, "
    "\"first_k_dense_replace\": 1, \"n_routed_experts\": 4, "
    "\"num_experts_per_tok\": 2, \"n_shared_experts\": 1, "
    "\"moe_intermediate_size\": 96, \"n_group\": 1, \"topk_group\": 1%s}";
static const char fp8[] =
    ", \"quantization_config\": {\"quant_method\": \"fp8\", "
    "\"weight_block_size\": [128, 32]}";

static bool goes_to_fp8(const tensor_view *t) {
    return t->shape.rank == 2 && strstr(t->name, "_proj");
}

static shape scales_of(const tensor_view *t) {
    return shape2((t->shape.dim[0] + 127) / 128, (t->shape.dim[1] + 31) / 32);
}

/* The matrices of a folder in 8 bits, with scales of tiles; the rest as it
 * is. */
static void write_fp8(const ar_model *m, const char *folder,
                      const char *config) {
    enum { MOST = 1 << 15 };
    static uint8_t codes[MOST];
    float scales[MOST / 32];
    char path[500], name[600];
    st_writer *w;
    assert_ok(file_make_folder(folder, err));
    assert_ok(file_join(path, sizeof path, folder, "config.json", err));
    assert_ok(file_replace(path, config, strlen(config), err));
    assert_ok(file_join(path, sizeof path, folder, "model.safetensors", err));
    assert_ok(st_create(&w, path, err));
    for (int pass = 0; pass < 2; pass++)
        for (int64_t i = 0; i < weights_count(m->files); i++) {
            const tensor_view *t = weights_get(m->files, i);
            const int64_t n = shape_count(&t->shape);
            const bool small = goes_to_fp8(t);
            const shape s = scales_of(t);
            snprintf(name, sizeof name, "%s_scale_inv", t->name);
            if (pass == 0) {
                st_declare(w, t->name, small ? AR_F8_E4M3 : t->type, &t->shape);
                if (small) st_declare(w, name, AR_F32, &s);
                continue;
            }
            if (!small) {
                st_data(w, t->data, t->size);
                continue;
            }
            assert_true(n <= MOST);
            assert_true(type_encode_f32(AR_F8_E4M3, t->data, codes, n));
            st_data(w, codes, (size_t)n);
            for (int64_t k = 0; k < shape_count(&s); k++)
                scales[k] = 1 + (float)(k % 7) / 9;
            st_data(w, scales, 4 * (size_t)shape_count(&s));
        }
    assert_ok(st_commit(w, err));
}

void test_packed_latent_experts(void **state) {
    (void)state;
    static double got[N * V], want[N * V];
    char folder[3][400], config[2][1200];
    ar_engine_memory packed, plain;
    size_t blocks, file;
    int n_plain;
    ar_model *m[3];
    for (int i = 0; i < 3; i++)
        snprintf(folder[i], sizeof folder[i], "%s/%d", test_folder(), i);
    for (int i = 0; i < 2; i++)
        snprintf(config[i], sizeof config[i], latent, i ? fp8 : "");
    made_model(folder[0], config[0], 0.15);
    assert_ok(ar_model_open(&m[0], folder[0], err));
    assert_ok(export_folder(m[0], folder[2], &(export_options){.type = AR_F32},
                            err)); /* an expert each */
    ar_model_close(m[0]);
    assert_ok(ar_model_open(&m[0], folder[2], err));
    write_fp8(m[0], folder[1], config[1]);
    assert_ok(ar_model_open(&m[1], folder[1], err));
    snprintf(folder[2], sizeof folder[2], "%s/values", test_folder());
    assert_ok(
        export_folder(m[1], folder[2], &(export_options){.type = AR_F32}, err));
    assert_ok(ar_model_open(&m[2], folder[2], err));
    run(m[1], "cpu", got, &packed);
    run(m[2], "cpu", want, &plain);
    for (int k = 0; k < N * V; k++) assert_true(got[k] == want[k]);
    count(m[1], &blocks, &file, &n_plain);
    assert_int_equal(n_plain, 0);
    assert_in_range(packed.weights, blocks, blocks + (1 << 14));
    assert_in_range(blocks, file, file * 9 / 8);
    for (int i = 0; i < 3; i++) ar_model_close(m[i]);
}

/* A saved session knows its model by bytes of its weights. */
void test_packed_session_file(void **state) {
    (void)state;
    static const int32_t ids[N] = {1, 7, 90, 33, 2, 64, 5, 5, 71, 12, 8, 40};
    ar_engine_options o = ar_engine_options_default();
    char path[400];
    ar_session *s;
    ar_engine *e[2];
    ar_model *m[2];
    o.max_tokens = 64;
    snprintf(path, sizeof path, "%s/saved", test_folder());
    for (int i = 0; i < 2; i++) {
        const char *name = i ? "../packed/int4" : "../packed/awq";
        assert_ok(ar_model_open(&m[i], golden_model(name, ""), err));
        assert_ok(ar_engine_open(&e[i], m[i], &o, err));
    }
    assert_ok(ar_session_open(&s, e[0], err));
    assert_ok(ar_session_feed(s, ids, N, false, NULL, err));
    assert_ok(ar_session_save(s, path, err));
    ar_session_close(s);
    assert_ok(ar_session_load(&s, e[0], path, err));
    ar_session_close(s);
    assert_true(ar_session_load(&s, e[1], path, NULL) != AR_OK);
    for (int i = 0; i < 2; i++) {
        ar_engine_close(e[i]);
        ar_model_close(m[i]);
    }
}

/* All but two: groups of 16, and inputs in any order. */
void test_packed_engines_in_blocks(void **state) {
    (void)state;
    int in_f32 = 0;
    for (int i = 0; i < N_PACKED_MODELS; i++) {
        ar_model *m;
        size_t blocks, file;
        int n_plain;
        assert_ok(ar_model_open(&m, golden_model(packed_models[i], ""), err));
        count(m, &blocks, &file, &n_plain);
        in_f32 += n_plain > 0;
        assert_true(n_plain == 0 || strstr(packed_models[i], "/gptq"));
        ar_model_close(m);
    }
    assert_int_equal(in_f32, 2);
}
