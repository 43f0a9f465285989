#!/bin/sh
# data.sh - tokenizers and shards: documents kept apart, compressed and line
# wise input, round trips, training from shards, and evaluation.
. "$(dirname "$0")/lib.sh"

a=$ARCANE
head -c 60000 "$golden/training/corpus.txt" >corpus.txt
cat >make.py <<'EOF'
import json
text = open('corpus.txt').read()
n = len(text) // 3
documents = [text[:n], text[n:n + 5], text[n + 5:], 'caf\u00e9 \U0001f600\n']
with open('docs.jsonl', 'w') as f:
    for d in documents:
        f.write(json.dumps({'id': 1, 'text': d}) + '\n')
with open('body.jsonl', 'w') as f:
    for d in documents:
        f.write(json.dumps({'body': d}, ensure_ascii=False) + '\r\n\n')
for i, d in enumerate(documents):
    open(f'd{i}.txt', 'w', newline='').write(d)
EOF
ok "documents" python3 make.py
ok "tokenizer" "$a" tokenizer train corpus.txt --vocab 400 --out tok.json

# ---- round trips ----

# round NAME FILE TOKENIZER: decode(encode(FILE)) is FILE.
round() {
    "$a" tokenizer encode "$3" <"$2" >ids 2>err &&
        "$a" tokenizer decode "$3" <ids >back 2>>err
    # the text and one newline more
    { cat "$2" && echo; } >wanted
    same "$1" back wanted
}
round "round trip" corpus.txt tok.json
round "round trip, UTF-8" d3.txt tok.json
round "round trip, bytes" d3.txt bytes
printf '  two  blanks\t\ttabs\r\n\r\n\n\nend ' >blanks.txt
round "round trip, blanks" blanks.txt tok.json
bos=$("$a" tokenizer encode tok.json '' --special)
holds "the beginning of a text" "$bos" -ge 0
says "special tokens are text" . "$a" tokenizer encode tok.json '<|bos|>'
holds "special tokens are text" "$(wc -w <out)" -gt 1
says "special tokens" "^$bos $bos$" \
    "$a" tokenizer encode tok.json '<|bos|>' --special

# ---- shards ----

cat >shard.py <<'EOF'
"""shard.py SHARD: its tokens, a document a line."""
import array, json, sys
data = open(sys.argv[1], 'rb').read()
head = array.array('i', data[:1024])
if head[0] != 20240520 and head[0] != 20240801: sys.exit('another magic')
width = 2 if head[0] == 20240520 else 4
ids = array.array('H' if width == 2 else 'I', data[1024:])
if len(ids) != head[2]: sys.exit('another count')
bos = int(sys.argv[2])
if ids[0] != bos: sys.exit('does not begin with a document')
line = []
for i in list(ids[1:]) + [bos]:
    if i == bos:
        print(' '.join(map(str, line)))
        line = []
    else:
        line.append(i)
EOF
: >wanted
for i in 0 1 2 3; do "$a" tokenizer encode tok.json <d$i.txt >>wanted; done
# shards NAME FILES ...: a shard of the four documents and nothing else.
shards() {
    local name=$1
    shift
    ok "$name" "$a" data prepare "$@" --tokenizer tok.json --out "sh-$name"
    python3 shard.py "sh-$name/train-00000.bin" "$bos" >got 2>err ||
        fail "$name: $(cat err)"
    same "$name: documents apart" got wanted
}
shards text d0.txt d1.txt d2.txt d3.txt
shards lines docs.jsonl
shards key body.jsonl --key body
if command -v zstd >/dev/null; then
    zstd -q docs.jsonl && zstd -q d0.txt && zstd -q d1.txt
    shards zstd docs.jsonl.zst
    shards mixed d0.txt.zst d1.txt d2.txt d3.txt
    head -c 5000 docs.jsonl.zst >cut.jsonl.zst
    refuses "zstd cut short" 1 'cut.jsonl.zst' \
        "$a" data prepare cut.jsonl.zst --tokenizer tok.json --out cut
    ok "tokenizer from zstd" "$a" tokenizer train docs.jsonl.zst --vocab 400 \
        --out tok2.json
    ok "tokenizer from lines" "$a" tokenizer train docs.jsonl --vocab 400 \
        --out tok3.json
    same "tokenizer from zstd" tok2.json tok3.json
