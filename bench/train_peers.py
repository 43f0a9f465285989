"""train_peers - the models of compare_train.py, the ordinary way to write them in PyTorch."""
import math

import torch
import torch.nn.functional as F
from torch import nn


def heads(x, n):  # [B, T, C] -> [B, n, T, C / n]
    return x.view(x.shape[0], x.shape[1], n, -1).transpose(1, 2)


def joined(x):
    return x.transpose(1, 2).flatten(2)


def rope_tables(seq, dim, base=10000.0):
    angle = torch.outer(torch.arange(seq).float(), base ** (-torch.arange(0, dim, 2).float() / dim))
    return angle.cos(), angle.sin()


def turned(x, cos, sin):
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], -1)


class Gpt2(nn.Module):
    """GPT-2 124M (Radford et al. 2019)."""
    V, C, L, H = 50257, 768, 12, 12

    class Block(nn.Module):
        def __init__(self, C, H):
            super().__init__()
            self.H = H
            self.ln1, self.ln2 = nn.LayerNorm(C), nn.LayerNorm(C)
            self.qkv, self.proj = nn.Linear(C, 3 * C), nn.Linear(C, C)
            self.fc, self.out = nn.Linear(C, 4 * C), nn.Linear(4 * C, C)

        def forward(self, x):
            q, k, v = (heads(z, self.H) for z in self.qkv(self.ln1(x)).chunk(3, -1))
            x = x + self.proj(joined(F.scaled_dot_product_attention(q, k, v, is_causal=True)))
            return x + self.out(F.gelu(self.fc(self.ln2(x)), approximate="tanh"))

    def __init__(self, seq):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(self.V, self.C), nn.Embedding(1024, self.C)
        self.blocks = nn.ModuleList(self.Block(self.C, self.H) for _ in range(self.L))
        self.ln = nn.LayerNorm(self.C)

    def forward(self, ids, targets):
        x = self.wte(ids) + self.wpe(torch.arange(ids.shape[1]))
        for b in self.blocks:
            x = b(x)
        return F.cross_entropy((self.ln(x) @ self.wte.weight.T).flatten(0, 1), targets.flatten())


