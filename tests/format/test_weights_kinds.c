/* test_weights_kinds.c - models in files of every kind behind one view. */
#include "tests/test.h"

#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "format/weights.h"

void test_weights_gguf(void **state) {
    (void)state;
    weights *w;
    gguf_string s;
    assert_ok(weights_open(
        &w, test_golden("gguf/qwen3_split-00003-of-00003.gguf"), err));
    assert_int_equal(weights_kind_of(w), WEIGHTS_GGUF);
    assert_string_equal(weights_kind_text(weights_kind_of(w)), "GGUF");
    assert_int_equal(weights_count(w), 35);
    assert_true(weights_mapped(w) > 200000);
    assert_ok(gguf_text(weights_gguf(w), "general.architecture", &s, err));
    assert_memory_equal(s.data, "qwen3", s.size);
    const tensor_view *t = weights_find(w, "token_embd.weight");
    assert_non_null(t);
    assert_ptr_equal(t, weights_get(w, 0));
    assert_int_equal(t->shape.dim[0], 416);
    assert_int_equal(t->shape.dim[1], 64);
    assert_false(weights_turned(w, t));
    assert_null(weights_header_of(w));
    weights_close(w);
    assert_ok(weights_open(&w, test_golden("damaged/dirs/ok_llama"), err));
    assert_int_equal(weights_kind_of(w), WEIGHTS_SAFETENSORS);
    assert_null(weights_gguf(w));
    weights_close(w);
}

/* The kind is told by the bytes, not by the name. */
void test_weights_kind(void **state) {
    (void)state;
    weights *w;
    assert_fails(
        AR_FORMAT, "not a safetensors file",
        weights_open(&w, test_golden("damaged/gguf/bad_magic.gguf"), err));
    assert_fails(AR_FORMAT, "empty.gguf",
                 weights_open(&w, test_golden("damaged/gguf/empty.gguf"), err));
    assert_fails(
        AR_UNSUPPORTED, "GGUF version 99",
        weights_open(&w, test_golden("damaged/gguf/version99.gguf"), err));
    char path[400];
    snprintf(path, sizeof path, "%s/x.safetensors", test_folder());
    assert_ok(file_replace(path, "RSTK\7\0\0\0", 8, err));
    assert_fails(AR_UNSUPPORTED, "Rustane checkpoint of version 7",
                 weights_open(&w, path, err));
}

static void add(text *t, uint32_t x) { text_add(t, &x, sizeof x); }

/* Numbers that tell where they are: the n-th of the file is n. */
static void add_floats(text *t, int n) {
    for (int i = 0; i < n; i++) {
        const float x = (float)i;
        text_add(t, &x, sizeof x);
    }
}

static ar_status open_text(weights **w, text *t, ar_error *err) {
    char path[400];
    snprintf(path, sizeof path, "%s/x.bin", test_folder());
    TRY(file_replace(path, t->data, t->size, err));
    return weights_open(w, path, err);
}

/* The same bytes in memory and in a file. */
void test_weights_in_memory(void **state) {
    (void)state;
    static const char *const names[] = {
        "gguf/gemma3_q8_0.gguf", "damaged/dirs/ok_llama/model.safetensors"};
    for (int k = 0; k < 2; k++) {
        char *data;
        size_t size;
        weights *file, *memory;
        assert_ok(file_read(test_golden(names[k]), 1 << 20, &data, &size, err));
        assert_ok(weights_open(&file, test_golden(names[k]), err));
        assert_ok(weights_open_memory(&memory, data, size, "bytes", err));
        assert_int_equal(weights_kind_of(file), weights_kind_of(memory));
        assert_int_equal(weights_count(file), weights_count(memory));
        assert_int_equal(weights_mapped(file), size);
        assert_int_equal(weights_mapped(memory), 0);
        for (int64_t i = 0; i < weights_count(file); i++) {
            const tensor_view *a = weights_get(file, i);
            const tensor_view *b = weights_find(memory, a->name);
            assert_int_equal(a->size, b->size);
            assert_memory_equal(a->data, b->data, a->size);
        }
        weights_close(file);
        weights_close(memory);
        mem_free(data);
    }
    weights *w;
    assert_fails(AR_FORMAT, "bytes",
                 weights_open_memory(&w, NULL, 0, "bytes", err));
    assert_null(w);
}

static void check(const weights *w, const char *name, shape s, float first,
                  bool turned) {
    const tensor_view *t = weights_find(w, name);
    if (!t) fail_msg("no %s", name);
    if (!shape_equal(&t->shape, &s)) fail_msg("%s has another shape", name);
    if (*(const float *)t->data != first)
        fail_msg("%s begins with %g, not %g", name,
                 (double)*(const float *)t->data, (double)first);
    assert_int_equal(t->size, ar_type_size(t->type, shape_count(&s)));
    assert_int_equal(weights_turned(w, t), turned);
}

enum { CONTEXT = 3, VOCAB = 5, LAYERS = 2, HEADS = 2, WIDTH = 4, PADDED = 8 };

