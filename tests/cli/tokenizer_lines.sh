#!/bin/sh
# tokenizer_lines.sh - `arcane tokenizer` over JSON lines: every recorded text
# of every tokenizer, and mistakes.
. "$(dirname "$0")/lib.sh"

a=$ARCANE

# The texts of encodings.json as lines, and what was answered against it.
cat >lines.py <<'END'
import json, sys
what, folder = sys.argv[1:3]
root = json.load(open(folder + "/encodings.json"))
cases = root["cases"]
part = lambda key: root.get(key, [] if "decoded" not in key else "")
for c in cases:  # what is not said of a case is as for the others
    space = " " if c.get("space") else ""
    c.setdefault("ids_special", part("before") + c["ids"] + part("after"))
    c.setdefault("decoded", part("decoded_before") + space + c["text"] +
                 part("decoded_after"))
    c.setdefault("decoded_skip", space + c["text"])
rows = [(c, s) for c in cases for s in (False, True)]
if what == "ask":
    for c, s in rows:
        print(json.dumps({"text": c["text"], "add_special": s}))
elif what == "ids":
    for (c, s), line in zip(rows, open("out"), strict=True):
        want = c["ids_special"] if s else c["ids"]
        assert json.loads(line) == {"ids": want}, (c["text"], line, want)
elif what == "back":
    for c in cases:
        for skip in (False, True):
            print(json.dumps({"ids": c["ids_special"], "skip_special": skip}))
else:
    lines = iter(open("out"))
    for c in cases:
        for key in ("decoded", "decoded_skip"):
            assert json.loads(next(lines)) == {"text": c[key]}, (c, key)
    assert next(lines, None) is None
END
for folder in "$golden"/tokenizers/*/; do
    name=$(basename "$folder")
    [ -f "$folder/tokenizer.json" ] || continue
    python3 lines.py ask "$folder" >ask
    "$a" tokenizer encode "$folder" <ask >out 2>err && python3 lines.py ids "$folder" 2>>err &&
        pass || fail "$name, encode: $(head -c 400 err)"
    python3 lines.py back "$folder" >ask
    "$a" tokenizer decode "$folder" <ask >out 2>err && python3 lines.py text "$folder" 2>>err &&
        pass || fail "$name, decode: $(head -c 400 err)"
done

# GGUF files have tokenizers too.
python3 - "$golden/gguf/qwen3_q8_0.json" <<'END' >ask
import json, sys
for case in json.load(open(sys.argv[1]))["tokenizer"]:
    print(json.dumps({"text": case["text"], "want": case["ids"]}))
END
"$a" tokenizer encode "$golden/gguf/qwen3_q8_0.gguf" <ask >out 2>err && python3 - <<'END' 2>>err && pass || fail "GGUF: $(head -c 400 err)"
import json
for a, b in zip(open("ask"), open("out"), strict=True):
    assert json.loads(a)["want"] == json.loads(b)["ids"], (a, b)
END

# A bad line is answered with a sentence, and the others are answered.
printf '{"text": "a"}\n{"text": 1}\n\nnonsense\n{"text": "b"}' >ask
"$a" tokenizer encode bytes <ask >out 2>err && rc=0 || rc=$?
[ "$rc" -eq 1 ] && [ "$(grep -c '"ids"' out)" -eq 2 ] && [ "$(grep -c '"error"' out)" -eq 2 ] &&
    pass || fail "bad lines: exit code $rc: $(cat out err)"
for line in '{"ids": 1}' '{"ids": [256]}' '{"ids": [-1]}' '{"ids": ["a"]}' '{"ids": [1.5]}'; do
    echo "$line" | "$a" tokenizer decode bytes >out 2>err && rc=0 || rc=$?
    [ "$rc" -eq 1 ] && grep -q '{"error"' out && pass || fail "$line: $(cat out)"
done

# Text that only looks like it.
printf '{"text": "a"}' | "$a" tokenizer encode bytes --raw --json >out 2>err &&
    [ "$(tr -cd , <out | wc -c)" -eq 12 ] && pass || fail "raw: $(cat out err)"
printf '{\0 "text"' | "$a" tokenizer encode bytes >out 2>err && grep -q '^123 0 32 ' out &&
    pass || fail "not JSON: $(cat out err)"
finish
