/* mil_sim_gather.c - picking by index, putting by index, stretching images. */
#include <math.h>
#include <string.h>

#include "backend/ane/mil_sim_int.h"
#include "base/error.h"

/* Product of sizes from axis `from` to before `to`. */
static int64_t size_of(const mil_type *t, int from, int to) {
    int64_t n = 1;
    for (int i = from; i < to; i++) n *= t->dim[i];
    return n;
}

/* An index of an axis of n; those below 0 count from the back. */
static ar_status index_in(const sim_call *c, const sim_tensor *t, int64_t at,
                          int64_t n, int64_t *out) {
    const int64_t i = t->data[at].i;
    *out = i < 0 ? i + n : i;
    if (*out >= 0 && *out < n) return AR_OK;
    return error_set(c->call.err, AR_RANGE, "%s: index %lld in an axis of %lld",
                     c->call.op->kind, (long long)i, (long long)n);
}

/* Axes in front that x and indices share. */
static ar_status batch_of(const sim_call *c, int64_t *batch) {
    const mil_type *x = &sim_in(c, "x")->type;
    const mil_type *at = &sim_in(c, "indices")->type;
    *batch = 0;
    if (c->call.opset >= 16) TRY(typing_int(&c->call, "batch_dims", batch));
    for (int i = 0; i < *batch; i++)
        if (i >= x->rank || i >= at->rank || x->dim[i] != at->dim[i])
            return typing_bad(&c->call, "x and indices differ in axis %d", i);
    return AR_OK;
}

/* y [B, M, I, T] = x [B, M, index [B, I], T]. */
ar_status run_gather(sim_call *c) {
    const sim_tensor *x = sim_in(c, "x"), *at = sim_in(c, "indices");
    sim_tensor *y = sim_out(c, 0);
    int axis;
    int64_t batch, k;
    TRY(typing_axis(&c->call, "axis", x->type.rank, &axis));
    TRY(batch_of(c, &batch));
    const int64_t middle = size_of(&x->type, (int)batch, axis);
    const int64_t picks = size_of(&at->type, (int)batch, at->type.rank);
    const sim_line l = sim_line_of(&x->type, axis);
    for (int64_t row = 0; row < l.before; row++)
        for (int64_t i = 0; i < picks; i++) {
            TRY(index_in(c, at, row / middle * picks + i, l.n, &k));
            memcpy(&y->data[(row * picks + i) * l.behind],
                   &x->data[(row * l.n + k) * l.behind],
                   sizeof(sim_cell) * (size_t)l.behind);
        }
    return AR_OK;
}

ar_status run_gather_along_axis(sim_call *c) {
    const sim_tensor *x = sim_in(c, "x"), *at = sim_in(c, "indices");
    sim_tensor *y = sim_out(c, 0);
    int axis;
    int64_t k;
    TRY(typing_axis(&c->call, "axis", x->type.rank, &axis));
    const sim_line l = sim_line_of(&x->type, axis);
    const int64_t row = at->type.dim[axis] * l.behind;
    for (int64_t i = 0; i < at->count; i++) {
        TRY(index_in(c, at, i, l.n, &k));
        y->data[i] = x->data[(i / row * l.n + k) * l.behind + i % l.behind];
    }
    return AR_OK;
}

/* Where row i of indices [.., depth] points, in elements of axes from `from`
 * on. */
static ar_status point(const sim_call *c, const sim_tensor *at, int64_t i,
                       const mil_type *x, int from, int64_t *out) {
    const int64_t depth = at->type.dim[at->type.rank - 1];
    int64_t place = 0, k;
    for (int64_t d = 0; d < depth; d++) {
        TRY(index_in(c, at, i * depth + d, x->dim[from + d], &k));
        place = place * x->dim[from + d] + k;
    }
    *out = place * size_of(x, from + (int)depth, x->rank);
    return AR_OK;
}

