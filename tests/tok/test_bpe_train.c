/* test_bpe_train.c - learning merges: against rustbpe's recorded result, and
 * against an implementation that counts everything anew for each merge. */
#include <stdlib.h>

#include "arcane/tokenizer.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/text.h"
#include "tests/test.h"
#include "tok/tokenizer.h"
#include "tok/byte_chars.h"

/* Documents: the lines of a text. */
typedef struct reader {
    const char *p;
    size_t n;
} reader;

static int next_line(void *ctx, const char **s, size_t *n) {
    reader *r = ctx;
    if (!r->n) return 0;
    const char *end = memchr(r->p, '\n', r->n);
    *s = r->p;
    *n = end ? (size_t)(end - r->p) + 1 : r->n;
    r->p += *n;
    r->n -= *n;
    return 1;
}

static ar_tokenizer *train(const char *s, size_t n, int32_t n_vocab) {
    ar_bpe_options opt = ar_bpe_options_default();
    opt.n_vocab = n_vocab;
    ar_tokenizer *tok;
    reader r = {s, n};
    assert_ok(ar_tokenizer_train(&tok, &opt, next_line, &r, err));
    return tok;
}

void test_bpe_train_rustbpe(void **state) {
    (void)state;
    char *corpus, *want;
    size_t n, n_want;
    assert_ok(file_read(test_golden("training/corpus.txt"), 1 << 20, &corpus,
                        &n, err));
    assert_ok(file_read(test_golden("tokenizers/rustbpe_2048.txt"), 1 << 20,
                        &want, &n_want, err));
    ar_tokenizer *tok = train(corpus, n, 2049);
    assert_int_equal(ar_tokenizer_vocab(tok), 2049);
    const char *p = want;
    for (int32_t id = 256; id < 2048; id++) {
        const char *end = strchr(p, '\n');
        assert_non_null(end);
        char bytes[256], ours[256];
        const long size = byte_chars_decode(p, (size_t)(end - p), bytes);
        size_t k;
        assert_ok(
            ar_tokenizer_decode(tok, &id, 1, 0, ours, sizeof ours, &k, err));
        assert_int_equal(k, size);
        assert_memory_equal(ours, bytes, k);
        assert_int_equal(ar_tokenizer_bytes_of(tok, id), size);
        p = end + 1;
    }
    assert_int_equal(*p, 0);
    ar_tokenizer_close(tok);
    mem_free(corpus);
    mem_free(want);
}

/* The slow one: words as lists of ids, one after the other, -1 between. */
typedef struct slow {
    int32_t *ids;
    size_t n, capacity;
    int64_t *pairs; /* all pairs of neighbours, sorted */
} slow;

static ar_status slow_piece(void *ctx, const char *p, size_t n, ar_error *err) {
    (void)err;
    slow *s = ctx;
    assert_true(s->n + n + 1 <= s->capacity);
    for (size_t i = 0; i < n; i++) s->ids[s->n++] = (unsigned char)p[i];
    s->ids[s->n++] = -1;
    return AR_OK;
}

