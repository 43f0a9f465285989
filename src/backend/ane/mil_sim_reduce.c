/* mil_sim_reduce.c - sums and the like over axes, sorting, norms. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backend/ane/mil_sim_int.h"
#include "base/error.h"

/* ---- reductions ---- */

/* The axes that an operation names, or all. */
static ar_status axis_set(const sim_call *c, int rank, bool *set) {
    mil_list axes = {.n = 0};
    const bool all = !typing_has(&c->call, "axes");
    for (int i = 0; i < rank; i++) set[i] = all;
    if (!all) TRY(typing_list(&c->call, "axes", -1, &axes));
    for (int i = 0; i < axes.n; i++) {
        int at;
        TRY(typing_wrap(&c->call, axes.v[i], rank, &at));
        set[at] = true;
    }
    return AR_OK;
}

/* What is kept of x (others have size 1) and what is gone, as shapes. */
typedef struct parts {
    mil_type kept, gone;
    int64_t step[MIL_MAX_DIMS];
} parts;

static parts cut(const mil_type *x, const bool *set) {
    parts p = {.kept = *x, .gone = *x};
    for (int i = 0; i < x->rank; i++) (set[i] ? &p.kept : &p.gone)->dim[i] = 1;
    sim_steps(x, p.step);
    return p;
}

static double join(int op, double sum, double x, double top) {
    switch (op) {
    case MIL_OP_reduce_l1_norm: return sum + fabs(x);
    case MIL_OP_reduce_l2_norm:
    case MIL_OP_reduce_sum_square: return sum + x * x;
    case MIL_OP_reduce_log_sum_exp: return sum + exp(x - top);
    case MIL_OP_reduce_max: return x > sum ? x : sum;
    case MIL_OP_reduce_min: return x < sum ? x : sum;
    case MIL_OP_reduce_prod: return sum * x;
    default: return sum + x;
    }
}

static double seed_of(int op) {
    switch (op) {
    case MIL_OP_reduce_max: return -INFINITY;
    case MIL_OP_reduce_min: return INFINITY;
    case MIL_OP_reduce_prod: return 1;
    default: return 0;
    }
}

static double result_of(int op, double sum, double top, int64_t n) {
    switch (op) {
    case MIL_OP_reduce_l2_norm: return sqrt(sum);
    case MIL_OP_reduce_log_sum: return log(sum);
    case MIL_OP_reduce_log_sum_exp: return top + log(sum);
    case MIL_OP_reduce_mean: return sum / (double)n;
    default: return sum;
    }
}

/* One result: over all of w's places, from `base`. */
static double reduce_one(const sim_tensor *x, int64_t base, sim_walk w,
                         int64_t n, int op) {
    double top = 0, sum = seed_of(op);
    if (op == MIL_OP_reduce_log_sum_exp) {
        sim_walk first = w;
        top = -INFINITY;
        for (int64_t i = 0; i < n; i++, sim_walk_next(&first))
            top = fmax(top, sim_get(x, base + first.at[0]));
        if (isinf(top)) top = 0;
    }
    for (int64_t i = 0; i < n; i++, sim_walk_next(&w))
        sum = join(op, sum, sim_get(x, base + w.at[0]), top);
    return result_of(op, sum, top, n);
}

ar_status run_reduce(sim_call *c) {
    const sim_tensor *x = sim_in(c, "x");
    sim_tensor *y = sim_out(c, 0);
    bool set[MIL_MAX_DIMS];
    TRY(axis_set(c, x->type.rank, set));
    const parts p = cut(&x->type, set);
    sim_walk outer = sim_walk_over(&p.kept), inner = sim_walk_over(&p.gone);
    memcpy(outer.step[0], p.step, sizeof p.step);
    memcpy(inner.step[0], p.step, sizeof p.step);
    const int64_t n = mil_count(&p.gone);
    for (int64_t i = 0; i < y->count; i++, sim_walk_next(&outer))
        sim_put(y, i, reduce_one(x, outer.at[0], inner, n, c->call.op->id));
    return AR_OK;
}

/* ---- order ---- */

/* An index goes through fp16 on the engine. */
static void put_index(const sim_call *c, sim_tensor *t, int64_t at,
                      int64_t index) {
    sim_put(t, at,
            c->level ? sim_round(c->chip, (double)index) : (double)index);
}

