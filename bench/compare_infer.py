#!/usr/bin/env python3
"""compare_infer.py - arcane and llama.cpp on the same model, in turns.

usage: bench/compare_infer.py MODEL.gguf [-t 1,2] [-p 32,512] [-n 64] [-d 0]
                              [-r 3] [--arcane PROGRAM] [--json] [--cpu] [--exact]

Needs `pip install llama-cpp-python` (built from source, so that it has the
kernels of this machine).  Each round runs one program after the other, so that
both see the same neighbours; medians of the rounds are compared.  A prompt is
one call of llama_decode in batches of 512, an answer one call a token, as
llama-bench does; both read the logits of every answered token.  With --cpu the
processor time of a process counts in place of the clock, so that a busy machine
matters less; with more than one thread these are tokens a second of all of
them together."""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time


def peer(args):
    """The worker: one llama.cpp process; prints tokens a second."""
    import ctypes

    import llama_cpp as L

    quiet = L.llama_log_callback(lambda level, text, data: None)
    L.llama_log_set(quiet, ctypes.c_void_p(0))
    L.llama_backend_init()
    model = L.llama_model_load_from_file(
        args.model.encode(), L.llama_model_default_params()
    )
    p = L.llama_context_default_params()
    n, depth = args.prompt or args.gen, args.depth
    p.n_ctx = n + depth + 8
    p.n_batch = p.n_ubatch = 512
    p.n_threads = p.n_threads_batch = args.threads
    p.no_perf = True
    ctx = L.llama_init_from_model(model, p)
    vocab = L.llama_vocab_n_tokens(L.llama_model_get_vocab(model))
    ids = (ctypes.c_int32 * (n + depth + 8))(
        *[(i * 7919 + 13) % vocab for i in range(n + depth + 8)]
    )

    def feed(first, count):
        at = ctypes.cast(
            ctypes.addressof(ids) + 4 * first, ctypes.POINTER(ctypes.c_int32)
        )
        if L.llama_decode(ctx, L.llama_batch_get_one(at, count)):
            sys.exit("llama_decode failed")

    def feed_all(first, count):
        for at in range(first, first + count, 512):
            feed(at, min(512, first + count - at))

    clock = time.process_time if args.cpu else time.perf_counter

    def once():
        L.llama_memory_clear(L.llama_get_memory(ctx), True)
        if depth:
            feed_all(0, depth)
        start = clock()
        if args.prompt:
            feed_all(depth, args.prompt)
            L.llama_synchronize(ctx)
            L.llama_get_logits_ith(ctx, -1)
        for i in range(args.gen):
            feed(depth + i, 1)
            L.llama_synchronize(ctx)
            L.llama_get_logits_ith(ctx, -1)
        return n / (clock() - start)

    once()
    print(once())


def numbers(text):
    return [int(x) for x in text.split(",")]


def bench(args, program, t, p, n, d, reps):
    """What arcane says of the speed, and its processor seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    out = subprocess.run(
        [program, "bench", "infer", args.model, "-t", str(t), "-p", str(p)]
        + ["-n", str(n), "-d", str(d), "-r", str(reps), "--json"]
        + (["--exact"] if args.exact else []),
        check=True,
        stdout=subprocess.PIPE,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return json.loads(out.stdout)[0]["avg_ts"], cpu


def own(args, program, t, p, n, d):
    speed, cpu = bench(args, program, t, p, n, d, 1)
    if not args.cpu:
        return speed
    # One repetition more, and nothing else.
    return (p or n) / (bench(args, program, t, p, n, d, 2)[1] - cpu)


def other(args, t, p, n, d):
    out = subprocess.run(
        [sys.executable, __file__, args.model, "--worker", "-t", str(t)]
        + ["-p", str(p), "-n", str(n), "-d", str(d)]
        + (["--cpu"] if args.cpu else []),
        check=True,
        stdout=subprocess.PIPE,
    )
    return float(out.stdout)


def compare(args, program, t, p, n, d):
    ours, theirs, ratios = [], [], []
    for _ in range(args.rounds):
        ours.append(own(args, program, t, p, n, d))
        theirs.append(other(args, t, p, n, d))
        ratios.append(ours[-1] / theirs[-1])
    return {
        "n_threads": t,
        "n_prompt": p,
        "n_gen": n,
        "n_depth": d,
        "arcane_ts": statistics.median(ours),
        "llama_cpp_ts": statistics.median(theirs),
        "ratio": statistics.median(ratios),
        "ratio_least": min(ratios),
        "ratio_most": max(ratios),
    }


def main():
    a = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    a.add_argument("model")
    a.add_argument("-t", "--threads", default="1,2")
    a.add_argument("-p", "--prompt", default="32,512")
    a.add_argument("-n", "--gen", default="64")
    a.add_argument("-d", "--depth", default="0")
    a.add_argument("-r", "--rounds", type=int, default=3)
    a.add_argument("--arcane", default="build/release/arcane")
    a.add_argument("--json", action="store_true")
    a.add_argument("--cpu", action="store_true")
    a.add_argument("--exact", action="store_true")
    a.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    args = a.parse_args()
    if args.worker:
        for name in ("threads", "prompt", "gen", "depth"):
            setattr(args, name, int(getattr(args, name)))
        return peer(args)
    program = os.path.abspath(args.arcane)
    rows = []
    if not args.json:
        print(f"{os.path.basename(args.model)}: tokens/s, medians")
        print("| threads | test | arcane | llama.cpp | ratio | (least, most) |")
        print("| ---: | --- | ---: | ---: | ---: | --- |")
    for t in numbers(args.threads):
        for d in numbers(args.depth):
            tests = [(p, 0) for p in numbers(args.prompt) if p]
            tests += [(0, n) for n in numbers(args.gen) if n]
            for p, n in tests:
                r = compare(args, program, t, p, n, d)
                rows.append(r)
                if args.json:
                    continue
                name = f"pp{p}" if p else f"tg{n}"
                name += f" @ d{d}" if d else ""
                print(
                    f"| {t} | {name} | {r['arcane_ts']:.1f} "
                    f"| {r['llama_cpp_ts']:.1f} | {r['ratio']:.2f} "
                    f"| ({r['ratio_least']:.2f}, {r['ratio_most']:.2f}) |",
                    flush=True,
                )
    if args.json:
        print(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
