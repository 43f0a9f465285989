/* fuzz_grammar.c - a grammar and, behind a NUL, a text that is run through it,
 * with and without trimming on the way. */
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "infer/grammar.h"

enum { MOST_TEXT = 200 };

/* Both runs must agree at every byte. */
static void run_text(grammar_run *a, grammar_run *b, const uint8_t *p,
                     size_t n) {
    grammar_state s, t;
    ar_error err;
    if (grammar_run_start(a, &s, &err) || grammar_run_start(b, &t, &err))
        return;
    for (size_t i = 0; i < n; i++) {
        if (i % 7 == 3 && grammar_run_trim(b, &t, &err)) return;
        if (grammar_run_step(a, s, p[i], &s, &err) ||
            grammar_run_step(b, t, p[i], &t, &err)) {
            if (!err.message[0]) abort();
            return;
        }
        if ((s == GRAMMAR_DEAD) != (t == GRAMMAR_DEAD) ||
            grammar_run_can_end(a, s) != grammar_run_can_end(b, t) ||
            grammar_run_can_go_on(a, s) != grammar_run_can_go_on(b, t))
            abort();
        if (s == GRAMMAR_DEAD) return;
        /* what is alive is whole or can go on */
        if (!grammar_run_can_end(a, s) && !grammar_run_can_go_on(a, s)) abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const uint8_t *cut = size ? memchr(data, 0, size) : NULL;
    const size_t n = cut ? (size_t)(cut - data) : size;
    const uint8_t *p = cut ? cut + 1 : data;
    size_t n_text = cut ? size - n - 1 : size;
    ar_grammar *g;
    ar_error err = {0};
    if (ar_grammar_open(&g, "g", (const char *)data, n, &err) != AR_OK) {
        if (g || !err.message[0]) abort();
        return 0;
    }
    grammar_run *a = NULL, *b = NULL;
    if (n_text > MOST_TEXT) n_text = MOST_TEXT;
    if (!grammar_run_open(&a, g, &err) && !grammar_run_open(&b, g, &err))
        run_text(a, b, p, n_text);
    grammar_run_close(a);
    grammar_run_close(b);
    ar_grammar_close(g);
    return 0;
}
