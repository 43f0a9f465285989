/* params_parts.c - weights that are several tensors of a file. */
#include "model/params_parts.h"

#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "quant/layout.h"

enum { MXFP4_GROUP = 32, NAME_ROOM = PARAM_NAME_SIZE + 16 };

/* By its name, or without the word that some files leave out. */
static const tensor_view *find(const weights *w, const char *name) {
    static const char *const prefixes[] = {"transformer.", "model."};
    const tensor_view *t = weights_find(w, name);
    for (size_t i = 0; !t && i < sizeof prefixes / sizeof *prefixes; i++) {
        const size_t n = strlen(prefixes[i]);
        if (!strncmp(name, prefixes[i], n)) t = weights_find(w, name + n);
    }
    return t;
}

const char *params_part_name(const param_spec *s, int64_t i,
                             char out[NAME_ROOM]) {
    const char *star = strchr(s->parts, '*');
    snprintf(out, NAME_ROOM, "%.*s%lld%s", (int)(star - s->parts), s->parts,
             (long long)i, star + 1);
    return out;
}

static const tensor_view *expert(const param_spec *s, const weights *w,
                                 int64_t i) {
    char name[NAME_ROOM];
    return find(w, params_part_name(s, i, name));
}

static const tensor_view *with_end(const param_spec *s, const weights *w,
                                   const char *end) {
    char name[NAME_ROOM];
    snprintf(name, sizeof name, "%s%s", s->name, end);
    return find(w, name);
}

static bool is_stack(const param_spec *s) { return s->shape.rank == 3; }

shape params_part_shape(const param_spec *s) {
    const int64_t *dim = s->shape.dim;
    return is_stack(s) ? shape2(dim[1], dim[2]) : shape1(dim[1]);
}

/* Experts one by one; those of one type are kept in it. */
static param_source by_expert(const param_spec *s, const weights *w) {
    param_source from = {PARAM_BY_EXPERT, s->shape.dim[0], NULL, NULL, AR_F32};
    for (int64_t i = 0; i < from.n; i++) {
        const tensor_view *t = expert(s, w, i);
        if (!t) return (param_source){0};
        if (i == 0) {
            from.tensor = t;
            from.type = t->type;
        }
        if (t->type != from.type) from.type = AR_F32;
    }
    return from;
}

param_source params_source(const param_spec *s, const weights *w) {
    const tensor_view *t = find(w, s->name);
    if (t) return (param_source){PARAM_WHOLE, 1, t, NULL, t->type};
    const bool stack = is_stack(s);
    const tensor_view *blocks = stack ? with_end(s, w, "_blocks") : NULL;
    const tensor_view *scales = stack ? with_end(s, w, "_scales") : NULL;
    if (blocks && scales)
        return (param_source){PARAM_MXFP4, 2, blocks, scales,
                              s->turned ? AR_F32 : AR_MXFP4};
    return s->parts[0] ? by_expert(s, w) : (param_source){0};
}

const tensor_view *params_part(const param_spec *s, const weights *w,
                               const param_source *from, int64_t i) {
    switch (from->kind) {
    case PARAM_MISSING: return s->parts[0] ? expert(s, w, i) : NULL;
    case PARAM_WHOLE: return from->tensor;
    case PARAM_BY_EXPERT: return expert(s, w, i);
    case PARAM_MXFP4: return i ? from->scales : from->tensor;
    }
    return NULL;
}

const tensor_view *params_whole(const param_spec *s, const weights *w) {
    const param_source from = params_source(s, w);
    return from.kind == PARAM_WHOLE ? from.tensor : NULL;
}

void params_declare(st_writer *w, const param_spec *s, ar_type t) {
    char name[NAME_ROOM];
    if (!s->parts[0]) {
        st_declare(w, s->name, t, &s->shape);
        return;
    }
    const shape one = params_part_shape(s);
    for (int64_t i = 0; i < s->shape.dim[0]; i++)
        st_declare(w, params_part_name(s, i, name), t, &one);
}

