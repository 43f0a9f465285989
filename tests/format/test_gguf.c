/* test_gguf.c - reading and writing GGUF: golden files, typed access, round
 * trips, parts. */
#include "tests/test.h"

#include <jansson.h>

#include "base/mem.h"
#include "format/gguf.h"

/* The type as GGUF's own name: "Q4_K" is our "q4_k". */
static void check_type(const tensor_view *t, const char *wanted) {
    char lower[32];
    size_t n = strlen(wanted);
    assert_true(n < sizeof lower);
    for (size_t i = 0; i <= n; i++)
        lower[i] = (char)(wanted[i] >= 'A' && wanted[i] <= 'Z' ? wanted[i] + 32
                                                               : wanted[i]);
    assert_string_equal(ar_type_name(t->type), lower);
}

static int64_t config_int(const json_t *config, const char *a, const char *b) {
    const json_t *x = json_object_get(config, a);
    if (!x) x = json_object_get(config, b);
    assert_true(json_is_integer(x));
    return json_integer_value(x);
}

static void check_shape(const gguf *g, const char *name, int64_t a, int64_t b) {
    const tensor_view *t = gguf_find_tensor(g, name);
    const shape wanted = b ? shape2(a, b) : shape1(a);
    if (!t || !shape_equal(&t->shape, &wanted))
        fail_msg("%s is not [%d, %d]", name, (int)a, (int)b);
}

static void check_shapes(const gguf *g, const json_t *config, bool fused) {
    const int64_t c = config_int(config, "hidden_size", "n_embd");
    const int64_t v = config_int(config, "vocab_size", "vocab_size");
    check_shape(g, "token_embd.weight", v, c);
    check_shape(g, "blk.0.attn_norm.weight", c, 0);
    if (fused) {
        check_shape(g, "blk.0.attn_qkv.weight", 3 * c, c);
        check_shape(g, "blk.1.ffn_down.weight", c, 4 * c);
        check_shape(g, "position_embd.weight",
                    config_int(config, "n_positions", ""), c);
        return;
    }
    const int64_t d = config_int(config, "head_dim", "head_dim");
    const int64_t f = config_int(config, "intermediate_size", "");
    const int64_t q = config_int(config, "num_attention_heads", "");
    const int64_t kv = config_int(config, "num_key_value_heads", "");
    check_shape(g, "blk.1.attn_q.weight", q * d, c);
    check_shape(g, "blk.1.attn_k.weight", kv * d, c);
    check_shape(g, "blk.1.attn_output.weight", c, q * d);
    check_shape(g, "blk.0.ffn_up.weight", f, c);
    check_shape(g, "blk.0.ffn_down.weight", c, f);
}

static int64_t arch_int(const gguf *g, const char *arch, const char *key) {
    char name[100];
    int64_t x = -1;
    snprintf(name, sizeof name, "%s.%s", arch, key);
    assert_ok(gguf_int(g, name, &x, err));
    return x;
}

static void check_metadata(const gguf *g, const json_t *about) {
    const json_t *config = json_object_get(about, "hf_config");
    const char *arch = json_string_value(json_object_get(about, "arch"));
    gguf_string s;
    assert_ok(gguf_text(g, "general.architecture", &s, err));
    assert_int_equal(s.size, strlen(arch));
    assert_memory_equal(s.data, arch, s.size);
    assert_int_equal(arch_int(g, arch, "embedding_length"),
                     config_int(config, "hidden_size", "n_embd"));
    assert_int_equal(arch_int(g, arch, "block_count"),
                     config_int(config, "num_hidden_layers", "n_layer"));
    assert_int_equal(arch_int(g, arch, "attention.head_count"),
                     config_int(config, "num_attention_heads", "n_head"));
    assert_int_equal(
        arch_int(g, arch, "context_length"),
        config_int(config, "max_position_embeddings", "n_positions"));
    int64_t bos;
    assert_ok(gguf_int(g, "tokenizer.ggml.bos_token_id", &bos, err));
    assert_int_equal(bos, config_int(config, "bos_token_id", ""));

    const int64_t n = config_int(config, "vocab_size", "vocab_size");
    const gguf_value *tokens = gguf_find(g, "tokenizer.ggml.tokens");
    assert_non_null(tokens);
    assert_int_equal(tokens->count, n);
    gguf_string *all = mem_new(gguf_string, n);
    assert_true(gguf_as_strings(tokens, all));
    assert_ptr_equal(all[n - 1].data + all[n - 1].size,
                     tokens->data + tokens->size);
    mem_free(all);
}

