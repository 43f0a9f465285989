/* params_load.c - the weights of a model out of files. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "model/params_parts.h"

/* Names of tensors that some files hold and no model needs. */
static const struct {
    enum name_scheme scheme;
    const char *end;
} skips[] = {
#define PARAM_SKIP(scheme, end) {NAMES_##scheme, end},
#include "model/names.def"
#undef PARAM_SKIP
};

/* Of a layer behind the model's last. */
static bool skipped(const char *name) {
    const size_t n = strlen(name);
    for (size_t i = 0; i < sizeof skips / sizeof *skips; i++) {
        const size_t m = strlen(skips[i].end);
        if (n >= m && !strcmp(name + n - m, skips[i].end)) return true;
    }
    return false;
}

/* Of a layer behind the last, for guessing tokens ahead? */
static bool of_layer_ahead(const param_list *p, const char *name) {
    static const char *const starts[] = {"model.layers.", "layers.", "blk."};
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        const size_t n = strlen(starts[i]);
        if (strncmp(name, starts[i], n) != 0) continue;
        const long l = strtol(name + n, NULL, 10);
        return l >= p->n_layers && l < p->n_layers + p->n_ahead;
    }
    return false;
}

void params_mark(const param_list *p, const weights *w, unsigned char *used) {
    const int64_t n = weights_count(w);
    const tensor_view *first = n ? weights_get(w, 0) : NULL; /* of one array */
    for (int i = 0; i < p->n; i++) {
        const param_spec *s = &p->spec[i];
        const param_source from = params_source(s, w);
        for (int64_t k = 0; k < from.n; k++)
            used[params_part(s, w, &from, k) - first] = 1;
    }
    /* Files of tied models may hold the embedding once more. */
    const bool tied = params_find(p, ROLE_HEAD, -1) < 0;
    for (int64_t k = 0; k < n; k++) {
        const char *name = weights_get(w, k)->name;
        const bool head = tied && !strcmp(name, "lm_head.weight");
        if (!used[k] && (skipped(name) || head || of_layer_ahead(p, name)))
            used[k] = 2;
    }
}

/* A tied model has one matrix: a second that is another one is a choice that
 * the configuration and the file make differently. */
static ar_status check_tied(const param_list *p, const weights *w,
                            ar_error *err) {
    const tensor_view *head = weights_find(w, "lm_head.weight");
    const int i = params_find(p, ROLE_EMBED, -1);
    if (!head || i < 0 || params_find(p, ROLE_HEAD, -1) >= 0) return AR_OK;
    const tensor_view *embed = params_whole(&p->spec[i], w);
    const bool plain = embed && embed->data && head->data;
    if (plain && head->type == embed->type && head->size == embed->size &&
        !memcmp(head->data, embed->data, head->size))
        return AR_OK;
    return error_set(err, AR_FORMAT,
                     "tensor \"%s\" is not the embedding, but "
                     "tie_word_embeddings says so",
                     head->name);
}

/* The first tensor that no weight took; used [weights_count]. */
static ar_status check_left_over(const param_list *p, const weights *w,
                                 unsigned char *used, ar_error *err) {
    params_mark(p, w, used);
    for (int64_t k = 0; k < weights_count(w); k++)
        if (!used[k])
            return error_set(
                err, AR_FORMAT,
                "tensor \"%.128s\" belongs to no weight of the model",
                weights_get(w, k)->name);
    return AR_OK;
}

/* As many names as a sentence has room for, with commas between. */
typedef struct names {
    char text[160];
    size_t used;
    bool cut;
} names;

static void add_name(void *ctx, const char *name) {
    names *x = ctx;
    const char *comma = x->used ? ", " : "";
    const size_t size = strlen(comma) + strlen(name);
    x->cut = x->cut || x->used + size >= sizeof x->text;
    if (x->cut) return;
    snprintf(x->text + x->used, sizeof x->text - x->used, "%s%s", comma, name);
    x->used += size;
}

static ar_status check_missing(const param_list *p, const weights *w,
                               ar_error *err) {
    names x = {0};
    const int64_t n = params_missing(p, w, add_name, &x);
    if (n == 0) return AR_OK;
    if (n == 1)
        return error_set(err, AR_FORMAT, "there is no tensor \"%s\"", x.text);
    return error_set(err, AR_FORMAT, "%lld tensors are missing: %s%s",
                     (long long)n, x.text, x.cut ? " ..." : "");
}

ar_status params_check(const param_list *p, const weights *w, ar_error *err) {
    TRY(check_missing(p, w, err));
    for (int i = 0; i < p->n; i++)
        TRY(params_check_source(&p->spec[i], w, err));
    const int64_t n = weights_count(w);
    unsigned char *used = mem_alloc((size_t)n);
    if (!used)
        return error_set(err, AR_NOMEM, "no memory to check the weights");
    const ar_status s = check_left_over(p, w, used, err);
    mem_free(used);
    return s == AR_OK ? check_tied(p, w, err) : s;
}

ar_status params_load(const param_list *p, ar_type t, const weights *w,
                      void *block, ar_error *err) {
    TRY(params_check(p, w, err));
    for (int i = 0; i < p->n; i++)
        TRY(params_load_one(&p->spec[i], t, w,
                            (char *)block + p->spec[i].offset, err));
    return AR_OK;
}
