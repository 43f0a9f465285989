/* mil_sim_move.c - operations that only move elements: shapes, slices, joins.
 */
#include <math.h>
#include <string.h>

#include "backend/ane/mil_sim_call.h"
#include "base/error.h"

/* y's elements, in order, are x's at base + index . step over `dim`. */
static void take(const sim_tensor *x, int64_t base, sim_walk w, sim_tensor *y) {
    for (int64_t i = 0; i < y->count; i++, sim_walk_next(&w))
        y->data[i] = x->data[base + w.at[0]];
}

ar_status run_transpose(sim_call *c) {
    const sim_tensor *x = sim_in(c, "x");
    sim_tensor *y = sim_out(c, 0);
    mil_list perm;
    int64_t step[MIL_MAX_DIMS];
    TRY(typing_list(&c->call, "perm", x->type.rank, &perm));
    sim_walk w = sim_walk_over(&y->type);
    sim_steps(&x->type, step);
    for (int i = 0; i < x->type.rank; i++) {
        int at;
        TRY(typing_wrap(&c->call, perm.v[i], x->type.rank, &at));
        w.step[0][i] = step[at];
    }
    take(x, 0, w, y);
    return AR_OK;
}

ar_status run_shape(sim_call *c) {
    const sim_tensor *x = sim_in(c, "x");
    for (int i = 0; i < x->type.rank; i++)
        sim_put(sim_out(c, 0), i, (double)x->type.dim[i]);
    return AR_OK;
}

ar_status run_reverse(sim_call *c) {
    const sim_tensor *x = sim_in(c, "x");
    const int r = x->type.rank;
    mil_list axes = {.n = r};
    sim_walk w = sim_walk_over(&x->type);
    int64_t base = 0;
    for (int i = 0; i < r; i++) axes.v[i] = i;
    if (typing_has(&c->call, "axes"))
        TRY(typing_list(&c->call, "axes", -1, &axes));
    sim_steps(&x->type, w.step[0]);
    for (int i = 0; i < axes.n; i++) {
        int at;
        TRY(typing_wrap(&c->call, axes.v[i], r, &at));
        if (w.step[0][at] < 0) continue;
        base += w.step[0][at] * (x->type.dim[at] - 1);
        w.step[0][at] = -w.step[0][at];
    }
    take(x, base, w, sim_out(c, 0));
    return AR_OK;
}

ar_status run_reverse_sequence(sim_call *c) {
    const sim_tensor *x = sim_in(c, "x"), *lengths = sim_in(c, "lengths");
    sim_tensor *y = sim_out(c, 0);
    int seq, batch;
    TRY(typing_axis(&c->call, "seq_axis", x->type.rank, &seq));
    TRY(typing_axis(&c->call, "batch_axis", x->type.rank, &batch));
    sim_walk w = sim_walk_over(&x->type);
    int64_t step[MIL_MAX_DIMS];
    sim_steps(&x->type, step);
    if (lengths->count < x->type.dim[batch])
        return typing_bad(&c->call, "lengths has %lld elements",
                          (long long)lengths->count);
    for (int64_t i = 0; i < x->count; i++, sim_walk_next(&w)) {
        const int64_t n = lengths->data[w.index[batch]].i, k = w.index[seq];
        if (n < 0 || n > x->type.dim[seq])
            return typing_bad(&c->call, "a length of %lld", (long long)n);
        y->data[i] = x->data[k < n ? i + (n - 1 - 2 * k) * step[seq] : i];
    }
    return AR_OK;
}

ar_status run_band_part(sim_call *c) {
    const sim_tensor *x = sim_in(c, "x");
    sim_tensor *y = sim_out(c, 0);
    int64_t lower, upper;
    TRY(typing_int(&c->call, "lower", &lower));
    TRY(typing_int(&c->call, "upper", &upper));
    const int r = x->type.rank;
    if (r < 2) return typing_bad(&c->call, "x has rank %d, below 2", r);
    const int64_t rows = x->type.dim[r - 2], columns = x->type.dim[r - 1];
    for (int64_t i = 0; i < x->count; i++) {
        const int64_t n = i % columns, m = i / columns % rows;
        const bool in =
            (lower < 0 || m - n <= lower) && (upper < 0 || n - m <= upper);
        y->data[i] = in ? x->data[i] : (sim_cell){.i = 0};
    }
    return AR_OK;
}

