/* decoder.c - one graph builder for every decoder.
 *
 *   h = embed(ids) (+ positions)
 *   layer: h = h + s [norm] attention([norm] h);
 *          h = h + s [norm] mlp([norm] h)
 *   logits = cap(head decoder_norm(h))
 *
 * What a layer does besides is said by traits of the configuration, never by
 * the name of an architecture.  Rows are B * T tokens, or N tokens of any
 * sequences when keys and values go to pages; R stands for either. */
#include "model/decoder_int.h"

#include <math.h>

#include "base/mem.h"

ref decoder_param(const decoder_state *s, enum param_role role, int layer) {
    const int i = params_find(s->d->params, role, layer);
    return i < 0 ? 0 : s->d->param[i];
}

ref decoder_norm(const decoder_state *s, ref x, enum param_role role,
                 int layer) {
    const model_config *c = s->c;
    ref w = decoder_param(s, role, layer);
    if (c->norm >= NORM_RMS)
        return graph_rms_norm(s->g, x, w, c->norm_eps, c->norm_offset);
    if (c->norm_offset != 0) w = graph_affine(s->g, w, 1, c->norm_offset);
    /* ORDER: params.def: the bias of a norm is the role after it. */
    const ref bias = c->norm == NORM_LAYER
                         ? decoder_param(s, (enum param_role)(role + 1), layer)
                         : 0;
    return graph_layer_norm(s->g, x, w, bias, c->norm_eps);
}

/* x times the weight of a role, plus its bias where the model has one. */
ref decoder_linear(const decoder_state *s, ref x, enum param_role role,
                   int layer) {
    ref w = decoder_param(s, role, layer);
    if (s->c->conv1d) w = graph_transpose(s->g, w);
    /* ORDER: params.def: the bias of a map is the role after it. */
    return graph_linear(s->g, x, w,
                        decoder_param(s, (enum param_role)(role + 1), layer),
                        &s->d->matmul);
}

/* Rows of a table that may have another type than the activations. */
ref decoder_look_up(const decoder_state *s, ref table, ref ids) {
    return graph_cast(s->g, graph_embed(s->g, table, ids), s->d->type);
}

/* What a branch reads. */
static ref norm_before(const decoder_state *s, ref h, enum param_role role,
                       int l) {
    return s->c->branch_norm == BRANCH_POST ? h : decoder_norm(s, h, role, l);
}

/* h + s branch, the branch normed first where the model does so. */
static ref add_branch(const decoder_state *s, ref h, ref branch,
                      enum param_role role, int l) {
    const double scale = s->c->residual_scale;
    if (s->c->branch_norm != BRANCH_PRE)
        branch = decoder_norm(s, branch, role, l);
    return scale == 1 ? graph_add(s->g, h, branch)
                      : graph_axpby(s->g, 1, h, scale, branch);
}

/* The first branch of a layer. */
static ref mix_tokens(const decoder_state *s, ref x, int l) {
    return s->c->layer_kind[l] == LAYER_ATTENTION ? decoder_attention(s, x, l)
                                                  : decoder_scan(s, x, l);
}

static ref layer(const decoder_state *s, ref h, int l) {
    graph *g = s->g;
    ref resid = 0, x0 = 0;
    if (s->c->lambdas) {
        resid =
            graph_slice(g, decoder_param(s, ROLE_RESID_LAMBDAS, -1), 0, l, 1);
        x0 = graph_slice(g, decoder_param(s, ROLE_X0_LAMBDAS, -1), 0, l, 1);
    }
    graph_region_begin(g, "layer", l);
    if (s->c->lambdas)
        h = graph_add(g, graph_mul(g, h, resid), graph_mul(g, s->x0, x0));
    ref x = norm_before(s, h, ROLE_ATTN_NORM, l);
    const ref first = h;
    h = add_branch(s, h, mix_tokens(s, x, l), ROLE_ATTN_POST_NORM, l);
    if (s->c->no_mlp) {
        graph_region_end(g);
        return h;
    }
    if (!s->c->parallel) x = norm_before(s, h, ROLE_MLP_NORM, l);
    if (s->c->parallel && s->c->two_norms)
        x = norm_before(s, first, ROLE_MLP_NORM, l);
    const ref y =
        config_is_moe(s->c, l) ? decoder_moe(s, x, l) : decoder_mlp(s, x, l);
    h = add_branch(s, h, y, ROLE_MLP_POST_NORM, l);
    graph_region_end(g);
    return h;
}

/* Learned positions: [R, C], or the first T rows for each row of the batch. */
static ref add_positions(const decoder_state *s, ref h) {
    graph *g = s->g;
    const ref table = decoder_param(s, ROLE_POS_EMBED, -1);
    if (!table) return h;
    if (s->d->positions)
        return graph_add(g, h, decoder_look_up(s, table, s->d->positions));
    const int64_t B = s->d->n_rows, T = s->d->n_tokens, C = s->c->n_embd;
    const ref first = graph_slice(g, table, 0, 0, T);
    h = graph_add(g, graph_reshape(g, h, shape3(B, T, C)), first);
    return graph_reshape(g, h, shape2(s->rows, C));
}

/* 0 .. n-1 as a constant. */
static ref count_up(graph *g, int64_t n) {
    int32_t *count = mem_new(int32_t, n);
    if (!count) return graph_fail(g, AR_NOMEM, "no memory for positions");
    for (int64_t i = 0; i < n; i++) count[i] = (int32_t)i;
    const ref r = graph_const(g, AR_I32, shape1(n), count);
    mem_free(count);
    return r;
}

