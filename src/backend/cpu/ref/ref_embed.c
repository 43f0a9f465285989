/* ref_embed.c - EMBED and its gradient, rotary positions.
 *
 *   EMBED       y[n] = table[ids[n]], zeros where the id is outside [0, V)
 *   EMBED_DW    dw[v] = base[v] + sum over n with ids[n] = v of dy[n], in the
 *               order of n
 *   ROPE_TABLE  cos, sin [n, i] of positions[n] frequencies[i], times scale
 *   ROPE        (a, b) -> (a cos - b sin, a sin + b cos) for the pairs
 *               (i, i + R/2) of a head, or (2i, 2i + 1) if interleaved
 *
 * The gradient of ROPE turns dy back: sin -> -sin.  Su et al. 2021, eq. 34. */
#include "backend/cpu/ref/ref.h"

/* Row `id` of a table of blocks; y is F32. */
static void embed_blocks(const tensor *table, int64_t id, const tensor *y,
                         int64_t to, int64_t n) {
    enum { PIECE = 256 };
    real x[PIECE];
    for (int64_t i = 0; i < n; i += PIECE) {
        const int64_t m = n - i < PIECE ? n - i : PIECE;
        REF(read_row)(table, id * table->stride[0] + i, m, x, 1);
        for (int64_t k = 0; k < m; k++)
            store(y, to + (i + k) * last_stride(y), x[k]);
    }
}

void REF(EMBED)(const op_call *c) {
    const tensor *table = &c->in[0], *ids = &c->in[1], *y = &c->out[0];
    const int64_t n = last_dim(y);
    for (int64_t r = 0, rows = tensor_count(ids); n > 0 && r < rows; r++) {
        const int64_t id = REF(load_int)(ids, offset_of(ids, r, ids->rank));
        const bool known = id >= 0 && id < table->dim[0];
        if (known && quant_is_block(table->type)) {
            embed_blocks(table, id, y, row_at(y, r), n);
            continue;
        }
        for (int64_t i = 0; i < n; i++) {
            const int64_t to = row_at(y, r) + i * last_stride(y);
            if (known) REF(copy_element)
            (y, to, table, id * table->stride[0] + i * last_stride(table));
            else REF(store_int)(y, to, 0);
        }
    }
}

/* Rows of equal id as lists that rise: head [V], next [N], -1 = end. */
static void list_rows(const tensor *ids, int64_t n_rows, int64_t *head,
                      int64_t n_heads, int64_t *next) {
    for (int64_t v = 0; v < n_heads; v++) head[v] = -1;
    for (int64_t r = n_rows - 1; r >= 0; r--) {
        const int64_t id = REF(load_int)(ids, offset_of(ids, r, ids->rank));
        if (id < 0 || id >= n_heads) continue;
        next[r] = head[id];
        head[id] = r;
    }
}

void REF(EMBED_DW)(const op_call *c) {
    const tensor *ids = &c->in[0], *dy = &c->in[1], *dw = &c->out[0];
    const tensor *base = optional(c, 2);
    const int64_t n_rows = tensor_count(ids), n = last_dim(dw);
    int64_t *head = c->work, *next = head + dw->dim[0];
    real *sum = (real *)(next + n_rows);
    list_rows(ids, n_rows, head, dw->dim[0], next);
    for (int64_t v = 0; v < dw->dim[0]; v++) {
        for (int64_t i = 0; i < n; i++)
            sum[i] =
                base ? load(base, v * base->stride[0] + i * last_stride(base))
                     : 0;
        for (int64_t r = head[v]; r >= 0; r = next[r]) {
            const int64_t from = row_at(dy, r);
            for (int64_t i = 0; i < n; i++)
                sum[i] += load(dy, from + i * last_stride(dy));
        }
        for (int64_t i = 0; i < n; i++)
            store(dw, v * dw->stride[0] + i * last_stride(dw), sum[i]);
    }
}

static double load_double(const tensor *t, int64_t offset) {
    double x = 0;
    type_decode_f64(t->type, at(t, offset), &x, 1);
    return x;
}

/* Angles are products and functions of doubles in both builds: a float
 * position times a frequency is already wrong by 1e-3 at 10,000. */
void REF(ROPE_TABLE)(const op_call *c) {
    const tensor *positions = &c->in[0], *frequencies = &c->in[1];
    const double scale = c->attr->rope_table.scale;
    for (int64_t r = 0; r < positions->dim[0]; r++) {
        const double p = load_double(positions, r * positions->stride[0]);
        for (int64_t i = 0; i < frequencies->dim[0]; i++) {
            const double angle =
                p * load_double(frequencies, i * frequencies->stride[0]);
            for (int k = 0; k < 2; k++) {
                const tensor *y = &c->out[k];
                store(y, r * y->stride[0] + i * y->stride[1],
                      (real)((k ? sin(angle) : cos(angle)) * scale));
            }
        }
    }
}

/* One head: x and y at ax and ay, the angles of its position at acos, asin. */
static void turn(const op_call *c, int64_t ax, int64_t ay, int64_t n) {
    const tensor *x = &c->in[0], *cosines = &c->in[1], *sines = &c->in[2];
    const tensor *y = &c->out[0];
    const struct rope_attr *attr = &c->attr->rope;
    const int64_t half = last_dim(cosines);
    for (int64_t i = 0; i < half; i++) {
        const int64_t first = attr->interleaved ? 2 * i : i;
        const int64_t second = attr->interleaved ? 2 * i + 1 : i + half;
        const real u =
            load(cosines, n * cosines->stride[0] + i * last_stride(cosines));
        const real s =
            load(sines, n * sines->stride[0] + i * last_stride(sines));
        const real v = attr->inverse ? -s : s;
        const real a = load(x, ax + first * last_stride(x));
        const real b = load(x, ax + second * last_stride(x));
        store(y, ay + first * last_stride(y), a * u - b * v);
        store(y, ay + second * last_stride(y), a * v + b * u);
    }
    for (int64_t i = 2 * half; i < last_dim(x); i++) REF(copy_element)
    (y, ay + i * last_stride(y), x, ax + i * last_stride(x));
}

void REF(ROPE)(const op_call *c) {
    const tensor *x = &c->in[0], *y = &c->out[0];
    const int64_t n_heads = x->dim[x->rank - 2];
    const int64_t n_positions = x->dim[x->rank - 3];
    if (n_heads == 0) return;
    for (int64_t r = 0, rows = rows_of(x); r < rows; r++)
        turn(c, row_at(x, r), row_at(y, r), r / n_heads % n_positions);
}