/* ---- images ---- */

static ar_status factor_of(const sim_call *c, int64_t *f) {
    static const char *const keys[] = {"block_size", "upscale_factor",
                                       "downscale_factor"};
    for (int i = 0; i < 3; i++)
        if (typing_has(&c->call, keys[i]))
            return typing_int(&c->call, keys[i], f);
    return typing_bad(&c->call, "no factor");
}

/* Between an image of blocks and channels.  The channel of place (i, j) of a
 * block and channel k of C is (i f + j) C + k for space_to_depth and its
 * inverse, (k f + i) f + j for the pixel operations. */
ar_status run_depth(sim_call *c) {
    const int op = c->call.op->id;
    const sim_tensor *x = sim_in(c, "x");
    sim_tensor *y = sim_out(c, 0);
    const bool down =
        op == MIL_OP_space_to_depth || op == MIL_OP_pixel_unshuffle;
    const bool pixels =
        op == MIL_OP_pixel_shuffle || op == MIL_OP_pixel_unshuffle;
    int64_t f;
    TRY(factor_of(c, &f));
    const sim_tensor *image = down ? x : y;
    const int64_t channels = image->type.dim[1], h = image->type.dim[2];
    const int64_t w = image->type.dim[3];
    sim_walk at = sim_walk_over(&image->type);
    for (int64_t i = 0; i < x->count; i++, sim_walk_next(&at)) {
        const int64_t k = at.index[1], row = at.index[2], col = at.index[3];
        const int64_t place = row % f * f + col % f;
        const int64_t deep = pixels ? k * f * f + place : place * channels + k;
        const int64_t j =
            ((at.index[0] * channels * f * f + deep) * (h / f) + row / f) *
                (w / f) +
            col / f;
        if (down)
            y->data[j] = x->data[i];
        else
            y->data[i] = x->data[j];
    }
    return AR_OK;
}

/* Place (row, column) of image n is in image (i f1 + j) N + n. */
static ar_status between_batch(sim_call *c, const char *edges, bool to_batch) {
    const sim_tensor *x = sim_in(c, "x");
    sim_tensor *y = sim_out(c, 0);
    mil_list block, edge;
    TRY(typing_list(&c->call, "block_shape", 2, &block));
    TRY(typing_list(&c->call, edges, 4, &edge));
    const sim_tensor *whole = to_batch ? x : y, *cut = to_batch ? y : x;
    const mil_type *d = &cut->type;
    sim_walk at = sim_walk_over(&whole->type);
    if (to_batch) memset(y->data, 0, sizeof(sim_cell) * (size_t)y->count);
    for (int64_t i = 0; i < whole->count; i++, sim_walk_next(&at)) {
        const int64_t row = at.index[2] + edge.v[0];
        const int64_t col = at.index[3] + edge.v[2];
        const int64_t n = (row % block.v[0] * block.v[1] + col % block.v[1]) *
                              whole->type.dim[0] +
                          at.index[0];
        const int64_t j =
            ((n * d->dim[1] + at.index[1]) * d->dim[2] + row / block.v[0]) *
                d->dim[3] +
            col / block.v[1];
        if (to_batch)
            y->data[j] = x->data[i];
        else
            y->data[i] = x->data[j];
    }
    return AR_OK;
}

ar_status run_space_to_batch(sim_call *c) {
    return between_batch(c, "paddings", true);
}

ar_status run_batch_to_space(sim_call *c) {
    return between_batch(c, "crops", false);
}

ar_status run_sliding_windows(sim_call *c) {
    const sim_tensor *x = sim_in(c, "x");
    sim_tensor *y = sim_out(c, 0);
    int axis;
    int64_t stride, step[MIL_MAX_DIMS];
    TRY(typing_axis(&c->call, "axis", x->type.rank, &axis));
    TRY(typing_int(&c->call, "stride", &stride));
    sim_steps(&x->type, step);
    sim_walk w = sim_walk_over(&y->type);
    for (int i = 0; i < y->type.rank; i++)
        w.step[0][i] =
            i <= axis ? step[i] * (i == axis ? stride : 1) : step[i - 1];
    take(x, 0, w, y);
    return AR_OK;
}

