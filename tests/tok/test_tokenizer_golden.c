/* test_tokenizer_golden.c - encodings recorded with the tokenizers library. */
#include <jansson.h>
#include <stdlib.h>

#include "arcane/tokenizer.h"
#include "base/text.h"
#include "tests/test.h"
#include "tok/utf8.h"

static const char *const names[] = {
    "bpe_gpt2",        "bpe_llama3",       "bpe_qwen2",  "bpe_o200k",
    "bpe_deepseek_v3", "bpe_prefix_space", "bpe_gemma",  "bpe_llama2",
    "bpe_metaspace",   "unigram_nfkc",     "unigram_t5", "wordpiece_bert"};
enum { N_NAMES = sizeof names / sizeof *names };

/* A string that may have NULs in it. */
typedef struct span {
    const char *p;
    size_t n;
} span;

static span string_of(const json_t *o, const char *key, span fallback) {
    const json_t *v = json_object_get(o, key);
    return v ? (span){json_string_value(v), json_string_length(v)} : fallback;
}

static void add(text *t, span s) { text_add(t, s.p, s.n); }

static void check_ids(const ar_tokenizer *tok, span s, unsigned flags,
                      const json_t *const parts[3]) {
    int32_t ids[2048];
    size_t n, k = 0;
    assert_ok(ar_tokenizer_encode(tok, s.p, s.n, flags, ids, 2048, &n, err));
    for (int p = 0; p < 3; p++)
        for (size_t i = 0; i < json_array_size(parts[p]); i++, k++) {
            const int want =
                (int)json_integer_value(json_array_get(parts[p], i));
            if (k >= n || ids[k] != want)
                fail_msg("\"%s\": id %zu of %zu is %d, wanted %d", s.p, k, n,
                         k < n ? ids[k] : -1, want);
        }
    if (n != k) fail_msg("\"%s\": %zu ids, wanted %zu", s.p, n, k);
    size_t again;
    assert_ok(ar_tokenizer_encode(tok, s.p, s.n, flags, NULL, 0, &again, err));
    assert_int_equal(again, n);
}

static void check_text(const ar_tokenizer *tok, const json_t *list,
                       unsigned flags, span want) {
    int32_t ids[2048];
    const size_t n = json_array_size(list);
    assert_true(n <= 2048);
    for (size_t i = 0; i < n; i++)
        ids[i] = (int32_t)json_integer_value(json_array_get(list, i));
    static char bytes[1 << 16];
    size_t size, measured;
    assert_ok(ar_tokenizer_decode(tok, ids, n, flags, bytes, sizeof bytes,
                                  &size, err));
    assert_ok(ar_tokenizer_decode(tok, ids, n, flags, NULL, 0, &measured, err));
    assert_int_equal(size, measured);
    text t = {0};
    text_adds(&t, "");
    utf8_add_lossy(&t, bytes, size);
    if (t.size != want.n || memcmp(t.data, want.p, want.n) != 0)
        fail_msg("decoded \"%s\", wanted \"%s\"", t.data, want.p);
    text_close(&t);
}

static void check_case(const ar_tokenizer *tok, const json_t *root,
                       const json_t *c) {
    const span none = {"", 0}, s = string_of(c, "text", none);
    const json_t *ids = json_object_get(c, "ids"),
                 *before = json_object_get(root, "before"),
                 *after = json_object_get(root, "after"),
                 *special = json_object_get(c, "ids_special");
    check_ids(tok, s, AR_SPECIAL, (const json_t *[3]){NULL, ids, NULL});
    check_ids(tok, s, AR_SPECIAL | AR_TEMPLATE,
              special ? (const json_t *[3]){NULL, special, NULL}
                      : (const json_t *[3]){before, ids, after});
    json_t *all = json_array();
    if (special) {
        json_array_extend(all, (json_t *)special);
    } else {
        json_array_extend(all, (json_t *)before);
        json_array_extend(all, (json_t *)ids);
        json_array_extend(all, (json_t *)after);
    }
    const char *space = json_is_true(json_object_get(c, "space")) ? " " : "";
    text t = {0};
    add(&t, string_of(root, "decoded_before", none));
    text_adds(&t, space);
    add(&t, s);
    add(&t, string_of(root, "decoded_after", none));
    check_text(tok, all, AR_SPECIAL,
               string_of(c, "decoded", (span){t.data, t.size}));
    text_clear(&t);
    text_adds(&t, space);
    add(&t, s);
    check_text(tok, all, 0,
               string_of(c, "decoded_skip", (span){t.data, t.size}));
    text_close(&t);
    json_decref(all);
}

static void check_all(const char *name, const ar_tokenizer *tok) {
    char path[256];
    snprintf(path, sizeof path, "tokenizers/%s/encodings.json", name);
    json_t *root = json_load_file(test_golden(path), JSON_ALLOW_NUL, NULL);
    assert_non_null(root);
    const json_t *cases = json_object_get(root, "cases"),
                 *decode = json_object_get(root, "decode_cases");
    assert_true(json_array_size(cases) > 500 && json_array_size(decode) == 60);
    assert_int_equal(ar_tokenizer_vocab(tok),
                     json_integer_value(json_object_get(root, "vocab_size")));
    for (size_t i = 0; i < json_array_size(cases); i++)
        check_case(tok, root, json_array_get(cases, i));
    for (size_t i = 0; i < json_array_size(decode); i++) {
        const json_t *c = json_array_get(decode, i);
        const span want = string_of(c, "decoded", (span){NULL, 0});
        check_text(tok, json_object_get(c, "ids"), AR_SPECIAL, want);
        check_text(tok, json_object_get(c, "ids"), 0,
                   string_of(c, "decoded_skip", want));
    }
    json_decref(root);
}

/* Every recorded case, from the file and from what we write of it. */
static void check_tokenizer(const char *name) {
    char path[256];
    snprintf(path, sizeof path, "tokenizers/%s", name);
    ar_tokenizer *tok;
    assert_ok(ar_tokenizer_open(&tok, test_golden(path), err));
    check_all(name, tok);
    snprintf(path, sizeof path, "%s/tokenizer.json", test_folder());
    assert_ok(ar_tokenizer_save(tok, path, err));
    ar_tokenizer *again;
    assert_ok(ar_tokenizer_open(&again, path, err));
    check_all(name, again);
    assert_int_equal(ar_tokenizer_bos(tok), ar_tokenizer_bos(again));
    assert_int_equal(ar_tokenizer_eos(tok), ar_tokenizer_eos(again));
    ar_tokenizer_close(tok);
    ar_tokenizer_close(again);
}

void test_tokenizer_golden(void **state) {
    (void)state;
    for (int i = 0; i < N_NAMES; i++) check_tokenizer(names[i]);
}

void test_tokenizer_marks(void **state) {
    (void)state;
    static const int32_t want[N_NAMES][2] = {
        {0, 0}, {1500, 1501}, {1500, 1500}, {1500, 1501}, {1500, 1501}, {0, 2},
        {2, 1}, {1, 2},       {1, 2},       {1, 2},       {-1, 1},      {2, 3}};
    for (int i = 0; i < N_NAMES; i++) {
        char path[256];
        snprintf(path, sizeof path, "tokenizers/%s/tokenizer.json", names[i]);
        ar_tokenizer *tok;
        assert_ok(ar_tokenizer_open(&tok, test_golden(path), err));
        assert_int_equal(ar_tokenizer_bos(tok), want[i][0]);
        assert_int_equal(ar_tokenizer_eos(tok), want[i][1]);
        ar_tokenizer_close(tok);
    }
}
