#!/bin/sh
# same_bits.sh - a run has the same bits with any number of threads, stopped
# and resumed wherever, and survives being killed and a full disk.
. "$(dirname "$0")/lib.sh"

head -c 60000 "$golden/training/corpus.txt" >corpus.txt
cat >ar.json <<'EOF'
{"model": {"config": {"model_type": "arcane_ar", "vocab_size": 256,
   "max_position_embeddings": 32, "num_hidden_layers": 2, "hidden_size": 32,
   "num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 16,
   "intermediate_size": 64, "window_pattern": "SL"}},
 "tokenizer": {"path": "bytes"}, "data": {"batch": 2}, "budget": "150steps",
 "ema": {"decay": 0.9}, "checkpoint": {"every": 3, "keep": 2},
 "eval": {"every": 7, "batches": 1}, "device": {"threads": 1}}
EOF
cat >gpt2.json <<'EOF'
{"model": {"config": {"model_type": "gpt2", "vocab_size": 256,
   "n_positions": 64, "n_layer": 2, "n_head": 4, "n_embd": 96,
   "bos_token_id": null, "eos_token_id": null}},
 "tokenizer": {"path": "bytes"}, "data": {"batch": 6, "accumulate": 2},
 "budget": "30steps", "optimizer": {"recipe": "adamw"},
 "ema": {"decay": 0.9}, "eval": {"every": 0}}
EOF

# ---- threads ----

# threads NAME OPTIONS: checkpoints of 1, 2, 3 and 5 threads are equal.
threads() {
    local name=$1
    shift
    for t in 1 2 3 5; do
        ok "$name, $t threads" "$ARCANE" train corpus.txt --out "$name$t" \
            -t $t "$@"
        [ $t = 1 ] && continue
        for file in model optimizer ema; do
            [ -f "$(last_step "${name}1")/$file.safetensors" ] || continue
            same "$name, $t threads" "$(last_step "$name$t")/$file.safetensors" \
                "$(last_step "${name}1")/$file.safetensors"
        done
    done
}

threads gpt2- --config gpt2.json
threads packed- --config gpt2.json --optimizer muon --tokenizer "" \
    --preset tiny --vocab 512 --order packed --seq 96 --batch 3 --budget 6steps
for compute in bf16 f16; do
    [ "$quick" = 1 ] || threads $compute- --config gpt2.json --compute $compute \
        --budget 8steps
done

# ---- killed ----

kills=50
[ "$quick" = 1 ] && kills=6
ok "a run to the end" "$ARCANE" train corpus.txt --config ar.json --out whole
mkdir killed
ok "$kills kills" "$tests/kill_resume.py" $kills 1 killed \
    "$(last_step whole)" corpus.txt --config ar.json
cat out

# ---- Ctrl-C ----

# interrupted NAME SIGNAL: stops after the step it is at, saves, says so.
interrupted() {
    "$ARCANE" train corpus.txt --config ar.json --checkpoint-every 0 \
        --out "$1" >out 2>err &
    process=$!
    for _ in $(seq 600); do
        [ "$(grep -c '"loss"' "$1/log.jsonl" 2>/dev/null)" -ge 5 ] && break
        sleep 0.02
    done 2>/dev/null
    kill -s "$2" $process
    wait $process
    rc=$?
    if [ $rc -eq 0 ]; then return; fi # had come to its end before
    holds "$2: exit code" $rc -eq 1
    if grep -q "the work is saved in $1" err; then pass; else fail "$2: $(cat err)"; fi
    ok "$2: resume" "$ARCANE" train --out "$1" --resume
    for file in model optimizer ema; do
        same "$2: resumed" "$(last_step "$1")/$file.safetensors" \
            "$(last_step whole)/$file.safetensors"
    done
}

interrupted by-int INT
interrupted by-term TERM

# ---- a budget in seconds, replayed ----

ok "one second" "$ARCANE" train corpus.txt --config ar.json --budget 1s \
    --schedule cosine --out timed
ok "replayed" "$ARCANE" train corpus.txt --config ar.json --budget 1s \
    --schedule cosine --replay timed/log.jsonl --out replayed
for file in model optimizer ema; do
    same "replayed" "$(last_step replayed)/$file.safetensors" \
        "$(last_step timed)/$file.safetensors"
done

# ---- a full disk ----

# What was saved before stays, and the run goes on when there is room again.
full() {
    holds "full disk: exit code" "$rc" -eq 1
    if grep -qE "^arcane train: .*$1" err; then pass; else fail "full disk: $(cat err)"; fi
    if [ -f disk/run/latest ]; then
        ok "full disk: still readable" "$ARCANE" run disk/run --ids 1 -n 1
    fi
}
resumed() {
    ok "full disk: resume" "$ARCANE" train --out disk/run --resume
    for file in model optimizer ema; do
        same "full disk: resumed" "$(last_step disk/run)/$file.safetensors" \
            "$(last_step whole)/$file.safetensors"
    done
}

mkdir disk
if mount -t tmpfs -o size=1m tmpfs disk 2>/dev/null; then
    # umount lives on a trap of its own, before lib.sh removes the folder
    trap 'umount disk 2>/dev/null; rm -rf "$tmp"' EXIT
    limited "$ARCANE" train corpus.txt --config ar.json --keep 9 \
        --out disk/run >out 2>err && rc=0 || rc=$?
    full "No space left on device"
    holds "full disk: something was saved" -f disk/run/latest
    mount -o remount,size=64m disk
    resumed
    umount disk
else
    echo "no tmpfs here: a file size limit in place of a full disk"
fi
rm -rf disk/run
mkdir -p disk
(
    ulimit -f 60 # blocks of 512 or 1024 bytes
    limited "$ARCANE" train corpus.txt --config ar.json --out disk/run >out 2>err
) && rc=0 || rc=$?
full "File too large"
finish
