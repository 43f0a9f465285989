#!/bin/sh
# pull.sh - arcane pull, list and remove against a server that misbehaves, and
# names of fetched models in the other commands.
. "$(dirname "$0")/lib.sh"

a=$ARCANE
server=$(dirname "$a")/tests/hub_server
if [ ! -x "$server" ]; then
    fail "$server is missing"
    finish
fi
export HOME="$tmp" ARCANE_HOME="$tmp/home"
unset HF_TOKEN HUGGING_FACE_HUB_TOKEN HF_HOME HF_TOKEN_PATH http_proxy all_proxy
models=$ARCANE_HOME/models

mkdir files gguf
cp "$golden/models/llama/"* files/ 2>/dev/null
rm -rf files/*.md
head -c 3000000 /dev/urandom >files/ignored.bin
head -c 40000000 /dev/zero >gguf/m-F16.gguf # more than one segment
head -c 500000 /dev/urandom >gguf/m-Q4_K_M.gguf
head -c 300000 /dev/urandom >gguf/m-Q8_0.gguf

# serve FOLDER FAULT ...: sets $url and HF_ENDPOINT; ends when fd 3 is closed.
serve() {
    rm -f pipe url
    mkfifo pipe
    "$server" "$@" <pipe >url &
    exec 3>pipe
    for _ in $(seq 200); do
        [ -s url ] && break
        sleep 0.05
    done
    url=$(cat url)
    export HF_ENDPOINT="$url"
}
quit() {
    exec 3>&-
    wait
}

# fails NAME PATTERN COMMAND ...: as refuses, behind lines about progress.
fails() {
    local name=$1 pattern=$2 rc
    shift 2
    limited "$@" >out 2>err </dev/null && rc=0 || rc=$?
    if [ "$rc" -eq 1 ] && ! crashed 1 && [ ! -s out ] &&
        tail -1 err | grep -qE -- "^arcane pull: .*$pattern"; then
        pass
    else
        fail "$name: exit code $rc, wanted \"$pattern\": $(head -c 300 err)"
    fi
}

# ---- a model that is used ----

refuses "before pull" 1 "arcane pull hf:test/model" "$a" inspect hf:test/model
says "list of nothing" "nothing in .*home/models" "$a" list
serve files
ok "pull" "$a" pull hf:test/model
holds "pull prints the path" "$(cat out)" = "$models/hf/test/model"
holds "pull is plain in a pipe" "$(grep -c "$(printf '[\033\r]')" err)" -eq 0
cp err told
says "the files are told" 'model.safetensors \([0-9]+ of [0-9]+\)' cat told
for f in config.json model.safetensors; do
    same "$f" files/$f "$models/hf/test/model/$f"
done
holds "no more than a model" ! -e "$models/hf/test/model/ignored.bin"
says "pull again" "all of it already here" "$a" pull hf:test/model
says "pull --json" '"fetched": 0' "$a" pull hf:test/model --json
mv out got
ok "pull --json" python3 -c 'import json
d = json.load(open("got"))
assert d["files"] >= 2 and d["bytes"] > 1000 and len(d["commit"]) == 40'
ok "inspect by name" "$a" inspect hf:test/model --json
mv out by-name
ok "inspect by path" "$a" inspect "$models/hf/test/model" --json
same "inspect" out by-name
ok "run by name" "$a" run hf:test/model --ids 1,2,3 -n 4 --greedy
says "list" '^hf:test/model  .*[KM]iB  2' "$a" list
ok "list --json" "$a" list --json
mv out got
ok "list --json" python3 -c 'import json
d = json.load(open("got"))
assert [m["name"] for m in d["models"]] == ["hf:test/model"]
assert d["models"][0]["whole"] and d["models"][0]["date"].endswith("Z")'
ok "remove" "$a" remove hf:test/model
holds "remove" ! -e "$models/hf/test"
refuses "remove again" 1 "is not here" "$a" remove hf:test/model
refuses "inspect after remove" 1 "arcane pull" "$a" inspect hf:test/model
quit

# ---- choices, and what goes wrong ----

serve gguf drop 0 9000000
ok "drops" "$a" pull hf:test/model:f16
same "drops" gguf/m-F16.gguf "$models/hf/test/model/m-F16.gguf"
ok "a choice" "$a" pull hf:test/model
holds "Q4_K_M without a choice" "$(cat out)" = "$models/hf/test/model/m-Q4_K_M.gguf"
refuses "no such choice" 1 'has no file "Q3_K"' "$a" pull hf:test/model:Q3_K
ok "URL" "$a" pull "$url/files/m-Q8_0.gguf" \
    --sha256 "$(python3 -c 'import hashlib
print(hashlib.sha256(open("gguf/m-Q8_0.gguf", "rb").read()).hexdigest())')"
same "URL" gguf/m-Q8_0.gguf "$(cat out)"
says "list" "^$url/files/m-Q8_0.gguf " "$a" list
holds "three models" "$(wc -l <out)" -eq 3
refuses "all without yes" 2 "say --yes" "$a" remove --all
refuses "nothing to remove" 2 "say what" "$a" remove
refuses "remove a path" 2 "not the name of a fetched model" "$a" remove "$models"
ok "remove one" "$a" remove hf:test/model:F16
holds "the other stays" -e "$models/hf/test/model/m-Q4_K_M.gguf"
ok "remove all" "$a" remove --all --yes
says "nothing left" "nothing in" "$a" list
holds "no file is left" "$(find "$models" -type f | wc -l)" -eq 0
quit

serve gguf wrong
fails "wrong bytes" "SHA-256 is [0-9a-f]{64}, not [0-9a-f]{64}" \
    "$a" pull hf:test/model:Q8_0
holds "wrong bytes are removed" "$(find "$models" -name '*.part*' | wc -l)" -eq 0
quit
serve gguf long 0 1
fails "too long" "lengths that do not agree" \
    "$a" pull hf:test/model:Q8_0 --retries 0
quit
serve gguf no-range
ok "no ranges" "$a" pull hf:test/model:F16
quit
serve gguf status 0 401
fails "401" "HF_TOKEN" "$a" pull hf:test/model:Q4_K_M
quit
serve gguf status 1 503
says "503" "the server answers 503; trying again in 1 s" \
    "$a" pull hf:test/model:Q8_0
quit
refuses "nobody there" 1 "cannot be reached .*scripts/models" \
    "$a" pull hf:test/model
refuses "no name" 2 "hf:OWNER/NAME" "$a" pull model.gguf
refuses "connections" 2 "connections" "$a" pull hf:a/b --connections 0
refuses "http endpoint" 2 "HF_ENDPOINT" env HF_ENDPOINT=nonsense "$a" pull hf:a/b

# ---- https ----

cat >https.py <<'END'
import http.server, ssl, sys
class Handler(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        if "down" not in self.path: return super().do_GET()
        self.send_response(302)
        self.send_header("Location", "http://127.0.0.1:9/x")
        self.end_headers()
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("cert.pem", "key.pem")
server.socket = context.wrap_socket(server.socket, server_side=True)
print("https://localhost:%d" % server.server_port, flush=True)
server.serve_forever()
END
if openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 \
    -subj /CN=localhost -addext subjectAltName=DNS:localhost 2>/dev/null; then
    rm -f url
    python3 https.py >url 2>/dev/null &
    process=$!
    for _ in $(seq 200); do
        [ -s url ] && break
        sleep 0.05
    done
    url=$(cat url)
    fails "a certificate nobody knows" "SSL|certificate" \
        "$a" pull "$url/gguf/m-Q8_0.gguf"
    export SSL_CERT_FILE="$tmp/cert.pem"
    ok "https" "$a" pull "$url/gguf/m-Q8_0.gguf"
    same "https" gguf/m-Q8_0.gguf "$(cat out)"
    fails "https to http" "leads from https to http" "$a" pull "$url/down.gguf"
    unset SSL_CERT_FILE
    kill $process
    wait $process 2>/dev/null
fi

# ---- a disk that is full ----

serve gguf
mkdir disk
cat >full.sh <<'END'
mount -t tmpfs -o size=20m tmpfs disk || exit 1
export ARCANE_HOME=$PWD/disk
"$ARCANE" pull hf:test/model:F16 2>room
echo $? >>room
"$ARCANE" pull "$1/files/m-F16.gguf" 2>full
echo $? >>full
"$ARCANE" list >listed
mount -o remount,size=80m disk
"$ARCANE" pull "$1/files/m-F16.gguf" --json >again
cmp gguf/m-F16.gguf disk/models/url/*/files/m-F16.gguf
echo $? >>again
END
if unshare -Urm sh -c 'mount -t tmpfs tmpfs disk' 2>/dev/null; then
    unshare -Urm sh full.sh "$url" >out 2>err </dev/null
    says "no room" "MB are to be fetched and only [0-9.]+ MB are free" cat room
    holds "no room" "$(tail -1 room)" -eq 1
    says "a full disk" "No space left on device; what came is kept" cat full
    holds "a full disk" "$(tail -1 full)" -eq 1
    says "a full disk" "m-F16.gguf .* 1[0-9]\.[0-9]* MiB .*not whole" cat listed
    ok "more room" python3 -c 'import json
