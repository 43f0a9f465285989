#!/usr/bin/env python3
"""packed_models.py - folders of one small llama with its matrices quantised as published checkpoints have them.

usage: tools/golden/packed_models.py tests/golden/packed
Each folder has the parts as that method names and packs them, config.json with its quantization_config, and io.json:
logits of transformers in float64 on the dequantised weights.  Needs torch, transformers, safetensors, numpy."""
import contextlib, copy, json, os, sys, zlib
import numpy as np, torch
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

F32, F16 = np.float32, np.float16
E2M1 = np.array([0, .5, 1, 1.5, 2, 3, 4, 6, -0.0, -.5, -1, -1.5, -2, -3, -4, -6], F32)
CONFIG = dict(vocab_size=96, hidden_size=64, intermediate_size=192, num_hidden_layers=2, num_attention_heads=4,
              num_key_value_heads=2, head_dim=16, max_position_embeddings=128, rope_theta=10000.0, rms_norm_eps=1e-5,
              tie_word_embeddings=False, bos_token_id=1, eos_token_id=2)


@contextlib.contextmanager
def doubles():
    """torch.float32 means float64 while model code runs"""
    old = torch.float32, torch.float, torch.Tensor.float, torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    torch.float32 = torch.float = torch.float64
    torch.Tensor.float = lambda self, *a, **k: self.double()
    try:
        yield
    finally:
        torch.float32, torch.float, torch.Tensor.float = old[:3]
        torch.set_default_dtype(old[3])


def weights():
    model = LlamaForCausalLM(LlamaConfig(**CONFIG))
    out = {}
    for name, p in model.named_parameters():
        z = np.random.Generator(np.random.PCG64([5, zlib.crc32(name.encode())])).standard_normal(tuple(p.shape))
        out[name] = (1 + .2 * z if p.dim() == 1 else (.6 if "embed" in name else 1.6 / p.shape[-1] ** .5) * z).astype(F32)
    return out


def reference(state):
    with doubles():
        cfg = LlamaConfig(**CONFIG)
        cfg._attn_implementation = "eager"
        model = LlamaForCausalLM(cfg).double().eval()
        model.load_state_dict({k: torch.tensor(np.asarray(v, np.float64)) for k, v in state.items()})
        rng = np.random.Generator(np.random.PCG64(9))
        prompts = [rng.integers(0, 96, n).tolist() for n in (1, 7, 21)]
        with torch.no_grad():
            rows = [model(input_ids=torch.tensor([p]), use_cache=False).logits[0] for p in prompts]
    nine = lambda t: [float(f"{x:.9g}") for x in t.tolist()]
    return dict(prompts=prompts, last_logits=[nine(r[-1]) for r in rows], all_logits_prompt=1,
                all_logits=[nine(r) for r in rows[1]])


def f8(x):
    return torch.tensor(x).to(torch.float8_e4m3fn)


def split(w, group):
    return w.reshape(w.shape[0], -1, group)


def nearest_fp4(x):
    return np.abs(x[..., None] - E2M1[:8]).argmin(-1).astype(np.uint8)


def fp4_codes(x):
    return (nearest_fp4(np.abs(x)) | (np.signbit(x).astype(np.uint8) << 3))


def bits_low_first(q, bits):
    """rows of numbers as one stream of bits from the lowest up, in 32-bit words"""
    b = ((q[..., None].astype(np.uint32) >> np.arange(bits)) & 1).reshape(q.shape[0], -1).astype(np.uint8)
    return np.packbits(b, axis=1, bitorder="little").view("<u4")


# ---- methods: (w, name) -> parts, dequantised ----

