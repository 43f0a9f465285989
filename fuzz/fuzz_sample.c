/* fuzz_sample.c - samplers of any options, order, logits and history.
 *
 * Input: a byte for the vocabulary, 9 for each option (which of its values,
 * or the double behind), names of an order up to a zero, 4 bytes for each
 * logit, then a byte for each token of the history.  What is missing is 0. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "infer/sample.h"

enum { MOST_VOCAB = 160, MOST_HISTORY = 512 };

typedef struct input {
    const uint8_t *data;
    size_t size;
} input;

static void take(input *in, void *out, size_t n) {
    const size_t have = n < in->size ? n : in->size;
    memset(out, 0, n);
    memcpy(out, in->data, have);
    in->data += have;
    in->size -= have;
}

static double choose(input *in, double off, double usual, double low,
                     double high) {
    uint8_t which;
    double any;
    take(in, &which, 1);
    take(in, &any, sizeof any);
    const double list[] = {off, usual, low, high, (low + high) / 2};
    if (which % 6 < 5) return list[which % 6];
    /* Whole numbers are made from it too. */
    return any >= low && any <= high ? any : off;
}

static void take_order(input *in, ar_sample_options *o) {
    char names[256];
    size_t n = 0;
    while (n < in->size && in->data[n]) n++;
    const size_t kept = n < sizeof names - 1 ? n : sizeof names - 1;
    memcpy(names, in->data, kept);
    names[kept] = 0;
    in->data += n;
    in->size -= n;
    if (in->size) {
        in->data++;
        in->size--;
    }
    ar_error err;
    if (kept) ar_sample_order(o, names, &err);
}

/* What must hold of any distribution. */
static void check(ar_sampler *s, const ar_sample_input *in, int64_t v) {
    double probs[MOST_VOCAB], sum = 0, chosen;
    ar_sample_logprob top[MOST_VOCAB];
    int32_t id = -1;
    ar_error err;
    if (ar_sampler_probs(s, in, probs, &err) != AR_OK) return;
    for (int64_t i = 0; i < v; i++) sum += probs[i];
    if (!(fabs(sum - 1) < 1e-9)) abort();
    if (ar_sampler_next(s, in, &id, &err) != AR_OK || id < 0 || id >= v ||
        !(probs[id] > 0))
        abort();
    const int64_t n = ar_sampler_logprobs(s, NULL, id, &chosen, top, v);
    if (n < 1 || !(fabs(chosen - log(probs[id])) < 1e-6)) abort();
    for (int64_t i = 1; i < n; i++)
        if (!(top[i].logprob <= top[i - 1].logprob)) abort();
    ar_sampler_logprobs(s, in->logits, id, &chosen, top, v);
    if (isnan(chosen) || isnan(ar_sampler_state(s).mu)) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    input in = {data, size};
    uint8_t first;
    take(&in, &first, 1);
    const int64_t v = 1 + first % MOST_VOCAB;
    ar_sample_options o = ar_sample_options_default();
#define AR_SAMPLER(...)
#define AR_OPTION(type, field, flag, off, usual, low, high, ...)               \
    o.field = (type)choose(&in, off, usual, low, high);
#include "arcane/samplers.def"
#undef AR_SAMPLER
#undef AR_OPTION
    take_order(&in, &o);
    const ar_sample_bias bias = {first % 7, first & 8 ? -INFINITY : first};
    const int32_t breaker = first % 5;
    o.bias = &bias;
    o.n_bias = first & 16 ? 1 : 0;
    o.dry_breakers = &breaker;
    o.n_dry_breakers = first & 32 ? 1 : 0;
    double logits[MOST_VOCAB];
    int32_t history[MOST_HISTORY];
    for (int64_t i = 0; i < v; i++) {
        float l;
        take(&in, &l, sizeof l);
        logits[i] = l;
    }
    int64_t n = 0;
    for (; in.size && n < MOST_HISTORY; n++) {
        uint8_t token;
        take(&in, &token, 1);
        history[n] = token;
    }
    ar_sampler *s;
    ar_error err;
    if (ar_sampler_open(&s, &o, v, MOST_HISTORY / 2, &err) != AR_OK) return 0;
    for (int64_t i = 0; i < 3; i++)
        check(s, &(ar_sample_input){logits, history, n, n + i}, v);
    ar_sampler_close(s);
    return 0;
}
