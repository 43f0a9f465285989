#!/usr/bin/env python3
"""configs.py - changed configurations, read by arcane and by transformers.  Run by hand; docs/interop.md has what it found.

  tests/interop/configs.py [FOLDER ...]      default: every folder of tests/golden/models

Each key of config.json and of config_v4.json is left out, made null, negative, zero, twice as large, turned round; other
activations, ropes and sizes are put in.  Both programs then compute logits of the same weights.  A line is printed where
arcane gives other logits, or gives logits where transformers has none; what arcane refuses and transformers computes is
counted by arcane's sentence.  A null that transformers refuses is the same as a key left out here, and not told.  ARCANE names the program.  Needs torch, transformers, numpy, safetensors."""
import collections, copy, glob, json, os, subprocess, sys, tempfile, warnings
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
import numpy as np
import torch
from safetensors.numpy import load_file
from transformers import AutoModelForCausalLM
from transformers.utils.logging import disable_progress_bar

warnings.filterwarnings("ignore")
disable_progress_bar()
torch.set_num_threads(1)
ARCANE = os.environ.get("ARCANE", "build/release/arcane")
# what does not change a computed number, or is another program's business
PASSED = ("architectures", "dtype", "torch_dtype", "transformers_version", "use_cache", "initializer_range", "model_type",
          "bos_token_id", "eos_token_id", "pad_token_id", "output_router_logits", "router_aux_loss_coef",
          "router_jitter_noise", "pretraining_tp")
ACTS = ("relu", "gelu", "gelu_new", "gelu_pytorch_tanh", "gelu_fast", "quick_gelu", "silu", "swish", "relu2", "mish", "sine")
ROPES = ({"rope_type": "spiral", "factor": 2.0}, {"rope_type": "linear", "factor": 2.0}, {"rope_type": "linear"},
         {"rope_type": "dynamic", "factor": 2.0},
         {"rope_type": "yarn", "factor": 2.0, "original_max_position_embeddings": 16}, {"rope_type": "yarn", "factor": 4.0},
         {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 16}, {"type": "linear", "factor": 3.0}, {"factor": 3.0})
PUT = {"head_dim": (6, 8, 12, None, 7), "num_key_value_heads": (1, 3, None), "tie_word_embeddings": (True, False),
       "attention_bias": (True,), "mlp_bias": (True,), "sliding_window": (4, None), "use_sliding_window": (True,),
       "partial_rotary_factor": (0.5, 1.0), "hidden_size": (50,), "layer_types": (["full_attention"], "full"),
       "rope_theta": (500.0, "many"), "vocab_size": (80,), "num_hidden_layers": (1, 9)}


def changes(c):
    def with_key(o, key, value, path):
        d = copy.deepcopy(c)
        t = d
        for p in path:
            t = t[p]
        t[key] = value
        return d

    def walk(o, path):
        for k, v in o.items():
            name = ".".join((*path, k))
            if k in PASSED or "dropout" in k or "pdrop" in k:
                continue
            d = copy.deepcopy(c)
            t = d
            for p in path:
                t = t[p]
            del t[k]
            yield name + " left out", d
            yield name + " null", with_key(c, k, None, path)
            if isinstance(v, bool):
                yield f"{name} {not v}", with_key(c, k, not v, path)
            elif isinstance(v, (int, float)):
                for x in (-v, 0, 2 * v, str(v)):
                    yield f"{name} {x!r}", with_key(c, k, x, path)
            elif isinstance(v, dict):
                yield from walk(v, (*path, k))

    yield "as it is", c
    yield from walk(c, ())
    for k in c:
        if k in ("hidden_act", "hidden_activation", "activation_function"):
            for a in ACTS:
                yield f"{k} {a}", with_key(c, k, a, ())
    for r in ROPES:
        old = c.get("rope_parameters")
        if old and "rope_theta" in old:
            yield f"rope_parameters {r}", {**c, "rope_parameters": {**{k: v for k, v in old.items() if k in
                                           ("rope_theta", "partial_rotary_factor")}, **r}}
        elif "rope_theta" in c:
            yield f"rope_scaling {r}", {**c, "rope_scaling": r}
    for k, values in PUT.items():
        for v in values:
            if c.get(k, PUT) != v:
                yield f"{k} = {v}", {**c, k: v}


def ours(folder, ids):
    out = folder + "/l.st"
    r = subprocess.run([ARCANE, "debug", "logits", folder, "--ids", ",".join(map(str, ids)), "-o", out],
                       capture_output=True, text=True, timeout=60)
    if r.returncode:
        return None, r.stderr.strip().split(": ", 2)[-1][:90]
    return load_file(out)["logits"].astype(np.float64), ""


def theirs(folder, ids):
    try:
        m, lost = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager",
                                                       output_loading_info=True)
        if lost["missing_keys"] or lost["mismatched_keys"] or lost["unexpected_keys"]:
            return None, "weights"
        with torch.no_grad():
            x = m.eval()(input_ids=torch.tensor([ids]), use_cache=False).logits[0].double().numpy()
        return (x, "") if np.isfinite(x).all() else (None, "not finite")
    except Exception as e:
        return None, (" ".join(str(e).split()) or repr(e))[:110]


def check(folder, refused):
    with open(os.path.join(folder, "io.json")) as f:
        io = json.load(f)
    ids = [*io["prompts"][1], *io["prompts"][2]][:36]
    weights = sorted(glob.glob(folder + "/*.safetensors"))
    weights = [w for w in weights if os.path.basename(w).startswith("model")]
    n = 0
    for layout in ("config.json", "config_v4.json"):
        with open(os.path.join(folder, layout)) as f:
            c = json.load(f)
        for what, changed in changes(c):
            n += 1
            with tempfile.TemporaryDirectory() as d:
                for w in [*weights, *glob.glob(folder + "/*.index.json")]:
                    os.symlink(os.path.abspath(w), os.path.join(d, os.path.basename(w)))
                with open(d + "/config.json", "w") as f:
                    json.dump(changed, f)
                x, why = ours(d, ids)
                y, theirs_why = theirs(d, ids)
            head = f"{os.path.basename(folder)} {layout}: {what}: "
            if x is None and y is not None:
                refused[why] += 1
                if os.environ.get("ALL"):
                    print(head + "refused: " + why, flush=True)
            elif x is not None and y is None:
                if not (what.endswith(" null") and "Validation" in theirs_why):
                    print(head + "computed, transformers: " + theirs_why, flush=True)
            elif x is not None and y is not None and (x.shape != y.shape or np.abs(x - y).max() > 2e-3):
                print(head + "other logits", np.abs(x - y).max() if x.shape == y.shape else x.shape, flush=True)
    print(f"{os.path.basename(folder)}: {n} configurations", flush=True)


def main():
    root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden", "models")
    refused = collections.Counter()
    for folder in sys.argv[1:] or sorted(os.path.dirname(p) for p in glob.glob(root + "/*/io.json")):
        check(os.path.normpath(folder), refused)
    for why, n in refused.most_common():
        print(f"{n:4d} refused by arcane alone: {why}")


main()
