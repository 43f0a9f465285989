#!/usr/bin/env python3
"""latent_gguf.py - a folder with latent attention as a GGUF file, in the form of newer files.

usage: latent_gguf.py FOLDER OUT.gguf

kv_b_proj is two tensors, attn_k_b [heads, lora, nope] and attn_v_b [heads, v, lora], and key_length, value_length and
head_count_kv are those of the cache.  Names and keys are gguf-py's.  All layers must be dense, and mscale must be
mscale_all_dim."""
import json, os, sys
import gguf, numpy as np
from safetensors.numpy import load_file

folder, out = sys.argv[1:]
c = json.load(open(os.path.join(folder, "config.json")))
rope = c["rope_parameters"]
heads, nope, turned = c["num_attention_heads"], c["qk_nope_head_dim"], c["qk_rope_head_dim"]
lora, v = c["kv_lora_rank"], c["v_head_dim"]

w = gguf.GGUFWriter(out, "deepseek2")
w.add_context_length(c["max_position_embeddings"])
w.add_embedding_length(c["hidden_size"])
w.add_block_count(c["num_hidden_layers"])
w.add_feed_forward_length(c["intermediate_size"])
w.add_head_count(heads)
w.add_head_count_kv(1)
w.add_layer_norm_rms_eps(c["rms_norm_eps"])
w.add_rope_freq_base(rope["rope_theta"])
w.add_rope_dimension_count(turned)
w.add_key_length(lora + turned)
w.add_value_length(lora)
w.add_key_length_mla(nope + turned)
w.add_value_length_mla(v)
w.add_kv_lora_rank(lora)
if c["q_lora_rank"]:
    w.add_q_lora_rank(c["q_lora_rank"])
if rope["rope_type"] == "yarn":
    assert rope["mscale"] == rope["mscale_all_dim"]
    w.add_rope_scaling_type(gguf.RopeScalingType.YARN)
    w.add_rope_scaling_factor(rope["factor"])
    w.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
    w.add_rope_scaling_yarn_log_mul(0.1 * rope["mscale_all_dim"])
w.add_leading_dense_block_count(c["num_hidden_layers"])
w.add_expert_feed_forward_length(c["moe_intermediate_size"])
w.add_expert_shared_count(c["n_shared_experts"])
w.add_expert_count(c["n_routed_experts"])
w.add_expert_used_count(c["num_experts_per_tok"])
w.add_expert_weights_scale(c["routed_scaling_factor"])

names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.DEEPSEEK2, c["num_hidden_layers"])
for name, x in sorted(load_file(os.path.join(folder, "model.safetensors")).items()):
    if not name.endswith("kv_b_proj.weight"):
        w.add_tensor(names.get_name(name, try_suffixes=(".weight", ".bias")), x)
        continue
    x = x.reshape(heads, nope + v, lora)
    k_b, v_b = np.ascontiguousarray(x[:, :nope].transpose(0, 2, 1)), np.ascontiguousarray(x[:, nope:])
    w.add_tensor(names.get_name(name.replace("kv_b", "k_b"), try_suffixes=(".weight",)), k_b)
    w.add_tensor(names.get_name(name.replace("kv_b", "v_b"), try_suffixes=(".weight",)), v_b)
w.write_header_to_file()
w.write_kv_data_to_file()
w.write_tensors_to_file()
w.close()
