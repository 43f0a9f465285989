/* test_pattern.c - patterns: against PCRE2's own Unicode mode, and what is
 * refused. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/rng.h"
#include "base/text.h"
#include "tests/test.h"
#include "tok/pieces.h"
#include "tok/unicode.h"
#include "tok/utf8.h"

static const char *const known[] = {
    /* GPT-2, cl100k, Llama 3, Qwen2, o200k, the default for training */
    "'(?:[sdmt]|ll|ve|re)| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|"
    "\\s+(?!\\S)|\\s+",
    "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}{1,3}| "
    "?[^\\s\\p{L}\\p{N}]++[\\r\\n]*|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+",
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| "
    "?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| "
    "?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}"
    "\\p{Lm}\\p{Lo}\\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\\r\\n\\p{L}"
    "\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}"
    "\\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+"
    "[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}"
    "\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|"
    "\\s+(?!\\S)|\\s+",
    "[\xE4\xB8\x80-\xE9\xBE\xA5\xE3\x81\x80-\xE3\x82\x9F\xE3\x82\xA0-"
    "\xE3\x83\xBF]+",
    /* syntax that those leave out */
    "\\x{3b1}+|\\x41|(?<=a)b|(?<!a)c|(?>x+)x|[^a-c]{2,3}?|\\d{2,}|(a|b)+?",
    "\\P{L}\\P{L}|[\\S\\d]\\s|^a|b$|.\\.",
    "(?i)god|\\pN|\\p{^L}x|\\t",
};
enum { N_KNOWN = sizeof known / sizeof *known };

/* Code points whose category is the same since Unicode 5, so that any PCRE2
 * agrees with our table; some from each block, ASCII more often. */
static uint32_t code_point(uint64_t seed, uint64_t i) {
    static const uint32_t blocks[][2] = {
        {0x20, 0x7E},       {0x20, 0x7E},     {'a', 'e'},
        {'A', 'E'},         {9, 13},          {' ', ' '},
        {'\'', '\''},       {'s', 't'},       {'0', '9'},
        {0xA0, 0x17F},      {0x391, 0x3A1},   {0x3B1, 0x3C9},
        {0x410, 0x44F},     {0x5D0, 0x5EA},   {0x621, 0x63A},
        {0x300, 0x32F},     {0x905, 0x939},   {0xE01, 0xE2E},
        {0x2000, 0x200D},   {0x2010, 0x2029}, {0x2160, 0x217F},
        {0x2460, 0x2473},   {0x3000, 0x3003}, {0x3041, 0x3096},
        {0x4E00, 0x9FA5},   {0xAC00, 0xD7A3}, {0xFF01, 0xFF5E},
        {0x1D400, 0x1D454}, {0x20AC, 0x20AC}, {0x660, 0x669},
        {0x1C5, 0x1CC},
    };
    const uint64_t r = rng_bits(seed, 1, i);
    const uint32_t *b = blocks[(r >> 32) % (sizeof blocks / sizeof *blocks)];
    return b[0] + (uint32_t)r % (b[1] - b[0] + 1);
}

static void random_text(text *t, uint64_t seed) {
    text_clear(t);
    const uint64_t n = rng_bits(seed, 0, 0) % 200;
    for (uint64_t i = 0; i < n; i++) {
        char bytes[4];
        text_add(t, bytes, (size_t)utf8_encode(code_point(seed, i), bytes));
    }
}

static ar_status join(void *ctx, const char *p, size_t n, ar_error *err) {
    text_add(ctx, p, n);
    text_adds(ctx, "|");
    return text_status(ctx, err);
}

/* The pieces that PCRE2 gives when it is told to know Unicode itself. */
static void split_by_pcre2(const pcre2_code *code, pcre2_match_data *data,
                           const char *s, size_t n, text *out) {
    size_t used = 0, from = 0;
    while (from < n &&
           pcre2_match(code, (PCRE2_SPTR)s, n, from, 0, data, NULL) > 0) {
        const PCRE2_SIZE *at = pcre2_get_ovector_pointer(data);
        if (at[0] > used) join(out, s + used, at[0] - used, NULL);
        join(out, s + at[0], at[1] - at[0], NULL);
        used = from = at[1];
    }
    if (used < n) join(out, s + used, n - used, NULL);
}

