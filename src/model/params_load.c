/* params_load.c - the weights of a model out of files. */
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "format/weights.h"
#include "model/params.h"
#include "quant/quant.h"

/* Names of tensors that some files hold and no model needs. */
static const struct {
    enum name_scheme scheme;
    const char *end;
} skips[] = {
#define PARAM_SKIP(scheme, end) {NAMES_##scheme, end},
#include "model/names.def"
#undef PARAM_SKIP
};

static bool skipped(const char *name) {
    const size_t n = strlen(name);
    for (size_t i = 0; i < sizeof skips / sizeof *skips; i++) {
        const size_t m = strlen(skips[i].end);
        if (n >= m && !strcmp(name + n - m, skips[i].end)) return true;
    }
    return false;
}

const tensor_view *params_tensor(const param_spec *s, const weights *w) {
    static const char *const prefixes[] = {"transformer.", "model."};
    const tensor_view *t = weights_find(w, s->name);
    for (size_t i = 0; !t && i < sizeof prefixes / sizeof *prefixes; i++) {
        const size_t n = strlen(prefixes[i]);
        if (!strncmp(s->name, prefixes[i], n)) t = weights_find(w, s->name + n);
    }
    return t;
}

static ar_status check_one(const param_spec *s, const weights *w,
                           ar_error *err) {
    const tensor_view *t = params_tensor(s, w);
    if (!t)
        return error_set(err, AR_FORMAT, "there is no tensor \"%s\"", s->name);
    if (!shape_equal(&t->shape, &s->shape)) {
        char has[SHAPE_TEXT], wants[SHAPE_TEXT];
        return error_set(err, AR_SHAPE, "tensor \"%s\" is %s, expected %s",
                         s->name, shape_text(&t->shape, has),
                         shape_text(&s->shape, wants));
    }
    if (!tensor_is_number(t))
        return error_set(err, AR_UNSUPPORTED, "tensor \"%s\" is %s", s->name,
                         ar_type_name(t->type));
    return AR_OK;
}

/* The first tensor that no weight took; used [weights_count]. */
static ar_status check_left_over(const param_list *p, const weights *w,
                                 unsigned char *used, ar_error *err) {
    const int64_t n = weights_count(w);
    for (int i = 0; i < p->n; i++) {
        const tensor_view *t = params_tensor(&p->spec[i], w);
        for (int64_t k = 0; k < n; k++)
            if (weights_get(w, k) == t) used[k] = 1;
    }
    /* Files of tied models may hold the embedding once more. */
    const bool tied = params_find(p, ROLE_HEAD, -1) < 0;
    for (int64_t k = 0; k < n; k++) {
        const char *name = weights_get(w, k)->name;
        if (used[k] || skipped(name)) continue;
        if (tied && !strcmp(name, "lm_head.weight")) continue;
        return error_set(err, AR_FORMAT,
                         "tensor \"%.128s\" belongs to no weight of the model",
                         name);
    }
    return AR_OK;
}

ar_status params_check(const param_list *p, const weights *w, ar_error *err) {
    for (int i = 0; i < p->n; i++) TRY(check_one(&p->spec[i], w, err));
    const int64_t n = weights_count(w);
    if (n == p->n) return AR_OK; /* each was found, so none is left */
    unsigned char *used = mem_alloc((size_t)n);
    if (!used)
        return error_set(err, AR_NOMEM, "no memory to check the weights");
    const ar_status s = check_left_over(p, w, used, err);
    mem_free(used);
    return s;
}

ar_status params_load(const param_list *p, ar_type t, const weights *w,
                      void *block, ar_error *err) {
    TRY(params_check(p, w, err));
    for (int i = 0; i < p->n; i++)
        TRY(params_load_one(&p->spec[i], t, w,
                            (char *)block + p->spec[i].offset, err));
    return AR_OK;
}

ar_status params_load_one(const param_spec *s, ar_type t, const weights *w,
                          void *data, ar_error *err) {
    const tensor_view *src = params_tensor(s, w);
    const int64_t n = shape_count(&s->shape);
    if (src->type == t) {
        memcpy(data, src->data, src->size);
        return AR_OK;
    }
    if (t == AR_F32) return tensor_read_f32(src, 0, n, data, err);
    if (t == AR_F64) return tensor_read_f64(src, 0, n, data, err);
    return error_set(err, AR_UNSUPPORTED,
                     "tensor \"%s\" is %s, which cannot become %s", s->name,
                     ar_type_name(src->type), ar_type_name(t));
}
