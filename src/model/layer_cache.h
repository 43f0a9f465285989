/* layer_cache.h - what an engine keeps of a text for each layer of a model.
 *
 * The one place that knows it: the engine takes its memory by this, the
 * builder of the graph its shapes. */
#ifndef MODEL_LAYER_CACHE_H
#define MODEL_LAYER_CACHE_H

#include "model/config.h"

typedef struct layer_cache {
    /* Keys and values of a token, [n_heads, k_dim] and [n_heads, v_dim], in
     * pages.  v_dim 0: values are the first elements of the keys. */
    int64_t n_heads, k_dim, v_dim;
    /* A layer with a state has no keys (n_heads is 0) but, for each text, the
     * last conv_rows inputs of its convolution [conv_rows, conv_channels] and
     * a state [scan_heads, scan_k, scan_v]. */
    int64_t conv_rows, conv_channels, scan_heads, scan_k, scan_v;
    int64_t window; /* keys that a query sees, itself included; 0 = all */
} layer_cache;

layer_cache layer_cache_of(const model_config *c, int64_t layer);

#endif
