/* decoder.c - one graph builder for every decoder.
 *
 *   h = embed(ids) (+ positions)
 *   layer: h = h + s [norm] attention([norm] h);
 *          h = h + s [norm] mlp([norm] h)
 *   logits = cap(head norm(h))
 *
 * What a layer does besides is said by traits of the configuration, never by
 * the name of an architecture.  Rows are B * T tokens, or N tokens of any
 * sequences when keys and values go to pages; R stands for either. */
#include "model/decoder.h"

#include <math.h>

#include "base/mem.h"

/* cos and sin, 0 = none. */
typedef struct turn {
    ref cos, sin;
} turn;

/* What the layers share. */
typedef struct state {
    decoder *d;
    graph *g;
    const model_config *c;
    int64_t rows;  /* R */
    ref positions; /* I32 [R], or [T] where every row of the batch has 0 .. */
    turn turns[2]; /* by rope_use */
    ref x0;        /* [R, C]: the embeddings, for lambdas */
} state;

static ref param(const state *s, enum param_role role, int layer) {
    const int i = params_find(s->d->params, role, layer);
    return i < 0 ? 0 : s->d->param[i];
}

static ref norm(const state *s, ref x, enum param_role role, int layer) {
    const model_config *c = s->c;
    ref w = param(s, role, layer);
    if (c->norm >= NORM_RMS)
        return graph_rms_norm(s->g, x, w, c->norm_eps, c->norm_offset);
    if (c->norm_offset != 0) w = graph_affine(s->g, w, 1, c->norm_offset);
    /* ORDER: params.def: the bias of a norm is the role after it. */
    const ref bias = c->norm == NORM_LAYER
                         ? param(s, (enum param_role)(role + 1), layer)
                         : 0;
    return graph_layer_norm(s->g, x, w, bias, c->norm_eps);
}

/* x times the weight of a role, plus its bias where the model has one. */
static ref linear(const state *s, ref x, enum param_role role, int layer) {
    ref w = param(s, role, layer);
    if (s->c->conv1d) w = graph_transpose(s->g, w);
    /* ORDER: params.def: the bias of a map is the role after it. */
    return graph_linear(s->g, x, w,
                        param(s, (enum param_role)(role + 1), layer),
                        &s->d->matmul);
}

/* Rows of a table that may have another type than the activations. */
static ref look_up(const state *s, ref table, ref ids) {
    return graph_cast(s->g, graph_embed(s->g, table, ids), s->d->type);
}

/* [R, n * D] as heads: [B, T, n, D], or [N, n, D] with pages. */
static ref heads_of(const state *s, ref x, int64_t n, int64_t D) {
    if (s->d->pages) return graph_reshape(s->g, x, shape3(s->rows, n, D));
    return graph_reshape(s->g, x, shape4(s->d->n_rows, s->d->n_tokens, n, D));
}

static ref heads(const state *s, ref x, int64_t n) {
    return heads_of(s, x, n, s->c->head_dim);
}

/* The rotation wants [.., rows of the table, heads, D]. */
static ref rotate(const state *s, ref x, int layer) {
    const model_config *c = s->c;
    if (c->pos != POS_ROPE || c->rope_use[layer] == ROPE_USE_NONE) return x;
    const turn *t = &s->turns[c->rope_use[layer]];
    const shape was = graph_shape(s->g, x);
    const bool by_row = was.rank == 4 && s->d->positions;
    if (by_row)
        x = graph_reshape(s->g, x, shape3(s->rows, was.dim[2], was.dim[3]));
    const op_attr a = {.rope = {c->rope_interleaved, c->rope_backwards}};
    x = graph_op(s->g, OP_ROPE, &a, (const ref[]){x, t->cos, t->sin}, 3);
    if (by_row) x = graph_reshape(s->g, x, was);
    return x;
}

/* q or k per head: normed and turned as the model has it. */
static ref norm_and_turn(const state *s, ref x, enum param_role role,
                         int layer) {
    const enum qk_norm kind = s->c->qk_norm;
    if (kind == QK_NORM_HEAD) x = norm(s, x, role, layer);
    x = rotate(s, x, layer);
    if (kind == QK_NORM_TURNED) x = norm(s, x, role, layer);
    if (kind == QK_NORM_PLAIN)
        x = graph_rms_norm(s->g, x, 0, s->c->norm_eps, 0);
    return x;
}

/* v + 2 sigmoid(gate x[:, :K]) table[ids]: one gate a head (autoresearch). */
static ref add_value_embed(const state *s, ref v, ref x, int layer) {
    graph *g = s->g;
    const ref table = param(s, ROLE_VALUE_EMBED, layer);
    if (!table) return v;
    const int64_t G = s->c->n_kv_heads;
    const ref part = graph_slice(g, x, 1, 0, s->c->gate_channels);
    ref gate = graph_linear(g, part, param(s, ROLE_VALUE_GATE, layer), 0,
                            &s->d->matmul);
    gate = graph_affine(g, graph_unary(g, UNARY_SIGMOID, gate), 2, 0);
    shape per_head = graph_shape(g, v);
    per_head.dim[per_head.rank - 1] = 1;
    gate = graph_reshape(g, gate, per_head);
    const ref e = heads(s, look_up(s, table, s->d->ids), G);
    return graph_add(g, v, graph_mul(g, gate, e));
}

