/* plot_draw.c - the layout of a plot: scales, grid, legend, curves. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "train/plot_canvas.h"

enum { LEFT = 84, RIGHT = 28, TOP = 64, BOTTOM = 72 };
enum { MAX_TICKS = 16, MOST_POINTS = 1600 };

static const uint32_t ink = 0x1f2937, pale_ink = 0x6b7280, grid = 0xe5e7eb;

/* One axis: data from low to high go to pixels from a to b. */
typedef struct axis {
    double low, high, step;
    double a, b;
} axis;

static double place(const axis *s, double x) {
    return s->a + (x - s->low) / (s->high - s->low) * (s->b - s->a);
}

static void widen(axis *s, const double *v, const double *w, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        if (!isfinite(v[i]) || !isfinite(w[i])) continue;
        if (v[i] < s->low) s->low = v[i];
        if (v[i] > s->high) s->high = v[i];
    }
}

/* A step of 1, 2 or 5 times a power of ten, for about n ticks. */
static double nice_step(double range, int n) {
    const double raw = range / n;
    const double power = pow(10, floor(log10(raw)));
    const double r = raw / power;
    return power * (r < 1.5 ? 1 : r < 3.5 ? 2 : r < 7.5 ? 5 : 10);
}

static void finish_axis(axis *s, int n, bool to_ticks) {
    if (s->high - s->low < 1e-9 * (1 + fabs(s->high))) {
        s->low -= 0.5;
        s->high += 0.5;
    }
    s->step = nice_step(s->high - s->low, n);
    if (!to_ticks) return;
    s->low = floor(s->low / s->step) * s->step;
    s->high = ceil(s->high / s->step) * s->step;
}

static void tick_text(char *out, size_t size, double x, double step) {
    const double most = fabs(x);
    if (most >= 1e6)
        snprintf(out, size, "%gM", x / 1e6);
    else if (most >= 1e4)
        snprintf(out, size, "%gk", x / 1e3);
    else
        snprintf(out, size, "%.*f",
                 step < 1 ? (int)ceil(-log10(step) - 1e-9) : 0,
                 most < step / 1000 ? 0 : x);
}

static void segment(const plot_canvas *c, double x0, double y0, double x1,
                    double y1, uint32_t color) {
    const double xy[] = {x0, y0, x1, y1};
    c->line(c->ctx, xy, 2, color, 1);
}

static void draw_axes(const plot *p, const plot_canvas *c, const axis *x,
                      const axis *y) {
    char s[32];
    for (double v = ceil(y->low / y->step - 1e-9) * y->step;
         v <= y->high + 1e-9 * y->step; v += y->step) {
        segment(c, x->a, place(y, v), x->b, place(y, v), grid);
        tick_text(s, sizeof s, v, y->step);
        c->word(c->ctx, &(plot_word){x->a - 10, place(y, v) + 4.5, s, 13,
                                     ANCHOR_END, false, pale_ink});
    }
    for (double v = ceil(x->low / x->step - 1e-9) * x->step;
         v <= x->high + 1e-9 * x->step; v += x->step) {
        segment(c, place(x, v), y->a, place(x, v), y->b, grid);
        tick_text(s, sizeof s, v, x->step);
        c->word(c->ctx, &(plot_word){place(x, v), y->a + 22, s, 13,
                                     ANCHOR_MIDDLE, false, pale_ink});
    }
    segment(c, x->a, y->a, x->b, y->a, pale_ink);
    segment(c, x->a, y->a, x->a, y->b, pale_ink);
    c->word(c->ctx, &(plot_word){(x->a + x->b) / 2, PLOT_HEIGHT - 20,
                                 p->x_label, 15, ANCHOR_MIDDLE, false, ink});
    c->word(c->ctx, &(plot_word){26, (y->a + y->b) / 2, p->y_label, 15,
                                 ANCHOR_MIDDLE, true, ink});
    c->word(c->ctx,
            &(plot_word){x->a, 38, p->title, 19, ANCHOR_START, false, ink});
}

static void draw_legend(const plot *p, const plot_canvas *c) {
    double x = PLOT_WIDTH - RIGHT;
    for (int i = p->n_curves - 1; i >= 0; i--) {
        const plot_curve *k = &p->curve[i];
        if (!k->name) continue;
        c->word(c->ctx,
                &(plot_word){x, 38, k->name, 14, ANCHOR_END, false, ink});
        x -= c->measure(c->ctx, k->name, 14) + 8;
        const double xy[] = {x - 24, 33, x, 33};
        c->line(c->ctx, xy, 2, k->color, k->width > 2 ? k->width : 2);
        if (k->dots) c->dot(c->ctx, x - 12, 33, 4, k->color);
        x -= 24 + 22;
    }
}

/* Points beyond what a picture can show are averaged, many into one. */
static int64_t gather(const plot_curve *k, const axis *x, const axis *y,
                      double *xy) {
    const int64_t bin =
        k->n > MOST_POINTS ? (k->n + MOST_POINTS - 1) / MOST_POINTS : 1;
    int64_t n = 0;
    for (int64_t i = 0; i < k->n; i += bin) {
        double sum_x = 0, sum_y = 0;
        int64_t count = 0;
        for (int64_t j = i; j < i + bin && j < k->n; j++) {
            if (!isfinite(k->x[j]) || !isfinite(k->y[j])) continue;
            sum_x += k->x[j];
            sum_y += k->y[j];
            count++;
        }
        if (!count) continue;
        xy[2 * n] = place(x, sum_x / (double)count);
        xy[2 * n + 1] = place(y, sum_y / (double)count);
        n++;
    }
    return n;
}

static void draw_curve(const plot_curve *k, const plot_canvas *c, const axis *x,
                       const axis *y, double *xy) {
    const int64_t n = gather(k, x, y, xy);
    if (n > 1) c->line(c->ctx, xy, n, k->color, k->width);
    if (k->dots || n == 1)
        for (int64_t i = 0; i < n; i++)
            c->dot(c->ctx, xy[2 * i], xy[2 * i + 1], 4, k->color);
}

ar_status plot_draw(const plot *p, const plot_canvas *c, ar_error *err) {
    axis x = {INFINITY, -INFINITY, 0, LEFT, PLOT_WIDTH - RIGHT};
    axis y = {INFINITY, -INFINITY, 0, PLOT_HEIGHT - BOTTOM, TOP};
    for (int i = 0; i < p->n_curves; i++) {
        widen(&x, p->curve[i].x, p->curve[i].y, p->curve[i].n);
        widen(&y, p->curve[i].y, p->curve[i].x, p->curve[i].n);
    }
    if (x.low > x.high)
        return error_set(err, AR_RANGE, "there is no point to plot");
    finish_axis(&x, 9, false);
    finish_axis(&y, 7, true);
    double *xy = mem_new(double, 2 * (MOST_POINTS + 1));
    if (!xy) return error_set(err, AR_NOMEM, "out of memory to plot");
    draw_axes(p, c, &x, &y);
    for (int i = 0; i < p->n_curves; i++)
        draw_curve(&p->curve[i], c, &x, &y, xy);
    draw_legend(p, c);
    mem_free(xy);
    return AR_OK;
}
