/* export_experts.c - stacks of experts that lie in another form than they are
 * written in: turned, gate and up as alternate outputs of one matrix, MXFP4 in
 * two tensors.  A stack is read whole, in f32 or as the blocks that it is made
 * of. */
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "format/imatrix.h"
#include "model/export_int.h"
#include "quant/quant.h"

/* What is read and what is on its way. */
typedef struct stack {
    const export_tensor *t;
    ar_type type; /* of data */
    void *data;   /* [E, outputs, inputs], or turned; a table [E, outputs] */
    size_t size;  /* bytes */
    int64_t E, n_out, n_in; /* of the source */
    float *row;             /* [n_in]; of a table [outputs written] */
    void *bytes;
    const imatrix_entry *importance; /* NULL = none */
    const export_sink *to;
} stack;

static ar_status open_stack(stack *s, const export_tensor *t,
                            const export_options *o, const export_sink *to,
                            ar_error *err) {
    const param_spec *from = t->src_spec;
    const int turned = from->turned;
    const bool table = from->shape.rank == 2;
    *s = (stack){.t = t, .to = to, .type = AR_F32, .E = from->shape.dim[0]};
    s->n_out = from->shape.dim[table ? 1 : 1 + turned];
    s->n_in = table ? 1 : from->shape.dim[2 - turned];
    if (t->type == t->from.type && quant_is_block(t->type)) s->type = t->type;
    s->size = ar_type_size(s->type, shape_count(&from->shape));
    const int64_t n = table             ? s->n_out / t->step
                      : t->spec->turned ? s->n_out
                                        : s->n_in;
    s->data = mem_block_alloc(s->size);
    s->row = mem_new(float, n);
    s->bytes = mem_alloc(ar_type_size(t->type, n));
    if (!s->data || !s->row || !s->bytes)
        return error_set(err, AR_NOMEM, "no memory for \"%s\"", from->name);
    TRY(export_importance(t, o->importance, s->E, n, &s->importance, err));
    return params_load_one(from, s->type, t->files, s->data, err);
}

static void close_stack(stack *s) {
    if (s->data) mem_block_free(s->data, s->size);
    mem_free(s->row);
    mem_free(s->bytes);
}

static bool put_numbers(const stack *s, int64_t e, int64_t n) {
    const ar_type t = s->t->type;
    const float *mean = s->importance ? s->importance->mean + e * n : NULL;
    const bool ok = quant_is_block(t)
                        ? quant_encode(t, s->row, mean, s->bytes, 1, n)
                        : type_encode_f32(t, s->row, s->bytes, n);
    if (ok) s->to->put(s->to->file, s->bytes, ar_type_size(t, n));
    return ok;
}

/* Row r of expert e as it is written: the inputs of an output, or where that is
 * turned the outputs of an input. */
static bool put_row(const stack *s, int64_t e, int64_t r) {
    const int64_t row = e * s->n_out + r;
    if (s->type != AR_F32) {
        s->to->put(s->to->file,
                   (const char *)s->data + ar_type_size(s->type, row * s->n_in),
                   ar_type_size(s->type, s->n_in));
        return true;
    }
    const bool turned = s->t->spec->turned;
    const bool across = turned != s->t->src_spec->turned;
    const int64_t n = turned ? s->n_out : s->n_in; /* written */
    const int64_t ld = across ? s->n_in + s->n_out - n : n;
    const float *x = (const float *)s->data + e * s->n_out * s->n_in;
    for (int64_t i = 0; i < n; i++)
        s->row[i] = across ? x[i * ld + r] : x[r * ld + i];
    return put_numbers(s, e, n);
}

/* Row e of a table of biases. */
static bool put_biases(const stack *s, int64_t e) {
    const float *x = (const float *)s->data + e * s->n_out;
    int64_t n = 0;
    for (int64_t o = s->t->first; o < s->n_out; o += s->t->step)
        s->row[n++] = x[o];
    return put_numbers(s, e, n);
}

ar_status export_experts(const export_tensor *t, const export_options *o,
                         const export_sink *to, ar_error *err) {
    stack s;
    ar_status status = open_stack(&s, t, o, to, err);
    bool ok = true;
    for (int64_t e = 0; status == AR_OK && ok && e < s.E; e++) {
        if (t->src_spec->shape.rank == 2) {
            ok = put_biases(&s, e);
            continue;
        }
        const int64_t rows = t->spec->turned ? s.n_in : s.n_out;
        for (int64_t r = t->first; ok && r < rows; r += t->step)
            ok = put_row(&s, e, r);
    }
    if (status == AR_OK && !ok)
        status = error_set(err, AR_UNSUPPORTED, "\"%s\" cannot become %s",
                           t->src_spec->name, ar_type_name(t->type));
    close_stack(&s);
    return status;
}
