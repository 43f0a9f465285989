/* mil_sim_window.c - convolutions and pools. */
#include <math.h>
#include <string.h>

#include "backend/ane/mil_sim_int.h"
#include "base/error.h"

ar_status sim_read_window(const sim_call *c, const int64_t *kernel, bool turned,
                          sim_window *w) {
    const mil_type *x = &sim_in(c, "x")->type, *y = &sim_out(c, 0)->type;
    const int n = x->rank - 2, skip = 3 - n;
    char pad_type[MIL_ARG_TEXT];
    mil_list stride, dilation = {.n = n}, pad = {.n = 2 * n};
    mil_arg_rule r;
    TRY(typing_text(&c->call, "pad_type", pad_type));
    TRY(typing_list(&c->call, "strides", n, &stride));
    for (int i = 0; i < n; i++) dilation.v[i] = 1;
    if (mil_find_rule(c->call.signature, "dilations", &r))
        TRY(typing_list(&c->call, "dilations", n, &dilation));
    if (strcmp(pad_type, "custom") == 0)
        TRY(typing_list(&c->call, "pad", 2 * n, &pad));
    for (int i = 0; i < 3; i++) {
        w->in[i] = w->out[i] = w->kernel[i] = w->stride[i] = 1;
        w->dilation[i] = w->padded[i] = 1;
        w->pad[i] = 0;
    }
    double taps = 1;
    for (int i = 0; i < n; i++) taps *= (double)kernel[i];
    if (!(taps >= 1 && taps < 1e9)) /* no engine has 1e3 in one axis */
        return error_set(c->call.err, AR_UNSUPPORTED,
                         "%s: a kernel of %.0f places", c->call.op->kind, taps);
    for (int i = 0; i < n; i++) {
        const int k = i + skip;
        w->in[k] = (turned ? y : x)->dim[2 + i];
        w->out[k] = (turned ? x : y)->dim[2 + i];
        w->kernel[k] = kernel[i];
        w->stride[k] = stride.v[i];
        w->dilation[k] = dilation.v[i];
        w->pad[k] = pad.v[2 * i];
        w->padded[k] = w->in[k] + pad.v[2 * i] + pad.v[2 * i + 1];
        if (strncmp(pad_type, "same", 4) != 0) continue;
        int64_t all = (w->out[k] - 1) * stride.v[i] +
                      (kernel[i] - 1) * dilation.v[i] + 1 - w->in[k];
        if (all < 0) all = 0;
        w->pad[k] = pad_type[4] ? all - all / 2 : all / 2;
        w->padded[k] = w->in[k] + all;
    }
    return AR_OK;
}

/* Coordinates of a packed place. */
static void unpack(int64_t i, const int64_t dim[3], int64_t at[3]) {
    at[2] = i % dim[2];
    at[1] = i / dim[2] % dim[1];
    at[0] = i / dim[2] / dim[1];
}

static int64_t count_of(const int64_t dim[3]) {
    return dim[0] * dim[1] * dim[2];
}

/* The place in the input that place k of the kernel meets for place o of the
 * output; -1 in the padding, -2 behind it. */
static int64_t meets(const sim_window *w, int64_t o, int64_t k) {
    int64_t out[3], tap[3], at = 0;
    bool inside = true;
    unpack(o, w->out, out);
    unpack(k, w->kernel, tap);
    for (int i = 0; i < 3; i++) {
        const int64_t p = out[i] * w->stride[i] + tap[i] * w->dilation[i];
        if (p >= w->padded[i]) return -2;
        const int64_t v = p - w->pad[i];
        inside = inside && v >= 0 && v < w->in[i];
        at = at * w->in[i] + v;
    }
    return inside ? at : -1;
}

/* ---- convolution ---- */

/* Places done at a time, so that what is copied out stays in the cache. */
enum { COLUMNS = 1024 };

/* x's channels [k, n] as the kernel meets them, for n places from `from`. */
static void copy_out(const sim_window *w, const float *x, int64_t channels,
                     int64_t from, int64_t n, float *columns) {
    const int64_t taps = count_of(w->kernel), size = count_of(w->in);
    for (int64_t t = 0; t < taps; t++)
        for (int64_t j = 0; j < n; j++) {
            const int64_t at = meets(w, from + j, t);
            for (int64_t k = 0; k < channels; k++)
                columns[(k * taps + t) * n + j] = at < 0 ? 0 : x[k * size + at];
        }
}

static bool is_plain(const sim_window *w) {
    if (count_of(w->kernel) != 1) return false;
    for (int i = 0; i < 3; i++)
        if (w->stride[i] != 1 || w->padded[i] != w->in[i]) return false;
    return true;
}

/* One image and group: y [O, S] = w [O, K] times what the kernel meets. */
static ar_status conv_group(sim_call *c, const sim_window *w, sim_product p,
                            int64_t channels) {
    const float *x = p.b;
    float *y = p.y, *columns, *part;
    const int64_t places = count_of(w->out);
    if (is_plain(w)) {
        p.n = places;
        if (places > 1) return sim_multiply(c, &p);
        /* One place: the weights, row by row, times a vector. */
        const sim_product turned = {.a = x,
                                    .b = p.a,
                                    .y = y,
                                    .m = 1,
                                    .n = p.m,
                                    .k = p.k,
                                    .b_turned = true};
        return sim_multiply(c, &turned);
    }
    TRY(sim_scratch(c, 2, p.k * COLUMNS, &columns));
    TRY(sim_scratch(c, 3, p.m * COLUMNS, &part));
    for (int64_t from = 0; from < places; from += COLUMNS) {
        p.n = places - from < COLUMNS ? places - from : COLUMNS;
        copy_out(w, x, channels, from, p.n, columns);
        p.b = columns;
        p.y = part;
        TRY(sim_multiply(c, &p));
        for (int64_t o = 0; o < p.m; o++)
            memcpy(&y[o * places + from], &part[o * p.n],
                   sizeof(float) * (size_t)p.n);
    }
    return AR_OK;
}

