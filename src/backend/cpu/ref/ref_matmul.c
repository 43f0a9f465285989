/* ref_matmul.c - MATMUL, and products by a matrix that each row chooses.
 *
 *   y[.., m, n] = sum_k a[.., m, k] b[.., k, n] + bias[n]
 *
 * da = dy b^T, db = a^T dy, dbias = sum over rows of dy: products and sums
 * again, so there is no backward kernel.  Operands are first rounded to the
 * type matmul.compute; every sum runs over k from 0 up, then adds the bias.
 * PANEL columns of b are gathered side by side in work, so that any layout of
 * b is walked once; it changes no order of additions.
 *
 * Blocks of b lie along k or along n.  With matmul_attr.act8 and blocks along k
 * that have levels, the sum is the chain of quant/levels.h, here and in
 * MATMUL_EXPERTS.
 *
 *   MATMUL_EXPERTS     y[n, i, f] = sum_k x[n, i, k] w[ids[n, i], k, f]
 *   MATMUL_EXPERTS_DW  dw[e, a, b] = sum over (n, i) with ids[n, i] = e, in
 *                      order, of a[n, i, a] b[n, i, b] */
#include "backend/cpu/ref/ref.h"
#include "quant/levels.h"

/* ORDER: ref_work.c */
enum { PANEL = 8 };

/* Columns of blocks that lie along the columns: every row of the panel is a
 * part of one block. */
static void gather_across(const tensor *b, int64_t offset, real *panel) {
    const int64_t rows = b->dim[b->rank - 2], step = b->stride[b->rank - 2];
    const int64_t block = quant_block(b->type), inside = offset % block;
    real row[QUANT_MOST_BLOCK];
    for (int64_t k = 0; k < rows; k++) {
        REF(read_row)(b, offset - inside + k * step, block, row, 1);
        for (int j = 0; j < PANEL; j++) panel[k * PANEL + j] = row[inside + j];
    }
}

static void gather_blocks(const tensor *b, int64_t offset, int width,
                          int compute, real *panel) {
    const int64_t rows = b->dim[b->rank - 2];
    if (!tensor_blocks_along_k(b))
        gather_across(b, offset, panel);
    else
        for (int j = 0; j < width; j++) REF(read_row)
    (b, offset + j * last_stride(b), rows, panel + j, PANEL);
    for (int64_t k = 0; k < rows; k++)
        for (int j = 0; j < PANEL; j++) {
            real *x = &panel[k * PANEL + j];
            *x = j < width ? rounded(compute, *x) : 0;
        }
}

static void gather_panel(const tensor *b, int64_t offset, int width,
                         int compute, real *panel) {
    const int64_t rows = b->dim[b->rank - 2], step = b->stride[b->rank - 2];
    if (quant_is_block(b->type)) {
        gather_blocks(b, offset, width, compute, panel);
        return;
    }
    for (int64_t k = 0; k < rows; k++)
        for (int j = 0; j < PANEL; j++)
            panel[k * PANEL + j] =
                j < width
                    ? rounded(compute,
                              load(b, offset + k * step + j * last_stride(b)))
                    : 0;
}

static const real *read_row(const tensor *a, int64_t offset, int compute,
                            real *row) {
    const int64_t n = last_dim(a);
    if (compute != AR_BF16 && compute != AR_F16)
        return REF(read)(a, offset, last_stride(a), n, row);
    for (int64_t k = 0; k < n; k++)
        row[k] = rounded(compute, load(a, offset + k * last_stride(a)));
    return row;
}

static void row_by_panel(int64_t n, const real *row, const real *panel,
                         real *sum) {
    for (int j = 0; j < PANEL; j++) sum[j] = 0;
    for (int64_t k = 0; k < n; k++)
        for (int j = 0; j < PANEL; j++) sum[j] += row[k] * panel[k * PANEL + j];
}

/* One product of the batch, given by the offsets of its operands. */
static void multiply(const op_call *c, int64_t at_a, int64_t at_b,
                     int64_t at_y) {
    const tensor *a = &c->in[0], *b = &c->in[1], *y = &c->out[0];
    const tensor *bias = optional(c, 2);
    const int64_t n_rows = a->dim[a->rank - 2], n_inner = last_dim(a);
    const int64_t n_columns = last_dim(b);
    const int compute = c->attr->matmul.compute;
    real *panel = c->work, *scratch = panel + PANEL * n_inner, sum[PANEL];
    for (int64_t n = 0; n < n_columns; n += PANEL) {
        const int width = (int)(n_columns - n < PANEL ? n_columns - n : PANEL);
        gather_panel(b, at_b + n * last_stride(b), width, compute, panel);
        for (int64_t m = 0; m < n_rows; m++) {
            const real *row = read_row(a, at_a + m * a->stride[a->rank - 2],
                                       compute, scratch);
            row_by_panel(n_inner, row, panel, sum);
            const int64_t to = at_y + m * y->stride[y->rank - 2];
            for (int j = 0; j < width; j++) {
                if (bias) sum[j] += load(bias, (n + j) * last_stride(bias));
                store(y, to + (n + j) * last_stride(y), sum[j]);
            }
        }
    }
}

