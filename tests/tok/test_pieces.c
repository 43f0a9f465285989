/* test_pieces.c - what becomes of matches, recorded with the tokenizers
 * library 0.23.3 (pre_tokenizers.Split). */
#include "base/text.h"
#include "tests/test.h"
#include "tok/pieces.h"

static const struct {
    const char *pattern, *text;
    enum cut_behavior behavior;
    bool invert;
    const char *pieces;
} cases[] = {
    {"\\d", "1a23b4", CUT_REMOVED, false, "a|b"},
    {"\\d", "1a23b4", CUT_ISOLATED, false, "1|a|2|3|b|4"},
    {"\\d", "1a23b4", CUT_MERGED_PREVIOUS, false, "1|a2|3|b4"},
    {"\\d", "1a23b4", CUT_MERGED_NEXT, false, "1a|2|3b|4"},
    {"\\d", "1a23b4", CUT_CONTIGUOUS, false, "1|a|23|b|4"},
    {"\\d", "1a23b4", CUT_REMOVED, true, "1|2|3|4"},
    {"\\d", "1a23b4", CUT_ISOLATED, true, "1|a|2|3|b|4"},
    {"\\d", "1a23b4", CUT_MERGED_PREVIOUS, true, "1a|2|3b|4"},
    {"\\d", "1a23b4", CUT_MERGED_NEXT, true, "1|a2|3|b4"},
    {"\\d", "1a23b4", CUT_CONTIGUOUS, true, "1|a|23|b|4"},
    {"\\d", "a1b", CUT_REMOVED, false, "a|b"},
    {"\\d", "a1b", CUT_ISOLATED, false, "a|1|b"},
    {"\\d", "a1b", CUT_MERGED_PREVIOUS, false, "a1|b"},
    {"\\d", "a1b", CUT_MERGED_NEXT, false, "a|1b"},
    {"\\d", "a1b", CUT_CONTIGUOUS, false, "a|1|b"},
    {"\\d", "a1b", CUT_REMOVED, true, "1"},
    {"\\d", "a1b", CUT_ISOLATED, true, "a|1|b"},
    {"\\d", "a1b", CUT_MERGED_PREVIOUS, true, "a|1b"},
    {"\\d", "a1b", CUT_MERGED_NEXT, true, "a1|b"},
    {"\\d", "a1b", CUT_CONTIGUOUS, true, "a|1|b"},
    {"\\d+", "12a3", CUT_REMOVED, false, "a"},
    {"\\d+", "12a3", CUT_ISOLATED, false, "12|a|3"},
    {"\\d+", "12a3", CUT_MERGED_PREVIOUS, false, "12|a3"},
    {"\\d+", "12a3", CUT_MERGED_NEXT, false, "12a|3"},
    {"\\d+", "12a3", CUT_CONTIGUOUS, false, "12|a|3"},
    {"\\d+", "12a3", CUT_REMOVED, true, "12|3"},
    {"\\d+", "12a3", CUT_ISOLATED, true, "12|a|3"},
    {"\\d+", "12a3", CUT_MERGED_PREVIOUS, true, "12a|3"},
    {"\\d+", "12a3", CUT_MERGED_NEXT, true, "12|a3"},
    {"\\d+", "12a3", CUT_CONTIGUOUS, true, "12|a|3"},
    {"(?=b)", "abab", CUT_REMOVED, false, "a|ba|b"},
    {"(?=b)", "abab", CUT_ISOLATED, false, "a|ba|b"},
    {"(?=b)", "abab", CUT_MERGED_PREVIOUS, false, "a|ba|b"},
    {"(?=b)", "abab", CUT_MERGED_NEXT, false, "a|ba|b"},
    {"(?=b)", "abab", CUT_CONTIGUOUS, false, "a|ba|b"},
    {"(?=b)", "abab", CUT_REMOVED, true, ""},
    {"(?=b)", "abab", CUT_ISOLATED, true, "a|ba|b"},
    {"(?=b)", "abab", CUT_MERGED_PREVIOUS, true, "a|ba|b"},
    {"(?=b)", "abab", CUT_MERGED_NEXT, true, "a|ba|b"},
    {"(?=b)", "abab", CUT_CONTIGUOUS, true, "a|ba|b"},
    {"x*", "axxb", CUT_REMOVED, false, "a|b"},
    {"x*", "axxb", CUT_ISOLATED, false, "a|xx|b"},
    {"x*", "axxb", CUT_MERGED_PREVIOUS, false, "axx|b"},
    {"x*", "axxb", CUT_MERGED_NEXT, false, "a|xxb"},
    {"x*", "axxb", CUT_CONTIGUOUS, false, "a|xx|b"},
    {"x*", "axxb", CUT_REMOVED, true, "xx"},
    {"x*", "axxb", CUT_ISOLATED, true, "a|xx|b"},
    {"x*", "axxb", CUT_MERGED_PREVIOUS, true, "a|xxb"},
    {"x*", "axxb", CUT_MERGED_NEXT, true, "axx|b"},
    {"x*", "axxb", CUT_CONTIGUOUS, true, "a|xx|b"},
    {"-", "the-final--countdown", CUT_REMOVED, false, "the|final|countdown"},
    {"-", "the-final--countdown", CUT_ISOLATED, false,
     "the|-|final|-|-|countdown"},
    {"-", "the-final--countdown", CUT_MERGED_PREVIOUS, false,
     "the-|final-|-|countdown"},
    {"-", "the-final--countdown", CUT_MERGED_NEXT, false,
     "the|-final|-|-countdown"},
    {"-", "the-final--countdown", CUT_CONTIGUOUS, false,
     "the|-|final|--|countdown"},
    {"-", "the-final--countdown", CUT_REMOVED, true, "-|-|-"},
    {"-", "the-final--countdown", CUT_ISOLATED, true,
     "the|-|final|-|-|countdown"},
    {"-", "the-final--countdown", CUT_MERGED_PREVIOUS, true,
     "the|-final|-|-countdown"},
    {"-", "the-final--countdown", CUT_MERGED_NEXT, true,
     "the-|final-|-|countdown"},
    {"-", "the-final--countdown", CUT_CONTIGUOUS, true,
     "the|-|final|--|countdown"},
    {"\\bthe\\b", "the then bathe _the the. (the)\xC3\xA9the the\xCC\x81 the",
     CUT_ISOLATED, false,
     "the| then bathe _the |the|. (|the|)\xC3\xA9the the\xCC\x81 |the"},
    {"\\w+",
     "a_"
     "1\xC2\xB2\xC2\xB9\xE2\x91\xA0\xE2\x92\xB6\xCC\x81x\xE2\x80\x8Dy\xE2\x85"
     "\xA7-\xE0\xB8\x81\xE0\xB8\xB4",
     CUT_ISOLATED, false,
     "a_1\xC2\xB2\xC2\xB9|\xE2\x91\xA0|\xE2\x92\xB6\xCC\x81x|\xE2\x80\x8D|"
     "y\xE2\x85\xA7|-|\xE0\xB8\x81\xE0\xB8\xB4"},
    {"\\W+", "a_1, .b", CUT_ISOLATED, false, "a_1|, .|b"},
    {"\\Bx\\B", "xxx axa x", CUT_ISOLATED, false, "x|x|x a|x|a x"},
    {"(?i:k|s)\\d",
     "k1\xE2\x84\xAA"
     "1\xC5\xBF"
     "1S1\xC3\x9F"
     "1",
     CUT_ISOLATED, false,
     "k1|\xE2\x84\xAA"
     "1|\xC5\xBF"
     "1|S1|\xC3\x9F"
     "1"},
    {"(?i:\xC3\xA9|\xCF\x83)", "\xC3\x89\xC3\xA9\xCE\xA3\xCF\x83\xCF\x82x",
     CUT_ISOLATED, false, "\xC3\x89|\xC3\xA9|\xCE\xA3|\xCF\x83|\xCF\x82|x"},
    {"(?i:[a-c])", "ABCabcdD", CUT_ISOLATED, false, "A|B|C|a|b|c|dD"},
    {"^b|a$",
     "b\x0A"
     "b\x0A"
     "a\x0A"
     "a",
     CUT_ISOLATED, false, "b|\x0A|b|\x0A|a|\x0A|a"},
    {"[^\\n].",
     "a\x0A"
     "bc",
     CUT_ISOLATED, false, "a\x0A|bc"},
    {"(?<=a)b|(?<!a)c", "abcacbc", CUT_ISOLATED, false, "a|b|c|acb|c"},
    {"a{2,}|b{1,2}?", "aaabba", CUT_ISOLATED, false, "aaa|b|b|a"},
    {"x++y|x", "xxyxx", CUT_ISOLATED, false, "xxy|x|x"},
    {"(?i:[\\P{L}]x)", "\xCE\x99X \xCD\x85x", CUT_ISOLATED, false,
     "\xCE\x99X| |\xCD\x85x"},
    {"(?i:\\p{Lu}.)", "aAbB\xCC\x81", CUT_ISOLATED, false, "a|Ab|B\xCC\x81"},
    {"(?i:[\\p{Lu}])", "aAb1B", CUT_ISOLATED, false, "a|A|b|1|B"},
    {"(?i:[^\\p{Lu}])", "aAbB1", CUT_ISOLATED, false, "aAbB|1"},
    {"(?i:\\P{Lu}|b)", "aAbB1", CUT_ISOLATED, false, "a|A|b|B|1"},
};

