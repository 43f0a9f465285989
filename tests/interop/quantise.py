#!/usr/bin/env python3
"""quantise.py - the quality of arcane's quantisation beside llama.cpp's.  Run by hand; docs/interop.md has what it printed.

  tests/interop/quantise.py dither MODEL.gguf OUT.gguf     a model in f32 from one in blocks: uniform noise as wide as the
                                                           step of its levels hides that they were levels
  tests/interop/quantise.py compare F32.gguf TEXT DIR [TYPE ...] [--imatrix IMATRIX.gguf]

compare quantises F32.gguf with both, all matrices to one type, and measures with arcane (f32 activations) how far the
next-token distributions of TEXT move from the model's.  ARCANE names the program.  Needs llama-cpp-python, gguf, numpy,
safetensors."""
import argparse, ctypes, os, subprocess, sys, tempfile
import numpy as np
import gguf

ARCANE = os.environ.get("ARCANE", "build/release/arcane")
FTYPES = {"q4_0": 2, "q8_0": 7, "q5_0": 8, "q2_k": 10, "q3_k": 11, "q4_k": 14, "q5_k": 16, "q6_k": 18, "iq4_nl": 25,
          "iq4_xs": 30, "mxfp4": 38}


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


def compare(a):
    with open(a.text) as f:
        ids = tokens(a.model, f.read()[:40000], a.tokens)
    parts = [ids[i:i + 512] for i in range(0, len(ids), 512)]
    base = [logits(a.model, x) for x in parts]
    print(f"{len(ids)} tokens; KL in nats, share of tokens with the same best one, MiB")
    for kind in a.types or FTYPES:
        line = f"{kind:8s}"
        for who in ("ours", "llama.cpp"):
            out = os.path.join(a.dir, f"{who}-{kind}.gguf")
            if who == "ours":
                more = ["--imatrix", a.imatrix] if a.imatrix else []
                subprocess.run([ARCANE, "quantize", a.model, "--to", kind, "--out", out, "-t", "2", *more], check=True,
                               stdout=subprocess.DEVNULL)
            else:
                theirs(a.model, out, kind, a.imatrix)
            kl = same = 0
            for x, p in zip(parts, base):
                q = logits(out, x)
                kl += float((np.exp(p) * (p - q)).sum())
                same += int((p.argmax(-1) == q.argmax(-1)).sum())
            line += f"  {who} {kl / len(ids):.5f} {same / len(ids):.4f} {os.path.getsize(out) / 2**20:.1f}"
            os.remove(out)
        print(line, flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    s = p.add_subparsers(required=True)
    c = s.add_parser("dither")
    c.add_argument("model")
    c.add_argument("out")
    c.set_defaults(fn=dither)
    c = s.add_parser("compare")
    c.add_argument("model")
    c.add_argument("text")
    c.add_argument("dir")
    c.add_argument("types", nargs="*")
    c.add_argument("--imatrix")
    c.add_argument("--tokens", type=int, default=1536)
    c.set_defaults(fn=compare)
    a = p.parse_args()
    a.fn(a)


if __name__ == "__main__":
    main()
