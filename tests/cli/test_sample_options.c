/* test_sample_options.c - sampling options of a command line. */
#include "cli/sample_options.h"

#include "base/mem.h"
#include "cli/options.h"
#include "tests/test.h"

typedef struct args {
    sample_args sampling;
} args;

static const args defaults = {.sampling = {
#define AR_SAMPLER(...)
#define AR_OPTION(type, field, flag, off, usual, ...) .options.field = (usual),
#include "arcane/samplers.def"
#undef AR_SAMPLER
#undef AR_OPTION
                              }};

static const cli_option options[] = {
#define SAMPLE_ARGS args
#include "cli/sample_options.def"
#undef SAMPLE_ARGS
    {.name = NULL},
};

static ar_status nothing(const void *a, ar_error *err) {
    (void)a;
    (void)err;
    return AR_OK;
}

static const cli_command command = {.name = "write",
                                    .options = options,
                                    .args_size = sizeof(args),
                                    .defaults = &defaults,
                                    .run = nothing};

/* The words of a command line, and what sample_args_check or, with a
 * vocabulary, sample_args_open says about them. */
static ar_status say(ar_sampler **s, const ar_tokenizer *tok, int64_t n_vocab,
                     int n, const char *const *words, ar_error *err) {
    char *argv[16];
    args a = defaults;
    cli_words lists[8] = {0};
    for (int i = 0; i < n; i++) argv[i] = (char *)(uintptr_t)words[i];
    ar_status status = cli_parse(&command, n, argv, &a, lists, err);
    if (status == AR_OK) status = sample_args_check(&a.sampling, err);
    if (status == AR_OK && s)
        status = sample_args_open(s, &a.sampling, tok, n_vocab, 64, err);
    for (int i = 0; i < 8; i++) mem_free(lists[i].word);
    return status;
}

#define WORDS(...)                                                             \
    (int)(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)),             \
        (const char *[]) {                                                     \
        __VA_ARGS__                                                            \
    }

void test_sample_options_bad(void **state) {
    (void)state;
    const struct {
        const char *flag, *value, *word;
    } bad[] = {
        {"--top-p", "1.5", "top-p"},
        {"--temp", "nan", "temp"},
        {"--top-k", "-1", "top-k"},
        {"--mirostat", "3", "mirostat"},
        {"--repeat-last-n", "-2", "repeat-last-n"},
        {"--logit-bias", "3", "ID=VALUE"},
        {"--logit-bias", "3=", "ID=VALUE"},
        {"--logit-bias", "=1", "ID=VALUE"},
        {"--logit-bias", "3=1x", "ID=VALUE"},
        {"--logit-bias", "-3=1", "ID=VALUE"},
        {"--logit-bias", "99999999999=1", "ID=VALUE"},
        {"--logit-bias", "3=inf", "token 3"},
        {"--samplers", "top_k,foo", "\"foo\""},
        {"--samplers", "top_k,top_k", "twice"},
        {"--samplers", "mirostat,xtc", "last"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_fails(AR_USAGE, bad[i].word,
                     say(NULL, NULL, 0, WORDS(bad[i].flag, bad[i].value), err));
    assert_fails(
        AR_USAGE, "temperature",
        say(NULL, NULL, 0, WORDS("--greedy", "--samplers", "xtc"), err));
    /* What only the vocabulary tells. */
    ar_sampler *s;
    assert_fails(AR_USAGE, "no token 7",
                 say(&s, NULL, 7, WORDS("--logit-bias", "7=1"), err));
    assert_null(s);
}

void test_sample_options_good(void **state) {
    (void)state;
    const double logits[3] = {0, 1, 2};
    double probs[3];
    const ar_sample_input in = {logits, NULL, 0, 0};
    ar_sampler *s;
    assert_ok(
        say(&s, NULL, 3,
            WORDS("--logit-bias", "2=-inf", "--logit-bias=0=2", "--temp", "1"),
            err));
    assert_ok(ar_sampler_probs(s, &in, probs, err));
    assert_near(probs[0], 1 / (1 + exp(-1)), 1e-12);
    assert_near(probs[2], 0, 0);
    ar_sampler_close(s);
    /* The usual temperature is 0.8; left out of the order it is off. */
    assert_ok(say(&s, NULL, 3, WORDS("--top-k", "2"), err));
    assert_ok(ar_sampler_probs(s, &in, probs, err));
    assert_near(probs[2], 1 / (1 + exp(-1 / 0.8)), 1e-12);
    ar_sampler_close(s);
    assert_ok(say(&s, NULL, 3, WORDS("--samplers", "top_k", "--top-k=2"), err));
    assert_ok(ar_sampler_probs(s, &in, probs, err));
    assert_near(probs[2], 1 / (1 + exp(-1)), 1e-12);
    ar_sampler_close(s);
}

/* By how much 'd' is lowered behind a text. */
static double lowered(const char *text, int n, const char *const *words) {
    ar_tokenizer *tok;
    int32_t ids[32], d;
    size_t count, one;
    static double logits[256], probs[256];
    assert_ok(open_named_tokenizer(&tok, "bytes", err));
    assert_int_equal(ar_tokenizer_vocab(tok), 256);
    assert_ok(
        ar_tokenizer_encode(tok, text, strlen(text), 0, ids, 32, &count, err));
    assert_ok(ar_tokenizer_encode(tok, "d", 1, 0, &d, 1, &one, err));
    ar_sampler *s;
    assert_ok(say(&s, tok, 256, n, words, err));
    const ar_sample_input in = {logits, ids, (int64_t)count, (int64_t)count};
    assert_ok(ar_sampler_probs(s, &in, probs, err));
    ar_sampler_close(s);
    ar_tokenizer_close(tok);
    return log(probs[0] / probs[d]);
}

void test_sample_options_breakers(void **state) {
    (void)state;
    const char *const words[] = {
        "--dry-multiplier=1", "--temp=1", "--top-k=0", "--dry-breaker", "none",
        "--dry-breaker",      "b"};
    enum { USUAL = 3, NONE = 5 };
    /* A copy of n tokens, of which 2 are free: 1.75^(n - 2). */
    assert_near(lowered("abcd abc", USUAL, words), 1.75, 1e-12);
    /* A line's end, among others, is a breaker unless told otherwise. */
    assert_near(lowered("a\nbcd a\nbc", USUAL, words), 1, 1e-12);
    assert_near(lowered("a*bcd a*bc", USUAL, words), 1, 1e-12);
    assert_near(lowered("a\nbcd a\nbc", NONE, words), 1.75 * 1.75, 1e-12);
    /* Those given are in place of the usual; "none" is then a word. */
    assert_near(lowered("abcd abc", 7, words), 0, 1e-12);
    assert_near(lowered("a*c*cd a*c*cd a*c*c", 7, words), pow(1.75, 10), 1e-9);
    const char *const escaped[] = {"--dry-multiplier=1", "--temp=1",
                                   "--top-k=0", "--dry-breaker=\\n"};
    assert_near(lowered("a\nbcd a\nbc", 4, escaped), 1, 1e-12);
    assert_near(lowered("a*bcd a*bc", 4, escaped), 1.75 * 1.75, 1e-12);
    assert_near(lowered("anbcd anbc", 4, escaped), 1.75 * 1.75, 1e-12);
}
