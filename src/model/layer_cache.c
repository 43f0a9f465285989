/* layer_cache.c - what an engine keeps of a text for each layer. */
#include "model/layer_cache.h"

layer_cache layer_cache_of(const model_config *c, int64_t layer) {
    if (c->layer_kind[layer] != LAYER_ATTENTION)
        return (layer_cache){.conv_rows = c->scan_conv - 1,
                             .conv_channels = config_conv_channels(c),
                             .scan_heads = c->scan_heads,
                             .scan_k = c->scan_k,
                             .scan_v = c->scan_v};
    if (c->attn_kind == ATTN_LATENT)
        return (layer_cache){.n_heads = 1,
                             .k_dim = c->kv_lora_rank + c->qk_rope_dim,
                             .window = c->window[layer]};
    return (layer_cache){.n_heads = c->n_kv_heads,
                         .k_dim = c->head_dim,
                         .v_dim = c->v_dim,
                         .window = c->window[layer]};
}
