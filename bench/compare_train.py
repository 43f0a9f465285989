#!/usr/bin/env python3
"""compare_train - whole training steps of GPT-2: arcane against PyTorch.

usage: bench/compare_train.py [--arcane build/release/arcane] [--batch 4]
       [--seq 64] [--threads 1,2] [--rounds 5] [--steps 2] [--layers 12]
       [--json] [--compile]

One optimiser step is forward, backward, clipping to norm 1 and AdamW, in f32.
Rounds alternate: some steps of one, then some of the other, so that a busy
machine is unfair to both alike; the ratio is that of the medians.  Needs
`pip install torch`.
"""
import argparse, json, math, os, statistics, subprocess, sys, time


def parse():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    p.add_argument("--arcane", default=os.path.join(here, "build/release/arcane"))
    p.add_argument("--batch", type=int, default=4)
    p.add_argument("--seq", type=int, default=64)
    p.add_argument("--threads", default="1,2")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--steps", type=int, default=2)
    p.add_argument("--json", action="store_true")
    p.add_argument("--compile", action="store_true", help="torch.compile the model")
    return p.parse_args()


def gpt2(torch):
    """GPT-2 124M, the ordinary way to write it in PyTorch."""
    from torch import nn
    import torch.nn.functional as F
    V, T, C, L, H = 50257, 1024, 768, 12, 12

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.ln1, self.ln2 = nn.LayerNorm(C), nn.LayerNorm(C)
            self.qkv, self.proj = nn.Linear(C, 3 * C), nn.Linear(C, C)
            self.fc, self.out = nn.Linear(C, 4 * C), nn.Linear(4 * C, C)

        def forward(self, x):
            B, n, _ = x.shape
            q, k, v = (z.view(B, n, H, C // H).transpose(1, 2) for z in self.qkv(self.ln1(x)).split(C, 2))
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.proj(y.transpose(1, 2).reshape(B, n, C))
            return x + self.out(F.gelu(self.fc(self.ln2(x)), approximate="tanh"))

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.wte, self.wpe = nn.Embedding(V, C), nn.Embedding(T, C)
            self.blocks, self.ln = nn.ModuleList(Block() for _ in range(L)), nn.LayerNorm(C)
            for p in self.parameters():
                if p.dim() > 1:
                    nn.init.normal_(p, std=0.02)

        def forward(self, ids, targets):
            x = self.wte(ids) + self.wpe(torch.arange(ids.shape[1]))
            for b in self.blocks:
                x = b(x)
            logits = self.ln(x) @ self.wte.weight.T
            return F.cross_entropy(logits.view(-1, V), targets.view(-1))

    return Model()


class Torch:
    def __init__(self, args, threads):
        import torch
        self.torch = torch
        torch.set_num_threads(threads)
        torch.manual_seed(1)
        self.model = gpt2(torch)
        self.loss = torch.compile(self.model) if args.compile else self.model
        self.opt = torch.optim.AdamW(self.model.parameters(), lr=3e-4, betas=(0.9, 0.95), weight_decay=0.1, fused=True)
        self.ids = torch.randint(0, 50257, (args.batch, args.seq))
        self.targets = torch.randint(0, 50257, (args.batch, args.seq))
        self.step()

    def step(self):
        start = time.perf_counter()
        self.opt.zero_grad(set_to_none=True)
        self.loss(self.ids, self.targets).backward()
        self.torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.opt.step()
        return time.perf_counter() - start


def arcane(args, threads):
    out = subprocess.run([args.arcane, "bench", "train", "--preset", "gpt2-124m", "--batch", str(args.batch), "--seq", str(args.seq),
                          "--steps", str(args.steps), "-t", str(threads), "--json"], capture_output=True, text=True, check=True)
    return json.loads(out.stdout)


def compare(args, threads):
    peer = Torch(args, threads)
    ours, theirs = [], []
    for _ in range(args.rounds):
        theirs += [peer.step() for _ in range(args.steps)]
        r = arcane(args, threads)
        ours += r["seconds"]
    a, b = statistics.median(ours), statistics.median(theirs)
    return {"threads": threads, "batch": args.batch, "seq": args.seq, "arcane_s": a, "torch_s": b, "ratio": b / a,
            "arcane_range": [min(ours), max(ours)], "torch_range": [min(theirs), max(theirs)], "gflops": r["step_flops"] / a / 1e9}


def main():
    args = parse()
    import torch
    rows = [compare(args, int(t)) for t in args.threads.split(",")]
    if args.json:
        print(json.dumps({"torch": torch.__version__, "rows": rows}, indent=1))
        return
    print(f"GPT-2 124M, {args.batch} x {args.seq} tokens, f32, PyTorch {torch.__version__}{' compiled' if args.compile else ''}; medians of {args.rounds} x {args.steps} steps")
    print("| threads | arcane | PyTorch | PyTorch / arcane | arcane GFLOP/s |\n|---|---|---|---|---|")
    for r in rows:
        print(f"| {r['threads']} | {r['arcane_s']:.3f} s | {r['torch_s']:.3f} s | {r['ratio']:.2f} | {r['gflops']:.0f} |")


main()
