/* test_tokenizer_kinds.c - tokenizers that are not tokenizer.json: recorded
 * encodings of SentencePiece models and of tiktoken ranks. */
#include <jansson.h>

#include "arcane/tokenizer.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "tests/test.h"
#include "tok/file_kinds.h"
#include "tok/utf8.h"

enum { MAX_IDS = 2048 };

static size_t ids_of(const json_t *list, int32_t ids[MAX_IDS]) {
    const size_t n = json_array_size(list);
    assert_true(n <= MAX_IDS);
    for (size_t i = 0; i < n; i++)
        ids[i] = (int32_t)json_integer_value(json_array_get(list, i));
    return n;
}

static void check_ids(const ar_tokenizer *tok, const json_t *text_at,
                      unsigned flags, const json_t *want) {
    int32_t ids[MAX_IDS], wanted[MAX_IDS];
    size_t n;
    const char *s = json_string_value(text_at);
    assert_ok(ar_tokenizer_encode(tok, s, json_string_length(text_at), flags,
                                  ids, MAX_IDS, &n, err));
    if (n != ids_of(want, wanted) || memcmp(ids, wanted, n * sizeof *ids) != 0)
        fail_msg("\"%s\" has other ids", s);
}

/* Text, or bytes as hexadecimal digits. */
static void check_text(const ar_tokenizer *tok, const json_t *list,
                       unsigned flags, const json_t *want, bool hex) {
    int32_t ids[MAX_IDS];
    char bytes[1 << 15];
    size_t size;
    const size_t n = ids_of(list, ids);
    assert_ok(ar_tokenizer_decode(tok, ids, n, flags, bytes, sizeof bytes,
                                  &size, err));
    text t = {0};
    text_adds(&t, "");
    for (size_t i = 0; i < size && hex; i++)
        text_addf(&t, "%02x", (unsigned char)bytes[i]);
    if (!hex) utf8_add_lossy(&t, bytes, size);
    if (t.size != json_string_length(want) ||
        memcmp(t.data, json_string_value(want), t.size) != 0)
        fail_msg("decoded \"%s\", wanted \"%s\"", t.data,
                 json_string_value(want));
    text_close(&t);
}

/* `flags` is how the recorded ids were made. */
static void check_recorded(const char *name, unsigned flags) {
    char path[256];
    snprintf(path, sizeof path, "tokenizers/%s", name);
    ar_tokenizer *tok;
    assert_ok(ar_tokenizer_open(&tok, test_golden(path), err));
    snprintf(path, sizeof path, "tokenizers/%s/encodings.json", name);
    json_t *root = json_load_file(test_golden(path), JSON_ALLOW_NUL, NULL);
    assert_non_null(root);
    const json_t *cases = json_object_get(root, "cases"),
                 *decode = json_object_get(root, "decode_cases");
    assert_int_equal(ar_tokenizer_vocab(tok),
                     json_integer_value(json_object_get(root, "vocab_size")));
    assert_true(json_array_size(cases) > 500 && json_array_size(decode) == 40);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *c = json_array_get(cases, i);
        const json_t *s = json_object_get(c, "text"),
                     *ids = json_object_get(c, "ids"),
                     *plain = json_object_get(c, "ids_ordinary"),
                     *decoded = json_object_get(c, "decoded");
        check_ids(tok, s, flags, ids);
        check_ids(tok, s, 0, plain ? plain : ids);
        check_text(tok, ids, flags, decoded ? decoded : s, false);
    }
    for (size_t i = 0; i < json_array_size(decode); i++) {
        const json_t *c = json_array_get(decode, i);
        const json_t *hex = json_object_get(c, "decoded_hex");
        check_text(tok, json_object_get(c, "ids"), flags,
                   hex ? hex : json_object_get(c, "decoded"), hex != NULL);
    }
    char out[1024];
    assert_ok(file_join(out, sizeof out, test_folder(), "t.json", err));
    assert_fails(AR_UNSUPPORTED, "tokenizer.json",
                 ar_tokenizer_save(tok, out, err));
    json_decref(root);
    ar_tokenizer_close(tok);
}

void test_sentencepiece_bpe(void **state) {
    (void)state;
    check_recorded("sp_bpe", 0);
}

void test_sentencepiece_unigram(void **state) {
    (void)state;
    check_recorded("sp_unigram", 0);
}

void test_tiktoken(void **state) {
    (void)state;
    check_recorded("tiktoken_cl100k", AR_SPECIAL);
}

/* Every recorded text, id by id: what a stream gives is whole characters, and
 * together the text. */
