/* slots_scan.c - slots of recurrent states and convolutions. */
#include "tests/cpu/slots.h"

enum { ROWS = 5 };

static void one_token(slot_run *r, bool delta) {
    r->buffers = 0;
    const int64_t n = r->n < 1000 ? r->n : 1000;
    float *k = slot_floats(r, ROWS), *q = slot_floats(r, ROWS);
    float *v = slot_floats(r, n), *beta = slot_floats(r, 1);
    float *s = slot_floats(r, ROWS * n), *old = slot_floats(r, ROWS * n);
    float *y = slot_floats(r, n);
    memcpy(old, s, (size_t)(ROWS * n) * sizeof *s);
    const float a = 0.75f;
    r->k->scan_token(ROWS, n, a, k, q, v, delta ? beta : NULL, s, y);
    for (int64_t e = 0; e < n; e++) {
        double seen = 0, out = 0;
        for (int d = 0; d < ROWS; d++)
            seen += (double)a * old[d * n + e] * k[d];
        const double u = delta ? *beta * (v[e] - seen) : v[e];
        for (int d = 0; d < ROWS; d++) {
            const double now = (double)a * old[d * n + e] + k[d] * u;
            slot_want(r, "s", d * n + e, s[d * n + e], now, 1e-5);
            out += q[d] * now;
        }
        slot_want(r, "y", e, y[e], out, 2e-5);
    }
}

void slot_scan_token(slot_run *r) {
    one_token(r, false);
    one_token(r, true);
}

void slot_conv_taps(slot_run *r) {
    for (int with_bias = 0; with_bias < 2; with_bias++) {
        r->buffers = 0;
        const int64_t n = r->n < 1000 ? r->n : 1000, ldw = n + 3;
        float *w = slot_floats(r, 4 * ldw), *bias = slot_floats(r, n);
        float *y = slot_floats(r, n);
        const float *x[4] = {slot_floats(r, n), NULL, slot_floats(r, n),
                             slot_floats(r, n)};
        r->k->conv_taps(n, 4, x, w, ldw, with_bias ? bias : NULL, y);
        for (int64_t i = 0; i < n; i++) {
            double want = with_bias ? bias[i] : 0;
            for (int j = 0; j < 4; j++)
                if (x[j]) want += (double)w[j * ldw + i] * x[j][i];
            slot_want(r, "y", i, y[i], want, 4e-6);
        }
    }
}
