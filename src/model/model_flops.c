/* model_flops.c - what one token costs.
 *
 *   6 N + sum over layers of 12 H D min(w, T)
 *
 * N counts the weights that are multiplied: matrices of the layers and the
 * output projection, of experts those that a token has, not tables, norms or
 * scalars.  w is the number of keys before the query in a window (PaLM,
 * Chowdhery et al. 2022, appendix B; windows as in karpathy/autoresearch,
 * train.py, estimate_flops). */
#include "model/decoder.h"

static double layer_weights(const model_config *c, int64_t l) {
    const double C = (double)c->n_embd, F = (double)c->n_ff;
    const double HD = (double)(c->n_heads * c->head_dim);
    const double GD = (double)(c->n_kv_heads * c->head_dim);
    double n = C * (HD + 2 * GD) + HD * C;
    if (config_is_moe(c, l))
        n += C * (double)c->n_experts +
             3 * C *
                 ((double)c->n_ff_expert * (double)c->n_experts_used +
                  (double)config_shared_width(c));
    else
        n += (c->gated ? 3 : 2) * C * F;
    if (config_has_value_embed(c, l))
        n += (double)(c->n_kv_heads * c->gate_channels);
    return n;
}

double config_flops_per_token(const model_config *c, int64_t n_tokens) {
    const double HD = (double)(c->n_heads * c->head_dim);
    double flops = 6 * (double)c->n_vocab * (double)c->n_embd;
    for (int64_t l = 0; l < c->n_layers; l++) {
        int64_t keys = n_tokens;
        if (c->window[l] > 0 && c->window[l] - 1 < keys)
            keys = c->window[l] - 1;
        flops += 6 * layer_weights(c, l) + 12 * HD * (double)keys;
    }
    return flops;
}
