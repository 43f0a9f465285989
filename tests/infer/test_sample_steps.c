/* test_sample_steps.c - each sampler alone, against cases worked by hand. */
#include "base/rng.h"
#include "infer/sample.h"
#include "tests/test.h"

enum { MOST = 128 };

/* The distribution over logits [v] at position n of a text. */
static void probs_of(const ar_sample_options *o, const double *logits,
                     int64_t v, const int32_t *text, int64_t n, double *probs) {
    ar_sampler *s;
    const ar_sample_input in = {logits, text, n, n};
    assert_ok(ar_sampler_open(&s, o, v, n, err));
    assert_ok(ar_sampler_probs(s, &in, probs, err));
    ar_sampler_close(s);
}

/* Logits are logarithms of p [v]; the outcome must be proportional to want. */
static void expect(const ar_sample_options *o, const double *p, int64_t v,
                   const int32_t *text, int64_t n, const double *want) {
    double logits[MOST] = {0}, probs[MOST], sum = 0;
    for (int64_t i = 0; i < v; i++) logits[i] = log(p[i]);
    for (int64_t i = 0; i < v; i++) sum += want[i];
    probs_of(o, logits, v, text, n, probs);
    for (int64_t i = 0; i < v; i++) assert_near(probs[i], want[i] / sum, 1e-12);
}

#define P(...) ((const double[]){__VA_ARGS__})
#define IDS(...) ((const int32_t[]){__VA_ARGS__})

void test_sample_off(void **state) {
    (void)state;
    /* Each step that is off leaves the softmax as it was. */
    const double p[4] = {0.1, 0.2, 0.3, 0.4};
    ar_sample_options o = ar_sample_options_default();
    expect(&o, p, 4, IDS(1, 1, 2), 3, p);
    for (int i = 0; i < AR_SAMPLERS; i++) {
        o.order[0] = i;
        o.n_order = 1;
        expect(&o, p, 4, IDS(1, 1, 2), 3, p);
    }
}

void test_sample_cuts(void **state) {
    (void)state;
    const double p[5] = {0.05, 0.4, 0.1, 0.25, 0.2};
    ar_sample_options o = ar_sample_options_default();
    o.temperature = 0.5;
    expect(&o, p, 5, NULL, 0, P(0.0025, 0.16, 0.01, 0.0625, 0.04));
    o.temperature = 1;
    o.top_k = 2;
    expect(&o, p, 5, NULL, 0, P(0, 0.4, 0, 0.25, 0));
    /* Ties with the k-th stay. */
    expect(&o, P(0.2, 0.2, 0.4, 0.2), 4, NULL, 0, P(0.2, 0.2, 0.4, 0.2));
    o.top_k = 5;
    expect(&o, p, 5, NULL, 0, p);
    o.top_k = 0;
    o.top_p = 0.6;
    expect(&o, p, 5, NULL, 0, P(0, 0.4, 0, 0.25, 0));
    /* Of equals the first are taken; 0 leaves one. */
    o.top_p = 0.4;
    expect(&o, P(0.25, 0.25, 0.25, 0.25), 4, NULL, 0, P(1, 1, 0, 0));
    o.top_p = 0;
    expect(&o, p, 5, NULL, 0, P(0, 1, 0, 0, 0));
    o.top_p = 1;
    o.min_p = 0.45;
    expect(&o, p, 5, NULL, 0, P(0, 0.4, 0, 0.25, 0.2));
    o.min_p = 0;
    /* Entropy 1.75 bits; surprises 3, 1, 2, 3 are 1.25, 0.75, 0.25, 1.25
     * away. */
    o.typical_p = 0.2;
    expect(&o, P(0.125, 0.5, 0.25, 0.125), 4, NULL, 0, P(0, 0, 1, 0));
    o.typical_p = 0.3;
    expect(&o, P(0.125, 0.5, 0.25, 0.125), 4, NULL, 0, P(0, 2, 1, 0));
    o.typical_p = 0.8;
    expect(&o, P(0.125, 0.5, 0.25, 0.125), 4, NULL, 0, P(1, 4, 2, 0));
    o.typical_p = 1;
    /* Logits 0, 2, 4: deviation 1.633. */
    o.top_n_sigma = 2;
    expect(&o, P(1, exp(2), exp(4)), 3, NULL, 0, P(0, exp(2), exp(4)));
    o.top_n_sigma = 1;
    expect(&o, P(1, exp(2), exp(4)), 3, NULL, 0, P(0, 0, 1));
}

