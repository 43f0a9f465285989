#!/usr/bin/env python3
"""GGUF files of tests/golden/models/{mamba2,qwen3_next_dense} in the form that
converters give them: q, k, v and z apart and in order, -exp(A_log), norms with
their 1, sizes that a model does not have as 0.

usage: scan_gguf.py MODELS OUT"""
import json
import os
import sys

import numpy as np
from gguf import GGUFWriter
from safetensors.numpy import load_file


def common(w, c, ctx):
    w.add_context_length(ctx)
    w.add_embedding_length(c["hidden_size"])
    w.add_block_count(c["num_hidden_layers"])
    w.add_vocab_size(c["vocab_size"])
    w.add_tokenizer_model("no_vocab")


def finish(w, tensors):
    for name, x in tensors.items():
        w.add_tensor(name, np.ascontiguousarray(x, dtype=np.float32))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def mamba2(c, t, path):
    w = GGUFWriter(path, "mamba2")
    inner, groups = c["num_heads"] * c["head_dim"], c["n_groups"]
    common(w, c, 2**20)
    w.add_feed_forward_length(0)
    w.add_head_count(0)
    w.add_ssm_conv_kernel(c["conv_kernel"])
    w.add_ssm_inner_size(inner)
    w.add_ssm_state_size(c["state_size"])
    w.add_ssm_time_step_rank(c["num_heads"])
    w.add_ssm_group_count(groups)
    w.add_layer_norm_rms_eps(c["layer_norm_epsilon"])
    out = {"token_embd.weight": t["backbone.embeddings.weight"],
           "output.weight": t["lm_head.weight"],
           "output_norm.weight": t["backbone.norm_f.weight"]}
    for l in range(c["num_hidden_layers"]):
        def put(name, x, m=f"backbone.layers.{l}.mixer."):
            out[f"blk.{l}.{name}"] = t[m + x]
        out[f"blk.{l}.attn_norm.weight"] = t[f"backbone.layers.{l}.norm.weight"]
        put("ssm_in.weight", "in_proj.weight")
        put("ssm_conv1d.weight", "conv1d.weight")
        put("ssm_conv1d.bias", "conv1d.bias")
        put("ssm_dt.bias", "dt_bias")
        put("ssm_a", "A_log")
        put("ssm_d", "D")
        put("ssm_norm.weight", "norm.weight")
        put("ssm_out.weight", "out_proj.weight")
        b = f"blk.{l}."
        out[b + "ssm_conv1d.weight"] = out[b + "ssm_conv1d.weight"].squeeze(1)
        out[b + "ssm_a"] = -np.exp(out[b + "ssm_a"])[:, None]
        out[b + "ssm_d"] = out[b + "ssm_d"][:, None]
        out[b + "ssm_norm.weight"] = out[b + "ssm_norm.weight"].reshape(groups, -1)
    finish(w, out)


def split_qkvz(x, g, k, v):
    """rows of each group q, k, v, z -> all q, all k, all v; all z"""
    parts = np.split(x.reshape(g, 2 * k + 2 * v, -1), [k, 2 * k, 2 * k + v], 1)
    q, k, v, z = (p.reshape(-1, x.shape[1]) for p in parts)
    return np.concatenate([q, k, v]), z


def qwen3next(c, t, path):
    w = GGUFWriter(path, "qwen3next")
    heads, groups = c["linear_num_value_heads"], c["linear_num_key_heads"]
    size_k, size_v = c["linear_key_head_dim"], c["linear_value_head_dim"]
    common(w, c, c["max_position_embeddings"])
    w.add_feed_forward_length(c["intermediate_size"])
    w.add_head_count(c["num_attention_heads"])
    w.add_head_count_kv(c["num_key_value_heads"])
    w.add_key_length(c["head_dim"])
    w.add_value_length(c["head_dim"])
    w.add_rope_dimension_count(int(c["head_dim"] * c["partial_rotary_factor"]))
    w.add_rope_freq_base(c["rope_theta"])
    w.add_layer_norm_rms_eps(c["rms_norm_eps"])
    w.add_ssm_conv_kernel(c["linear_conv_kernel_dim"])
    w.add_ssm_state_size(size_k)
    w.add_ssm_group_count(groups)
    w.add_ssm_time_step_rank(heads)
    w.add_ssm_inner_size(heads * size_v)
    w.add_full_attention_interval(c["full_attention_interval"])
    out = {"token_embd.weight": t["model.embed_tokens.weight"],
           "output.weight": t["lm_head.weight"],
           "output_norm.weight": 1 + t["model.norm.weight"]}
    for l in range(c["num_hidden_layers"]):
        m, b = f"model.layers.{l}.", f"blk.{l}."
        out[b + "attn_norm.weight"] = 1 + t[m + "input_layernorm.weight"]
        out[b + "post_attention_norm.weight"] = 1 + t[m + "post_attention_layernorm.weight"]
        for name in ("gate", "up", "down"):
            out[f"{b}ffn_{name}.weight"] = t[f"{m}mlp.{name}_proj.weight"]
        if (l + 1) % c["full_attention_interval"] == 0:
            for to, name in (("q", "q"), ("k", "k"), ("v", "v"), ("output", "o")):
                out[f"{b}attn_{to}.weight"] = t[f"{m}self_attn.{name}_proj.weight"]
            for name in "qk":
                out[f"{b}attn_{name}_norm.weight"] = 1 + t[f"{m}self_attn.{name}_norm.weight"]
            continue
        m += "linear_attn."
        qkv, z = split_qkvz(t[m + "in_proj_qkvz.weight"], groups, size_k,
                            heads // groups * size_v)
        out[b + "attn_qkv.weight"], out[b + "attn_gate.weight"] = qkv, z
        out[b + "ssm_ba.weight"] = t[m + "in_proj_ba.weight"]
        out[b + "ssm_conv1d.weight"] = t[m + "conv1d.weight"].squeeze(1)
        out[b + "ssm_dt.bias"] = t[m + "dt_bias"]
        out[b + "ssm_a"] = -np.exp(t[m + "A_log"])
        out[b + "ssm_norm.weight"] = t[m + "norm.weight"]
        out[b + "ssm_out.weight"] = t[m + "out_proj.weight"]
    finish(w, out)


for name, make in (("mamba2", mamba2), ("qwen3_next_dense", qwen3next)):
    folder = os.path.join(sys.argv[1], name)
    config = json.load(open(os.path.join(folder, "config_v4.json")))
    weights = load_file(os.path.join(folder, "model.safetensors"))
    make(config, weights, os.path.join(sys.argv[2], name + ".gguf"))
