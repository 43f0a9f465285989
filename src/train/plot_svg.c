/* plot_svg.c - a plot as SVG. */
#include <inttypes.h>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "train/plot_canvas.h"

static const char *const anchors[] = {"start", "middle", "end"};

static void svg_line(void *ctx, const double *xy, int64_t n, uint32_t color,
                     double width) {
    text *t = ctx;
    text_adds(t, "<polyline points=\"");
    for (int64_t i = 0; i < n; i++)
        text_addf(t, "%s%.2f,%.2f", i ? " " : "", xy[2 * i], xy[2 * i + 1]);
    text_addf(t, "\" stroke=\"#%06" PRIx32 "\" stroke-width=\"%g\"/>\n", color,
              width);
}

static void svg_dot(void *ctx, double x, double y, double radius,
                    uint32_t color) {
    text_addf(ctx,
              "<circle cx=\"%.2f\" cy=\"%.2f\" r=\"%g\" stroke=\"none\" "
              "fill=\"#%06" PRIx32 "\"/>\n",
              x, y, radius, color);
}

static void add_escaped(text *t, const char *s) {
    for (; *s; s++) {
        const unsigned char c = (unsigned char)*s;
        if (c == '<')
            text_adds(t, "&lt;");
        else if (c == '>')
            text_adds(t, "&gt;");
        else if (c == '&')
            text_adds(t, "&amp;");
        else
            text_add(t, c < ' ' ? " " : s, 1);
    }
}

static void svg_word(void *ctx, const plot_word *w) {
    text *t = ctx;
    text_addf(t,
              "<text x=\"%.2f\" y=\"%.2f\" font-size=\"%g\" "
              "text-anchor=\"%s\" stroke=\"none\" fill=\"#%06" PRIx32 "\"",
              w->x, w->y, w->size, anchors[w->anchor], w->color);
    if (w->turned)
        text_addf(t, " transform=\"rotate(-90 %.2f %.2f)\"", w->x, w->y);
    text_adds(t, ">");
    add_escaped(t, w->s);
    text_adds(t, "</text>\n");
}

/* Fonts differ from viewer to viewer; this is a good guess. */
static double svg_measure(void *ctx, const char *s, double size) {
    (void)ctx;
    double n = 0;
    for (; *s; s++) n += ((unsigned char)*s & 0xc0) != 0x80;
    return 0.56 * size * n;
}

ar_status plot_svg(const plot *p, const char *path, ar_error *err) {
    text t = {0};
    const plot_canvas c = {&t, svg_line, svg_dot, svg_word, svg_measure};
    text_addf(&t,
              "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" "
              "height=\"%d\" viewBox=\"0 0 %d %d\" fill=\"none\" "
              "stroke-linejoin=\"round\" stroke-linecap=\"round\" "
              "font-family=\"Helvetica, Arial, sans-serif\">\n"
              "<rect width=\"100%%\" height=\"100%%\" fill=\"#ffffff\"/>\n",
              PLOT_WIDTH, PLOT_HEIGHT, PLOT_WIDTH, PLOT_HEIGHT);
    ar_status status = plot_draw(p, &c, err);
    text_adds(&t, "</svg>\n");
    if (status == AR_OK) status = text_status(&t, err);
    if (status == AR_OK) status = file_replace(path, t.data, t.size, err);
    text_close(&t);
    return status;
}