fi
ok "again" "$a" data prepare docs.jsonl --tokenizer tok.json --out sh-lines
same "again" sh-lines/train-00000.bin sh-text/train-00000.bin

# ---- training on shards ----

cat >small.json <<'EOF'
{"model": {"config": {"model_type": "gpt2", "vocab_size": 400,
   "n_positions": 64, "n_layer": 1, "n_head": 2, "n_embd": 32,
   "bos_token_id": 0, "eos_token_id": null}},
 "data": {"batch": 4, "seq": 32}, "budget": "20steps",
 "eval": {"every": 0}, "device": {"threads": 1}}
EOF
# The same tokens, from text and from shards made of the same parts.
head -c 54000 corpus.txt >nine.txt
tail -c +54001 corpus.txt >tenth.txt
ok "train shard" "$a" data prepare nine.txt --tokenizer tok.json --out shards
ok "val shard" "$a" data prepare tenth.txt --tokenizer tok.json --out shards \
    --name val
ok "from text" "$a" train corpus.txt --tokenizer tok.json --config small.json \
    --out from-text --json
mv out text.json
ok "from shards" "$a" train --data shards --config small.json \
    --out from-shards --json
mv out shards.json
ok "from a list" "$a" train --tokens shards/train-00000.bin \
    --val-tokens shards/val-00000.bin --tokenizer tok.json \
    --config small.json --out from-list --json
for way in shards list; do
    same "text and $way" "$(last_step from-text)/model.safetensors" \
        "$(last_step from-$way)/model.safetensors"
done
same "held-out text" from-text/heldout.txt tenth.txt
says "a model of shards writes text" '^In the' "$a" run from-shards "In the" -n 3

# Evaluation afterwards is the evaluation at the end of training, and a
# smaller stride gives more context.
ok "eval" "$a" eval from-text tenth.txt --seq 32 --json
mv out eval.json
ok "eval" "$a" eval from-text tenth.txt --seq 32 --stride 8 --json
mv out stride.json
ok "eval from standard input" sh -c '"$ARCANE" eval from-text - --seq 32 \
    --json <tenth.txt'
same "eval from standard input" out eval.json
ok "eval is the run's own" python3 -c 'import json, sys
run, same, ev, stride = [json.load(open(f + ".json"))
                         for f in ("text", "shards", "eval", "stride")]
lines = [json.loads(l) for l in open("from-text/log.jsonl")]
last = [l for l in lines if l.get("whole")][-1]
print(run, ev, stride)
sys.exit(run["val_loss"] != same["val_loss"] or
         last["val_loss"] != run["val_loss"] or
         abs(run["val_loss"] - ev["loss"]) > 1e-6 or
         abs(run["val_bits_per_byte"] - ev["bits_per_byte"]) > 1e-6 or
         ev["tokens"] != stride["tokens"] or ev["bytes"] != stride["bytes"])'

# Packed rows of many documents, resumed in the middle.
ok "packed" "$a" train --tokens sh-lines/train-00000.bin --tokenizer tok.json \
    --config small.json --order packed --out packed
ok "packed, half" "$a" train --tokens sh-lines/train-00000.bin --schedule \
    constant --tokenizer tok.json --config small.json --order packed \
    --out half --budget 10steps
ok "packed, whole" "$a" train --out half --resume --budget 20steps
ok "packed, at once" "$a" train --tokens sh-lines/train-00000.bin --schedule \
    constant --tokenizer tok.json --config small.json --order packed --out once
same "packed, resumed" "$(last_step half)/optimizer.safetensors" \
    "$(last_step once)/optimizer.safetensors"
finish
