/* export_plan.c - what each weight of another file is made of, and how. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "model/config_keys.h"
#include "model/export_int.h"

static bool is_q_or_k(enum param_role r) {
    return r == ROLE_Q || r == ROLE_K || r == ROLE_Q_BIAS || r == ROLE_K_BIAS;
}

static bool is_norm(enum param_role r) {
    return r == ROLE_ATTN_NORM || r == ROLE_MLP_NORM || r == ROLE_FINAL_NORM ||
           r == ROLE_ATTN_POST_NORM || r == ROLE_MLP_POST_NORM ||
           r == ROLE_Q_NORM || r == ROLE_K_NORM;
}

/* Gate and up that lie as alternate outputs of one stack. */
static const param_spec *find_fused(export_tensor *t, const ar_model *m) {
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
static const param_spec *find_joined(export_tensor *t, const ar_model *m) {
    const int k = params_find(&m->params, ROLE_K_B, t->spec->layer);
    const int v = params_find(&m->params, ROLE_V_B, t->spec->layer);
    if (k < 0 || v < 0) return NULL;
    t->second = params_whole(&m->params.spec[v], m->files);
    t->form = EXPORT_JOINED;
    return &m->params.spec[k];
}

/* What a weight is made of. */
static ar_status find_source(export_tensor *t, const ar_model *m,
                             ar_error *err) {
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

ar_status export_plan_build(export_plan *out, const ar_model *m,
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