static text llmc_header(int version) {
    text t = {0};
    const uint32_t head[] = {
        20240326, (uint32_t)version, CONTEXT, VOCAB, LAYERS, HEADS, WIDTH,
        PADDED};
    for (int i = 0; i < 256; i++) add(&t, i < 8 ? head[i] : 0);
    return t;
}

/* Floats of one layer: norms, attention, norms, MLP. */
enum { LAYER = 12 * WIDTH * WIDTH + 13 * WIDTH };

static int llmc_count(int rows) {
    return rows * WIDTH + CONTEXT * WIDTH + LAYERS * LAYER + 2 * WIDTH;
}

void test_weights_llmc(void **state) {
    (void)state;
    const int versions[] = {1, 3};
    for (int k = 0; k < 2; k++) {
        text t = llmc_header(versions[k]);
        weights *w;
        const int rows = k ? PADDED : VOCAB;
        const float wpe = (float)(rows * WIDTH), body = wpe + CONTEXT * WIDTH;
        add_floats(&t, llmc_count(rows));
        assert_ok(open_text(&w, &t, err));
        assert_int_equal(weights_kind_of(w), WEIGHTS_LLMC);
        assert_int_equal(weights_count(w), 4 + 12 * LAYERS);
        check(w, "transformer.wte.weight", shape2(VOCAB, WIDTH), 0, false);
        check(w, "transformer.wpe.weight", shape2(CONTEXT, WIDTH), wpe, false);
        check(w, "transformer.h.0.ln_1.weight", shape1(WIDTH), body, false);
        check(w, "transformer.h.1.ln_1.weight", shape1(WIDTH), body + WIDTH,
              false);
        check(w, "transformer.h.0.ln_1.bias", shape1(WIDTH), body + 2 * WIDTH,
              false);
        check(w, "transformer.h.1.attn.c_attn.weight", shape2(3 * WIDTH, WIDTH),
              body + 4 * WIDTH + 3 * WIDTH * WIDTH, true);
        check(w, "transformer.h.0.mlp.c_proj.weight", shape2(WIDTH, 4 * WIDTH),
              body + LAYERS * (LAYER - WIDTH - 4 * WIDTH * WIDTH), true);
        check(w, "transformer.ln_f.bias", shape1(WIDTH),
              (float)(llmc_count(rows) - WIDTH), false);
        const weights_header *h = weights_header_of(w);
        assert_int_equal(h->version, versions[k]);
        assert_int_equal(h->context, CONTEXT);
        assert_int_equal(h->vocab, VOCAB);
        assert_int_equal(h->layers, LAYERS);
        assert_int_equal(h->heads, HEADS);
        assert_int_equal(h->channels, WIDTH);
        weights_close(w);
        text_close(&t);
    }
}

void test_weights_llmc_half(void **state) {
    (void)state;
    text t = llmc_header(5);
    weights *w;
    for (int i = 0; i < llmc_count(PADDED); i++) text_add(&t, "\x80\x3f", 2);
    assert_ok(open_text(&w, &t, err));
    const tensor_view *e = weights_find(w, "transformer.wte.weight");
    assert_int_equal(e->type, AR_BF16);
    assert_int_equal(e->size, 2 * VOCAB * WIDTH);
    weights_close(w);
    text_close(&t);
}

static ar_status open_llmc(int word, uint32_t x, size_t cut, ar_error *err) {
    text t = llmc_header(3);
    weights *w;
    add_floats(&t, llmc_count(PADDED));
    memcpy(t.data + 4 * word, &x, sizeof x);
    t.size -= cut;
    const ar_status s = open_text(&w, &t, err);
    if (s != AR_OK) assert_null(w);
    weights_close(w);
    text_close(&t);
    return s;
}

void test_weights_llmc_refuses(void **state) {
    (void)state;
    const size_t all = (size_t)llmc_count(PADDED) * 4;
    assert_ok(open_llmc(1, 3, 0, err));
    assert_fails(AR_UNSUPPORTED, "version 2", open_llmc(1, 2, 0, err));
    assert_fails(AR_FORMAT, "inside its header", open_llmc(1, 3, all + 1, err));
    assert_fails(AR_FORMAT, "cut short", open_llmc(1, 3, 1, err));
    assert_fails(AR_FORMAT, "cut short", open_llmc(1, 5, 0, err));
    assert_fails(AR_FORMAT, "cut short", open_llmc(4, 0x7fffffff, 0, err));
    assert_fails(AR_FORMAT, "cut short", open_llmc(2, 0x7fffffff, 0, err));
    assert_fails(AR_FORMAT, "a number of layers of 0", open_llmc(4, 0, 0, err));
    assert_fails(AR_FORMAT, "for 3 heads", open_llmc(5, 3, 0, err));
    assert_fails(AR_FORMAT, "vocabulary of 5 padded to 4",
                 open_llmc(7, 4, 0, err));
    assert_fails(AR_FORMAT, "a width of 4294967295",
                 open_llmc(6, 0xffffffff, 0, err));
}