static ar_status join(void *ctx, const char *p, size_t n, ar_error *err) {
    text *t = ctx;
    if (t->size) text_adds(t, "|");
    text_add(t, p, n);
    return text_status(t, err);
}

static void check(const cut_step *steps, int n_steps, const char *s, size_t n,
                  const char *want) {
    text t = {0};
    text_adds(&t, "");
    pieces *w;
    assert_ok(pieces_open(&w, steps, n_steps, join, &t, err));
    assert_ok(pieces_cut(w, s, n, true, err));
    pieces_close(w);
    assert_string_equal(t.data, want);
    text_close(&t);
}

void test_pieces_behaviors(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cut_step step = {.behavior = cases[i].behavior,
                         .invert = cases[i].invert};
        assert_ok(pattern_open(&step.pattern, cases[i].pattern, err));
        check(&step, 1, cases[i].text, strlen(cases[i].text), cases[i].pieces);
        pattern_close(step.pattern);
    }
}

/* Steps one after the other; a space in front; bytes that are not UTF-8. */
void test_pieces_steps(void **state) {
    (void)state;
    cut_step steps[2] = {{.behavior = CUT_ISOLATED},
                         {.behavior = CUT_ISOLATED, .prefix = PREFIX_ALWAYS}};
    assert_ok(pattern_open(&steps[0].pattern, "\\d+", err));
    assert_ok(pattern_open(&steps[1].pattern, " ?\\w+", err));
    check(steps, 2, "ab12cd", 6, " ab| 12| cd");
    check(steps + 1, 1, "ab cd", 5, " ab| cd");
    check(steps + 1, 1, " ab cd", 6, " ab| cd");
    check(steps, 2,
          "a\xFF\xC3"
          "b",
          4, " a| |\xFF| |\xC3| b");
    check(steps, 1,
          "\xC3\xA9"
          "1\xE2\x82"
          "2",
          6, "\xC3\xA9|1|\xE2|\x82|2");
    check(steps, 0,
          "a\xFF"
          "b",
          3,
          "a\xFF"
          "b");
    pattern_close(steps[0].pattern);
    pattern_close(steps[1].pattern);
}
