/* test_tokenizer_file.c - tokenizer.json: what is refused, and with which
 * words. */
#include <stdlib.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "tests/test.h"
#include "tok/tokenizer_json.h"

static ar_status read_text(const char *s, size_t n, ar_error *err) {
    ar_tokenizer *tok;
    ar_status status = tokenizer_new(&tok, err);
    if (status == AR_OK) status = tokenizer_read(tok, s, n, err);
    ar_tokenizer_close(tok);
    return status;
}

/* Files that something is wrong with; ok_* are right. */
void test_tokenizer_damaged(void **state) {
    (void)state;
    file_list list;
    const char *folder = test_golden("damaged/tokenizers");
    assert_ok(file_list_open(&list, folder, err));
    assert_true(list.n > 10);
    for (size_t i = 0; i < list.n; i++) {
        char path[1024];
        assert_ok(file_join(path, sizeof path, folder, list.names[i], err));
        ar_tokenizer *tok;
        ar_error err = {0};
        const ar_status s = ar_tokenizer_open(&tok, path, &err);
        const bool valid = !strncmp(list.names[i], "ok_", 3);
        if ((s == AR_OK) != valid || (s && !strstr(err.message, path)))
            fail_msg("%s: %d %s", list.names[i], s, err.message);
        ar_tokenizer_close(tok);
    }
    file_list_close(&list);
}

void test_tokenizer_truncated(void **state) {
    (void)state;
    char *s;
    size_t n;
    assert_ok(file_read(test_golden("tokenizers/bpe_qwen2/tokenizer.json"),
                        1 << 20, &s, &n, err));
    for (size_t cut = 0; cut < n; cut += 97) {
        ar_error err = {0};
        assert_int_equal(read_text(s, cut, &err), AR_FORMAT);
        assert_true(err.message[0]);
    }
    mem_free(s);
    text deep = {0};
    for (int i = 0; i < 100000; i++) text_adds(&deep, "[");
    assert_fails(AR_FORMAT, "line 1", read_text(deep.data, deep.size, err));
    text_close(&deep);
}

#define BYTE_LEVEL "{\"type\":\"ByteLevel\",\"add_prefix_space\":false}"
#define VOCAB "\"vocab\":{\"a\":0,\"b\":1,\"ab\":2},\"merges\":[\"a b\"]"
#define MODEL "{\"type\":\"BPE\"," VOCAB "}"

/* A file with some parts replaced; NULL leaves the usual one. */
typedef struct file_parts {
    const char *normalizer, *pre_tokenizer, *post_processor, *decoder, *model,
        *added;
} file_parts;

static const char * or (const char *s, const char *usual) {
    return s ? s : usual;
}

static void build(text *t, file_parts p) {
    text_clear(t);
    text_addf(t, "{\"normalizer\":%s,\"pre_tokenizer\":%s,",
              or (p.normalizer, "null"), or (p.pre_tokenizer, BYTE_LEVEL));
    text_addf(t, "\"post_processor\":%s,\"decoder\":%s,\"model\":%s,",
              or (p.post_processor, "null"), or (p.decoder, BYTE_LEVEL),
              or (p.model, MODEL));
    text_addf(t, "\"added_tokens\":%s}", or (p.added, "[]"));
}

