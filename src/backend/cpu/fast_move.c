/* fast_move.c - COPY, CAST, CONCAT and PAD.
 *
 * Rows are copied as memory where they are memory; a view that is turned
 * (another dimension is the one without gaps) by tiles that fit the
 * first-level cache; any other one element at a time. */
#include "backend/cpu/fast_move.h"

#include <string.h>

/* Elements of a type at an offset. */
static char *bytes_at(const tensor *t, int64_t at) {
    return (char *)t->data + at * (int64_t)ar_type_size(t->type, 1);
}

/* A call of which out[0] and in[0] are what is to be moved. */
static op_call move_call(const op_call *c, const tensor *dst,
                         const tensor *src) {
    return (op_call){.op = OP_COPY,
                     .n_in = 1,
                     .n_out = 1,
                     .in = {*src},
                     .out = {*dst},
                     .threads = c->threads,
                     .k = c->k};
}

/* ---- rows ---- */

#define COPY_AS(type)                                                          \
    {                                                                          \
        type *to = (type *)y;                                                  \
        const type *from = (const type *)x;                                    \
        for (int64_t i = 0; i < n; i++) to[i * dy] = from[i * dx];             \
        break;                                                                 \
    }

static void copy_part(const op_call *c, const row_walk *w, const int64_t *at,
                      int64_t n) {
    char *y = bytes_at(&c->out[0], at[0]);
    const char *x = bytes_at(&c->in[0], at[1]);
    const int64_t dy = w->step[0], dx = w->step[1];
    const size_t size = ar_type_size(c->out[0].type, 1);
    if (dy == 1 && dx == 1) {
        memcpy(y, x, (size_t)n * size);
        return;
    }
    switch (size) {
    case 1: COPY_AS(uint8_t)
    case 2: COPY_AS(uint16_t)
    case 4: COPY_AS(uint32_t)
    default: COPY_AS(uint64_t)
    }
}

/* ---- turned views ---- */

enum { TILE = 64 };

typedef struct turn {
    const op_call *c;
    row_walk w;             /* of the dimensions that are neither */
    int64_t n_k, n_i;       /* k: without gaps in x; i: without gaps in y */
    int64_t y_step, x_step; /* of y along k; of x along i */
    int64_t tiles_k, tiles_i;
} turn;

static void copy_tile(const turn *t, char *y, const char *x, int64_t n_k,
                      int64_t n_i) {
    const size_t size = ar_type_size(t->c->out[0].type, 1);
    float tmp[TILE * TILE];
    if (size == sizeof(float)) {
        t->c->k->pack_rows(n_k, n_i, n_i, (const float *)x, t->x_step, tmp);
        for (int64_t k = 0; k < n_k; k++)
            memcpy((float *)y + k * t->y_step, tmp + k * n_i,
                   (size_t)n_i * size);
        return;
    }
    for (int64_t k = 0; k < n_k; k++) {
        const int64_t n = n_i, dy = 1, dx = t->x_step;
        switch (size) {
        case 1: COPY_AS(uint8_t)
        case 2: COPY_AS(uint16_t)
        default: COPY_AS(uint64_t)
        }
        y += t->y_step * (int64_t)size;
        x += size;
    }
}

static void turn_share(void *ctx, int64_t share, int worker) {
    (void)worker;
    const turn *t = ctx;
    const int64_t i = share % t->tiles_i * TILE;
    const int64_t k = share / t->tiles_i % t->tiles_k * TILE;
    int64_t at[ROW_TENSORS];
    row_walk_at(&t->w, share / t->tiles_i / t->tiles_k, at);
    copy_tile(t, bytes_at(&t->c->out[0], at[0] + k * t->y_step + i),
              bytes_at(&t->c->in[0], at[1] + k + i * t->x_step),
              smaller(TILE, t->n_k - k), smaller(TILE, t->n_i - i));
}

/* Is there an outer dimension along which x has no gaps? */
static bool turn_init(turn *t, const op_call *c, const row_walk *w) {
    if (w->step[0] != 1 || w->step[1] == 1 || w->step[1] == 0) return false;
    for (int k = 0; k < w->rank; k++) {
        if (w->stride[1][k] != 1) continue;
        *t = (turn){.c = c,
                    .w = *w,
                    .n_k = w->dim[k],
                    .n_i = w->n,
                    .y_step = w->stride[0][k],
                    .x_step = w->step[1]};
        t->w.n_rows /= w->dim[k];
        t->w.dim[k] = 1;
        t->tiles_k = ceil_div(t->n_k, TILE);
        t->tiles_i = ceil_div(t->n_i, TILE);
        return true;
    }
    return false;
}

/* ---- any view ---- */

bool move_fits(const tensor *dst, const tensor *src) {
    return dst->type == src->type;
}

