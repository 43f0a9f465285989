/* layout_check.c - whether the parts of a layout fit together. */
#include "base/error.h"
#include "quant/layout_kinds.h"

/* Nothing below overflows within these. */
#define MOST_SIDE (INT64_C(1) << 31)
#define MOST_ELEMENTS (INT64_C(1) << 48)

/* A part has to have `count` elements of its type. */
static ar_status check_size(const layout_part *p, const char *name,
                            int64_t count, ar_error *err) {
    const size_t want = ar_type_size(p->type, count);
    if (!p->data || p->size != want)
        return error_set(err, AR_SHAPE, "%s: has %zu bytes, not %zu", name,
                         p->data ? p->size : 0, want);
    return AR_OK;
}

static ar_status check_part(const layout_part *p, const char *name,
                            ar_type type, int64_t count, ar_error *err) {
    const bool word = type == AR_I32 && p->type == AR_U32;
    if (p->type != type && !word)
        return error_set(err, AR_FORMAT, "%s: is %s, not %s", name,
                         ar_type_name(p->type), ar_type_name(type));
    return check_size(p, name, count, err);
}

static ar_status check_float(const layout_part *p, const char *name,
                             int64_t count, ar_error *err) {
    if (!type_is_float(p->type))
        return error_set(err, AR_FORMAT, "%s: is %s, not a float", name,
                         ar_type_name(p->type));
    return check_size(p, name, count, err);
}

static ar_status check_whole(int64_t n, const char *name, int64_t of,
                             ar_error *err) {
    if (of < 1 || n % of)
        return error_set(err, AR_SHAPE, "%lld %s are not whole groups of %lld",
                         (long long)n, name, (long long)of);
    return AR_OK;
}

static ar_status check_fp8(const layout *l, ar_error *err) {
    if (l->tile_rows < 1 || l->tile_columns < 1)
        return error_set(err, AR_SHAPE, "tiles of %lld x %lld",
                         (long long)l->tile_rows, (long long)l->tile_columns);
    if (l->weight.type != AR_F8_E4M3 && l->weight.type != AR_F8_E5M2 &&
        l->weight.type != AR_I8)
        return error_set(err, AR_FORMAT, "weight: is %s, not 8 bits",
                         ar_type_name(l->weight.type));
    TRY(check_size(&l->weight, "weight", l->rows * l->columns, err));
    return check_float(&l->scale, "scale",
                       layout_groups(l->rows, l->tile_rows) *
                           layout_groups(l->columns, l->tile_columns),
                       err);
}

static ar_status check_mxfp4(const layout *l, ar_error *err) {
    TRY(check_whole(l->columns, "columns", 32, err));
    TRY(check_part(&l->weight, "weight", AR_U8, l->rows * l->columns / 2, err));
    return check_part(&l->scale, "scale", AR_U8, l->rows * l->columns / 32,
                      err);
}

static ar_status check_nvfp4(const layout *l, ar_error *err) {
    TRY(check_whole(l->columns, "columns", 16, err));
    TRY(check_part(&l->weight, "weight", AR_U8, l->rows * l->columns / 2, err));
    return check_part(&l->scale, "scale", AR_F8_E4M3, l->rows * l->columns / 16,
                      err);
}

static ar_status check_bits(const layout *l, uint32_t allowed, ar_error *err) {
    if (l->bits < 0 || l->bits > 31 || !(allowed >> l->bits & 1))
        return error_set(err, AR_UNSUPPORTED, "%d bits a weight", l->bits);
    return AR_OK;
}

static ar_status check_mlx(const layout *l, ar_error *err) {
    TRY(check_bits(l, 1 << 2 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 8,
                   err));
    TRY(check_whole(l->columns, "columns", l->group, err));
    TRY(check_whole(l->columns * l->bits, "bits of a row", 32, err));
    const int64_t groups = l->rows * (l->columns / l->group);
    TRY(check_part(&l->weight, "weight", AR_U32,
                   l->rows * (l->columns * l->bits / 32), err));
    TRY(check_float(&l->scale, "scale", groups, err));
    return check_float(&l->zero, "bias", groups, err);
}

