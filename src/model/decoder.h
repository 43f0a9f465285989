/* decoder.h - one graph builder for every decoder.
 *
 * Training:  ids [B, T], attention over the row.
 * Inference: N rows of any sequences; keys and values go to paged pools. */
#ifndef MODEL_DECODER_H
#define MODEL_DECODER_H

#include "model/params.h"

typedef struct decoder_pages {
    /* STATE [P, page, G, D] of each layer of attention; replaced by their new
     * versions; no v_pool where layer_cache says that values are in the keys */
    ref *k_pool, *v_pool;
    /* STATE [S, K - 1, channels] and [S, H, K, V] of layers without keys and
     * values; replaced likewise */
    ref *conv_pool, *scan_pool;
    ref *table;   /* of each layer I32 [S, M]: pages of each sequence */
    ref *slot;    /* of each layer I32 [N]: row of the pool to write, seen as
                   * [P * page, ..]; -1 = none */
    ref sequence; /* I32 [N]: -1 = a dead row */
    ref is_long;  /* I32 [N]: 1 = of a text longer than rope_original_ctx;
                   * read by longrope only, else may be 0 */
    int64_t page; /* tokens a page */
} decoder_pages;

typedef struct decoder {
    graph *g;
    const model_config *config;
    const param_list *params;
    const ref *param; /* by index in params */
    ar_type type;     /* of activations: F32 or F64 */
    struct matmul_attr matmul;
    int64_t n_rows;       /* B, or N */
    int64_t n_tokens;     /* T, or 1 with pages */
    ref ids;              /* I32 [B * T] or [N] */
    ref positions;        /* I32 [B * T] or [N]; 0 = 0 .. T-1 in each row */
    decoder_pages *pages; /* NULL = training */
} decoder;

/* The last hidden state, after the final norm, times the scale of the logits,
 * [B * T, C].  A head with a bias is [V, C + 1] in training, the bias its last
 * column, and the hidden state ends in a 1: [B * T, C + 1]. */
ref decoder_hidden(decoder *d);
/* The output projection [V, C], or with its bias [V, C + 1]. */
ref decoder_head(const decoder *d);
/* Logits [n, V] of hidden rows [n, C], or [n, C + 1]; soft cap included. */
ref decoder_logits(const decoder *d, ref hidden);

/* Multiply-adds (counted two) of one token, forward and backward, in a
 * sequence of n_tokens (attention without the causal half, windows counted:
 * PaLM, appendix B). */
double config_flops_per_token(const model_config *c, int64_t n_tokens);

#endif