class Llama(nn.Module):
    """The preset llama-50m."""
    V, C, L, H, FF = 32000, 512, 10, 8, 1408

    class Block(nn.Module):
        def __init__(self, C, H, FF):
            super().__init__()
            self.H = H
            self.n1, self.n2 = nn.RMSNorm(C, 1e-5), nn.RMSNorm(C, 1e-5)
            self.q, self.k, self.v, self.o = (nn.Linear(C, C, bias=False) for _ in range(4))
            self.gate, self.up = nn.Linear(C, FF, bias=False), nn.Linear(C, FF, bias=False)
            self.down = nn.Linear(FF, C, bias=False)

        def forward(self, x, cos, sin):
            h = self.n1(x)
            q, k, v = (heads(f(h), self.H) for f in (self.q, self.k, self.v))
            y = F.scaled_dot_product_attention(turned(q, cos, sin), turned(k, cos, sin), v, is_causal=True)
            x = x + self.o(joined(y))
            h = self.n2(x)
            return x + self.down(F.silu(self.gate(h)) * self.up(h))

    def __init__(self, seq):
        super().__init__()
        self.wte, self.norm = nn.Embedding(self.V, self.C), nn.RMSNorm(self.C, 1e-5)
        self.blocks = nn.ModuleList(self.Block(self.C, self.H, self.FF) for _ in range(self.L))
        self.cos, self.sin = rope_tables(seq, self.C // self.H)

    def forward(self, ids, targets):
        x = self.wte(ids)
        for b in self.blocks:
            x = b(x, self.cos, self.sin)
        return F.cross_entropy((self.norm(x) @ self.wte.weight.T).flatten(0, 1), targets.flatten())


class Ar(nn.Module):
    """The preset ar-d4: autoresearch's model at depth 4."""
    V, C, L, H, D = 8192, 256, 4, 2, 128

    def __init__(self, seq):
        super().__init__()
        V, C, L = self.V, self.C, self.L
        matrix = lambda o, i: nn.Linear(i, o, bias=False)
        self.wte, self.head = nn.Embedding(V, C), matrix(V, C)
        self.resid, self.skip = nn.Parameter(torch.ones(L)), nn.Parameter(torch.full((L,), 0.1))
        self.q, self.k, self.v, self.o = (nn.ModuleList(matrix(C, C) for _ in range(L)) for _ in range(4))
        self.fc, self.out = nn.ModuleList(matrix(4 * C, C) for _ in range(L)), nn.ModuleList(matrix(C, 4 * C) for _ in range(L))
        self.has_ve = [i % 2 == (L - 1) % 2 for i in range(L)]
        self.ve = nn.ModuleDict({str(i): nn.Embedding(V, C) for i in range(L) if self.has_ve[i]})
        self.gate = nn.ModuleDict({str(i): matrix(self.H, 32) for i in range(L) if self.has_ve[i]})
        self.cos, self.sin = rope_tables(seq, self.D)
        i = torch.arange(seq)
        near = (i[None] <= i[:, None]) & (i[:, None] - i[None] <= 2048 // 2)
        self.masks = [None if l == L - 1 or seq <= 2048 // 2 else near for l in range(L)]

    def forward(self, ids, targets):
        norm = lambda x: F.rms_norm(x, (x.shape[-1],))
        x = first = norm(self.wte(ids))
        for l in range(self.L):
            x = self.resid[l] * x + self.skip[l] * first
            h = norm(x)
            q, k, v = self.q[l](h), self.k[l](h), self.v[l](h)
            if self.has_ve[l]:
                gate = 2 * torch.sigmoid(self.gate[str(l)](h[..., :32]))
                v = v + (gate.unsqueeze(-1) * self.ve[str(l)](ids).unflatten(-1, (self.H, -1))).flatten(-2)
            q, k, v = (heads(z, self.H) for z in (q, k, v))
            q, k = norm(turned(q, self.cos, -self.sin)), norm(turned(k, self.cos, -self.sin))
            mask = self.masks[l]
            y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None)
            x = x + self.o[l](joined(y))
            x = x + self.out[l](F.relu(self.fc[l](norm(x))).square())
        logits = 15 * torch.tanh(self.head(norm(x)) / 15)
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


class AdamW:
    """Clipping to norm 1 and AdamW."""

    def __init__(self, model):
        self.params = list(model.parameters())
        self.opt = torch.optim.AdamW(self.params, lr=3e-4, betas=(0.9, 0.95), weight_decay=0.1, fused=True)

    def step(self):
        torch.nn.utils.clip_grad_norm_(self.params, 1.0)
        self.opt.step()


class Muon:
    """autoresearch's: Muon with a second moment by row, matrices of one shape together; Adam for the rest."""
    COEFFICIENTS = [(8.156554524902461, -22.48329292557795, 15.878769915207462), (4.042929935166739, -2.808917465908714, 0.5000178451051316),
                    (3.8916678022926607, -2.772484153217685, 0.5060648178503393), (3.285753657755655, -2.3681294933425376, 0.46449024233003106),
                    (2.3465413258596377, -1.7097828382687081, 0.42323551169305323)]

    def __init__(self, model):
        named = list(model.named_parameters())
        is_matrix = lambda n, p: p.dim() == 2 and not any(w in n for w in ("wte", "head", "ve."))
        self.adam = torch.optim.AdamW([p for n, p in named if not is_matrix(n, p)], lr=1e-2, betas=(0.8, 0.95), weight_decay=0, fused=True)
        shapes = {}
        for n, p in named:
            if is_matrix(n, p):
                shapes.setdefault(tuple(p.shape), []).append(p)
        self.groups = []
        for (r, c), ps in shapes.items():
            n = len(ps)
            self.groups.append((ps, torch.zeros(n, r, c), torch.zeros((n, r, 1) if r >= c else (n, 1, c))))

    @torch.no_grad()
    def step(self):
        self.adam.step()
        for ps, m, v in self.groups:
            p, g = torch.stack(ps), torch.stack([p.grad for p in ps])
            r, c = p.shape[1:]
            m.lerp_(g, 0.1)
            x = g.lerp(m, 0.9)
            x = x / (x.norm(dim=(1, 2), keepdim=True) * 1.02 + 1e-6)
            for a, b, d in self.COEFFICIENTS:
                if r > c:
                    s = x.mT @ x
                    x = a * x + x @ (b * s + d * (s @ s))
                else:
                    s = x @ x.mT
                    x = a * x + (b * s + d * (s @ s)) @ x
            axis = 2 if r >= c else 1
            mean = x.square().mean(axis, keepdim=True)
            norm = (mean.sum((1, 2), keepdim=True) * x.shape[axis]).sqrt()
            v.lerp_(mean, 0.05)
            scale = v.clamp_min(1e-10).rsqrt()
            new = (mean * x.shape[axis] * scale.square()).sum((1, 2), keepdim=True).sqrt()
            x = x * scale * (norm / new.clamp_min(1e-10))
            lr = 0.04 * max(1.0, r / c) ** 0.5
            p = p - lr * x - lr * 0.1 * p * ((x * p) >= 0)
            torch._foreach_copy_(ps, list(p.unbind(0)))


MODELS = {"gpt2-124m": (Gpt2, AdamW), "llama-50m": (Llama, AdamW), "ar-d4": (Ar, Muon)}


class Peer:
    """One model with its optimiser and made-up tokens; step() is what is timed."""

    def __init__(self, name, batch, seq, threads, compiled):
        torch.set_num_threads(threads)
        torch.manual_seed(1)
        model, optimiser = MODELS[name]
        self.model = model(seq)
        for p in self.model.parameters():
            if p.dim() > 1:
                nn.init.normal_(p, std=0.02)
        self.loss = torch.compile(self.model) if compiled else self.model
        self.opt = optimiser(self.model)
        self.ids, self.targets = torch.randint(0, model.V, (2, batch, seq))

    def step(self):
        for p in self.model.parameters():
            p.grad = None
        loss = self.loss(self.ids, self.targets)
        loss.backward()
        self.opt.step()
        return loss.item()

    def parameters(self):
        return sum(p.numel() for p in self.model.parameters())
