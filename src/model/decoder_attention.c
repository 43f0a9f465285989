/* decoder_attention.c - the attention branch of a layer: q, k and v, their
 * norms and rotation, the scores, the way out. */
#include "model/decoder_int.h"
#include "quant/quant.h"

/* [R, n * D] as heads: [B, T, n, D], or [N, n, D] with pages. */
static ref heads_of(const decoder_state *s, ref x, int64_t n, int64_t D) {
    if (s->d->pages) return graph_reshape(s->g, x, shape3(s->rows, n, D));
    return graph_reshape(s->g, x, shape4(s->d->n_rows, s->d->n_tokens, n, D));
}

static ref heads(const decoder_state *s, ref x, int64_t n) {
    return heads_of(s, x, n, s->c->head_dim);
}

/* The rotation wants [.., rows of the table, heads, D]. */
static ref rotate(const decoder_state *s, ref x, int layer) {
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
    x = rotate(s, x, layer);
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
        *q = graph_split(s->g, heads_of(s, all, H, 3 * D), axis + 1,
                         (const int64_t[]){D, D, D}, 3);
    else
        *q = graph_split(s->g, heads(s, all, H + 2 * G), axis,
                         (const int64_t[]){H, G, G}, 3);
    *k = graph_output(s->g, *q, 1);
    *v = graph_output(s->g, *q, 2);
}

/* q [.., H, D], k and v [.., G, D] of x [R, C]. */
static void project(const decoder_state *s, ref x, int layer, ref *q, ref *k,
                    ref *v) {
    const int64_t H = s->c->n_heads, G = s->c->n_kv_heads;
    if (!decoder_param(s, ROLE_QKV, layer)) {
        *q = decoder_linear(s, x, ROLE_Q, layer);
        *k = decoder_linear(s, x, ROLE_K, layer);
        if (s->c->qk_norm == QK_NORM_ALL) {
            *q = decoder_norm(s, *q, ROLE_Q_NORM, layer);
            *k = decoder_norm(s, *k, ROLE_K_NORM, layer);
        }
        *q = heads(s, *q, H);
        *k = heads(s, *k, G);
        *v = heads(s, decoder_linear(s, x, ROLE_V, layer), G);
        return;
    }
    split_qkv(s, decoder_linear(s, x, ROLE_QKV, layer), q, k, v);
}

/* Write x [N, G, D] to its slots of a pool [P, page, G, D]; the new pool.
 * Pools of blocks quantise what is written. */
static ref write_pool(const decoder_state *s, ref pool, ref slot, ref x) {
    const shape was = graph_shape(s->g, pool);
    const shape rows = shape3(was.dim[0] * was.dim[1], was.dim[2], was.dim[3]);
    const ar_type t = graph_type(s->g, pool);
    ref p = graph_reshape(s->g, pool, rows);
    if (!quant_is_block(t)) x = graph_cast(s->g, x, t);
    p = graph_store_rows(s->g, p, slot, x);
    return graph_reshape(s->g, p, was);
}

static ref attend_pages(const decoder_state *s, ref q, ref k, ref v,
                        int layer) {
    decoder_pages *p = s->d->pages;
    const ref slot = p->slot[layer];
    p->k_pool[layer] = write_pool(s, p->k_pool[layer], slot, k);
    p->v_pool[layer] = write_pool(s, p->v_pool[layer], slot, v);
    op_attr a = {0};
    a.paged.scale = config_attn_scale(s->c);
    a.paged.softcap = s->c->attn_softcap;
    a.paged.window = s->c->window[layer];
    a.paged.page = p->page;
    const ref in[] = {
        q,           p->k_pool[layer], p->v_pool[layer], p->table[layer],
        p->sequence, s->d->positions};
    return graph_op(s->g, OP_ATTENTION_PAGED, &a, in, 6);
}

static ref attend_row(const decoder_state *s, ref q, ref k, ref v, int layer) {
    op_attr a = {0};
    a.attention.scale = config_attn_scale(s->c);
    a.attention.softcap = s->c->attn_softcap;
    a.attention.window = s->c->window[layer];
    a.attention.causal = 1;
    return graph_attention(s->g, q, k, v, &a.attention);
}

ref decoder_attention(const decoder_state *s, ref x, int layer) {
    const int64_t HD = s->c->n_heads * s->c->head_dim;
    ref q, k, v;
    project(s, x, layer, &q, &k, &v);
    v = add_value_embed(s, v, x, layer);
    q = norm_and_turn(s, q, ROLE_Q_NORM, layer);
    k = norm_and_turn(s, k, ROLE_K_NORM, layer);
    const ref o = s->d->pages ? attend_pages(s, q, k, v, layer)
                              : attend_row(s, q, k, v, layer);
    return decoder_linear(s, graph_reshape(s->g, o, shape2(s->rows, HD)),
                          ROLE_O, layer);
}