ar_status run_gather_nd(sim_call *c) {
    const sim_tensor *x = sim_in(c, "x"), *at = sim_in(c, "indices");
    sim_tensor *y = sim_out(c, 0);
    int64_t batch, from;
    TRY(batch_of(c, &batch));
    const int first = (int)batch, r = x->type.rank, q = at->type.rank;
    const int64_t depth = at->type.dim[q - 1];
    const int64_t tail = size_of(&x->type, first + (int)depth, r);
    const int64_t picks = size_of(&at->type, first, q - 1);
    const int64_t whole = size_of(&x->type, first, r);
    for (int64_t i = 0; i * tail < y->count; i++) {
        TRY(point(c, at, i, &x->type, first, &from));
        memcpy(&y->data[i * tail], &x->data[i / picks * whole + from],
               sizeof(sim_cell) * (size_t)tail);
    }
    return AR_OK;
}

/* ---- scatter ---- */

static double merged(const char *mode, double old, double x) {
    if (strcmp(mode, "add") == 0) return old + x;
    if (strcmp(mode, "sub") == 0) return old - x;
    if (strcmp(mode, "mul") == 0) return old * x;
    if (strcmp(mode, "div") == 0) return old / x;
    if (strcmp(mode, "max") == 0) return old > x ? old : x;
    if (strcmp(mode, "min") == 0) return old < x ? old : x;
    return x;
}

/* A copy of the data into the result, and how to merge. */
static ar_status begin_scatter(sim_call *c, char mode[MIL_ARG_TEXT]) {
    static const char *const known[] = {"add", "sub", "mul",   "div",
                                        "max", "min", "update"};
    const sim_tensor *data = sim_in(c, "data");
    TRY(typing_text(&c->call, "mode", mode));
    for (int i = 0; i < 7; i++)
        if (strcmp(mode, known[i]) == 0) {
            memcpy(sim_out(c, 0)->data, data->data,
                   sizeof(sim_cell) * (size_t)data->count);
            return AR_OK;
        }
    return typing_bad(&c->call, "mode \"%s\"", mode);
}

static void merge(sim_tensor *y, int64_t at, const char *mode, double x) {
    sim_put(y, at, merged(mode, sim_get(y, at), x));
}

ar_status run_scatter(sim_call *c) {
    const sim_tensor *at = sim_in(c, "indices"), *up = sim_in(c, "updates");
    sim_tensor *y = sim_out(c, 0);
    char mode[MIL_ARG_TEXT];
    int axis;
    int64_t k;
    TRY(begin_scatter(c, mode));
    TRY(typing_axis(&c->call, "axis", y->type.rank, &axis));
    const sim_line l = sim_line_of(&y->type, axis);
    for (int64_t i = 0; i < up->count; i++) {
        const int64_t tail = i % l.behind, row = i / l.behind;
        TRY(index_in(c, at, row % at->count, l.n, &k));
        merge(y, (row / at->count * l.n + k) * l.behind + tail, mode,
              sim_get(up, i));
    }
    return AR_OK;
}

ar_status run_scatter_along_axis(sim_call *c) {
    const sim_tensor *at = sim_in(c, "indices"), *up = sim_in(c, "updates");
    sim_tensor *y = sim_out(c, 0);
    char mode[MIL_ARG_TEXT];
    int axis;
    int64_t k;
    TRY(begin_scatter(c, mode));
    TRY(typing_axis(&c->call, "axis", y->type.rank, &axis));
    const sim_line l = sim_line_of(&y->type, axis);
    const int64_t row = at->type.dim[axis] * l.behind;
    for (int64_t i = 0; i < at->count; i++) {
        TRY(index_in(c, at, i, l.n, &k));
        merge(y, (i / row * l.n + k) * l.behind + i % l.behind, mode,
              sim_get(up, i));
    }
    return AR_OK;
}