/* ---- checks ---- */

int64_t params_missing(const param_list *p, const weights *w,
                       params_name_fn *fn, void *ctx) {
    char name[NAME_ROOM];
    int64_t n = 0;
    for (int i = 0; i < p->n; i++) {
        const param_spec *s = &p->spec[i];
        if (params_source(s, w).kind != PARAM_MISSING) continue;
        int64_t found = 0;
        const int64_t E = s->parts[0] ? s->shape.dim[0] : 0;
        const bool alone = E && strncmp(s->name, "blk.", 4) != 0;
        for (int64_t k = 0; k < E; k++) found += expert(s, w, k) != NULL;
        if (!found) fn(ctx, alone ? s->parts : s->name);
        n += !found;
        for (int64_t k = 0; found && k < E; k++)
            if (!expert(s, w, k)) {
                fn(ctx, params_part_name(s, k, name));
                n++;
            }
    }
    return n;
}

/* Rows are outputs, whatever the weight's own order is. */
static int64_t rows_of(const param_spec *s) {
    return s->shape.dim[1 + s->turned];
}
static int64_t columns_of(const param_spec *s) {
    return s->shape.dim[2 - s->turned];
}

/* Of tensor i of the source. */
static shape wanted_shape(const param_spec *s, const param_source *from,
                          int64_t i) {
    const int64_t E = s->shape.dim[0];
    if (from->kind == PARAM_BY_EXPERT) return params_part_shape(s);
    if (from->kind != PARAM_MXFP4) return s->shape;
    const int64_t n = columns_of(s) / MXFP4_GROUP;
    return i ? shape3(E, rows_of(s), n)
             : shape4(E, rows_of(s), n, MXFP4_GROUP / 2);
}

static bool type_is_right(const param_source *from, const tensor_view *t) {
    if (from->kind == PARAM_MXFP4) return t->type == AR_U8;
    return tensor_is_number(t);
}

int64_t params_misshapen(const param_list *p, const weights *w,
                         params_shape_fn *fn, void *ctx) {
    int64_t n = 0;
    for (int i = 0; i < p->n; i++) {
        const param_spec *s = &p->spec[i];
        const param_source from = params_source(s, w);
        for (int64_t k = 0; k < from.n; k++) {
            const tensor_view *t = params_part(s, w, &from, k);
            const shape want = wanted_shape(s, &from, k);
            if (shape_equal(&t->shape, &want)) continue;
            fn(ctx, t, &want);
            n++;
        }
    }
    return n;
}

ar_status params_check_source(const param_spec *s, const weights *w,
                              ar_error *err) {
    const param_source from = params_source(s, w);
    char has[SHAPE_TEXT], wants[SHAPE_TEXT];
    for (int64_t i = 0; i < from.n; i++) {
        const tensor_view *t = params_part(s, w, &from, i);
        const shape want = wanted_shape(s, &from, i);
        if (!shape_equal(&t->shape, &want))
            return error_set(err, AR_SHAPE, "tensor \"%s\" is %s, expected %s",
                             t->name, shape_text(&t->shape, has),
                             shape_text(&want, wants));
        if (!type_is_right(&from, t))
            return error_set(err, AR_UNSUPPORTED, "tensor \"%s\" is %s",
                             t->name, ar_type_name(t->type));
    }
    if (from.kind == PARAM_MXFP4 && columns_of(s) % MXFP4_GROUP)
        return error_set(err, AR_SHAPE, "tensor \"%s\" holds rows of %lld",
                         from.tensor->name, (long long)columns_of(s));
    return AR_OK;
}

/* ---- reading ---- */

ar_type params_kept_type(const param_spec *s, const weights *w) {
    const param_source from = params_source(s, w);
    ar_type all = from.type;
    for (int64_t i = 0; i < from.n; i++) {
        const tensor_view *t = params_part(s, w, &from, i);
        if (!t->packed) return from.type;
        const ar_type own = layout_block_type(t->packed);
        if (i > 0 && own != all) return AR_F32;
        all = own;
    }
    return all;
}

