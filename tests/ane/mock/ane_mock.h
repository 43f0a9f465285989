/* ane_mock.h - a stand-in for macOS's Objective-C runtime and Neural Engine.
 *
 * A shared library with the functions, classes and messages that the driver
 * looks up.  It holds callers to what is known of the real ones: files are on
 * disk before a compile, symbol indices are global and alphabetical, surfaces
 * are large enough, a process compiles about 119 programs, the same id keeps
 * the weights it had.  A program is not looked into: an output is `scale` times
 * the sum of (i + 1) x input i, where scale is the first byte of the first
 * weight file, or 2.  It shows that the driver keeps the contract, and nothing
 * about the hardware. */
#ifndef TESTS_ANE_MOCK_H
#define TESTS_ANE_MOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct mock_port {
    const char *name, *type;
    int c, h, w;
} mock_port;

typedef struct mock_function {
    const char *name;
    mock_port in[4], out[4];
    int n_in, n_out;
} mock_function;

/* The next `times` calls at a place fail with this error: "compile", "load",
 * "evaluate", "lock", "surface".  text NULL: no error object. */
typedef struct mock_fault {
    const char *where, *text;
    long code;
    int times;
} mock_fault;

typedef struct ane_mock {
    const mock_function *functions; /* what every program has */
    int n_functions;
    const char *temp;  /* the temporary folder */
    const char *build; /* of the system */
    mock_fault fault;
    const char *missing; /* class or message that is not there */
    const char *nil;     /* message that gives nil, 0 or NO */
    const char *hide;    /* dictionary key that is not there */
    const char *lie;     /* dictionary key whose number is `lie_value` */
    uint64_t lie_value;
    bool stale; /* compiled programs are refused until purged */
    bool no_engine;
    int compile_limit; /* silent failure from here on */
    /* what happened */
    long live; /* objects */
    int compiles, loads, unloads, evaluations, direct, requests, purges;
    int exceptions;      /* what would have thrown */
    char exception[200]; /* the last of them */
} ane_mock;

/* The state, and back to how it was when loaded; a new process also forgets
 * what the daemon knew. */
typedef ane_mock *ane_mock_state_fn(void);
typedef void ane_mock_reset_fn(void);

#endif
