#!/usr/bin/env python3
"""written.py - what arcane writes, read by others.  Run by hand; docs/interop.md has what it printed.

  tests/interop/written.py gguf [FILE.gguf ...]     llama.cpp's logits of arcane's GGUF files in every type beside arcane's
  tests/interop/written.py folder [FOLDER ...]      transformers' logits of arcane's safetensors beside the recorded ones
  tests/interop/written.py llama [FOLDER ...]       llama.cpp's logits of arcane's GGUF files beside the recorded ones

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


def recorded(folder):
    with open(os.path.join(folder, "io.json")) as f:
        io = json.load(f)
    return io["prompts"][io["all_logits_prompt"]], np.array(io["all_logits"])


def report(folder, x, want):
    print(f"{os.path.relpath(folder):40s} largest difference {np.abs(x - want).max():.1e}", flush=True)


def read_folder(folder):
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM
    ids, want = recorded(folder)
    with tempfile.TemporaryDirectory() as d:
        arcane("convert", folder, "--to", "safetensors", "--out", d + "/m")
        m, lost = AutoModelForCausalLM.from_pretrained(d + "/m", dtype=torch.float32, attn_implementation="eager",
                                                       output_loading_info=True)
        bad = [k for key in ("unexpected_keys", "mismatched_keys", "missing_keys") for k in lost[key]
               if not (key == "missing_keys" and "lm_head" in str(k))]
        assert not bad, bad
        config = AutoConfig.from_pretrained(d + "/m")
        config.dtype = torch.float64
        with doubles(torch), torch.no_grad():
            how = {"attn_implementation": "eager"}
            if hasattr(config, "num_experts_per_tok"):
                how["experts_implementation"] = "eager"  # the others have no float64
            wide = AutoModelForCausalLM.from_config(config, **how).to(torch.float64).eval()
            wide.load_state_dict({k: v.double() for k, v in m.state_dict().items()})
            wide.tie_weights()
            x = wide(input_ids=torch.tensor([ids]), use_cache=False).logits[0].numpy()
    report(folder, x, want)


def without_tokens(path, out, n):
    """The file said to have n tokens without names, so that llama.cpp reads a model that has no tokenizer."""
    import gguf
    r = gguf.GGUFReader(path)
    arch = r.fields["general.architecture"].contents()
    w = gguf.GGUFWriter(out, arch)
    for f in r.fields.values():
        if not f.name.startswith("GGUF.") and not f.name.endswith((".vocab_size", "general.architecture")):
            sub = f.types[1] if f.types[0] == gguf.GGUFValueType.ARRAY else None
            w.add_key_value(f.name, f.contents(), f.types[0], sub_type=sub)
    w.add_string("tokenizer.ggml.model", "none")
    w.add_vocab_size(n)
    for t in r.tensors:
        w.add_tensor(t.name, t.data, raw_dtype=t.tensor_type)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def check_llama(folders):
    for folder in folders:
        ids, want = recorded(folder)
        with tempfile.TemporaryDirectory() as d:
            try:
                arcane("convert", folder, "--to", "gguf", "--out", d + "/m.gguf")
                without_tokens(d + "/m.gguf", d + "/n.gguf", want.shape[1])
                report(folder, theirs(d + "/n.gguf", ids), want)
            except Exception as e:
                print(f"{os.path.relpath(folder):40s} refused: {str(e).splitlines()[0][:100]}", flush=True)


def main():
    root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden")
    kind, files = sys.argv[1], sys.argv[2:]
    if kind == "gguf":
        check_gguf(files or sorted(glob.glob(root + "/gguf/*[0a-z].gguf")))
    else:
        check = check_llama if kind == "llama" else check_folder
        check(files or sorted(os.path.dirname(p) for p in glob.glob(root + "/*/*/io.json")))


main()
