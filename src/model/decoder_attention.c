/* decoder_attention.c - the attention branch of a layer: q, k and v, their
 * norms and rotation, the scores, the way out. */
#include "model/decoder_int.h"
#include "quant/quant.h"

ref decoder_heads(const decoder_state *s, ref x, int64_t n, int64_t D) {
    if (s->d->pages) return graph_reshape(s->g, x, shape3(s->rows, n, D));
    return graph_reshape(s->g, x, shape4(s->d->n_rows, s->d->n_tokens, n, D));
}

static ref heads(const decoder_state *s, ref x, int64_t n) {
    return decoder_heads(s, x, n, s->c->head_dim);
}

/* The rotation wants [.., rows of the table, heads, D]. */
ref decoder_rotate(const decoder_state *s, ref x, int layer) {
    const model_config *c = s->c;
    if (c->pos != POS_ROPE || c->rope_use[layer] == ROPE_USE_NONE) return x;
    const decoder_turn *t = &s->turns[c->rope_use[layer]];
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
static ref norm_and_turn(const decoder_state *s, ref x, enum param_role role,
                         int layer) {
    const enum qk_norm kind = s->c->qk_norm;
    if (kind == QK_NORM_HEAD) x = decoder_norm(s, x, role, layer);
    if (kind == QK_NORM_EACH) {
        const ref w = decoder_param(s, role, layer); /* [heads, D] */
        x = graph_mul(s->g, graph_layer_norm(s->g, x, 0, 0, s->c->norm_eps), w);
    }
    x = decoder_rotate(s, x, layer);
    if (kind == QK_NORM_TURNED) x = decoder_norm(s, x, role, layer);
    if (kind == QK_NORM_PLAIN)
        x = graph_rms_norm(s->g, x, 0, s->c->norm_eps, 0);
    return x;
}

/* v + 2 sigmoid(gate x[:, :K]) table[ids]: one gate a head (autoresearch). */
static ref add_value_embed(const decoder_state *s, ref v, ref x, int layer) {
    graph *g = s->g;
    const ref table = decoder_param(s, ROLE_VALUE_EMBED, layer);
    if (!table) return v;
    const int64_t G = s->c->n_kv_heads;
    const ref part = graph_slice(g, x, 1, 0, s->c->gate_channels);
    ref gate = graph_linear(g, part, decoder_param(s, ROLE_VALUE_GATE, layer),
                            0, &s->d->matmul);
    gate = graph_affine(g, graph_unary(g, UNARY_SIGMOID, gate), 2, 0);
    shape per_head = graph_shape(g, v);
    per_head.dim[per_head.rank - 1] = 1;
    gate = graph_reshape(g, gate, per_head);
    const ref e = heads(s, decoder_look_up(s, table, s->d->ids), G);
    return graph_add(g, v, graph_mul(g, gate, e));
}

/* The parts of all [R, (H + 2 G) D]: one after the other, or in each head. */
static void split_qkv(const decoder_state *s, ref all, ref *q, ref *k, ref *v) {
    const int64_t D = s->c->head_dim, H = s->c->n_heads, G = s->c->n_kv_heads;
    const int axis = s->d->pages ? 1 : 2;
    if (s->c->qkv_by_head)
        *q = graph_split(s->g, decoder_heads(s, all, H, 3 * D), axis + 1,
                         (const int64_t[]){D, D, D}, 3);
    else
        *q = graph_split(s->g, heads(s, all, H + 2 * G), axis,
                         (const int64_t[]){H, G, G}, 3);
    *k = graph_output(s->g, *q, 1);
    *v = graph_output(s->g, *q, 2);
}

/* x within +- clip_qkv. */
static ref clip(const decoder_state *s, ref x) {
    graph *g = s->g;
    const double most = s->c->clip_qkv;
    const ref limit = graph_scalar(g, graph_type(g, x), most);
    const ref least = graph_scalar(g, graph_type(g, x), -most);
    if (most <= 0) return x;
    return graph_binary(g, BINARY_MAX, graph_binary(g, BINARY_MIN, x, limit),
                        least);
}

/* q [.., H, D] of [R, H 2 D], whose other halves are the gates [R, H D]. */
static ref take_gate(const decoder_state *s, ref q, ref *gate) {
    const int64_t D = s->c->head_dim, H = s->c->n_heads;
    q = graph_split(s->g, decoder_heads(s, q, H, 2 * D), s->d->pages ? 2 : 3,
                    (const int64_t[]){D, D}, 2);
    *gate =
        graph_reshape(s->g, graph_output(s->g, q, 1), shape2(s->rows, H * D));
    return q;
}

/* q [.., H, D], k and v [.., G, D] of x [R, C]. */
static void project(const decoder_state *s, ref x, int layer, ref *q, ref *k,
                    ref *v, ref *gate) {
    const int64_t H = s->c->n_heads, G = s->c->n_kv_heads;
    if (!decoder_param(s, ROLE_QKV, layer)) {
        *q = decoder_linear(s, x, ROLE_Q, layer);
        *k = decoder_linear(s, x, ROLE_K, layer);
        if (s->c->qk_norm == QK_NORM_ALL) {
            *q = decoder_norm(s, *q, ROLE_Q_NORM, layer);
            *k = decoder_norm(s, *k, ROLE_K_NORM, layer);
        }
        *q = clip(s, *q);
        *q = s->c->attn_gate ? take_gate(s, *q, gate) : heads(s, *q, H);
        *k = heads(s, clip(s, *k), G);
        *v = heads(s, clip(s, decoder_linear(s, x, ROLE_V, layer)), G);
        return;
    }
    split_qkv(s, decoder_linear(s, x, ROLE_QKV, layer), q, k, v);
}

/* Pools of blocks quantise what is written. */
ref decoder_write_pool(const decoder_state *s, ref pool, ref slot, ref x) {
    const shape was = graph_shape(s->g, pool);
    const shape rows = shape3(was.dim[0] * was.dim[1], was.dim[2], was.dim[3]);
    const ar_type t = graph_type(s->g, pool);
    ref p = graph_reshape(s->g, pool, rows);
    if (!quant_is_block(t)) x = graph_cast(s->g, x, t);
    p = graph_store_rows(s->g, p, slot, x);
    return graph_reshape(s->g, p, was);
}

/* [H], 0 where the model has none. */
static ref sinks(const decoder_state *s, int layer) {
    const ref x = decoder_param(s, ROLE_SINKS, layer);
    return x ? graph_cast(s->g, x, s->d->type) : 0;
}

ref decoder_attend_pages(const decoder_state *s, ref q, ref k_pool, ref v_pool,
                         int layer) {
    const decoder_pages *p = s->d->pages;
    op_attr a = {0};
    a.paged.scale = config_attn_scale(s->c);
    a.paged.softcap = s->c->attn_softcap;
    a.paged.window = s->c->window[layer];
    a.paged.page = p->page;
    const ref in[] = {
        q,           k_pool,          v_pool,         p->table[layer],
        p->sequence, s->d->positions, sinks(s, layer)};
    return graph_op(s->g, OP_ATTENTION_PAGED, &a, in, 7);
}

/* Keys and values to their pools, and q over them. */
static ref write_and_attend(const decoder_state *s, ref q, ref k, ref v,
                            int layer) {
    const ref slot = s->d->pages->slot[layer];
    ref *k_pool = &s->d->pages->k_pool[layer];
    ref *v_pool = &s->d->pages->v_pool[layer];
    *k_pool = decoder_write_pool(s, *k_pool, slot, k);
    *v_pool = decoder_write_pool(s, *v_pool, slot, v);
    return decoder_attend_pages(s, q, *k_pool, *v_pool, layer);
}

ref decoder_attend_row(const decoder_state *s, ref q, ref k, ref v, int layer) {
    op_attr a = {0};
    a.attention.scale = config_attn_scale(s->c);
    a.attention.softcap = s->c->attn_softcap;
    a.attention.window = s->c->window[layer];
    a.attention.causal = 1;
    const ref in[] = {q, k, v, sinks(s, layer)};
    return graph_op(s->g, OP_ATTENTION, &a, in, 4);
}

ref decoder_attention(const decoder_state *s, ref x, int layer) {
    if (s->c->attn_kind == ATTN_LATENT) return decoder_latent(s, x, layer);
    const int64_t HD = s->c->n_heads * s->c->head_dim;
    ref q, k, v, gate = 0;
    project(s, x, layer, &q, &k, &v, &gate);
    v = add_value_embed(s, v, x, layer);
    q = norm_and_turn(s, q, ROLE_Q_NORM, layer);
    k = norm_and_turn(s, k, ROLE_K_NORM, layer);
    ref o = s->d->pages ? write_and_attend(s, q, k, v, layer)
                        : decoder_attend_row(s, q, k, v, layer);
    o = graph_reshape(s->g, o, shape2(s->rows, HD));
    if (gate) o = graph_gated(s->g, UNARY_SIGMOID, gate, o);
    return decoder_linear(s, o, ROLE_O, layer);
}