/* ---- act8 ---- */

/* A row of a and PANEL columns of b as levels; all in work. */
typedef struct whole {
    quant_form form;
    int64_t n;              /* inner */
    float *scale, *minimum; /* [PANEL][n / group] */
    float *x_scale;         /* [n / ACT8_BLOCK] */
    uint8_t *levels;        /* [PANEL][n] */
    int8_t *x;              /* [n] */
} whole;

/* ORDER: ref_work.c has room for 72 bytes an inner element; these are 18. */
static whole whole_of(const op_call *c) {
    whole w = {.n = last_dim(&c->in[0])};
    quant_form_of(c->in[1].type, &w.form);
    w.scale = c->work;
    w.minimum = w.scale + PANEL * (w.n / w.form.group);
    w.x_scale = w.minimum + PANEL * (w.n / w.form.group);
    w.levels = (uint8_t *)(w.x_scale + w.n / ACT8_BLOCK);
    w.x = (int8_t *)(w.levels + PANEL * w.n);
    return w;
}

static void round_row(const tensor *a, int64_t offset, const whole *w) {
    for (int64_t k = 0; k < w->n; k += ACT8_BLOCK) {
        float x[ACT8_BLOCK];
        for (int i = 0; i < ACT8_BLOCK; i++)
            x[i] = (float)load(a, offset + (k + i) * last_stride(a));
        w->x_scale[k / ACT8_BLOCK] = act8_round(x, w->x + k);
    }
}

/* The row times column j of the panel. */
static real whole_dot(const whole *w, int j) {
    const int64_t group = w->form.group, n_groups = w->n / group;
    real y = 0;
    for (int64_t g = 0; g < n_groups; g++) {
        const uint8_t *level = w->levels + j * w->n + g * group;
        const int8_t *x = w->x + g * group;
        const real d = w->x_scale[g * group / ACT8_BLOCK];
        int32_t sum = 0, x_sum = 0;
        for (int64_t k = 0; k < group; k++) {
            sum += (level[k] - w->form.offset) * x[k];
            x_sum += x[k];
        }
        const int64_t at = j * n_groups + g;
        y = R_FMA(w->scale[at] * d, (real)sum, y);
        if (w->form.minima) y = R_FMA(w->minimum[at], d * (real)x_sum, y);
    }
    return y;
}

/* Columns of b from the offset `at` on as levels. */
static void whole_panel(const tensor *b, int64_t at, int width,
                        const whole *w) {
    const int64_t n_groups = w->n / w->form.group;
    for (int j = 0; j < width; j++) {
        const int64_t from = at + j * last_stride(b);
        quant_levels(b->type,
                     (const char *)b->data + ar_type_size(b->type, from), w->n,
                     w->levels + j * w->n, w->scale + j * n_groups,
                     w->minimum + j * n_groups);
    }
}

static void multiply_whole(const op_call *c, int64_t at_a, int64_t at_b,
                           int64_t at_y) {
    const tensor *a = &c->in[0], *b = &c->in[1], *y = &c->out[0];
    const tensor *bias = optional(c, 2);
    const int64_t n_columns = last_dim(b), n_rows = a->dim[a->rank - 2];
    const whole w = whole_of(c);
    for (int64_t n = 0; n < n_columns; n += PANEL) {
        const int width = (int)(n_columns - n < PANEL ? n_columns - n : PANEL);
        whole_panel(b, at_b + n * last_stride(b), width, &w);
        for (int64_t m = 0; m < n_rows; m++) {
            round_row(a, at_a + m * a->stride[a->rank - 2], &w);
            const int64_t to = at_y + m * y->stride[y->rank - 2];
            for (int j = 0; j < width; j++) {
                real sum = whole_dot(&w, j);
                if (bias) sum += load(bias, (n + j) * last_stride(bias));
                store(y, to + (n + j) * last_stride(y), sum);
            }
        }
    }
}

/* Of MATMUL and, whose attribute begins with MATMUL's, MATMUL_EXPERTS. */
static bool has_levels(const op_call *c) {
    quant_form f;
    const int compute = c->attr->matmul.compute;
    return c->attr->matmul.act8 && tensor_blocks_along_k(&c->in[1]) &&
           (compute == AR_F32 || compute == AR_F64) &&
           quant_form_of(c->in[1].type, &f);
}

