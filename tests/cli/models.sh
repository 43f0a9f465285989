#!/bin/sh
# models.sh - looking at models and turning them into other files: every file
# is described or refused, and what is written is the same model.
. "$(dirname "$0")/lib.sh"

a=$ARCANE
models=$golden/models

# json NAME EXPRESSION: of the object d in out.
json() {
    ok "$1" python3 -c 'import json, sys
d = json.load(open("json"))
sys.exit(not eval("(" + sys.argv[1] + ")"))' "$2"
}

# also NAME PATTERN: what was printed last has the pattern too.
also() {
    if grep -qE -- "$2" out; then pass; else fail "$1: no \"$2\""; fi
}

# ---- inspect ----

for m in "$models"/*/; do
    name=$(basename "$m")
    ok "inspect $name" "$a" inspect "$m" --json
    mv out json
    json "inspect $name, whole" 'd["model"]["known"] and not d["missing"] and
not d["unknown"] and not d["other_shape"]'
    json "inspect $name, sums" 'sum(t["bytes"] for t in d["tensors"]) ==
sum(t["bytes"] for t in d["types"]) and len(d["tensors"]) ==
sum(t["tensors"] for t in d["types"])'
done
says "windows" 'windows +8 tokens in 3 of 4 layers' "$a" inspect \
    "$models/gemma3_text"
says "scaling" 'rope .*scaling llama3, factor' "$a" inspect "$models/llama"
says "weights alone" 'a file of weights alone' "$a" inspect \
    "$models/llama/model.safetensors" --tensors
also "weights alone, tensors" 'model.embed_tokens.weight'

gguf=$golden/gguf
for f in "$gguf"/*.gguf; do
    name=$(basename "$f")
    ok "inspect $name" "$a" inspect "$f" --json
    mv out json
    json "inspect $name, whole" 'd["model"]["known"] and not d["missing"] and
not d["unknown"] and d["file"]["kind"] == "GGUF"'
done
says "types" '^  iq2_s +1 ' "$a" inspect "$gguf/llama_mixed.gguf"
says "tokenizer" 'vocabulary +416' "$a" inspect \
    "$gguf/qwen3_split-00003-of-00003.gguf" --metadata
also "metadata" 'tokenizer.ggml.tokens = \[!, .*\.\.\. 416\]'

# A folder that lacks a tensor, has one too many and one of another shape; its
# names would clear the terminal.
mkdir part
cp "$models/llama/config.json" part
python3 - "$models/llama/model.safetensors" part/model.safetensors <<'EOF'
import json, struct, sys
b = open(sys.argv[1], "rb").read()
n = struct.unpack("<Q", b[:8])[0]
h = json.loads(b[8:8 + n])
h["\x1b[2Jodd"] = h.pop("model.layers.0.self_attn.q_proj.weight")
h["model.norm.weight"]["shape"] = [2, h["model.norm.weight"]["shape"][0] // 2]
t = json.dumps(h).encode()
open(sys.argv[2], "wb").write(struct.pack("<Q", len(t)) + t + b[8 + n:])
EOF
ok "part" "$a" inspect part --json
mv out json
json "part, missing" \
    'd["missing"] == ["model.layers.0.self_attn.q_proj.weight"]'
json "part, unknown" 'd["unknown"] == ["\x1b[2Jodd"]'
json "part, shape" 'd["other_shape"][0]["name"] == "model.norm.weight"'
says "part, text" '^missing tensors \(1\)' "$a" inspect part --tensors
if grep -q "$(printf '\033')" out; then fail "escape codes"; else pass; fi

# An architecture that nobody knows.
mkdir odd
cp part/model.safetensors odd
echo '{"model_type": "marvin"}' >odd/config.json
says "odd" 'architecture +marvin' "$a" inspect odd
also "odd, why" 'why +.*marvin'
also "odd, types" '^  f32 '

# ---- damage ----

python3 - "$golden/damaged" >list <<'EOF'
import json, os, sys
for name, d in json.load(open(sys.argv[1] + "/damaged.json")).items():
    path = os.path.join(sys.argv[1], name)
    if "_inside" in name:
        continue  # files of another kind than their name says are fine
    if d["level"] == "container" and os.path.isfile(path):
        print(int(d["valid"]), path)
EOF
while read -r valid path; do
    name=$(basename "$path")
    if [ "$valid" = 1 ]; then
        ok "$name" "$a" inspect "$path" --tensors --metadata
    else
        refuses "$name" 1 . "$a" inspect "$path"
    fi
done <list
holds "damaged files were there" "$(wc -l <list)" -gt 60
refuses "nothing there" 1 'nothing-there' "$a" inspect nothing-there
refuses "no model" 2 MODEL "$a" inspect
finish