def fp8_block(w, name, tile=128):
    r, c = w.shape
    scale = np.zeros((-(-r // tile), -(-c // tile)), F32)
    q, d = torch.zeros(r, c, dtype=torch.float8_e4m3fn), np.zeros_like(w)
    for i in range(scale.shape[0]):
        for k in range(scale.shape[1]):
            at = np.s_[i * tile:(i + 1) * tile, k * tile:(k + 1) * tile]
            scale[i, k] = np.abs(w[at]).max() / F32(448)
            q[at] = f8(w[at] / scale[i, k])
            d[at] = q[at].float().numpy() * scale[i, k]
    return {"weight": q, "weight_scale_inv": scale}, d


def fp8_rows(w, name):
    scale = np.abs(w).max(1, keepdims=True) / F32(448)
    q = f8(w / scale)
    return {"weight": q, "weight_scale": scale}, q.float().numpy() * scale


def fp8_one(w, name):
    scale = np.abs(w).max() / F32(448)
    q = f8(w / scale)
    return {"weight": q, "weight_scale": F32(scale), "input_scale": F32(.5)}, q.float().numpy() * scale


def int8_rows(w, name):
    scale = np.abs(w).max(1, keepdims=True) / F32(127)
    q = np.rint(w / scale).astype(np.int8)
    return {"weight": q, "weight_scale": scale}, q.astype(F32) * scale


def int_packed(w, name, bits=4, group=32):
    g = split(w, group)
    scale = (np.abs(g).max(2) / F32(2 ** (bits - 1) - .5)).astype(F16).astype(F32)
    q = np.clip(np.rint(g / scale[..., None]), -2 ** (bits - 1), 2 ** (bits - 1) - 1)
    d = (q.astype(F32) * scale[..., None]).reshape(w.shape)
    words = bits_low_first((q + 2 ** (bits - 1)).reshape(w.shape).astype(np.uint32), bits)
    return {"weight_packed": words.view(np.int32), "weight_scale": scale.astype(F16),
            "weight_shape": np.array(w.shape, np.int64)}, d


def nvfp4_parts(w, all_):
    g = split(w, 16)
    scale = f8(np.maximum(np.abs(g).max(2) / F32(6) / all_, F32(2 ** -9)))
    s = scale.float().numpy() * F32(1)
    q = fp4_codes(g / (s * all_)[..., None]).reshape(w.shape)
    packed = q[:, 0::2] | q[:, 1::2] << 4
    d = (split(E2M1[q], 16) * s[..., None] * all_).reshape(w.shape).astype(F32)
    return packed, scale, d


def nvfp4(w, name):
    all_ = F32(np.abs(w).max() / (6 * 448))
    packed, scale, d = nvfp4_parts(w, all_)
    return {"weight": packed, "weight_scale": scale, "weight_scale_2": all_, "input_scale": F32(.01)}, d


def nvfp4_global(w, name):
    over = F32(2.0 ** np.floor(np.log2(6 * 448 / np.abs(w).max())))  # a power of two: 1 / over is exact
    packed, scale, d = nvfp4_parts(w, F32(1) / over)
    return {"weight_packed": packed, "weight_scale": scale, "weight_global_scale": np.array([over], F32),
            "input_global_scale": np.array([100], F32)}, d


MLX_LAYERS = {"model.layers.0.self_attn.q_proj": (32, 2), "model.layers.0.self_attn.k_proj": (64, 3),
              "model.layers.0.self_attn.v_proj": (32, 5), "model.layers.0.mlp.up_proj": (64, 6),
              "model.layers.1.mlp.down_proj": (32, 8), "lm_head": None}


def mlx(w, name):
    own = MLX_LAYERS.get(name, (64, 4))
    if own is None:
        return {"weight": w.astype(F16)}, w.astype(F16).astype(F32)
    group, bits = own
    g = split(w, group)
    low, high = g.min(2), g.max(2)
    scale = ((high - low) / F32(2 ** bits - 1)).astype(F16).astype(F32)
    bias = low.astype(F16).astype(F32)
    q = np.clip(np.rint((g - bias[..., None]) / scale[..., None]), 0, 2 ** bits - 1)
    d = (scale[..., None] * q.astype(F32) + bias[..., None]).reshape(w.shape)
    return {"weight": bits_low_first(q.reshape(w.shape).astype(np.uint32), bits), "scales": scale.astype(F16),
            "biases": bias.astype(F16)}, d


def mlx_mxfp4(w, name):
    g = split(w, 32)
    e = np.clip(np.floor(np.log2(np.abs(g).max(2))) - 2 + 127, 0, 254).astype(np.uint8)
    s = np.exp2(e.astype(F32) - 127).astype(F32)
    q = fp4_codes(g / s[..., None])
    d = (E2M1[q] * s[..., None]).reshape(w.shape)
    return {"weight": bits_low_first(q.reshape(w.shape).astype(np.uint32), 4), "scales": e}, d


def levels(w, bits, groups):
    """scale, zero and levels of each input's group: [groups, out] twice and [out, in]"""
    n = groups.max() + 1
    scale, zero, q = np.zeros((n, w.shape[0]), F32), np.zeros((n, w.shape[0]), np.uint32), np.zeros(w.shape, np.uint32)
    for i in range(n):
        x = w[:, groups == i]
        low, high = np.minimum(x.min(1), 0), np.maximum(x.max(1), 0)
        scale[i] = ((high - low) / F32(2 ** bits - 1)).astype(F16).astype(F32)
        zero[i] = np.clip(np.rint(-low / scale[i]), 1, 2 ** bits - 1)
        q[:, groups == i] = np.clip(np.rint(x / scale[i][:, None] + zero[i][:, None]), 0, 2 ** bits - 1)
    z = zero.astype(np.int64)[groups].T
    return scale, zero, q, (scale[groups].T * (q.astype(np.int64) - z).astype(F32)).astype(F32)


def gptq(w, name, bits=4, group=32, shuffled=True, less=1):
    c = w.shape[1]
    groups = np.arange(c) // group
    if shuffled:
        groups = groups[np.random.Generator(np.random.PCG64(zlib.crc32(name.encode()))).permutation(c)]
    scale, zero, q, d = levels(w, bits, groups)
    return {"qweight": bits_low_first(q, bits).T.copy().view(np.int32),
            "qzeros": bits_low_first(zero - less, bits).view(np.int32), "scales": scale.astype(F16),
            "g_idx": groups.astype(np.int32)}, d


def awq(w, name, group=32):
    scale, zero, q, d = levels(w, 4, np.arange(w.shape[1]) // group)
    order = [0, 2, 4, 6, 1, 3, 5, 7]
    mixed = lambda x: bits_low_first(x.reshape(x.shape[0], -1, 8)[:, :, order].reshape(x.shape), 4).view(np.int32)
    return {"qweight": mixed(q.T.copy()), "qzeros": mixed(zero), "scales": scale.astype(F16)}, d


def compressed(form, **weights_):
    group = {"targets": ["Linear"], "weights": weights_, "input_activations": None, "output_activations": None}
    return {"quantization_config": {"quant_method": "compressed-tensors", "format": form, "ignore": ["lm_head"],
                                    "config_groups": {"group_0": group}, "quantization_status": "compressed"}}


def mlx_config(**rest):
    own = {k: {"group_size": v[0], "bits": v[1]} if v else False for k, v in MLX_LAYERS.items()}
    return {"quantization": {"group_size": 64, "bits": 4, **own}, "quantization_config": {"group_size": 64, "bits": 4}}


def method(name, **rest):
    return {"quantization_config": {"quant_method": name, **rest}}


FOLDERS = {
    "fp8": (fp8_block, method("fp8", activation_scheme="dynamic", fmt="e4m3", weight_block_size=[128, 128])),
    "fbgemm_fp8": (fp8_rows, method("fbgemm_fp8", activation_scale_ub=1200.0)),
    "modelopt_fp8": (fp8_one, method("modelopt", quant_algo="FP8")),
    "int8": (int8_rows, compressed("int-quantized", num_bits=8, type="int", strategy="channel", symmetric=True)),
    "int4": (int_packed, compressed("pack-quantized", num_bits=4, type="int", strategy="group", group_size=32,
                                    symmetric=True)),
    "nvfp4": (nvfp4, method("modelopt", quant_algo="NVFP4", group_size=16)),
    "nvfp4_packed": (nvfp4_global, compressed("nvfp4-pack-quantized", num_bits=4, type="float",
                                              strategy="tensor_group", group_size=16, symmetric=True)),
    "mlx": (mlx, mlx_config()),
    "mlx_mxfp4": (mlx_mxfp4, {"quantization": {"group_size": 32, "bits": 4, "mode": "mxfp4"}}),
    "gptq": (gptq, method("gptq", bits=4, group_size=32, desc_act=True, sym=False, checkpoint_format="gptq")),
    "gptq_2bit": (lambda w, n: gptq(w, n, 2, 16, False), method("gptq", bits=2, group_size=16, desc_act=False)),
    "gptq_8bit": (lambda w, n: gptq(w, n, 8, w.shape[1], False, 0),
                  method("gptq", bits=8, group_size=-1, desc_act=False, checkpoint_format="gptq_v2")),
    "awq": (awq, method("awq", bits=4, group_size=32, zero_point=True, version="gemm")),
}


def main(out):
    plain = weights()
    for folder, (pack, config) in FOLDERS.items():
        state, parts = {}, {}
        for name, w in plain.items():
            base, mlx_all = name.removesuffix(".weight"), folder.startswith("mlx")
            if w.ndim == 2 and (mlx_all or base not in ("lm_head", "model.embed_tokens")):
                p, state[name] = pack(w, base)
                parts.update({f"{base}.{k}": v for k, v in p.items()})
            else:
                parts[name] = w.astype(F16)
                state[name] = parts[name].astype(F32)
        os.makedirs(os.path.join(out, folder), exist_ok=True)
        tensors = {k: v.contiguous() if torch.is_tensor(v) else torch.tensor(np.ascontiguousarray(v).reshape(np.shape(v)))
                   for k, v in parts.items()}
        save_file(tensors, os.path.join(out, folder, "model.safetensors"), metadata={"format": "pt"})
        top = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu",
               "torch_dtype": "float16", **CONFIG, **config}
        for file, value in (("config.json", top), ("io.json", reference(state))):
            with open(os.path.join(out, folder, file), "w") as f:
                json.dump(value, f, indent=1 if file == "config.json" else None, separators=(",", ":") if file != "config.json" else None)
                f.write("\n")


if __name__ == "__main__":
    main(sys.argv[1])
