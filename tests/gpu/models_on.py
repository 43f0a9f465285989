#!/usr/bin/env python3
"""models_on - the recorded models on a device: logits beside the recorded ones.

usage: tests/gpu/models_on.py DEVICE [ARCANE] [MODEL ...]

For real GPUs, by hand: prints, for each folder of tests/golden/models, the
largest difference from the recorded logits, in deviations of the logits, and
the places where the best token is another.
"""
import json, os, struct, subprocess, sys, tempfile

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def logits_of(arcane, device, folder, ids, path):
    command = [arcane, "debug", "logits", folder, "--ids", ",".join(map(str, ids)), "-o", path, "--device", device]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        return None, done.stderr.strip()
    data = open(path, "rb").read()
    n = struct.unpack("<Q", data[:8])[0]
    t = json.loads(data[8:8 + n])["logits"]
    begin, end = t["data_offsets"]
    values = struct.unpack(f"<{(end - begin) // 4}f", data[8 + n + begin:8 + n + end])
    width = t["shape"][1]
    return [values[i:i + width] for i in range(0, len(values), width)], ""


def compare(arcane, device, folder, io, path):
    """The last logits of each prompt: largest difference in deviations, other best tokens."""
    far = other = 0
    for ids, want in zip(io["prompts"], io["last_logits"]):
        got, why = logits_of(arcane, device, folder, ids, path)
        if got is None:
            return 0, 0, why
        far = max(far, max(abs(a - b) for a, b in zip(got[-1], want)) / io["logit_std"])
        other += max(range(len(want)), key=want.__getitem__) != max(range(len(want)), key=got[-1].__getitem__)
    return far, other, ""


def main():
    device, arcane = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "build/release/arcane"
    models = sys.argv[3:] or sorted(os.listdir(f"{HERE}/golden/models"))
    worst = 0
    with tempfile.TemporaryDirectory() as folder:
        for m in models:
            io = json.load(open(f"{HERE}/golden/models/{m}/io.json"))
            far, other, why = compare(arcane, device, f"{HERE}/golden/models/{m}", io, f"{folder}/l")
            if why:
                print(f"{m}: {why}")
                worst = 1
                continue
            worst = max(worst, far)
            print(f"{m}: {far:.1e} deviations, {other} of {len(io['prompts'])} best tokens differ")
    return worst > 1e-4


sys.exit(main())
