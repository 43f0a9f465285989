/* packed.c - the parts of quantised matrices joined to one tensor each. */
#include "format/packed.h"

#include <string.h>

#include "base/error.h"
#include "format/packing.h"
#include "format/parse.h"

enum { NAME_SIZE = 1024 };

/* A matrix while its parts are sought. */
typedef struct joiner {
    weights *w;
    const packing *all;
    bool *used;    /* [w->n] tensors that are parts */
    packing p;     /* of this matrix */
    size_t module; /* bytes of its name */
    char name[NAME_SIZE];
} joiner;

static bool ends_with(const char *name, const char *end, size_t *start) {
    const size_t n = strlen(name), m = strlen(end);
    *start = n - m;
    return n > m + 1 && name[n - m - 1] == '.' && !strcmp(name + n - m, end);
}

/* Names alone do not tell: plain matrices are called MODULE.weight too. */
static bool is_packed_type(layout_kind kind, ar_type t) {
    switch (kind) {
    case LAYOUT_FP8: return t == AR_F8_E4M3 || t == AR_F8_E5M2 || t == AR_I8;
    case LAYOUT_NVFP4: return t == AR_U8;
    case LAYOUT_MLX:
    case LAYOUT_MXFP4: return t == AR_U32;
    default: return true;
    }
}

static bool begin(joiner *j, const tensor_view *t) {
    const packing_row *row = &packing_table[j->all->kind];
    size_t start;
    if (!ends_with(t->name, row->weight, &start) ||
        !is_packed_type(row->layout, t->type) || start >= NAME_SIZE - 32)
        return false;
    j->module = start - 1;
    memcpy(j->name, t->name, j->module);
    j->name[j->module] = '\0';
    return true;
}

/* MODULE.end, NULL if there is none. */
static const tensor_view *find(joiner *j, const char *end) {
    if (!*end) return NULL;
    snprintf(j->name + j->module, NAME_SIZE - j->module, ".%s", end);
    const tensor_view *t = weights_find(j->w, j->name);
    j->name[j->module] = '\0';
    return t;
}

/* A part of the layout; its tensor is then spoken for. */
static ar_status take(joiner *j, layout_part *out, const char *end, bool must,
                      size_t *size, ar_error *err) {
    const tensor_view *t = find(j, end);
    if (!t && must && *end)
        return error_set(err, AR_FORMAT, "there is no tensor %s of it", end);
    if (!t) return AR_OK;
    *out = (layout_part){t->data, t->size, t->type};
    j->used[t - j->w->tensors] = true;
    *size += t->size;
    return AR_OK;
}

/* A dim times or over a number; 0 where that is no size. */
static int64_t scaled(int64_t dim, int64_t times, int64_t over) {
    int64_t x;
    if (over < 1 || __builtin_mul_overflow(dim, times, &x) || x % over)
        return 0;
    return x / over;
}

/* The shape of the matrix out of that of its packed tensor. */
static ar_status logical_shape(shape *out, const packing *p,
                               const tensor_view *t, ar_error *err) {
    const layout_kind kind = packing_table[p->kind].layout;
    const bool stacked = kind == LAYOUT_MLX || kind == LAYOUT_MXFP4;
    const shape *s = &t->shape;
    char text[SHAPE_TEXT];
    *out = *s;
    if (s->rank == 2 || (stacked && s->rank == 3)) {
        int64_t *last = &out->dim[s->rank - 1];
        switch (kind) {
        case LAYOUT_FP8: break;
        case LAYOUT_MXFP4: *last = scaled(*last, 8, 1); break;
        case LAYOUT_NVFP4: *last = scaled(*last, 2, 1); break;
        case LAYOUT_MLX:
        case LAYOUT_INT: *last = scaled(*last, 32, p->bits); break;
        case LAYOUT_GPTQ:
            *out = shape2(s->dim[1], scaled(s->dim[0], 32, p->bits));
            break;
        default: *out = shape2(scaled(s->dim[1], 8, 1), s->dim[0]); break;
        }
        if (shape_count(out) > 0) return AR_OK;
    }
    return error_set(err, AR_SHAPE, "%s is no matrix of %d bits",
                     shape_text(s, text), p->bits);
}

