/* fuzz_mil.c - MIL text out of any bytes: what is read is printed, what is
 * printed is read and prints the same; checking says something or nothing. */
#include <stdlib.h>
#include <string.h>

#include "backend/ane/mil_check.h"
#include "fuzz/fuzz.h"

/* Prints p and reads that again; the text is the caller's. */
static mil_program *again(const mil_program *p, text *out) {
    mil_program *q;
    mil_print(p, out);
    if (mil_parse("printed", out->data, out->size, &q, NULL) != AR_OK) abort();
    return q;
}

/* Both checks must agree. */
static void compare(const mil_program *p) {
    text a = {0}, b = {0};
    mil_program *q = again(p, &a);
    mil_program *r = again(q, &b);
    if (a.size != b.size || memcmp(a.data, b.data, a.size) != 0) abort();
    ar_error err = {0};
    const ar_status s = mil_check("input", p, &err);
    if (s != AR_OK && !err.message[0]) abort();
    if (mil_check("printed", q, NULL) != s) abort();
    mil_close(q);
    mil_close(r);
    text_close(&a);
    text_close(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    mil_program *p;
    ar_error err = {0};
    if (mil_parse("input", (const char *)data, size, &p, &err) != AR_OK) {
        if (p || !err.message[0]) abort();
        return 0;
    }
    compare(p);
    mil_set_syntax(p, size % 2 ? MIL_SHORT : MIL_VERBOSE);
    compare(p);
    mil_close(p);
    return 0;
}
