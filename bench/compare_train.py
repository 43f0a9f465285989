#!/usr/bin/env python3
"""compare_train - whole training steps: arcane against PyTorch.

usage: bench/compare_train.py [--preset gpt2-124m,llama-50m,ar-d4]
       [--batch 4] [--seq 64,256] [--threads 1,2] [--rounds 5] [--steps 2]
       [--peer eager,compiled] [--arcane build/release/arcane] [--json]

One optimiser step is forward, backward and, for gpt2 and llama, clipping to
norm 1 and AdamW, for ar Muon beside Adam; all in f32.  Rounds alternate: some
steps of one, then some of the other, so that a busy machine is unfair to both
alike; a ratio is that of the medians, against the faster of the peers.  Memory
is the most that each process ever had in use.  Needs `pip install torch`.
"""
import argparse, json, os, statistics, subprocess, sys


def parse():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    p.add_argument("--arcane", default=os.path.join(here, "build/release/arcane"))
    p.add_argument("--preset", default="gpt2-124m")
    p.add_argument("--batch", type=int, default=4)
    p.add_argument("--seq", default="64")
    p.add_argument("--threads", default="1,2")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--steps", type=int, default=2)
    p.add_argument("--peer", default="eager")
    p.add_argument("--json", action="store_true")
    p.add_argument("--serve", help=argparse.SUPPRESS)
    return p.parse_args()


def peak_mib(pid="self"):
    with open(f"/proc/{pid}/status") as f:
        return next((int(line.split()[1]) / 1024 for line in f if line.startswith("VmHWM")), 0)


def serve(spec):
    """The peer's process: a number of steps per line of input, their seconds out."""
    import time, train_peers
    s = json.loads(spec)
    peer = train_peers.Peer(s["preset"], s["batch"], s["seq"], s["threads"], s["peer"] == "compiled")
    peer.step(), peer.step()
    print(json.dumps({"parameters": peer.parameters()}), flush=True)
    for line in sys.stdin:
        seconds = []
        for _ in range(int(line)):
            start = time.perf_counter()
            peer.step()
            seconds.append(time.perf_counter() - start)
        print(json.dumps({"seconds": seconds, "mib": peak_mib()}), flush=True)


class Peer:
    def __init__(self, spec):
        self.p = subprocess.Popen([sys.executable, os.path.abspath(__file__), "--serve", json.dumps(spec)], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, text=True)
        self.parameters = json.loads(self.p.stdout.readline())["parameters"]
        self.seconds, self.mib = [], 0

    def run(self, steps):
        self.p.stdin.write(f"{steps}\n")
        self.p.stdin.flush()
        r = json.loads(self.p.stdout.readline())
        self.seconds += r["seconds"]
        self.mib = r["mib"]

    def close(self):
        self.p.stdin.close()
        self.p.wait()


def arcane(args, spec):
    command = [args.arcane, "bench", "train", "--preset", spec["preset"], "--batch", str(spec["batch"]), "--seq", str(spec["seq"]),
               "--steps", str(args.steps), "-t", str(spec["threads"]), "--json"]
    p = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    out = p.stdout.read()
    _, status, usage = os.wait4(p.pid, 0)
    if status:
        sys.exit(f"{' '.join(command)}: failed")
    return json.loads(out), usage.ru_maxrss / 1024


def compare(args, preset, seq, threads):
    spec = {"preset": preset, "batch": args.batch, "seq": seq, "threads": threads}
    peers = {name: Peer({**spec, "peer": name}) for name in args.peer.split(",")}
    ours, mib, r = [], 0, {}
    for _ in range(args.rounds):
        for peer in peers.values():
            peer.run(args.steps)
        r, peak = arcane(args, spec)
        ours, mib = ours + r["seconds"], max(mib, peak)
    for peer in peers.values():
        peer.close()
    a = statistics.median(ours)
    theirs = {name: statistics.median(p.seconds) for name, p in peers.items()}
    best = min(theirs, key=theirs.get)
    return {**spec, "parameters": peers[best].parameters, "arcane_s": a, "arcane_mib": mib, "arcane_range": [min(ours), max(ours)],
            "torch_s": theirs, "torch_mib": {name: p.mib for name, p in peers.items()}, "best": best, "ratio": theirs[best] / a,
            "gflops": r["step_flops"] / a / 1e9}


def show(r):
    torch_s = ", ".join(f"{n} {s:.3f} s" for n, s in r["torch_s"].items())
    print(f"| {r['preset']} | {r['batch']} x {r['seq']} | {r['threads']} | {r['arcane_s']:.3f} s | {torch_s} | {r['ratio']:.2f} "
          f"| {r['gflops']:.0f} | {r['arcane_mib']:.0f} / {r['torch_mib'][r['best']]:.0f} MiB |", flush=True)


def main():
    args = parse()
    if args.serve:
        return serve(args.serve)
    import torch
    cases = [(p, int(s), int(t)) for p in args.preset.split(",") for s in args.seq.split(",") for t in args.threads.split(",")]
    if args.json:
        return print(json.dumps({"torch": torch.__version__, "rows": [compare(args, *c) for c in cases]}, indent=1))
    print(f"PyTorch {torch.__version__}; f32; medians of {args.rounds} x {args.steps} steps\n")
    print("| model | tokens | threads | arcane | PyTorch | PyTorch / arcane | arcane GFLOP/s | memory |\n|---|---|---|---|---|---|---|---|")
    for c in cases:
        show(compare(args, *c))


main()
