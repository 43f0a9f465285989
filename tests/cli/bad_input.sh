#!/bin/sh
# bad_input.sh - whatever is wrong with the input is said in one sentence that
# names it, with exit code 1 or 2, and nothing that was saved is lost.
. "$(dirname "$0")/lib.sh"

a=$ARCANE
models=$golden/models
many=$(python3 -c 'print(",".join(map(str, range(121))))')
long=$(python3 -c 'print("x" * 5000)')
head -c 30000 "$golden/training/corpus.txt" >corpus.txt
: >empty.txt
printf a >one.txt
printf 'a short text' >short.txt
mkdir folder
python3 -c 'import random
open("garbage.txt", "wb").write(random.Random(1).randbytes(20000))'
cat >tiny.json <<'EOF'
{"model": {"config": {"model_type": "gpt2", "vocab_size": 256,
   "n_positions": 32, "n_layer": 1, "n_head": 2, "n_embd": 16,
   "bos_token_id": null, "eos_token_id": null}},
 "tokenizer": {"path": "bytes"}, "data": {"batch": 2}, "budget": "6steps",
 "checkpoint": {"every": 2}, "eval": {"every": 0}, "device": {"threads": 1}}
EOF
ok "a small run" "$a" train corpus.txt --config tiny.json --out run
cp -r run copy

# ---- the command line ----

refuses "no command" 2 'no command "fly"' "$a" fly
refuses "half a command" 2 'arcane tokenizer train' "$a" tokenizer
refuses "no such option" 2 '"--fly"' "$a" train --fly
refuses "option without value" 2 '--out needs' "$a" train corpus.txt --out
refuses "empty path" 2 '--out needs' "$a" train corpus.txt --out ''
refuses "too many words" 2 '"more"' "$a" plan more
refuses "nothing given" 2 'MODEL' "$a" run
refuses "a flag with a value" 2 '--greedy' "$a" run run x --greedy=1
refuses "not a whole number" 2 '"3x"' "$a" run run x -n 3x
refuses "too large for a number" 2 '--seed' "$a" run run x --seed 99999999999999999999
refuses "not a number" 2 '--temp' "$a" run run x --temp warm

# ---- train: text ----

train() { "$a" train "$@" --config tiny.json --out new; }
refuses "no text" 2 'nothing to train on' "$a" train --out new
refuses "empty corpus" 1 'empty' "$a" train empty.txt --out new
refuses "one byte" 1 'empty|fewer' "$a" train one.txt --out new
refuses "short corpus" 1 'fewer than one row' \
    "$a" train short.txt --config tiny.json --out new
refuses "missing text" 1 'missing.txt' "$a" train missing.txt --out new
refuses "folder as text" 1 'folder' "$a" train folder --out new
printf '{"text": "a"}\nnot json\n' >bad.jsonl
refuses "bad JSON line" 1 'bad.jsonl:2' "$a" train bad.jsonl --out new
printf '{"txet": "a"}\n' >key.jsonl
refuses "no such key" 1 'key.jsonl:1.*"text"' "$a" train key.jsonl --out new
printf junk >bad.txt.zst
refuses "not zstd" 1 'bad.txt.zst' "$a" train bad.txt.zst --out new
refuses "out is a file" 1 'corpus.txt' "$a" train corpus.txt --out corpus.txt
refuses "out cannot be made" 1 '/dev/null' "$a" train corpus.txt --out /dev/null/x
refuses "out is too long" 1 'too long' "$a" train corpus.txt --out "$long"
if [ "$(id -u)" != 0 ]; then
    mkdir locked
    chmod 555 locked
    refuses "no permission" 1 'locked' "$a" train corpus.txt --out locked/x
fi
ok "garbage is bytes" "$a" train garbage.txt --config tiny.json --out bytes

# ---- train: settings ----

rm -rf new
while IFS='|' read -r code pattern options; do
    # shellcheck disable=SC2086
    refuses "train $options" "$code" "$pattern" \
        "$a" train corpus.txt --config tiny.json --out new $options
    case $options in
    --budget* | --device* | --kernels*)
        holds "$options is refused before a folder is made" ! -e new ;;
    esac
    rm -rf new
