/* sample.c - choosing the next token.
 *
 * A token that a step removes gets the logit -inf.  Sorting is by a key and
 * then by id, which is a total order, so that ties are broken the same way
 * everywhere.  A model gone wrong may give NaN: such logits count as -inf. */
#include "infer/sample.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/error.h"
#include "base/rng.h"

sample_options sample_options_default(void) {
    return (sample_options){
        .temperature = 1, .top_p = 1, .typical_p = 1, .repetition = 1};
}

ar_status sample_check(const sample_options *o, ar_error *err) {
    const struct {
        const char *name;
        double x, low, high;
    } ranges[] = {
        {"temperature", o->temperature, 0, 1e6},
        {"top-k", (double)o->top_k, 0, 1e9},
        {"top-p", o->top_p, 0, 1},
        {"min-p", o->min_p, 0, 1},
        {"typical-p", o->typical_p, 0, 1},
        {"top-n-sigma", o->top_n_sigma, 0, 1e6},
        {"repetition penalty", o->repetition, 1e-6, 1e6},
        {"presence penalty", o->presence, -1e6, 1e6},
        {"frequency penalty", o->frequency, -1e6, 1e6},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (!(ranges[i].x >= ranges[i].low && ranges[i].x <= ranges[i].high))
            return error_set(err, AR_RANGE, "%s is %g, not in %g .. %g",
                             ranges[i].name, ranges[i].x, ranges[i].low,
                             ranges[i].high);
    return AR_OK;
}

static int64_t argmax(const double *x, int64_t n) {
    int64_t best = 0;
    for (int64_t i = 1; i < n; i++)
        if (x[i] > x[best]) best = i;
    return best;
}

/* counts [V] is scratch. */
static void penalise(const sample_options *o, int64_t n_vocab, double *logits,
                     const int32_t *history, int64_t n, int32_t *counts) {
    if (o->repetition == 1 && o->presence == 0 && o->frequency == 0) return;
    memset(counts, 0, (size_t)n_vocab * sizeof *counts);
    for (int64_t i = 0; i < n; i++)
        if (history[i] >= 0 && history[i] < n_vocab) counts[history[i]]++;
    for (int64_t i = 0; i < n_vocab; i++) {
        if (!counts[i]) continue;
        const double l = logits[i];
        logits[i] = l > 0 ? l / o->repetition : l * o->repetition;
        logits[i] -= o->frequency * counts[i] + o->presence;
    }
}

/* p(l) = exp(l - max) / sum */
typedef struct scale {
    double max, sum;
} scale;

static scale softmax_scale(const double *logits, int64_t n) {
    scale z = {logits[argmax(logits, n)], 0};
    for (int64_t i = 0; i < n; i++)
        if (logits[i] != -INFINITY) z.sum += exp(logits[i] - z.max);
    return z;
}

static double prob(const scale *z, double logit) {
    return logit == -INFINITY ? 0 : exp(logit - z->max) / z->sum;
}

static void softmax(const double *logits, int64_t n, double *probs) {
    const scale z = softmax_scale(logits, n);
    for (int64_t i = 0; i < n; i++) probs[i] = prob(&z, logits[i]);
}

/* ---- a heap of ids, the least (key, id) on top ---- few are ever taken out,
 * so this is quicker than sorting. */

static bool before(const double *key, int32_t a, int32_t b) {
    return key[a] != key[b] ? key[a] < key[b] : a < b;
}

static void sift_down(const double *key, int32_t *id, int64_t i, int64_t n) {
    for (int64_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && before(key, id[child + 1], id[child])) child++;
        if (!before(key, id[child], id[i])) return;
        const int32_t t = id[i];
        id[i] = id[child];
        id[child] = t;
    }
}

static void heap_build(const double *key, int32_t *id, int64_t n) {
    for (int64_t i = n / 2 - 1; i >= 0; i--) sift_down(key, id, i, n);
}

/* Take the top out of a heap of *n. */
static int32_t heap_pop(const double *key, int32_t *id, int64_t *n) {
    const int32_t top = id[0];
    id[0] = id[--*n];
    sift_down(key, id, 0, *n);
    return top;
}

/* Ids whose logit is not -inf. */
static int64_t kept_ids(const double *logits, int64_t n_vocab, int32_t *id) {
    int64_t n = 0;
    for (int64_t i = 0; i < n_vocab; i++)
        if (logits[i] != -INFINITY) id[n++] = (int32_t)i;
    return n;
}

/* ---- steps ---- key and id [V] are scratch in all. */

/* Keep the shortest list, by rising key, whose mass reaches p. */
static void keep_mass(double *logits, int64_t n_vocab, double p,
                      const double *key, int32_t *id, int64_t n) {
    const scale z = softmax_scale(logits, n_vocab);
    double mass = 0;
    heap_build(key, id, n);
    do mass += prob(&z, logits[heap_pop(key, id, &n)]);
    while (n > 0 && mass < p);
    for (int64_t i = 0; i < n; i++) logits[id[i]] = -INFINITY;
}