static void check_pattern(const char *source, uint64_t seed) {
    cut_step step = {.behavior = CUT_ISOLATED};
    assert_ok(pattern_open(&step.pattern, source, err));
    int code;
    PCRE2_SIZE at;
    pcre2_code *pcre = pcre2_compile((PCRE2_SPTR)source, PCRE2_ZERO_TERMINATED,
                                     PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE |
                                         PCRE2_NO_AUTO_CAPTURE,
                                     &code, &at, NULL);
    assert_non_null(pcre);
    pcre2_match_data *data = pcre2_match_data_create_from_pattern(pcre, NULL);
    text t = {0}, ours = {0}, theirs = {0};
    pieces *w;
    assert_ok(pieces_open(&w, &step, 1, join, &ours, err));
    for (uint64_t i = 0; i < 2000; i++) {
        random_text(&t, seed + i);
        text_clear(&ours);
        text_clear(&theirs);
        text_adds(&ours, "");
        text_adds(&theirs, "");
        if (t.size) assert_ok(pieces_cut(w, t.data, t.size, true, err));
        split_by_pcre2(pcre, data, t.data, t.size, &theirs);
        if (ours.size != theirs.size ||
            memcmp(ours.data, theirs.data, ours.size))
            fail_msg("%s\n  on %s\n  gives %s\n  wanted %s", source, t.data,
                     ours.data, theirs.data);
    }
    pieces_close(w);
    pattern_close(step.pattern);
    pcre2_match_data_free(data);
    pcre2_code_free(pcre);
    text_close(&t);
    text_close(&ours);
    text_close(&theirs);
}

void test_pattern_equals_pcre2(void **state) {
    (void)state;
    for (int i = 0; i < N_KNOWN; i++)
        check_pattern(known[i], 1000000 * (uint64_t)i);
}

/* Every code point: a class holds what the table says, whatever the library's
 * version is. */
void test_pattern_classes(void **state) {
    (void)state;
    assert_string_equal(unicode_version, "16.0.0");
    static const char *const classes[] = {"L", "Lu", "N", "Nd", "M",
                                          "P", "S",  "Z", "C",  "Cn"};
    matcher *m;
    assert_ok(matcher_open(&m, err));
    for (size_t k = 0; k < sizeof classes / sizeof *classes; k++) {
        char source[16];
        snprintf(source, sizeof source, "\\p{%s}", classes[k]);
        pattern *p;
        assert_ok(pattern_open(&p, source, err));
        for (uint32_t c = 0; c < UNICODE_COUNT; c++) {
            if (c >= 0xD800 && c < 0xE000) continue;
            char bytes[4];
            uint8_t codes[4];
            size_t size;
            match found;
            const int n = utf8_encode(c, bytes);
            assert_int_equal(
                pattern_transcribe(p, bytes, (size_t)n, codes, &size), 1);
            assert_ok(pattern_find(p, m, codes, 1, 0, &found, err));
            const bool want = !strncmp(unicode_get(c)->category, classes[k],
                                       strlen(classes[k]));
            if (found.found != want) fail_msg("%s U+%04X", source, c);
        }
        pattern_close(p);
    }
    matcher_close(m);
}

/* Added in Unicode 15 and 16, unknown to many libraries: U+1E4D0 letter,
 * U+1E4F0 digit, U+A7CB upper case. */
void test_pattern_new_code_points(void **state) {
    (void)state;
    assert_string_equal(unicode_get(0x1E4D0)->category, "Lo");
    assert_string_equal(unicode_get(0x1E4F0)->category, "Nd");
    assert_string_equal(unicode_get(0xA7CB)->category, "Lu");
    assert_string_equal(unicode_get(0x10FFFF)->category, "Cn");
    assert_true(unicode_is_white(0x3000) && !unicode_is_white(0x200B));
    assert_true(unicode_is_word(0x24B6) && unicode_is_word('_') &&
                unicode_is_word(0x200D) && !unicode_is_word(0xB2));
}

