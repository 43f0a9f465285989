# lib.sh - what the scripts of this folder share; they source it.
#
# A script runs checks and ends with `finish`.  $ARCANE is the program; with
# AR_QUICK=1 the long checks are cut short.  Each check prints a line if it
# fails; whatever it left is removed.
set -u
: "${ARCANE:?set ARCANE to the program}"
case $ARCANE in /*) ;; *) ARCANE=$PWD/$ARCANE ;; esac
export ARCANE
tests=$(cd "$(dirname "$0")" && pwd)
golden=$(cd "$tests/../golden" && pwd)
compare=$tests/compare.py
export ASAN_OPTIONS="${ASAN_OPTIONS:-allocator_may_return_null=1}"
quick=${AR_QUICK:-0}
passed=0 failed=0

if ! command -v python3 >/dev/null; then
    echo "FAILED: python3 is missing"
    echo "0 passed, 1 failed"
    exit 1
fi
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp" || exit 1

pass() { passed=$((passed + 1)); }
fail() {
    failed=$((failed + 1))
    echo "FAILED: $*"
}

# Run something that must not hang.
limited() {
    if command -v timeout >/dev/null; then
        timeout 300 "$@"
    else
        "$@"
    fi
}

# Did a sanitizer or a signal end it?
crashed() {
    [ "$1" -ge 124 ] || grep -qE 'Sanitizer|runtime error' err
}

# ok NAME COMMAND ...: the command does its work; its output is in out and err.
ok() {
    local name=$1 rc
    shift
    limited "$@" >out 2>err </dev/null && rc=0 || rc=$?
    if [ "$rc" -eq 0 ] && ! crashed 0; then
        pass
    else
        fail "$name: exit code $rc: $(head -c 300 err)"
    fi
}

# says NAME PATTERN COMMAND ...: as ok, and prints a line with the pattern.
says() {
    local name=$1 pattern=$2 rc
    shift 2
    limited "$@" >out 2>err </dev/null && rc=0 || rc=$?
    if [ "$rc" -eq 0 ] && ! crashed 0 && cat out err | grep -qE -- "$pattern"; then
        pass
    else
        fail "$name: exit code $rc, wanted \"$pattern\": $(head -c 200 out err)"
    fi
}

# refuses NAME CODE PATTERN COMMAND ...: fails with this code and one sentence
# on stderr that has the pattern (a usage error adds a hint), nothing on stdout.
refuses() {
    local name=$1 code=$2 pattern=$3 rc
    shift 3
    limited "$@" >out 2>err </dev/null && rc=0 || rc=$?
    if crashed "$rc" || [ "$rc" -ne "$code" ]; then
        fail "$name: exit code $rc, wanted $code: $(head -c 300 err)"
    elif ! grep -v '^see "arcane' err | grep '^arcane' |
        grep -qE -- "$pattern"; then
        fail "$name: does not say \"$pattern\": $(head -c 300 err)"
    elif [ "$(grep -vc '^see "arcane' err)" -ne 1 ]; then
        fail "$name: more than a sentence: $(head -c 300 err)"
    elif [ -s out ]; then
        fail "$name: printed $(head -c 100 out)"
    else
        pass
    fi
}

# same NAME A B: two files are equal.
same() {
    if cmp -s "$2" "$3"; then pass; else fail "$1: $2 and $3 differ"; fi
}

# holds NAME TEST-EXPRESSION ...
holds() {
    local name=$1
    shift
    if test "$@"; then pass; else fail "$name: not $*"; fi
}

# last_step RUN: the newest checkpoint's folder.
last_step() { echo "$1/$(cat "$1/latest")"; }

finish() {
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ]
    exit
}
