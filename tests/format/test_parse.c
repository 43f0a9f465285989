/* test_parse.c - what names of files may be. */
#include "tests/test.h"

#include "format/parse.h"

void test_parse_utf8(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool good;
    } cases[] = {
        {"", true},
        {"plain", true},
        {"\xc2\x80", true},          /* the least of two bytes */
        {"\xdf\xbf", true},          /* the most */
        {"\xe0\xa0\x80", true},      /* the least of three */
        {"\xed\x9f\xbf", true},      /* the last before surrogates */
        {"\xee\x80\x80", true},      /* the first behind them */
        {"\xf0\x90\x80\x80", true},  /* the least of four */
        {"\xf4\x8f\xbf\xbf", true},  /* the last character */
        {"\x80", false},             /* the middle of one */
        {"\xc1\xbf", false},         /* two bytes where one does */
        {"\xe0\x9f\xbf", false},     /* three where two do */
        {"\xf0\x8f\xbf\xbf", false}, /* four where three do */
        {"\xed\xa0\x80", false},     /* surrogates */
        {"\xed\xbf\xbf", false},
        {"\xf4\x90\x80\x80", false}, /* behind the last */
        {"\xf8\x88\x80\x80\x80", false},
        {"\xff", false},
        {"a\xc3", false}, /* cut */
        {"\xe2\x82", false},
        {"\xc3z", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (parse_is_utf8(cases[i].text, strlen(cases[i].text)) !=
            cases[i].good)
            fail_msg("case %d", (int)i);
    assert_false(parse_is_utf8("a\0b", 3));
}
