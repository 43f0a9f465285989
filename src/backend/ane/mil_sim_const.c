/* mil_sim_const.c - constants: out of the text, out of weight files, and the
 * operations that unpack compressed ones. */
#include <string.h>

#include "backend/ane/mil_blob.h"
#include "backend/ane/mil_int.h"
#include "backend/ane/mil_sim_call.h"
#include "base/error.h"
#include "base/mem.h"
#include "quant/quant.h"

void sim_decode(const mil_literal *l, sim_tensor *out) {
    const int64_t n = out->count;
    if (l->type.dtype == MIL_FP32) {
        memcpy(out->data, l->data, sizeof(float) * (size_t)n);
    } else if (l->type.dtype == MIL_FP16) {
        const unsigned char *p = l->data;
        for (int64_t i = 0; i < n; i++)
            out->data[i].f =
                f16_to_f32((uint16_t)(p[2 * i] | p[2 * i + 1] << 8));
    } else {
        for (int64_t i = 0; i < n; i++) sim_put(out, i, mil_number(l, i));
    }
}

/* ---- loading ---- */

static ar_status from_file(const mil_sim *s, const mil_literal *l,
                           const mil_sim_options *opt, sim_tensor *t,
                           ar_error *err) {
    const void *file;
    size_t size;
    mil_blob blob;
    if (!opt->file)
        return error_set(err, AR_FORMAT, "%s: no folder of weights for \"%s\"",
                         s->name, l->path);
    TRY(opt->file(opt->user, l->path, &file, &size, err));
    TRY(mil_blob_at(l->path, file, size, l->offset, &blob, err));
    mil_literal here = *l;
    here.data = blob.data;
    /* The program's type holds, whatever type the blob says: some projects
     * write any there, and the engine does not look. */
    if (blob.size < mil_size(&l->type)) {
        char type[MIL_TYPE_TEXT];
        return error_set(err, AR_FORMAT,
                         "%s: the blob at %llu has %zu bytes, %s needs %zu",
                         l->path, (unsigned long long)l->offset, blob.size,
                         mil_type_text(&l->type, type), mil_size(&l->type));
    }
    sim_decode(&here, t);
    return AR_OK;
}

/* Only products use it, so that flushing it once is enough. */
static void flush_products(const sim_func *f, bool *other) {
    for (int i = 0; i < f->n_steps; i++) {
        const mil_op *op = f->steps[i].op;
        const bool product = f->steps[i].finish == SIM_PRODUCT;
        for (int32_t a = 0; a < op->n_args && !product; a++)
            for (int32_t k = 0; k < op->args[a].n_values; k++)
                other[op->args[a].values[k]] = true;
    }
    for (int32_t k = 0; k < f->f->n_results; k++)
        other[f->f->results[k]] = true;
    for (int32_t r = 1; r < f->f->n_values; r++) {
        sim_tensor *t = &f->values[r];
        if (!t->constant || other[r] || !sim_is_real(t->type.dtype)) continue;
        for (int64_t i = 0; i < t->count; i++)
            t->data[i].f = sim_flush(t->data[i].f);
        t->flushed = true;
    }
}

static ar_status load_func(mil_sim *s, sim_func *f, const mil_sim_options *opt,
                           ar_error *err) {
    for (int32_t r = 1; r < f->f->n_values; r++) {
        sim_tensor *t = &f->values[r];
        const mil_literal *l = f->f->values[r].literal;
        if (!t->constant || !l || !t->data) continue;
        if (l->path)
            TRY(from_file(s, l, opt, t, err));
        else
            sim_decode(l, t);
        sim_take_in(s, t);
    }
    for (int32_t i = 0; i < f->f->n_ops; i++) {
        const sim_step step = sim_step_of(&f->f->ops[i], f->opset);
        if (strncmp(step.op->kind, "constexpr_", 10) == 0)
            TRY(sim_run_step(s, f, &step, err));
    }
    if (s->level == 0 || !s->chip->flush) return AR_OK;
    bool *other = mem_new(bool, f->f->n_values + 1);
    if (!other) return error_set(err, AR_NOMEM, "no memory for constants");
    flush_products(f, other);
    mem_free(other);
    return AR_OK;
}