static void check_golden(const char *path, json_t *about) {
    gguf *g;
    assert_ok(gguf_open(&g, path, err));
    json_t *types = json_object_get(about, "types");
    const char *name;
    json_t *type;
    size_t extra = gguf_find_tensor(g, "rope_freqs.weight") != NULL;
    if (json_object_get(types, "rope_freqs.weight")) extra = 0;
    assert_int_equal(gguf_count(g), json_object_size(types) + extra);
    size_t bytes = 0;
    json_object_foreach(types, name, type) {
        const tensor_view *t = gguf_find_tensor(g, name);
        if (!t) fail_msg("%s: no %s", path, name);
        check_type(t, json_string_value(type));
        bytes += t->size;
    }
    assert_true(bytes > gguf_mapped(g) / 2 && bytes < gguf_mapped(g));
    check_metadata(g, about);
    check_shapes(
        g, json_object_get(about, "hf_config"),
        !strcmp("gpt2", json_string_value(json_object_get(about, "arch"))));
    gguf_close(g);
}

/* All files of the folder that have a description. */
void test_gguf_golden(void **state) {
    (void)state;
    char folder[400], path[900];
    file_list l;
    int n = 0;
    snprintf(folder, sizeof folder, "%s", test_golden("gguf"));
    assert_ok(file_list_open(&l, folder, err));
    for (size_t i = 0; i < l.n; i++) {
        char *end = strstr(l.names[i], ".json");
        if (!end) continue;
        snprintf(path, sizeof path, "%s/%s", folder, l.names[i]);
        json_t *about = json_load_file(path, 0, NULL);
        assert_non_null(about);
        *end = 0;
        snprintf(path, sizeof path, "%s/%s.gguf", folder, l.names[i]);
        if (!file_exists(path))
            snprintf(path, sizeof path, "%s/%s-00001-of-00003.gguf", folder,
                     l.names[i]);
        check_golden(path, about);
        json_decref(about);
        n++;
    }
    file_list_close(&l);
    assert_true(n >= 4);
}

static gguf_string str(const char *s) { return (gguf_string){s, strlen(s)}; }

/* One of everything. */
static ar_status write_some(const char *path, ar_error *err) {
    static const float a[6] = {1, 2, 3, 4, 5, 6};
    static const unsigned char q[68] = {1, 2, 3, [67] = 9};
    static const int16_t small[3] = {-1, 0, 300};
    const gguf_string words[3] = {str("one"), str(""), {"a\0b", 3}};
    const shape sa = shape2(2, 3), sq = shape2(2, 32), se = shape3(0, 4, 5);
    const shape scalar = {0};
    gguf_writer *w;
    const ar_status status = gguf_create(&w, path, err);
    if (status != AR_OK) return status;
    gguf_declare(w, "a", AR_F32, &sa);
    gguf_put_string(w, "general.architecture", str("none"));
    gguf_put_int(w, "u8", GGUF_U8, 255);
    gguf_put_int(w, "i8", GGUF_I8, -128);
    gguf_put_int(w, "u16", GGUF_U16, 65535);
    gguf_put_int(w, "i16", GGUF_I16, -32768);
    gguf_put_int(w, "u32", GGUF_U32, 4294967295);
    gguf_put_int(w, "i32", GGUF_I32, INT32_MIN);
    gguf_put_int(w, "u64", GGUF_U64, INT64_MAX);
    gguf_put_int(w, "i64", GGUF_I64, INT64_MIN);
    gguf_put_real(w, "f32", GGUF_F32, 0.5);
    gguf_put_real(w, "f64", GGUF_F64, 0.1);
    gguf_put_bool(w, "yes", true);
    gguf_put_bool(w, "no", false);
    gguf_put_array(w, "small", GGUF_I16, small, 3);
    gguf_put_array(w, "none", GGUF_F64, NULL, 0);
    gguf_put_strings(w, "words", words, 3);
    gguf_put_int(w, "general.alignment", GGUF_U32, 64);
    gguf_declare(w, "q\xc3\xa9", AR_Q8_0, &sq);
    gguf_declare(w, "empty", AR_F32, &se);
    gguf_declare(w, "scalar", AR_F32, &scalar);
    gguf_data(w, a, 5);
    gguf_data(w, (const char *)a + 5, sizeof a - 5);
    gguf_data(w, q, sizeof q);
    gguf_data(w, a + 5, sizeof *a);
    return gguf_commit(w, err);
}