/* The parts of all [R, (H + 2 G) D]: one after the other, or in each head. */
static void split_qkv(const state *s, ref all, ref *q, ref *k, ref *v) {
    const int64_t D = s->c->head_dim, H = s->c->n_heads, G = s->c->n_kv_heads;
    const int axis = s->d->pages ? 1 : 2;
    if (s->c->qkv_by_head)
        *q = graph_split(s->g, heads_of(s, all, H, 3 * D), axis + 1,
                         (const int64_t[]){D, D, D}, 3);
    else
        *q = graph_split(s->g, heads(s, all, H + 2 * G), axis,
                         (const int64_t[]){H, G, G}, 3);
    *k = graph_output(s->g, *q, 1);
    *v = graph_output(s->g, *q, 2);
}

/* q [.., H, D], k and v [.., G, D] of x [R, C]. */
static void project(const state *s, ref x, int layer, ref *q, ref *k, ref *v) {
    const int64_t H = s->c->n_heads, G = s->c->n_kv_heads;
    if (!param(s, ROLE_QKV, layer)) {
        *q = linear(s, x, ROLE_Q, layer);
        *k = linear(s, x, ROLE_K, layer);
        if (s->c->qk_norm == QK_NORM_ALL) {
            *q = norm(s, *q, ROLE_Q_NORM, layer);
            *k = norm(s, *k, ROLE_K_NORM, layer);
        }
        *q = heads(s, *q, H);
        *k = heads(s, *k, G);
        *v = heads(s, linear(s, x, ROLE_V, layer), G);
        return;
    }
    split_qkv(s, linear(s, x, ROLE_QKV, layer), q, k, v);
}

/* Write x [N, G, D] to its slots of a pool [P, page, G, D]; the new pool. */
static ref write_pool(const state *s, ref pool, ref x) {
    const shape was = graph_shape(s->g, pool);
    const shape rows = shape3(was.dim[0] * was.dim[1], was.dim[2], was.dim[3]);
    ref p = graph_reshape(s->g, pool, rows);
    p = graph_store_rows(s->g, p, s->d->pages->slot,
                         graph_cast(s->g, x, graph_type(s->g, pool)));
    return graph_reshape(s->g, p, was);
}

static ref attend_pages(const state *s, ref q, ref k, ref v, int layer) {
    decoder_pages *p = s->d->pages;
    p->k_pool[layer] = write_pool(s, p->k_pool[layer], k);
    p->v_pool[layer] = write_pool(s, p->v_pool[layer], v);
    op_attr a = {0};
    a.paged.scale = config_attn_scale(s->c);
    a.paged.softcap = s->c->attn_softcap;
    a.paged.window = s->c->window[layer];
    a.paged.page = p->page;
    const ref in[] = {q,        p->k_pool[layer], p->v_pool[layer],
                      p->table, p->sequence,      s->d->positions};
    return graph_op(s->g, OP_ATTENTION_PAGED, &a, in, 6);
}

static ref attend_row(const state *s, ref q, ref k, ref v, int layer) {
    op_attr a = {0};
    a.attention.scale = config_attn_scale(s->c);
    a.attention.softcap = s->c->attn_softcap;
    a.attention.window = s->c->window[layer];
    a.attention.causal = 1;
    return graph_attention(s->g, q, k, v, &a.attention);
}

static ref attention(const state *s, ref x, int layer) {
    const int64_t HD = s->c->n_heads * s->c->head_dim;
    ref q, k, v;
    project(s, x, layer, &q, &k, &v);
    v = add_value_embed(s, v, x, layer);
    q = norm_and_turn(s, q, ROLE_Q_NORM, layer);
    k = norm_and_turn(s, k, ROLE_K_NORM, layer);
    const ref o = s->d->pages ? attend_pages(s, q, k, v, layer)
                              : attend_row(s, q, k, v, layer);
    return linear(s, graph_reshape(s->g, o, shape2(s->rows, HD)), ROLE_O,
                  layer);
}

/* gate and up [R, F] of x [R, C]; no gate is 0. */
static void gate_and_up(const state *s, ref x, int layer, ref *gate, ref *up) {
    *gate = 0;
    if (s->c->fused_mlp) {
        const int64_t sizes[] = {s->c->n_ff, s->c->n_ff};
        *gate =
            graph_split(s->g, linear(s, x, ROLE_GATE_UP, layer), 1, sizes, 2);
        *up = graph_output(s->g, *gate, 1);
        return;
    }
    *up = linear(s, x, ROLE_UP, layer);
    if (s->c->gated) *gate = linear(s, x, ROLE_GATE, layer);
}

static ref mlp(const state *s, ref x, int layer) {
    ref gate, up;
    gate_and_up(s, x, layer, &gate, &up);
    const ref y = gate ? graph_gated(s->g, s->c->act, gate, up)
                       : graph_unary(s->g, s->c->act, up);
    return linear(s, y, ROLE_DOWN, layer);
}

