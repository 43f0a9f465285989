#!/usr/bin/env python3
"""head_norm_models.py - small models with layer norms of each head of q and k, as folders with float64 logits.

usage: head_norm_models.py DIRECTORY_OF_models_gen.py OUT

models_gen.py is the generator of the golden models; it makes the weights, the reference and io.json.  StableLM 2 has
weights of each head (the 12B model both branches of one norm too), Phi the same for all heads, with a bias."""
import sys

sys.path.insert(0, sys.argv[1])
import models_gen as gen  # noqa: E402


def small(kind, **keys):
    return {"config": gen.base(kind, rms_norm_eps="DROP", layer_norm_eps=1e-5, num_hidden_layers=2,
                               qk_layernorm=True, max_position_embeddings=128, **keys)}


SPECS = {
    "stablelm_head_norms": small("stablelm", hidden_size=32, intermediate_size=44, num_attention_heads=4,
                                 num_key_value_heads=2, partial_rotary_factor=0.5, use_parallel_residual=True,
                                 use_qkv_bias=False),
    "phi_head_norms": small("phi", hidden_size=32, intermediate_size=56, num_attention_heads=4, num_key_value_heads=2,
                            partial_rotary_factor=0.75, hidden_act="gelu_new"),
}

if __name__ == "__main__":
    gen.run(sys.argv[2], SPECS, 83, [])
