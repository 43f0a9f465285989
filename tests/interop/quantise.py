#!/usr/bin/env python3
"""quantise.py - the quality of arcane's quantisation beside llama.cpp's.  Run by hand; docs/interop.md has what it printed.

  tests/interop/quantise.py dither MODEL.gguf OUT.gguf     a model in f32 from one in blocks: uniform noise as wide as the
                                                           step of its levels hides that they were levels
  tests/interop/quantise.py compare F32.gguf DIR [TYPE ...] --text TEXT [--text TEXT ...] [--folder FOLDER]
                                    [--imatrix IMATRIX.gguf]

compare quantises F32.gguf with both, all matrices to one type, and measures with arcane (f32 activations) how far the
next-token distributions of each TEXT move from the model's.  With FOLDER, the same model as `arcane convert --to
safetensors` writes it, also how far the outputs of each matrix move for its own inputs in the model: a sum over so many
weights that chance has no part in it, as it has in a few hundred distributions.  ARCANE names the program.  Needs
llama-cpp-python, gguf, numpy, safetensors; torch and transformers for FOLDER."""
import argparse, ctypes, os, subprocess, sys, tempfile
import numpy as np
import gguf

ARCANE = os.environ.get("ARCANE", "build/release/arcane")
FTYPES = {"q4_0": 2, "q8_0": 7, "q5_0": 8, "q2_k": 10, "q3_k": 11, "q4_k": 14, "q5_k": 16, "q6_k": 18, "iq4_nl": 25,
          "iq4_xs": 30, "mxfp4": 38}
PARTS = {"q_proj": "attn_q", "k_proj": "attn_k", "v_proj": "attn_v", "o_proj": "attn_output", "gate_proj": "ffn_gate",
         "up_proj": "ffn_up", "down_proj": "ffn_down"}


def field(f):
    return f.contents() if f.types else None


def dither(a):
    r = gguf.GGUFReader(a.model)
    w = gguf.GGUFWriter(a.out, field(r.fields["general.architecture"]))
    for f in r.fields.values():
        if f.name.startswith("GGUF.") or f.name in ("general.architecture", "general.file_type"):
            continue
        sub = f.types[1] if f.types[0] == gguf.GGUFValueType.ARRAY else None
        w.add_key_value(f.name, f.contents(), f.types[0], sub_type=sub)
    rng = np.random.Generator(np.random.PCG64(1))
    for t in r.tensors:
        x = gguf.dequantize(t.data, t.tensor_type).astype(np.float32)
        if t.tensor_type not in (gguf.GGMLQuantizationType.F32, gguf.GGMLQuantizationType.F16):
            g = np.sort(x.reshape(-1, 32), axis=1)
            d = np.diff(g, axis=1)
            step = np.where(d > 1e-7, d, np.inf).min(1, keepdims=True)
            step[~np.isfinite(step)] = 0
            x = (x.reshape(-1, 32) + step * rng.uniform(-.5, .5, g.shape)).reshape(x.shape).astype(np.float32)
        w.add_tensor(t.name, x)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def theirs(src, out, kind, imatrix):
    import llama_cpp
    p = llama_cpp.llama_model_quantize_default_params()
    p.nthread, p.ftype, p.pure = 2, FTYPES[kind], True
    keep = []
    if imatrix:
        r = gguf.GGUFReader(imatrix)
        by = {t.name: t.data for t in r.tensors}
        rows = []
        for name, sums in by.items():
            if name.endswith(".in_sum2"):
                base = name.removesuffix(".in_sum2")
                mean = (sums.reshape(-1) / by[base + ".counts"].reshape(-1)[0]).astype(np.float32)
                keep += [mean, base.encode()]
                rows.append((keep[-1], mean))
        data = (llama_cpp.llama_model_imatrix_data * (len(rows) + 1))()
        for d, (name, mean) in zip(data, rows):
            d.name, d.size = name, mean.size
            d.data = mean.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
        keep.append(data)
        p.imatrix = data
    assert llama_cpp.llama_model_quantize(src.encode(), out.encode(), ctypes.byref(p)) == 0, kind


def logits(model, ids):
    from safetensors.numpy import load_file
    with tempfile.TemporaryDirectory() as d:
        out = os.path.join(d, "l.safetensors")
        subprocess.run([ARCANE, "debug", "logits", model, "--ids", ",".join(map(str, ids)), "--exact", "-o", out], check=True)
        x = load_file(out)["logits"].astype(np.float32)
    x = x - x.max(-1, keepdims=True)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def tokens(model, text, n):
    import llama_cpp
    m = llama_cpp.Llama(model, vocab_only=True, verbose=False)
    return m.tokenize(text.encode(), add_bos=True)[:n]


