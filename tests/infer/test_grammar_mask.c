/* test_grammar_mask.c - masks of tokens: the walk over the tree of tokens
 * against each token alone, on the vocabularies of the golden tokenizers. */
#include "base/mem.h"
#include "base/rng.h"
#include "base/text.h"
#include "infer/grammar_mask.h"
#include "infer/json_schema.h"
#include "tests/test.h"

static const char *const vocabularies[] = {
    "bpe_deepseek_v3", "bpe_gemma",     "bpe_gpt2",       "bpe_llama2",
    "bpe_llama3",      "bpe_metaspace", "bpe_o200k",      "bpe_prefix_space",
    "bpe_qwen2",       "sp_bpe",        "sp_unigram",     "tiktoken_cl100k",
    "unigram_nfkc",    "unigram_t5",    "wordpiece_bert",
};
enum { VOCABULARIES = sizeof vocabularies / sizeof *vocabularies };

typedef struct fixture {
    ar_tokenizer *tok;
    ar_token_tree *tree;
    ar_grammar *g;
    ar_grammar_mask *mask;
    int64_t n_vocab;
    int32_t eos;
} fixture;

static void open_fixture(fixture *f, const char *vocabulary,
                         const char *schema) {
    char path[128];
    snprintf(path, sizeof path, "tokenizers/%s", vocabulary);
    assert_ok(ar_tokenizer_open(&f->tok, test_golden(path), err));
    assert_ok(ar_token_tree_open(&f->tree, f->tok, err));
    assert_ok(ar_grammar_from_schema(&f->g, "s", schema, strlen(schema), err));
    f->n_vocab = ar_tokenizer_vocab(f->tok) + 5; /* models have some more */
    f->eos = ar_tokenizer_eos(f->tok);
    if (f->eos < 0) f->eos = (int32_t)f->n_vocab - 1;
    const ar_grammar_mask_options o = {&f->eos, 1, f->n_vocab};
    assert_ok(ar_grammar_mask_open(&f->mask, f->g, f->tree, &o, err));
}

static void close_fixture(fixture *f) {
    ar_grammar_mask_close(f->mask);
    ar_grammar_close(f->g);
    ar_token_tree_close(f->tree);
    ar_tokenizer_close(f->tok);
}

static bool has(const uint64_t *bits, int64_t id) {
    return bits[id >> 6] >> (id & 63) & 1;
}

/* Each token's bytes, as the tokenizer gives them, from the text so far. */
static void check_mask(const fixture *f, grammar_run *r, const text *so_far,
                       const uint64_t *bits) {
    grammar_state s;
    assert_ok(grammar_run_start(r, &s, err));
    for (size_t i = 0; i < so_far->size; i++)
        assert_ok(grammar_run_step(r, s, (uint8_t)so_far->data[i], &s, err));
    assert_int_equal(grammar_run_can_end(r, s),
                     ar_grammar_mask_can_end(f->mask));
    for (int32_t id = 0; id < f->n_vocab; id++) {
        char bytes[2048];
        size_t n = 0;
        grammar_state at = s;
        assert_ok(ar_tokenizer_decode(f->tok, &id, 1, AR_MIDDLE, bytes,
                                      sizeof bytes, &n, err));
        for (size_t i = 0; i < n; i++)
            assert_ok(grammar_run_step(r, at, (uint8_t)bytes[i], &at, err));
        bool want = n > 0 && at != GRAMMAR_DEAD;
        if (id == f->eos) want = grammar_run_can_end(r, s);
        if (has(bits, id) != want)
            fail_msg("token %d \"%.*s\" behind \"%s\": %d", id, (int)n, bytes,
                     so_far->data, has(bits, id));
    }
}

static int32_t draw(const uint64_t *bits, int64_t n, uint64_t at) {
    int64_t count = 0;
    for (int64_t i = 0; i < n; i++) count += has(bits, i);
    int64_t k = (int64_t)(rng_bits(3, 0, at) % (uint64_t)count);
    for (int64_t i = 0;; i++)
        if (has(bits, i) && k-- == 0) return (int32_t)i;
}

void test_grammar_mask_each(void **state) {
    (void)state;
    static const uint64_t none[1 << 14];
    int n_ended = 0;
    for (int v = 0; v < VOCABULARIES; v++) {
        fixture f;
        grammar_run *r;
        text so_far = {0};
        open_fixture(&f, vocabularies[v], "{\"type\": \"object\"}");
        assert_ok(grammar_run_open(&r, f.g, err));
        for (uint64_t i = 0; i < 25 && !ar_grammar_mask_is_over(f.mask); i++) {
            const uint64_t *bits;
            size_t n;
            ar_error e;
            if (ar_grammar_mask_allowed(f.mask, &bits, &e) != AR_OK) {
                /* T5 has no brace, BERT none without a space in front */
                check_mask(&f, r, &so_far, none);
                n_ended++;
                break;
            }
            if (i % 3 == 0) check_mask(&f, r, &so_far, bits);
            const int32_t id = draw(bits, f.n_vocab, i);
            assert_ok(ar_grammar_mask_accept(f.mask, id, err));
            const char *p = token_tree_bytes(f.tree, id, &n);
            if (n) text_add(&so_far, p, n);
        }
        grammar_run_close(r);
        text_close(&so_far);
        close_fixture(&f);
    }
    assert_in_range(n_ended, 0, 4);
}

