/* layer_cache.c - what an engine keeps of a text for each layer. */
#include "model/layer_cache.h"

layer_cache layer_cache_of(const model_config *c, int64_t layer) {
    return (layer_cache){.n_heads = c->n_kv_heads,
                         .k_dim = c->head_dim,
                         .v_dim = c->head_dim,
                         .window = c->window[layer]};
}
