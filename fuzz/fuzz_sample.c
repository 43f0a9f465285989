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

static void take_order(input *in, sample_options *o) {
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
    if (kept) sample_order(o, names, &err);
}

/* What must hold of any distribution. */
static void check(sampler *s, const sample_input *in, int64_t v) {
    double probs[MOST_VOCAB], sum = 0, chosen;
    sample_logprob top[MOST_VOCAB];
    int32_t id = -1;
    ar_error err;
    if (sampler_probs(s, in, probs, &err) != AR_OK) return;
    for (int64_t i = 0; i < v; i++) sum += probs[i];
    if (!(fabs(sum - 1) < 1e-9)) abort();
    if (sampler_next(s, in, &id, &err) != AR_OK || id < 0 || id >= v ||
        !(probs[id] > 0))
        abort();
    const int64_t n = sampler_logprobs(s, NULL, id, &chosen, top, v);
    if (n < 1 || !(fabs(chosen - log(probs[id])) < 1e-6)) abort();
    for (int64_t i = 1; i < n; i++)
        if (!(top[i].logprob <= top[i - 1].logprob)) abort();
    sampler_logprobs(s, in->logits, id, &chosen, top, v);
    if (isnan(chosen) || isnan(sampler_state(s).mu)) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    input in = {data, size};
    uint8_t first;
    take(&in, &first, 1);
    const int64_t v = 1 + first % MOST_VOCAB;
    sample_options o = sample_options_default();
#define SAMPLER(...)
#define OPTION(type, field, flag, off, usual, low, high, ...)                  \
    o.field = (type)choose(&in, off, usual, low, high);
#include "infer/samplers.def"
#undef SAMPLER
#undef OPTION
    take_order(&in, &o);
    const sample_bias bias = {first % 7, first & 8 ? -INFINITY : first};
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
    sampler *s;
    ar_error err;
    if (sampler_open(&s, &o, v, MOST_HISTORY / 2, &err) != AR_OK) return 0;
    for (int64_t i = 0; i < 3; i++)
        check(s, &(sample_input){logits, history, n, n + i}, v);
    sampler_close(s);
    return 0;
}