/* How many of p [v], which falls, it takes to reach `mass`. */
static int64_t reach(const double *p, int64_t v, double mass) {
    double sum = 0;
    int64_t n = 0;
    do sum += p[n++];
    while (n < v && sum < mass);
    return n;
}

void test_sample_top_p_many(void **state) {
    (void)state;
    /* Falling probabilities of many shapes: a prefix is kept, and which does
     * not depend on where the tokens stand. */
    enum { V = MOST };
    for (uint64_t t = 0; t < 200; t++) {
        double p[V], logits[V], probs[V], sum = 0;
        const double steep = rng_uniform(t, 0, 0);
        for (int i = 0; i < V; i++) p[i] = pow(steep, i / (1 + (int)t % 4));
        for (int i = 0; i < V; i++) sum += p[i];
        for (int i = 0; i < V; i++) p[i] /= sum;
        ar_sample_options o = ar_sample_options_default();
        o.top_p = t % 3 ? rng_uniform(t, 0, 1) : 1 - pow(10, -(int)(t % 7));
        const int64_t kept = reach(p, V, o.top_p);
        for (int i = 0; i < V; i++) logits[i] = log(p[i]);
        probs_of(&o, logits, V, NULL, 0, probs);
        for (int i = 0; i < V; i++)
            if (p[i] > 1e-300) assert_int_equal(probs[i] > 0, i < kept);
    }
}

void test_sample_penalties(void **state) {
    (void)state;
    const double p[4] = {exp(2), exp(-2), 1, exp(1)};
    ar_sample_options o = ar_sample_options_default();
    const int32_t text[] = {0, 1, 1, 3, 99, -4};
    o.repetition = 2;
    expect(&o, p, 4, text, 6, P(exp(1), exp(-4), 1, exp(0.5)));
    /* The last four alone; none; more than there are. */
    o.penalty_last_n = 4;
    expect(&o, p, 4, text, 6, P(exp(2), exp(-4), 1, exp(0.5)));
    o.penalty_last_n = 0;
    expect(&o, p, 4, text, 6, p);
    o.penalty_last_n = 100;
    expect(&o, p, 4, text, 6, P(exp(1), exp(-4), 1, exp(0.5)));
    o.repetition = 1;
    o.presence = 0.5;
    expect(&o, p, 4, text, 6, P(exp(1.5), exp(-2.5), 1, exp(0.5)));
    o.frequency = 1;
    expect(&o, p, 4, text, 6, P(exp(0.5), exp(-4.5), 1, exp(-0.5)));
    o.presence = 0;
    expect(&o, p, 4, text, 6, P(exp(1), exp(-4), 1, exp(0)));
}

void test_sample_logit_bias(void **state) {
    (void)state;
    const double p[4] = {0.1, 0.2, 0.3, 0.4};
    const ar_sample_bias bias[] = {{3, -INFINITY}, {0, log(3)}, {0, log(2)}};
    ar_sample_options o = ar_sample_options_default();
    o.bias = bias;
    o.n_bias = 3;
    expect(&o, p, 4, NULL, 0, P(0.6, 0.2, 0.3, 0));
    /* A token that the model rules out stays out. */
    o.bias = &(ar_sample_bias){1, 1e6};
    o.n_bias = 1;
    expect(&o, P(0.5, 0, 0.5), 3, NULL, 0, P(0.5, 0, 0.5));
}

