/* plot_png.c - a plot as PNG: drawn SCALE times too large, then averaged. */
#include <math.h>
#include <string.h>
#include <zlib.h>

#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "train/plot_canvas.h"

enum { SCALE = 4, ROUNDS = 3, MAX_STROKE = 128 };
enum { BIG_WIDTH = PLOT_WIDTH * SCALE, BIG_HEIGHT = PLOT_HEIGHT * SCALE };

/* [BIG_HEIGHT, BIG_WIDTH, 3] */
typedef struct bitmap {
    unsigned char *rgb;
} bitmap;

static double clamp(double x, double low, double high) {
    return x < low ? low : x > high ? high : x;
}

/* Squared distance of (x, y) from the segment a b. */
static double distance2(double x, double y, const double *a, const double *b) {
    const double dx = b[0] - a[0], dy = b[1] - a[1];
    const double n = dx * dx + dy * dy;
    double t = n > 0 ? ((x - a[0]) * dx + (y - a[1]) * dy) / n : 0;
    t = clamp(t, 0, 1);
    const double ex = x - a[0] - t * dx, ey = y - a[1] - t * dy;
    return ex * ex + ey * ey;
}

/* All pixels within r of the segment a b, in pixels of the large picture. */
static void fill_segment(bitmap *m, const double *a, const double *b, double r,
                         uint32_t color) {
    const int x0 = (int)clamp(fmin(a[0], b[0]) - r, 0, BIG_WIDTH - 1);
    const int x1 = (int)clamp(fmax(a[0], b[0]) + r + 1, 0, BIG_WIDTH - 1);
    const int y0 = (int)clamp(fmin(a[1], b[1]) - r, 0, BIG_HEIGHT - 1);
    const int y1 = (int)clamp(fmax(a[1], b[1]) + r + 1, 0, BIG_HEIGHT - 1);
    for (int y = y0; y <= y1; y++)
        for (int x = x0; x <= x1; x++) {
            if (distance2(x + 0.5, y + 0.5, a, b) > r * r) continue;
            unsigned char *p = m->rgb + 3 * ((size_t)y * BIG_WIDTH + (size_t)x);
            p[0] = (unsigned char)(color >> 16);
            p[1] = (unsigned char)(color >> 8);
            p[2] = (unsigned char)color;
        }
}

static void png_line(void *ctx, const double *xy, int64_t n, uint32_t color,
                     double width) {
    for (int64_t i = 0; i + 1 < n; i++) {
        const double a[] = {xy[2 * i] * SCALE, xy[2 * i + 1] * SCALE};
        const double b[] = {xy[2 * i + 2] * SCALE, xy[2 * i + 3] * SCALE};
        fill_segment(ctx, a, b, width * SCALE / 2, color);
    }
}

static void png_dot(void *ctx, double x, double y, double radius,
                    uint32_t color) {
    const double a[] = {x * SCALE, y * SCALE};
    fill_segment(ctx, a, a, radius * SCALE, color);
}

/* ---- words ---- */

/* Chaikin's corner cutting; the ends stay.  xy [n, 2] -> the new n. */
static int cut_corners(double (*xy)[2], int n) {
    double cut[MAX_STROKE][2];
    int m = 0;
    if (n < 3 || 2 * n > MAX_STROKE) return n;
    memcpy(cut[m++], xy[0], sizeof *xy);
    for (int i = 0; i + 1 < n; i++)
        for (int k = 0; k < 2; k++) {
            if ((i == 0 && k == 0) || (i + 2 == n && k == 1)) continue;
            const double t = k ? 0.75 : 0.25;
            cut[m][0] = xy[i][0] + t * (xy[i + 1][0] - xy[i][0]);
            cut[m][1] = xy[i][1] + t * (xy[i + 1][1] - xy[i][1]);
            m++;
        }
    memcpy(cut[m++], xy[n - 1], sizeof *xy);
    memcpy(xy, cut, (size_t)m * sizeof *xy);
    return m;
}

static double grid_digit(char c) { return c <= '9' ? c - '0' : c - 'a' + 10; }

/* The next stroke of a glyph; moves *s behind it. */
static int read_stroke(const char **s, double (*xy)[2]) {
    const char *p = *s;
    const bool rounded = *p == '~';
    int n = 0;
    p += rounded;
    for (; *p && *p != ' ' && n < MAX_STROKE / 16; p += 2, n++) {
        xy[n][0] = grid_digit(p[0]);
        xy[n][1] = grid_digit(p[1]);
    }
    if (*p == ' ') p++;
    *s = p;
    for (int i = 0; rounded && i < ROUNDS; i++) n = cut_corners(xy, n);
    return n;
}

static double png_measure(void *ctx, const char *s, double size) {
    (void)ctx;
    double w = 0;
    for (; *s; s++)
        if (((unsigned char)*s & 0xc0) != 0x80)
            w += plot_advance((unsigned char)*s);
    return w * size / 17;
}