ar_status run_reduce_arg(sim_call *c) {
    const sim_tensor *x = sim_in(c, "x");
    sim_tensor *y = sim_out(c, 0);
    int axis;
    TRY(typing_axis(&c->call, "axis", x->type.rank, &axis));
    const sim_line l = sim_line_of(&x->type, axis);
    const double sign = c->call.op->id == MIL_OP_reduce_argmax ? 1 : -1;
    for (int64_t i = 0; i < l.before * l.behind; i++) {
        const int64_t base = i / l.behind * l.n * l.behind + i % l.behind;
        int64_t best = 0;
        for (int64_t k = 1; k < l.n; k++)
            if (sign * sim_get(x, base + k * l.behind) >
                sign * sim_get(x, base + best * l.behind))
                best = k;
        put_index(c, y, i, best);
    }
    return AR_OK;
}

typedef struct ranked {
    double key;
    int64_t index;
} ranked;

/* Equal keys stay in order. */
static int by_key(const void *a, const void *b) {
    const ranked *x = a, *y = b;
    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

/* Sorts line i of x into r. */
static void sort_line(const sim_tensor *x, sim_line l, int64_t base,
                      bool ascending, ranked *r) {
    for (int64_t k = 0; k < l.n; k++) {
        const double v = sim_get(x, base + k * l.behind);
        r[k] = (ranked){ascending ? v : -v, k};
    }
    qsort(r, (size_t)l.n, sizeof *r, by_key);
}

static int by_index(const void *a, const void *b) {
    const ranked *x = a, *y = b;
    return x->index < y->index ? -1 : x->index > y->index;
}

/* The first k of each sorted line: values (or NULL) and indices (or NULL). */
static ar_status sorted(sim_call *c, int64_t k, bool in_order,
                        sim_tensor *values, sim_tensor *indices) {
    const sim_tensor *x = sim_in(c, "x");
    int axis;
    bool ascending;
    float *room;
    TRY(typing_axis(&c->call, "axis", x->type.rank, &axis));
    TRY(typing_flag(&c->call, "ascending", &ascending));
    const sim_line l = sim_line_of(&x->type, axis);
    TRY(sim_scratch(c, 0, l.n * (int64_t)(sizeof(ranked) / sizeof(float)),
                    &room));
    ranked *r = (ranked *)(void *)room;
    if (k < 0) k = l.n;
    for (int64_t i = 0; i < l.before * l.behind; i++) {
        const int64_t row = i / l.behind, at = i % l.behind;
        const int64_t base = row * l.n * l.behind + at;
        sort_line(x, l, base, ascending, r);
        if (!in_order) qsort(r, (size_t)k, sizeof *r, by_index);
        for (int64_t j = 0; j < k; j++) {
            const int64_t to = (row * k + j) * l.behind + at;
            if (values)
                values->data[to] = x->data[base + r[j].index * l.behind];
            if (indices) put_index(c, indices, to, r[j].index);
        }
    }
    return AR_OK;
}

ar_status run_argsort(sim_call *c) {
    return sorted(c, -1, true, NULL, sim_out(c, 0));
}

ar_status run_topk(sim_call *c) {
    int64_t k;
    bool sort = true;
    TRY(typing_int(&c->call, "k", &k));
    if (c->call.opset >= 16) TRY(typing_flag(&c->call, "sort", &sort));
    return sorted(c, k, sort, sim_out(c, 0),
                  c->call.op->n_outs > 1 ? sim_out(c, 1) : NULL);
}

ar_status run_cumsum(sim_call *c) {
    const sim_tensor *x = sim_in(c, "x");
    sim_tensor *y = sim_out(c, 0);
    int axis;
    bool exclusive, reverse;
    TRY(typing_axis(&c->call, "axis", x->type.rank, &axis));
    TRY(typing_flag(&c->call, "exclusive", &exclusive));
    TRY(typing_flag(&c->call, "reverse", &reverse));
    const sim_line l = sim_line_of(&x->type, axis);
    for (int64_t i = 0; i < l.before * l.behind; i++) {
        const int64_t base = i / l.behind * l.n * l.behind + i % l.behind;
        double sum = 0;
        for (int64_t k = 0; k < l.n; k++) {
            const int64_t at = base + (reverse ? l.n - 1 - k : k) * l.behind;
            const double v = sim_get(x, at);
            sim_put(y, at, exclusive ? sum : sum + v);
            sum += v;
        }
    }
    return AR_OK;
}

/* ---- norms ---- */

ar_status run_softmax(sim_call *c) {
    const sim_tensor *x = sim_in(c, "x");
    sim_tensor *y = sim_out(c, 0);
    int axis;
    TRY(typing_axis(&c->call, "axis", x->type.rank, &axis));
    const sim_line l = sim_line_of(&x->type, axis);
    for (int64_t i = 0; i < l.before * l.behind; i++) {
        const int64_t base = i / l.behind * l.n * l.behind + i % l.behind;
        float top = -INFINITY;
        double sum = 0;
        for (int64_t k = 0; k < l.n; k++)
            top = fmaxf(top, x->data[base + k * l.behind].f);
        for (int64_t k = 0; k < l.n; k++) {
            const int64_t at = base + k * l.behind;
            y->data[at].f = expf(x->data[at].f - top);
            sum += y->data[at].f;
        }
        for (int64_t k = 0; k < l.n; k++) {
            const int64_t at = base + k * l.behind;
            y->data[at].f = (float)(y->data[at].f / sum);
        }
    }
    return AR_OK;
}

/* x has channels in its second axis, and each of the arguments that is there
 * one number for each, or one for all. */
static ar_status check_channels(const sim_call *c, const char *const *keys) {
    const sim_tensor *x = sim_in(c, "x");
    if (x->type.rank < 2)
        return typing_bad(&c->call, "x has rank %d, below 2", x->type.rank);
    for (; *keys; keys++) {
        const sim_tensor *t = sim_in(c, *keys);
        if (t && t->count != 1 && t->count != x->type.dim[1])
            return typing_bad(&c->call,
                              "%s has %lld elements for %lld channels", *keys,
                              (long long)t->count, (long long)x->type.dim[1]);
    }
    return AR_OK;
}

static const char *const affine_keys[] = {"mean", "variance", "gamma", "beta",
                                          NULL};

static double gain(const sim_tensor *t, int64_t i, double absent) {
    return t ? sim_get(t, t->count == 1 ? 0 : i) : absent;
}

ar_status run_batch_norm(sim_call *c) {
    const sim_tensor *x = sim_in(c, "x");
    const sim_tensor *mean = sim_in(c, "mean"), *var = sim_in(c, "variance");
    const sim_tensor *gamma = sim_in(c, "gamma"), *beta = sim_in(c, "beta");
    sim_tensor *y = sim_out(c, 0);
    const double eps = sim_number(c, "epsilon");
    TRY(check_channels(c, affine_keys));
    const sim_line l = sim_line_of(&x->type, 1);
    for (int64_t i = 0; i < x->count; i++) {
        const int64_t k = i / l.behind % l.n;
        const double scale = gain(gamma, k, 1) / sqrt(gain(var, k, 1) + eps);
        sim_put(y, i,
                (sim_get(x, i) - gain(mean, k, 0)) * scale + gain(beta, k, 0));
    }
    return AR_OK;
}

/* Mean and 1 / sqrt(variance + eps) of the n places of w from base. */
static void moments(const sim_tensor *x, int64_t base, sim_walk w, double eps,
                    double out[2]) {
    const sim_walk start = w;
    double sum = 0, square = 0;
    int64_t n = 1;
    for (int i = 0; i < w.rank; i++) n *= w.dim[i];
    for (int64_t i = 0; i < n; i++, sim_walk_next(&w))
        sum += sim_get(x, base + w.at[0]);
    out[0] = sum / (double)n;
    w = start;
    for (int64_t i = 0; i < n; i++, sim_walk_next(&w)) {
        const double d = sim_get(x, base + w.at[0]) - out[0];
        square += d * d;
    }
    out[1] = 1 / sqrt(square / (double)n + eps);
}

ar_status run_layer_norm(sim_call *c) {
    const sim_tensor *x = sim_in(c, "x");
    const sim_tensor *gamma = sim_in(c, "gamma"), *beta = sim_in(c, "beta");
    sim_tensor *y = sim_out(c, 0);
    const double eps = sim_number(c, "epsilon");
    bool set[MIL_MAX_DIMS];
    TRY(axis_set(c, x->type.rank, set));
    const parts p = cut(&x->type, set);
    sim_walk outer = sim_walk_over(&p.kept), inner = sim_walk_over(&p.gone);
    memcpy(outer.step[0], p.step, sizeof p.step);
    memcpy(inner.step[0], p.step, sizeof p.step);
    const int64_t rows = mil_count(&p.kept), n = mil_count(&p.gone);
    for (int64_t i = 0; i < rows && n; i++, sim_walk_next(&outer)) {
        double m[2];
        moments(x, outer.at[0], inner, eps, m);
        sim_walk w = inner;
        for (int64_t k = 0; k < n; k++, sim_walk_next(&w)) {
            const int64_t at = outer.at[0] + w.at[0];
            sim_put(y, at,
                    (sim_get(x, at) - m[0]) * m[1] * gain(gamma, k, 1) +
                        gain(beta, k, 0));
        }
    }
    return AR_OK;
}

/* x [N, C, ...]: over all but the first two. */
ar_status run_instance_norm(sim_call *c) {
    const sim_tensor *x = sim_in(c, "x");
    const sim_tensor *gamma = sim_in(c, "gamma"), *beta = sim_in(c, "beta");
    sim_tensor *y = sim_out(c, 0);
    const double eps = sim_number(c, sim_in(c, "eps") ? "eps" : "epsilon");
    TRY(check_channels(c, affine_keys));
    const sim_line l = sim_line_of(&x->type, 1);
    sim_walk w = {.rank = 1, .dim = {l.behind}, .step = {{1}}};
    for (int64_t i = 0; i < l.before * l.n && l.behind; i++) {
        double m[2];
        moments(x, i * l.behind, w, eps, m);
        for (int64_t k = i * l.behind; k < (i + 1) * l.behind; k++)
            sim_put(y, k,
                    (sim_get(x, k) - m[0]) * m[1] * gain(gamma, i % l.n, 1) +
                        gain(beta, i % l.n, 0));
    }
    return AR_OK;
}

/* Over the last three axes. */
ar_status run_l2_norm(sim_call *c) {
    const sim_tensor *x = sim_in(c, "x");
    sim_tensor *y = sim_out(c, 0);
    const double eps = sim_number(c, "epsilon");
    const int r = x->type.rank;
    const int64_t n =
        x->type.dim[r - 1] * x->type.dim[r - 2] * x->type.dim[r - 3];
    for (int64_t i = 0; n && i < x->count; i += n) {
        double sum = 0;
        for (int64_t k = i; k < i + n; k++)
            sum += sim_get(x, k) * sim_get(x, k);
        for (int64_t k = i; k < i + n; k++)
            sim_put(y, k, sim_get(x, k) / sqrt(sum + eps));
    }
    return AR_OK;
}

/* Each channel by the squares of `size` channels around it. */
ar_status run_local_response_norm(sim_call *c) {
    const sim_tensor *x = sim_in(c, "x");
    sim_tensor *y = sim_out(c, 0);
    int64_t size;
    TRY(check_channels(c, affine_keys + 4));
    TRY(typing_int(&c->call, "size", &size));
    if (size < 1)
        return typing_bad(&c->call, "a size of %lld", (long long)size);
    const double alpha = sim_number(c, "alpha"), beta = sim_number(c, "beta");
    const double k0 = sim_number(c, "k");
    const sim_line l = sim_line_of(&x->type, 1);
    for (int64_t i = 0; i < x->count; i++) {
        const int64_t k = i / l.behind % l.n;
        double sum = 0;
        const int64_t first = k - size / 2 > 0 ? k - size / 2 : 0;
        for (int64_t j = first; j <= k + (size - 1) / 2 && j < l.n; j++) {
            const double v = sim_get(x, i + (j - k) * l.behind);
            sum += v * v;
        }
        sim_put(y, i,
                sim_get(x, i) / pow(k0 + alpha * sum / (double)size, beta));
    }
    return AR_OK;
}
