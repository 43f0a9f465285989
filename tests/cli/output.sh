#!/bin/sh
# output.sh - what the program prints: help for every command, JSON that is
# JSON, no escape codes in a pipe, and a plan that tells the memory of a run.
. "$(dirname "$0")/lib.sh"

a=$ARCANE
models=$golden/models
head -c 20000 "$golden/training/corpus.txt" >corpus.txt
cat >tiny.json <<'EOF'
{"model": {"config": {"model_type": "gpt2", "vocab_size": 256,
   "n_positions": 32, "n_layer": 1, "n_head": 2, "n_embd": 16,
   "bos_token_id": null, "eos_token_id": null}},
 "tokenizer": {"path": "bytes"}, "data": {"batch": 2}, "budget": "6steps",
 "eval": {"every": 2, "batches": 1}, "device": {"threads": 1}}
EOF

# ---- help ----

says "--version" '^arcane [0-9]+\.[0-9]+' "$a" --version
says "--help" '^usage: arcane' "$a" --help
cp out all
while read -r command; do
    # shellcheck disable=SC2086
    says "$command --help" '^examples:' "$a" $command --help
    # shellcheck disable=SC2086
    says "$command -h" "^usage: arcane $command" "$a" $command -h
    if grep -q "^  $command  *[a-z]" all; then
        pass
    else
        fail "--help leaves out $command"
    fi
done <<'EOF'
train
run
ane run
chat
eval
plot
pull
list
remove
inspect
template
tokenizer train
tokenizer encode
tokenizer decode
data prepare
plan
devices
bench kernels
bench infer
bench train
debug logits
debug grads
EOF
ok "--reference" "$a" --reference
holds "a section for every command" \
    "$(grep -c '^## arcane ' out)" -eq "$(grep -c '^  [a-z]' all)"
says "help of a group" '^  bench infer +time prompts' "$a" bench --help
refuses "help of no group" 2 'no command "benches"' "$a" benches --help
"$a" >out 2>err && rc=0 || rc=$?
holds "no command at all" $rc -eq 2
holds "no command at all: help" "$(grep -c '^usage:' err)" -eq 1

# ---- JSON and pipes ----

# plain NAME: out and err have no escape codes and no carriage returns.
plain() {
    if cat out err | LC_ALL=C grep -q "$(printf '[\033\r]')"; then
        fail "$1: escape codes in a pipe"
    else
        pass
    fi
}
# object NAME KEYS COMMAND ...: prints one JSON value, an object with the keys.
object() {
    local name=$1 keys=$2
    shift 2
    ok "$name" "$@"
    plain "$name"
    python3 -c 'import json, sys
text = open("out").read()
d = json.loads(text)
sys.exit(not text.endswith("\n") or text.count("\n") != 1 or
         any(k not in d for k in sys.argv[1].split()))' "$keys" 2>/dev/null &&
        pass || fail "$name: not an object with $keys: $(head -c 300 out)"
}

object "train --json" "run steps tokens parameters seconds loss val_loss \
val_bits_per_byte" "$a" train corpus.txt --config tiny.json --out run --json
object "run --json" "ids text timings" "$a" run run "In the" -n 5 --json
object "run --ids --json" "ids text timings" \
    "$a" run "$models/gpt2" --ids 1,2 -n 5 --json
object "eval --json" "loss perplexity bits_per_byte tokens bytes" \
    "$a" eval run corpus.txt --json
object "plan --json" "parameters step_flops step_seconds memory" \
    "$a" plan --preset tiny --gflops 10 --bandwidth 10 --json
object "plan --random --json" "prompt_seconds token_seconds" \
    "$a" plan --random llama-5m:q8_0 -p 32 --json
object "devices --json" "devices" "$a" devices --quick --json
object "bench train --json" "median_s tokens_per_s" \
    "$a" bench train --preset nanogpt-cpu --steps 1 --batch 1 --json
object "tokenizer train --json" "file vocab" \
    "$a" tokenizer train corpus.txt --vocab 300 --out t.json --json
object "data prepare --json" "folder documents tokens bytes shards" \
    "$a" data prepare corpus.txt --tokenizer t.json --out shards --json
