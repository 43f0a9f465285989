/* test.h - what every test includes.
 *
 * A test is `void test_NAME(void **state)` and a line T(NAME) in the tests.def
 * of its folder.  Checks are cmocka's assert_* and those below. */
#ifndef TESTS_TEST_H
#define TESTS_TEST_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "arcane/status.h"

/* The call must succeed; its sentence is printed if not. */
#define assert_ok(call)                                                        \
    do {                                                                       \
        ar_error assert_err_ = {0};                                            \
        ar_error *const err = &assert_err_;                                    \
        (void)err;                                                             \
        const ar_status assert_s_ = (call);                                    \
        if (assert_s_ != AR_OK)                                                \
            fail_msg("%s: %s (%s)", #call, assert_err_.message,                \
                     ar_status_text(assert_s_));                               \
    } while (0)

/* The call, which uses `err`, must fail with `code` and a sentence that
 * contains `word`. */
#define assert_fails(code, word, call)                                         \
    do {                                                                       \
        ar_error assert_err_ = {0};                                            \
        ar_error *const err = &assert_err_;                                    \
        const ar_status assert_s_ = (call);                                    \
        if (assert_s_ != (code) || !strstr(assert_err_.message, (word)))       \
            fail_msg("%s: gave %d \"%s\", wanted %d with \"%s\"", #call,       \
                     assert_s_, err->message, (code), (word));                 \
    } while (0)

#define assert_near(a, b, tolerance)                                           \
    do {                                                                       \
        const double near_a_ = (a), near_b_ = (b);                             \
        if (!(fabs(near_a_ - near_b_) <= (tolerance)))                         \
            fail_msg("%s = %.17g, wanted %.17g within %g", #a, near_a_,        \
                     near_b_, (double)(tolerance));                            \
    } while (0)

/* tests/golden/NAME, in a static buffer. */
const char *test_golden(const char *name);
/* A fresh empty folder for this test, removed at the end of the run. */
const char *test_folder(void);
/* AR_QUICK=1, as scripts/sanitize sets it: look at every case, but at fewer of
 * its values, since checks make each many times as slow. */
bool test_quick(void);

/* A prototype of every test; one that is not in the list does not compile. */
#ifdef TESTS_DEF
#define T(name) void test_##name(void **state);
#include TESTS_DEF
#undef T
#endif

#endif