ar_status run_conv(sim_call *c) {
    const sim_tensor *x = sim_in(c, "x"), *weight = sim_in(c, "weight");
    sim_tensor *y = sim_out(c, 0);
    const float *px, *pw;
    sim_window w;
    int64_t groups;
    TRY(sim_read_window(c, weight->type.dim + 2, false, &w));
    TRY(typing_int(&c->call, "groups", &groups));
    TRY(sim_operand(c, x, 0, &px));
    TRY(sim_operand(c, weight, 1, &pw));
    const int64_t channels = weight->type.dim[1];
    const int64_t outs = weight->type.dim[0] / groups;
    const int64_t k = channels * count_of(w.kernel);
    const int64_t size = count_of(w.in), places = count_of(w.out);
    for (int64_t i = 0; i < x->type.dim[0] * groups; i++) {
        const sim_product p = {.a = pw + i % groups * outs * k,
                               .b = px + i * channels * size,
                               .y = (float *)y->data + i * outs * places,
                               .m = outs,
                               .k = k};
        TRY(conv_group(c, &w, p, channels));
    }
    sim_finish_product(c, y, sim_in(c, "bias"), k,
                       (sim_line){1, weight->type.dim[0], places});
    return AR_OK;
}

/* Each place of x gives its part to the places of y that the kernel meets. */
ar_status run_conv_transpose(sim_call *c) {
    const sim_tensor *x = sim_in(c, "x"), *weight = sim_in(c, "weight");
    sim_tensor *y = sim_out(c, 0);
    const float *px, *pw;
    sim_window w;
    int64_t groups;
    TRY(sim_read_window(c, weight->type.dim + 2, true, &w));
    TRY(typing_int(&c->call, "groups", &groups));
    TRY(sim_operand(c, x, 0, &px));
    TRY(sim_operand(c, weight, 1, &pw));
    const int64_t taps = count_of(w.kernel), size = count_of(w.in);
    const int64_t places = count_of(w.out), in = x->type.dim[1];
    const int64_t outs = weight->type.dim[1], per = in / groups;
    for (int i = 0; i < 3; i++) w.padded[i] = INT64_MAX / 2;
    memset(y->data, 0, sizeof(sim_cell) * (size_t)y->count);
    for (int64_t i = 0; i < x->type.dim[0] * in; i++) {
        const int64_t k = i % in;
        float *to =
            (float *)y->data + (i / in * groups + k / per) * outs * size;
        for (int64_t o = 0; o < places * taps; o++) {
            const int64_t at = meets(&w, o / taps, o % taps);
            if (at < 0) continue;
            for (int64_t j = 0; j < outs; j++)
                to[j * size + at] += px[i * places + o / taps] *
                                     pw[(k * outs + j) * taps + o % taps];
        }
    }
    sim_finish_product(c, y, sim_in(c, "bias"), per * taps,
                       (sim_line){1, outs * groups, size});
    return AR_OK;
}

/* ---- pools ---- */

typedef struct pooling {
    int op;
    bool skip_padding;
} pooling;

static double pool_one(const sim_window *w, const sim_cell *x, int64_t o,
                       pooling how) {
    const int64_t taps = count_of(w->kernel);
    double sum = how.op == MIL_OP_max_pool ? -INFINITY : 0;
    int64_t n = 0;
    for (int64_t k = 0; k < taps; k++) {
        const int64_t at = meets(w, o, k);
        if (at == -2) continue;
        n += at >= 0 || !how.skip_padding;
        if (at < 0) continue;
        const double v = (double)x[at].f;
        if (how.op == MIL_OP_max_pool)
            sum = v > sum ? v : sum;
        else
            sum += how.op == MIL_OP_l2_pool ? v * v : v;
    }
    if (how.op == MIL_OP_avg_pool) return n ? sum / (double)n : 0;
    return how.op == MIL_OP_l2_pool ? sqrt(sum) : sum;
}

ar_status run_pool(sim_call *c) {
    const sim_tensor *x = sim_in(c, "x");
    sim_tensor *y = sim_out(c, 0);
    pooling how = {.op = c->call.op->id};
    mil_list kernel;
    sim_window w;
    TRY(typing_list(&c->call, "kernel_sizes", x->type.rank - 2, &kernel));
    TRY(sim_read_window(c, kernel.v, false, &w));
    if (how.op == MIL_OP_avg_pool)
        TRY(typing_flag(&c->call, "exclude_padding_from_average",
                        &how.skip_padding));
    const int64_t size = count_of(w.in), places = count_of(w.out);
    for (int64_t i = 0; i < y->count; i++)
        y->data[i].f =
            (float)pool_one(&w, x->data + i / places * size, i % places, how);
    return AR_OK;
}
