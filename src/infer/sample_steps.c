/* sample_steps.c - temperature and the steps that cut.
 *
 * A step marks what it removes with the logit -inf and then compacts.  At
 * least one candidate is left by each. */
#include "infer/sample_steps.h"

#include <math.h>

#include "base/rng.h"

enum { COIN = 1 }; /* the stream of XTC's coin; draws have stream 0 */

static double largest(const candidates *c) {
    double max = c->logit[0];
    for (int64_t i = 1; i < c->n; i++)
        if (c->logit[i] > max) max = c->logit[i];
    return max;
}

static void cut_below(candidates *c, double least) {
    for (int64_t i = 0; i < c->n; i++)
        if (c->logit[i] < least) c->logit[i] = -INFINITY;
    candidates_compact(c);
}

static void keep_only(candidates *c, int64_t i) {
    c->id[0] = c->id[i];
    c->logit[0] = c->logit[i];
    c->n = 1;
}

/* Keep the shortest list, by rising key, whose mass reaches p. */
static void keep_mass(candidates *c, const sample_scale *z, double p) {
    double mass = 0;
    int64_t n = c->n;
    for (int64_t i = 0; i < n; i++) c->heap[i] = (int32_t)i;
    sample_heap_build(c->key, c->heap, n);
    do mass += sample_prob(z, c->logit[sample_heap_pop(c->key, c->heap, &n)]);
    while (n > 0 && mass < p);
    for (int64_t i = 0; i < n; i++) c->logit[c->heap[i]] = -INFINITY;
    candidates_compact(c);
}

/* Below 1e-6 a quotient could overflow, and nothing but the largest is left
 * of any model's logits. */
void sample_step_temperature(sample_step *s) {
    candidates *c = s->c;
    if (s->o->temperature >= 1e-6) {
        for (int64_t i = 0; i < c->n; i++) c->logit[i] /= s->o->temperature;
        return;
    }
    int64_t best = 0;
    for (int64_t i = 1; i < c->n; i++)
        if (c->logit[i] > c->logit[best]) best = i;
    keep_only(c, best);
}

void sample_step_top_k(sample_step *s) {
    candidates *c = s->c;
    if (s->o->top_k >= c->n) return;
    sample_largest(c->logit, c->n, s->o->top_k, c->heap);
    cut_below(c, c->logit[c->heap[0]]);
}

/* Those below (1 - p) / 2n have less than 1 - p together, so the others reach
 * p without them, and the heap is smaller; near 1 rounding could tell. */
void sample_step_top_p(sample_step *s) {
    candidates *c = s->c;
    const double p = s->o->top_p;
    const sample_scale z = sample_scale_of(c->logit, c->n);
    if (p < 1 - 1e-6)
        cut_below(c, z.max + log(z.sum * (1 - p) / (2 * (double)c->n)));
    for (int64_t i = 0; i < c->n; i++) c->key[i] = -c->logit[i];
    keep_mass(c, &z, p);
}

void sample_step_min_p(sample_step *s) {
    candidates *c = s->c;
    const sample_scale z = sample_scale_of(c->logit, c->n);
    const double least = s->o->min_p * sample_prob(&z, z.max);
    for (int64_t i = 0; i < c->n; i++)
        if (sample_prob(&z, c->logit[i]) < least) c->logit[i] = -INFINITY;
    candidates_compact(c);
}

/* Candidates by how far their surprise is from the entropy. */
void sample_step_typical_p(sample_step *s) {
    candidates *c = s->c;
    const sample_scale z = sample_scale_of(c->logit, c->n);
    double entropy = 0;
    for (int64_t i = 0; i < c->n; i++) {
        const double p = c->key[i] = sample_prob(&z, c->logit[i]);
        if (p > 0) entropy -= p * log(p);
    }
    for (int64_t i = 0; i < c->n; i++)
        c->key[i] = fabs(-log(c->key[i]) - entropy);
    keep_mass(c, &z, s->o->typical_p);
}

