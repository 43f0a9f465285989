/* export_rows.c - weights in the order and the type of another file. */
#include <stdatomic.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/thread.h"
#include "format/imatrix.h"
#include "model/export_int.h"
#include "quant/quant.h"

/* Rows are [H, 3, D] or [3, H, D]. */
static int64_t source_part(const export_tensor *t, int64_t r) {
    const int64_t D = t->head, H = t->spec->shape.dim[0] / (3 * D);
    const int64_t outer = t->form == EXPORT_PARTS ? H : 3;
    const int64_t a = r / D / outer, b = r / D % outer;
    return (b * (3 * H / outer) + a) * D + r % D;
}

/* The row of the tensor that becomes row r. */
static int64_t source_row(const export_tensor *t, int64_t r) {
    if (t->form == EXPORT_PARTS || t->form == EXPORT_BY_HEAD)
        return source_part(t, r);
    const int64_t i = r % t->head - t->unturned, half = t->turned / 2;
    if ((t->form != EXPORT_PAIRED && t->form != EXPORT_UNPAIRED) || i < 0 ||
        i >= t->turned)
        return r;
    return t->form == EXPORT_PAIRED ? r - i + i / 2 + i % 2 * half
                                    : r - i + i % half * 2 + i / half;
}

/* ---- rows, some at a time, by all threads ---- */

enum {
    ROOM = 1 << 20, /* elements on their way at once, if a row is not longer */
    SHARE = 8       /* rows that a thread takes */
};

typedef struct rows {
    const export_tensor *t;
    const imatrix_entry *importance; /* NULL = none */
    int64_t stack, matrix; /* matrices of the whole weight; the first here */
    int64_t here;          /* and how many are here */
    float *whole;          /* a matrix [columns, n], turned on its way */
    float *x;              /* [batch, columns] */
    char *bytes;           /* [batch] rows of `size` bytes */
    size_t size;
    int64_t n, columns; /* of what is written */
    int64_t batch;      /* rows at a time */
    int64_t first;      /* row of the batch */
    int64_t end;        /* and the one behind it */
    atomic_bool failed;
} rows;

static ar_status cannot(const export_tensor *t, ar_error *err) {
    char word[TENSOR_TYPE_TEXT];
    return error_set(
        err, AR_UNSUPPORTED, "tensor \"%s\" is %s, which cannot become %s",
        t->src->name, tensor_type_text(t->src, word), ar_type_name(t->type));
}

ar_status export_importance(const export_tensor *t, const imatrix *all,
                            int64_t stack, int64_t columns,
                            const imatrix_entry **out, ar_error *err) {
    *out = NULL;
    if (!all || !quant_is_block(t->type)) return AR_OK;
    const imatrix_entry *e = imatrix_find(all, t->spec->name);
    if (e && (e->columns != columns || e->matrices != stack))
        return error_set(err, AR_SHAPE,
                         "the importance of \"%s\" is of %lld x %lld columns, "
                         "not %lld x %lld",
                         t->spec->name, (long long)e->matrices,
                         (long long)e->columns, (long long)stack,
                         (long long)columns);
    *out = e;
    return AR_OK;
}

/* kv_b [H, nope + v, lora] out of k_b [H, lora, nope] and v_b [H, v, lora]. */
static ar_status join(const rows *r, ar_error *err) {
    const export_tensor *t = r->t;
    const int64_t H = t->src->shape.dim[0], lora = r->columns;
    const int64_t nope = t->src->shape.dim[2], v = t->second->shape.dim[1];
    float *k_b = mem_new(float, H *lora *nope);
    float *v_b = mem_new(float, H *lora *v);
    ar_status s = AR_OK;
    if (!k_b || !v_b)
        s = error_set(err, AR_NOMEM, "no memory for \"%s\"", t->spec->name);
    if (s == AR_OK) s = tensor_read_f32(t->src, 0, H * lora * nope, k_b, err);
    if (s == AR_OK) s = tensor_read_f32(t->second, 0, H * lora * v, v_b, err);
    for (int64_t h = 0; s == AR_OK && h < H; h++)
        for (int64_t l = 0; l < lora; l++) {
            float *to = r->whole + l * r->n + h * (nope + v);
            for (int64_t i = 0; i < nope; i++)
                to[i] = k_b[(h * lora + l) * nope + i];
            for (int64_t i = 0; i < v; i++)
                to[nope + i] = v_b[(h * v + i) * lora + l];
        }
    mem_free(k_b);
    mem_free(v_b);
    return s;
}

static bool is_whole(const export_tensor *t) {
    return t->form == EXPORT_TURNED || t->form == EXPORT_JOINED;
}