static const struct {
    file_parts parts;
    ar_status code;
    const char *word;
} refused[] = {
    {{.normalizer = "{\"type\":\"Nmt\"}"}, AR_UNSUPPORTED, "Nmt"},
    {{.normalizer = "{\"type\":\"Prepend\"}"}, AR_FORMAT, "prepend"},
    {{.normalizer = "{\"type\":\"Replace\",\"content\":\"\"}"},
     AR_FORMAT,
     "pattern"},
    {{.normalizer = "{\"type\":\"Precompiled\",\"precompiled_charsmap\":"
                    "\"AAAA\"}"},
     AR_FORMAT,
     "charsmap"},
    {{.normalizer = "{\"type\":\"Precompiled\",\"precompiled_charsmap\":"
                    "\"A-\"}"},
     AR_FORMAT,
     "base64"},
    {{.normalizer = "{\"type\":\"Sequence\"}"}, AR_FORMAT, "normalizers"},
    {{.normalizer = "{\"type\":3}"}, AR_FORMAT, "type"},
    {{.normalizer = "[]"}, AR_FORMAT, "normalizer"},
    {{.pre_tokenizer = "null"}, AR_UNSUPPORTED, "ByteLevel"},
    {{.pre_tokenizer = "{\"type\":\"Metaspace\"}"},
     AR_UNSUPPORTED,
     "ByteLevel"},
    {{.pre_tokenizer = "{\"type\":\"Metaspace\",\"prepend_scheme\":\"x\"}"},
     AR_FORMAT,
     "prepend_scheme"},
    {{.pre_tokenizer = "{\"type\":\"Digits\"}"}, AR_UNSUPPORTED, "ByteLevel"},
    {{.pre_tokenizer = "{\"type\":\"Sequence\",\"pretokenizers\":[" BYTE_LEVEL
                       ",{\"type\":\"Digits\"}]}"},
     AR_UNSUPPORTED,
     "after ByteLevel"},
    {{.pre_tokenizer = "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"a\"},"
                       "\"behavior\":\"Odd\"}"},
     AR_FORMAT,
     "Odd"},
    {{.pre_tokenizer = "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(\"},"
                       "\"behavior\":\"Isolated\"}"},
     AR_FORMAT,
     "("},
    {{.pre_tokenizer = "{\"type\":\"Split\",\"pattern\":{},"
                       "\"behavior\":\"Isolated\"}"},
     AR_FORMAT,
     "pattern"},
    {{.decoder = "null"}, AR_UNSUPPORTED, "decoder"},
    {{.decoder = "{\"type\":\"WordPiece\"}"}, AR_UNSUPPORTED, "ByteLevel"},
    {{.decoder = "{\"type\":\"CTC\"}"}, AR_UNSUPPORTED, "CTC"},
    {{.decoder = "{\"type\":\"Strip\",\"content\":\" \"}"}, AR_FORMAT, "start"},
    {{.decoder = "{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Fuse\"},"
                 "{\"type\":\"Metaspace\"}]}"},
     AR_UNSUPPORTED,
     "after Fuse"},
    {{.post_processor = "{\"type\":\"Odd\"}"}, AR_UNSUPPORTED, "Odd"},
    {{.post_processor = "{\"type\":\"TemplateProcessing\"}"},
     AR_FORMAT,
     "single"},
    {{.post_processor = "{\"type\":\"TemplateProcessing\",\"single\":[]}"},
     AR_FORMAT,
     "lacks"},
    {{.post_processor =
          "{\"type\":\"TemplateProcessing\",\"single\":[{\"Sequence\":"
          "{\"id\":\"A\"}},{\"Sequence\":{\"id\":\"A\"}}]}"},
     AR_UNSUPPORTED,
     "more than"},
    {{.post_processor =
          "{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":"
          "{\"id\":\"<s>\"}},{\"Sequence\":{\"id\":\"A\"}}]}"},
     AR_FORMAT,
     "<s>"},
    {{.post_processor =
          "{\"type\":\"BertProcessing\",\"cls\":[\"x\",7],\"sep\":[\"y\",0]}"},
     AR_FORMAT,
     "id 7"},
    {{.post_processor = "{\"type\":\"BertProcessing\",\"cls\":[\"x\"]}"},
     AR_FORMAT,
     "cls"},
    {{.model = "3"}, AR_FORMAT, "model"},
    {{.model = "{\"type\":\"WordLevel\"}"}, AR_UNSUPPORTED, "WordLevel"},
    {{.model = "{\"type\":\"Unigram\"}"}, AR_FORMAT, "vocab"},
    {{.model = "{\"type\":\"Unigram\",\"vocab\":[[\"a\"]]}"},
     AR_FORMAT,
     "entry 0"},
    {{.model = "{\"type\":\"Unigram\",\"vocab\":[[\"a\",-1]],\"unk_id\":1}"},
     AR_FORMAT,
     "unk_id"},
    {{.model = "{\"type\":\"WordPiece\",\"vocab\":{\"a\":0}}"},
     AR_FORMAT,
     "[UNK]"},
    {{.model = "{\"vocab\":[],\"merges\":[]}"}, AR_FORMAT, "vocab"},
    {{.model = "{\"vocab\":{\"a\":0}}"}, AR_FORMAT, "merges"},
    {{.model = "{\"vocab\":{\"a\":\"x\"},\"merges\":[]}"}, AR_FORMAT, "\"a\""},
    {{.model = "{\"vocab\":{\"a\":-1},\"merges\":[]}"}, AR_RANGE, "-1"},
    {{.model = "{\"vocab\":{\"a\":16777216},\"merges\":[]}"},
     AR_RANGE,
     "16777216"},
    {{.model = "{\"vocab\":{\"a\":9999999},\"merges\":[]}"},
     AR_RANGE,
     "9999999"},
    {{.model = "{\"vocab\":{\"a\":0,\"b\":0},\"merges\":[]}"},
     AR_FORMAT,
     "two tokens"},
    {{.model = "{\"vocab\":{\"a\":0,\"a\":1},\"merges\":[]}"},
     AR_FORMAT,
     "duplicate"},
    {{.model = "{\"vocab\":{\"a\":0},\"merges\":[\"a b\"]}"},
     AR_FORMAT,
     "\"b\""},
    {{.model = "{\"vocab\":{\"a\":0},\"merges\":[\"a a\"]}"},
     AR_FORMAT,
     "\"aa\""},
    {{.model = "{\"vocab\":{\"a\":0},\"merges\":[\"a a a\"]}"},
     AR_FORMAT,
     "not a pair"},
    {{.model = "{\"vocab\":{\"a\":0},\"merges\":[[\"a\"]]}"},
     AR_FORMAT,
     "not a pair"},
    {{.model = "{" VOCAB ",\"byte_fallback\":true}"},
     AR_UNSUPPORTED,
     "byte_fallback"},
    {{.model = "{" VOCAB ",\"dropout\":0.1}"}, AR_UNSUPPORTED, "dropout"},
    {{.model = "{" VOCAB ",\"end_of_word_suffix\":\"</w>\"}"},
     AR_UNSUPPORTED,
     "end_of_word_suffix"},
    {{.model = "{" VOCAB ",\"fuse_unk\":1}"}, AR_FORMAT, "fuse_unk"},
    {{.added = "{}"}, AR_FORMAT, "added_tokens"},
    {{.added = "[3]"}, AR_FORMAT, "added_tokens"},
    {{.added = "[{\"id\":5,\"content\":\"\"}]"}, AR_FORMAT, "empty"},
    {{.added = "[{\"content\":\"<s>\"}]"}, AR_FORMAT, "<s>"},
    {{.added = "[{\"id\":1,\"content\":\"<s>\"}]"}, AR_FORMAT, "id 1"},
    {{.added = "[{\"id\":1,\"content\":\"a\"}]"}, AR_FORMAT, "\"a\""},
    {{.added = "[{\"id\":1,\"content\":\"b\"},{\"id\":1,\"content\":\"b\"}]"},
     AR_FORMAT,
     "id 1"},
    {{.added = "[{\"id\":20000000,\"content\":\"b\"}]"}, AR_RANGE, "20000000"},
    {{.added = "[{\"id\":9,\"content\":\"c\",\"special\":\"x\"}]"},
     AR_FORMAT,
     "special"},
};

