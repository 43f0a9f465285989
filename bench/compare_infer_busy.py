#!/usr/bin/env python3
"""compare_infer_busy - prompts and decoding beside llama.cpp on a busy machine.

usage: bench/compare_infer_busy.py ARCANE MODEL.gguf [--pairs N] [--prompt N] [--tokens N]

Needs the package llama-cpp-python.  Both run with one thread and are measured
by the processor time of their process, so that a busy machine matters less;
each pair runs arcane, then llama.cpp.  Loading is measured by the wall clock,
from the start of the process to its first token.  Prints medians and ratios.
"""
import argparse, json, resource, statistics, subprocess, sys, time

PEER = """
import sys, time, json
import llama_cpp
model, n_prompt, n = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
llm = llama_cpp.Llama(model, n_ctx=n_prompt + n + 8, n_threads=1,
                      n_threads_batch=1, n_batch=512, verbose=False)
ids = [(i * 7919 + 13) % 20000 for i in range(n_prompt)]
llm.eval(ids[:8]); llm.reset()
a = time.process_time()
llm.eval(ids)
b = time.process_time()
for i in range(n): llm.eval([ids[i % n_prompt]])
c = time.process_time()
print(json.dumps({"prompt": b - a, "tokens": c - b}))
"""


def cpu_of(command):
    """Processor seconds of a command that must succeed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    out = subprocess.run(command, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if out.returncode:
        sys.exit(out.stderr)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
            out.stdout)


def arcane(a, n_prompt, n):
    ids = ",".join(str((i * 7919 + 13) % 20000) for i in range(n_prompt))
    return cpu_of([a.arcane, "run", a.model, "--ids", ids, "-n", str(n), "-t",
                   "1", "--temp", "0", "--json"] + a.flags)[0]


def main():
    p = argparse.ArgumentParser()
    p.add_argument("arcane")
    p.add_argument("model")
    p.add_argument("--pairs", type=int, default=3)
    p.add_argument("--prompt", type=int, default=512)
    p.add_argument("--tokens", type=int, default=64)
    p.add_argument("--flags", nargs="*", default=[])
    a = p.parse_args()
    rows = {"prompt": ([], []), "tokens": ([], [])}
    for _ in range(a.pairs):
        least = arcane(a, 8, 1)
        prompt = arcane(a, a.prompt, 1)
        both = arcane(a, a.prompt, a.tokens + 1)
        peer = json.loads(cpu_of([sys.executable, "-c", PEER, a.model,
                                  str(a.prompt), str(a.tokens)])[1])
        rows["prompt"][0].append((a.prompt - 8) / (prompt - least))
        rows["prompt"][1].append(a.prompt / peer["prompt"])
        rows["tokens"][0].append(a.tokens / (both - prompt))
        rows["tokens"][1].append(a.tokens / peer["tokens"])
    for name, (ours, theirs) in rows.items():
        ratios = [x / y for x, y in zip(ours, theirs)]
        print(f"{name}: {statistics.median(ours):.1f} tokens/s, llama.cpp "
              f"{statistics.median(theirs):.1f}, ratio "
              f"{statistics.median(ratios):.2f} "
              f"({min(ratios):.2f} .. {max(ratios):.2f})")


main()