def inputs(folder, model, texts, n):
    """The products of the inputs of each matrix with themselves, summed over the texts: what its outputs' error is."""
    import torch
    from transformers import AutoModelForCausalLM
    m = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    sums = {}

    def watch(name):
        def hook(_, x, __):
            x = x[0].reshape(-1, x[0].shape[-1])[1:].double()  # the first token is like no other
            sums[name] = sums.get(name, 0) + (x.T @ x).numpy()
        return hook

    for name, part in m.named_modules():
        words = name.split(".")
        if isinstance(part, torch.nn.Linear) and len(words) > 3:
            part.register_forward_hook(watch(f"blk.{words[2]}.{PARTS[words[-1]]}.weight"))
    for text in texts:
        ids = tokens(model, text, n)
        for i in range(0, len(ids), 512):
            with torch.no_grad():
                m(input_ids=torch.tensor([ids[i:i + 512]]), use_cache=False)
    return sums


def matrices(path):
    return {t.name: t for t in gguf.GGUFReader(path).tensors if len(t.shape) > 1}


def output_errors(base, sums, path):
    """Of each matrix the mean squared error of its outputs, by the squares of these."""
    got, out = matrices(path), []
    for name, c in sums.items():
        w = gguf.dequantize(base[name].data, base[name].tensor_type).astype(np.float64)
        e = gguf.dequantize(got[name].data, got[name].tensor_type) - w
        out.append(((e @ c) * e).sum() / ((w @ c) * w).sum())
    return np.array(out)


def compare(a):
    texts = []
    for path in a.text:
        with open(path) as f:
            texts.append(f.read()[:40000])
    base, base_of, sums = [], matrices(a.model), {}
    for text in texts:
        ids = tokens(a.model, text, a.tokens)
        base.append([(x, logits(a.model, x)) for x in (ids[i:i + 512] for i in range(0, len(ids), 512))])
    if a.folder:
        sums = inputs(a.folder, a.model, texts, a.tokens)
    print("KL in nats on each text, share of tokens with the same best one; error of outputs against llama.cpp's")
    for kind in a.types or FTYPES:
        out = {who: os.path.join(a.dir, f"{who}-{kind}.gguf") for who in ("ours", "llama.cpp")}
        more = ["--imatrix", a.imatrix] if a.imatrix else []
        subprocess.run([ARCANE, "quantize", a.model, "--to", kind, "--out", out["ours"], "-t", "2", *more], check=True,
                       stdout=subprocess.DEVNULL)
        theirs(a.model, out["llama.cpp"], kind, a.imatrix)
        x, y = (matrices(path) for path in out.values())
        equal = all(x[k].data.shape == y[k].data.shape and (x[k].data == y[k].data).all() for k in x)
        line = f"{kind:8s}"
        for who, path in out.items():
            if who == "llama.cpp" and equal:
                line += "  llama.cpp the same bytes"
                continue
            line += f"  {who}"
            for parts in base:
                kl = same = n = 0
                for ids, p in parts:
                    q = logits(path, ids)
                    kl += float((np.exp(p) * (p - q)).sum())
                    same += int((p.argmax(-1) == q.argmax(-1)).sum())
                    n += len(ids)
                line += f" {kl / n:.5f} {same / n:.3f}"
        if sums and not equal:
            r = np.log(output_errors(base_of, sums, out["ours"]) / output_errors(base_of, sums, out["llama.cpp"]))
            line += f"  outputs {100 * (np.exp(r.mean()) - 1):+.2f} %, worse in {(r > 0).mean():.2f} of matrices"
        print(line, flush=True)
        for path in out.values():
            os.remove(path)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    s = p.add_subparsers(required=True)
    c = s.add_parser("dither")
    c.add_argument("model")
    c.add_argument("out")
    c.set_defaults(fn=dither)
    c = s.add_parser("compare")
    c.add_argument("model")
    c.add_argument("dir")
    c.add_argument("types", nargs="*")
    c.add_argument("--text", action="append", required=True)
    c.add_argument("--folder")
    c.add_argument("--imatrix")
    c.add_argument("--tokens", type=int, default=1024)
    c.set_defaults(fn=compare)
    a = p.parse_args()
    a.fn(a)


if __name__ == "__main__":
    main()