/* Tiles as large as the number of scales says, where config.json does not. */
static ar_status set_tiles(layout *l, const packing *p, ar_error *err) {
    const int64_t one = (int64_t)ar_type_size(l->scale.type, 1);
    const int64_t n = one ? (int64_t)l->scale.size / one : 0;
    l->tile_rows = p->tile_rows;
    l->tile_columns = p->tile_columns;
    if (l->tile_rows) return AR_OK;
    l->tile_columns = l->columns;
    if (n != 1 && n != l->rows)
        return error_set(err, AR_SHAPE, "scale: %lld numbers for %lld rows",
                         (long long)n, (long long)l->rows);
    l->tile_rows = n == 1 ? l->rows : 1;
    return AR_OK;
}

/* The one number that all scales are times, or over. */
static ar_status set_scale_all(layout *l, const packing *p,
                               const layout_part *all, ar_error *err) {
    l->scale_all = 1;
    if (!all->data) return AR_OK;
    float x = 0;
    if (all->type != AR_F32 || all->size != sizeof x)
        return error_set(err, AR_SHAPE, "%s: is not one f32",
                         packing_table[p->kind].all);
    memcpy(&x, all->data, sizeof x);
    l->scale_all = p->kind == PACKING_NVFP4_CT ? 1 / x : x;
    return AR_OK;
}

static ar_status fill(joiner *j, layout *l, const tensor_view *t,
                      tensor_view *out, ar_error *err) {
    const packing *p = &j->p;
    const packing_row *row = &packing_table[p->kind];
    layout_part all = {0};
    size_t size = 0;
    const bool mxfp4 = row->layout == LAYOUT_MXFP4;
    TRY(logical_shape(&out->shape, p, t, err));
    TRY(take(j, &l->weight, row->weight, true, &size, err));
    TRY(take(j, &l->scale, row->scale, true, &size, err));
    TRY(take(j, &l->zero, row->zero, true, &size, err));
    TRY(take(j, &l->order, row->order, false, &size, err));
    TRY(take(j, &all, row->all, true, &size, err));
    l->kind = row->layout;
    l->columns = shape_last(&out->shape);
    l->rows = shape_count(&out->shape) / l->columns;
    l->bits = p->bits;
    l->group = p->group ? p->group : l->columns;
    l->zero_shift = p->zero_shift;
    if (mxfp4) l->weight.type = AR_U8; /* words of eight, the same bytes */
    if (l->kind == LAYOUT_FP8) TRY(set_tiles(l, p, err));
    TRY(set_scale_all(l, p, &all, err));
    out->size = size;
    return layout_check(l, err);
}

static ar_status join(joiner *j, const tensor_view *t, tensor_view *out,
                      ar_error *err) {
    char *name = arena_alloc(&j->w->mem, j->module + sizeof ".weight");
    layout *l = arena_new(&j->w->mem, layout, 1);
    if (!name || !l) return error_set(err, AR_NOMEM, "out of memory");
    memcpy(name, j->name, j->module);
    memcpy(name + j->module, ".weight", sizeof ".weight");
    *out = (tensor_view){.name = name, .type = AR_NONE, .packed = l};
    TRY(packing_of(&j->p, j->all, j->name, err));
    return fill(j, l, t, out, err);
}

static bool is_skip(const char *name) {
    size_t at;
#define PACKING_SKIP(end)                                                      \
    if (ends_with(name, end, &at)) return true;
#include "format/packings.def"
#undef PACKING_SKIP
    return false;
}

/* Joined matrices first, then what was no part of any. */
static ar_status join_all(weights *w, const char *path, const packing *p,
                          ar_error *err) {
    joiner j = {.w = w, .all = p};
    tensor_view *all = arena_new(&w->mem, tensor_view, w->n);
    j.used = arena_new(&w->mem, bool, w->n);
    if (!all || !j.used) return weights_no_memory(path, err);
    int64_t n = 0;
    for (int64_t i = 0; i < w->n; i++) {
        if (!begin(&j, &w->tensors[i])) continue;
        const ar_status s = join(&j, &w->tensors[i], &all[n++], err);
        if (s != AR_OK) return error_prefix(err, s, j.name);
    }
    for (int64_t i = 0; i < w->n; i++)
        if (!j.used[i] && !is_skip(w->tensors[i].name))
            all[n++] = w->tensors[i];
    w->tensors = all;
    w->n = n;
    return weights_index(w, path, err);
}

ar_status packed_join(weights *w, const char *path, const char *text,
                      size_t size, ar_error *err) {
    json_t *config = NULL;
    packing p;
    TRY(parse_json(&config, path, text, size, err));
    ar_status s = packing_parse(&p, config, err);
    if (s != AR_OK) error_prefix(err, s, path);
    if (s == AR_OK && p.kind != PACKING_NONE) s = join_all(w, path, &p, err);
    json_decref(config);
    return s;
}
