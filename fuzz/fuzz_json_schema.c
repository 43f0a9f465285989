/* fuzz_json_schema.c - a schema; what its grammar writes, byte by byte at
 * random, is JSON. */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/hash.h"
#include "base/rng.h"
#include "base/text.h"
#include "fuzz/fuzz.h"
#include "infer/json_schema.h"

enum { MOST_TEXT = 120, TRIES = 4 };

/* A byte that is allowed, or -1. */
static int next_byte(grammar_run *r, grammar_state *s, uint64_t seed,
                     uint64_t at) {
    uint8_t list[256];
    grammar_state to[256];
    uint64_t n = 0;
    ar_error err;
    for (int b = 0; b < 256; b++) {
        if (grammar_run_step(r, *s, (uint8_t)b, &to[n], &err)) return -1;
        if (to[n] != GRAMMAR_DEAD) list[n++] = (uint8_t)b;
    }
    if (!n) return -1;
    const uint64_t k = rng_bits(seed, 0, at) % n;
    *s = to[k];
    return list[k];
}

static void write_text(grammar_run *r, uint64_t seed) {
    char written[MOST_TEXT];
    size_t n = 0;
    grammar_state s;
    ar_error err;
    if (grammar_run_start(r, &s, &err)) return;
    for (;;) {
        if (grammar_run_can_end(r, s)) {
            json_error_t je;
            json_t *v = json_loadb(written, n, JSON_DECODE_ANY, &je);
            if (!v) abort();
            json_decref(v);
        }
        const int byte = n < MOST_TEXT ? next_byte(r, &s, seed, n) : -1;
        if (byte < 0) return;
        written[n++] = (char)byte;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *p = (const char *)data;
    text gbnf = {0};
    ar_error err = {0};
    if (json_schema_text(&gbnf, "s", p, size, &err) != AR_OK) {
        if (!err.message[0]) abort();
        text_close(&gbnf);
        return 0;
    }
    ar_grammar *g;
    grammar_run *r;
    ar_status s = ar_grammar_open(&g, "g", gbnf.data, gbnf.size, &err);
    text_close(&gbnf);
    if (s == AR_OK) s = grammar_run_open(&r, g, &err);
    if (s != AR_OK) {
        if (!err.message[0]) abort();
        ar_grammar_close(g);
        return 0;
    }
    for (uint64_t i = 0; i < TRIES; i++)
        write_text(r, hash_bytes(data, size, i));
    grammar_run_close(r);
    ar_grammar_close(g);
    return 0;
}
