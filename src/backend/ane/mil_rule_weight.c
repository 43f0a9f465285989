/* mil_rule_weight.c - rules about constants, and the files that they are in.
 */
#include "backend/ane/mil_blob.h"
#include "backend/ane/mil_rule.h"

#define MB 1048576.0
#define HEAVY 8.0     /* MB of constants */
#define WINDOW 4096.0 /* MB that a program sees */
#define FILE_SIZE 2147483648.0

/* ---- sums ---- */

static double constant_bytes(const rule_call *c) {
    double sum = 0;
    for (int i = 0; i < mil_n_funcs(c->p); i++) {
        const mil_func *f = mil_get_func(c->p, i);
        for (int32_t k = 1; k < f->n_values; k++) {
            const mil_value *v = mil_get(f, (mil_ref)k);
            if (v->op == -2) sum += (double)mil_size(&v->type);
        }
    }
    return sum;
}

static double surface_bytes(const mil_func *f) {
    double sum = 0;
    for (int i = 0; i < f->n_params; i++)
        sum += rule_surface(&mil_get(f, f->params[i])->type);
    for (int i = 0; i < f->n_results; i++)
        sum += rule_surface(&mil_get(f, f->results[i])->type);
    return sum;
}

void rule_heavy(rule_call *c) {
    const double mb = constant_bytes(c) / MB;
    if (mb > HEAVY) rule_hit(c, (mil_place){0}, rule_real(mb).s, NULL);
}

/* Functions have their surfaces at different times. */
void rule_window(rule_call *c) {
    double most = 0;
    for (int i = 0; i < mil_n_funcs(c->p); i++) {
        const double bytes = surface_bytes(mil_get_func(c->p, i));
        if (bytes > most) most = bytes;
    }
    const double mb = (constant_bytes(c) + most) / MB;
    if (mb > WINDOW) rule_hit(c, (mil_place){0}, rule_real(mb).s, NULL);
}

/* ---- compressed weights ---- */

static void hit_op(rule_call *c) {
    rule_hit(c, c->op->place, c->op->kind, rule_name(c), NULL);
}

void rule_folds_int8(rule_call *c) {
    if (!c->limits->int8_stream) hit_op(c);
}

void rule_folds_blocks(rule_call *c) {
    if (!c->limits->block_stream) hit_op(c);
}

void rule_vector_palette(rule_call *c) {
    if (rule_arg(c, "vector_axis"))
        rule_hit(c, c->op->place, rule_name(c), NULL);
}

void rule_affine_in_parentheses(rule_call *c) {
    if (c->op->n_args) hit_op(c);
}

void rule_blocks_in_brackets(rule_call *c) {
    if (!c->op->n_args) hit_op(c);
}

/* ---- places in files ---- */

void rule_odd_offset(rule_call *c) {
    const uint64_t at = c->blob->offset;
    if (at >= 64 && at % 64 == 0) return;
    rule_hit(c, c->place, rule_real((double)at).s, c->blob->path, NULL);
}

void rule_far_blob(rule_call *c) {
    const double end =
        (double)c->blob->offset + 64 + (double)mil_size(&c->blob->type);
    if (end > FILE_SIZE)
        rule_hit(c, c->place, rule_real((double)c->blob->offset).s,
                 c->blob->path, NULL);
}

/* ---- what is there ---- */

void rule_no_file(rule_call *c) {
    if (!c->first || c->file->open) return;
    text t = {0};
    text_addf(&t, "\"%s\" cannot be read", c->blob->path);
    rule_hit(c, c->place, t.failed ? c->blob->path : t.data, NULL);
    text_close(&t);
}

void rule_large_file(rule_call *c) {
    const double size = c->file->open ? (double)c->file->map.size : 0;
    if (c->first && size > FILE_SIZE)
        rule_hit(c, c->place, c->blob->path, rule_real(size / MB).s, NULL);
}

static bool find_blob(const rule_call *c, mil_blob *b, ar_error *err) {
    return mil_blob_at(c->blob->path, c->file->map.data, c->file->map.size,
                       c->blob->offset, b, err) == AR_OK;
}

void rule_no_blob(rule_call *c) {
    mil_blob b;
    ar_error why = {0};
    if (c->file->open && !find_blob(c, &b, &why))
        rule_hit(c, c->place, why.message, NULL);
}

void rule_blob_type(rule_call *c) {
    mil_blob b;
    if (!c->file->open || !find_blob(c, &b, NULL)) return;
    if (b.dtype != c->blob->type.dtype)
        rule_hit(c, c->place, rule_int((int64_t)b.offset).s, c->blob->path,
                 mil_dtype_name(b.dtype), mil_dtype_name(c->blob->type.dtype),
                 NULL);
}

void rule_blob_size(rule_call *c) {
    mil_blob b;
    if (!c->file->open || !find_blob(c, &b, NULL)) return;
    const int64_t n = mil_count(&c->blob->type);
    if (b.dtype == c->blob->type.dtype && b.count != n)
        rule_hit(c, c->place, rule_int((int64_t)b.offset).s, c->blob->path,
                 rule_int(b.count).s, rule_int(n).s, NULL);
}