ar_status sim_load_constants(mil_sim *s, const mil_sim_options *opt,
                             ar_error *err) {
    int64_t cells = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < s->n_funcs; i++) {
            const sim_func *f = &s->funcs[i];
            for (int32_t r = 1; r < f->f->n_values; r++) {
                sim_tensor *t = &f->values[r];
                if (!t->constant || t->type.dtype == MIL_STRING ||
                    t->type.dtype == MIL_NONE)
                    continue;
                if (pass) t->data = s->constants + cells;
                cells += (t->count + 15) / 16 * 16;
            }
        }
        if (pass) break;
        s->const_size = (size_t)cells * sizeof(sim_cell);
        s->constants = mem_block_alloc(s->const_size + 1);
        if (!s->constants)
            return error_set(err, AR_NOMEM,
                             "%s: no memory for %zu bytes of constants",
                             s->name, s->const_size);
        cells = 0;
    }
    for (int i = 0; i < s->n_funcs; i++)
        TRY(load_func(s, &s->funcs[i], opt, err));
    return AR_OK;
}

/* ---- unpacking ---- */

/* Of a scale that is one number, or one for each place along an axis. */
static double along(const sim_tensor *t, int64_t i) {
    return !t ? 0 : sim_get(t, t->count == 1 ? 0 : i);
}

ar_status run_affine(sim_call *c) {
    const sim_tensor *q = sim_in(c, "quantized_data");
    const sim_tensor *scale = sim_in(c, "scale");
    const sim_tensor *zero = sim_in(c, "zero_point");
    sim_tensor *y = sim_out(c, 0);
    int axis = 0;
    sim_line l = {1, 1, q->count};
    if (q->type.rank) {
        TRY(typing_axis(&c->call, "axis", q->type.rank, &axis));
        l = sim_line_of(&q->type, axis);
    }
    for (int64_t i = 0; i < q->count; i++) {
        const int64_t k = i / l.behind % l.n;
        sim_put(y, i, along(scale, k) * (sim_get(q, i) - along(zero, k)));
    }
    return AR_OK;
}

/* Steps of a tensor of blocks, for places in the whole: index / size of block
 * times the step. */
static int64_t block_of(const sim_walk *w, const mil_type *blocks) {
    int64_t at = 0;
    for (int i = 0; i < w->rank; i++)
        at = at * blocks->dim[i] + w->index[i] / (w->dim[i] / blocks->dim[i]);
    return at;
}

static void shift_scale(const sim_call *c, const sim_tensor *data,
                        sim_tensor *y) {
    const sim_tensor *scale = sim_in(c, "scale"), *off = sim_in(c, "offset");
    sim_walk w = sim_walk_over(&data->type);
    for (int64_t i = 0; i < data->count; i++, sim_walk_next(&w)) {
        const int64_t b = block_of(&w, &scale->type);
        const double o = off ? sim_get(off, b) : 0;
        sim_put(y, i, sim_get(scale, b) * (sim_get(data, i) - o));
    }
}

ar_status run_blockwise(sim_call *c) {
    shift_scale(c, sim_in(c, "data"), sim_out(c, 0));
    return AR_OK;
}

/* Indices of `bits` each, packed from the low bit up in cells of a byte. */
static void old_lut(const sim_tensor *packed, const sim_tensor *lut,
                    sim_tensor *y) {
    int bits = 0;
    while ((int64_t)1 << bits < lut->count) bits++;
    for (int64_t i = 0; i < y->count; i++) {
        int64_t index = 0;
        for (int b = 0; b < bits; b++) {
            const int64_t at = i * bits + b;
            index |= (int64_t)(packed->data[at / 8].i >> at % 8 & 1) << b;
        }
        y->data[i] = lut->data[index];
    }
}

/* y: indices' shape with `axis` times as long as a vector. */
static void look_up(const sim_tensor *x, const sim_tensor *lut, int axis,
                    sim_tensor *y) {
    const int r = x->type.rank;
    const int64_t entries = lut->type.dim[r], vector = lut->type.dim[r + 1];
    int64_t step[MIL_MAX_DIMS];
    mil_type wide = x->type, groups = lut->type;
    groups.rank = r;
    if (axis >= 0) wide.dim[axis] *= vector;
    sim_steps(&wide, step);
    sim_walk w = sim_walk_over(&x->type);
    for (int64_t i = 0; i < x->count; i++, sim_walk_next(&w)) {
        const int64_t entry =
            (block_of(&w, &groups) * entries + x->data[i].i) * vector;
        int64_t at = 0;
        for (int k = 0; k < r; k++)
            at += w.index[k] * step[k] * (k == axis ? vector : 1);
        for (int64_t v = 0; v < vector; v++)
            y->data[at + (axis >= 0 ? v * step[axis] : 0)] =
                lut->data[entry + v];
    }
}