ar_status run_scatter_nd(sim_call *c) {
    const sim_tensor *at = sim_in(c, "indices"), *up = sim_in(c, "updates");
    sim_tensor *y = sim_out(c, 0);
    char mode[MIL_ARG_TEXT];
    int64_t to;
    TRY(begin_scatter(c, mode));
    const int64_t rows = size_of(&at->type, 0, at->type.rank - 1);
    const int64_t tail = rows ? up->count / rows : 0;
    for (int64_t i = 0; i < rows; i++) {
        TRY(point(c, at, i, &y->type, 0, &to));
        for (int64_t t = 0; t < tail; t++)
            merge(y, to + t, mode, sim_get(up, i * tail + t));
    }
    return AR_OK;
}

/* ---- stretching ---- */

static double factor(const sim_call *c, int axis) {
    static const char *const keys[] = {"scale_factor_height",
                                       "scale_factor_width"};
    return sim_number(c, keys[axis]);
}

ar_status run_upsample_nearest(sim_call *c) {
    const sim_tensor *x = sim_in(c, "x");
    sim_tensor *y = sim_out(c, 0);
    const int r = x->type.rank;
    const int64_t h = x->type.dim[r - 2], w = x->type.dim[r - 1];
    const int64_t rows = y->type.dim[r - 2], columns = y->type.dim[r - 1];
    for (int64_t i = 0; i < y->count; i++) {
        int64_t v = (int64_t)((double)(i / columns % rows) / factor(c, 0));
        int64_t u = (int64_t)((double)(i % columns) / factor(c, 1));
        if (v >= h) v = h - 1;
        if (u >= w) u = w - 1;
        y->data[i] = x->data[(i / (rows * columns) * h + v) * w + u];
    }
    return AR_OK;
}

/* Place i of the result, as two places of the source and the weight of the
 * second. */
typedef struct blend {
    int64_t low, high;
    double weight;
} blend;

static blend blend_of(int64_t i, const int64_t sizes[2], double scale,
                      const bool how[2]) {
    const double in = (double)sizes[0], out = (double)sizes[1];
    double at = ((double)i + 0.5) / scale - 0.5;
    if (how[0])
        at = out > 1 ? (double)i * (in - 1) / (out - 1) : 0;
    else if (!how[1])
        at = (double)i / scale;
    if (at < 0) at = 0;
    if (at > in - 1) at = in - 1;
    const int64_t low = (int64_t)at;
    return (blend){low, low + 1 < sizes[0] ? low + 1 : low, at - (double)low};
}

ar_status run_upsample_bilinear(sim_call *c) {
    const sim_tensor *x = sim_in(c, "x");
    sim_tensor *y = sim_out(c, 0);
    const int r = x->type.rank;
    const int64_t v[] = {x->type.dim[r - 2], y->type.dim[r - 2]};
    const int64_t u[] = {x->type.dim[r - 1], y->type.dim[r - 1]};
    bool how[2]; /* corners aligned; centres of pixels */
    TRY(typing_flag(&c->call, "align_corners", &how[0]));
    how[1] = !how[0];
    if (c->call.opset >= 16 && typing_has(&c->call, "half_pixel_centers"))
        TRY(typing_flag(&c->call, "half_pixel_centers", &how[1]));
    for (int64_t i = 0; i < y->count; i++) {
        const blend row = blend_of(i / u[1] % v[1], v, factor(c, 0), how);
        const blend col = blend_of(i % u[1], u, factor(c, 1), how);
        const sim_cell *p = x->data + i / (u[1] * v[1]) * v[0] * u[0];
        const double a = p[row.low * u[0] + col.low].f;
        const double b = p[row.low * u[0] + col.high].f;
        const double d = p[row.high * u[0] + col.low].f;
        const double e = p[row.high * u[0] + col.high].f;
        const double top = a + (b - a) * col.weight;
        const double low = d + (e - d) * col.weight;
        sim_put(y, i, top + (low - top) * row.weight);
    }
    return AR_OK;
}
