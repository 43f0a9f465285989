/* mil_lex.c - words of MIL text, one at a time. */
#include "backend/ane/mil_lex.h"

#include <string.h>

enum { SPACE = 1, LETTER = 2, DIGIT = 4, MARK = 8 };

static const unsigned char classes[256] = {
    [' '] = SPACE,  ['\t'] = SPACE, ['\r'] = SPACE, ['\n'] = SPACE,
    ['\f'] = SPACE, ['\v'] = SPACE, ['_'] = LETTER, ['('] = MARK,
    [')'] = MARK,   ['['] = MARK,   [']'] = MARK,   ['{'] = MARK,
    ['}'] = MARK,   ['<'] = MARK,   ['>'] = MARK,   [','] = MARK,
    ['='] = MARK,   [';'] = MARK,   ['?'] = MARK,
};

static int class_of(char c) {
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) return LETTER;
    if (c >= '0' && c <= '9') return DIGIT;
    return classes[(unsigned char)c];
}

static void skip_line(mil_lex *x) {
    const char *nl = memchr(x->at, '\n', (size_t)(x->end - x->at));
    x->at = nl ? nl : x->end;
}

static void skip_space(mil_lex *x) {
    while (x->at < x->end) {
        const char c = *x->at;
        if (c == '\n') {
            x->line++;
            x->line_start = ++x->at;
        } else if (class_of(c) == SPACE) {
            x->at++;
        } else if (c == '#' ||
                   (c == '/' && x->at + 1 < x->end && x->at[1] == '/')) {
            skip_line(x);
        } else {
            return;
        }
    }
}

static enum mil_token lex_word(mil_lex *x) {
    while (x->at < x->end && class_of(*x->at) & (LETTER | DIGIT)) x->at++;
    return MIL_WORD;
}

static bool is_exponent(const char *s, const char *from) {
    const bool hex = s - from > 2 && (from[1] | 32) == 'x';
    return (s[-1] | 32) == (hex ? 'p' : 'e');
}

static enum mil_token lex_number(mil_lex *x) {
    const char *from = x->at + (*x->at == '-' || *x->at == '+');
    x->at = from;
    while (x->at < x->end) {
        const char c = *x->at;
        if (class_of(c) & (LETTER | DIGIT) || c == '.')
            x->at++;
        else if ((c == '-' || c == '+') && x->at > from &&
                 is_exponent(x->at, from))
            x->at++;
        else
            break;
    }
    return x->at > from ? MIL_NUM : MIL_BAD;
}

static enum mil_token lex_quoted(mil_lex *x) {
    for (x->at++; x->at < x->end && *x->at != '\n'; x->at++) {
        if (*x->at == '"') return x->at++, MIL_QUOTED;
        if (*x->at == '\\' && x->at + 1 < x->end && x->at[1] != '\n') x->at++;
    }
    return MIL_BAD;
}

static enum mil_token lex(mil_lex *x) {
    if (x->at == x->end) return MIL_END;
    const char c = *x->at;
    const char after = x->at + 1 < x->end ? x->at[1] : 0;
    if (class_of(c) == LETTER) return lex_word(x);
    if (class_of(c) == MARK) return x->at++, MIL_MARK;
    if (c == '"') return lex_quoted(x);
    if (c == '-' && after == '>') return x->at += 2, MIL_ARROW;
    if (class_of(c) == DIGIT || c == '-' || c == '+' || c == '.')
        return lex_number(x);
    x->at++;
    return MIL_BAD;
}

void mil_lex_next(mil_lex *x) {
    skip_space(x);
    x->text = x->at;
    x->place = (mil_place){x->line, (uint32_t)(x->at - x->line_start) + 1};
    x->kind = lex(x);
    x->size = (size_t)(x->at - x->text);
}

void mil_lex_open(mil_lex *x, const char *source, size_t size) {
    *x = (mil_lex){
        .at = source, .end = source + size, .line_start = source, .line = 1};
    mil_lex_next(x);
}

bool mil_lex_is(const mil_lex *x, char mark) {
    return x->kind == MIL_MARK && *x->text == mark;
}

bool mil_lex_word(const mil_lex *x, const char *word) {
    return x->kind == MIL_WORD && strlen(word) == x->size &&
           memcmp(x->text, word, x->size) == 0;
}

char mil_lex_peek(const mil_lex *x) {
    mil_lex ahead = *x;
    skip_space(&ahead);
    return ahead.at < ahead.end ? *ahead.at : 0;
}
