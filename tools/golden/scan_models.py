#!/usr/bin/env python3
"""Folders of tests/golden/models whose layers keep a state: models with random
weights, and the logits that transformers computes in float64.

usage: scan_models.py GENERATOR OUT [NAME ...]

GENERATOR is the folder of models_gen.py, which made the other folders."""
import sys

sys.path.insert(0, sys.argv[1])
import models_gen as gen

NEXT = dict(head_dim=16, partial_rotary_factor=0.25, num_hidden_layers=4,
            linear_conv_kernel_dim=4, linear_key_head_dim=8,
            linear_value_head_dim=12, linear_num_key_heads=2,
            linear_num_value_heads=6, num_experts=4,
            mlp_only_layers=[0, 1, 2, 3], full_attention_interval=4,
            rms_norm_eps=1e-6)
SPECS = {
    "qwen3_next_dense": {
        "config": gen.base("qwen3_next", **NEXT),
        "opt": {"init": {"one_plus": True}},
        "note": "no layer is a mixture; values wider than keys"},
    "mamba2_limits": {
        "config": {
            "model_type": "mamba2", "vocab_size": 160, "hidden_size": 36,
            "state_size": 10, "num_hidden_layers": 3, "num_heads": 6,
            "head_dim": 12, "n_groups": 1, "conv_kernel": 3, "expand": 2,
            "chunk_size": 8, "use_bias": True, "use_conv_bias": False,
            "time_step_limit": [0.05, 0.6], "time_step_rank": 4,
            "layer_norm_epsilon": 1e-5, "tie_word_embeddings": True,
            "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0},
        "opt": {"init": gen.TIED},
        "note": "limits of the time step, biases of the projections, tied"},
}
gen.run(sys.argv[2], SPECS, 41, sys.argv[3:])