static void check_stream(const char *name) {
    char path[256];
    snprintf(path, sizeof path, "tokenizers/%s", name);
    ar_tokenizer *tok;
    assert_ok(ar_tokenizer_open(&tok, test_golden(path), err));
    snprintf(path, sizeof path, "tokenizers/%s/encodings.json", name);
    json_t *root = json_load_file(test_golden(path), JSON_ALLOW_NUL, NULL);
    const json_t *cases = json_object_get(root, "cases");
    text all = {0};
    for (size_t i = 0; i < json_array_size(cases); i++) {
        int32_t ids[MAX_IDS];
        const size_t n =
            ids_of(json_object_get(json_array_get(cases, i), "ids"), ids);
        static char want[1 << 15];
        size_t size, k;
        assert_ok(ar_tokenizer_decode(tok, ids, n, AR_SPECIAL, want,
                                      sizeof want, &size, err));
        ar_tokenizer_stream *s;
        const char *p;
        assert_ok(ar_tokenizer_stream_open(&s, tok, AR_SPECIAL, err));
        text_clear(&all);
        text_adds(&all, "");
        for (size_t j = 0; j < n; j++) {
            assert_ok(ar_tokenizer_stream_add(s, ids[j], &p, &k, err));
            assert_int_equal(utf8_valid(p, k), k);
            text_add(&all, p, k);
        }
        assert_ok(ar_tokenizer_stream_end(s, &p, &k, err));
        assert_int_equal(k, 0);
        assert_int_equal(all.size, size);
        assert_memory_equal(all.data, want, size);
        ar_tokenizer_stream_close(s);
    }
    text_close(&all);
    json_decref(root);
    ar_tokenizer_close(tok);
}