/* One tensor as type t at data. */
static ar_status read_part(const tensor_view *src, ar_type t, void *data,
                           ar_error *err) {
    const int64_t n = shape_count(&src->shape);
    char word[TENSOR_TYPE_TEXT];
    if (src->packed && quant_is_block(t))
        return layout_to_blocks(src->packed, t, data, err);
    if (src->type == t) {
        memcpy(data, src->data, src->size);
        return AR_OK;
    }
    if (t == AR_F32) return tensor_read_f32(src, 0, n, data, err);
    if (t == AR_F64) return tensor_read_f64(src, 0, n, data, err);
    return error_set(err, AR_UNSUPPORTED,
                     "tensor \"%s\" is %s, which cannot become %s", src->name,
                     tensor_type_text(src, word), ar_type_name(t));
}

/* Numbers of one row, decoded, to their places in a matrix. */
static void put_row(const float *row, int64_t n, int64_t step, ar_type t,
                    void *data, int64_t at) {
    for (int64_t i = 0; i < n; i++)
        if (t == AR_F32)
            ((float *)data)[at + i * step] = row[i];
        else
            ((double *)data)[at + i * step] = (double)row[i];
}

static ar_status decode_mxfp4(const param_spec *s, const param_source *from,
                              ar_type t, void *data, ar_error *err) {
    const int64_t E = s->shape.dim[0], R = rows_of(s), C = columns_of(s);
    layout l = {.kind = LAYOUT_MXFP4, .rows = E * R, .columns = C};
    l.weight = (layout_part){from->tensor->data, from->tensor->size, AR_U8};
    l.scale = (layout_part){from->scales->data, from->scales->size, AR_U8};
    float *row = mem_new(float, C);
    ar_status status =
        row ? AR_OK : error_set(err, AR_NOMEM, "no memory for \"%s\"", s->name);
    for (int64_t r = 0; status == AR_OK && r < E * R; r++) {
        const int64_t e = r / R, i = r % R;
        status = layout_decode(&l, r, 1, row, err);
        if (status != AR_OK) break;
        if (s->turned)
            put_row(row, C, R, t, data, e * R * C + i);
        else
            put_row(row, C, 1, t, data, r * C);
    }
    mem_free(row);
    return status;
}

static ar_status read_mxfp4(const param_spec *s, const param_source *from,
                            ar_type t, void *data, ar_error *err) {
    const int64_t n = shape_count(&s->shape) / MXFP4_GROUP;
    const size_t size = ar_type_size(AR_MXFP4, MXFP4_GROUP);
    const unsigned char *in = from->tensor->data, *scales = from->scales->data;
    unsigned char *out = data;
    if (t == AR_F32 || t == AR_F64) return decode_mxfp4(s, from, t, data, err);
    if (t != AR_MXFP4 || s->turned)
        return error_set(err, AR_UNSUPPORTED, "\"%s\" as %s", s->name,
                         ar_type_name(t));
    for (int64_t i = 0; i < n; i++)
        layout_mxfp4_block(in + i * MXFP4_GROUP / 2, scales[i],
                           out + (size_t)i * size);
    return AR_OK;
}

ar_status params_load_one(const param_spec *s, ar_type t, const weights *w,
                          void *data, ar_error *err) {
    const param_source from = params_source(s, w);
    if (from.kind == PARAM_MISSING)
        return error_set(err, AR_FORMAT, "there is no tensor \"%s\"", s->name);
    if (from.kind == PARAM_MXFP4) return read_mxfp4(s, &from, t, data, err);
    const int64_t each = shape_count(&s->shape) / from.n;
    for (int64_t i = 0; i < from.n; i++)
        TRY(read_part(params_part(s, w, &from, i), t,
                      (char *)data + ar_type_size(t, i * each), err));
    return AR_OK;
}