void test_sample_dry(void **state) {
    (void)state;
    const double p[6] = {1, 1, 1, 1, 1, 1};
    ar_sample_options o = ar_sample_options_default();
    o.dry_multiplier = 0.5;
    o.dry_base = 3;
    /* "1 2 3 4 1 2 3": 4 would make the copy of three longer: 0.5 * 3. */
    const int32_t text[] = {1, 2, 3, 4, 1, 2, 3};
    expect(&o, p, 6, text, 7, P(1, 1, 1, 1, exp(-1.5), 1));
    o.dry_allowed_length = 3;
    expect(&o, p, 6, text, 7, P(1, 1, 1, 1, exp(-0.5), 1));
    o.dry_allowed_length = 4;
    expect(&o, p, 6, text, 7, p);
    o.dry_allowed_length = 2;
    /* A breaker inside the copy leaves "3", one behind it is never lowered. */
    o.n_dry_breakers = 1;
    o.dry_breakers = IDS(2);
    expect(&o, p, 6, text, 7, p);
    o.dry_breakers = IDS(1);
    expect(&o, p, 6, text, 7, P(1, 1, 1, 1, exp(-0.5), 1));
    o.dry_breakers = IDS(4);
    expect(&o, p, 6, text, 7, p);
    o.n_dry_breakers = 0;
    /* The window: the last six start at "2", the last five have no copy. */
    o.dry_last_n = 6;
    expect(&o, p, 6, text, 7, P(1, 1, 1, 1, exp(-0.5), 1));
    o.dry_last_n = 4;
    expect(&o, p, 6, text, 7, p);
    o.dry_last_n = 0;
    expect(&o, p, 6, text, 7, p);
    o.dry_last_n = -1;
    /* The longest of several copies counts; copies may overlap. */
    expect(&o, p, 6, IDS(2, 3, 5, 1, 2, 3, 5, 0, 1, 2, 3), 11,
           P(1, 1, 1, 1, 1, exp(-1.5)));
    expect(&o, p, 6, IDS(5, 5, 5, 5), 4, P(1, 1, 1, 1, 1, exp(-1.5)));
    expect(&o, p, 6, IDS(5), 1, p);
    /* However long, the logit stays finite: one token of two is still 0. */
    int32_t same[4000];
    for (int i = 0; i < 4000; i++) same[i] = 1;
    o.dry_base = 1e6;
    expect(&o, P(1, 1), 2, same, 4000, P(1, 0));
    expect(&o, P(0, 1), 2, same, 4000, P(0, 1));
}

/* match_back against the definition, on texts of few symbols. */
void test_sample_dry_many(void **state) {
    (void)state;
    enum { N = 60, V = 3 };
    ar_sample_options o = ar_sample_options_default();
    o.dry_multiplier = 1e-3;
    o.dry_base = 1.1;
    o.dry_allowed_length = 1;
    for (uint64_t seed = 0; seed < 200; seed++) {
        int32_t text[N];
        int longest[V] = {0};
        double want[V];
        for (uint64_t i = 0; i < N; i++)
            text[i] = (int32_t)(rng_bits(seed, 0, i) % V);
        for (int end = 0; end + 1 < N; end++) {
            int k = 0;
            while (k <= end && text[end - k] == text[N - 1 - k]) k++;
            int *most = &longest[text[end + 1]];
            if (k > *most) *most = k;
        }
        for (int i = 0; i < V; i++)
            want[i] = longest[i] ? exp(-1e-3 * pow(1.1, longest[i] - 1)) : 1;
        expect(&o, P(1, 1, 1), V, text, N, want);
    }
}

void test_sample_xtc(void **state) {
    (void)state;
    const double p[5] = {0.3, 0.05, 0.25, 0.25, 0.15};
    ar_sample_options o = ar_sample_options_default();
    o.xtc_probability = 1;
    o.xtc_threshold = 0.2;
    /* Of the equal least two the last stays. */
    expect(&o, p, 5, NULL, 0, P(0, 0.05, 0, 0.25, 0.15));
    o.xtc_threshold = 0.28;
    expect(&o, p, 5, NULL, 0, p);
    o.xtc_threshold = 0.9;
    expect(&o, p, 5, NULL, 0, p);
    o.xtc_threshold = 0;
    expect(&o, p, 5, NULL, 0, P(0, 1, 0, 0, 0));
    /* The coin is that of the position, and about as often as asked. */
    o.xtc_threshold = 0.2;
    o.xtc_probability = 0.3;
    o.seed = 3;
    int32_t text[MOST] = {0};
    int hits = 0;
    for (int64_t n = 0; n < MOST; n++) {
        const bool hit = rng_uniform(3, 1, (uint64_t)n) < 0.3;
        expect(&o, p, 5, text, n, hit ? P(0, 0.05, 0, 0.25, 0.15) : p);
        hits += hit;
    }
    assert_in_range(hits, 25, 52);
}

/* ---- mirostat ---- */