ar_status run_crop(sim_call *c) {
    static const char *const keys[] = {"crop_height", "crop_width"};
    const sim_tensor *x = sim_in(c, "x");
    sim_tensor *y = sim_out(c, 0);
    sim_walk w = sim_walk_over(&y->type);
    int64_t base = 0;
    sim_steps(&x->type, w.step[0]);
    for (int k = 0; k < 2; k++) {
        mil_list cut;
        TRY(typing_list(&c->call, keys[k], 2, &cut));
        base += cut.v[0] * w.step[0][x->type.rank - 2 + k];
    }
    take(x, base, w, y);
    return AR_OK;
}

/* ---- repeating and filling ---- */

ar_status run_tile(sim_call *c) {
    const sim_tensor *x = sim_in(c, "x");
    sim_tensor *y = sim_out(c, 0);
    int64_t step[MIL_MAX_DIMS];
    sim_steps(&x->type, step);
    sim_walk w = sim_walk_over(&y->type);
    for (int64_t i = 0; i < y->count; i++, sim_walk_next(&w)) {
        int64_t at = 0;
        for (int k = 0; k < x->type.rank; k++)
            at += w.index[k] % x->type.dim[k] * step[k];
        y->data[i] = x->data[at];
    }
    return AR_OK;
}

/* Where place i of a padded axis of n comes from; -1: from nowhere. */
static int64_t mirrored(int64_t i, int64_t n, char mode) {
    if (i >= 0 && i < n) return i;
    if (mode == 'c') return -1;
    if (mode == 'e') return i < 0 ? 0 : n - 1; /* replicate */
    const int64_t turn = 2 * (n - 1);
    if (turn == 0) return 0;
    i = ((i % turn) + turn) % turn;
    return i < n ? i : turn - i;
}

ar_status run_pad(sim_call *c) {
    const sim_tensor *x = sim_in(c, "x");
    sim_tensor *y = sim_out(c, 0);
    char mode[MIL_ARG_TEXT];
    mil_list pad;
    int64_t step[MIL_MAX_DIMS];
    TRY(typing_text(&c->call, "mode", mode));
    TRY(typing_list(&c->call, "pad", -1, &pad));
    /* reflect and replicate differ in their third letter */
    const char how = mode[0] == 'c' ? 'c' : mode[2] == 'p' ? 'e' : 'r';
    const int r = x->type.rank, first = r - pad.n / 2;
    const double value = sim_number(c, "constant_val");
    sim_steps(&x->type, step);
    sim_walk w = sim_walk_over(&y->type);
    for (int64_t i = 0; i < y->count; i++, sim_walk_next(&w)) {
        int64_t at = 0;
        for (int k = 0; k < r && at >= 0; k++) {
            const int64_t before = k < first ? 0 : pad.v[2 * (k - first)];
            const int64_t from =
                mirrored(w.index[k] - before, x->type.dim[k], how);
            at = from < 0 ? -1 : at + from * step[k];
        }
        if (at >= 0)
            y->data[i] = x->data[at];
        else
            sim_put(y, i, value);
    }
    return AR_OK;
}

ar_status run_fill(sim_call *c) {
    sim_tensor *y = sim_out(c, 0);
    const double v = sim_number(c, "value");
    for (int64_t i = 0; i < y->count; i++) sim_put(y, i, v);
    return AR_OK;
}

ar_status run_range_1d(sim_call *c) {
    sim_tensor *y = sim_out(c, 0);
    const double start = sim_number(c, "start"), step = sim_number(c, "step");
    for (int64_t i = 0; i < y->count; i++)
        sim_put(y, i, start + step * (double)i);
    return AR_OK;
}