void test_tokenizer_refused(void **state) {
    (void)state;
    text t = {0};
    build(&t, (file_parts){0});
    assert_ok(read_text(t.data, t.size, err));
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        build(&t, refused[i].parts);
        assert_fails(refused[i].code, refused[i].word,
                     read_text(t.data, t.size, err));
    }
    text_close(&t);
    ar_tokenizer *tok = (ar_tokenizer *)1;
    assert_fails(AR_IO, "nowhere", ar_tokenizer_open(&tok, "nowhere", err));
    assert_null(tok);
}

static void check_encoding(file_parts p, const char *s, unsigned flags,
                           const char *want) {
    text t = {0};
    build(&t, p);
    ar_tokenizer *tok;
    assert_ok(tokenizer_new(&tok, err));
    assert_ok(tokenizer_read(tok, t.data, t.size, err));
    int32_t ids[64];
    size_t n;
    assert_ok(ar_tokenizer_encode(tok, s, strlen(s), flags, ids, 64, &n, err));
    text_clear(&t);
    text_adds(&t, "");
    for (size_t i = 0; i < n; i++) text_addf(&t, "%d ", ids[i]);
    assert_string_equal(t.data, want);
    text_close(&t);
    ar_tokenizer_close(tok);
}

/* Parts that no recorded tokenizer has. */
void test_tokenizer_rare_parts(void **state) {
    (void)state;
    check_encoding((file_parts){0}, "abxab", 0, "2 2 ");
    check_encoding((file_parts){.model = "{" VOCAB ",\"unk_token\":\"b\"}"},
                   "axya", 0, "2 1 0 ");
    check_encoding((file_parts){.model = "{" VOCAB ",\"unk_token\":\"b\","
                                         "\"fuse_unk\":true}"},
                   "xyaxyb", 0, "1 2 1 ");
    check_encoding(
        (file_parts){.pre_tokenizer =
                         "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":"
                         "\"Split\",\"pattern\":{\"String\":\"a\"},"
                         "\"behavior\":\"Isolated\"}," BYTE_LEVEL "]}"},
        "abab", 0, "0 1 0 1 ");
    check_encoding(
        (file_parts){
            .model = "{\"vocab\":{\"1\":0,\"11\":1,\"a\":2},\"merges\":"
                     "[\"1 1\"]}",
            .pre_tokenizer = "{\"type\":\"Sequence\",\"pretokenizers\":["
                             "{\"type\":\"Digits\",\"individual_digits\":true}"
                             "," BYTE_LEVEL "]}"},
        "11a1", 0, "0 0 2 0 ");
    check_encoding(
        (file_parts){
            .added = "[{\"id\":3,\"content\":\"<s>\",\"special\":true}"
                     ",{\"id\":5,\"content\":\"<s>a\",\"normalized\":false}]",
            .post_processor = "{\"type\":\"BertProcessing\",\"sep\":[\"x\",5],"
                              "\"cls\":[\"<s>\",3]}"},
        "<s><s>ab<s>b", AR_SPECIAL | AR_TEMPLATE, "3 3 5 1 3 1 5 ");
}

