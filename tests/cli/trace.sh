#!/bin/sh
# trace.sh - the golden training traces, made with the command line only: the
# recipe of docs/formats/settings.md.
#
# The generator's recipes are ours with other names: "gpt2" is AdamW with a
# warm-up of 5 steps and a cosine to a tenth, "ar" the architecture's own.
. "$(dirname "$0")/lib.sh"

for which in gpt2 ar; do
    ok "weights of $which" "$tests/trace_weights.py" $which W_$which
done
# What the generator trains on: the first nine tenths of the bytes.
head -c 399888 "$golden/training/corpus.txt" >train.txt
tail -c +399889 "$golden/training/corpus.txt" | head -c 4097 >val.txt

# train_as WHICH NAME OPTIONS: 60 steps into run_NAME, logged in NAME.jsonl.
train_as() {
    local which=$1 name=$2
    shift 2
    [ "$which" = ar ] || set -- --lr 1e-3 --warmup 5 --final-lr 0.1 "$@"
    ok "$name" "$ARCANE" train train.txt --held-out 0 --tokenizer bytes \
        --init W_"$which" --order sequential --batch 8 --seq 64 \
        --budget 60steps --log "$name.jsonl" --out "run_$name" "$@"
}

# follows NAME TRACE STEPS TOLERANCE
follows() {
    ok "$1, $3 steps" "$compare" trace "$1.jsonl" "$golden/training/$2" "$3" "$4"
    head -1 out
}

# evaluates NAME MODEL TRACE KEY TOLERANCE: the held-out loss of 64 rows.
evaluates() {
    ok "$1" "$ARCANE" eval "$2" val.txt --seq 64 --json --device reference-f64
    mv out E.json
    ok "$1" python3 -c 'import json, sys
got, want = json.load(open("E.json"))["loss"], json.load(open(sys.argv[1]))
sys.exit(abs(got - want[sys.argv[2]]) > float(sys.argv[3]) and f"loss {got}")' \
        "$golden/training/$3" "$4" "$5"
}

train_as gpt2 gpt2_f32
follows gpt2_f32 gpt2_f64.json 60 1e-4
evaluates "gpt2 in f32, held out" run_gpt2_f32 gpt2_f64.json valN 1e-4

train_as ar ar_f32 --lambda-eps 1e-6
follows ar_f32 ar_leps1e-6_f64.json 10 1e-4
follows ar_f32 ar_leps1e-6_f64.json 60 3e-3

train_as ar ar_eps_f32 --lambda-eps 1e-10
follows ar_eps_f32 ar_f64.json 60 5e-2

# The weights of the first step are a model like any other.
cp run_gpt2_f32/tokenizer.json W_gpt2
evaluates "gpt2, held out before" W_gpt2 gpt2_f64.json val0 1e-9

if [ "$quick" != 1 ]; then
    train_as gpt2 gpt2_f64 --device reference-f64
    follows gpt2_f64 gpt2_f64.json 60 1e-9
    evaluates "gpt2, held out" run_gpt2_f64 gpt2_f64.json valN 1e-9

    train_as ar ar_f64 --lambda-eps 1e-10 --device reference-f64
    follows ar_f64 ar_f64.json 10 1e-8
    follows ar_f64 ar_f64.json 60 1e-6
    evaluates "ar, held out" run_ar_f64 ar_f64.json valN 1e-6
fi

# The page's last example: the same run as one file, with groups of its own.
page=$tests/../../docs/formats/settings.md
ok "the page's example" python3 -c 'import json, sys
text = open(sys.argv[1]).read()
d = json.loads(text[text.rindex("    {\"model\""):])
d["device"]["name"], d["run"]["log"] = "cpu", "again.jsonl"
json.dump(d, open("page.json", "w"))' "$page"
ok "the page's example" "$ARCANE" train --config page.json --out again
same "the page's example" "$(last_step again)/model.safetensors" \
    "$(last_step run_gpt2_f32)/model.safetensors"

# Every setting of a run has a line with an example that --config takes.
ok "a line for every setting" python3 -c 'import json, re, sys
rows = dict(re.findall(r"^\| `([a-z_.0-9]+)` \| `(.*?)` \|", open(sys.argv[1]).read(), re.M))
def walk(d, path):
    for k, v in d.items():
        key = path + k
        if key in rows or key == "optimizer.groups": continue
        if not isinstance(v, dict): sys.exit(key + " is not on the page")
        walk(v, key + ".")
walk(json.load(open("again/settings.json")), "")
out = {}
for key, example in rows.items():
    if "." not in key and key not in ("budget", "seed"): continue
    d = out
    for k in key.split(".")[:-1]: d = d.setdefault(k, {})
    d[key.split(".")[-1]] = json.loads(example)
del out["model"]["config"], out["model"]["init"], out["schedule"]["replay"]
json.dump(out, open("examples.json", "w"))' "$page"
ok "examples of the page" "$ARCANE" plan --config examples.json --gflops 1 \
    --bandwidth 1
finish
