#!/bin/sh
# template.sh - the chat template of every kind of model, by `arcane template`.
. "$(dirname "$0")/lib.sh"

a=$ARCANE
ask='{"messages": [{"role": "user", "content": "Hi"}]}'
source_='{{ bos_token }}{{ messages[0].content }}'

# renders NAME TEXT ARGUMENT ...
renders() {
    local name=$1 want=$2 rc
    shift 2
    printf '%s' "$ask" | limited "$a" template "$@" >out 2>err && rc=0 || rc=$?
    if [ "$rc" -eq 0 ] && ! crashed 0 && [ "$(cat out)" = "$want" ]; then
        pass
    else
        fail "$name: exit code $rc: $(head -c 200 out) $(head -c 300 err)"
    fi
}

printf '%s' '{{ messages[0].role }}' >chat.jinja
renders "a file" '{"text": "user"}' chat.jinja

mkdir list json file
cat >list/tokenizer_config.json <<END
{"bos_token": {"content": "<s>"}, "chat_template": [
  {"name": "tool_use", "template": "tools {{ bos_token }}"},
  {"name": "default", "template": "$source_"}]}
END
renders "a list" '{"text": "<s>Hi"}' list
renders "a list, by name" '{"text": "tools <s>"}' list --name tool_use
mkdir list/additional_chat_templates
printf 'extra' >list/additional_chat_templates/rag.jinja
renders "a file by name" '{"text": "extra"}' list --name rag

echo '{"chat_template": "json {{ messages|length }}"}' >json/chat_template.json
echo '{"bos_token": "<b>", "chat_template": "old"}' >json/tokenizer_config.json
renders "chat_template.json goes first" '{"text": "json 1"}' json
cp json/*.json file
printf '%s' "$source_" >file/chat_template.jinja
renders "chat_template.jinja goes first" '{"text": "<b>Hi"}' file

cp "$golden/models/gpt2/"*.json "$golden/models/gpt2/model.safetensors" file
cp "$golden/tokenizers/bpe_gpt2/tokenizer.json" file
ok "to gguf" "$a" convert file --to gguf --out m.gguf
# Its beginning of text is token 0, the first of the alphabet.
renders "a GGUF file" '{"text": "!Hi"}' m.gguf

# mistake NAME PATTERN ARGUMENT ...: {"error"} or a sentence, and exit code 1
mistake() {
    local name=$1 pattern=$2 rc
    shift 2
    printf '%s' "$ask" | limited "$a" template "$@" >out 2>err && rc=0 || rc=$?
    if [ "$rc" -eq 1 ] && cat out err | grep -qE "$pattern"; then
        pass
    else
        fail "$name: exit code $rc: $(head -c 300 out) $(head -c 300 err)"
    fi
}
mistake "no such name" 'no chat template "nope"' list --name nope
mistake "a name with a slash" 'no name of a template' list --name ../x
mistake "GGUF, no such name" 'no chat template "nope"' m.gguf --name nope
mistake "no template" 'no chat template' "$golden/models/llama"
mistake "no file" 'none' none
printf '{{ x' >bad.jinja
mistake "damaged" 'bad.jinja:1' bad.jinja
echo '[]' >json/chat_template.json
mistake "not an object" 'template|object' json --name x
head -c 200 m.gguf >short.gguf
mistake "a damaged GGUF" 'short.gguf' short.gguf
finish
