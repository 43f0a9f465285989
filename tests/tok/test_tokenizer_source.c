/* test_tokenizer_source.c - tokenizers out of the metadata of GGUF files. */
#include <jansson.h>
#include <stdlib.h>

#include "base/mem.h"
#include "tests/test.h"
#include "tok/source_build.h"

/* A source out of JSON, which keeps the texts. */
typedef struct source_file {
    json_t *root;
    tokenizer_source source;
    source_text *tokens, *merges;
    float *scores;
    int32_t *types;
} source_file;

static source_text *texts_of(const json_t *list, size_t *n) {
    *n = json_array_size(list);
    source_text *out = mem_new(source_text, *n);
    assert_non_null(out);
    for (size_t i = 0; i < *n; i++) {
        const json_t *s = json_array_get(list, i);
        out[i] = (source_text){json_string_value(s), json_string_length(s)};
    }
    return out;
}

static int32_t number_of(const json_t *root, const char *key) {
    const json_t *v = json_object_get(root, key);
    if (json_is_boolean(v)) return json_is_true(v);
    return v ? (int32_t)json_integer_value(v) : -1;
}

static void load(source_file *f, const char *name) {
    char path[256];
    snprintf(path, sizeof path, "tokenizers/gguf/%s.json", name);
    *f = (source_file){.source = tokenizer_source_default()};
    f->root = json_load_file(test_golden(path), 0, NULL);
    assert_non_null(f->root);
    tokenizer_source *s = &f->source;
    s->model = json_string_value(json_object_get(f->root, "model"));
    s->pre = json_string_value(json_object_get(f->root, "pre"));
    s->tokens = f->tokens =
        texts_of(json_object_get(f->root, "tokens"), &s->n_tokens);
    s->merges = f->merges =
        texts_of(json_object_get(f->root, "merges"), &s->n_merges);
    const json_t *scores = json_object_get(f->root, "scores"),
                 *types = json_object_get(f->root, "token_type");
    f->scores = mem_new(float, s->n_tokens);
    f->types = mem_new(int32_t, s->n_tokens);
    for (size_t i = 0; i < s->n_tokens; i++) {
        f->scores[i] = (float)json_number_value(json_array_get(scores, i));
        f->types[i] = (int32_t)json_integer_value(json_array_get(types, i));
    }
    s->scores = scores ? f->scores : NULL;
    s->types = f->types;
    s->bos = number_of(f->root, "bos_token_id");
    s->eos = number_of(f->root, "eos_token_id");
    s->unknown = number_of(f->root, "unknown_token_id");
    s->add_bos = number_of(f->root, "add_bos_token");
    s->add_space_prefix = number_of(f->root, "add_space_prefix");
}

static void unload(source_file *f) {
    mem_free(f->tokens);
    mem_free(f->merges);
    mem_free(f->scores);
    mem_free(f->types);
    json_decref(f->root);
}

static void check_ids(const ar_tokenizer *tok, const char *s, unsigned flags,
                      const json_t *want) {
    int32_t ids[512];
    size_t n;
    assert_ok(ar_tokenizer_encode(tok, s, strlen(s), flags, ids, 512, &n, err));
    bool same = n == json_array_size(want);
    for (size_t i = 0; i < n && same; i++)
        same = ids[i] == json_integer_value(json_array_get(want, i));
    if (!same) fail_msg("\"%s\" has other ids", s);
}

void test_source_recorded(void **state) {
    (void)state;
    static const char *const names[] = {"llama", "qwen3", "gpt2"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        source_file f;
        load(&f, names[i]);
        ar_tokenizer *tok;
        assert_ok(tokenizer_from_source(&tok, &f.source, err));
        const json_t *cases = json_object_get(f.root, "cases");
        assert_true(json_array_size(cases) > 5);
        for (size_t k = 0; k < json_array_size(cases); k++) {
            const json_t *c = json_array_get(cases, k);
            check_ids(tok, json_string_value(json_object_get(c, "text")),
                      AR_SPECIAL, json_object_get(c, "ids"));
        }
        int32_t first;
        size_t n;
        assert_ok(
            ar_tokenizer_encode(tok, "", 0, AR_TEMPLATE, &first, 1, &n, err));
        assert_int_equal(n, f.source.add_bos);
        if (n) assert_int_equal(first, f.source.bos);
        ar_tokenizer_close(tok);
        unload(&f);
    }
}

