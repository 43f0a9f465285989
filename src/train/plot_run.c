/* plot_run.c - the loss curve of a run, from its log. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "train/plot.h"
#include "train/run_log.h"

enum { PATH_SIZE = 4096 };

/* A growing list of points. */
typedef struct points {
    double *x, *y;
    int64_t n, capacity;
} points;

typedef struct curves {
    points train, smooth, val;
    double sum, weight; /* moving, over the last ten losses or so */
} curves;

static ar_status add_point(points *p, double x, double y, ar_error *err) {
    if (p->n == p->capacity) {
        const int64_t n = p->capacity ? 2 * p->capacity : 256;
        double *grown = mem_realloc(p->x, (size_t)n * sizeof *grown);
        if (grown) p->x = grown;
        double *other =
            grown ? mem_realloc(p->y, (size_t)n * sizeof *other) : NULL;
        if (!other) return error_set(err, AR_NOMEM, "out of memory to plot");
        p->y = other;
        p->capacity = n;
    }
    p->x[p->n] = x;
    p->y[p->n++] = y;
    return AR_OK;
}

static ar_status add_line(void *ctx, const json_t *line, ar_error *err) {
    curves *c = ctx;
    const double step = json_number_value(json_object_get(line, "step"));
    const json_t *val = json_object_get(line, "val_loss");
    const json_t *loss = json_object_get(line, "loss");
    if (json_is_number(val))
        return add_point(&c->val, step, json_number_value(val), err);
    if (!json_is_number(loss)) return AR_OK;
    const double y = json_number_value(loss);
    TRY(add_point(&c->train, step + 1, y, err));
    c->sum += 0.1 * (y - c->sum);
    c->weight += 0.1 * (1 - c->weight);
    return add_point(&c->smooth, step + 1, c->sum / c->weight, err);
}

static ar_status draw(const curves *c, const char *title, const char *path,
                      ar_error *err) {
    plot p = {
        .title = title, .x_label = "step", .y_label = "loss, nats a token"};
    p.curve[p.n_curves++] = (plot_curve){
        NULL, 0xb5d0f2, 1, false, c->train.x, c->train.y, c->train.n};
    p.curve[p.n_curves++] = (plot_curve){
        "training", 0x2563eb, 2, false, c->smooth.x, c->smooth.y, c->smooth.n};
    if (c->val.n)
        p.curve[p.n_curves++] = (plot_curve){
            "held out", 0xdc5a1e, 2.2, true, c->val.x, c->val.y, c->val.n};
    const size_t n = strlen(path);
    if (n > 4 && strcmp(path + n - 4, ".svg") == 0)
        return plot_svg(&p, path, err);
    if (n > 4 && strcmp(path + n - 4, ".png") == 0)
        return plot_png(&p, path, err);
    return error_set(err, AR_USAGE, "%s: a plot is a .svg or a .png", path);
}

/* The last part of a path. */
static void base_name(const char *path, char *out, size_t size) {
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') n--;
    size_t start = n;
    while (start > 0 && path[start - 1] != '/') start--;
    snprintf(out, size, "%.*s", (int)(n - start), path + start);
}

static ar_status draw_all(const curves *c, const char *run, const char *out,
                          ar_error *err) {
    char name[200], title[260], path[PATH_SIZE];
    base_name(run, name, sizeof name);
    if (c->val.n)
        snprintf(title, sizeof title, "%s: loss %.3f, held out %.3f", name,
                 c->sum / c->weight, c->val.y[c->val.n - 1]);
    else
        snprintf(title, sizeof title, "%s: loss %.3f", name,
                 c->sum / c->weight);
    if (out) return draw(c, title, out, err);
    TRY(file_join(path, sizeof path, run, "loss.svg", err));
    TRY(draw(c, title, path, err));
    TRY(file_join(path, sizeof path, run, "loss.png", err));
    return draw(c, title, path, err);
}

static void free_points(points *p) {
    mem_free(p->x);
    mem_free(p->y);
}

ar_status plot_run(const char *run, const char *out, ar_error *err) {
    char path[PATH_SIZE];
    curves c = {0};
    TRY(file_join(path, sizeof path, run, "log.jsonl", err));
    ar_status status = run_log_read(path, add_line, &c, err);
    if (status == AR_OK && !c.train.n)
        status = error_set(err, AR_RANGE, "%s: no step is logged", path);
    if (status == AR_OK) status = draw_all(&c, run, out, err);
    free_points(&c.train);
    free_points(&c.smooth);
    free_points(&c.val);
    return status;
}
