/* layer_cache.c - what an engine keeps of a text for each layer. */
#include "model/layer_cache.h"

layer_cache layer_cache_of(const model_config *c, int64_t layer) {
    if (c->attn_kind == ATTN_LATENT)
        return (layer_cache){.n_heads = 1,
                             .k_dim = c->kv_lora_rank + c->qk_rope_dim,
                             .window = c->window[layer]};
    return (layer_cache){.n_heads = c->n_kv_heads,
                         .k_dim = c->head_dim,
                         .v_dim = c->v_dim,
                         .window = c->window[layer]};
}