/* Every row of pretokenizers.def has patterns that are understood. */
void test_source_pre(void **state) {
    (void)state;
    static const char *const names[] = {
#define PRE(name, flags, ...) name,
#include "tok/pretokenizers.def"
#undef PRE
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        source_file f;
        load(&f, "gpt2");
        f.source.pre = names[i];
        ar_tokenizer *tok;
        assert_ok(tokenizer_from_source(&tok, &f.source, err));
        static const char s[] = "The 12345 don't\n\n  x=\"\xE4\xB8\xAD\" ABc";
        int32_t ids[128];
        char out[128];
        size_t n, size;
        assert_ok(
            ar_tokenizer_encode(tok, s, sizeof s - 1, 0, ids, 128, &n, err));
        assert_ok(ar_tokenizer_decode(tok, ids, n, 0, out, 128, &size, err));
        assert_int_equal(size, sizeof s - 1);
        assert_memory_equal(out, s, size);
        ar_tokenizer_close(tok);
        unload(&f);
    }
}

/* A "bert" vocabulary: U+2581 begins a word. */
void test_source_bert(void **state) {
    (void)state;
    static const source_text tokens[] = {
        {"[CLS]", 5},           {"[SEP]", 5}, {"[UNK]", 5},        {"ing", 3},
        {"\xE2\x96\x81run", 6}, {"n", 1},     {"\xE2\x96\x81.", 4}};
    static const int32_t types[] = {3, 3, 2, 1, 1, 1, 1};
    tokenizer_source s = tokenizer_source_default();
    s.model = "bert";
    s.tokens = tokens;
    s.types = types;
    s.n_tokens = 7;
    s.cls = 0;
    s.separator = 1;
    s.unknown = 2;
    ar_tokenizer *tok;
    assert_ok(tokenizer_from_source(&tok, &s, err));
    json_t *want = json_pack("[i,i,i,i,i,i,i]", 0, 4, 5, 3, 6, 2, 1);
    check_ids(tok, "R\xC3\xBAnning. ing", AR_TEMPLATE, want);
    json_decref(want);
    ar_tokenizer_close(tok);
}

static void refuse(tokenizer_source s, ar_status code, const char *word) {
    ar_tokenizer *tok = (ar_tokenizer *)1;
    assert_fails(code, word, tokenizer_from_source(&tok, &s, err));
    assert_null(tok);
}

void test_source_refused(void **state) {
    (void)state;
    source_file f;
    load(&f, "gpt2");
    tokenizer_source s = f.source;
    s.pre = "unheard-of";
    refuse(s, AR_UNSUPPORTED, "unheard-of");
    s = f.source;
    s.model = "rwkv";
    refuse(s, AR_UNSUPPORTED, "rwkv");
    s = f.source;
    s.model = NULL;
    refuse(s, AR_UNSUPPORTED, "\"\"");
    s = f.source;
    s.bos = 1 << 20;
    refuse(s, AR_FORMAT, "bos");
    s = f.source;
    s.n_tokens = 0;
    refuse(s, AR_RANGE, "0 tokens");
    s = f.source;
    const source_text bad[] = {{"t", 1}, {"t  h", 4}, {"t \xC3\xBF?", 5}};
    s.merges = bad;
    for (size_t i = 0; i < 3; i++, s.merges++) {
        s.n_merges = 1;
        refuse(s, AR_FORMAT, "merge number 0");
    }
    unload(&f);
    load(&f, "llama");
    s = f.source;
    s.scores = NULL;
    refuse(s, AR_FORMAT, "scores");
    f.scores[3] = (float)strtod("nan", NULL);
    refuse(f.source, AR_FORMAT, "token 3");
    f.scores[3] = 0;
    s = f.source;
    s.charsmap = (source_text){"abc", 3};
    refuse(s, AR_FORMAT, "charsmap");
    for (int64_t n = 1;; n++) { /* every allocation failed in turn */
        ar_tokenizer *tok;
        mem_fail_at(n, n & 1);
        const ar_status status = tokenizer_from_source(&tok, &f.source, NULL);
        const int64_t calls = mem_fail_count();
        mem_fail_at(0, 0);
        assert_true(status == AR_OK || status == AR_NOMEM);
        ar_tokenizer_close(tok);
        if (calls < n) break;
        assert_true(n < 20000);
    }
    unload(&f);
}

/* Runs of spaces that the file calls user-defined are found before all else,
 * though they lie among U+2581 by then; decoding gives the spaces back. */
