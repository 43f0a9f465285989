#!/usr/bin/env python3
"""compare.py - what the program wrote against golden data.

usage: compare.py logits FILE.safetensors io.json TOLERANCE
       compare.py last FILE.safetensors io.json PROMPT TOLERANCE
       compare.py greedy OUTPUT.json io.json
       compare.py grads FILE.safetensors WANTED.safetensors io.json TOLERANCE
       compare.py trace LOG.jsonl TRACE.json STEPS TOLERANCE
       compare.py equal A.safetensors B.safetensors

Gradients are compared relative to the largest value of their tensor.  Only
the standard library is needed.  Says what differs; exit code 0 if all fits.
"""
import array
import json
import math
import struct
import sys


def tensors(path):
    with open(path, 'rb') as f:
        data = f.read()
    size, = struct.unpack('<Q', data[:8])
    header = json.loads(data[8:8 + size])
    header.pop('__metadata__', None)
    out = {}
    for name, t in header.items():
        a, b = t['data_offsets']
        values = array.array({'F32': 'f', 'F64': 'd'}[t['dtype']])
        values.frombytes(data[8 + size + a:8 + size + b])
        if len(values) != math.prod(t['shape']):
            sys.exit(f'{path}: {name}: {len(values)} values in {t["shape"]}')
        out[name] = (t['shape'], values)
    return out


def read(path):
    with open(path) as f:
        return json.load(f)


def fail(sentence):
    sys.exit('compare: ' + sentence)


def far(got, wanted):
    """The largest difference; infinite if a number is not finite."""
    if len(got) != len(wanted):
        return math.inf
    worst = max(abs(a - b) for a, b in zip(got, wanted))
    return worst if math.isfinite(worst) else math.inf


def logits(path, golden, tolerance):
    shape, values = tensors(path)['logits']
    io = read(golden)
    wanted = [x for row in io['all_logits'] for x in row]
    if shape != [len(io['all_logits']), io['vocab_size']]:
        fail(f'{path}: logits are {shape}')
    worst = far(values, wanted)
    if not worst <= float(tolerance):
        fail(f'{path}: logits are off by {worst:.3g}')


def last(path, golden, prompt, tolerance):
    shape, values = tensors(path)['logits']
    io = read(golden)
    wanted = io['last_logits'][int(prompt)]
    if shape != [len(io['prompts'][int(prompt)]), io['vocab_size']]:
        fail(f'{path}: logits are {shape}')
    worst = far(values[-len(wanted):], wanted)
    if not worst <= float(tolerance):
        fail(f'{path}: logits of prompt {prompt} are off by {worst:.3g}')


def greedy(path, golden):
    got, io = read(path), read(golden)
    if got['ids'] != io['greedy']:
        fail(f'{path}: ids {got["ids"]}, wanted {io["greedy"]}')
    for key in ('load_s', 'prompt_s', 'generation_s'):
        if not got['timings'][key] >= 0:
            fail(f'{path}: timings.{key} is {got["timings"][key]}')


def grads(path, wanted, golden, tolerance):
    got, want, io = tensors(path), tensors(wanted), read(golden)
    loss = got.pop('loss')[1][0]
    if not abs(loss - io['train']['loss']) <= 1e-5:
        fail(f'{path}: loss {loss}, wanted {io["train"]["loss"]}')
    if set(got) != set(want):
        fail(f'{path}: names differ: {sorted(set(got) ^ set(want))[:4]}')
    for name, (shape, values) in want.items():
        if got[name][0] != shape:
            fail(f'{path}: {name} is {got[name][0]}, wanted {shape}')
        worst = far(got[name][1], values) / max(map(abs, values))
        if not worst <= float(tolerance):
            fail(f'{path}: {name} is off by {worst:.3g} of its largest value')


def trace(path, golden, steps, tolerance):
    want, n = read(golden), int(steps)
    with open(path) as f:
        lines = [json.loads(line) for line in f]
    got = [line for line in lines if 'loss' in line]
    if len(got) != want['steps'] or [x['step'] for x in got] != list(
            range(len(got))):
        fail(f'{path}: {len(got)} steps, wanted {want["steps"]}')
    worst = far([x['loss'] for x in got[:n]], want['loss'][:n])
    norms = max(abs(x['grad_norm'] / y - 1)
                for x, y in zip(got[:10], want['gnorm']))
    print(f'{path}: losses of {n} steps within {worst:.2e}, '
          f'norms of ten within {norms:.1e}')
    if not worst <= float(tolerance):
        fail(f'{path}: losses are off by {worst:.3g}')
    if not norms <= max(10 * float(tolerance), 1e-9):
        fail(f'{path}: norms of the gradient are off by {norms:.3g}')


def equal(a, b):
    x, y = tensors(a), tensors(b)
    if x.keys() != y.keys():
        fail(f'{a} and {b} have other tensors')
    for name in x:
        if x[name][0] != y[name][0] or bytes(x[name][1]) != bytes(y[name][1]):
            fail(f'{a} and {b}: {name} differs')


def main():
    kinds = {'logits': (logits, 3), 'last': (last, 4), 'greedy': (greedy, 2), 'grads': (grads, 4),
             'trace': (trace, 4), 'equal': (equal, 2)}
    if len(sys.argv) < 2 or sys.argv[1] not in kinds or \
            len(sys.argv) != 2 + kinds[sys.argv[1]][1]:
        sys.exit(__doc__)
    kinds[sys.argv[1]][0](*sys.argv[2:])


main()