void test_pattern_refused(void **state) {
    (void)state;
    static const struct {
        const char *source;
        ar_status code;
        const char *word;
    } cases[] = {
        {"(", AR_FORMAT, "("},
        {")", AR_FORMAT, ")"},
        {"(a", AR_FORMAT, "("},
        {"[a", AR_FORMAT, "["},
        {"[]a]", AR_FORMAT, "empty"},
        {"[z-a]", AR_FORMAT, "range"},
        {"[a-\\d]", AR_FORMAT, "range"},
        {"*", AR_FORMAT, "bad pattern"},
        {"a\\", AR_FORMAT, "ends in"},
        {"\\x{110000}", AR_FORMAT, "\\x"},
        {"\\x{41", AR_FORMAT, "\\x"},
        {"\\p{L", AR_FORMAT, "}"},
        {"\\p", AR_FORMAT, "\\p"},
        {"(?<=a+)b", AR_FORMAT, "lookbehind"},
        {"\xFF", AR_FORMAT, "UTF-8"},
        {"\\p{Greek}", AR_UNSUPPORTED, "Greek"},
        {"\\p{Lx}", AR_UNSUPPORTED, "Lx"},
        {"\\1", AR_UNSUPPORTED, "\\1"},
        {"\\h", AR_UNSUPPORTED, "\\h"},
        {"\\X", AR_UNSUPPORTED, "\\X"},
        {"(?s:.)", AR_UNSUPPORTED, "(?s:"},
        {"(?<n>a)", AR_UNSUPPORTED, "(?<n"},
        {"a(?i)b", AR_UNSUPPORTED, "(?i)"},
        {"[a[b]]", AR_UNSUPPORTED, "["},
        {"[a&&b]", AR_UNSUPPORTED, "&&"},
        {"a{,2}", AR_UNSUPPORTED, "{"},
        {"a{1,2}+", AR_UNSUPPORTED, "{1,2}+"},
        {"a{2}?", AR_UNSUPPORTED, "{2}?"},
        {"{", AR_UNSUPPORTED, "{"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pattern *p = (pattern *)1;
        assert_fails(cases[i].code, cases[i].word,
                     pattern_open(&p, cases[i].source, err));
        assert_null(p);
    }
    text t = {0};
    for (int i = 0; i < 70; i++) text_adds(&t, "(");
    pattern *p;
    assert_fails(AR_UNSUPPORTED, "deep", pattern_open(&p, t.data, err));
    text_clear(&t);
    for (int i = 0; i < 70; i++) text_addf(&t, "\\x{%x}", 0x4E00 + i);
    assert_fails(AR_UNSUPPORTED, "64 sets", pattern_open(&p, t.data, err));
    text_close(&t);
}

/* A pattern that takes for ever ends in an error; one that needs a large
 * stack gets it. */
void test_pattern_cost(void **state) {
    (void)state;
    static char many[200000];
    memset(many, 'a', sizeof many);
    text out = {0};
    cut_step step = {.behavior = CUT_ISOLATED};
    pieces *w;
    assert_ok(pattern_open(&step.pattern, "(a+a+)+[bc]|b", err));
    assert_ok(pieces_open(&w, &step, 1, join, &out, err));
    assert_fails(AR_RANGE, "costly", pieces_cut(w, many, 5000, true, err));
    pieces_close(w);
    pattern_close(step.pattern);
    assert_ok(pattern_open(&step.pattern, "(?:a|b|(?:ab))*c|a", err));
    assert_ok(pieces_open(&w, &step, 1, join, &out, err));
    assert_ok(pieces_cut(w, many, 20000, true, err));
    assert_int_equal(out.size, 40000);
    pieces_close(w);
    pattern_close(step.pattern);
    text_close(&out);
}