void test_stream_recorded(void **state) {
    (void)state;
    static const char *const names[] = {
        "bpe_gpt2", "bpe_llama2", "bpe_metaspace",  "unigram_nfkc",
        "sp_bpe",   "sp_unigram", "wordpiece_bert", "tiktoken_cl100k"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        check_stream(names[i]);
}

/* Bytes one by one: what comes out, "|" after each call. */
static void check_bytes(const char *bytes, size_t n, const char *want) {
    ar_tokenizer *tok;
    ar_tokenizer_stream *s;
    assert_ok(ar_tokenizer_bytes(&tok, err));
    assert_ok(ar_tokenizer_stream_open(&s, tok, 0, err));
    text t = {0};
    const char *p;
    size_t k;
    for (size_t i = 0; i <= n; i++) {
        if (i < n)
            assert_ok(ar_tokenizer_stream_add(s, (unsigned char)bytes[i], &p,
                                              &k, err));
        else
            assert_ok(ar_tokenizer_stream_end(s, &p, &k, err));
        text_add(&t, p, k);
        text_adds(&t, "|");
    }
    assert_string_equal(t.data, want);
    text_close(&t);
    ar_tokenizer_stream_close(s);
    ar_tokenizer_close(tok);
}

void test_stream_bytes(void **state) {
    (void)state;
    check_bytes("a\xC3\xA9", 3, "a||\xC3\xA9||");
    check_bytes("\xF0\x9F\x98\x80", 4, "|||\xF0\x9F\x98\x80||");
    check_bytes("\xE2\x82", 2, "||\xEF\xBF\xBD|");
    check_bytes("\xE2\x82z", 3, "||\xEF\xBF\xBDz||");
    check_bytes("\xE0\x80", 2, "|\xEF\xBF\xBD\xEF\xBF\xBD||");
    check_bytes("\xE0\xA0\x80", 3, "||\xE0\xA0\x80||");
    check_bytes("\xED\x9F\xBF\xED\xA0", 5,
                "||\xED\x9F\xBF||\xEF\xBF\xBD\xEF\xBF\xBD||");
    check_bytes("\xF0\x90\x80\x80\xF4\x8F\xBF\xBF", 8,
                "|||\xF0\x90\x80\x80||||\xF4\x8F\xBF\xBF||");
    check_bytes("\x80\xFF", 2, "\xEF\xBF\xBD|\xEF\xBF\xBD||");
}

/* A file of the fuzz corpus: ok_* is right, any_* may be. */
static void check_corpus(const char *kind,
                         ar_status (*read)(ar_tokenizer **out, const char *data,
                                           size_t size, ar_error *err)) {
    char folder[1024];
    snprintf(folder, sizeof folder, "%s/fuzz/corpus/%s", AR_SOURCE_DIR, kind);
    file_list list;
    assert_ok(file_list_open(&list, folder, err));
    assert_true(list.n > 10);
    for (size_t i = 0; i < list.n; i++) {
        char path[1200], *data;
        size_t size;
        ar_tokenizer *tok = (ar_tokenizer *)1;
        ar_error why = {0};
        assert_ok(file_join(path, sizeof path, folder, list.names[i], err));
        assert_ok(file_read(path, 1 << 20, &data, &size, err));
        const ar_status s = read(&tok, data, size, &why);
        const bool good = !strncmp(list.names[i], "ok_", 3);
        if (strncmp(list.names[i], "any_", 4) != 0 && good != (s == AR_OK))
            fail_msg("%s: %d %s", list.names[i], s, why.message);
        assert_true(s == AR_OK ? tok != NULL : !tok && why.message[0]);
        ar_tokenizer_close(tok);
        mem_free(data);
    }
    file_list_close(&list);
}

static const char spec_text[] =
    "{\"pat_str\": \"\\\\p{L}++|\\\\p{N}{1,3}+|[^\\\\p{L}\\\\p{N}]\","
    "\"special_tokens\": {\"<s>\": 300}}";

/* spec.json may stand in front of a NUL. */
static ar_status read_ranks(ar_tokenizer **out, const char *data, size_t size,
                            ar_error *err) {
    const char *nul = size ? memchr(data, 0, size) : NULL;
    json_t *spec = json_loads(nul ? data : spec_text, 0, NULL);
    assert_non_null(spec);
    const char *ranks = nul ? nul + 1 : data;
    const ar_status s =
        read_tiktoken(out, ranks, size - (size_t)(ranks - data), spec, err);
    json_decref(spec);
    return s;
}

void test_kinds_damaged(void **state) {
    (void)state;
    check_corpus("sentencepiece", read_sentencepiece);
    check_corpus("tiktoken", read_ranks);
}

/* Every cut of a model is an error or a smaller model, never a crash. */
void test_sentencepiece_cut(void **state) {
    (void)state;
    char *data;
    size_t n;
    assert_ok(file_read(test_golden("tokenizers/sp_bpe/tokenizer.model"),
                        1 << 20, &data, &n, err));
    for (size_t cut = 0; cut < n; cut += 41) {
        char *exact = mem_alloc(cut);
        memcpy(exact, data, cut);
        ar_tokenizer *tok;
        ar_error why = {0};
        const ar_status s = read_sentencepiece(&tok, exact, cut, &why);
        assert_true((s == AR_OK) == (tok != NULL));
        ar_tokenizer_close(tok);
        mem_free(exact);
    }
    mem_free(data);
}

static void write_file(const char *folder, const char *name, const char *s) {
    char path[1024];
    assert_ok(file_join(path, sizeof path, folder, name, err));
    assert_ok(file_replace(path, s, strlen(s), err));
}

/* Ranks of the bytes of "abc". */
static const char ranks_text[] = "YQ== 0\nYg== 1\nYw== 2\nYWI= 3\n";

/* Files are known by what is in them, and folders by their files. */
void test_kinds_open(void **state) {
    (void)state;
    const char *folder = test_folder();
    char path[1024];
    ar_tokenizer *tok;
    assert_fails(AR_IO, "tokenizer.json", ar_tokenizer_open(&tok, folder, err));
    write_file(folder, "x.tiktoken", ranks_text);
    assert_fails(AR_IO, "spec.json", ar_tokenizer_open(&tok, folder, err));
    write_file(folder, "spec.json", "{}");
    assert_fails(AR_FORMAT, "pat_str", ar_tokenizer_open(&tok, folder, err));
    write_file(folder, "spec.json", spec_text);
    assert_ok(ar_tokenizer_open(&tok, folder, err));
    assert_int_equal(ar_tokenizer_vocab(tok), 301);
    ar_tokenizer_close(tok);
    /* a file of ranks by the name that others have, as Llama 3 came */
    write_file(folder, "tokenizer.model", ranks_text);
    assert_ok(file_join(path, sizeof path, folder, "tokenizer.model", err));
    assert_ok(ar_tokenizer_open(&tok, path, err));
    int32_t ids[8];
    size_t n;
    assert_ok(
        ar_tokenizer_encode(tok, "abc<s>", 6, AR_SPECIAL, ids, 8, &n, err));
    assert_int_equal(n, 3);
    assert_int_equal(ids[0], 3);
    assert_int_equal(ids[2], 300);
    ar_tokenizer_close(tok);
    write_file(folder, "tokenizer.model", "nonsense");
    assert_fails(AR_FORMAT, "neither", ar_tokenizer_open(&tok, path, err));
}

/* Special ids come first; those without a name have one made up. */
void test_tekken(void **state) {
    (void)state;
    const char *folder = test_folder();
    write_file(
        folder, "tekken.json",
        "{\"config\": {\"pattern\": \"\\\\p{L}+|.\","
        "\"default_vocab_size\": 26, \"default_num_special_tokens\": 22},"
        "\"vocab\": [{\"rank\": 0, \"token_bytes\": \"YQ==\"},"
        "{\"rank\": 1, \"token_bytes\": \"Yg==\"},"
        "{\"rank\": 2, \"token_bytes\": \"YWI=\"},"
        "{\"rank\": 3, \"token_bytes\": \"YWJhYg==\"},"
        "{\"rank\": 4, \"token_bytes\": \"YmI=\"}]}");
    ar_tokenizer *tok;
    assert_ok(ar_tokenizer_open(&tok, folder, err));
    assert_int_equal(ar_tokenizer_vocab(tok), 26);
    assert_int_equal(ar_tokenizer_bos(tok), 1);
    assert_int_equal(ar_tokenizer_eos(tok), 2);
    int32_t ids[16];
    size_t n;
    static const char s[] = "[INST]ababbb<SPECIAL_21>";
    assert_ok(ar_tokenizer_encode(tok, s, sizeof s - 1,
                                  AR_SPECIAL | AR_TEMPLATE, ids, 16, &n, err));
    static const int32_t want[] = {1, 3, 25, 23, 23, 21};
    assert_int_equal(n, 6);
    assert_memory_equal(ids, want, sizeof want);
    ar_tokenizer_close(tok);
}
