#!/bin/sh
# ane_verify.sh - arcane ane verify: exit codes, places, JSON, weight files.
. "$(dirname "$0")/lib.sh"

a=$ARCANE

# verifies NAME CODE WORD ARGUMENT ...: its exit code, and what it prints.
verifies() {
    local name=$1 code=$2 word=$3 rc
    shift 3
    limited "$a" ane verify "$@" >out 2>err && rc=0 || rc=$?
    if [ "$rc" -eq "$code" ] && ! crashed 0 && grep -qF -- "$word" out err; then
        pass
    else
        fail "$name: exit code $rc, wanted $code with \"$word\": $(cat out err | head -c 400)"
    fi
}

# program TYPE STATEMENT: one statement from x to y.
program() {
    printf 'program(1.3)\n[buildInfo = dict<string, string>({{"coremlc-version", "1"}})]\n{\n'
    printf ' func main<ios18>(tensor<fp16, %s> x) {\n  %s\n } -> (y);\n}\n' "$1" "$2"
}

shape='[1, 128, 1, 64]'
program "$shape" "tensor<fp16, $shape> y = relu(x = x);" >good.mil
program "$shape" "tensor<fp16, $shape> y = tan(x = x);" >tan.mil
program "$shape" "tensor<fp16, $shape> y = gelu(x = x);" >gelu.mil
program "$shape" "tensor<fp16, $shape> y = relu(x = z);" >dangling.mil
program "$shape" "tensor<fp16, [1, 128, 1, 32]> y = relu(x = x);" >shape.mil
program "$shape" "tensor<fp16, [2]> w = const()[val = tensor<fp16, [2]>(BLOBFILE(path = string(\"@model_path/weights/w.bin\"), offset = uint64(64)))]; tensor<fp16, $shape> y = relu(x = x);" >weights.mil

verifies "nothing is found" 0 "0 findings, 0 count" good.mil --chip m4 --os 15
verifies "a finding" 1 'tan.mil:5:37: tan "y"' tan.mil --chip m4 --os 15
verifies "what to write instead" 1 'instead: compute it on the CPU' tan.mil
verifies "folklore does not count" 0 'does not count' gelu.mil --chip m4 --os 15
verifies "folklore counts" 1 '1 count' gelu.mil --chip m4 --os 15 --strict
verifies "a chip that is not known" 1 '"m8" is not known' gelu.mil --chip m8
verifies "M1 on an old macOS" 1 'A22' good.mil --chip m1 --os 14
verifies "M1 on a new macOS" 0 '0 count' good.mil --chip m1 --os 26
verifies "a dangling name" 1 'dangling.mil:5:46: ' dangling.mil --chip m4
verifies "a shape that does not follow" 1 'shape.mil:5:33: relu: "y" is declared' shape.mil --chip m4
verifies "no chip" 2 'is no chip' good.mil --chip intel
verifies "no version" 2 'is no version' good.mil --os new
verifies "no file" 1 'none.mil' none.mil
verifies "no folder" 1 'is no folder' weights.mil --weights none
mkdir weights
verifies "no weight file" 1 'w.bin" cannot be read' weights.mil --weights . --chip m4
printf 'short' >weights/w.bin
verifies "a damaged weight file" 1 'G6b' weights.mil --weights . --chip m4

# In a pipe there are no colours.
limited "$a" ane verify tan.mil >out 2>&1
if grep -q "$(printf '\033')" out; then fail "colours in a pipe"; else pass; fi

limited "$a" ane verify tan.mil --chip m4 --os 15.5 --json >out 2>err
if python3 - <<'END'; then pass; else fail "the object of --json: $(head -c 400 out)"; fi
import json
o = json.load(open("out"))
f = o["findings"]
assert o["chip"] == "m4" and o["os"] == "15.5" and o["counting"] == 1 == o["found"] == len(f)
assert f[0]["rule"] == "R1" and f[0]["line"] == 5 and f[0]["column"] == 37 and f[0]["counts"] is True
assert f[0]["confidence"] == "A" and f[0]["sources"] and f[0]["instead"] and "S1" in o["not_evaluated"]
END
finish