static void png_word(void *ctx, const plot_word *w) {
    const double unit = w->size / 17;
    double at = 0;
    if (w->anchor != ANCHOR_START)
        at = -png_measure(ctx, w->s, w->size) /
             (w->anchor == ANCHOR_MIDDLE ? 2 : 1);
    for (const char *s = w->s; *s; s++) {
        if (((unsigned char)*s & 0xc0) == 0x80) continue;
        const char *p = plot_glyph((unsigned char)*s);
        while (*p) {
            double xy[MAX_STROKE][2];
            const int n = read_stroke(&p, xy);
            for (int i = 0; i < n; i++) {
                const double dx = at + xy[i][0] * unit;
                const double dy = (xy[i][1] - 12) * unit;
                xy[i][0] = w->turned ? w->x + dy : w->x + dx;
                xy[i][1] = w->turned ? w->y - dx : w->y + dy;
            }
            png_line(ctx, &xy[0][0], n, w->color, w->size / 11.5);
        }
        at += plot_advance((unsigned char)*s) * unit;
    }
}

/* ---- the file ---- */

static void put32(unsigned char *p, uint32_t x) {
    for (int i = 0; i < 4; i++) p[i] = (unsigned char)(x >> (24 - 8 * i));
}

static void add_chunk(file_writer *w, const char *type, const void *data,
                      size_t n) {
    unsigned char head[8], tail[4];
    put32(head, (uint32_t)n);
    memcpy(head + 4, type, 4);
    uLong crc = crc32(0, head + 4, 4);
    if (n) crc = crc32(crc, data, (uInt)n);
    put32(tail, (uint32_t)crc);
    file_write(w, head, sizeof head);
    file_write(w, data, n);
    file_write(w, tail, sizeof tail);
}

/* Rows of the small picture, each with filter byte 0 in front. */
static void average(const bitmap *m, unsigned char *rows) {
    const size_t stride = 1 + 3 * PLOT_WIDTH;
    for (int y = 0; y < PLOT_HEIGHT; y++)
        for (int x = 0; x < PLOT_WIDTH; x++)
            for (int k = 0; k < 3; k++) {
                int sum = 0;
                for (int i = 0; i < SCALE * SCALE; i++) {
                    const int by = y * SCALE + i / SCALE;
                    const int bx = x * SCALE + i % SCALE;
                    sum += m->rgb[3 * ((size_t)by * BIG_WIDTH + (size_t)bx) +
                                  (size_t)k];
                }
                rows[(size_t)y * stride + 1 + 3 * (size_t)x + (size_t)k] =
                    (unsigned char)((sum + SCALE * SCALE / 2) /
                                    (SCALE * SCALE));
            }
}

static ar_status write_png(const bitmap *m, const char *path, ar_error *err) {
    static const unsigned char magic[] = {0x89, 'P',  'N',  'G',
                                          '\r', '\n', 0x1a, '\n'};
    const uLong n = (uLong)PLOT_HEIGHT * (1 + 3 * PLOT_WIDTH);
    uLongf packed_size = compressBound(n);
    unsigned char head[13] = {[8] = 8, [9] = 2}; /* 8 bits, RGB */
    unsigned char *rows = mem_alloc(n), *packed = mem_alloc(packed_size);
    file_writer *w;
    ar_status status = AR_OK;
    if (!rows || !packed)
        status = error_set(err, AR_NOMEM, "out of memory to plot");
    if (status == AR_OK) {
        average(m, rows);
        if (compress2(packed, &packed_size, rows, n, 9) != Z_OK)
            status = error_set(err, AR_NOMEM, "out of memory to plot");
    }
    if (status == AR_OK) status = file_create(&w, path, err);
    if (status == AR_OK) {
        put32(head, PLOT_WIDTH);
        put32(head + 4, PLOT_HEIGHT);
        file_write(w, magic, sizeof magic);
        add_chunk(w, "IHDR", head, sizeof head);
        add_chunk(w, "IDAT", packed, packed_size);
        add_chunk(w, "IEND", "", 0);
        status = file_commit(w, err);
    }
    mem_free(rows);
    mem_free(packed);
    return status;
}

ar_status plot_png(const plot *p, const char *path, ar_error *err) {
    const size_t size = (size_t)3 * BIG_WIDTH * BIG_HEIGHT;
    bitmap m = {mem_block_alloc(size)};
    const plot_canvas c = {&m, png_line, png_dot, png_word, png_measure};
    if (!m.rgb) return error_set(err, AR_NOMEM, "out of memory to plot");
    memset(m.rgb, 255, size);
    ar_status status = plot_draw(p, &c, err);
    if (status == AR_OK) status = write_png(&m, path, err);
    mem_block_free(m.rgb, size);
    return status;
}
