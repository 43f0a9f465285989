#!/usr/bin/env python3
"""llama.py - arcane beside llama.cpp on the same model.  Run by hand; docs/interop.md has what it printed.

  tests/interop/llama.py perplexity MODEL.gguf TEXT [--theirs F32.gguf] [--tokens 8192] [--window 512]
  tests/interop/llama.py greedy MODEL.gguf [--theirs F32.gguf]
  tests/interop/llama.py logits MODEL THEIRS.gguf TEXT
  tests/interop/llama.py kl REFERENCE.gguf TEXT FILE.gguf ...

--theirs: the file llama.cpp opens; one with the same weights in f32 (arcane convert --type f32) has activations in f32
too.  ARCANE names the program (build/release/arcane).  Needs llama-cpp-python, numpy, safetensors."""
import argparse, json, os, subprocess, sys, tempfile
import numpy as np
import llama_cpp
from safetensors.numpy import load_file

ARCANE = os.environ.get("ARCANE", "build/release/arcane")
THREADS = int(os.environ.get("THREADS", "2"))
PROMPTS = [
    "The capital of France is", "Once upon a time there was a", "In 1969 the first man", "def fibonacci(n):\n",
    "Water boils at", "The three primary colours are", "My favourite recipe begins with", "Dear Sir or Madam,",
    "The theory of evolution says that", "To be or not to be,", "1, 2, 3, 4,", "The largest planet in the solar system",
    "A good night's sleep is important because", "In the beginning God created", "#include <stdio.h>\n",
    "She opened the door and saw", "The stock market fell on Monday after", "El perro corre por", "Q: What is 7 times 8?\nA:",
    "Photosynthesis is the process by which",
]


class Llama:
    """logits of every position of a list of ids, from an empty context; keys and values in f32"""

    def __init__(self, path, n_ctx=1024):
        self.m = llama_cpp.Llama(path, n_ctx=n_ctx, n_batch=n_ctx, n_ubatch=min(n_ctx, 512), logits_all=True, verbose=False,
                                 n_threads=THREADS, n_threads_batch=THREADS, type_k=0, type_v=0, flash_attn=False, swa_full=True)
        self.bos = self.m.token_bos()

    def tokens(self, text):
        return self.m.tokenize(text.encode(), add_bos=False, special=False)

    def logits(self, ids):
        self.m.reset()
        self.m.eval(ids)
        return np.array(self.m.scores[:len(ids)], np.float64)


def arcane(*words, text=None):
    r = subprocess.run([ARCANE, *words], input=text, capture_output=True, text=True)
    if r.returncode:
        sys.exit(f"arcane {' '.join(words[:3])}: {r.stderr.strip()}")
    return r.stdout


def arcane_logits(model, ids):
    with tempfile.TemporaryDirectory() as d:
        out = os.path.join(d, "l.safetensors")
        arcane("debug", "logits", model, "--ids", ",".join(map(str, ids)), "--exact", "-o", out)
        return load_file(out)["logits"].astype(np.float64)


def log_softmax(x):
    x = x - x.max(-1, keepdims=True)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def perplexity(a):
    theirs = Llama(a.theirs or a.model, a.window)
    with open(a.text) as f:
        text = f.read()[:a.tokens * 5]
    ids = theirs.tokens(text)
    ids = ([theirs.bos] if theirs.bos >= 0 and not a.no_bos else []) + ids
    nats = n = 0
    for i in range(0, len(ids) - 1, a.window):
        x = ids[i:i + a.window]
        y = ids[i + 1:i + 1 + a.window]
        lp = log_softmax(theirs.logits(x)[:len(y)])
        nats -= lp[np.arange(len(y)), y].sum()
        n += len(y)
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as f:
        f.write(text)
        f.flush()
        ours = json.loads(arcane("eval", a.model, f.name, "--seq", str(a.window), "--exact", "--json"))
    p = float(np.exp(nats / n))
    print(f"tokens {n} (ours {ours['tokens']})  perplexity: ours {ours['perplexity']:.4f}  llama.cpp {p:.4f}  "
          f"difference {100 * (ours['perplexity'] / p - 1):+.3f} %")


def greedy(a):
    theirs = Llama(a.theirs or a.model, 256)
    same = 0
    for prompt in PROMPTS:
        ids = ([theirs.bos] if theirs.bos >= 0 and not a.no_bos else []) + theirs.tokens(prompt)
        start = len(ids)
        theirs.m.reset()
        theirs.m.eval(ids)
        for _ in range(64):
            ids.append(int(np.argmax(theirs.m.scores[len(ids) - 1])))
            theirs.m.eval(ids[-1:])
        ours = log_softmax(arcane_logits(a.model, ids[:-1])[start - 1:])
        best = ours.argmax(-1)
        parted = np.nonzero(best != ids[start:])[0]
        if len(parted) == 0:
            same += 1
            continue
        k = parted[0]
        print(f"{prompt[:30]!r} parts at token {k}: {ours[k][best[k]] - ours[k][ids[start + k]]:.4f} nats")
    print(f"{same} of {len(PROMPTS)} prompts: the first 64 tokens are equal")


def logits(a):
    theirs = Llama(a.theirs, 512)
    with open(a.text) as f:
        ids = theirs.tokens(f.read()[:4000])[:256]
    x, y = arcane_logits(a.model, ids), theirs.logits(ids)
    print(f"{os.path.basename(a.theirs)}: largest difference of {x.size} logits {np.abs(x - y).max():.2e}, "
          f"their deviation {x.std():.2f}, same best token in {(x.argmax(-1) == y.argmax(-1)).mean():.4f}")


def kl(a):
    """both engines' files read by llama.cpp, so that only the bytes differ"""
    base = Llama(a.model, 512)
    with open(a.text) as f:
        ids = base.tokens(f.read()[:60000])[:a.tokens]
    parts = [ids[i:i + 512] for i in range(0, len(ids), 512)]
    p = [log_softmax(base.logits(x)) for x in parts]
    for path in a.files:
        m = Llama(path, 512)
        total = same = 0
        for x, lp in zip(parts, p):
            lq = log_softmax(m.logits(x))
            total += (np.exp(lp) * (lp - lq)).sum()
            same += (lp.argmax(-1) == lq.argmax(-1)).sum()
        print(f"{os.path.basename(path):36s} {os.path.getsize(path) / 2**20:8.1f} MiB  KL {total / len(ids):.6f}  "
              f"same best {same / len(ids):.4f}", flush=True)
        del m


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    s = p.add_subparsers(required=True)
    for name, fn in (("perplexity", perplexity), ("greedy", greedy), ("logits", logits), ("kl", kl)):
        c = s.add_parser(name)
        c.set_defaults(fn=fn)
        c.add_argument("model")
        if name == "logits":
            c.add_argument("theirs")
        else:
            c.add_argument("--theirs")
        if name != "greedy":
            c.add_argument("text")
        if name == "kl":
            c.add_argument("files", nargs="+")
        c.add_argument("--tokens", type=int, default=2048 if name == "kl" else 8192)
        c.add_argument("--window", type=int, default=512)
        c.add_argument("--no-bos", action="store_true")
    a = p.parse_args()
    a.fn(a)


main()
