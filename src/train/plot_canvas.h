/* plot_canvas.h - a plot as lines, dots and words, for either format to draw.
 *
 * Coordinates are pixels, y down. */
#ifndef TRAIN_PLOT_CANVAS_H
#define TRAIN_PLOT_CANVAS_H

#include <stdbool.h>

#include "train/plot.h"

enum { PLOT_WIDTH = 960, PLOT_HEIGHT = 600 };

enum plot_anchor { ANCHOR_START, ANCHOR_MIDDLE, ANCHOR_END };

/* A word with its baseline at y; turned: it reads upwards. */
typedef struct plot_word {
    double x, y;
    const char *s;
    double size;
    enum plot_anchor anchor;
    bool turned;
    uint32_t color;
} plot_word;

/* What a format provides. */
typedef struct plot_canvas {
    void *ctx;
    /* A line through n points, xy [n, 2]. */
    void (*line)(void *ctx, const double *xy, int64_t n, uint32_t color,
                 double width);
    void (*dot)(void *ctx, double x, double y, double radius, uint32_t color);
    void (*word)(void *ctx, const plot_word *w);
    /* The width that a word will have. */
    double (*measure)(void *ctx, const char *s, double size);
} plot_canvas;

/* Axes, ticks, grid, legend and curves.  Errors: AR_RANGE, AR_NOMEM. */
ar_status plot_draw(const plot *p, const plot_canvas *c, ar_error *err);

/* Strokes of one printable ASCII character (plot_font.c): pairs of base-36
 * digits x, y on a grid with the baseline at y = 12 and capitals 12 high;
 * strokes are separated by spaces, a stroke after ~ is rounded. */
const char *plot_glyph(unsigned char c);
/* Its advance on that grid. */
double plot_advance(unsigned char c);

#endif
