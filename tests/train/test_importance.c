/* test_importance.c - mean squares of what matrices are multiplied with. */
#include "tests/test.h"

#include "base/mem.h"
#include "infer/model_text.h"
#include "train/importance.h"

static const char words[] = "the quick brown fox jumps over the lazy dog. "
                            "the lazy dog sleeps, and the fox is brown.";

enum { MOST = 400 };

static void measure(imatrix **out, const ar_model *m, int64_t tokens,
                    int64_t most) {
    ar_tokenizer *tok;
    importance_options o = importance_options_default();
    o.tokens = tokens;
    o.most = most;
    assert_ok(ar_model_tokenizer(&tok, m, err));
    assert_ok(
        importance_measure(out, m, tok, words, sizeof words - 1, &o, err));
    ar_tokenizer_close(tok);
}

static int64_t encode(const ar_model *m, int32_t ids[MOST]) {
    ar_tokenizer *tok;
    size_t n;
    assert_ok(ar_model_tokenizer(&tok, m, err));
    ids[0] = ar_tokenizer_bos(tok);
    const size_t first = ids[0] >= 0;
    assert_ok(ar_tokenizer_encode(tok, words, sizeof words - 1, 0, ids + first,
                                  MOST - 1, &n, err));
    ar_tokenizer_close(tok);
    assert_true(n + first > 40 && n < MOST);
    return (int64_t)(n + first);
}

static float *load(const ar_model *m, enum param_role role, int layer) {
    const param_spec *s = &m->params.spec[params_find(&m->params, role, layer)];
    float *x = mem_new(float, shape_count(&s->shape));
    assert_ok(params_load_one(s, AR_F32, m->files, x, err));
    return x;
}

/* The products of the first layer's attention see its norm of the embedding,
 * which is computed here by hand. */
static void expect(const ar_model *m, const int32_t *ids, int64_t n,
                   double *out) {
    const int64_t C = m->config.n_embd;
    float *embed = load(m, ROLE_EMBED, -1), *w = load(m, ROLE_ATTN_NORM, 0);
    for (int64_t i = 0; i < C; i++) out[i] = 0;
    for (int64_t t = 0; t < n; t++) {
        const float *x = embed + ids[t] * C;
        double sum = 0;
        for (int64_t i = 0; i < C; i++) sum += (double)x[i] * (double)x[i];
        for (int64_t i = 0; i < C; i++) {
            const double y = (double)x[i] * (double)w[i];
            out[i] += y * y / (sum / (double)C + m->config.norm_eps);
        }
    }
    for (int64_t i = 0; i < C; i++) out[i] /= (double)n;
    mem_free(embed);
    mem_free(w);
}

static void check_first_layer(const imatrix *x, const ar_model *m,
                              const double *want) {
    static const char *const names[] = {
        "blk.0.attn_q.weight", "blk.0.attn_k.weight", "blk.0.attn_v.weight"};
    for (int k = 0; k < 3; k++) {
        const imatrix_entry *e = imatrix_find(x, names[k]);
        assert_non_null(e);
        assert_int_equal(e->columns, m->config.n_embd);
        for (int64_t i = 0; i < e->columns; i++)
            assert_near((double)e->mean[i], want[i], 1e-4 * want[i] + 1e-9);
    }
}

void test_importance(void **state) {
    (void)state;
    ar_model *m;
    imatrix *x;
    int32_t ids[MOST];
    double want[1024];
    assert_ok(ar_model_open(&m, test_golden("gguf/qwen3_q8_0.gguf"), err));
    const int64_t n = encode(m, ids);
    /* The text as one window, then whole windows of 7 of its first 30. */
    measure(&x, m, 0, 0);
    expect(m, ids, n, want);
    check_first_layer(x, m, want);
    /* Every matrix of every layer. */
    assert_int_equal(imatrix_count(x), 7 * m->config.n_layers);
    assert_int_equal(imatrix_find(x, "blk.1.ffn_down.weight")->columns,
                     m->config.n_ff);
    imatrix_close(x);
    measure(&x, m, 7, 30);
    expect(m, ids, 28, want);
    check_first_layer(x, m, want);
    imatrix_close(x);
    ar_model_close(m);
}

/* Matrices that are stored turned round have importance of their inputs. */
void test_importance_turned(void **state) {
    (void)state;
    ar_model *m;
    imatrix *x;
    assert_ok(ar_model_open(&m, test_golden("gguf/gpt2_q8_0.gguf"), err));
    measure(&x, m, 0, 0);
    assert_int_equal(imatrix_find(x, "blk.0.attn_qkv.weight")->columns,
                     m->config.n_embd);
    assert_int_equal(imatrix_find(x, "blk.0.ffn_down.weight")->columns,
                     m->config.n_ff);
    imatrix_close(x);
    ar_tokenizer *tok;
    assert_ok(ar_model_tokenizer(&tok, m, err));
    assert_fails(AR_RANGE, "no text",
                 importance_measure(&x, m, tok, "", 0, NULL, err));
    assert_null(x);
    ar_tokenizer_close(tok);
    ar_model_close(m);
}
