/* source_ranks.c - ranks of tokens out of their scores.
 *
 * A radix sort, least digits first: vocabularies have up to 262144 tokens, and
 * opening one is most of what a short answer waits for. */
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "tok/source_build.h"

enum { DIGIT_BITS = 11, N_DIGITS = 1 << DIGIT_BITS, N_PASSES = 3 };

typedef struct scored {
    uint32_t key; /* the better the score the lower */
    int32_t id;
} scored;

/* Of finite numbers; both zeros have one key. */
static uint32_t key_of(float score) {
    const float x = score + 0.0F;
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits >> 31 ? bits : ~bits & 0x7FFFFFFF;
}

static void sort_pass(const scored *from, scored *to, size_t n, int shift) {
    size_t at[N_DIGITS] = {0}, sum = 0;
    for (size_t i = 0; i < n; i++) at[from[i].key >> shift & (N_DIGITS - 1)]++;
    for (int d = 0; d < N_DIGITS; d++) {
        const size_t count = at[d];
        at[d] = sum;
        sum += count;
    }
    for (size_t i = 0; i < n; i++)
        to[at[from[i].key >> shift & (N_DIGITS - 1)]++] = from[i];
}

ar_status source_rank(const tokenizer_source *s, int32_t *ranks,
                      ar_error *err) {
    const size_t n = s->n_tokens;
    scored *both = mem_new(scored, 2 * n), *list = both, *other = both + n;
    if (!both)
        return error_set(err, AR_NOMEM, "out of memory for %zu scores", n);
    for (size_t i = 0; i < n; i++)
        list[i] = (scored){key_of(s->scores[i]), (int32_t)i};
    for (int pass = 0; pass < N_PASSES; pass++) {
        sort_pass(list, other, n, pass * DIGIT_BITS);
        scored *sorted = other;
        other = list;
        list = sorted;
    }
    int32_t rank = 0;
    for (size_t i = 0; i < n; i++) {
        rank += i && list[i].key != list[i - 1].key;
        ranks[list[i].id] = rank;
    }
    mem_free(both);
    return AR_OK;
}
