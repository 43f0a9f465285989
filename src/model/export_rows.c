/* export_rows.c - weights in the order and the type of another file. */
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
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

/* Bytes of n f32 in the type of the tensor; columns of a block type are whole
 * blocks. */
static bool encode(const export_tensor *t, const float *x, void *out,
                   int64_t n) {
    return quant_is_block(t->type) ? quant_encode(t->type, x, NULL, out, 1, n)
                                   : type_encode_f32(t->type, x, out, n);
}

/* Room for the rows of a tensor on their way. */
typedef struct rows {
    float *whole; /* a turned matrix, as it lies in the file */
    float *row;
    void *bytes;
    int64_t n, columns; /* of what is written */
    size_t src_row;     /* bytes */
} rows;

static ar_status open_rows(rows *r, const export_tensor *t, ar_error *err) {
    const shape *s = &t->spec->shape;
    r->columns = s->rank > 1 ? s->dim[s->rank - 1] : 1;
    r->n = shape_count(s) / r->columns;
    if (s->rank == 1 && t->form == EXPORT_SAME) {
        r->columns = r->n;
        r->n = 1;
    }
    r->src_row = ar_type_size(t->src->type, r->columns);
    r->row = mem_new(float, r->columns);
    r->bytes = mem_alloc(ar_type_size(t->type, r->columns));
    if (t->form == EXPORT_TURNED) r->whole = mem_new(float, r->n * r->columns);
    if (!r->row || !r->bytes || (t->form == EXPORT_TURNED && !r->whole))
        return error_set(err, AR_NOMEM, "no memory for \"%s\"", t->spec->name);
    if (!r->whole) return AR_OK;
    return tensor_read_f32(t->src, 0, r->n * r->columns, r->whole, err);
}

static bool one_row(const export_tensor *t, rows *r, int64_t i) {
    if (r->whole)
        for (int64_t k = 0; k < r->columns; k++)
            r->row[k] = r->whole[k * r->n + i];
    else if (tensor_read_f32(t->src, source_row(t, i) * r->columns, r->columns,
                             r->row, NULL) != AR_OK)
        return false;
    if (t->offset != 0)
        for (int64_t k = 0; k < r->columns; k++)
            r->row[k] = (float)((double)r->row[k] + t->offset);
    return encode(t, r->row, r->bytes, r->columns);
}

ar_status export_rows(const export_tensor *t, export_put *put, void *file,
                      ar_error *err) {
    rows r = {0};
    ar_status s = open_rows(&r, t, err);
    const bool raw = t->type == t->src->type && t->offset == 0 && !r.whole;
    const size_t size = s == AR_OK ? ar_type_size(t->type, r.columns) : 0;
    for (int64_t i = 0; s == AR_OK && i < r.n; i++) {
        if (raw)
            put(file,
                (const char *)t->src->data +
                    (size_t)source_row(t, i) * r.src_row,
                size);
        else if (one_row(t, &r, i))
            put(file, r.bytes, size);
        else
            s = error_set(err, AR_UNSUPPORTED,
                          "tensor \"%s\" is %s, which cannot become %s",
                          t->src->name, ar_type_name(t->src->type),
                          ar_type_name(t->type));
    }
    mem_free(r.whole);
    mem_free(r.row);
    mem_free(r.bytes);
    return s;
}
