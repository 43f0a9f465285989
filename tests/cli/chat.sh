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
talk 'Hello\n' "$model" --stats >again 2>err && cmp -s one again && grep -q 'context' err &&
    pass || fail "--stats says nothing on stderr"
talk 'In the beginning\n' "$plain" >out 2>err && [ -s out ] && pass || fail "no template: $(cat err)"
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
mistake "missing conversation" 1 'none.json' '/load none.json\n' "$model"
mistake "missing model" 1 'none.gguf' 'Hello\n' none.gguf
mistake "not a model" 1 'turns.json' 'Hello\n' turns.json
mistake "negative context" 2 'context' 'Hello\n' "$model" -c -5
finish