ar_status run_one_hot(sim_call *c) {
    const sim_tensor *x = sim_in(c, "indices");
    sim_tensor *y = sim_out(c, 0);
    int axis;
    TRY(typing_axis(&c->call, "axis", y->type.rank, &axis));
    const sim_line l = sim_line_of(&y->type, axis);
    const double on = sim_number(c, "on_value");
    const double off = sim_number(c, "off_value");
    for (int64_t i = 0; i < y->count; i++) {
        const int64_t k = i / l.behind % l.n;
        const int64_t at = i / (l.behind * l.n) * l.behind + i % l.behind;
        sim_put(y, i, x->data[at].i == k ? on : off);
    }
    return AR_OK;
}

/* ---- joining and parting ---- */

/* Copies `n` places of an axis of src, from `from` on, to `to` of dst;
 * in dst they are `every` apart. */
static void copy_places(const sim_tensor *src, sim_line s, int64_t from,
                        sim_tensor *dst, sim_line d, const int64_t span[3]) {
    const int64_t n = span[0], to = span[1], every = span[2];
    for (int64_t b = 0; b < s.before; b++)
        for (int64_t k = 0; k < n; k++)
            memcpy(&dst->data[(b * d.n + to + k * every) * d.behind],
                   &src->data[(b * s.n + from + k) * s.behind],
                   sizeof(sim_cell) * (size_t)s.behind);
}

ar_status run_concat(sim_call *c) {
    sim_tensor *y = sim_out(c, 0);
    const int n = sim_in_count(c, "values");
    int axis;
    bool interleave;
    int64_t to = 0;
    TRY(typing_axis(&c->call, "axis", y->type.rank, &axis));
    TRY(typing_flag(&c->call, "interleave", &interleave));
    const sim_line d = sim_line_of(&y->type, axis);
    for (int i = 0; i < n; i++) {
        const sim_tensor *x = sim_in_list(c, "values", i);
        sim_line s = {1, 1, 1};
        if (x->type.rank) s = sim_line_of(&x->type, axis);
        const int64_t span[] = {s.n, interleave ? i : to, interleave ? n : 1};
        copy_places(x, s, 0, y, d, span);
        to += s.n;
    }
    return AR_OK;
}

ar_status run_stack(sim_call *c) {
    sim_tensor *y = sim_out(c, 0);
    int axis;
    TRY(typing_axis(&c->call, "axis", y->type.rank, &axis));
    const sim_line d = sim_line_of(&y->type, axis);
    const sim_line s = {d.before, 1, d.behind};
    for (int i = 0; i < sim_in_count(c, "values"); i++)
        copy_places(sim_in_list(c, "values", i), s, 0, y, d,
                    (const int64_t[]){1, i, 1});
    return AR_OK;
}

ar_status run_split(sim_call *c) {
    const sim_tensor *x = sim_in(c, "x");
    int axis;
    int64_t from = 0;
    TRY(typing_axis(&c->call, "axis", x->type.rank, &axis));
    const sim_line s = sim_line_of(&x->type, axis);
    for (int i = 0; i < c->call.op->n_outs; i++) {
        sim_tensor *y = sim_out(c, i);
        const sim_line d = sim_line_of(&y->type, axis);
        copy_places(x, s, from, y, d, (const int64_t[]){d.n, 0, 1});
        from += d.n;
    }
    return AR_OK;
}

/* ---- slices ---- */

/* The engine keeps what it takes from inside the last axis in fixed point
 * with four bits behind the point: large numbers do not fit. */
static void fixed_point(const sim_call *c, int64_t begin, sim_tensor *y) {
    if (!c->level || !c->chip->q4_slice || begin == 0) return;
    if (!sim_is_real(y->type.dtype)) return;
    for (int64_t i = 0; i < y->count; i++)
        if (fabsf(y->data[i].f) > 4094)
            y->data[i].f = copysignf(INFINITY, y->data[i].f);
}

/* A slice as a walk over the axes that are kept. */
typedef struct slice {
    sim_walk w;
    int64_t base, last; /* last: begin in the last axis */
} slice;

static ar_status read_flags(const sim_call *c, const char *key, int n,
                            mil_list *l) {
    *l = (mil_list){.n = n};
    return typing_has(&c->call, key) ? typing_list(&c->call, key, n, l) : AR_OK;
}

