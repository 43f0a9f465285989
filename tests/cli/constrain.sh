#!/bin/sh
# constrain.sh - grammars, JSON schemas and stop strings of arcane run.
. "$(dirname "$0")/lib.sh"

a=$ARCANE
model=$golden/gguf/qwen3_q8_0.gguf
bare=$golden/models/llama

# field NAME: of the object in out.
field() {
    python3 -c 'import json, sys; print(json.load(open("out"))[sys.argv[1]])' "$1"
}

# A grammar that allows few texts: one of them is written, whatever the seed.
cat >few.gbnf <<'END'
root ::= ("yes" | "no") " é"{2}
END
for seed in 1 2 3; do
    ok "few, $seed" "$a" run "$model" "Hello" --grammar few.gbnf --seed $seed --temp 2 --top-k 0 --json
    holds "few, $seed: reason" "$(field finish_reason)" = grammar
    case "$(field text)" in
    'yes é é' | 'no é é') pass ;;
    *) fail "few, $seed: wrote $(field text)" ;;
    esac
done

# Log-probabilities are those of what may be chosen, and of the raw scores.
ok "logprobs" "$a" run "$model" "Hello" --grammar few.gbnf --json --logprobs 3 --temp 1
python3 - <<'END' && pass || fail "logprobs: $(head -c 300 out)"
import json, math
o = json.load(open("out"))
assert len(o["logprobs"]) == len(o["ids"]) == o["timings"]["generated_tokens"]
for one, id in zip(o["logprobs"], o["ids"]):
    assert one["id"] == id and one["sampled"]["logprob"] <= 0
    assert one["raw"]["logprob"] <= one["sampled"]["logprob"] + 1e-9
    assert abs(sum(math.exp(t["logprob"]) for t in one["sampled"]["top"])) <= 1 + 1e-9
    assert len(one["raw"]["top"]) == 3
END

# A schema: what is written is JSON that it allows.
cat >person.json <<'END'
{"type": "object",
 "properties": {"name": {"type": "string", "maxLength": 8},
                "age": {"type": "integer", "minimum": 18, "maximum": 99},
                "kind": {"enum": ["a", "b"]}},
 "required": ["name", "age", "kind"]}
END
for seed in 1 2 3 4; do
    ok "schema, $seed" "$a" run "$model" "Hello" --json-schema person.json --seed $seed --temp 1.5 --top-k 0 --json -n 64
    python3 - <<'END' && pass || fail "schema, $seed: $(head -c 300 out)"
import json
o = json.load(open("out"))
v = json.loads(o["text"])
assert list(v) == ["name", "age", "kind"] and len(v["name"]) <= 8
assert 18 <= v["age"] <= 99 and v["kind"] in "ab"
assert o["finish_reason"] in ("eos", "grammar")
END
done
ok "schema in the command" "$a" run "$model" "Hello" --json-schema '{"enum": [12, null]}' --json
holds "schema in the command" "$(field text)" = 12 -o "$(field text)" = null
ok "any object" "$a" run "$model" "Hello" --json-schema json_object -n 5 --json
case "$(field text)" in
'{'*) pass ;;
*) fail "any object: wrote $(field text)" ;;
esac
# Without --json the text follows the prompt, which may come from a pipe.
printf 'Hello' | limited "$a" run "$model" - --json-schema '{"const": [1, 2]}' >out 2>err
holds "from a pipe: $(cat err)" "$(cat out)" = "[1,2]"
ok "printed" "$a" run "$model" "Hello" --json-schema '{"const": [1, 2]}'
holds "printed" "$(cat out)" = "Hello[1,2]"

# A text that --tokens cuts off is not whole; one that just fits is.
ok "counted" "$a" run "$model" "Hello" --json-schema '{"const": [1, 2]}' --json
n=$(python3 -c 'import json; print(json.load(open("out"))["timings"]["generated_tokens"])')
ok "fits" "$a" run "$model" "Hello" --json-schema '{"const": [1, 2]}' --json -n "$n"
holds "fits: reason" "$(field finish_reason) $(field text)" = "grammar [1,2]"
ok "cut" "$a" run "$model" "Hello" --json-schema '{"const": [1, 2]}' --json -n "$((n - 1))"
holds "cut: reason" "$(field finish_reason)" = length

# Stop strings: the greedy text ends in front of one, wherever it is cut.
ok "no stop" "$a" run "$model" "Hello" --greedy --json -n 24
holds "no stop: reason" "$(field finish_reason)" = length
cp out whole
python3 - >stops <<'END'
import json
t = json.load(open("whole"))["text"]
seen = []
for n in (1, 2, 3, 5):
    for at in (0, len(t) // 3, len(t) // 2):
        s = t[at:at + n]
        if s.strip() and "\n" not in s and "\\" not in s and "\0" not in s and "\ufffd" not in s:
            print(s)
END
while IFS= read -r stop; do
    ok "stop" "$a" run "$model" "Hello" --greedy --json -n 24 --stop "never here" --stop "$stop"
    STOP=$stop python3 - <<'END' && pass || fail "stop \"$stop\": $(head -c 300 out)"
import json, os
stop, o, t = os.environ["STOP"], json.load(open("out")), json.load(open("whole"))["text"]
assert o["text"] == t[:t.index(stop)] and o["finish_reason"] == "stop" and o["stop"] == stop
END
done <stops
holds "stops were tried" -s stops

# What is refused, before the model is read where that can be.
printf 'root ::= "a\n' >bad.gbnf
refuses "bad grammar" 1 'bad.gbnf: line 1, column 10: the text is not closed' "$a" run nowhere "x" --grammar bad.gbnf
printf 'root ::= root "a"\n' >left.gbnf
refuses "left recursion" 1 'rule "root" calls itself' "$a" run nowhere "x" --grammar left.gbnf
refuses "no grammar" 1 'none.gbnf' "$a" run "$model" "x" --grammar none.gbnf
refuses "bad schema" 1 '/properties/a: "multipleOf"' "$a" run "$model" "x" --json-schema '{"properties": {"a": {"multipleOf": 2}}}'
refuses "no JSON" 1 'json-schema: line 1' "$a" run "$model" "x" --json-schema '{"a"'
refuses "no schema" 1 'none.json' "$a" run "$model" "x" --json-schema none.json
refuses "both" 2 'not both' "$a" run "$model" "x" --json-schema '{}' --grammar few.gbnf
refuses "empty stop" 2 'stop string is empty' "$a" run "$model" "x" --stop ""
refuses "no tokenizer" 1 'needs a tokenizer' "$a" run "$bare" --ids 1,2 --grammar few.gbnf
finish