void test_source_spaces(void **state) {
    (void)state;
    static const char *const texts[] = {"<unk>",
                                        "<s>",
                                        "</s>",
                                        "\xE2\x96\x81",
                                        "a",
                                        "b",
                                        ("\xE2\x96\x81"
                                         "b"),
                                        "  ",
                                        "    "};
    enum { N = sizeof texts / sizeof *texts };
    static const int32_t types[N] = {2, 3, 3, 1, 1, 1, 1, 4, 4};
    static const float scores[N] = {0, 0, 0, -9, -8, -7, -1, -1000, -1000};
    static const struct {
        const char *text;
        int32_t n, ids[6];
    } cases[] = {
        {"a b", 2, {4, 6}},
        {"a  b", 3, {4, 7, 5}},
        {"a   b", 3, {4, 7, 6}},
        {"    b", 2, {8, 5}},
        {"a       b", 4, {4, 8, 7, 6}},
    };
    source_text tokens[N];
    for (int i = 0; i < N; i++)
        tokens[i] = (source_text){texts[i], strlen(texts[i])};
    tokenizer_source s = tokenizer_source_default();
    s.model = "llama";
    s.tokens = tokens;
    s.n_tokens = N;
    s.types = types;
    s.scores = scores;
    s.unknown = 0;
    s.bos = 1;
    s.eos = 2;
    s.add_space_prefix = 0;
    ar_tokenizer *tok;
    assert_ok(tokenizer_from_source(&tok, &s, err));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *line = cases[i].text;
        int32_t ids[8];
        char back[32];
        size_t n, size;
        assert_ok(
            ar_tokenizer_encode(tok, line, strlen(line), 0, ids, 8, &n, err));
        assert_int_equal(n, cases[i].n);
        assert_memory_equal(ids, cases[i].ids, n * sizeof *ids);
        assert_ok(
            ar_tokenizer_decode(tok, ids, n, 0, back, sizeof back, &size, err));
        assert_int_equal(size, strlen(line));
        assert_memory_equal(back, line, size);
    }
    ar_tokenizer_close(tok);
}

/* Ranks against their definition: how many different scores are better. */
void test_source_ranks(void **state) {
    (void)state;
    enum { N = 1500 };
    static const float rare[] = {0.0F, -0.0F, 1e-42F, -1e-42F, 9e29F, -9e29F};
    float scores[N], different[N];
    int32_t ranks[N];
    int n_different = 0;
    uint32_t seed = 7;
    for (int i = 0; i < N; i++) {
        seed = seed * 1664525 + 1013904223;
        scores[i] = seed >> 30 ? (float)(int32_t)(seed >> 8 & 0xFFF) - 2000.5F
                               : rare[(seed >> 8) % 6];
        if (i % 7 == 0) scores[i] *= 1e-3F;
        int k = 0;
        while (k < n_different && different[k] != scores[i]) k++;
        if (k == n_different) different[n_different++] = scores[i];
    }
    const tokenizer_source s = {.n_tokens = N, .scores = scores};
    assert_int_equal(source_rank(&s, ranks, NULL), AR_OK);
    for (int i = 0; i < N; i++) {
        int better = 0;
        for (int k = 0; k < n_different; k++)
            better += different[k] > scores[i];
        assert_int_equal(ranks[i], better);
    }
}

/* Tokens of up to 100 letters, each a letter longer than the one before: all
 * cuts of the longest are looked at, and any text is as few as can be. */
void test_source_long(void **state) {
    (void)state;
    enum { LONGEST = 100, N = LONGEST + 2 };
    static char letters[LONGEST];
    source_text tokens[N] = {{"<unk>", 5}, {"\xE2\x96\x81", 3}};
    int32_t types[N] = {SOURCE_UNKNOWN, SOURCE_NORMAL};
    float scores[N] = {0};
    memset(letters, 'a', sizeof letters);
    for (int i = 1; i <= LONGEST; i++) {
        tokens[i + 1] = (source_text){letters, (size_t)i};
        types[i + 1] = SOURCE_NORMAL;
        scores[i + 1] = (float)i; /* the longest first */
    }
    tokenizer_source s = tokenizer_source_default();
    s.model = "llama";
    s.tokens = tokens;
    s.n_tokens = N;
    s.types = types;
    s.scores = scores;
    s.unknown = 0;
    s.add_bos = s.add_eos = s.add_space_prefix = 0;
    ar_tokenizer *tok = NULL;
    assert_int_equal(tokenizer_from_source(&tok, &s, NULL), AR_OK);
    /* n letters are cut in n - 1 ways, each into two tokens */
    assert_int_equal(tok->bpe.n_merges, LONGEST * (LONGEST - 1) / 2);
    for (int i = 2; i <= LONGEST; i++)
        for (int at = 1; at < i; at++) {
            const bpe_merge *m = bpe_find(&tok->bpe, at + 1, i - at + 1);
            assert_non_null(m);
            assert_int_equal(m->id, i + 1);
            assert_int_equal(m->rank, LONGEST - i);
        }
    ar_tokenizer_close(tok);
}