done <<'EOF'
1|"fly"|--preset fly
2|"fly"|--device fly
1|"fly"|--kernels fly
1|fly.json|--tokenizer fly.json
1|corpus.txt|--tokenizer corpus.txt
1|fly|--init fly
1|corpus.txt|--init corpus.txt
1|fly.jsonl|--replay fly.jsonl
1|folder|--log folder
2|batch: -1|--batch -1
2|batch: 0|--batch 0
2|batch|--batch 99999999999999999999
2|seq: -3|--seq -3
1|33 tokens|--seq 33
2|lr: "nan"|--lr nan
2|lr: inf|--lr inf
2|lr: -3|--lr -3
2|budget: "0steps"|--budget 0steps
2|budget: "-5s"|--budget -5s
2|budget: "10parsecs"|--budget 10parsecs
2|budget: "1e999tok"|--budget 1e999tok
2|threads|--threads 100000
2|threads|-t -1
2|order: "random"|--order random
2|optimizer.recipe: "adam"|--optimizer adam
2|held_out|--held-out 1.5
2|ema|--ema 1
2|beta1|--beta1 1
2|compute: "f8"|--compute f8
2|packed|--order packed
EOF
while IFS='|' read -r code pattern json; do
    rm -rf new
    echo "$json" >c.json
    refuses "$json" "$code" "$pattern" \
        "$a" train corpus.txt --config c.json --out new --budget 1steps \
        --tokenizer bytes --batch 1 --seq 16
done <<'EOF'
1|c.json|
1|c.json.*not a JSON object|[]
1|c.json.*duplicate|{"seed": 1, "seed": 2}
1|"nosuch"|{"nosuch": 1}
1|"data.bath"|{"data": {"bath": 4}}
1|data.batch|{"data": {"batch": 1.5}}
1|data.batch|{"data": {"batch": "4"}}
1|data.text|{"data": {"text": "corpus.txt"}}
1|budget|{"budget": 5}
1|schedule.shape|{"schedule": {"shape": "zigzag"}}
1|optimizer.lr|{"optimizer": {"lr": "1e-3"}}
1|"zzz"|{"model": {"config": {"model_type": "zzz"}}}
1|n_head|{"model": {"config": {"model_type": "gpt2", "n_embd": 64, "n_head": 5}}}
1|n_layer|{"model": {"config": {"model_type": "gpt2", "n_layer": 1000000000000}}}
1|n_embd|{"model": {"config": {"model_type": "gpt2", "n_embd": 1e300}}}
1|256 entries.*100|{"model": {"config": {"model_type": "gpt2", "vocab_size": 100}}}
1|optimizer.groups|{"optimizer": {"groups": []}}
1|optimizer.groups.*optimizer must be|{"optimizer": {"groups": [{"match": ["*"], "optimizer": "zzz"}]}}
1|muon|{"optimizer": {"groups": [{"match": ["*"], "optimizer": "muon", "lr": 1}]}}
1|"\*": lr must be given|{"optimizer": {"groups": [{"match": ["*"], "optimizer": "adamw"}]}}
1|no group|{"optimizer": {"groups": [{"match": ["2d"], "optimizer": "adamw", "lr": 1}]}}
EOF
refuses "weights of another model" 1 'wte' "$a" train corpus.txt \
    --config tiny.json --out new --init "$models/llama"
echo '{"optimizer": {"groups": [{"match": ["*"], "optimizer": "sgd", "lr": 1}]}}' >c.json
refuses "a rate beside groups" 2 '--lr' "$a" train corpus.txt --config c.json \
    --out new --lr 1 --budget 1steps

# ---- runs that exist, or do not ----

refuses "a run over a run" 2 'already holds' \
    "$a" train corpus.txt --config tiny.json --out run
refuses "--resume alone" 2 '--out' "$a" train --resume
refuses "--resume on nothing" 1 'missing' "$a" train --out missing --resume
refuses "--resume on no run" 1 'folder' "$a" train --out folder --resume
same "nothing lost" "$(last_step run)/model.safetensors" \
    "$(last_step copy)/model.safetensors"
refuses "another length of rows" 1 'length' \
    "$a" train --out run --resume --seq 16 --budget 8steps
refuses "another model" 1 'wte|tensor|state' \
    "$a" train --out run --resume --preset nanogpt-cpu --budget 8steps --seq 32
refuses "another optimizer" 1 'optimizer|tensor|state' \
    "$a" train --out run --resume --optimizer normuon --budget 8steps
refuses "an optimizer with the same names" 1 'adamw.*sgd' \
    "$a" train --out run --resume --optimizer sgd --budget 8steps
