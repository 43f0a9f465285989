/* export_rows.c - weights in the order and the type of another file. */
#include <math.h>
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

/* Gate and up that lie as alternate outputs of one stack. */
static const param_spec *find_fused(export_tensor *t, const model *m) {
    static const struct {
        enum param_role role, fused;
        int64_t first;
    } halves[] = {
        {ROLE_EXPERTS_GATE, ROLE_EXPERTS_GATE_UP, 0},
        {ROLE_EXPERTS_UP, ROLE_EXPERTS_GATE_UP, 1},
        {ROLE_EXPERTS_GATE_BIAS, ROLE_EXPERTS_GATE_UP_BIAS, 0},
        {ROLE_EXPERTS_UP_BIAS, ROLE_EXPERTS_GATE_UP_BIAS, 1},
    };
    for (size_t i = 0; i < sizeof halves / sizeof *halves; i++) {
        if (halves[i].role != t->spec->role) continue;
        const int from =
            params_find(&m->params, halves[i].fused, t->spec->layer);
        t->first = halves[i].first;
        t->step = 2;
        t->form = EXPORT_EXPERTS;
        return from < 0 ? NULL : &m->params.spec[from];
    }
    return NULL;
}

/* K_B and V_B of latent attention, which are one weight elsewhere. */
static const param_spec *find_joined(export_tensor *t, const model *m) {
    const int k = params_find(&m->params, ROLE_K_B, t->spec->layer);
    const int v = params_find(&m->params, ROLE_V_B, t->spec->layer);
    if (k < 0 || v < 0) return NULL;
    t->second = params_whole(&m->params.spec[v], m->files);
    t->form = EXPORT_JOINED;
    return &m->params.spec[k];
}

/* What a weight is made of. */
static ar_status find_source(export_tensor *t, const model *m, ar_error *err) {
    const int i = params_find(&m->params, t->spec->role, t->spec->layer);
    const bool joined = i < 0 && t->spec->role == ROLE_KV_B;
    const param_spec *from = i >= 0   ? &m->params.spec[i]
                             : joined ? find_joined(t, m)
                                      : find_fused(t, m);
    if (!from)
        return error_set(err, AR_UNSUPPORTED,
                         "the model has no weight of the form of \"%s\"",
                         t->spec->name);
    t->files = m->files;
    t->src_spec = from;
    t->from = params_source(from, m->files);
    t->src = t->from.tensor;
    if (t->from.kind == PARAM_MXFP4 || from->turned != t->spec->turned)
        t->form = EXPORT_EXPERTS;
    if (t->src) return AR_OK;
    return error_set(err, AR_FORMAT, "there is nothing for \"%s\"",
                     t->spec->name);
}

/* Rows of latent attention that rotate are the last of a head; in GGUF files
 * neighbours are turned together. */
static void plan_latent(export_tensor *t, const model_config *from,
                        const model_config *to) {
    const enum param_role r = t->spec->role;
    const bool of_q = r == ROLE_Q || r == ROLE_Q_B;
    if (!of_q && r != ROLE_KV_A && r != ROLE_KV_A_BIAS) return;
    t->unturned = of_q ? to->qk_nope_dim : to->kv_lora_rank;
    t->head = t->unturned + to->qk_rope_dim;
    if (from->rope_interleaved != to->rope_interleaved)
        t->form = to->rope_interleaved ? EXPORT_PAIRED : EXPORT_UNPAIRED;
}

/* How the rows of a weight come from those of its tensor; permute: q and k. */
static void set_form(export_tensor *t, const model_config *from,
                     const model_config *to, bool permute) {
    const enum param_role r = t->spec->role;
    t->head = to->head_dim ? to->head_dim : 1;
    t->turned = to->rope_dims;
    if (t->spec->matrix && to->conv1d != from->conv1d) t->form = EXPORT_TURNED;
    if (permute && is_q_or_k(r))
        t->form = to->gguf ? EXPORT_PAIRED : EXPORT_UNPAIRED;
    if ((r == ROLE_QKV || r == ROLE_QKV_BIAS) &&
        to->qkv_by_head != from->qkv_by_head)
        t->form = to->qkv_by_head ? EXPORT_BY_HEAD : EXPORT_PARTS;
    if (to->attn_kind == ATTN_LATENT) plan_latent(t, from, to);
}

/* A of a scan, and its logarithm in folders. */
static double rate_of(double log_rate) { return -exp(log_rate); }
static double log_of(double rate) { return log(-rate); }

