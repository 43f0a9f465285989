/* ane_fixture.h - the driver with the stand-in behind it. */
#ifndef TESTS_ANE_FIXTURE_H
#define TESTS_ANE_FIXTURE_H

#include "backend/ane/ane_driver.h"
#include "tests/ane/mock/ane_mock.h"

extern ane_mock *mock; /* after mock_begin */

/* One input x and one output y, f32 [3, 2, 5]. */
extern const mock_function mock_one;
/* A program without weights. */
enum { MOCK_TEXT = 31 };
extern const char mock_text[MOCK_TEXT + 1];
extern const ane_source mock_plain;
/* No long waits, no budget. */
extern const ane_driver_options mock_quick;

/* A fresh state of the stand-in, which every lookup of the driver goes to. */
void mock_begin(const mock_function *f, int n);
/* Nothing thrown, nothing leaked, nothing left in the temporary folder. */
void mock_end(void);
ane_driver *mock_driver(void);

/* Runs procedure 0 of mock_one and checks that y = factor * x. */
void mock_run(ane_driver *d, ane_program *p, float factor);

#endif