static int by_value(const void *a, const void *b) {
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* The most frequent pair, the smallest of equals; -1 if there is none. */
static int64_t slow_best(slow *s) {
    size_t n = 0;
    for (size_t i = 0; i + 1 < s->n; i++)
        if (s->ids[i] >= 0 && s->ids[i + 1] >= 0)
            s->pairs[n++] = (int64_t)s->ids[i] << 32 | s->ids[i + 1];
    qsort(s->pairs, n, sizeof *s->pairs, by_value);
    int64_t best = -1;
    size_t most = 0;
    for (size_t i = 0, k; i < n; i += k) {
        for (k = 1; i + k < n && s->pairs[i + k] == s->pairs[i];) k++;
        if (k > most) {
            most = k;
            best = s->pairs[i];
        }
    }
    return best;
}

static void slow_merge(slow *s, int64_t pair, int32_t id) {
    const int32_t a = (int32_t)(pair >> 32), b = (int32_t)pair;
    size_t k = 0;
    for (size_t i = 0; i < s->n; i++) {
        const bool here = i + 1 < s->n && s->ids[i] == a && s->ids[i + 1] == b;
        s->ids[k++] = here ? id : s->ids[i];
        i += here;
    }
    s->n = k;
}

static void check_slow(const char *p, size_t n, int32_t n_merges) {
    ar_tokenizer *tok = train(p, n, 257 + n_merges);
    slow s = {.capacity = 2 * n + 2};
    s.ids = mem_new(int32_t, s.capacity);
    s.pairs = mem_new(int64_t, s.capacity);
    pieces *w;
    assert_ok(pieces_open(&w, tok->steps, tok->n_steps, slow_piece, &s, err));
    reader r = {p, n};
    const char *line;
    size_t size;
    while (next_line(&r, &line, &size))
        assert_ok(pieces_cut(w, line, size, true, err));
    pieces_close(w);
    int32_t rank = 0;
    for (; rank < n_merges; rank++) {
        const int64_t best = slow_best(&s);
        if (best < 0) break;
        const bpe_merge *m =
            bpe_find(&tok->bpe, (int32_t)(best >> 32), (int32_t)best);
        if (!m || m->rank != rank)
            fail_msg("merge %d is not (%d, %d)", rank, (int)(best >> 32),
                     (int)best);
        slow_merge(&s, best, 256 + rank);
    }
    assert_int_equal(tok->bpe.n_merges, rank);
    assert_int_equal(ar_tokenizer_vocab(tok), 257 + rank);
    assert_int_equal(ar_tokenizer_bos(tok), 256 + rank);
    ar_tokenizer_close(tok);
    mem_free(s.ids);
    mem_free(s.pairs);
}

void test_bpe_train_slow(void **state) {
    (void)state;
    static const char *const alphabets[] = {"ab",
                                            "abc",
                                            "a",
                                            "aab \n",
                                            "a1 .",
                                            "abcdefghij  ",
                                            ("\xC3\xA9\xE6\x97\xA5\xFF\x80"
                                             "ab "),
                                            "'st'S\n\r\t"};
    enum { N = sizeof alphabets / sizeof *alphabets };
    static char s[4000];
    for (uint64_t i = 0; i < 6 * N; i++) {
        const char *a = alphabets[i % N];
        const size_t n = i < N ? 7 : 20 + rng_bits(7, i, 0) % 3000;
        for (size_t k = 0; k < n; k++) s[k] = a[rng_bits(8, i, k) % strlen(a)];
        check_slow(s, n, (int32_t)(rng_bits(9, i, 0) % 200));
    }
    char *corpus;
    size_t n;
    assert_ok(file_read(test_golden("training/corpus.txt"), 1 << 20, &corpus,
                        &n, err));
    check_slow(corpus, 30000, 150);
    mem_free(corpus);
}

static double progress_seen;
static void see_progress(void *ctx, double done) {
    (void)ctx;
    assert_true(done >= progress_seen && done <= 1);
    progress_seen = done;
}

void test_bpe_train_options(void **state) {
    (void)state;
    static const char *const specials[] = {"<|a|>", "<|eos|>", "x y\"\\", NULL};
    static const char *const none[] = {NULL};
    static const char corpus[] = "low lower lowest newer newest";
    ar_bpe_options opt = {.n_vocab = 400,
                          .pattern = "\\w+|[^\\w]",
                          .specials = specials,
                          .progress = see_progress};
    ar_tokenizer *tok, *again;
    reader r = {corpus, sizeof corpus - 1};
    assert_ok(ar_tokenizer_train(&tok, &opt, next_line, &r, err));
    assert_true(progress_seen == 1);
    const int32_t n = ar_tokenizer_vocab(tok);
    assert_true(n > 259 && n < 400); /* it has nothing more to learn */
    assert_int_equal(ar_tokenizer_bos(tok), n - 3);
    assert_int_equal(ar_tokenizer_eos(tok), n - 2);
    assert_int_equal(ar_tokenizer_bytes_of(tok, n - 3), 0);
    assert_int_equal(ar_tokenizer_bytes_of(tok, n), 0);
    char path[400];
    snprintf(path, sizeof path, "%s/t.json", test_folder());
    assert_ok(ar_tokenizer_save(tok, path, err));
    assert_ok(ar_tokenizer_open(&again, path, err));
    static const char s[] = "low<|a|>lowest<|eos|>x y\"\\\xFF";
    for (unsigned flags = 0; flags < 4; flags++) {
        int32_t a[64], b[64];
        size_t k, m;
        assert_ok(
            ar_tokenizer_encode(tok, s, sizeof s - 1, flags, a, 64, &k, err));
        assert_ok(
            ar_tokenizer_encode(again, s, sizeof s - 1, flags, b, 64, &m, err));
        assert_int_equal(k, m);
        assert_memory_equal(a, b, k * sizeof *a);
        if (flags & AR_TEMPLATE) assert_int_equal(a[0], n - 3);
        char back[64];
        assert_ok(ar_tokenizer_decode(tok, a + (flags >> 1), k - (flags >> 1),
                                      AR_SPECIAL, back, 64, &m, err));
        assert_int_equal(m, sizeof s - 1);
        assert_memory_equal(back, s, m);
    }
    ar_tokenizer_close(tok);
    ar_tokenizer_close(again);
    r = (reader){corpus, sizeof corpus - 1};
    opt = (ar_bpe_options){.n_vocab = 256, .specials = none};
    assert_ok(ar_tokenizer_train(&tok, &opt, next_line, &r, err));
    assert_int_equal(ar_tokenizer_vocab(tok), 256);
    assert_int_equal(ar_tokenizer_bos(tok), -1);
    ar_tokenizer_close(tok);
}

void test_bpe_train_refused(void **state) {
    (void)state;
    static const char *const twice[] = {"<a>", "<a>", NULL};
    static const char *const empty[] = {"", NULL};
    static const char *const byte[] = {"a", NULL};
    static const char *const learnt[] = {"ab", NULL};
    static const struct {
        ar_bpe_options opt;
        const char *corpus;
        ar_status code;
        const char *word;
    } cases[] = {
        {{.n_vocab = 256}, "abab", AR_RANGE, "256"},
        {{.n_vocab = 1 << 25}, "abab", AR_RANGE, "33554432"},
        {{.n_vocab = -1}, "abab", AR_RANGE, "-1"},
        {{.n_vocab = 300}, "", AR_FORMAT, "empty"},
        {{.n_vocab = 300, .pattern = "("}, "abab", AR_FORMAT, "("},
        {{.n_vocab = 300, .pattern = "\\h"}, "abab", AR_UNSUPPORTED, "\\h"},
        {{.n_vocab = 300, .pattern = "\xFF"}, "abab", AR_FORMAT, "UTF-8"},
        {{.n_vocab = 300, .specials = twice}, "abab", AR_FORMAT, "<a>"},
        {{.n_vocab = 300, .specials = empty}, "abab", AR_FORMAT, "special"},
        {{.n_vocab = 300, .specials = byte}, "abab", AR_FORMAT, "\"a\""},
        {{.n_vocab = 300, .specials = learnt}, "abab", AR_FORMAT, "\"ab\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ar_tokenizer *tok = (ar_tokenizer *)1;
        reader r = {cases[i].corpus, strlen(cases[i].corpus)};
        assert_fails(
            cases[i].code, cases[i].word,
            ar_tokenizer_train(&tok, &cases[i].opt, next_line, &r, err));
        assert_null(tok);
    }
}

void test_bpe_train_no_memory(void **state) {
    (void)state;
    static const char corpus[] = "the cat the hat 12 the mat's\nsat";
    ar_bpe_options opt = {.n_vocab = 280};
    for (int64_t n = 1;; n++) {
        ar_tokenizer *tok;
        ar_error err = {0};
        reader r = {corpus, sizeof corpus - 1};
        mem_fail_at(n, n & 1);
        const ar_status s = ar_tokenizer_train(&tok, &opt, next_line, &r, &err);
        const int64_t calls = mem_fail_count();
        mem_fail_at(0, 0);
        if (s != AR_OK) {
            assert_int_equal(s, AR_NOMEM);
            assert_null(tok);
        } else {
            ar_tokenizer_close(tok);
        }
        if (calls < n) break;
        assert_true(n < 5000);
    }
}