void REF(MATMUL)(const op_call *c) {
    const tensor *a = &c->in[0], *b = &c->in[1], *y = &c->out[0];
    const int batch_rank = y->rank - 2;
    void (*const one)(const op_call *, int64_t, int64_t, int64_t) =
        has_levels(c) ? multiply_whole : multiply;
    for (int64_t i = 0, n = count_of(y, batch_rank); i < n; i++)
        one(c, offset_of(a, i, batch_rank), offset_of(b, i, batch_rank),
            offset_of(y, i, batch_rank));
}

/* Row (n, i) of x [N, k, ..], or row n of x [N, ..], of ids [N, k]. */
static int64_t chosen_row(const tensor *x, const tensor *ids, int64_t r) {
    const int64_t n = r / ids->dim[1], i = r % ids->dim[1];
    return n * x->stride[0] + (x->rank == 3 ? i * x->stride[1] : 0);
}

static int64_t chosen_id(const tensor *ids, int64_t r) {
    return REF(load_int)(ids, offset_of(ids, r, 2));
}

/* Columns [f, f + width) of the rows whose id is e. */
static void expert_panel(const op_call *c, int64_t e, int64_t f, int width) {
    const tensor *x = &c->in[0], *w = &c->in[1], *ids = &c->in[2];
    const tensor *y = &c->out[0];
    const int64_t n_inner = last_dim(x), rows = tensor_count(ids);
    const int compute = c->attr->experts.matmul.compute;
    real *panel = c->work, *scratch = panel + PANEL * n_inner, sum[PANEL];
    gather_panel(w, e * w->stride[0] + f * last_stride(w), width, compute,
                 panel);
    for (int64_t r = 0; r < rows; r++) {
        if (chosen_id(ids, r) != e) continue;
        row_by_panel(n_inner,
                     read_row(x, chosen_row(x, ids, r), compute, scratch),
                     panel, sum);
        for (int j = 0; j < width; j++)
            store(y, row_at(y, r) + (f + j) * last_stride(y), sum[j]);
    }
}

/* The same where the sums are of levels. */
static void expert_whole(const op_call *c, int64_t e, int64_t f, int width) {
    const tensor *x = &c->in[0], *b = &c->in[1], *ids = &c->in[2];
    const tensor *y = &c->out[0];
    const int64_t rows = tensor_count(ids);
    const whole w = whole_of(c);
    whole_panel(b, e * b->stride[0] + f * last_stride(b), width, &w);
    for (int64_t r = 0; r < rows; r++) {
        if (chosen_id(ids, r) != e) continue;
        round_row(x, chosen_row(x, ids, r), &w);
        for (int j = 0; j < width; j++)
            store(y, row_at(y, r) + (f + j) * last_stride(y), whole_dot(&w, j));
    }
}

void REF(MATMUL_EXPERTS)(const op_call *c) {
    const tensor *w = &c->in[1], *ids = &c->in[2], *y = &c->out[0];
    const int64_t n = last_dim(w);
    void (*const panel)(const op_call *, int64_t, int64_t, int) =
        has_levels(c) ? expert_whole : expert_panel;
    for (int64_t r = 0, rows = tensor_count(ids); r < rows; r++) {
        const int64_t id = chosen_id(ids, r);
        if (id >= 0 && id < w->dim[0]) continue;
        for (int64_t f = 0; f < n; f++)
            store(y, row_at(y, r) + f * last_stride(y), 0);
    }
    for (int64_t e = 0; e < w->dim[0]; e++)
        for (int64_t f = 0; f < n; f += PANEL)
            panel(c, e, f, (int)(n - f < PANEL ? n - f : PANEL));
}

void REF(MATMUL_EXPERTS_DW)(const op_call *c) {
    const tensor *ids = &c->in[0], *a = &c->in[1], *b = &c->in[2];
    const tensor *dw = &c->out[0];
    const int64_t n = last_dim(dw), rows = tensor_count(ids);
    const int compute = c->attr->experts.matmul.compute;
    real *sum = c->work;
    for (int64_t i = 0; i < dw->dim[0] * dw->dim[1]; i++) {
        const int64_t e = i / dw->dim[1], k = i % dw->dim[1];
        for (int64_t j = 0; j < n; j++) sum[j] = 0;
        for (int64_t r = 0; r < rows; r++) {
            if (chosen_id(ids, r) != e) continue;
            const real x = rounded(
                compute, load(a, chosen_row(a, ids, r) + k * last_stride(a)));
            const int64_t from = chosen_row(b, ids, r);
            for (int64_t j = 0; j < n; j++)
                sum[j] +=
                    x * rounded(compute, load(b, from + j * last_stride(b)));
        }
        for (int64_t j = 0; j < n; j++)
            store(dw, row_at(dw, i) + j * last_stride(dw), sum[j]);
    }
}