ok "encode --json" "$a" tokenizer encode t.json "In the beginning" --json
mv out ids.json
ok "encode --json" python3 -m json.tool ids.json
ok "bench kernels --json" "$a" bench kernels softmax --seconds 0.001 --json
mv out kernels.json
ok "bench kernels --json" python3 -m json.tool kernels.json
ok "log.jsonl" python3 -c 'import json
for line in open("run/log.jsonl"): json.loads(line)'
for file in run/settings.json run/data.json run/tokenizer.json \
    "$(last_step run)/config.json" "$(last_step run)/state.json"; do
    ok "$file" python3 -m json.tool "$file"
done

ok "train" "$a" train corpus.txt --config tiny.json --out run2
plain "train"
ok "run" "$a" run run2 "In the" -n 5
plain "run"
ok "plan" "$a" plan --preset tiny --gflops 10 --bandwidth 10
plain "plan"
ok "plan --list" "$a" plan --list
plain "plan --list"
ok "devices" "$a" devices --quick --slots
plain "devices"
ok "plot" "$a" plot run
ok "plot" "$a" plot run --out curve.png
ok "a picture" python3 -c 'import sys, xml.dom.minidom
xml.dom.minidom.parse("run/loss.svg")
for f in ("curve.png", "run/loss.png"):
    if open(f, "rb").read(8) != b"\x89PNG\r\n\x1a\n": sys.exit(f)'

# The same seed, the same text; another seed, another one.
for n in 1 2 3; do
    ok "run --seed" "$a" run run "In the" -n 40 --seed $((7 + n / 3))
    mv out text$n
done
same "run --seed 7 twice" text1 text2
if cmp -s text1 text3; then fail "run --seed 8: as seed 7"; else pass; fi

# ---- flags over the settings of a run ----

# setting KEY ...: a number of run3/settings.json.
setting() {
    python3 -c 'import json, sys
d = json.load(open("run3/settings.json"))
for k in sys.argv[1:]: d = d[int(k) if k.isdigit() else k]
print(d)' "$@"
}
again() {
    rm -rf run3
    ok "settings and $*" "$a" train --config run/settings.json --out run3 "$@"
}
again --lr 0.5
holds "--lr over settings" "$(setting optimizer groups 0 lr)" = 0.5
again --optimizer sgd
holds "--optimizer over settings" "$(setting optimizer groups 0 optimizer)" = sgd
again --preset nanogpt-cpu --vocab 256 --seq 16
holds "--preset over settings" "$(setting model config n_embd)" = 128
again --seed 3
if cmp -s "$(last_step run)/model.safetensors" \
    "$(last_step run3)/model.safetensors"; then
    fail "--seed over settings: nothing changed"
else
    pass
fi

# ---- the plan and the memory ----

# memory NAME OPTIONS: anonymous memory of a run, against its plan.
memory() {
    local name=$1
    shift
    rm -rf big
    "$a" train corpus.txt --tokenizer bytes --out big --budget 1000steps \
        --checkpoint-every 2 "$@" >out 2>err &
    process=$!
    most=0
    for _ in $(seq 1200); do
        now=$(awk '/^RssAnon/ {print $2}' /proc/$process/status 2>/dev/null)
        [ -n "$now" ] || break
        [ "$now" -le "$most" ] || most=$now
        [ -d big/step-00000004 ] && break
        sleep 0.1
    done
    kill -9 $process
    wait $process 2>/dev/null
    ok "$name, plan" "$a" plan --config big/settings.json --gflops 1 \
        --bandwidth 1 --json
    mv out plan.json
    ok "$name, $most KiB" python3 -c 'import json, sys
plan, most = json.load(open("plan.json"))["memory"]["total"], 1024 * int(sys.argv[1])
print(f"planned {plan >> 20} MiB, measured {most >> 20} MiB")
sys.exit(abs(plan - most) > max(0.05 * most, 32 << 20))' "$most"
    echo "$name: $(cat out)"
}
if [ -r /proc/self/status ] && ! nm "$a" 2>/dev/null | grep -q __asan_init; then
    memory "tiny" --preset tiny --batch 8 --eval-every 2 --eval-batches 1 \
        --ema 0.9 --accumulate 2
    memory "recompute" --preset tiny --batch 8 --eval-every 2 \
        --eval-batches 1 --recompute
    [ "$quick" = 1 ] || memory "large" --preset gpt2-124m --batch 1 --seq 64 \
        --eval-every 2 --eval-batches 1
fi
finish