static void check_ints(const gguf *g) {
    static const struct {
        const char *key;
        int64_t x;
    } ints[] = {{"u8", 255},        {"i8", -128},        {"u16", 65535},
                {"i16", -32768},    {"u32", 4294967295}, {"i32", INT32_MIN},
                {"u64", INT64_MAX}, {"i64", INT64_MIN}};
    for (size_t i = 0; i < sizeof ints / sizeof *ints; i++) {
        int64_t x;
        double real;
        assert_ok(gguf_int(g, ints[i].key, &x, err));
        assert_true(x == ints[i].x);
        assert_ok(gguf_real(g, ints[i].key, &real, err));
        assert_true(real == (double)ints[i].x);
    }
}

static void check_values(const gguf *g) {
    double real;
    bool yes, no;
    int64_t x;
    gguf_string s, words[3];
    check_ints(g);
    assert_ok(gguf_real(g, "f32", &real, err));
    assert_true(real == 0.5);
    assert_ok(gguf_real(g, "f64", &real, err));
    assert_true(real == 0.1);
    assert_ok(gguf_bool(g, "yes", &yes, err));
    assert_ok(gguf_bool(g, "no", &no, err));
    assert_true(yes && !no);
    assert_ok(gguf_text(g, "general.architecture", &s, err));
    assert_memory_equal(s.data, "none", s.size);
    const gguf_value *small = gguf_find(g, "small");
    assert_int_equal(small->count, 3);
    assert_true(gguf_as_int(small, 0, &x) && x == -1);
    assert_true(gguf_as_int(small, 2, &x) && x == 300);
    assert_true(gguf_as_real(small, 2, &real) && real == 300);
    assert_false(gguf_as_int(small, 3, &x));
    assert_false(gguf_as_int(small, -1, &x));
    assert_int_equal(gguf_find(g, "none")->count, 0);
    assert_true(gguf_as_strings(gguf_find(g, "words"), words));
    assert_int_equal(words[0].size, 3);
    assert_int_equal(words[1].size, 0);
    assert_int_equal(words[2].size, 3);
    assert_memory_equal(words[2].data, "a\0b", 3);
}

static void check_some(const char *path) {
    gguf *g;
    assert_ok(gguf_open(&g, path, err));
    assert_int_equal(gguf_version(g), 3);
    assert_int_equal(gguf_parts(g), 1);
    assert_int_equal(gguf_count(g), 4);
    assert_int_equal(gguf_n_values(g), 17);
    const tensor_view *a = gguf_get(g, 0),
                      *q = gguf_find_tensor(g, "q\xc3\xa9");
    const tensor_view *scalar = gguf_find_tensor(g, "scalar");
    assert_string_equal(a->name, "a");
    assert_int_equal(a->shape.dim[0], 2);
    assert_int_equal(a->shape.dim[1], 3);
    assert_int_equal((uintptr_t)a->data % 64, 0);
    assert_true(((const float *)a->data)[5] == 6);
    assert_ptr_equal(q, gguf_get(g, 1));
    assert_int_equal(q->type, AR_Q8_0);
    assert_int_equal(q->size, 68);
    assert_int_equal(((const unsigned char *)q->data)[67], 9);
    assert_int_equal((const char *)q->data - (const char *)a->data, 64);
    assert_int_equal(gguf_find_tensor(g, "empty")->size, 0);
    assert_int_equal(scalar->shape.rank, 0);
    assert_true(*(const float *)scalar->data == 6);
    assert_null(gguf_find_tensor(g, "b"));
    assert_null(gguf_get(g, 4));
    check_values(g);
    gguf_close(g);
}

void test_gguf_round_trip(void **state) {
    (void)state;
    char path[400];
    snprintf(path, sizeof path, "%s/x.gguf", test_folder());
    assert_ok(write_some(path, err));
    check_some(path);
}

