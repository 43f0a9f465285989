#!/bin/sh
# bench_infer.sh - `arcane bench infer`: its tables, its JSON, its mistakes.
. "$(dirname "$0")/lib.sh"

a=$ARCANE
model=$golden/gguf/qwen3_q8_0.gguf

says "a prompt" '\| qwen3_q8_0.gguf \| q8_0 \| .* \| 1 \| pp8 \| [0-9.]+ ± [0-9.]+ \|' \
    "$a" bench infer "$model" -t 1 -p 8 -n 4 -r 2
grep -q "| tg4 |" out && pass || fail "an answer"
says "at a depth" '\| tg2 @ d16 \|' "$a" bench infer "$model" -t 1 -p 0 -n 2 -d 0,16 -r 1
grep -q "| tg2 |" out && pass || fail "and without"
says "csv" '^qwen3_q8_0.gguf,q8_0,1,8,0,0,[0-9.]+,[0-9.]+$' \
    "$a" bench infer "$model" -t 1 -p 8 -n 0 -r 1 -o csv
ok "json" "$a" bench infer "$model" -t 1 -p 8,4 -n 2 -d 3 -r 3 --json
python3 - <<'END' 2>err && pass || fail "json fields: $(cat err)"
import json, subprocess, os
out = subprocess.run([os.environ["ARCANE"], "bench", "infer", "--random",
                      "llama-5m:q8_0", "-t", "1", "-p", "8,4", "-n", "2",
                      "-d", "3", "-r", "3", "--json"], check=True,
                     stdout=subprocess.PIPE).stdout
rows = json.loads(out)
assert [(r["n_prompt"], r["n_gen"]) for r in rows] == [(8, 0), (4, 0), (0, 2)]
for r in rows:
    assert r["n_depth"] == 3 and r["n_threads"] == 1 and r["type"] == "q8_0"
    s = r["samples_ts"]
    assert len(s) == 3 and min(s) > 0
    assert abs(sum(s) / 3 - r["avg_ts"]) < 1e-6 * r["avg_ts"]
    assert r["stddev_ts"] >= 0
END
ok "kept" "$a" bench infer --random llama-5m:q4_0 --keep kept.gguf -t 1 -p 4 -n 0 -r 1
says "kept, its types" 'q4_0' "$a" inspect kept.gguf

# Guesses: what is written greedily, without and with them.
printf 'one two three one two three one two three one two' >text
says "guesses" '\| tg6 look-up \([0-9]+ of [0-9]+ right\) @ d[0-9]+ \|' \
    "$a" bench infer "$model" -t 1 -p 0 -n 6 -r 1 --look-up --draft "$model" --text text
grep -q '| tg6 draft (' out && grep -q '| tg6 @ d' out && pass || fail "a draft, and none"
says "guesses, csv" '^qwen3_q8_0.gguf,q8_0,1,0,6,9,[0-9.]+,[0-9.]+,draft,[0-9]+,[0-9]+$' \
    "$a" bench infer "$model" -t 1 -p 4 -n 6 -d 9 -r 1 --draft "$model" -o csv
ok "guesses, json" "$a" bench infer "$model" -t 1 -p 4 -n 40 -r 2 --draft "$model" --draft-max 3 --json
python3 - <<'END' 2>err && pass || fail "guesses, json: $(cat err)"
import json
rows = json.load(open("out"))
assert [r.get("guess") for r in rows] == [None, "none", "draft"]
assert rows[1]["guessed_tokens"] == 0 and rows[1]["n_depth"] == 1
# Guesses of the model itself are right, but for those behind the end.
assert 0 < rows[2]["right_guesses"] <= rows[2]["guessed_tokens"]
END
refuses "text without guesses" 2 '--text: only with' "$a" bench infer "$model" --text text
refuses "no text" 1 'none.txt' "$a" bench infer "$model" --look-up --text none.txt
: >empty
refuses "an empty text" 2 'has no text' "$a" bench infer "$model" --look-up --text empty
refuses "a short text" 2 'has only [0-9]+ tokens' "$a" bench infer "$model" -p 0 --look-up --text text -d 100
refuses "another vocabulary" 1 'vocabulary' "$a" bench infer --random llama-5m:q8_0 -p 0 -n 4 --draft "$model"

refuses "no model" 2 'MODEL or --random' "$a" bench infer -p 4
refuses "both" 2 'MODEL or --random' "$a" bench infer "$model" --random llama-5m
refuses "a shape there is not" 1 'no preset|llama-9z' "$a" bench infer --random llama-9z
refuses "a type there is not" 2 'q9' "$a" bench infer --random llama-5m:q9
refuses "a model GGUF cannot say" 1 'no GGUF form' "$a" bench infer --random tiny
refuses "no number" 2 'prompt' "$a" bench infer "$model" -p many
refuses "a negative number" 2 'negative' "$a" bench infer "$model" -n -3
refuses "no reps" 2 'reps' "$a" bench infer "$model" -r 0
refuses "a form there is not" 2 'md, csv or json' "$a" bench infer "$model" -o xml
refuses "too long" 2 'context' "$a" bench infer "$model" -p 10000000
refuses "keep without random" 2 'keep' "$a" bench infer "$model" --keep x.gguf
finish
