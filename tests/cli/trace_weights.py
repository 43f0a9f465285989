#!/usr/bin/env python3
"""trace_weights.py - the first weights of the golden training traces.

usage: trace_weights.py {gpt2|ar} FOLDER

Writes FOLDER/config.json and FOLDER/model.safetensors with the names and the
layout of model files, in F64, so that a run in double starts from the very
numbers of the trace.  Tensor number k (in the order of tests/golden/training,
constants counted) draws from splitmix64 with seed 1000 + k:

    u = (z >> 40) / 2^24;  value = float32((2 u - 1) a)

Only the standard library is needed; the recipe is in docs/formats/settings.md.
"""
import array
import json
import math
import os
import struct
import sys

MASK = (1 << 64) - 1


def uniform(number, n, a):
    state, out = 1000 + number, array.array('f', bytes(4 * n))
    for i in range(n):
        state = (state + 0x9E3779B97F4A7C15) & MASK
        z = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        z ^= z >> 31
        out[i] = (2 * ((z >> 40) / 16777216.0) - 1) * a
    return list(out)


def transposed(values, rows, columns):
    return [values[r * columns + c] for c in range(columns) for r in range(rows)]


class Maker:
    """Tensors in the order of the trace; `number` counts them."""

    def __init__(self):
        self.number, self.tensors = 0, []

    def add(self, name, shape, a=None, constant=None, turn=False):
        n = math.prod(shape)
        values = [constant] * n if a is None else uniform(self.number, n, a)
        self.number += 1
        if turn:  # Conv1D weights are [in, out] in GPT-2's files
            values, shape = transposed(values, *shape), shape[::-1]
        self.tensors.append((name, shape, values))


def gpt2():
    c, a, m = 64, 0.0346, Maker()
    b = a / math.sqrt(4)
    m.add('transformer.wte.weight', (256, c), a)
    m.add('transformer.wpe.weight', (64, c), a)
    for layer in range(2):
        p = f'transformer.h.{layer}.'
        m.add(p + 'ln_1.weight', (c,), constant=1.0)
        m.add(p + 'ln_1.bias', (c,), constant=0.0)
        m.add(p + 'attn.c_attn.weight', (3 * c, c), a, turn=True)
        m.add(p + 'attn.c_attn.bias', (3 * c,), constant=0.0)
        m.add(p + 'attn.c_proj.weight', (c, c), b, turn=True)
        m.add(p + 'attn.c_proj.bias', (c,), constant=0.0)
        m.add(p + 'ln_2.weight', (c,), constant=1.0)
        m.add(p + 'ln_2.bias', (c,), constant=0.0)
        m.add(p + 'mlp.c_fc.weight', (4 * c, c), a, turn=True)
        m.add(p + 'mlp.c_fc.bias', (4 * c,), constant=0.0)
        m.add(p + 'mlp.c_proj.weight', (c, 4 * c), b, turn=True)
        m.add(p + 'mlp.c_proj.bias', (c,), constant=0.0)
    m.add('transformer.ln_f.weight', (c,), constant=1.0)
    m.add('transformer.ln_f.bias', (c,), constant=0.0)
    config = {'model_type': 'gpt2', 'vocab_size': 256, 'n_positions': 64,
              'n_layer': 2, 'n_head': 4, 'n_embd': c, 'bos_token_id': None,
              'eos_token_id': None}
    return config, m.tensors


def ar():
    c, depth, m = 64, 4, Maker()
    s = math.sqrt(3.0) * c ** -0.5
    m.add('model.embed_tokens.weight', (256, c), math.sqrt(3.0))
    m.add('lm_head.weight', (256, c), math.sqrt(3.0) * 0.001)
    m.add('model.resid_lambdas', (depth,), constant=1.0)
    m.add('model.x0_lambdas', (depth,), constant=0.1)
    for layer in range(depth):
        p = f'model.layers.{layer}.'
        for name in 'qkv':
            m.add(p + f'self_attn.{name}_proj.weight', (c, c), s)
        m.add(p + 'self_attn.o_proj.weight', (c, c), constant=0.0)
        m.add(p + 'mlp.up_proj.weight', (4 * c, c), s)
        m.add(p + 'mlp.down_proj.weight', (c, 4 * c), constant=0.0)
        if layer % 2 == (depth - 1) % 2:
            m.add(f'model.value_embeds.{layer}.weight', (256, c), s)
            m.add(p + 'self_attn.ve_gate.weight', (4, 32), constant=0.0)
    config = {'model_type': 'arcane_ar', 'vocab_size': 256,
              'max_position_embeddings': 64, 'num_hidden_layers': depth,
              'hidden_size': c, 'num_attention_heads': 4,
              'num_key_value_heads': 4, 'head_dim': 16,
              'intermediate_size': 4 * c, 'window_pattern': 'SSSL'}
    return config, m.tensors


def write(path, tensors):
    header, at = {}, 0
    for name, shape, values in tensors:
        header[name] = {'dtype': 'F64', 'shape': list(shape),
                        'data_offsets': [at, at + 8 * len(values)]}
        at += 8 * len(values)
    text = json.dumps(header).encode()
    text += b' ' * (-len(text) % 8)
    with open(path, 'wb') as f:
        f.write(struct.pack('<Q', len(text)) + text)
        for _, _, values in tensors:
            f.write(struct.pack(f'<{len(values)}d', *values))


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in ('gpt2', 'ar'):
        sys.exit(__doc__)
    config, tensors = gpt2() if sys.argv[1] == 'gpt2' else ar()
    os.makedirs(sys.argv[2], exist_ok=True)
    with open(os.path.join(sys.argv[2], 'config.json'), 'w') as f:
        json.dump(config, f, indent=1)
    write(os.path.join(sys.argv[2], 'model.safetensors'), tensors)


main()
