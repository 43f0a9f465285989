#!/usr/bin/env python3
"""compare_tokenizer - arcane's tokenizer beside the tokenizers library.

    pip install tokenizers
    cmake -S . -B build/release -DCMAKE_BUILD_TYPE=Release
    cmake --build build/release --target bench_tokenizer
    bench/compare_tokenizer.py --bench build/release/bench/bench_tokenizer \\
        --text corpus.txt

Both learn a vocabulary from the text, then both encode the text with the
vocabulary that arcane wrote, as a whole and line by line, and the ids have to
be equal.  One thread each; runs of the two take turns; medians are compared.
"""
import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

os.environ["RAYON_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import tokenizers  # noqa: E402
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

PATTERN = (r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,2}|"
           r" ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+")


def bench(args, *words):
    out = subprocess.run([args.bench, *map(str, words)], check=True,
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return json.loads(out.stdout)


def timed(call):
    start = time.perf_counter()
    value = call()
    return time.perf_counter() - start, value


def learn(lines, vocab):
    tok = Tokenizer(models.BPE())
    tok.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(PATTERN), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    trainer = trainers.BpeTrainer(
        vocab_size=vocab, special_tokens=["<|bos|>"], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tok.train_from_iterator(lines, trainer)
    return tok


def encode_lines(tok, lines):
    return [tok.encode(line, add_special_tokens=False).ids for line in lines]


def row(name, size, ours, theirs):
    a, b = statistics.median(ours), statistics.median(theirs)
    print(f"{name:<18} {a:9.3f} s {size / a / 1e6:8.2f} MB/s   "
          f"{b:9.3f} s {size / b / 1e6:8.2f} MB/s   {b / a:7.2f}", flush=True)
    return b / a


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--bench", required=True, help="the bench_tokenizer program")
    p.add_argument("--text", required=True)
    p.add_argument("--vocab", type=int, default=8192)
    p.add_argument("--tokenizer", help="encode with this tokenizer.json")
    p.add_argument("--runs", type=int, default=5)
    args = p.parse_args()
    with open(args.text, encoding="utf-8", newline="") as f:
        text = f.read()
    lines = [x for x in re.split(r"(?<=\n)", text) if x]
    size = len(text.encode())
    folder = tempfile.mkdtemp()
    path = os.path.join(folder, "tokenizer.json")
    print(f"{args.text}: {size} bytes, {len(lines)} lines; tokenizers "
          f"{tokenizers.__version__}, 1 thread, median of {args.runs}")
    print(f"{'':<18} {'arcane':>23}   {'tokenizers':>23}   {'ratio':>7}")

    ratios = []
    ours, theirs = [], []
    for _ in range(args.runs):
        ours += bench(args, "train", args.text, args.vocab, path, 1)["train"]
        theirs.append(timed(lambda: learn(lines, args.vocab))[0])
    ratios.append(row(f"train {args.vocab}", size, ours, theirs))

    path = args.tokenizer or path
    tok = Tokenizer.from_file(path)
    names = {"encode": [], "lines": [], "decode": []}
    other = {"encode": [], "lines": [], "decode": []}
    for _ in range(args.runs):
        got = bench(args, "encode", path, args.text, 1)
        for k in names:
            names[k] += got[k]
        t, ids = timed(lambda: tok.encode(text, add_special_tokens=False).ids)
        other["encode"].append(t)
        t, by_line = timed(lambda: encode_lines(tok, lines))
        other["lines"].append(t)
        t, back = timed(lambda: tok.decode(ids, skip_special_tokens=False))
        other["decode"].append(t)
        want = {"ids": len(ids), "line_ids": sum(map(len, by_line)),
                "sum": sum((i + 1) * x for i, x in enumerate(ids)) % 2**64}
        if want != {k: got[k] for k in want} or back != text:
            sys.exit(f"not the same: {got}, tokenizers has {want}")
    ratios.append(row("encode, whole", size, names["encode"], other["encode"]))
    ratios.append(row("encode, lines", size, names["lines"], other["lines"]))
    ratios.append(row("decode", size, names["decode"], other["decode"]))
    print("the ids are equal, and decode to the text")
    sys.exit(0 if min(ratios) >= 1 else 1)


if __name__ == "__main__":
    main()