void move_run(const op_call *c, const tensor *dst, const tensor *src) {
    if (tensor_count(dst) == 0) return;
    const op_call m = move_call(c, dst, src);
    row_walk w;
    turn t;
    row_walk_init(&w, (const tensor *[]){dst, src}, 2, false);
    if (turn_init(&t, &m, &w))
        pool_run(pool_for(c, w.n * w.n_rows), turn_share, &t,
                 t.w.n_rows * t.tiles_k * t.tiles_i);
    else
        row_walk_run(&w, &m, ROW_PART, copy_part);
}

static bool copy_fits(const op_call *c) {
    return move_fits(&c->out[0], &c->in[0]);
}
static void copy(const op_call *c) { move_run(c, &c->out[0], &c->in[0]); }
const cpu_fast fast_copy = {OP_COPY, copy_fits, copy, NULL, "rows"};

/* ---- CAST: f32 and the halves ---- */

static bool is_half(ar_type t) { return t == AR_BF16 || t == AR_F16; }

static bool cast_fits(const op_call *c) {
    const ar_type to = c->out[0].type, from = c->in[0].type;
    return tensor_contiguous(&c->out[0]) &&
           ((to == AR_F32 && is_half(from)) || (from == AR_F32 && is_half(to)));
}

static void widen(const op_call *c, const uint16_t *x, int64_t step, int64_t n,
                  float *y) {
    uint16_t tmp[ROW_PART];
    if (step != 1) {
        for (int64_t i = 0; i < n; i++) tmp[i] = x[i * step];
        x = tmp;
    }
    if (c->in[0].type == AR_BF16)
        c->k->from_bf16(n, x, y);
    else
        c->k->from_f16(n, x, y);
}

static void cast_part(const op_call *c, const row_walk *w, const int64_t *at,
                      int64_t n) {
    float tmp[ROW_PART];
    if (c->out[0].type == AR_F32) {
        widen(c, (const uint16_t *)c->in[0].data + at[1], w->step[1], n,
              (float *)c->out[0].data + at[0]);
        return;
    }
    const float *x = floats_of(&c->in[0], at[1], w->step[1], n, tmp);
    uint16_t *y = (uint16_t *)c->out[0].data + at[0];
    if (c->out[0].type == AR_BF16)
        c->k->to_bf16(n, x, y);
    else
        c->k->to_f16(n, x, y);
}

static void cast(const op_call *c) {
    row_walk w;
    row_walk_init(&w, (const tensor *[]){&c->out[0], &c->in[0]}, 2, false);
    row_walk_run(&w, c, ROW_PART, cast_part);
}
const cpu_fast fast_cast = {OP_CAST, cast_fits, cast, NULL, "vec"};

/* ---- CONCAT and PAD ---- */

/* The part of y that x becomes: from `start` on along axis, `step` apart. */
static tensor place_of(const tensor *y, const tensor *x, int axis,
                       int64_t start, int64_t step) {
    tensor part = *y;
    for (int i = 0; i < y->rank; i++) part.dim[i] = x->dim[i];
    part.data = bytes_at(y, start * y->stride[axis]);
    part.stride[axis] *= step;
    return part;
}

static bool concat_fits(const op_call *c) {
    for (int i = 0; i < c->n_in; i++)
        if (!move_fits(&c->out[0], &c->in[i])) return false;
    return true;
}

static void concat(const op_call *c) {
    const int axis = c->attr->axis.axis;
    int64_t start = 0;
    for (int i = 0; i < c->n_in; i++) {
        const tensor part = place_of(&c->out[0], &c->in[i], axis, start, 1);
        move_run(c, &part, &c->in[i]);
        start += c->in[i].dim[axis];
    }
}
const cpu_fast fast_concat = {OP_CONCAT, concat_fits, concat, NULL, "rows"};

static bool pad_fits(const op_call *c) {
    return move_fits(&c->out[0], &c->in[0]) && tensor_contiguous(&c->out[0]);
}

static void clear_part(const op_call *c, const row_walk *w, const int64_t *at,
                       int64_t n) {
    (void)w;
    memset(bytes_at(&c->out[0], at[0]), 0, ar_type_size(c->out[0].type, n));
}

static void pad(const op_call *c) {
    const struct view_attr *v = &c->attr->view;
    row_walk w;
    row_walk_init(&w, (const tensor *[]){&c->out[0]}, 1, false);
    row_walk_run(&w, c, ROW_PART, clear_part);
    const tensor part =
        place_of(&c->out[0], &c->in[0], v->axis, v->v[0], v->v[2]);
    move_run(c, &part, &c->in[0]);
}
const cpu_fast fast_pad = {OP_PAD, pad_fits, pad, NULL, "rows"};
