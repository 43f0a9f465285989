/* test_encode.c - how much the search for scales and levels gains. */
#include "tests/quant/golden.h"

#include "base/mem.h"
#include "quant/quant.h"

enum { ROWS = 16, COLUMNS = 1024, N = ROWS * COLUMNS };

typedef struct data {
    float x[N], importance[COLUMNS];
} data;

static data *make_data(void) {
    uint64_t seed = 21;
    data *d = mem_new(data, 1);
    assert_non_null(d);
    for (int i = 0; i < N; i++) d->x[i] = noise_normal(&seed);
    for (int i = 0; i < COLUMNS; i++) {
        const float g = noise_normal(&seed);
        d->importance[i] = g * g * g * g;
    }
    return d;
}

/* Square root of the mean weighted squared error of writing and reading. */
static double error_of(ar_type t, const float *x, const float *importance,
                       const float *weight, int rows, int columns) {
    const int n = rows * columns;
    uint8_t *bytes = mem_alloc(ar_type_size(t, n));
    float *y = mem_new(float, n);
    double sum = 0, total = 0;
    assert_true(quant_encode(t, x, importance, bytes, rows, columns));
    assert_true(type_decode_f32(t, bytes, y, n));
    for (int i = 0; i < n; i++) {
        const double w = weight ? (double)weight[i % columns] : 1;
        const double e = (double)x[i] - (double)y[i];
        sum += w * e * e;
        total += w;
    }
    mem_free(bytes);
    mem_free(y);
    return sqrt(sum / total);
}

/* Rounding between the extremes of each part, its scales kept as floats: what
 * a search has to beat although its scales are rounded. */
static double min_max_error(const float *x, int part, int levels,
                            bool minimum) {
    double sum = 0;
    for (int at = 0; at < N; at += part) {
        double low = 0, high = 0;
        for (int i = at; i < at + part; i++) {
            low = fmin(low, (double)x[i]);
            high = fmax(high, (double)x[i]);
        }
        if (!minimum) {
            high = fmax(high, -low);
            low = 0;
        }
        const double scale =
            (high - low) / (minimum ? levels - 1 : levels / 2 - 1);
        for (int i = at; i < at + part; i++) {
            const double e = (double)x[i] - low;
            const double left = e - scale * nearbyint(e / scale);
            sum += left * left;
        }
    }
    return sqrt(sum / N);
}

/* Errors on normal noise of deviation 1: a little above those in
 * docs/internals/quant.md, below those of the usual encoders. */
static const struct {
    ar_type type;
    double most;      /* the error must be below this */
    int part, levels; /* of plain rounding; no levels: not comparable */
    bool minimum;
    double gain; /* at least this much below plain rounding */
} bounds[] = {
    {AR_Q2_K, 0.270, 16, 4, true, 0.85},
    {AR_Q3_K, 0.148, 16, 8, false, 0.85},
    {AR_Q4_K, 0.0710, 32, 16, true, 0.93},
    {AR_Q5_K, 0.0352, 32, 32, true, 0.97},
    {AR_Q6_K, 0.0173, 16, 64, false, 0.97},
    {AR_Q8_K, 0.0075, 0, 0, false, 0},
    {AR_IQ4_NL, 0.0750, 32, 16, false, 0.85},
    {AR_IQ4_XS, 0.0757, 32, 16, false, 0.85},
    {AR_Q4_0, 0.0880, 0, 0, false, 0},
    {AR_Q4_1, 0.0800, 0, 0, false, 0},
    {AR_Q5_0, 0.0437, 0, 0, false, 0},
    {AR_Q5_1, 0.0387, 0, 0, false, 0},
    {AR_Q8_0, 0.0055, 0, 0, false, 0},
    {AR_Q8_1, 0.0055, 0, 0, false, 0},
    {AR_MXFP4, 0.118, 0, 0, false, 0},
};

