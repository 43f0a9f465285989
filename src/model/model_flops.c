/* model_flops.c - what one token costs.
 *
 *   6 N + sum over layers of 6 H (D + E) min(w, T), or what a state takes
 *
 * N counts the weights that are multiplied: matrices of the layers and the
 * output projection, of experts those that a token has, not tables, norms or
 * scalars.  w is the number of keys before the query in a window (PaLM,
 * Chowdhery et al. 2022, appendix B; windows as in karpathy/autoresearch,
 * train.py, estimate_flops). */
#include "model/decoder.h"

/* Of q, k and v of latent attention, in the form that training computes. */
static double latent_weights(const model_config *c) {
    const double C = (double)c->n_embd, L = (double)c->kv_lora_rank;
    const double HD = (double)(c->n_heads * c->head_dim);
    const double Q = (double)c->q_lora_rank;
    return (Q > 0 ? C * Q + Q * HD : C * HD) +
           C * (L + (double)c->qk_rope_dim) +
           L * (double)(c->n_heads * (c->qk_nope_dim + c->v_dim));
}

static double attention_weights(const model_config *c) {
    const double C = (double)c->n_embd;
    const double HD = (double)(c->n_heads * c->head_dim);
    const double GD = (double)(c->n_kv_heads * c->head_dim);
    const double in = c->attn_kind == ATTN_LATENT
                          ? latent_weights(c)
                          : C * ((c->attn_gate ? 2 : 1) * HD + 2 * GD);
    return in + (double)(c->n_heads * c->v_dim) * C;
}

/* The maps of a layer with a state and its convolution. */
static double scan_weights(const model_config *c, int64_t l) {
    const double C = (double)c->n_embd, I = (double)c->scan_inner;
    const double channels = (double)config_conv_channels(c);
    const int numbers = c->layer_kind[l] == LAYER_DELTA ? 2 : 1; /* a head */
    return C * (I + channels + (double)(numbers * c->scan_heads)) + I * C +
           channels * (double)c->scan_conv;
}

/* Operations on a state forward, as core/flops.c has them, and backward. */
static double scan_flops(const model_config *c, int64_t l) {
    const int each = c->layer_kind[l] == LAYER_DELTA ? 7 : 5;
    return 4.0 * each * (double)(c->scan_inner * c->scan_k);
}

static double layer_weights(const model_config *c, int64_t l) {
    const double C = (double)c->n_embd, F = (double)c->n_ff;
    double n = c->layer_kind[l] == LAYER_ATTENTION ? attention_weights(c)
                                                   : scan_weights(c, l);
    if (config_is_moe(c, l))
        n += C * (double)c->n_experts +
             3 * C *
                 ((double)c->n_ff_expert * (double)c->n_experts_used +
                  (double)config_shared_width(c));
    else if (!c->no_mlp)
        n += (c->gated ? 3 : 2) * C * F;
    if (config_has_value_embed(c, l))
        n += (double)(c->n_kv_heads * c->gate_channels);
    return n;
}

double config_flops_per_token(const model_config *c, int64_t n_tokens) {
    const double HD = (double)(c->n_heads * (c->head_dim + c->v_dim));
    double flops = 6 * (double)c->n_vocab * (double)c->n_embd;
    for (int64_t l = 0; l < c->n_layers; l++) {
        int64_t keys = n_tokens;
        if (c->window[l] > 0 && c->window[l] - 1 < keys)
            keys = c->window[l] - 1;
        flops += 6 * layer_weights(c, l);
        flops += c->layer_kind[l] == LAYER_ATTENTION ? 6 * HD * (double)keys
                                                     : scan_flops(c, l);
    }
    return flops;
}