/* What a branch reads. */
static ref norm_before(const state *s, ref h, enum param_role role, int l) {
    return s->c->branch_norm == BRANCH_POST ? h : norm(s, h, role, l);
}

/* h + s branch, the branch normed first where the model does so. */
static ref add_branch(const state *s, ref h, ref branch, enum param_role role,
                      int l) {
    const double scale = s->c->residual_scale;
    if (s->c->branch_norm != BRANCH_PRE) branch = norm(s, branch, role, l);
    return scale == 1 ? graph_add(s->g, h, branch)
                      : graph_axpby(s->g, 1, h, scale, branch);
}

static ref layer(const state *s, ref h, int l) {
    graph *g = s->g;
    ref resid = 0, x0 = 0;
    if (s->c->lambdas) {
        resid = graph_slice(g, param(s, ROLE_RESID_LAMBDAS, -1), 0, l, 1);
        x0 = graph_slice(g, param(s, ROLE_X0_LAMBDAS, -1), 0, l, 1);
    }
    graph_region_begin(g, "layer", l);
    if (s->c->lambdas)
        h = graph_add(g, graph_mul(g, h, resid), graph_mul(g, s->x0, x0));
    ref x = norm_before(s, h, ROLE_ATTN_NORM, l);
    const ref first = h;
    h = add_branch(s, h, attention(s, x, l), ROLE_ATTN_POST_NORM, l);
    if (!s->c->parallel) x = norm_before(s, h, ROLE_MLP_NORM, l);
    if (s->c->parallel && s->c->two_norms)
        x = norm_before(s, first, ROLE_MLP_NORM, l);
    h = add_branch(s, h, mlp(s, x, l), ROLE_MLP_POST_NORM, l);
    graph_region_end(g);
    return h;
}

/* Learned positions: [R, C], or the first T rows for each row of the batch. */
static ref add_positions(const state *s, ref h) {
    graph *g = s->g;
    const ref table = param(s, ROLE_POS_EMBED, -1);
    if (!table) return h;
    if (s->d->positions)
        return graph_add(g, h, look_up(s, table, s->d->positions));
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
static turn table(const state *s, ref at, const double *f, double scale) {
    const ref frequencies =
        graph_const(s->g, AR_F64, shape1(s->c->rope_dims / 2), f);
    const ref t = graph_rope_table(s->g, at, frequencies, scale, s->d->type);
    return (turn){t, graph_output(s->g, t, 1)};
}

/* Rows of any sessions: each says whether its text is a long one. */
static turn table_by_row(const state *s, ref at, const turn *of_short) {
    const model_config *c = s->c;
    double f[MAX_FREQUENCIES];
    graph *g = s->g;
    config_rope_frequencies(c, c->rope_original_ctx + 1, f);
    const turn of_long = table(s, at, f, c->rope_attention);
    const ref is_long =
        graph_reshape(g, s->d->pages->is_long, shape2(s->rows, 1));
    return (turn){graph_select(g, is_long, of_long.cos, of_short->cos),
                  graph_select(g, is_long, of_long.sin, of_short->sin)};
}

/* Frequencies of some ropes depend on the length of the text.  Rows of a batch
 * all have it; with pages only longrope can be told row by row. */
static void rope_tables(state *s) {
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
    turn *t = &s->turns[ROPE_USE];
    config_rope_frequencies(c, paged ? 0 : s->d->n_tokens, f);
    *t = table(s, at, f, c->rope_attention);
    if (paged && c->rope_scaling == ROPE_SCALING_LONGROPE)
        *t = table_by_row(s, at, t);
    if (c->rope_rule != ROPE_RULE_LOCAL) return;
    config_rope_local(c, f);
    s->turns[ROPE_USE_LOCAL] = table(s, at, f, 1);
}

ref decoder_hidden(decoder *d) {
    state s = {.d = d, .g = d->g, .c = d->config};
    const model_config *c = d->config;
    s.rows = d->n_rows * d->n_tokens;
    if (!d->positions && d->n_tokens > c->n_ctx)
        return graph_fail(d->g, AR_RANGE,
                          "rows of %lld tokens, but the model has a context "
                          "of %lld",
                          (long long)d->n_tokens, (long long)c->n_ctx);
    const ref ids = d->ids;
    ref h = look_up(&s, param(&s, ROLE_EMBED, -1), ids);
    h = add_positions(&s, h);
    if (c->embed_sqrt) h = graph_affine(d->g, h, sqrt((double)c->n_embd), 0);
    if (c->embed_scale != 1) h = graph_affine(d->g, h, c->embed_scale, 0);
    if (c->embed_norm) h = graph_rms_norm(d->g, h, 0, c->norm_eps, 0);
    s.x0 = h;
    rope_tables(&s);
    for (int l = 0; l < c->n_layers; l++) h = layer(&s, h, l);
    h = norm(&s, h, ROLE_FINAL_NORM, -1);
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