/* Keep l >= max - n * (standard deviation of the logits that are left). */
void sample_step_top_n_sigma(sample_step *s) {
    candidates *c = s->c;
    double mean = 0, variance = 0;
    for (int64_t i = 0; i < c->n; i++) mean += c->logit[i];
    mean /= (double)c->n;
    for (int64_t i = 0; i < c->n; i++)
        variance += (c->logit[i] - mean) * (c->logit[i] - mean);
    const double sigma = sqrt(variance / (double)c->n);
    cut_below(c, largest(c) - s->o->top_n_sigma * sigma);
}

/* Of those that reach the threshold only the least likely stays; of equals
 * the last, as in a stable sort by falling probability. */
void sample_step_xtc(sample_step *s) {
    candidates *c = s->c;
    const double coin =
        rng_uniform(s->o->seed, COIN, (uint64_t)s->in->position);
    if (!(coin < s->o->xtc_probability)) return;
    const sample_scale z = sample_scale_of(c->logit, c->n);
    int64_t last = -1;
    for (int64_t i = 0; i < c->n; i++) {
        c->prob[i] = sample_prob(&z, c->logit[i]);
        if (c->prob[i] < s->o->xtc_threshold) continue;
        if (last < 0 || c->logit[i] <= c->logit[last]) last = i;
    }
    for (int64_t i = 0; i < c->n; i++)
        if (c->prob[i] >= s->o->xtc_threshold && i != last)
            c->logit[i] = -INFINITY;
    candidates_compact(c);
}

/* ---- mirostat ---- Basu et al. 2021, "Mirostat: a neural text decoding
 * algorithm that directly controls perplexity".  mu is a bound on surprise in
 * bits; ar_sampler_next moves it by the surprise of the token drawn, taken
 * before the cut. */

/* Algorithm 1: the exponent of Zipf's law from the likeliest 100, and from it
 * the k at which surprise reaches mu.  `sorted` [m + 1] falls. */
static double zipf_k(const double *sorted, int64_t m, int64_t n, double mu) {
    double tb = 0, tt = 0;
    for (int64_t i = 0; i < m; i++) {
        const double t = log((double)(i + 2) / (double)(i + 1));
        tb += t * (sorted[i] - sorted[i + 1]);
        tt += t * t;
    }
    const double exponent = tb / tt, e = exponent - 1, all = (double)n;
    /* (1 - n^-e) / e tends to ln n. */
    const double span = fabs(e) < 1e-9 ? log(all) : (1 - pow(all, -e)) / e;
    return pow(exp2(mu) / span, 1 / exponent);
}

static void mirostat_1(candidates *c, double mu) {
    enum { M = 100 };
    double sorted[M + 1];
    const int64_t m = c->n - 1 < M ? c->n - 1 : M;
    int64_t n = c->n;
    for (int64_t i = 0; i < n; i++) {
        c->key[i] = -c->logit[i];
        c->heap[i] = (int32_t)i;
    }
    sample_heap_build(c->key, c->heap, n);
    /* Popped ones wait in prob, which is free here, as indices. */
    for (int64_t i = 0; i <= m; i++) {
        const int32_t at = sample_heap_pop(c->key, c->heap, &n);
        sorted[i] = c->logit[at];
        c->prob[i] = at;
    }
    const double k = round(zipf_k(sorted, m, c->n, mu));
    for (int64_t i = 1; i <= m; i++)
        if ((double)i >= k) c->logit[(int64_t)c->prob[i]] = -INFINITY;
    for (int64_t i = m + 1; n > 0 && (double)i < k; i++)
        sample_heap_pop(c->key, c->heap, &n);
    for (int64_t i = 0; i < n; i++) c->logit[c->heap[i]] = -INFINITY;
    candidates_compact(c);
}

/* Algorithm 2: what is more surprising than mu goes; the likeliest stays. */
static void mirostat_2(candidates *c, const sample_scale *z, double mu) {
    const double least = z->max + log(z->sum) - mu * log(2);
    cut_below(c, fmin(least, z->max));
}

void sample_step_mirostat(sample_step *s) {
    candidates *c = s->c;
    s->uncut = sample_scale_of(c->logit, c->n);
    if (c->n == 1) return;
    if (s->o->mirostat == 1)
        mirostat_1(c, s->mu);
    else
        mirostat_2(c, &s->uncut, s->mu);
}
