/* tensor_read.c - the numbers of a tensor, however its file keeps them. */
#include <stdio.h>

#include "base/error.h"
#include "base/mem.h"
#include "format/tensor_view.h"
#include "quant/quant.h"

bool tensor_is_number(const tensor_view *t) {
    return t->packed || type_is_float(t->type) || quant_is_block(t->type);
}

const char *tensor_type_text(const tensor_view *t, char *text) {
    if (!t->packed) return ar_type_name(t->type);
    const char *name = layout_name(t->packed->kind);
    if (t->packed->bits)
        snprintf(text, TENSOR_TYPE_TEXT, "%s %d-bit", name, t->packed->bits);
    else
        snprintf(text, TENSOR_TYPE_TEXT, "%s", name);
    return text;
}

static ar_status check_range(const tensor_view *t, int64_t unit, int64_t first,
                             int64_t n, ar_error *err) {
    const int64_t all = shape_count(&t->shape);
    if (first >= 0 && n >= 0 && first <= all && n <= all - first &&
        (n == 0 || (first % unit == 0 && n % unit == 0)))
        return AR_OK;
    return error_set(err, AR_RANGE,
                     "tensor \"%.120s\": elements %lld to %lld of %lld in "
                     "parts of %lld",
                     t->name, (long long)first, (long long)first + n - 1,
                     (long long)all, (long long)unit);
}

static ar_status read_packed(const tensor_view *t, int64_t first, int64_t n,
                             float *dst, ar_error *err) {
    const int64_t columns = t->packed->columns;
    TRY(check_range(t, columns, first, n, err));
    const ar_status s =
        layout_decode(t->packed, first / columns, n / columns, dst, err);
    return s == AR_OK ? s : error_prefix(err, s, t->name);
}

static const void *bytes_at(const tensor_view *t, int64_t first) {
    return (const char *)t->data + ar_type_size(t->type, first);
}

static ar_status no_number(const tensor_view *t, ar_error *err) {
    return error_set(err, AR_UNSUPPORTED,
                     "tensor \"%.120s\" is %s, which is not read as numbers",
                     t->name, ar_type_name(t->type));
}

ar_status tensor_read_f32(const tensor_view *t, int64_t first, int64_t n,
                          float *dst, ar_error *err) {
    if (t->packed) return read_packed(t, first, n, dst, err);
    TRY(check_range(t, tensor_block(t->type), first, n, err));
    return type_decode_f32(t->type, bytes_at(t, first), dst, n)
               ? AR_OK
               : no_number(t, err);
}

ar_status tensor_read_f64(const tensor_view *t, int64_t first, int64_t n,
                          double *dst, ar_error *err) {
    if (!t->packed) {
        TRY(check_range(t, tensor_block(t->type), first, n, err));
        return type_decode_f64(t->type, bytes_at(t, first), dst, n)
                   ? AR_OK
                   : no_number(t, err);
    }
    /* Rows are widened a few at a time. */
    enum { ROWS = 16 };
    const int64_t columns = t->packed->columns;
    float *rows = mem_new(float, ROWS *columns);
    if (!rows)
        return error_set(err, AR_NOMEM, "no memory for rows of \"%.120s\"",
                         t->name);
    ar_status s = check_range(t, columns, first, n, err);
    for (int64_t at = 0; s == AR_OK && at < n; at += ROWS * columns) {
        const int64_t m = n - at < ROWS * columns ? n - at : ROWS * columns;
        s = read_packed(t, first + at, m, rows, err);
        for (int64_t i = 0; s == AR_OK && i < m; i++)
            dst[at + i] = (double)rows[i];
    }
    mem_free(rows);
    return s;
}
