/* test_search.c - the search for scales against trying all of them.
 *
 * The error that encoders say they make small (docs/internals/quant.md) is
 * computed from what is read back, and beside it the least there is: every
 * small scale of every part, under common scales so close together that none
 * between them is much better. */
#include "tests/quant/golden.h"

#include "quant/quant.h"

enum { BLOCK = 256, MOST_PART = 32, N_BLOCKS = 6 };

typedef struct kind {
    ar_type type;
    int size, part;    /* elements of a block and of what has a scale */
    const int *levels; /* 16 that rise, NULL = low .. high */
    int low, high;
    int scale_low, scale_high; /* multiples of the common scale */
    int steps;                 /* common scales that are tried */
    double most;               /* the error over the least */
} kind;

static const int iq4[] = {-127, -104, -83, -65, -49, -35, -22, -10,
                          1,    13,   25,  38,  53,  69,  89,  113};

static const kind kinds[] = {
    {AR_IQ4_NL, 32, 32, iq4, -127, 113, 1, 1, 1500, 1.015},
    {AR_IQ4_XS, 256, 32, iq4, -127, 113, -32, 31, 60, 1.02},
    {AR_Q3_K, 256, 16, NULL, -4, 3, -32, 31, 60, 1.01},
    {AR_Q6_K, 256, 16, NULL, -32, 31, -128, 127, 60, 1.08},
};

static double nearest(const kind *k, double x) {
    if (!k->levels) return fmin(fmax(nearbyint(x), k->low), k->high);
    double best = k->levels[0];
    for (int i = 1; i < 16; i++)
        if (fabs(x - k->levels[i]) < fabs(x - best)) best = k->levels[i];
    return best;
}

static double error_of(const kind *k, const float *x, const double *w,
                       double scale) {
    double sum = 0;
    for (int i = 0; i < k->part; i++) {
        const double q = scale != 0 ? nearest(k, (double)x[i] / scale) : 0;
        const double e = (double)x[i] - scale * q;
        sum += w[i] * e * e;
    }
    return sum;
}

/* The least error of all parts of a block under the common scale d. */
static double error_under(const kind *k, const float *x, const double *w,
                          double d) {
    double sum = 0;
    for (int at = 0; at < k->size; at += k->part) {
        double least = error_of(k, x + at, w + at, d * k->scale_low);
        for (int s = k->scale_low + 1; s <= k->scale_high; s++)
            least = fmin(least, error_of(k, x + at, w + at, d * s));
        sum += least;
    }
    return sum;
}

/* Common scales of either sign, from those that cut off much of the largest
 * element to those that leave levels unused. */
static double least_error(const kind *k, const float *x, const double *w) {
    double most = 0, least = INFINITY;
    for (int i = 0; i < k->size; i++) most = fmax(most, fabs((double)x[i]));
    const double extent = fmax(-k->scale_low, k->scale_high) * -k->low;
    for (int i = 0; i < k->steps; i++) {
        const double d = most / extent * (0.75 + 0.75 * (i / 2 * 2) / k->steps);
        least = fmin(least, error_under(k, x, w, i % 2 ? d : -d));
    }
    return least;
}

/* Noise as it is, and as rows of models are: columns of unlike sizes and a few
 * large elements. */
static void make_block(uint64_t *seed, bool like_models, float x[BLOCK]) {
    for (int i = 0; i < BLOCK; i++) {
        x[i] = noise_normal(seed);
        if (!like_models) continue;
        x[i] *= expf(0.5f * noise_normal(seed));
        if (noise_word(seed) % 50 == 0) x[i] *= 4;
    }
}

static void check(const kind *k, bool like_models) {
    uint64_t seed = 5;
    double ours = 0, least = 0;
    for (int block = 0; block < N_BLOCKS; block++) {
        float x[BLOCK], y[BLOCK];
        uint8_t bytes[BLOCK];
        make_block(&seed, like_models, x);
        assert_true(quant_encode(k->type, x, NULL, bytes, 1, BLOCK));
        assert_true(type_decode_f32(k->type, bytes, y, BLOCK));
        for (int at = 0; at < BLOCK; at += k->size) {
            double w[BLOCK], mean = 0;
            for (int i = 0; i < k->size; i++)
                mean += (double)x[at + i] * (double)x[at + i] / k->size;
            for (int i = 0; i < k->size; i++) {
                w[i] = sqrt(mean + (double)x[at + i] * (double)x[at + i]);
                const double e = (double)x[at + i] - (double)y[at + i];
                ours += w[i] * e * e;
            }
            least += least_error(k, x + at, w);
        }
    }
    if (!(ours <= k->most * least))
        fail_msg("%s: %g, the least is %g", ar_type_name(k->type), ours, least);
}

void test_quant_search(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        check(&kinds[i], false);
        check(&kinds[i], true);
    }
}