static void write_file(const char *folder, const char *name, const char *s) {
    char path[1024];
    assert_ok(file_join(path, sizeof path, folder, name, err));
    assert_ok(file_replace(path, s, strlen(s), err));
}

/* tokenizer_config.json names the tokens that begin and end. */
void test_tokenizer_config(void **state) {
    (void)state;
    const char *folder = test_folder();
    text t = {0};
    build(&t, (file_parts){.added = "[{\"id\":3,\"content\":\"X\",\"special\":"
                                    "true},{\"id\":4,\"content\":\"Y\"}]"});
    write_file(folder, "tokenizer.json", t.data);
    text_close(&t);
    ar_tokenizer *tok;
    assert_ok(ar_tokenizer_open(&tok, folder, err));
    assert_int_equal(ar_tokenizer_bos(tok), -1);
    ar_tokenizer_close(tok);
    write_file(folder, "tokenizer_config.json",
               "{\"bos_token\":{\"content\":\"X\"},\"eos_token\":\"Y\"}");
    assert_ok(ar_tokenizer_open(&tok, folder, err));
    assert_int_equal(ar_tokenizer_bos(tok), 3);
    assert_int_equal(ar_tokenizer_eos(tok), 4);
    ar_tokenizer_close(tok);
    write_file(folder, "tokenizer_config.json", "{");
    assert_fails(AR_FORMAT, "tokenizer_config",
                 ar_tokenizer_open(&tok, folder, err));
    char path[1024];
    assert_ok(file_join(path, sizeof path, folder, "none/t.json", err));
    assert_ok(ar_tokenizer_bytes(&tok, err));
    assert_fails(AR_IO, "t.json", ar_tokenizer_save(tok, path, err));
    ar_tokenizer_close(tok);
}

/* Encode and decode with a file of parts; both as text. */
static void check_both(file_parts p, const char *s, const char *ids_want,
                       const char *text_want) {
    text t = {0};
    build(&t, p);
    ar_tokenizer *tok;
    assert_ok(tokenizer_new(&tok, err));
    assert_ok(tokenizer_read(tok, t.data, t.size, err));
    int32_t ids[64];
    char out[256];
    size_t n, size;
    assert_ok(ar_tokenizer_encode(tok, s, strlen(s), 0, ids, 64, &n, err));
    assert_ok(
        ar_tokenizer_decode(tok, ids, n, 0, out, sizeof out - 1, &size, err));
    out[size] = 0;
    text_clear(&t);
    text_adds(&t, "");
    for (size_t i = 0; i < n; i++) text_addf(&t, "%d ", ids[i]);
    assert_string_equal(t.data, ids_want);
    assert_string_equal(out, text_want);
    text_close(&t);
    ar_tokenizer_close(tok);
}

#define CHARS                                                                  \
    "{\"type\":\"BPE\",\"unk_token\":\"?\",\"vocab\":{\"?\":0,\"a\":1,\"b\":"  \
    "2,"                                                                       \
    "\"ab\":3,\" \":4,\"_\":5,\"_a\":6},\"merges\":[\"a b\",\"_ a\"]}"

