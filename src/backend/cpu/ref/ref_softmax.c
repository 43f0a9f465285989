/* ref_softmax.c - SOFTMAX and its gradient, GATHER and its gradient.
 *
 *   y_i = exp(x_i - m) / sum_j exp(x_j - m),  m = max x
 *   dx_i = y_i (dy_i - sum_j y_j dy_j)
 *
 *   GATHER     y[.., k] = x[.., i[.., k]], 0 where the index is outside x
 *   GATHER_DX  dx = zeros with dy[.., k] added at i[.., k], in the order of k
 */
#include "backend/cpu/ref/ref.h"

void REF(SOFTMAX)(const op_call *c) {
    const tensor *x = &c->in[0], *y = &c->out[0];
    const int64_t n = last_dim(y), dx = last_stride(x), dy = last_stride(y);
    for (int64_t r = 0, rows = rows_of(y); n > 0 && r < rows; r++) {
        const int64_t ax = row_at(x, r), ay = row_at(y, r);
        real max = -INFINITY, sum = 0;
        for (int64_t i = 0; i < n; i++) {
            const real v = load(x, ax + i * dx);
            max = v > max ? v : max;
        }
        for (int64_t i = 0; i < n; i++)
            sum += R_EXP(load(x, ax + i * dx) - max);
        for (int64_t i = 0; i < n; i++)
            store(y, ay + i * dy, R_EXP(load(x, ax + i * dx) - max) / sum);
    }
}

void REF(SOFTMAX_DX)(const op_call *c) {
    const tensor *y = &c->in[0], *dy = &c->in[1], *dx = &c->out[0];
    const int64_t n = last_dim(dx);
    for (int64_t r = 0, rows = rows_of(dx); n > 0 && r < rows; r++) {
        const int64_t ay = row_at(y, r), ady = row_at(dy, r);
        real sum = 0;
        for (int64_t i = 0; i < n; i++)
            sum += load(y, ay + i * last_stride(y)) *
                   load(dy, ady + i * last_stride(dy));
        for (int64_t i = 0; i < n; i++)
            store(dx, row_at(dx, r) + i * last_stride(dx),
                  load(y, ay + i * last_stride(y)) *
                      (load(dy, ady + i * last_stride(dy)) - sum));
    }
}

void REF(GATHER)(const op_call *c) {
    const tensor *x = &c->in[0], *index = &c->in[1], *y = &c->out[0];
    const int64_t n = last_dim(y);
    for (int64_t r = 0, rows = rows_of(y); n > 0 && r < rows; r++)
        for (int64_t k = 0; k < n; k++) {
            const int64_t to = row_at(y, r) + k * last_stride(y);
            const int64_t i =
                REF(load_int)(index, row_at(index, r) + k * last_stride(index));
            if (i >= 0 && i < last_dim(x))
                REF(copy_element)(y, to, x, row_at(x, r) + i * last_stride(x));
            else
                REF(store_int)(y, to, 0);
        }
}

void REF(GATHER_DX)(const op_call *c) {
    const tensor *index = &c->in[0], *dy = &c->in[1], *dx = &c->out[0];
    const int64_t n = last_dim(dx);
    real *row = c->work; /* [C] */
    for (int64_t r = 0, rows = rows_of(dx); n > 0 && r < rows; r++) {
        for (int64_t i = 0; i < n; i++) row[i] = 0;
        for (int64_t k = 0; k < last_dim(dy); k++) {
            const int64_t i =
                REF(load_int)(index, row_at(index, r) + k * last_stride(index));
            if (i >= 0 && i < n)
                row[i] += load(dy, row_at(dy, r) + k * last_stride(dy));
        }
        for (int64_t i = 0; i < n; i++)
            store(dx, row_at(dx, r) + i * last_stride(dx), row[i]);
    }
}