/* How the elements of a weight change on the way from one form to another. */
static void choose_map(export_tensor *t, const model_config *from,
                       const model_config *to) {
    if (is_norm(t->spec->role)) t->offset = from->norm_offset - to->norm_offset;
    if (t->spec->role == ROLE_SCAN_A && to->gguf != from->gguf)
        t->map = to->gguf ? rate_of : log_of;
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
        t->spec = s;
        t->step = 1;
        TRY(find_source(t, m, err));
        set_form(t, &m->config, to, permute);
        choose_map(t, &m->config, to);
    }
    return AR_OK;
}

void export_plan_close(export_plan *p) {
    params_close(&p->params);
    mem_free(p->tensors);
    memset(p, 0, sizeof *p);
}

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

/* Bytes of n f32 in the type of the tensor; columns of a block type are whole
 * blocks. */
static bool encode(const export_tensor *t, const float *x, void *out,
                   int64_t n) {
    return quant_is_block(t->type) ? quant_encode(t->type, x, NULL, out, 1, n)
                                   : type_encode_f32(t->type, x, out, n);
}

/* Room for the rows of a tensor on their way. */
typedef struct rows {
    float *whole; /* a matrix [columns, n], turned on its way */
    float *row;
    void *bytes;
    int64_t n, columns; /* of what is written */
    size_t src_row;     /* bytes */
} rows;

/* kv_b [H, nope + v, lora] out of k_b [H, lora, nope] and v_b [H, v, lora]. */
static ar_status join(const export_tensor *t, const rows *r, ar_error *err) {
    const int64_t H = t->src->shape.dim[0], lora = r->columns;
    const int64_t nope = t->src->shape.dim[2], v = t->second->shape.dim[1];
    float *k_b = mem_new(float, H *lora *nope);
    float *v_b = mem_new(float, H *lora *v);
    ar_status s = AR_OK;
    if (!k_b || !v_b)
        s = error_set(err, AR_NOMEM, "no memory for \"%s\"", t->spec->name);
    else if (!type_decode_f32(t->src->type, t->src->data, k_b,
                              H * lora * nope) ||
             !type_decode_f32(t->second->type, t->second->data, v_b,
                              H * lora * v))
        s = error_set(err, AR_UNSUPPORTED, "tensor \"%s\" is %s",
                      t->second->name, ar_type_name(t->second->type));
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
    if (is_whole(t)) r->whole = mem_new(float, r->n * r->columns);
    if (!r->row || !r->bytes || (is_whole(t) && !r->whole))
        return error_set(err, AR_NOMEM, "no memory for \"%s\"", t->spec->name);
    if (t->form == EXPORT_JOINED) return join(t, r, err);
    if (!r->whole || type_decode_f32(t->src->type, t->src->data, r->whole,
                                     r->n * r->columns))
        return AR_OK;
    return error_set(err, AR_UNSUPPORTED, "tensor \"%s\" is %s", t->src->name,
                     ar_type_name(t->src->type));
}

static bool one_row(const export_tensor *t, rows *r, int64_t i) {
    const char *src =
        (const char *)t->src->data + (size_t)source_row(t, i) * r->src_row;
    if (r->whole)
        for (int64_t k = 0; k < r->columns; k++)
            r->row[k] = r->whole[k * r->n + i];
    else if (!type_decode_f32(t->src->type, src, r->row, r->columns))
        return false;
    if (t->map)
        for (int64_t k = 0; k < r->columns; k++)
            r->row[k] = (float)t->map((double)r->row[k]);
    if (t->offset != 0)
        for (int64_t k = 0; k < r->columns; k++)
            r->row[k] = (float)((double)r->row[k] + t->offset);
    return encode(t, r->row, r->bytes, r->columns);
}

/* One tensor of the source, from its first row to its last. */
static ar_status part_rows(const export_tensor *t, export_put *put, void *file,
                           ar_error *err) {
    rows r = {0};
    ar_status s = open_rows(&r, t, err);
    const bool raw =
        t->type == t->src->type && t->offset == 0 && !t->map && !r.whole;
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

ar_status export_rows(const export_tensor *t, export_put *put, void *file,
                      ar_error *err) {
    if (t->form == EXPORT_EXPERTS) return export_experts(t, put, file, err);
    if (t->from.kind != PARAM_BY_EXPERT) return part_rows(t, put, file, err);
    param_spec one = *t->spec;
    one.shape = shape2(one.shape.dim[1], one.shape.dim[2]);
    export_tensor part = *t;
    part.spec = &one;
    for (int64_t i = 0; i < t->from.n; i++) {
        part.src = params_part(t->src_spec, t->files, &t->from, i);
        TRY(part_rows(&part, put, file, err));
    }
    return AR_OK;
}
