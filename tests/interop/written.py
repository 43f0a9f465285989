#!/usr/bin/env python3
"""written.py - what arcane writes, read by others.  Run by hand; docs/interop.md has what it printed.

  tests/interop/written.py gguf [FILE.gguf ...]     llama.cpp's logits of arcane's GGUF files in every type beside arcane's
  tests/interop/written.py folder [FOLDER ...]      transformers' logits of arcane's safetensors beside the recorded ones

Without files: those of tests/golden.  ARCANE names the program.  Needs llama-cpp-python, torch, transformers, numpy."""
import contextlib, glob, json, os, subprocess, sys, tempfile
import numpy as np

ARCANE = os.environ.get("ARCANE", "build/release/arcane")
PLAIN = ("f32", "f16", "bf16")
BLOCKS = ("q8_0", "q5_0", "q4_0", "iq4_nl", "mxfp4", "q2_k", "q3_k", "q4_k", "q5_k", "q6_k", "iq4_xs")
IDS = [3, 17, 101, 55, 200, 9, 31, 77, 120, 64, 5, 90, 310, 222, 18, 4]


def arcane(*words):
    subprocess.run([ARCANE, *words], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def ours(path, ids):
    from safetensors.numpy import load_file
    with tempfile.TemporaryDirectory() as d:
        arcane("debug", "logits", path, "--ids", ",".join(map(str, ids)), "--exact", "-o", d + "/l.safetensors")
        return load_file(d + "/l.safetensors")["logits"].astype(np.float64)


def theirs(path, ids):
    import llama_cpp
    m = llama_cpp.Llama(path, n_ctx=64, logits_all=True, verbose=False, n_threads=1, type_k=0, type_v=0, flash_attn=False)
    m.eval(ids)
    return np.array(m.scores[:len(ids)], np.float64)


def check_gguf(files):
    for path in files:
        for kind in PLAIN + BLOCKS:
            with tempfile.TemporaryDirectory() as d:
                out = d + "/m.gguf"
                if kind in PLAIN:
                    arcane("convert", path, "--to", "gguf", "--type", kind, "--out", out)
                else:
                    arcane("quantize", path, "--to", kind, "--out", out)
                x, y = ours(out, IDS), theirs(out, IDS)
                print(f"{os.path.basename(path):28s} {kind:7s} largest difference {np.abs(x - y).max() / x.std():.1e} "
                      f"deviations of the logits", flush=True)


@contextlib.contextmanager
def doubles(torch):
    old = torch.float32, torch.float, torch.Tensor.float, torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    torch.float32 = torch.float = torch.float64
    torch.Tensor.float = lambda self, *a, **k: self.double()
    try:
        yield
    finally:
        torch.float32, torch.float, torch.Tensor.float = old[:3]
        torch.set_default_dtype(old[3])


def check_folder(folders):
    for folder in folders:
        try:
            read_folder(folder)
        except Exception as e:
            print(f"{os.path.relpath(folder):40s} refused: {str(e).splitlines()[0][:100]}", flush=True)


def read_folder(folder):
    import torch
    from safetensors.torch import load_file
    from transformers import AutoConfig, AutoModelForCausalLM
    with open(os.path.join(folder, "io.json")) as f:
        io = json.load(f)
    with tempfile.TemporaryDirectory() as d:
        arcane("convert", folder, "--to", "safetensors", "--out", d + "/m")
        config, state = AutoConfig.from_pretrained(d + "/m"), load_file(d + "/m/model.safetensors")
        with doubles(torch), torch.no_grad():
            m = AutoModelForCausalLM.from_config(config, attn_implementation="eager").to(torch.float64).eval()
            lost = m.load_state_dict({k: v.double() for k, v in state.items()}, strict=False)
            m.tie_weights()
            assert not lost.unexpected_keys and all("lm_head" in k for k in lost.missing_keys), lost
            k = io["all_logits_prompt"]
            x = m(input_ids=torch.tensor([io["prompts"][k]]), use_cache=False).logits[0].numpy()
    print(f"{os.path.relpath(folder):40s} largest difference {np.abs(x - np.array(io['all_logits'])).max():.1e}", flush=True)


def main():
    root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden")
    kind, files = sys.argv[1], sys.argv[2:]
    if kind == "gguf":
        check_gguf(files or sorted(glob.glob(root + "/gguf/*[0a-z].gguf")))
    else:
        check_folder(files or sorted(os.path.dirname(p) for p in glob.glob(root + "/*/*/io.json")))


main()
