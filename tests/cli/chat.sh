#!/bin/sh
# chat.sh - conversations typed into a pipe: answers, commands, mistakes.
. "$(dirname "$0")/lib.sh"

a=$ARCANE
model=$golden/gguf/qwen3_q8_0.gguf
plain=$golden/gguf/gpt2_q8_0.gguf
talk() { # talk LINES OPTION ...: the lines go in one by one
    local lines=$1
    shift
    printf '%b' "$lines" | "$a" chat "$@" -n 6 --temp 0 -t 1
}

talk 'Hello\n' "$model" >one 2>err && [ -s one ] && pass || fail "chat answers: $(cat err)"
talk 'Hello\nAnd?\n' "$model" >two 2>err && pass || fail "chat answers twice: $(cat err)"
[ "$(wc -l <two)" -ge "$(wc -l <one)" ] && head -n "$(wc -l <one)" two | cmp -s - one &&
    pass || fail "the first answer depends on the second question"
talk 'Hello\n/undo\nHello\n' "$model" >again 2>err && cat one one | cmp -s - again &&
    pass || fail "/undo and the same question give another answer"
talk 'Hello\n/reset\nHello\n' "$model" >again 2>err && cat one one | cmp -s - again &&
    pass || fail "/reset and the same question give another answer"
talk '/system Be brief.\nHello\n/save turns.json\n' "$model" >out 2>err &&
    grep -q '"system"' turns.json && grep -q '"assistant"' turns.json &&
    pass || fail "/save: $(cat err)"
talk '/load turns.json\n/undo\nHello\n' "$model" >again 2>err && cmp -s out again &&
    pass || fail "/load goes on with another conversation"
talk '"""\nHello\n"""\n' "$model" >again 2>err && cmp -s one again &&
    pass || fail "a text between quotes is another text"
talk '"""\n\nHello\n\nyou\n\n"""\n/save block.json\n' "$model" >again 2>err &&
    grep -q '"content": "\\nHello\\n\\nyou"' block.json && pass || fail "empty lines of a text: $(cat block.json)"
talk 'Hello\n' "$model" --stats >again 2>err && cmp -s one again && grep -q 'context' err &&
    pass || fail "--stats says nothing on stderr"
talk 'In the beginning\n' "$plain" >out 2>err && [ -s out ] && pass || fail "no template: $(cat err)"

# Held to a form: every answer anew, also where /set says so; stops end one.
cat >few.gbnf <<'GBNF'
root ::= ("yes" | "no") " é"
GBNF
# shows NAME WANTED LINES OPTION ...: what is printed.
shows() {
    local name=$1 wanted=$2
    shift 2
    talk "$@" >out 2>err && [ "$(cat out)" = "$wanted" ] && pass ||
        fail "$name: $(head -c 200 out err)"
}
talk 'Hello\nAnd?\n' "$model" --grammar few.gbnf >out 2>err && [ "$(wc -l <out)" = 2 ] &&
    [ "$(grep -cE '^(yes|no) é$' out)" = 2 ] && pass || fail "--grammar: $(head -c 200 out err)"
shows "--json-schema" '[1,2]' 'Hello\n' "$model" --json-schema '{"const": [1, 2]}'
shows "/set json-schema" '[3]' '/set json-schema {"const": [3]}\nHello\n' "$model"
shows "/set another" "7
7" '/set json-schema {"const": 7}\nHello\n/set stop never\nHello\n' "$model" --grammar few.gbnf
talk '/set grammar few.gbnf\nHello\n/undo\n/set grammar\nHello\n' "$model" >out 2>err &&
    tail -n +2 out | cmp -s - one && pass || fail "/set grammar and none: $(head -c 200 out err)"
talk 'Hello\n/save kept.json\n' "$model" --json-schema '{"const": "abcd"}' --stop c >out 2>err &&
    [ "$(cat out)" = '"ab' ] && grep -q '"content": "\\"ab"' kept.json && pass ||
    fail "--stop: $(head -c 200 out err)"
shows "--stop in every answer" '"ab
"ab' 'Hello\nAnd?\n' "$model" --json-schema '{"const": "abcd"}' --stop c
shows "/set stop" '"ab
"abcd"' '/set stop c\nHello\n/set stop\nHello\n' "$model" --json-schema '{"const": "abcd"}' --stop a
if grep -q "$(printf '\033')" one; then fail "escape codes in a pipe"; else pass; fi

# mistake NAME CODE PATTERN LINES OPTION ...
mistake() {
    local name=$1 code=$2 pattern=$3 rc
    shift 3
    talk "$@" >out 2>err && rc=0 || rc=$?
    if [ "$rc" -eq "$code" ] && grep -qE "$pattern" err; then
        pass
    else
        fail "$name: exit code $rc: $(head -c 300 err)"
    fi
}
mistake "unknown command" 2 'no such command' '/bogus\n' "$model"
mistake "bad number" 2 '/set' '/set temp warm\n' "$model"
mistake "out of range" 2 'top-p|top_p' '/set top-p 3\n' "$model"
mistake "no grammar" 1 'none.gbnf' '/set grammar none.gbnf\n' "$model"
mistake "both" 2 'not both' '' "$model" --grammar few.gbnf --json-schema '{}'
mistake "a bad schema" 1 'line 1' '' nowhere --json-schema '{"a"'
mistake "a stop too long" 2 'stop' "/set stop $(head -c 2000 /dev/zero | tr '\0' x)\n" "$model"
mistake "missing conversation" 1 'none.json' '/load none.json\n' "$model"
mistake "missing model" 1 'none.gguf' 'Hello\n' none.gguf
mistake "not a model" 1 'turns.json' 'Hello\n' turns.json
mistake "negative context" 2 'context' 'Hello\n' "$model" -c -5
finish
