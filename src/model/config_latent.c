/* config_latent.c - sizes of latent attention. */
#include "base/error.h"
#include "model/config_keys.h"

void config_derive_latent(model_config *c) {
    if (c->attn_kind == ATTN_PLAIN) {
        c->v_dim = c->head_dim;
        return;
    }
    c->head_dim = c->qk_nope_dim + c->qk_rope_dim;
    c->rope_dims = c->qk_rope_dim;
}

static ar_status need(const char *name, int64_t x, ar_error *err) {
    if (x > 0) return AR_OK;
    return error_set(err, AR_RANGE, "%s is not given", name);
}

ar_status config_check_latent(const model_config *c, ar_error *err) {
    if (c->attn_kind == ATTN_PLAIN) return AR_OK;
    TRY(need("kv_lora_rank", c->kv_lora_rank, err));
    TRY(need("qk_nope_head_dim", c->qk_nope_dim, err));
    TRY(need("qk_rope_head_dim", c->qk_rope_dim, err));
    TRY(need("v_head_dim", c->v_dim, err));
    if (c->n_kv_heads != c->n_heads)
        return error_set(err, AR_UNSUPPORTED,
                         "num_key_value_heads %lld is not num_attention_heads "
                         "%lld, as latent attention has it",
                         (long long)c->n_kv_heads, (long long)c->n_heads);
    if (!(c->rope_mscale_all >= 0) || c->rope_mscale_all > 1e6)
        return error_set(err, AR_RANGE, "mscale_all_dim is %g",
                         c->rope_mscale_all);
    return AR_OK;
}
