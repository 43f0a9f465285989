#!/bin/sh
# ane.sh - arcane ane run: tensors in and out of MIL programs.
. "$(dirname "$0")/lib.sh"

a=$ARCANE
cat >st.py <<'EOF'
import json, struct, sys


def write(path, tensors):
    head, data = {}, b""
    for name, (kind, shape, raw) in tensors.items():
        head[name] = {"dtype": kind, "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(head).encode()
    open(path, "wb").write(struct.pack("<Q", len(text)) + text + data)


def show(path):
    raw = open(path, "rb").read()
    n = struct.unpack("<Q", raw[:8])[0]
    for name, t in sorted(json.loads(raw[8:8 + n]).items()):
        if name == "__metadata__":
            continue
        lo, hi = t["data_offsets"]
        letter, size = {"F16": ("e", 2), "F32": ("f", 4), "I32": ("i", 4), "BOOL": ("B", 1)}[t["dtype"]]
        print(name, t["dtype"], t["shape"], list(struct.unpack(f"<{(hi - lo) // size}{letter}", raw[8 + n + lo:8 + n + hi])))


if sys.argv[1:]:
    show(sys.argv[1])
else:
    write("in.safetensors", {"x": ("F32", [1, 2, 1, 2], struct.pack("<4f", 1, 2, 3, 2049)), "unused": ("F16", [1], b"\0\0")})
    write("shape.safetensors", {"x": ("F32", [4], struct.pack("<4f", 1, 2, 3, 4))})
    half = struct.pack("<4e", 1, 0, 0.5, -1)
    blob = struct.pack("<II", 1, 2) + b"\0" * 56 + struct.pack("<IIQQQ", 0xDEADBEEF, 1, len(half), 128, 0) + b"\0" * 32 + half
    open("weight.bin", "wb").write(blob)
EOF
python3 st.py
mkdir -p dir/weights
cp weight.bin dir/weights/weight.bin
cat >p.mil <<'EOF'
program(1.3) {
    func main<ios18>(tensor<fp16, [1, 2, 1, 2]> x) {
        tensor<fp16, [2, 2, 1, 1]> w = const()[name = string("w"), val = tensor<fp16, [2, 2, 1, 1]>(BLOBFILE(path = string("@model_path/weights/weight.bin"), offset = uint64(64)))];
        tensor<fp16, [1, 2, 1, 2]> y = conv(x = x, weight = w);
        tensor<int32, [1, 2, 1]> top = reduce_argmax(x = y, axis = int32(-1), keep_dims = bool(false));
    } -> (y, top);
    func twice<ios18>(tensor<fp16, [1, 2, 1, 2]> x) {
        tensor<fp16, [1, 2, 1, 2]> z = add(x = x, y = x);
    } -> (z);
}
EOF
says "runs in the simulator" '^$' sh -c "$a ane run p.mil --weights dir --inputs in.safetensors --out out.safetensors && echo"
says "gives y" '^y F16 \[1, 2, 1, 2\] \[1.0, 2.0, -2.5, -2047.0\]$' python3 st.py out.safetensors
says "gives an index" '^top I32 \[1, 2, 1\] \[1, 0\]$' python3 st.py out.safetensors
"$a" ane run p.mil --weights . --inputs in.safetensors --out m5.safetensors --chip m5 --func twice
says "another function" '^z F16 \[1, 2, 1, 2\] \[2.0, 4.0, 6.0, [0-9.]*\]$' python3 st.py m5.safetensors
"$a" ane run p.mil --weights . --inputs in.safetensors --out l0.safetensors --level 0
says "weights beside, level 0" '^y F16' python3 st.py l0.safetensors
refuses() {
    what=$1 word=$2
    shift 2
    if "$@" >said 2>&1; then
        fail "$what: done"
    elif grep -q -- "$word" said; then
        pass
    else
        fail "$what: $(head -n 1 said)"
    fi
}
run="$a ane run p.mil --weights dir --out x.safetensors"
refuses "a shape" 'shape.safetensors: "x" is \[4\]' $run --inputs shape.safetensors
refuses "a function" 'no function "other"' $run --inputs in.safetensors --func other
refuses "a chip" 'chip "m7"' $run --inputs in.safetensors --chip m7
refuses "a level" 'level is 0' $run --inputs in.safetensors --level 7
refuses "weights" 'weight.bin' "$a" ane run p.mil --weights /nowhere --out x.safetensors --inputs in.safetensors
sed 's/@model_path/../' p.mil >out.mil
refuses "a path outside" 'outside the program' "$a" ane run out.mil --weights dir --out x.safetensors --inputs in.safetensors
sed 's/conv(x = x/conv(x = v/' p.mil >bad.mil
refuses "a dangling name" 'bad.mil:4:' "$a" ane run bad.mil --weights dir --out x.safetensors --inputs in.safetensors
finish
