/* code_set.h - sets of code points, as sorted ranges.
 *
 *   code_set s = {0};
 *   code_set_add(&s, 'a', 'z');
 *   code_set_finish(&s);               sorts and joins; then it can be used
 *   if (s.failed) ...                  the first lack of memory sticks
 *   code_set_close(&s); */
#ifndef TOK_CODE_SET_H
#define TOK_CODE_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct code_range {
    uint32_t first, last;
} code_range;

typedef struct code_set {
    code_range *ranges;
    size_t n, capacity;
    bool failed;
} code_set;

void code_set_add(code_set *s, uint32_t first, uint32_t last);
void code_set_add_set(code_set *s, const code_set *other);
void code_set_finish(code_set *s);
void code_set_invert(code_set *s);    /* a finished set; stays finished */
void code_set_add_cases(code_set *s); /* a finished set; stays finished */
bool code_set_equal(const code_set *a, const code_set *b);
void code_set_close(code_set *s);

/* The code points of a general category ("L", "Lu"); false if there is no
 * such name. */
bool code_set_add_category(code_set *s, const char *name, size_t n);
/* Those that \s, \d and \w stand for. */
void code_set_add_white(code_set *s);
void code_set_add_digit(code_set *s);
void code_set_add_word(code_set *s);

#endif