static ar_status check_int(const layout *l, ar_error *err) {
    TRY(check_bits(l, 1 << 4 | 1 << 8, err));
    TRY(check_whole(l->columns, "columns", l->group, err));
    TRY(check_whole(l->columns * l->bits, "bits of a row", 32, err));
    TRY(check_part(&l->weight, "weight", AR_I32,
                   l->rows * (l->columns * l->bits / 32), err));
    return check_float(&l->scale, "scale", l->rows * (l->columns / l->group),
                       err);
}

/* Every input names a group that there is. */
static ar_status check_order(const layout *l, int64_t groups, ar_error *err) {
    if (!l->order.data) return AR_OK;
    TRY(check_part(&l->order, "order", AR_I32, l->columns, err));
    for (int64_t i = 0; i < l->columns; i++) {
        const uint32_t g = layout_word(&l->order, i);
        if (g >= (uint64_t)groups)
            return error_set(
                err, AR_FORMAT, "order: input %lld is in group %lld of %lld",
                (long long)i, (long long)(int32_t)g, (long long)groups);
    }
    return AR_OK;
}

static ar_status check_gptq(const layout *l, ar_error *err) {
    TRY(check_bits(l, 1 << 2 | 1 << 4 | 1 << 8, err));
    const int in_word = 32 / l->bits;
    if (l->zero_shift != 0 && l->zero_shift != 1)
        return error_set(err, AR_UNSUPPORTED, "zeros less %d", l->zero_shift);
    if (l->group < 1)
        return error_set(err, AR_SHAPE, "groups of %lld", (long long)l->group);
    TRY(check_whole(l->columns, "columns", in_word, err));
    TRY(check_whole(l->rows, "rows", in_word, err));
    const int64_t groups = layout_groups(l->columns, l->group);
    TRY(check_part(&l->weight, "weight", AR_I32, l->columns / in_word * l->rows,
                   err));
    TRY(check_part(&l->zero, "zero", AR_I32, groups * (l->rows / in_word),
                   err));
    TRY(check_float(&l->scale, "scale", groups * l->rows, err));
    return check_order(l, groups, err);
}

static ar_status check_awq(const layout *l, ar_error *err) {
    TRY(check_whole(l->rows, "rows", 8, err));
    TRY(check_whole(l->columns, "columns", l->group, err));
    const int64_t groups = l->columns / l->group;
    TRY(check_part(&l->weight, "weight", AR_I32, l->columns * (l->rows / 8),
                   err));
    TRY(check_part(&l->zero, "zero", AR_I32, groups * (l->rows / 8), err));
    return check_float(&l->scale, "scale", groups * l->rows, err);
}

static const struct {
    ar_status (*check)(const layout *l, ar_error *err);
    layout_rows_fn *decode;
    const char *name, *text;
} kinds[LAYOUT_COUNT] = {
#define LAYOUT(NAME, name, text) {check_##name, layout_##name, #name, text},
#include "quant/layouts.def"
#undef LAYOUT
};

const char *layout_text(layout_kind kind) {
    return (unsigned)kind < LAYOUT_COUNT ? kinds[kind].text : "";
}

const char *layout_name(layout_kind kind) {
    return (unsigned)kind < LAYOUT_COUNT ? kinds[kind].name : "";
}

ar_status layout_check(const layout *l, ar_error *err) {
    if ((unsigned)l->kind >= LAYOUT_COUNT)
        return error_set(err, AR_UNSUPPORTED, "layout %d is not one",
                         (int)l->kind);
    if (l->rows < 0 || l->rows > MOST_SIDE || l->columns < 0 ||
        l->columns > MOST_SIDE ||
        (l->columns && l->rows > MOST_ELEMENTS / l->columns))
        return error_set(err, AR_SHAPE, "a matrix of %lld x %lld",
                         (long long)l->rows, (long long)l->columns);
    return kinds[l->kind].check(l, err);
}

ar_status layout_decode(const layout *l, int64_t first, int64_t n, float *dst,
                        ar_error *err) {
    TRY(layout_check(l, err));
    if (first < 0 || n < 0 || first > l->rows || n > l->rows - first)
        return error_set(err, AR_RANGE, "rows %lld to %lld of %lld",
                         (long long)first, (long long)first + n - 1,
                         (long long)l->rows);
    kinds[l->kind].decode(l, first, n, dst);
    return AR_OK;
}