enum { MAX_FREQUENCIES = 1 << 13 }; /* head_dim <= 2^14: config_check */

/* cos and sin [R, R/2] at some positions, with the frequencies f. */
static decoder_turn table(const decoder_state *s, ref at, const double *f,
                          double scale) {
    const ref frequencies =
        graph_const(s->g, AR_F64, shape1(s->c->rope_dims / 2), f);
    const ref t = graph_rope_table(s->g, at, frequencies, scale, s->d->type);
    return (decoder_turn){t, graph_output(s->g, t, 1)};
}

/* Rows of any sessions: each says whether its text is a long one. */
static decoder_turn table_by_row(const decoder_state *s, ref at,
                                 const decoder_turn *of_short) {
    const model_config *c = s->c;
    double f[MAX_FREQUENCIES];
    graph *g = s->g;
    config_rope_frequencies(c, c->rope_original_ctx + 1, f);
    const decoder_turn of_long = table(s, at, f, c->rope_attention);
    const ref is_long =
        graph_reshape(g, s->d->pages->is_long, shape2(s->rows, 1));
    return (decoder_turn){graph_select(g, is_long, of_long.cos, of_short->cos),
                          graph_select(g, is_long, of_long.sin, of_short->sin)};
}

/* Frequencies of some ropes depend on the length of the text.  Rows of a batch
 * all have it; with pages only longrope can be told row by row. */
static void rope_tables(decoder_state *s) {
    const model_config *c = s->c;
    const bool paged = s->d->pages != NULL;
    double f[MAX_FREQUENCIES];
    if (c->pos != POS_ROPE) return;
    if (c->rope_dims / 2 > MAX_FREQUENCIES) {
        graph_fail(s->g, AR_RANGE, "%lld rotary frequencies",
                   (long long)c->rope_dims / 2);
        return;
    }
    if (paged && c->rope_scaling == ROPE_SCALING_DYNAMIC &&
        c->n_ctx > c->rope_original_ctx) {
        graph_fail(s->g, AR_UNSUPPORTED,
                   "a dynamic rope beyond its context of %lld",
                   (long long)c->rope_original_ctx);
        return;
    }
    const ref at =
        s->d->positions ? s->d->positions : count_up(s->g, s->d->n_tokens);
    decoder_turn *t = &s->turns[ROPE_USE];
    config_rope_frequencies(c, paged ? 0 : s->d->n_tokens, f);
    *t = table(s, at, f, c->rope_attention);
    if (paged && c->rope_scaling == ROPE_SCALING_LONGROPE)
        *t = table_by_row(s, at, t);
    if (c->rope_rule != ROPE_RULE_LOCAL) return;
    config_rope_local(c, f);
    s->turns[ROPE_USE_LOCAL] = table(s, at, f, 1);
}

ref decoder_hidden(decoder *d) {
    decoder_state s = {.d = d, .g = d->g, .c = d->config};
    const model_config *c = d->config;
    s.rows = d->n_rows * d->n_tokens;
    if (!d->positions && d->n_tokens > c->n_ctx)
        return graph_fail(d->g, AR_RANGE,
                          "rows of %lld tokens, but the model has a context "
                          "of %lld",
                          (long long)d->n_tokens, (long long)c->n_ctx);
    const ref ids = d->ids;
    ref h = decoder_look_up(&s, decoder_param(&s, ROLE_EMBED, -1), ids);
    h = add_positions(&s, h);
    if (c->embed_sqrt) h = graph_affine(d->g, h, sqrt((double)c->n_embd), 0);
    if (c->embed_scale != 1) h = graph_affine(d->g, h, c->embed_scale, 0);
    if (c->embed_norm) h = graph_rms_norm(d->g, h, 0, c->norm_eps, 0);
    s.x0 = h;
    rope_tables(&s);
    for (int l = 0; l < c->n_layers; l++) h = layer(&s, h, l);
    h = decoder_norm(&s, h, ROLE_FINAL_NORM, -1);
    /* The head is linear, and training has no logits to scale. */
    const double scale = c->logit_scale / c->logit_divisor;
    if (scale != 1) h = graph_affine(d->g, h, scale, 0);
    if (!c->bias_head || d->pages) return h;
    const ref one = graph_broadcast(d->g, graph_scalar(d->g, d->type, 1),
                                    shape2(s.rows, 1));
    return graph_concat(d->g, (const ref[]){h, one}, 2, 1);
}

static ref head_param(const decoder *d, enum param_role role) {
    const int i = params_find(d->params, role, -1);
    return i < 0 ? 0 : d->param[i];
}

static ref head_matrix(const decoder *d) {
    return head_param(d, d->config->tied ? ROLE_EMBED : ROLE_HEAD);
}

ref decoder_head(const decoder *d) {
    const ref w = head_matrix(d), bias = head_param(d, ROLE_HEAD_BIAS);
    if (!bias) return w;
    const shape column = shape2(d->config->n_vocab, 1);
    const ref parts[] = {w, graph_reshape(d->g, bias, column)};
    return graph_concat(d->g, parts, 2, 1);
}

ref decoder_logits(const decoder *d, ref hidden) {
    const shape s = graph_shape(d->g, hidden);
    const bool with_one = shape_last(&s) > d->config->n_embd;
    const ref y =
        with_one ? graph_linear(d->g, hidden, decoder_head(d), 0, &d->matmul)
                 : graph_linear(d->g, hidden, head_matrix(d),
                                head_param(d, ROLE_HEAD_BIAS), &d->matmul);
    return d->config->logit_softcap > 0
               ? graph_softcap(d->g, y, d->config->logit_softcap)
               : y;
}