static ar_status open_rows(rows *r, const imatrix *importance, ar_error *err) {
    const export_tensor *t = r->t;
    const shape *s = &t->spec->shape;
    r->columns = s->rank > 1 ? s->dim[s->rank - 1] : 1;
    r->n = shape_count(s) / r->columns;
    if (s->rank == 1 && t->form == EXPORT_SAME) {
        r->columns = r->n;
        r->n = 1;
    }
    TRY(export_importance(t, importance, r->stack, r->columns, &r->importance,
                          err));
    r->size = ar_type_size(t->type, r->columns);
    r->batch = ROOM / r->columns > SHARE ? ROOM / r->columns : SHARE;
    if (r->batch > r->n) r->batch = r->n;
    r->x = mem_new(float, r->batch * r->columns);
    r->bytes = mem_alloc((size_t)r->batch * r->size);
    if (is_whole(t)) r->whole = mem_new(float, r->n * r->columns);
    if (!r->x || !r->bytes || (is_whole(t) && !r->whole))
        return error_set(err, AR_NOMEM, "no memory for \"%s\"", t->spec->name);
    if (t->form == EXPORT_JOINED) return join(r, err);
    if (!r->whole) return AR_OK;
    return tensor_read_f32(t->src, 0, r->n * r->columns, r->whole, err);
}

static void close_rows(rows *r) {
    mem_free(r->whole);
    mem_free(r->x);
    mem_free(r->bytes);
}

/* Columns of a block type are whole blocks. */
static bool encode(const rows *r, int64_t i, const float *x, void *out) {
    const ar_type type = r->t->type;
    const imatrix_entry *e = r->importance;
    if (!quant_is_block(type)) return type_encode_f32(type, x, out, r->columns);
    const int64_t matrix = r->matrix + i / (r->n / r->here);
    return quant_encode(type, x, e ? e->mean + matrix * e->columns : NULL, out,
                        1, r->columns);
}

static bool one_row(const rows *r, int64_t i) {
    const export_tensor *t = r->t;
    float *x = r->x + (i - r->first) * r->columns;
    if (r->whole)
        for (int64_t k = 0; k < r->columns; k++) x[k] = r->whole[k * r->n + i];
    else if (tensor_read_f32(t->src, source_row(t, i) * r->columns, r->columns,
                             x, NULL) != AR_OK)
        return false;
    if (t->map)
        for (int64_t k = 0; k < r->columns; k++)
            x[k] = (float)t->map((double)x[k]);
    if (t->offset != 0)
        for (int64_t k = 0; k < r->columns; k++)
            x[k] = (float)((double)x[k] + t->offset);
    return encode(r, i, x, r->bytes + (size_t)(i - r->first) * r->size);
}

static void some_rows(void *ctx, int64_t share, int worker) {
    rows *r = ctx;
    (void)worker;
    const int64_t from = r->first + share * SHARE;
    const int64_t to = from + SHARE < r->end ? from + SHARE : r->end;
    for (int64_t i = from; i < to; i++)
        if (!one_row(r, i)) atomic_store(&r->failed, true);
}

/* Bytes that stay as they are. */
static void put_raw(const rows *r, const export_sink *to) {
    for (int64_t i = 0; i < r->n; i++)
        to->put(to->file,
                (const char *)r->t->src->data +
                    (size_t)source_row(r->t, i) * r->size,
                r->size);
}

/* One tensor of the source, from its first row to its last. */
static ar_status part_rows(rows *r, const export_options *o,
                           const export_sink *to, ar_error *err) {
    const export_tensor *t = r->t;
    ar_status s = open_rows(r, o->importance, err);
    const bool raw =
        t->type == t->src->type && t->offset == 0 && !t->map && !r->whole;
    if (s == AR_OK && raw) put_raw(r, to);
    while (s == AR_OK && !raw && r->first < r->n) {
        r->end = r->first + r->batch < r->n ? r->first + r->batch : r->n;
        const int64_t n = r->end - r->first;
        pool_run(o->pool, some_rows, r, (n + SHARE - 1) / SHARE);
        if (atomic_load(&r->failed))
            s = cannot(t, err);
        else
            to->put(to->file, r->bytes, (size_t)n * r->size);
        r->first = r->end;
    }
    close_rows(r);
    return s;
}

ar_status export_rows(const export_tensor *t, const export_options *o,
                      const export_sink *to, ar_error *err) {
    if (t->form == EXPORT_EXPERTS) return export_experts(t, o, to, err);
    const shape *s = &t->spec->shape;
    const int64_t stack = s->rank > 2 ? s->dim[0] : 1;
    rows all = {.t = t, .stack = stack, .here = stack};
    if (t->from.kind != PARAM_BY_EXPERT) return part_rows(&all, o, to, err);
    param_spec one = *t->spec;
    one.shape = params_part_shape(t->spec);
    export_tensor part = *t;
    part.spec = &one;
    for (int64_t i = 0; i < t->from.n; i++) {
        part.src = params_part(t->src_spec, t->files, &t->from, i);
        rows r = {.t = &part, .stack = stack, .matrix = i, .here = 1};
        TRY(part_rows(&r, o, to, err));
    }
    return AR_OK;
}