void test_quant_encode_errors(void **state) {
    (void)state;
    data *d = make_data();
    for (size_t k = 0; k < sizeof bounds / sizeof *bounds; k++) {
        const double is =
            error_of(bounds[k].type, d->x, NULL, NULL, ROWS, COLUMNS);
        const char *name = ar_type_name(bounds[k].type);
        if (!(is < bounds[k].most)) fail_msg("%s: error %g", name, is);
        if (!bounds[k].levels) continue;
        const double plain = min_max_error(d->x, bounds[k].part,
                                           bounds[k].levels, bounds[k].minimum);
        if (!(is < bounds[k].gain * plain))
            fail_msg("%s: error %g, plain %g", name, is, plain);
    }
    mem_free(d);
}

/* Importance moves the error to where it counts less. */
void test_quant_encode_importance(void **state) {
    (void)state;
    static const struct {
        ar_type type;
        double gain;
    } kinds[] = {{AR_Q2_K, 0.85},   {AR_Q3_K, 0.85}, {AR_Q4_K, 0.90},
                 {AR_Q5_K, 0.95},   {AR_Q6_K, 0.98}, {AR_IQ4_NL, 0.9},
                 {AR_IQ4_XS, 0.92}, {AR_Q4_0, 0.85}, {AR_Q4_1, 0.85},
                 {AR_Q5_0, 0.90},   {AR_Q5_1, 0.85}, {AR_MXFP4, 0.98}};
    data *d = make_data();
    float *even = mem_new(float, COLUMNS);
    for (int i = 0; i < COLUMNS; i++) even[i] = 3;
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        const ar_type t = kinds[k].type;
        const double without =
            error_of(t, d->x, NULL, d->importance, ROWS, COLUMNS);
        const double with =
            error_of(t, d->x, d->importance, d->importance, ROWS, COLUMNS);
        if (!(with < kinds[k].gain * without))
            fail_msg("%s: %g with, %g without", ar_type_name(t), with, without);
        /* the same everywhere: a search that is no worse than rounding */
        const double plain = error_of(t, d->x, NULL, NULL, ROWS, COLUMNS);
        const double same = error_of(t, d->x, even, NULL, ROWS, COLUMNS);
        if (!(same <= plain * 1.000001))
            fail_msg("%s: %g searched, %g plain", ar_type_name(t), same, plain);
    }
    mem_free(even);
    mem_free(d);
}

/* Numbers that a type can hold come back, but for the rounding of scales. */
void test_quant_encode_exact(void **state) {
    (void)state;
    float x[256], y[256];
    uint8_t bytes[512];
    static const struct {
        ar_type type;
        int low, high;
    } kinds[] = {{AR_Q2_K, 0, 3},      {AR_Q3_K, -4, 3},     {AR_Q4_K, 0, 15},
                 {AR_Q5_K, 0, 31},     {AR_Q6_K, -32, 31},   {AR_Q4_0, -8, 7},
                 {AR_Q5_0, -16, 15},   {AR_Q4_1, 0, 15},     {AR_Q5_1, 0, 31},
                 {AR_Q8_0, -127, 127}, {AR_Q8_K, -127, 127}, {AR_TQ1_0, -1, 1},
                 {AR_TQ2_0, -1, 1}};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        const int span = kinds[k].high - kinds[k].low + 1;
        for (int i = 0; i < 256; i++)
            x[i] = 0.25f * (float)(kinds[k].low + i * 7 % 32 * (span - 1) / 31);
        assert_true(type_encode_f32(kinds[k].type, x, bytes, 256));
        assert_true(type_decode_f32(kinds[k].type, bytes, y, 256));
        const double most = 0.25 * fmax(kinds[k].high, -kinds[k].low);
        for (int i = 0; i < 256; i++)
            if (!(fabsf(x[i] - y[i]) <= 5e-3 * most))
                fail_msg("%s: %d: %g became %g", ar_type_name(kinds[k].type), i,
                         (double)x[i], (double)y[i]);
    }
}

/* Zeros stay zeros, sizes from tiny to large keep their digits, and numbers
 * that are not finite do no harm. */