rm -rf lost
cp -r copy lost
rm lost/latest
refuses "a run over a run without latest" 2 'already holds' \
    "$a" train corpus.txt --config tiny.json --out lost
mv lost/train-00000.bin lost/away
refuses "a shard that is gone" 1 'lost/train-00000.bin: is missing' \
    "$a" train --out lost --resume --budget 8steps
mv lost/away lost/train-00000.bin
: >lost/log.jsonl.tmp-1
ok "a run without latest goes on" "$a" train --out lost --resume
holds "what a killed run left is removed" ! -e lost/log.jsonl.tmp-1
if command -v flock >/dev/null; then
    refuses "two runs in a folder" 1 'lost: another process is training there' \
        flock lost/lock "$a" train --out lost --resume
fi

# ---- damaged checkpoints ----

# damaged NAME COMMAND: a copy of the run with its newest checkpoint changed.
damaged() {
    rm -rf broken
    cp -r copy broken
    (cd "$(last_step broken)" && eval "$2") || fail "$1: could not be made"
}
flip='import sys
d = bytearray(open(sys.argv[1], "rb").read())
d[len(d) // 2] ^= 1
open(sys.argv[1], "wb").write(d)'
for file in model.safetensors optimizer.safetensors state.json config.json; do
    for how in "truncate -s -1 $file" "truncate -s 0 $file" "rm $file" \
        "python3 -c '$flip' $file"; do
        case $how in truncate*) command -v truncate >/dev/null || continue ;; esac
        damaged "$how" "$how"
        says "$how" 'damaged checkpoint was passed over' \
            "$a" train --out broken --resume
        same "$how" "$(last_step broken)/model.safetensors" \
            "$(last_step copy)/model.safetensors"
    done
done
rm -rf broken
cp -r copy broken
for step in broken/step-*; do printf x >>"$step/optimizer.safetensors"; done
refuses "all damaged" 1 'broken/step-00000006/optimizer.safetensors' \
    "$a" train --out broken --resume
refuses "all damaged" 1 'whole' "$a" run broken --ids 1
damaged "latest" 'echo step-00000099 >../latest'
ok "latest names no folder" "$a" run broken --ids 1 -n 1
damaged "settings" 'echo "{" >../settings.json'
refuses "settings cut short" 1 'settings.json' "$a" train --out broken --resume
damaged "shard" 'python3 -c "open(\"../train-00000.bin\", \"r+b\").truncate(3000)"'
refuses "shard cut short" 1 'train-00000.bin' \
    "$a" train --out broken --resume --budget 8steps