void test_sample_mirostat_2(void **state) {
    (void)state;
    /* Surprises 1, 2, 3, 3 bits. */
    const double p[4] = {0.5, 0.25, 0.125, 0.125};
    ar_sample_options o = ar_sample_options_default();
    o.mirostat = 2;
    o.mirostat_tau = 1.25; /* mu = 2.5 */
    o.top_k = 1;           /* mirostat stands in for it */
    expect(&o, p, 4, NULL, 0, P(0.5, 0.25, 0, 0));
    o.mirostat_tau = 0;
    expect(&o, p, 4, NULL, 0, P(1, 0, 0, 0));
    o.mirostat_tau = 5;
    expect(&o, p, 4, NULL, 0, p);
    /* mu moves by eta times the surprise under the whole distribution. */
    double logits[4];
    for (int i = 0; i < 4; i++) logits[i] = log(p[i]);
    o.mirostat_tau = 0.6; /* mu = 1.2: the first is certain, 1 bit */
    o.mirostat_eta = 0.5;
    ar_sampler *s;
    int32_t id;
    const ar_sample_input in = {logits, NULL, 0, 0};
    assert_ok(ar_sampler_open(&s, &o, 4, 0, err));
    const ar_sample_state before = ar_sampler_state(s);
    assert_near(before.mu, 1.2, 1e-12);
    assert_ok(ar_sampler_next(s, &in, &id, err));
    assert_int_equal(id, 0);
    assert_near(ar_sampler_state(s).mu, 1.2 - 0.5 * (1 - 0.6), 1e-12);
    double probs[4];
    assert_ok(ar_sampler_probs(s, &in, probs, err));
    assert_near(ar_sampler_state(s).mu, 1.0, 1e-12);
    ar_sampler_restore(s, before);
    assert_near(ar_sampler_state(s).mu, 1.2, 0);
    ar_sampler_close(s);
}

void test_sample_mirostat_1(void **state) {
    (void)state;
    /* Zipf's law with exponent 2 exactly, over 100 tokens: e = 1, k =
     * (2^mu / (1 - 1/100))^(1/2); mu = 4 gives 4.02, mu = 6 8.04. */
    double p[100], want[100];
    for (int i = 0; i < 100; i++) p[i] = 1 / ((100.0 - i) * (100.0 - i));
    ar_sample_options o = ar_sample_options_default();
    o.mirostat = 1;
    for (int k = 4; k <= 8; k += 4) {
        o.mirostat_tau = k == 4 ? 2 : 3;
        for (int i = 0; i < 100; i++) want[i] = i < 100 - k ? 0 : p[i];
        expect(&o, p, 100, NULL, 0, want);
    }
    /* Small, large, and a law that is flat: one, all, all. */
    o.mirostat_tau = 0;
    for (int i = 0; i < 100; i++) want[i] = i == 99;
    expect(&o, p, 100, NULL, 0, want);
    o.mirostat_tau = 900;
    expect(&o, p, 100, NULL, 0, p);
    o.mirostat_tau = 5;
    expect(&o, P(1, 1, 1), 3, NULL, 0, P(1, 1, 1));
    expect(&o, P(1), 1, NULL, 0, P(1));
}

void test_sample_mirostat_holds(void **state) {
    (void)state;
    /* Over a long text surprise settles at tau, with both. */
    enum { V = 1000, N = 4000 };
    static double logits[V];
    for (int i = 0; i < V; i++) logits[i] = -log(i + 1.0);
    double log_sum = 0;
    for (int i = 0; i < V; i++) log_sum += 1 / (i + 1.0);
    log_sum = log(log_sum);
    for (int which = 1; which <= 2; which++) {
        ar_sample_options o = ar_sample_options_default();
        o.mirostat = which;
        o.mirostat_tau = 4;
        ar_sampler *s;
        double bits = 0;
        assert_ok(ar_sampler_open(&s, &o, V, 0, err));
        for (int64_t i = 0; i < N; i++) {
            int32_t id;
            const ar_sample_input in = {logits, NULL, 0, i};
            assert_ok(ar_sampler_next(s, &in, &id, err));
            bits += (log_sum - logits[id]) / log(2);
        }
        assert_near(bits / N, 4, 0.1);
        ar_sampler_close(s);
    }
}