/* What is not allowed is refused, and changes nothing. */
void test_grammar_mask_accept(void **state) {
    (void)state;
    fixture f;
    const uint64_t *bits;
    open_fixture(&f, "bpe_qwen2", "{\"enum\": [true, \"\xC3\xA9\"]}");
    assert_ok(ar_grammar_mask_allowed(f.mask, &bits, err));
    int n_good = 0;
    for (int32_t id = 0; id < f.n_vocab; id++) {
        if (has(bits, id)) {
            n_good++;
            continue;
        }
        assert_fails(AR_RANGE, "does not follow the grammar",
                     ar_grammar_mask_accept(f.mask, id, err));
    }
    assert_in_range(n_good, 2, 20);
    assert_fails(AR_RANGE, "token -1", ar_grammar_mask_accept(f.mask, -1, err));
    int32_t ids[8];
    size_t n;
    assert_ok(
        ar_tokenizer_encode(f.tok, "\"\xC3\xA9\"", 4, 0, ids, 8, &n, err));
    assert_in_range(n, 2, 8);
    for (size_t i = 0; i < n; i++) {
        assert_false(ar_grammar_mask_is_over(f.mask));
        assert_ok(ar_grammar_mask_accept(f.mask, ids[i], err));
    }
    assert_true(ar_grammar_mask_is_over(f.mask));
    assert_true(ar_grammar_mask_can_end(f.mask));
    /* the end is all that is left */
    assert_ok(ar_grammar_mask_allowed(f.mask, &bits, err));
    for (int32_t id = 0; id < f.n_vocab; id++)
        assert_int_equal(has(bits, id), id == f.eos);
    assert_ok(ar_grammar_mask_accept(f.mask, f.eos, err));
    assert_fails(AR_RANGE, "behind its end",
                 ar_grammar_mask_allowed(f.mask, &bits, err));
    assert_fails(AR_RANGE, "token", ar_grammar_mask_accept(f.mask, f.eos, err));
    assert_ok(ar_grammar_mask_reset(f.mask, err));
    assert_ok(ar_grammar_mask_allowed(f.mask, &bits, err));
    assert_false(has(bits, f.eos));
    close_fixture(&f);
}

/* A vocabulary that cannot write what the grammar wants: an error. */
void test_grammar_mask_none(void **state) {
    (void)state;
    ar_tokenizer *tok;
    ar_token_tree *tree;
    ar_grammar *g;
    ar_grammar_mask *m;
    const uint64_t *bits;
    /* WordPiece has no bytes and no such character */
    assert_ok(
        ar_tokenizer_open(&tok, test_golden("tokenizers/wordpiece_bert"), err));
    assert_ok(ar_token_tree_open(&tree, tok, err));
    const char source[] = "root ::= [\\U0001D800]";
    assert_ok(ar_grammar_open(&g, "g", source, strlen(source), err));
    const ar_grammar_mask_options o = {NULL, 0, ar_tokenizer_vocab(tok)};
    assert_ok(ar_grammar_mask_open(&m, g, tree, &o, err));
    assert_fails(AR_RANGE, "allows no token",
                 ar_grammar_mask_allowed(m, &bits, err));
    ar_grammar_mask_close(m);
    ar_grammar_close(g);
    assert_fails(AR_RANGE, "a mask of 0",
                 ar_grammar_mask_open(&m, NULL, tree,
                                      &(ar_grammar_mask_options){NULL, 0, 0},
                                      err));
    assert_null(m);
    ar_token_tree_close(tree);
    ar_tokenizer_close(tok);
}

/* Long texts with deep nesting: states are forgotten on the way. */
void test_grammar_mask_long(void **state) {
    (void)state;
    fixture f;
    const uint64_t *bits;
    open_fixture(&f, "bpe_gpt2", "true");
    int32_t open_list, close_list;
    size_t n;
    assert_ok(ar_tokenizer_encode(f.tok, "[", 1, 0, &open_list, 1, &n, err));
    assert_ok(ar_tokenizer_encode(f.tok, "]", 1, 0, &close_list, 1, &n, err));
    enum { DEEP = 30000 };
    for (int i = 0; i < DEEP; i++)
        assert_ok(ar_grammar_mask_accept(f.mask, open_list, err));
    for (int i = 0; i < DEEP; i++) {
        if (i % 1000 == 0) {
            assert_ok(ar_grammar_mask_allowed(f.mask, &bits, err));
            assert_true(has(bits, close_list) && !has(bits, f.eos));
        }
        assert_ok(ar_grammar_mask_accept(f.mask, close_list, err));
    }
    assert_true(ar_grammar_mask_can_end(f.mask));
    close_fixture(&f);
}

void test_grammar_mask_nomem(void **state) {
    (void)state;
    fixture f = {0};
    const uint64_t *bits;
    open_fixture(&f, "bpe_qwen2", "true");
    ar_grammar_mask_close(f.mask);
    ar_token_tree_close(f.tree);
    const ar_grammar_mask_options o = {&f.eos, 1, f.n_vocab};
    for (int64_t n = 1;; n += 1 + n / 20) {
        ar_error e = {0};
        mem_fail_at(n, 1);
        f.mask = NULL;
        ar_status s = ar_token_tree_open(&f.tree, f.tok, &e);
        if (s == AR_OK) s = ar_grammar_mask_open(&f.mask, f.g, f.tree, &o, &e);
        if (s == AR_OK) s = ar_grammar_mask_allowed(f.mask, &bits, &e);
        mem_fail_at(0, 0);
        if (s != AR_OK) assert_int_equal(s, AR_NOMEM);
        if (s == AR_OK) break;
        ar_grammar_mask_close(f.mask);
        ar_token_tree_close(f.tree);
    }
    close_fixture(&f);
}