for folder in "$golden"/damaged/dirs/*/; do
    case $(basename "$folder") in
    ok_*) ok "$(basename "$folder")" "$a" run "$folder" --ids 1,2 -n 1 ;;
    *) refuses "$(basename "$folder")" 1 . "$a" run "$folder" --ids 1,2 -n 1 ;;
    esac
done

# ---- run ----

refuses "no such model" 1 'missing' "$a" run missing x
refuses "no model" 1 'folder' "$a" run folder x
refuses "a file as model" 1 'corpus.txt' "$a" run corpus.txt x
refuses "no tokenizer" 1 'has no tokenizer' "$a" run "$models/gpt2" x
refuses "empty prompt" 2 'prompt' "$a" run run ''
refuses "prompt and ids" 2 '--ids' "$a" run run x --ids 1
refuses "long prompt" 1 '121 tokens.*96' "$a" run "$models/gpt2" --ids "$many"
for n in 9223372036854775807 99999999999999 1000000000; do
    says "-n $n" 'context of 96' "$a" run "$models/gpt2" --ids 1 -n $n
done
while IFS='|' read -r code pattern options; do
    # shellcheck disable=SC2086
    refuses "run $options" "$code" "$pattern" "$a" run "$models/gpt2" $options
done <<'EOF'
2|--ids.*"x"|--ids 1,2,x
2|prompt|--ids=
2|--ids|--ids 1,,2
2|--ids|--ids 99999999999
1|160|--ids 160
1|-1|--ids -1
2|-n|--ids 1 -n -1
2|temp|--ids 1 --temp -1
2|temp|--ids 1 --temp nan
2|temp|--ids 1 --temp 1e300
2|top-k|--ids 1 --top-k -1
2|top-p|--ids 1 --top-p 7
2|min-p|--ids 1 --min-p 2
2|repeat-penalty|--ids 1 --repeat-penalty 0
1|threads|--ids 1 -t -1
1|threads|--ids 1 -t 4294967297
1|"xpu"|--ids 1 --device xpu
1|null|--ids 1 --device null
1|"xpu"|--ids 1 --kernels xpu
EOF

# ---- eval and debug ----

cp -r "$models/gpt2" mixed
cp run/tokenizer.json mixed
refuses "vocabulary mismatch" 1 '256 entries.*160' "$a" eval mixed corpus.txt
while IFS='|' read -r code pattern options; do
    # shellcheck disable=SC2086
    refuses "eval run $options" "$code" "$pattern" "$a" eval run $options
done <<'EOF'
1|0 tokens|empty.txt
1|1 tokens|one.txt
1|missing.txt|missing.txt
1|folder|folder
1|100000 tokens|corpus.txt --seq 100000
1|-1 tokens|corpus.txt --seq -1
1|stride|corpus.txt --stride 100
1|stride|corpus.txt --stride -5
EOF

# ---- questions ----

qwen=$golden/gguf/qwen3_q8_0.gguf
echo '{"prompt": "In the", "choices": [" beginning", " end"], "answer": 0}' >q.jsonl
says "questions" '^accuracy [01].0000 .*\(1 questions\)' "$a" eval "$qwen" --choices q.jsonl
echo '{"prompt": 1}' >>q.jsonl
refuses "a bad question" 1 'q.jsonl: line 2: "prompt"' "$a" eval "$qwen" --choices q.jsonl
refuses "no questions" 1 'no questions' "$a" eval "$qwen" --choices empty.txt
refuses "questions and a text" 2 'choices' "$a" eval "$qwen" empty.txt --choices q.jsonl

refuses "logits into no folder" 1 'missing' \
    "$a" debug logits "$models/gpt2" --ids 1 --out missing/L.st
refuses "logits into a folder" 1 'folder' \
    "$a" debug logits "$models/gpt2" --ids 1 --out folder
refuses "no such type of cache" 2 '"q4" is not' \
    "$a" debug logits "$models/gpt2" --ids 1 --out L.st --cache-type f16,q4
refuses "heads that are not blocks" 1 'heads of 16 numbers' \
    "$a" run "$models/llama" --ids 1 --cache-type q8_0
ok "another type of cache" \
    "$a" run "$models/llama" --ids 1,2,3 -n 4 --greedy --cache-type f16,bf16
refuses "no ids" 2 '--ids' "$a" debug logits "$models/gpt2" --ids '' --out L.st
refuses "long ids" 1 '121 tokens' \
    "$a" debug logits "$models/gpt2" --ids "$many" --out L.st
while IFS='|' read -r pattern json; do
    echo "$json" >b.json
    refuses "batch $json" 1 "$pattern" \
        "$a" debug grads "$models/gpt2" --batch b.json --out G.st
done <<'EOF'
b.json|not json
b.json|[]
b.json|{"inputs": 1, "targets": 2}
b.json|{"inputs": [[]], "targets": [[]]}
b.json.*targets|{"inputs": [[1, 2]], "targets": [[1]]}
b.json.*inputs|{"inputs": [[1, 2], [1]], "targets": [[1, 2], [1]]}
b.json|{"inputs": [[1, 2]], "targets": [[1, 2], [3, 4]]}
b.json|{"inputs": [["a", 2]], "targets": [[1, 1]]}
b.json|{"inputs": [[1.5, 2]], "targets": [[1, 1]]}
160|{"inputs": [[1, 200]], "targets": [[1, 2]]}
160|{"inputs": [[1, -1]], "targets": [[1, 2]]}
no target|{"inputs": [[1, 2]], "targets": [[-1, -1]]}
EOF

# ---- tokenizers, shards, plans, plots ----

while IFS='|' read -r code pattern command; do
    # shellcheck disable=SC2086
    refuses "$command" "$code" "$pattern" "$a" $command
done <<'EOF'
1|empty|tokenizer train empty.txt --out t.json
1|missing.txt|tokenizer train missing.txt --out t.json
1|vocabulary of 10|tokenizer train corpus.txt --vocab 10 --out t.json
1|vocabulary of -1|tokenizer train corpus.txt --vocab -1 --out t.json
1|vocabulary|tokenizer train corpus.txt --vocab 99999999999999 --out t.json
1|missing|tokenizer train corpus.txt --vocab 300 --out missing/t.json
1|folder|tokenizer train corpus.txt --vocab 300 --out folder
1|pattern|tokenizer train corpus.txt --vocab 300 --out t.json --pattern (
1|missing.json|tokenizer encode missing.json x
1|corpus.txt|tokenizer encode corpus.txt x
2|"x"|tokenizer decode bytes x
1|256 is outside of the vocabulary of 256|tokenizer decode bytes 1,256
1|-1 is outside|tokenizer decode bytes -- -1
1|/dev/null: is not a regular file|tokenizer train corpus.txt --vocab 300 --out /dev/null
2|"NOSUCH"|bench kernels NOSUCH
1|empty.txt|data prepare empty.txt --tokenizer bytes --out shards
1|missing.txt|data prepare missing.txt --tokenizer bytes --out shards
1|missing.json|data prepare corpus.txt --tokenizer missing.json --out shards
1|corpus.txt|data prepare corpus.txt --tokenizer bytes --out corpus.txt
2|--name|data prepare corpus.txt --tokenizer bytes --out shards --name ../x
2|--name|data prepare corpus.txt --tokenizer bytes --out shards --name=
1|bad.txt.zst|data prepare bad.txt.zst --tokenizer bytes --out shards
1|bad.jsonl:2|data prepare bad.jsonl --tokenizer bytes --out shards
1|"fly"|plan --preset fly
1|corpus.txt|plan --config corpus.txt
2|batch: -1|plan --preset tiny --batch -1
1|threads|plan --preset tiny -t -4
1|threads|devices -t 100000
2|--steps|bench train --steps 0
1|"fly"|bench train --preset fly
2|batch: -4|bench train --preset tiny --batch -4
1|missing|plot missing
1|folder|plot folder
2|.png|plot run --out picture.jpg
1|missing|plot run --out missing/x.png
EOF
ok "shards" "$a" data prepare corpus.txt --tokenizer bytes --out shards
ok "a tokenizer" "$a" tokenizer train corpus.txt --vocab 300 --out t.json
refuses "another tokenizer" 1 'tokenizer.json' \
    "$a" data prepare corpus.txt --tokenizer t.json --out shards
refuses "ids outside of the vocabulary" 1 'train-00000.bin' \
    "$a" train --tokens shards/train-00000.bin --preset nanogpt-cpu \
    --out new2 --budget 1steps
refuses "a shard that is none" 1 'corpus.txt' \
    "$a" train --tokens corpus.txt --out new2

# ---- streams ----

# to_nowhere NAME COMMAND: output that cannot be written is an error.
to_nowhere() {
    local name=$1 rc
    shift
    for nowhere in '>&-' '>/dev/full'; do
        [ "$nowhere" = '>&-' ] || [ -c /dev/full ] || continue
        (eval 'limited "$@" 2>err </dev/null' "$nowhere") && rc=0 || rc=$?
        if [ "$rc" -eq 1 ] && ! crashed 0; then
            pass
        else
            fail "$name $nowhere: exit code $rc: $(head -c 200 err)"
        fi
    done
}
to_nowhere "--help" "$a" --help
to_nowhere "--version" "$a" --version
to_nowhere "--reference" "$a" --reference
to_nowhere "train --help" "$a" train --help
to_nowhere "train" "$a" train --out run --resume
to_nowhere "run" "$a" run run x -n 3
to_nowhere "run --json" "$a" run run x -n 3 --json
to_nowhere "eval" "$a" eval run corpus.txt
to_nowhere "encode" "$a" tokenizer encode bytes x
to_nowhere "plan" "$a" plan --preset tiny --gflops 1 --bandwidth 1
to_nowhere "devices" "$a" devices --quick
to_nowhere "bench" "$a" bench kernels softmax --seconds 0.001

# With no stream at all, what is printed must not end up in a file.
limited "$a" train corpus.txt --config tiny.json --out silent <&- >&- 2>&-
same "no streams" "$(last_step silent)/model.safetensors" \
    "$(last_step copy)/model.safetensors"
if grep -rqE 'held-out loss|held-out loss|steps,' silent; then
    fail "no streams: messages are in the run's files"
else
    pass
fi
if "$a" run run x -n 30 2>err | head -c 1 >/dev/null && ! [ -s err ]; then
    pass
else
    fail "a reader that stops early: $(cat err)"
fi
finish