static void top_k(double *logits, int64_t n_vocab, int64_t k, double *key,
                  int32_t *id) {
    int64_t n = kept_ids(logits, n_vocab, id);
    if (k >= n) return;
    for (int64_t i = 0; i < n; i++) key[id[i]] = -logits[id[i]];
    heap_build(key, id, n);
    double least = 0;
    for (int64_t i = 0; i < k; i++) least = logits[heap_pop(key, id, &n)];
    for (int64_t i = 0; i < n; i++)
        if (logits[id[i]] < least) logits[id[i]] = -INFINITY;
}

static void top_p(double *logits, int64_t n_vocab, double p, double *key,
                  int32_t *id) {
    const int64_t n = kept_ids(logits, n_vocab, id);
    for (int64_t i = 0; i < n; i++) key[id[i]] = -logits[id[i]];
    keep_mass(logits, n_vocab, p, key, id, n);
}

static void min_p(double *logits, int64_t n_vocab, double p) {
    const scale z = softmax_scale(logits, n_vocab);
    const double least = p * prob(&z, z.max);
    for (int64_t i = 0; i < n_vocab; i++)
        if (prob(&z, logits[i]) < least) logits[i] = -INFINITY;
}

/* Tokens by how far their surprise is from the entropy. */
static void typical(double *logits, int64_t n_vocab, double p, double *key,
                    int32_t *id) {
    double entropy = 0;
    softmax(logits, n_vocab, key);
    for (int64_t i = 0; i < n_vocab; i++)
        if (key[i] > 0) entropy -= key[i] * log(key[i]);
    int64_t n = 0;
    for (int64_t i = 0; i < n_vocab; i++) {
        if (key[i] > 0)
            id[n++] = (int32_t)i;
        else
            logits[i] = -INFINITY;
        key[i] = fabs(-log(key[i]) - entropy);
    }
    keep_mass(logits, n_vocab, p, key, id, n);
}

/* Keep l >= max - s * (standard deviation of the logits that are left). */
static void top_n_sigma(double *logits, int64_t n_vocab, double s) {
    double mean = 0, variance = 0;
    int64_t n = 0;
    for (int64_t i = 0; i < n_vocab; i++)
        if (logits[i] != -INFINITY) {
            mean += logits[i];
            n++;
        }
    mean /= (double)n;
    for (int64_t i = 0; i < n_vocab; i++)
        if (logits[i] != -INFINITY)
            variance += (logits[i] - mean) * (logits[i] - mean);
    const double least =
        logits[argmax(logits, n_vocab)] - s * sqrt(variance / (double)n);
    for (int64_t i = 0; i < n_vocab; i++)
        if (logits[i] < least) logits[i] = -INFINITY;
}

/* All mass on the largest; the first of equals. */
static void greedy(const double *logits, int64_t n_vocab, double *probs) {
    memset(probs, 0, (size_t)n_vocab * sizeof *probs);
    probs[argmax(logits, n_vocab)] = 1;
}

void sample_probs(const sample_options *o, const sample_input *in) {
    const int64_t n_vocab = in->n_vocab;
    double *logits = in->logits, *probs = in->probs;
    int32_t *work = in->work;
    for (int64_t i = 0; i < n_vocab; i++)
        if (isnan(logits[i])) logits[i] = -INFINITY;
    penalise(o, n_vocab, logits, in->history, in->n_history, work);
    const double max = logits[argmax(logits, n_vocab)];
    if (o->temperature == 0 || !isfinite(max)) {
        greedy(logits, n_vocab, probs);
        return;
    }
    if (o->temperature != 1)
        for (int64_t i = 0; i < n_vocab; i++) logits[i] /= o->temperature;
    if (o->top_k > 0) top_k(logits, n_vocab, o->top_k, probs, work);
    if (o->top_p < 1) top_p(logits, n_vocab, o->top_p, probs, work);
    if (o->min_p > 0) min_p(logits, n_vocab, o->min_p);
    if (o->typical_p < 1) typical(logits, n_vocab, o->typical_p, probs, work);
    if (o->top_n_sigma > 0) top_n_sigma(logits, n_vocab, o->top_n_sigma);
    softmax(logits, n_vocab, probs);
}

int32_t sample_token(const sample_options *o, const sample_input *in,
                     int64_t position) {
    sample_probs(o, in);
    const double u = rng_uniform(o->seed, 0, (uint64_t)position);
    double mass = 0;
    int32_t last = 0; /* where rounding leaves the sum below u */
    for (int64_t i = 0; i < in->n_vocab; i++) {
        if (!(in->probs[i] > 0)) continue;
        mass += in->probs[i];
        last = (int32_t)i;
        if (u < mass) break;
    }
    return last;
}