/* Parts that no recorded tokenizer has, around a model of characters.  What is
 * wanted was recorded with the tokenizers library. */
void test_tokenizer_character_parts(void **state) {
    (void)state;
    const file_parts plain = {
        .model = CHARS, .pre_tokenizer = "null", .decoder = "null"};
    check_both(plain, "ab xa", "3 4 0 1 ", "ab   ? a");
    file_parts p = plain;
    p.decoder = "{\"type\":\"Fuse\"}";
    check_both(p, "ab xa", "3 4 0 1 ", "ab ?a");
    p.normalizer = "{\"type\":\"Sequence\",\"normalizers\":[{\"type\":"
                   "\"Lowercase\"},{\"type\":\"NFD\"},"
                   "{\"type\":\"StripAccents\"}]}";
    check_both(p,
               "\xC3\x80"
               "B",
               "3 ", "ab");
    p.normalizer = "{\"type\":\"Strip\",\"strip_left\":true,"
                   "\"strip_right\":false}";
    check_both(p, "  ab ", "3 4 ", "ab ");
    p.normalizer = "{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"x+|$\"},"
                   "\"content\":\"b\"}";
    check_both(p, "axxax", "3 3 ", "abab");
    p = plain;
    p.pre_tokenizer = "{\"type\":\"WhitespaceSplit\"}";
    check_both(p, " ab  a", "3 1 ", "ab a");
    p.pre_tokenizer = "{\"type\":\"Punctuation\"}";
    check_both(p, "a_b", "1 5 2 ", "a _ b");
    p.pre_tokenizer = "{\"type\":\"Metaspace\",\"replacement\":\"_\","
                      "\"prepend_scheme\":\"never\"}";
    p.decoder = "{\"type\":\"Metaspace\",\"replacement\":\"_\","
                "\"prepend_scheme\":\"never\"}";
    check_both(p, "ab a a", "3 6 6 ", "ab a a");
    p.decoder = "{\"type\":\"Strip\",\"content\":\"a\",\"start\":1,"
                "\"stop\":1}";
    check_both(p, "ab a a", "3 6 6 ", "b__");
}

/* Every allocation failed in turn. */
static void check_no_memory(const char *name, bool saved) {
    char path[1024], out[400];
    snprintf(path, sizeof path, "tokenizers/%s", name);
    snprintf(path, sizeof path, "%s", test_golden(path));
    snprintf(out, sizeof out, "%s/t.json", test_folder());
    static const char s[] =
        "Hello e\xCC\x81\xCC\xA3 <|im_start|> wholeword 12'LL "
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    for (int64_t n = 1;; n++) {
        ar_tokenizer *tok = NULL;
        ar_tokenizer_stream *stream = NULL;
        ar_error err = {0};
        int32_t ids[200];
        size_t count, size;
        const char *given;
        mem_fail_at(n, n & 1);
        ar_status status = ar_tokenizer_open(&tok, path, &err);
        if (status == AR_OK)
            status = ar_tokenizer_encode(tok, s, sizeof s - 1, AR_SPECIAL, ids,
                                         200, &count, &err);
        if (status == AR_OK)
            status =
                ar_tokenizer_decode(tok, ids, count, 0, NULL, 0, &size, &err);
        if (status == AR_OK)
            status = ar_tokenizer_stream_open(&stream, tok, 0, &err);
        if (status == AR_OK)
            status =
                ar_tokenizer_stream_add(stream, ids[0], &given, &size, &err);
        if (status == AR_OK && saved)
            status = ar_tokenizer_save(tok, out, &err);
        const int64_t calls = mem_fail_count();
        mem_fail_at(0, 0);
        if (status != AR_OK) assert_int_equal(status, AR_NOMEM);
        ar_tokenizer_stream_close(stream);
        ar_tokenizer_close(tok);
        if (calls < n) break;
        assert_true(n < 20000);
    }
}

void test_tokenizer_no_memory(void **state) {
    (void)state;
    check_no_memory("bpe_qwen2", true);
    check_no_memory("bpe_llama2", true);
    check_no_memory("unigram_t5", true);
    check_no_memory("wordpiece_bert", true);
    check_no_memory("sp_bpe", false);
    check_no_memory("sp_unigram", false);
    check_no_memory("tiktoken_cl100k", false);
}