/* Values of another kind than asked for. */
void test_gguf_kinds(void **state) {
    (void)state;
    char path[400];
    gguf *g;
    int64_t x = 77;
    double real;
    bool yes;
    gguf_string s;
    snprintf(path, sizeof path, "%s/x.gguf", test_folder());
    assert_ok(write_some(path, err));
    assert_ok(gguf_open(&g, path, err));
    assert_fails(AR_FORMAT, "has no key \"u7\"", gguf_int(g, "u7", &x, err));
    assert_fails(AR_FORMAT, "is f32", gguf_int(g, "f32", &x, err));
    assert_fails(AR_FORMAT, "an array of i16", gguf_int(g, "small", &x, err));
    assert_fails(AR_FORMAT, "is bool", gguf_real(g, "yes", &real, err));
    assert_fails(AR_FORMAT, "is u8, not a bool", gguf_bool(g, "u8", &yes, err));
    assert_fails(AR_FORMAT, "an array of string",
                 gguf_text(g, "words", &s, err));
    assert_int_equal(x, 77);
    assert_false(gguf_as_strings(gguf_find(g, "general.architecture"), &s));
    assert_false(gguf_as_int(NULL, 0, &x));
    assert_false(gguf_as_string(gguf_find(g, "u8"), &s));
    assert_null(gguf_value_at(g, 17));
    gguf_close(g);
}

/* A file copied value by value and tensor by tensor is the same again. */
static void check_copy(const char *name) {
    char path[400];
    gguf *a, *b;
    gguf_writer *w;
    snprintf(path, sizeof path, "%s/x.gguf", test_folder());
    assert_ok(gguf_open(&a, test_golden(name), err));
    assert_ok(gguf_create(&w, path, err));
    for (int64_t i = 0; i < gguf_n_values(a); i++)
        gguf_put_value(w, gguf_value_at(a, i));
    for (int64_t i = 0; i < gguf_count(a); i++) {
        const tensor_view *t = gguf_get(a, i);
        gguf_declare(w, t->name, t->type, &t->shape);
    }
    for (int64_t i = 0; i < gguf_count(a); i++)
        gguf_data(w, gguf_get(a, i)->data, gguf_get(a, i)->size);
    assert_ok(gguf_commit(w, err));
    assert_ok(gguf_open(&b, path, err));
    assert_int_equal(gguf_count(a), gguf_count(b));
    assert_int_equal(gguf_n_values(a), gguf_n_values(b));
    for (int64_t i = 0; i < gguf_n_values(a); i++) {
        const gguf_value *v = gguf_value_at(a, i), *u = gguf_value_at(b, i);
        assert_int_equal(v->kind, u->kind);
        assert_int_equal(v->is_array, u->is_array);
        assert_int_equal(v->count, u->count);
        assert_int_equal(v->key.size, u->key.size);
        assert_memory_equal(v->key.data, u->key.data, v->key.size);
        assert_int_equal(v->size, u->size);
        assert_memory_equal(v->data, u->data, v->size);
    }
    for (int64_t i = 0; i < gguf_count(a); i++) {
        const tensor_view *t = gguf_get(a, i), *u = gguf_get(b, i);
        assert_string_equal(t->name, u->name);
        assert_int_equal(t->type, u->type);
        assert_true(shape_equal(&t->shape, &u->shape));
        assert_memory_equal(t->data, u->data, t->size);
    }
    gguf_close(a);
    gguf_close(b);
}

void test_gguf_copy(void **state) {
    (void)state;
    check_copy("gguf/llama_mixed.gguf");
    check_copy("damaged/gguf/ok_all_kv_types.gguf");
    check_copy("damaged/gguf/ok_nested_array.gguf");
    check_copy("damaged/gguf/ok_align64.gguf");
}

static void put_wrongly(gguf_writer *w, int how) {
    const float x = 1;
    gguf_put_int(w, "k", GGUF_U8, how == 0 ? 256 : 1);
    if (how == 1) gguf_put_bool(w, "k", true);
    if (how == 2) gguf_put_int(w, "general.alignment", GGUF_U32, 24);
    if (how == 3) gguf_put_bool(w, "\xff", true);
    if (how == 4) gguf_put_int(w, "f", GGUF_F32, 1);
    if (how == 13) gguf_put_real(w, "f", GGUF_I32, 1);
    if (how == 14) gguf_put_array(w, "f", GGUF_STRING, &x, 1);
    if (how == 15) gguf_put_bool(w, "", true);
}

