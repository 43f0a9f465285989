/* export_rows.c - weights in the order and the type of another file. */
#include <stdatomic.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/thread.h"
#include "format/imatrix.h"
#include "model/config_keys.h"
#include "model/export_int.h"
#include "quant/quant.h"

static bool is_q_or_k(enum param_role r) {
    return r == ROLE_Q || r == ROLE_K || r == ROLE_Q_BIAS || r == ROLE_K_BIAS;
}

static bool is_norm(enum param_role r) {
    return r == ROLE_ATTN_NORM || r == ROLE_MLP_NORM || r == ROLE_FINAL_NORM ||
           r == ROLE_ATTN_POST_NORM || r == ROLE_MLP_POST_NORM ||
           r == ROLE_Q_NORM || r == ROLE_K_NORM;
}

ar_status export_plan_build(export_plan *out, const model *m,
                            const model_config *to, bool pairs, ar_error *err) {
    memset(out, 0, sizeof *out);
    out->config = *to;
    TRY(params_build(&out->params, to, AR_F32, err));
    out->tensors = mem_new(export_tensor, out->params.n);
    if (!out->tensors)
        return error_set(err, AR_NOMEM, "no memory for a list of tensors");
    const bool permute = pairs && to->gguf != m->config.gguf;
    for (int i = 0; i < out->params.n; i++) {
        const param_spec *s = &out->params.spec[i];
        export_tensor *t = &out->tensors[i];
        const int from = params_find(&m->params, s->role, s->layer);
        t->spec = s;
        t->src =
            from < 0 ? NULL : params_tensor(&m->params.spec[from], m->files);
        if (!t->src)
            return error_set(err, AR_FORMAT, "there is nothing for \"%s\"",
                             s->name);
        t->head = to->head_dim;
        t->turned = to->rope_dims;
        if (s->matrix && to->conv1d != m->config.conv1d)
            t->form = EXPORT_TURNED;
        if (permute && is_q_or_k(s->role))
            t->form = to->gguf ? EXPORT_PAIRED : EXPORT_UNPAIRED;
        if (is_norm(s->role))
            t->offset = m->config.norm_offset - to->norm_offset;
    }
    return AR_OK;
}

void export_plan_close(export_plan *p) {
    params_close(&p->params);
    mem_free(p->tensors);
    memset(p, 0, sizeof *p);
}

/* The row of the tensor that becomes row r. */
static int64_t source_row(const export_tensor *t, int64_t r) {
    const int64_t i = r % t->head, half = t->turned / 2;
    if (t->form == EXPORT_SAME || t->form == EXPORT_TURNED || i >= t->turned)
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
    float *whole; /* a turned matrix, as it lies in the file */
    float *x;     /* [batch, columns] */
    char *bytes;  /* [batch] rows of `size` bytes */
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

/* Importance of other shape than the tensor is an error: it is another
 * model's. */
static ar_status find_importance(rows *r, const imatrix *all, ar_error *err) {
    const export_tensor *t = r->t;
    if (!all || !quant_is_block(t->type)) return AR_OK;
    const imatrix_entry *e = imatrix_find(all, t->spec->name);
    const int64_t stacked = t->spec->shape.rank > 2 ? t->spec->shape.dim[0] : 1;
    if (e && (e->columns != r->columns || e->matrices != stacked))
        return error_set(err, AR_SHAPE,
                         "the importance of \"%s\" is of %lld x %lld columns, "
                         "not %lld x %lld",
                         t->spec->name, (long long)e->matrices,
                         (long long)e->columns, (long long)stacked,
                         (long long)r->columns);
    r->importance = e;
    return AR_OK;
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
    TRY(find_importance(r, importance, err));
    r->size = ar_type_size(t->type, r->columns);
    r->batch = ROOM / r->columns > SHARE ? ROOM / r->columns : SHARE;
    if (r->batch > r->n) r->batch = r->n;
    r->x = mem_new(float, r->batch * r->columns);
    r->bytes = mem_alloc((size_t)r->batch * r->size);
    if (t->form == EXPORT_TURNED) r->whole = mem_new(float, r->n * r->columns);
    if (!r->x || !r->bytes || (t->form == EXPORT_TURNED && !r->whole))
        return error_set(err, AR_NOMEM, "no memory for \"%s\"", t->spec->name);
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
    const float *mean =
        e ? e->mean + i / (r->n / e->matrices) * e->columns : NULL;
    return quant_encode(type, x, mean, out, 1, r->columns);
}

static bool one_row(const rows *r, int64_t i) {
    const export_tensor *t = r->t;
    float *x = r->x + (i - r->first) * r->columns;
    if (r->whole)
        for (int64_t k = 0; k < r->columns; k++) x[k] = r->whole[k * r->n + i];
    else if (tensor_read_f32(t->src, source_row(t, i) * r->columns, r->columns,
                             x, NULL) != AR_OK)
        return false;
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

ar_status export_rows(const export_tensor *t, const export_options *o,
                      const export_sink *to, ar_error *err) {
    rows r = {.t = t};
    ar_status s = open_rows(&r, o->importance, err);
    const bool raw = t->type == t->src->type && t->offset == 0 && !r.whole;
    if (s == AR_OK && raw) put_raw(&r, to);
    while (s == AR_OK && !raw && r.first < r.n) {
        r.end = r.first + r.batch < r.n ? r.first + r.batch : r.n;
        const int64_t n = r.end - r.first;
        pool_run(o->pool, some_rows, &r, (n + SHARE - 1) / SHARE);
        if (atomic_load(&r.failed))
            s = cannot(t, err);
        else
            to->put(to->file, r.bytes, (size_t)n * r.size);
        r.first = r.end;
    }
    close_rows(&r);
    return s;
}
