/* decoder_int.h - what the files of the decoder's builder share: decoder.c has
 * the frame, and each kind of branch its own file. */
#ifndef MODEL_DECODER_INT_H
#define MODEL_DECODER_INT_H

#include "model/decoder.h"

/* cos and sin, 0 = none. */
typedef struct decoder_turn {
    ref cos, sin;
} decoder_turn;

/* What the layers share. */
typedef struct decoder_state {
    decoder *d;
    graph *g;
    const model_config *c;
    int64_t rows;  /* R */
    ref positions; /* I32 [R], or [T] where every row of the batch has 0 .. */
    decoder_turn turns[2]; /* by rope_use */
    ref x0;                /* [R, C]: the embeddings, for lambdas */
} decoder_state;

/* The weight of a role, 0 where the model has none; layer -1: of no layer. */
ref decoder_param(const decoder_state *s, enum param_role role, int layer);
/* x [.., n] normed as the model does, by the weight of a role. */
ref decoder_norm(const decoder_state *s, ref x, enum param_role role,
                 int layer);
/* x [R, in] times the weight of a role, plus its bias where the model has one:
 * [R, out]. */
ref decoder_linear(const decoder_state *s, ref x, enum param_role role,
                   int layer);
/* Rows of a table that may have another type than the activations. */
ref decoder_look_up(const decoder_state *s, ref table, ref ids);

/* [R, n * D] as heads: [B, T, n, D], or [N, n, D] with pages. */
ref decoder_heads(const decoder_state *s, ref x, int64_t n, int64_t D);
/* The first elements of heads [.., n, D], turned by the layer's rotation. */
ref decoder_rotate(const decoder_state *s, ref x, int layer);
/* Write x [N, G, D] to its slots of a pool [P, page, G, D]; the new pool. */
ref decoder_write_pool(const decoder_state *s, ref pool, ref slot, ref x);
/* q [N, H, D] over the pages of a layer, o [N, H, E]; q [B, T, H, D] over the
 * keys and values of its row, o [B, T, H, E]. */
ref decoder_attend_pages(const decoder_state *s, ref q, ref k_pool, ref v_pool,
                         int layer);
ref decoder_attend_row(const decoder_state *s, ref q, ref k, ref v, int layer);

/* The branches: x [R, C] -> [R, C]. */
ref decoder_attention(const decoder_state *s, ref x, int layer);
ref decoder_latent(const decoder_state *s, ref x, int layer);
ref decoder_scan(const decoder_state *s, ref x, int layer);
ref decoder_mlp(const decoder_state *s, ref x, int layer);
ref decoder_moe(const decoder_state *s, ref x, int layer);

#endif