lines = open("again").read().split("\n")
assert lines[1] == "0" and json.loads(lines[0])["fetched"] < 30000000, lines'
fi
quit

# ---- Ctrl-C, two at a time ----

rm -rf "$ARCANE_HOME"
serve gguf slow 0 300000
"$a" pull hf:test/model:F16 >out2 2>err2 &
process=$!
part=$models/hf/test/model/.m-F16.gguf.part
for _ in $(seq 200); do
    [ -s "$part" ] && break
    sleep 0.05
done
refuses "two at a time" 1 "another process" "$a" pull hf:test/model:Q8_0
refuses "remove meanwhile" 1 "is being fetched" "$a" remove hf:test/model
kill -INT $process
wait $process
holds "Ctrl-C" $? -eq 1
says "Ctrl-C" "the same command goes on from there" cat err2
holds "Ctrl-C keeps the part" -s "$part" -a -s "$part.json"
says "list of a part" "^hf:test/model:m-F16.gguf .*not whole, of 38.15 MiB" "$a" list
refuses "a part is no model" 1 "not whole yet; fetch it: arcane pull hf:test/model" \
    "$a" inspect hf:test/model:F16
quit
serve gguf
had=$(python3 -c 'import json, sys
print(sum(json.load(open(sys.argv[1]))["done"]))' "$part.json")
ok "goes on" "$a" pull hf:test/model:F16 --json
mv out got
ok "only the rest" python3 -c 'import json, sys
d = json.load(open("got"))
assert d["fetched"] == 40000000 - int(sys.argv[1]) < 40000000, (d, sys.argv)' "$had"
same "after Ctrl-C" gguf/m-F16.gguf "$models/hf/test/model/m-F16.gguf"

# kill -9 loses a few seconds of work and nothing else
rm -rf "$ARCANE_HOME"
quit
serve gguf slow 0 300000
"$a" pull hf:test/model:F16 >out2 2>err2 &
process=$!
for _ in $(seq 200); do
    [ -s "$part" ] && break
    sleep 0.05
done
kill -9 $process
wait $process 2>/dev/null
quit
serve gguf
ok "after kill -9" "$a" pull hf:test/model:F16
same "after kill -9" gguf/m-F16.gguf "$models/hf/test/model/m-F16.gguf"
quit
finish
