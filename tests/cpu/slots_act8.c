/* slots_act8.c - activations and blocks as levels. */
#include "base/mem.h"
#include "quant/levels.h"
#include "tests/cpu/slots.h"

/* n in blocks of 32, so that the buffers suffice. */
static int64_t blocks_of(const slot_run *r) { return r->n % 9 + 1; }

/* Buffers of bytes and whole numbers among the guarded ones. */
static void *slot_bytes(slot_run *r, int64_t n) {
    return slot_floats(r, (n + 3) / 4);
}

static void one_round8(slot_run *r, int group, int offset) {
    const int64_t n = blocks_of(r), k = 32 * n, groups = k / group;
    r->buffers = 0;
    float *x = slot_floats(r, k), *scale = slot_floats(r, n);
    float *sums = slot_floats(r, groups);
    int8_t *q = slot_bytes(r, k);
    int32_t *start = slot_bytes(r, 4 * groups);
    for (int64_t i = 0; i < 32; i++) x[i] *= ldexpf(1, -(int)(r->n % 150));
    if (n > 2) x[40] = r->n % 2 ? NAN : -INFINITY;
    r->k->round8(k, group, offset, x, q, scale, start, sums);
    for (int64_t b = 0; b < n; b++) {
        int8_t level[ACT8_BLOCK];
        const float d = act8_round(x + 32 * b, level);
        if (isnan(d))
            assert_true(isnan(scale[b]));
        else
            slot_want(r, "scale", b, scale[b], d, 0);
        for (int i = 0; i < 32; i++)
            slot_want(r, "q", 32 * b + i, q[32 * b + i], level[i], 0);
        for (int64_t g = 0; g < 32 / group; g++) {
            const int64_t at = b * 32 / group + g;
            int32_t sum = 0;
            for (int i = 0; i < group; i++) sum += level[g * group + i];
            slot_want(r, "start", at, start[at], -offset * sum, 0);
            const float want = d * (float)sum;
            if (isnan(want))
                assert_true(isnan(sums[at]));
            else
                slot_want(r, "sums", at, sums[at], want, 0);
        }
    }
}

void slot_round8(slot_run *r) {
    one_round8(r, 32, 0);
    one_round8(r, 32, 128);
    one_round8(r, 16, 32);
}

/* 16 rows of any bytes, a few more than a row apart. */
static void one_unpack8(slot_run *r, ar_type t, const quant_form *f) {
    int64_t block = 32;
    while (!quant_holds(t, block)) block += 32;
    const int64_t n = block * (r->n % 3 + 1), groups = n / f->group;
    const int64_t stride = (int64_t)ar_type_size(t, n) + r->n % 7;
    uint8_t *want = mem_new(uint8_t, n);
    float *scale = mem_new(float, groups), *low = mem_new(float, groups);
    r->buffers = 0;
    uint8_t *w = slot_bytes(r, 15 * stride + (int64_t)ar_type_size(t, n));
    uint8_t *levels = slot_bytes(r, PANEL8 * n);
    float *d = slot_floats(r, PANEL8 * groups);
    float *m = slot_floats(r, PANEL8 * groups);
    for (int64_t i = 0; i < 15 * stride + (int64_t)ar_type_size(t, n); i++)
        w[i] = (uint8_t)((i + r->n) * 2654435761u >> 15);
    r->k->unpack8(t, n, w, stride, w, levels, d, m);
    for (int row = 0; row < PANEL8; row++) {
        quant_levels(t, w + row * stride, n, want, scale, low);
        for (int64_t i = 0; i < n; i++)
            slot_want(r, ar_type_name(t), i,
                      levels[i / 4 * 64 + row * 4 + i % 4], want[i], 0);
        for (int64_t g = 0; g < groups; g++) {
            const float a = d[g * PANEL8 + row], b = m[g * PANEL8 + row];
            if (!isnan(scale[g]) || !isnan(a))
                slot_want(r, "scale", g, a, scale[g], 0);
            if (f->minima && (!isnan(low[g]) || !isnan(b)))
                slot_want(r, "minimum", g, b, low[g], 0);
        }
    }
    mem_free(want);
    mem_free(scale);
    mem_free(low);
}

void slot_unpack8(slot_run *r) {
    for (int t = 0; t < AR_TYPE_COUNT; t++) {
        quant_form f;
        if (quant_form_of((ar_type)t, &f)) one_unpack8(r, (ar_type)t, &f);
    }
}

/* y [j] of row i as it should be, from `old` on. */
static float chain(const dot8_args *a, int offset, int i, int j, float old) {
    for (int64_t g = 0; g < a->k / a->group; g++) {
        int32_t sum = 0;
        for (int64_t e = g * a->group; e < (g + 1) * a->group; e++)
            sum += (a->levels[e / 4 * 64 + j * 4 + e % 4] - offset) *
                   a->x[i * a->ld_x + e];
        const float d = a->x_scale[i * a->ld_blocks + g * a->group / 32];
        old = fmaf(a->scale[g * PANEL8 + j] * d, (float)sum, old);
        if (a->minima)
            old = fmaf(a->minimum[g * PANEL8 + j],
                       a->sums[i * a->ld_groups + g], old);
    }
    return old;
}

static void one_dot8(slot_run *r, int m, int top, int group, bool minima,
                     bool add) {
    const int64_t n = blocks_of(r) % 4 + 1, k = 32 * n, groups = k / group;
    const int offset = top == 255 ? 128 : top / 2;
    r->buffers = 0;
    uint8_t *levels = slot_bytes(r, PANEL8 * k);
    float *d = slot_floats(r, PANEL8 * groups);
    float *low = slot_floats(r, PANEL8 * groups);
    float *x = slot_floats(r, m * k), *x_scale = slot_floats(r, m * n);
    float *sums = slot_floats(r, m * groups);
    int8_t *q = slot_bytes(r, m * k);
    int32_t *start = slot_bytes(r, 4 * m * groups);
    float *y = slot_floats(r, m * (PANEL8 + 3));
    float *old = slot_floats(r, m * (PANEL8 + 3));
    memcpy(old, y, (size_t)(m * (PANEL8 + 3)) * sizeof *y);
    /* the extremes of both, and what lies between */
    for (int64_t i = 0; i < PANEL8 * k; i++)
        levels[i] = (uint8_t)(i % 3 ? i * 31 % (top + 1) : i % 2 ? top : 0);
    for (int64_t i = 0; i < m * k; i++) x[i] = i % 5 ? x[i] : 2;
    for (int i = 0; i < m; i++)
        r->k->round8(k, group, offset, x + i * k, q + i * k, x_scale + i * n,
                     start + i * groups, sums + i * groups);
    const dot8_args a = {k, group, top,    minima, levels,  d,     low,
                         k, n,     groups, q,      x_scale, start, sums};
    r->k->dot8(&a, m, y, PANEL8 + 3, add);
    for (int i = 0; i < m; i++)
        for (int j = 0; j < PANEL8 + 3; j++) {
            const int at = i * (PANEL8 + 3) + j;
            float want = add || j >= PANEL8 ? old[at] : 0;
            if (j < PANEL8) want = chain(&a, offset, i, j, want);
            slot_want(r, "y", at, y[at], want, 0);
        }
}

void slot_dot8(slot_run *r) {
    static const int tops[] = {3, 15, 24, 31, 63, 127, 255};
    for (int i = 0; i < 7; i++)
        for (int m = 1; m <= 21; m += m < 5 ? 1 : 4) {
            one_dot8(r, m, tops[i], 32, m % 2, m % 3 == 0);
            one_dot8(r, m, tops[i], 16, i % 2, m % 3 == 1);
        }
}