static ar_status read_slice(const sim_call *c, const mil_type *x,
                            const mil_type *kept, slice *s) {
    const int r = x->rank;
    mil_list begin, stride = {.n = r}, open, squeeze;
    int64_t step[MIL_MAX_DIMS];
    int n = 0;
    TRY(typing_list(&c->call, "begin", r, &begin));
    for (int i = 0; i < r; i++) stride.v[i] = 1;
    if (typing_has(&c->call, "stride"))
        TRY(typing_list(&c->call, "stride", r, &stride));
    TRY(read_flags(c, "begin_mask", r, &open));
    TRY(read_flags(c, "squeeze_mask", r, &squeeze));
    *s = (slice){.w = sim_walk_over(kept)};
    sim_steps(x, step);
    for (int i = 0; i < r; i++) {
        const int64_t size = x->dim[i], high = size - 1;
        int64_t b = begin.v[i] < 0 ? begin.v[i] + size : begin.v[i];
        if (open.v[i]) b = stride.v[i] > 0 ? 0 : high;
        if (b > high) b = stride.v[i] > 0 && !squeeze.v[i] ? size : high;
        if (b < 0) b = 0;
        s->base += b * step[i];
        s->last = b;
        if (!squeeze.v[i]) s->w.step[0][n++] = step[i] * stride.v[i];
    }
    return AR_OK;
}

ar_status run_slice_by_index(sim_call *c) {
    const sim_tensor *x = sim_in(c, "x");
    sim_tensor *y = sim_out(c, 0);
    slice s;
    TRY(read_slice(c, &x->type, &y->type, &s));
    take(x, s.base, s.w, y);
    fixed_point(c, s.last, y);
    return AR_OK;
}

ar_status run_slice_update(sim_call *c) {
    const sim_tensor *x = sim_in(c, "x"), *update = sim_in(c, "update");
    sim_tensor *y = sim_out(c, 0);
    slice s;
    TRY(read_slice(c, &x->type, &update->type, &s));
    memcpy(y->data, x->data, sizeof(sim_cell) * (size_t)x->count);
    for (int64_t i = 0; i < update->count; i++, sim_walk_next(&s.w))
        y->data[s.base + s.w.at[0]] = update->data[i];
    return AR_OK;
}

ar_status run_slice_by_size(sim_call *c) {
    const sim_tensor *x = sim_in(c, "x"), *begin = sim_in(c, "begin");
    sim_tensor *y = sim_out(c, 0);
    sim_walk w = sim_walk_over(&y->type);
    int64_t base = 0, last = 0;
    sim_steps(&x->type, w.step[0]);
    for (int i = 0; i < x->type.rank; i++) {
        const int64_t n = x->type.dim[i];
        last = begin->data[i].i < 0 ? begin->data[i].i + n : begin->data[i].i;
        if (last < 0 || last > n - y->type.dim[i])
            return error_set(c->call.err, AR_RANGE,
                             "slice_by_size: %lld from %d of %lld in axis %d",
                             (long long)y->type.dim[i], begin->data[i].i,
                             (long long)n, i);
        base += last * w.step[0][i];
    }
    take(x, base, w, y);
    fixed_point(c, last, y);
    return AR_OK;
}

/* ---- states ---- */

ar_status run_read_state(sim_call *c) {
    const sim_tensor *x = sim_in(c, "input");
    memcpy(sim_out(c, 0)->data, x->data, sizeof(sim_cell) * (size_t)x->count);
    return AR_OK;
}

static void write_cells(const sim_tensor *state, const sim_tensor *x) {
    memcpy(state->data, x->data, sizeof(sim_cell) * (size_t)x->count);
}

ar_status run_write_state(sim_call *c) {
    write_cells(sim_in(c, "input"), sim_in(c, "data"));
    return AR_OK;
}

ar_status run_update_state(sim_call *c) {
    write_cells(sim_in(c, "state"), sim_in(c, "value"));
    write_cells(sim_out(c, 0), sim_in(c, "value"));
    return AR_OK;
}
