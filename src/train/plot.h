/* plot.h - curves as SVG and PNG, and the loss curve of a run. */
#ifndef TRAIN_PLOT_H
#define TRAIN_PLOT_H

#include <stdbool.h>
#include <stdint.h>

#include "arcane/status.h"

enum { PLOT_CURVES = 8 };

typedef struct plot_curve {
    const char *name;    /* in the legend; NULL: not there */
    uint32_t color;      /* 0xrrggbb */
    double width;        /* of the line, in pixels */
    bool dots;           /* mark the points */
    const double *x, *y; /* [n] */
    int64_t n;
} plot_curve;

typedef struct plot {
    const char *title, *x_label, *y_label;
    plot_curve curve[PLOT_CURVES];
    int n_curves;
} plot;

/* 960 x 600.  Points that are not finite are left out.  Errors: AR_RANGE
 * (nothing to draw), AR_IO, AR_NOMEM. */
ar_status plot_svg(const plot *p, const char *path, ar_error *err);
ar_status plot_png(const plot *p, const char *path, ar_error *err);

/* The curves of RUN/log.jsonl, training and held-out loss by step, into `out`
 * (a name ending in .svg or .png), or RUN/loss.svg and RUN/loss.png if out is
 * NULL.  Errors: AR_IO, AR_FORMAT, AR_RANGE (no step is logged), AR_USAGE
 * (another ending). */
ar_status plot_run(const char *run, const char *out, ar_error *err);

#endif