static ar_status vector_axis(sim_call *c, int rank, int *axis) {
    *axis = -1;
    if (!typing_has(&c->call, "vector_axis")) return AR_OK;
    return typing_axis(&c->call, "vector_axis", rank, axis);
}

ar_status run_lut(sim_call *c) {
    const sim_tensor *x = sim_in(c, "indices"), *lut = sim_in(c, "lut");
    int axis;
    if (c->call.opset < 18) {
        old_lut(x, lut, sim_out(c, 0));
        return AR_OK;
    }
    TRY(vector_axis(c, x->type.rank, &axis));
    look_up(x, lut, axis, sim_out(c, 0));
    return AR_OK;
}

/* Numbers into the places of set bits, zero elsewhere.  mask: an element a
 * place, or with `packed` eight. */
static ar_status spread_out(const sim_call *c, const sim_tensor *data,
                            const sim_tensor *mask, bool packed,
                            sim_tensor *y) {
    int64_t n = 0;
    for (int64_t i = 0; i < y->count; i++) {
        const int32_t bit =
            packed ? mask->data[i / 8].i >> i % 8 & 1 : mask->data[i].i & 1;
        if (bit && n >= data->count)
            return typing_bad(&c->call, "the mask has more than %lld bits",
                              (long long)data->count);
        y->data[i] = bit ? data->data[n++] : (sim_cell){.i = 0};
    }
    return AR_OK;
}

ar_status run_sparse(sim_call *c) {
    return spread_out(c, sim_in(c, "nonzero_data"), sim_in(c, "mask"),
                      c->call.opset < 18, sim_out(c, 0));
}

/* The numbers under the set bits of a mask. */
static ar_status gather_set(const sim_call *c, const sim_tensor *dense,
                            const sim_tensor *mask, sim_tensor *y) {
    int64_t n = 0;
    for (int64_t i = 0; i < dense->count; i++) {
        if (!mask->data[i].i) continue;
        if (n >= y->count)
            return typing_bad(&c->call, "the mask has more than %lld bits",
                              (long long)y->count);
        y->data[n++] = dense->data[i];
    }
    return AR_OK;
}

/* A tensor in scratch memory. */
static ar_status temporary(sim_call *c, int which, mil_type type,
                           enum mil_dtype dtype, sim_tensor *t) {
    float *p;
    type.dtype = dtype;
    TRY(sim_scratch(c, which, mil_count(&type), &p));
    *t = (sim_tensor){.type = type, .data = (sim_cell *)p};
    t->count = mil_count(&type);
    return AR_OK;
}

ar_status run_lut_sparse(sim_call *c) {
    const sim_tensor *mask = sim_in(c, "indices_mask");
    const sim_tensor *data = sim_in(c, "indices_nonzero_data");
    const sim_tensor *lut = sim_in(c, "lut");
    sim_tensor *out = sim_out(c, 0), indices, dense;
    const int64_t vector = lut->type.dim[lut->type.rank - 1];
    int axis;
    TRY(vector_axis(c, mask->type.rank, &axis));
    TRY(temporary(c, 0, mask->type, data->type.dtype, &indices));
    TRY(temporary(c, 1, out->type, lut->type.dtype, &dense));
    TRY(spread_out(c, data, mask, false, &indices));
    look_up(&indices, lut, axis, &dense);
    const sim_line l = sim_line_of(&out->type, axis < 0 ? 0 : axis);
    const int64_t v = axis < 0 ? 1 : vector;
    for (int64_t i = 0; i < out->count; i++) {
        const int64_t k = i / l.behind % l.n, row = i / (l.behind * l.n);
        out->data[i] =
            mask->data[(row * (l.n / v) + k / v) * l.behind + i % l.behind];
    }
    return gather_set(c, &dense, out, sim_out(c, 1));
}

ar_status run_sparse_blockwise(sim_call *c) {
    const sim_tensor *mask = sim_in(c, "data_mask");
    const sim_tensor *data = sim_in(c, "nonzero_data");
    sim_tensor q, dense;
    TRY(temporary(c, 0, mask->type, data->type.dtype, &q));
    TRY(temporary(c, 1, mask->type, sim_in(c, "scale")->type.dtype, &dense));
    TRY(spread_out(c, data, mask, false, &q));
    shift_scale(c, &q, &dense);
    memcpy(sim_out(c, 0)->data, mask->data,
           sizeof(sim_cell) * (size_t)mask->count);
    return gather_set(c, &dense, mask, sim_out(c, 1));
}