enum { DIM = 128, HIDDEN = 3, ROWS = 7 };
enum { RSTK_LAYER = 4 * DIM * DIM + 3 * DIM * HIDDEN + 2 * DIM };
enum { RSTK_FLOATS = ROWS * DIM + DIM + LAYERS * RSTK_LAYER };

static text rstk(int version, int floats) {
    text t = {0};
    text_adds(&t, "RSTK");
    const uint32_t head[] = {(uint32_t)version, 40, DIM, LAYERS, ROWS, 256, 1};
    for (int i = 0; i < (version == 1 ? 6 : 7); i++) add(&t, head[i]);
    add_floats(&t, floats);
    return t;
}

void test_weights_rstk(void **state) {
    (void)state;
    for (int version = 1; version <= 2; version++) {
        text t = rstk(version, RSTK_FLOATS);
        weights *w;
        const float first = ROWS * DIM + DIM, second = first + RSTK_LAYER;
        assert_ok(open_text(&w, &t, err));
        assert_int_equal(weights_kind_of(w), WEIGHTS_RSTK);
        assert_int_equal(weights_count(w), 2 + 9 * LAYERS);
        check(w, "model.embed_tokens.weight", shape2(ROWS, DIM), 0, false);
        check(w, "model.norm.weight", shape1(DIM), ROWS * DIM, false);
        check(w, "model.layers.0.self_attn.q_proj.weight", shape2(DIM, DIM),
              first, true);
        check(w, "model.layers.1.self_attn.q_proj.weight", shape2(DIM, DIM),
              second, true);
        check(w, "model.layers.1.mlp.up_proj.weight", shape2(DIM, HIDDEN),
              second + 4 * DIM * DIM + DIM * HIDDEN, true);
        check(w, "model.layers.1.mlp.down_proj.weight", shape2(DIM, HIDDEN),
              second + 4 * DIM * DIM + 2 * DIM * HIDDEN, false);
        check(w, "model.layers.1.post_attention_layernorm.weight", shape1(DIM),
              RSTK_FLOATS - DIM, false);
        const weights_header *h = weights_header_of(w);
        assert_int_equal(h->step, 40);
        assert_int_equal(h->hidden, HIDDEN);
        assert_int_equal(h->heads, 1);
        assert_int_equal(h->context, 256);
        assert_int_equal(h->activation, version - 1);
        weights_close(w);
        text_close(&t);
    }
}

static ar_status open_rstk(int word, uint32_t x, int floats, size_t cut,
                           ar_error *err) {
    text t = rstk(2, floats);
    weights *w;
    memcpy(t.data + 4 * word, &x, sizeof x);
    t.size -= cut;
    const ar_status s = open_text(&w, &t, err);
    if (s != AR_OK) assert_null(w);
    weights_close(w);
    text_close(&t);
    return s;
}

void test_weights_rstk_refuses(void **state) {
    (void)state;
    assert_ok(open_rstk(1, 2, RSTK_FLOATS, 0, err));
    assert_fails(AR_FORMAT, "inside its header", open_rstk(1, 2, 0, 1, err));
    assert_fails(AR_FORMAT, "no width of the MLP", open_rstk(1, 2, 9, 0, err));
    assert_fails(AR_FORMAT, "cut short",
                 open_rstk(1, 2, RSTK_FLOATS - 1, 0, err));
    assert_fails(AR_FORMAT, "cut short", open_rstk(1, 2, RSTK_FLOATS, 1, err));
    assert_fails(AR_UNSUPPORTED, "a width of 130",
                 open_rstk(3, 130, RSTK_FLOATS, 0, err));
    assert_fails(AR_UNSUPPORTED, "activation 2",
                 open_rstk(7, 2, RSTK_FLOATS, 0, err));
    assert_fails(AR_FORMAT, "a width of 0",
                 open_rstk(3, 0, RSTK_FLOATS, 0, err));
    assert_fails(AR_FORMAT, "a number of layers",
                 open_rstk(4, 0xffffffff, RSTK_FLOATS, 0, err));
}

/* Every allocation failed in turn. */
void test_weights_kinds_memory(void **state) {
    (void)state;
    text t = rstk(2, RSTK_FLOATS);
    char rstk_path[400];
    snprintf(rstk_path, sizeof rstk_path, "%s/x.bin", test_folder());
    assert_ok(file_replace(rstk_path, t.data, t.size, err));
    text_close(&t);
    const char *paths[] = {rstk_path,
                           test_golden("gguf/qwen3_split-00001-of-00003.gguf")};
    for (int k = 0; k < 2; k++) {
        int failures = 0;
        ar_status s = AR_OK;
        for (int64_t n = 1, hit = 1; hit; n++) {
            ar_error err = {0};
            weights *w;
            mem_fail_at(n, n % 2);
            s = weights_open(&w, paths[k], &err);
            hit = mem_fail_count() >= n;
            mem_fail_at(0, 0);
            if (s != AR_OK) assert_true(++failures && err.message[0] && !w);
            weights_close(w);
        }
        assert_int_equal(s, AR_OK);
        assert_true(failures > 1);
    }
}
