/* layer_cache.c - what an engine keeps of a text for each layer. */
#include "model/layer_cache.h"

layer_cache layer_cache_of(const model_config *c, int64_t layer) {
    if (c->layer_kind[layer] != LAYER_ATTENTION)
        return (layer_cache){.conv_rows = c->scan_conv - 1,
                             .conv_channels = config_conv_channels(c),
                             .scan_heads = c->scan_heads,
                             .scan_k = c->scan_k,
                             .scan_v = c->scan_v};
    return (layer_cache){.n_heads = c->n_kv_heads,
                         .k_dim = c->head_dim,
                         .v_dim = c->head_dim,
                         .window = c->window[layer]};
}
