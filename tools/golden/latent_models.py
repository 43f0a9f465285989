#!/usr/bin/env python3
"""latent_models.py - small models with multi-head latent attention, as folders with float64 logits.

usage: latent_models.py DIRECTORY_OF_models_gen.py OUT

models_gen.py is the generator of the golden models; it makes the weights, the reference and io.json.  All layers
are dense (first_k_dense_replace = the number of layers), so that attention is tested alone."""
import sys

sys.path.insert(0, sys.argv[1])
import models_gen as gen  # noqa: E402


def yarn(**keys):
    return {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32, **keys}


def latent(kind, **keys):
    sizes = dict(vocab_size=160, num_hidden_layers=2, num_key_value_heads=4, hidden_size=48, intermediate_size=64,
                 kv_lora_rank=16, qk_nope_head_dim=12, qk_rope_head_dim=8, v_head_dim=10, first_k_dense_replace=2,
                 max_position_embeddings=128,
                 n_routed_experts=4, num_experts_per_tok=2, n_group=1, topk_group=1, moe_intermediate_size=16,
                 n_shared_experts=1)
    sizes.update(keys)
    return {"config": gen.base(kind, **sizes)}


SPECS = {
    "deepseek_v2": latent("deepseek_v2", q_lora_rank=24, attention_bias=True,
                          rope_scaling=yarn(mscale=0.707, mscale_all_dim=0.707)),
    "deepseek_v2_lite": latent("deepseek_v2", q_lora_rank=None, v_head_dim=16, num_hidden_layers=3,
                               first_k_dense_replace=3),
    "deepseek_v3_dense": latent("deepseek_v3", q_lora_rank=20, num_nextn_predict_layers=0,
                                rope_scaling=yarn(mscale=1.0, mscale_all_dim=0.8)),
    "deepseek_v3_halves": latent("deepseek_v3", q_lora_rank=None, rope_interleave=False, qk_nope_head_dim=8,
                                 qk_rope_head_dim=12, kv_lora_rank=20, num_nextn_predict_layers=0,
                                 attention_bias=True, rope_scaling=yarn(beta_fast=16)),
}

if __name__ == "__main__":
    gen.run(sys.argv[2], SPECS, 71, [])