static void declare_wrongly(gguf_writer *w, int how) {
    const shape s = shape1(3), wide = shape2(2, 31);
    const shape deep = {5, {1, 1, 1, 1, 1}}, huge = shape1((int64_t)1 << 60);
    gguf_declare(w, "a", how == 5 ? AR_BOOL : AR_F32, &s);
    if (how == 6) gguf_declare(w, "a", AR_F32, &s);
    if (how == 7) gguf_declare(w, "b", AR_Q4_0, &wide);
    if (how == 8) gguf_declare(w, "b", AR_F32, &deep);
    if (how == 16) gguf_declare(w, "b", AR_F32, &huge);
    if (how == 16) gguf_declare(w, "c", AR_F32, &huge);
}

static ar_status write_wrongly(const char *path, int how, ar_error *err) {
    const shape s = shape1(3);
    const float x[4] = {0};
    gguf_writer *w;
    const ar_status status = gguf_create(&w, path, err);
    if (status != AR_OK) return status;
    put_wrongly(w, how);
    declare_wrongly(w, how);
    gguf_data(w, x, how == 9 ? 8 : how == 10 ? 16 : 12);
    if (how == 11) gguf_declare(w, "b", AR_F32, &s);
    if (how == 12) gguf_put_bool(w, "late", true);
    return gguf_commit(w, err);
}

void test_gguf_writer_errors(void **state) {
    (void)state;
    static const struct {
        ar_status code;
        const char *word;
    } cases[] = {
        {AR_RANGE, "\"k\" does not fit its kind"},
        {AR_RANGE, "\"k\" is declared twice"},
        {AR_RANGE, "power of two"},
        {AR_FORMAT, "UTF-8"},
        {AR_RANGE, "\"f\" does not fit"},
        {AR_UNSUPPORTED, "\"a\" has a type"},
        {AR_RANGE, "\"a\" is declared twice"},
        {AR_RANGE, "\"b\" does not fit into the file"},
        {AR_RANGE, "\"b\" does not fit into the file"},
        {AR_RANGE, "\"a\" lacks some"},
        {AR_RANGE, "more bytes than were declared"},
        {AR_RANGE, "\"b\" comes after"},
        {AR_RANGE, "\"late\" comes after"},
        {AR_RANGE, "\"f\" does not fit its kind"},
        {AR_RANGE, "\"f\" is not an array of numbers"},
        {AR_RANGE, "too short or too long a name"},
        {AR_RANGE, "would have too many bytes"},
    };
    char path[400];
    const char *folder = test_folder();
    snprintf(path, sizeof path, "%s/x.gguf", folder);
    assert_ok(write_wrongly(path, -1, err));
    for (int i = 0; i < (int)(sizeof cases / sizeof *cases); i++)
        assert_fails(cases[i].code, cases[i].word, write_wrongly(path, i, err));
    gguf *g; /* the old file is as it was */
    assert_ok(gguf_open(&g, path, err));
    gguf_close(g);
    file_list l;
    assert_ok(file_list_open(&l, folder, err));
    assert_int_equal(l.n, 1);
    file_list_close(&l);
}

/* Every allocation failed in turn. */
void test_gguf_memory(void **state) {
    (void)state;
    char path[400];
    json_malloc_t get;
    json_free_t put;
    snprintf(path, sizeof path, "%s/x.gguf", test_folder());
    json_get_alloc_funcs(&get, &put);
    json_set_alloc_funcs(mem_alloc, mem_free);
    int failures = 0;
    ar_status s = AR_OK;
    for (int64_t n = 1, hit = 1; hit; n++) {
        ar_error err = {0};
        mem_fail_at(n, n % 2);
        s = write_some(path, &err);
        hit = mem_fail_count() >= n; /* some failures are survived */
        mem_fail_at(0, 0);
        if (s != AR_OK) assert_true(++failures && err.message[0]);
        if (s == AR_OK) check_some(path);
    }
    json_set_alloc_funcs(get, put);
    assert_int_equal(s, AR_OK);
    assert_true(failures > 20);
    const char *parts = test_golden("gguf/qwen3_split-00002-of-00003.gguf");
    failures = 0;
    for (int64_t n = 1, hit = 1; hit; n++) {
        ar_error err = {0};
        gguf *g;
        mem_fail_at(n, n % 2);
        s = gguf_open(&g, parts, &err);
        hit = mem_fail_count() >= n;
        mem_fail_at(0, 0);
        if (s != AR_OK) assert_true(++failures && err.message[0] && !g);
        gguf_close(g);
    }
    assert_int_equal(s, AR_OK);
    assert_true(failures > 3);
}
