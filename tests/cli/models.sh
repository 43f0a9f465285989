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

cat >tiny.json <<'EOF'
{"model": {"config": {"model_type": "llama", "vocab_size": 256,
   "max_position_embeddings": 64, "num_hidden_layers": 1, "hidden_size": 64,
   "num_attention_heads": 2, "intermediate_size": 128,
   "bos_token_id": null, "eos_token_id": null}},
 "tokenizer": {"path": "bytes"}, "data": {"batch": 2}, "budget": "6steps",
 "eval": {"every": 6, "batches": 1}, "device": {"threads": 1}}
EOF

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

# ---- convert ----

# logits NAME MODEL IO TOLERANCE: the recorded ones of a model.
logits() {
    ids=$(python3 -c 'import json, sys
d = json.load(open(sys.argv[1]))
print(",".join(map(str, d["prompts"][d["all_logits_prompt"]])))' "$3")
    ok "$1, logits" "$a" debug logits "$2" --ids "$ids" --out L.st \
        --device reference-f64
    ok "$1, logits agree" "$compare" logits L.st "$3" "$4"
}

for m in gpt2 llama llama_linear llama_f16 llama_bf16 qwen2 qwen2_yarn qwen3 \
    qwen3_sharded gemma phi3 phi3_longrope olmo2 starcoder2 granite; do
    ok "$m to gguf" "$a" convert "$models/$m" --to gguf --out m.gguf
    logits "$m as gguf" m.gguf "$models/$m/io.json" 2e-6
    ok "$m back" "$a" convert m.gguf --to safetensors --out m
    logits "$m back" m "$models/$m/io.json" 2e-6
    holds "$m, nothing left over" ! -e m.gguf.new
done
for m in gemma2 gemma3_text mistral smollm3; do
    rm -rf made
    cp -r "$models/$m" made
    refuses "$m, as it is" 1 'cannot say its (scales|windows|rotation)' "$a" \
        convert made --to gguf --out odd.gguf
    holds "$m, nothing left over" ! -e odd.gguf
    holds "$m, nothing left over" ! -e odd.gguf.new
    # What llama.cpp's files can say.
    python3 - <<'EOF'
import json
d = json.load(open("made/config.json"))
d["sliding_window"] = d.get("sliding_window") if "gemma" in d["model_type"] else None
d["query_pre_attn_scalar"] = d.get("head_dim")
if "no_rope_layers" in d:
    d["no_rope_layers"] = [int((i + 1) % 4 != 0) for i in range(d["num_hidden_layers"])]
json.dump(d, open("made/config.json", "w"))
EOF
    ids=$(seq -s, 1 60)
    ok "$m, made" "$a" debug logits made --ids "$ids" --out A.st \
        --device reference-f64
    ok "$m to gguf" "$a" convert made --to gguf --out m.gguf
    rm -rf m
    ok "$m back" "$a" convert m.gguf --to safetensors --out m --type f32
    for x in m.gguf m; do
        ok "$m, $x" "$a" debug logits $x --ids "$ids" --out B.st \
            --device reference-f64
        ok "$m, $x, the same" python3 - <<'EOF'
import array, json, struct
def logits(path):
    b = open(path, "rb").read()
    n = struct.unpack("<Q", b[:8])[0]
    return array.array("f", b[8 + n:])
a, b = logits("A.st"), logits("B.st")
assert len(a) == len(b) > 100
assert max(abs(x - y) for x, y in zip(a, b)) < 5e-6
EOF
    done
done
ok "to bf16" "$a" convert "$models/llama" --to gguf --type bf16 -o b.gguf --json
also "to bf16" '"tokenizer": false'
says "to bf16, types" '^  bf16 ' "$a" inspect b.gguf

# A tokenizer goes along: its tokens, those of rows it has none for, merges.
mkdir tok
cp "$models/gpt2/"*.json "$models/gpt2/model.safetensors" tok
cp "$golden/tokenizers/bpe_gpt2/tokenizer.json" tok
echo '{"chat_template": "{{ messages }}", "add_bos_token": true}' \
    >tok/tokenizer_config.json
ok "tokenizer" "$a" convert tok --to gguf --out tok.gguf
says "tokenizer, split" 'split +gpt-2' "$a" inspect tok.gguf --metadata
also "tokenizer, chat" 'chat template +yes'
also "tokenizer, bos" 'add_bos_token = yes'
also "tokenizer, merges" 'tokenizer.ggml.merges = \[t h, '

echo kept >full.gguf
mkfifo pipe
refuses "to a pipe" 1 'not a regular file|pipe' "$a" convert "$models/gpt2" \
    --to gguf --out pipe
holds "the pipe is still one" -p pipe
( ulimit -f 8; "$a" convert "$models/gpt2" --to gguf --out full.gguf ) \
    >out 2>err && fail "a full disk" || pass
holds "a full disk, the old file" "$(cat full.gguf)" = kept
holds "a full disk, nothing left over" "$(echo full.gguf*)" = full.gguf
refuses "no kind" 2 'neither gguf nor' "$a" convert "$models/gpt2" --to onnx \
    --out x
refuses "no type" 2 'is not f32' "$a" convert "$models/gpt2" --to gguf \
    --out x --type q4_k
sed 's/"llama"/"arcane_ar"/' tiny.json >ar.json
head -c 20000 "$golden/training/corpus.txt" >ar.txt
ok "a run of ar" "$a" train ar.txt --config ar.json --out ar
refuses "no GGUF form" 1 'no GGUF form of arcane_ar' "$a" convert ar --to gguf \
    --out x
refuses "a folder" 1 '^arcane convert: \.' "$a" convert "$models/gpt2" --to gguf \
    --out .

cp "$gguf/llama_mixed.gguf" own.gguf
cp -r "$models/gpt2" own
ln -s own.gguf link.gguf
refuses "over itself" 2 'is the model itself' "$a" convert own.gguf --to gguf --out link.gguf
refuses "over its folder" 2 'is the model itself' "$a" convert own --to safetensors --out ./own
refuses "quantized over itself" 2 'is the model itself' "$a" quantize link.gguf --to q8_0 --out ./own.gguf
same "and it is as it was" own.gguf "$gguf/llama_mixed.gguf"

# ---- quantize ----

for type in q4_0 q8_0 iq4_nl q4_k q6_k q4_k_m iq4_xs_m; do
    ok "to $type" "$a" quantize "$gguf/llama_mixed.gguf" --to $type \
        --out q.gguf
    ok "$type runs" "$a" run q.gguf --ids 1,2,3 -n 4 --greedy --json
done
ok "to q4_k_m" "$a" quantize "$gguf/llama_mixed.gguf" --to q4_k_m --out q.gguf
says "q4_k_m" '^  q6_k +6 ' "$a" inspect q.gguf
also "q4_k_m, rest" '^  q4_k +10 '
also "q4_k_m, tokenizer" 'vocabulary +448'
says "short rows" 'not whole blocks' "$a" quantize "$models/llama" --to q4_k \
    --out q.gguf
refuses "check without a tokenizer" 1 'tokenizer' "$a" quantize \
    "$models/gpt2" --to q8_0 --out no.gguf --check "$golden/training/corpus.txt"
holds "check first" ! -e no.gguf
refuses "odd type" 2 'q3_z' "$a" quantize "$models/gpt2" --to q3_z --out x

# More bits, less divergence; none is none.
head -c 20000 "$golden/training/corpus.txt" >corpus.txt
ok "a run" "$a" train corpus.txt --config tiny.json --out run
head -c 3000 "$golden/training/corpus.txt" >text
for type in q8_0 q4_0; do
    ok "check $type" "$a" quantize run --to $type --out q.gguf --check text \
        --json
    mv out $type.json
done
ok "divergence" python3 -c 'import json
a, b = (json.load(open(t + ".json"))["kl_divergence"] for t in ("q8_0", "q4_0"))
assert 0 < a < b < 1, (a, b)'

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