void test_quant_encode_extremes(void **state) {
    (void)state;
    static const float scales[] = {0.03f, 1, 1e3f};
    data *d = make_data();
    float x[256], y[256], hole[256] = {0};
    uint8_t bytes[1024];
    for (int t = 1; t < AR_TYPE_COUNT; t++) {
        const ar_type type = (ar_type)t;
        if (!quant_is_block(type) || !quant_can_encode(type)) continue;
        memset(x, 0, sizeof x);
        assert_true(quant_encode(type, x, NULL, bytes, 1, 256));
        assert_true(type_decode_f32(type, bytes, y, 256));
        for (int i = 0; i < 256; i++) assert_true(y[i] == 0);
        const double unit = error_of(type, d->x, NULL, NULL, 1, 256);
        for (int s = 0; s < 3; s++) {
            for (int i = 0; i < 256; i++) x[i] = d->x[i] * scales[s];
            const double is = error_of(type, x, NULL, NULL, 1, 256);
            /* powers of two do not follow */
            const double slack = type == AR_MXFP4 ? 1.6 : 1.1;
            if (!(is <= slack * unit * (double)scales[s]))
                fail_msg("%s: times %g: %g, not %g", ar_type_name(type),
                         (double)scales[s], is, unit);
        }
        memcpy(hole, d->importance, sizeof hole / 2);
        assert_true(quant_encode(type, x, hole, bytes, 1, 256));
        x[3] = NAN;
        x[70] = INFINITY;
        x[150] = -INFINITY;
        x[200] = 3e38f;
        hole[5] = NAN;
        hole[6] = INFINITY;
        hole[7] = -1;
        assert_true(quant_encode(type, x, NULL, bytes, 1, 256));
        assert_true(quant_encode(type, x, hole, bytes, 1, 256));
        assert_true(type_decode_f32(type, bytes, y, 256));
    }
    mem_free(d);
}

/* Wave of the published test of quantisers: its bounds on the norm of the
 * error over the number of elements. */
void test_quant_encode_published(void **state) {
    (void)state;
    enum { LENGTH = 4096 };
    static float x[LENGTH];
    for (int i = 0; i < LENGTH; i++) x[i] = 0.1f + 2 * cosf((float)i);
    for (int t = 1; t < AR_TYPE_COUNT; t++) {
        const ar_type type = (ar_type)t;
        if (!quant_is_block(type) || !quant_can_encode(type)) continue;
        const double is = error_of(type, x, NULL, NULL, 1, LENGTH) / 64;
        double most = 0.002;
        if (type == AR_Q2_K) most = 0.0075;
        if (type == AR_Q3_K) most = 0.0040;
        if (type == AR_TQ1_0 || type == AR_TQ2_0) most = 0.01;
        if (!(is < most)) fail_msg("%s: %g", ar_type_name(type), is);
    }
}

/* Rows are independent, and bytes are the same however rows are split. */
void test_quant_encode_rows(void **state) {
    (void)state;
    data *d = make_data();
    uint8_t *all = mem_alloc(ar_type_size(AR_Q5_K, N));
    uint8_t *row = mem_alloc(ar_type_size(AR_Q5_K, COLUMNS));
    const size_t size = ar_type_size(AR_Q5_K, COLUMNS);
    assert_true(quant_encode(AR_Q5_K, d->x, d->importance, all, ROWS, COLUMNS));
    for (int r = 0; r < ROWS; r++) {
        assert_true(quant_encode(AR_Q5_K, d->x + r * COLUMNS, d->importance,
                                 row, 1, COLUMNS));
        assert_memory_equal(row, all + (size_t)r * size, size);
    }
    assert_true(quant_encode(AR_F16, d->x, d->importance, all, 2, 100));
    mem_free(all);
    mem_free(row);
    mem_free(d);
}

/* Halves go away from zero, and the floats before them do not. */
void test_quant_encode_halves(void **state) {
    (void)state;
    float x[32] = {127}, back[32];
    uint8_t bytes[34];
    int want[32] = {127};
    for (int i = 1; i < 31; i++) {
        const float half = (float)(i / 2) * 7 + 0.5f;
        const float sign = i % 4 < 2 ? 1 : -1;
        x[i] = sign * (i % 2 ? half : nextafterf(half, 0));
        want[i] = (int)sign * (i / 2 * 7 + i % 2);
    }
    x[31] = nextafterf(-0.5f, 0);
    assert_true(type_encode_f32(AR_Q8_0, x, bytes, 32));
    assert_true(type_decode_f32(AR_Q8_0, bytes, back, 32));
    for (int i = 0; i < 32; i++) assert_int_equal((int)back[i], want[i]);
}
