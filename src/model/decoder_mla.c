/* decoder_mla.c - latent attention (DeepSeek-V2, section 2.1): keys and values
 * of all heads come from one narrow vector a token.
 *
 *   c = norm(a x)  [R, lora]      r = turn(a' x)  [R, rope], of all heads
 *   k_h = [b_h c | r]             v_h = d_h c
 *
 * A row of training makes k and v.  With pages only [c | r] is kept, and the
 * maps b and d change sides, since q_h . b_h c = (b_h' q_h) . c:
 *
 *   q_h -> [b_h' q_h | turn(q'_h)]   one key [c | r] a token, for all heads
 *   o_h = d_h sum p c                values are the first part of the keys
 *
 * which is the same but for rounding. */
#include "model/decoder_int.h"

/* The weight of a map without a bias: [R, in] to [R, out]. */
static ref map(const decoder_state *s, ref x, enum param_role role, int layer) {
    return graph_linear(s->g, x, decoder_param(s, role, layer), 0,
                        &s->d->matmul);
}

static ref norm(const decoder_state *s, ref x, enum param_role role,
                int layer) {
    return graph_rms_norm(s->g, x, decoder_param(s, role, layer),
                          s->c->latent_eps, 0);
}

/* The halves of x along its last dimension. */
static ref parts(const decoder_state *s, ref x, int64_t first, int64_t second,
                 ref *rest) {
    const int64_t sizes[] = {first, second};
    const int axis = graph_shape(s->g, x).rank - 1;
    const ref part = graph_split(s->g, x, axis, sizes, 2);
    *rest = graph_output(s->g, part, 1);
    return part;
}

/* q of heads: what is not turned [.., H, nope], and what is [.., H, rope]. */
static ref queries(const decoder_state *s, ref x, int layer, ref *turned) {
    const model_config *c = s->c;
    ref q;
    if (c->q_lora_rank) {
        q = norm(s, decoder_linear(s, x, ROLE_Q_A, layer), ROLE_Q_A_NORM,
                 layer);
        q = map(s, q, ROLE_Q_B, layer);
    } else {
        q = map(s, x, ROLE_Q, layer);
    }
    q = decoder_heads(s, q, c->n_heads, c->head_dim);
    q = parts(s, q, c->qk_nope_dim, c->qk_rope_dim, turned);
    *turned = decoder_rotate(s, *turned, layer);
    return q;
}

/* c [R, lora], and r as one head [.., 1, rope]. */
static ref narrow(const decoder_state *s, ref x, int layer, ref *turned) {
    const model_config *c = s->c;
    const ref a = decoder_linear(s, x, ROLE_KV_A, layer);
    const ref latent = parts(s, a, c->kv_lora_rank, c->qk_rope_dim, turned);
    *turned =
        decoder_rotate(s, decoder_heads(s, *turned, 1, c->qk_rope_dim), layer);
    return norm(s, latent, ROLE_KV_A_NORM, layer);
}

/* b [H, nope, lora] and d [H, lora, v] as views of what the file has. */
static ref ways_out(const decoder_state *s, int layer, ref *d) {
    const model_config *c = s->c;
    const int swap[] = {0, 2, 1};
    graph *g = s->g;
    ref b;
    if (c->split_kv_b) {
        b = graph_permute(g, decoder_param(s, ROLE_K_B, layer), swap);
        *d = decoder_param(s, ROLE_V_B, layer);
    } else {
        const int64_t sizes[] = {c->qk_nope_dim, c->v_dim};
        const shape by_head =
            shape3(c->n_heads, sizes[0] + sizes[1], c->kv_lora_rank);
        b = graph_reshape(g, decoder_param(s, ROLE_KV_B, layer), by_head);
        b = graph_split(g, b, 1, sizes, 2);
        *d = graph_output(g, b, 1);
    }
    *d = graph_permute(g, *d, swap);
    return b;
}

/* x [N, H, m] times w [H, m, n], each head by its own: [N, H, n].  Never in
 * 8-bit levels, which only one of the two ways out has. */
static ref by_head(const decoder_state *s, ref x, ref w) {
    const int swap[] = {1, 0, 2};
    struct matmul_attr attr = s->d->matmul;
    attr.act8 = 0;
    x = graph_permute(s->g, x, swap);
    return graph_permute(s->g, graph_matmul(s->g, x, w, &attr), swap);
}

/* c [R, lora] by the way out of each head [H, lora, n]: [R, H, n]. */
static ref to_heads(const decoder_state *s, ref c, ref w) {
    const int64_t H = s->c->n_heads, lora = s->c->kv_lora_rank;
    c = graph_reshape(s->g, c, shape3(s->rows, 1, lora));
    return by_head(s, graph_broadcast(s->g, c, shape3(s->rows, H, lora)), w);
}

/* k_h but for r, and v_h: [B, T, H, nope] and [B, T, H, v]. */
static ref wide(const decoder_state *s, ref latent, int layer, ref *v) {
    const model_config *c = s->c;
    const int64_t H = c->n_heads, nope = c->qk_nope_dim, E = c->v_dim;
    if (!c->split_kv_b) {
        const ref kv = map(s, latent, ROLE_KV_B, layer);
        return parts(s, decoder_heads(s, kv, H, nope + E), nope, E, v);
    }
    const int swap[] = {0, 2, 1};
    ref d;
    const ref b = graph_permute(s->g, ways_out(s, layer, &d), swap);
    *v = decoder_heads(s, to_heads(s, latent, d), H, E);
    return decoder_heads(s, to_heads(s, latent, b), H, nope);
}

static ref attend_row(const decoder_state *s, ref q, ref q_turned, ref latent,
                      ref turned, int layer) {
    graph *g = s->g;
    ref v;
    const ref k = wide(s, latent, layer, &v);
    const ref all = graph_broadcast(g, turned, graph_shape(g, q_turned));
    return decoder_attend_row(s, graph_concat(g, (ref[]){q, q_turned}, 2, 3),
                              graph_concat(g, (ref[]){k, all}, 2, 3), v, layer);
}

static ref attend_pages(const decoder_state *s, ref q, ref q_turned, ref latent,
                        ref turned, int layer) {
    const int64_t lora = s->c->kv_lora_rank;
    ref *pool = &s->d->pages->k_pool[layer], d;
    graph *g = s->g;
    const ref b = ways_out(s, layer, &d);
    latent = graph_reshape(g, latent, shape3(s->rows, 1, lora));
    const ref key = graph_concat(g, (ref[]){latent, turned}, 2, 2);
    *pool = decoder_write_pool(s, *pool, s->d->pages->slot[layer], key);
    q = graph_concat(g, (ref[]){by_head(s, q, b), q_turned}, 2, 2);
    const ref o = decoder_attend_pages(
        s, q, *pool, graph_slice(g, *pool, 3, 0, lora), layer);
    return by_head(s, o, d);
}

ref decoder_latent(const decoder_state *s, ref x, int layer) {
    ref q_turned, turned;
    const ref q = queries(s, x, layer, &q_turned);
    const ref latent = narrow(s, x, layer, &turned);
    const ref o = s->d->pages
                      ? attend_pages(s, q, q_turned, latent, turned, layer)
                      : attend_row(s, q, q_turned, latent, turned, layer);
    const shape flat = shape2(s->rows, s->c->n_heads * s->c->v_dim);
    return decoder_linear(s, graph_reshape(s->g, o, flat), ROLE_O, layer);
}
