#!/bin/sh
# library.sh - the library as it is installed: names, headers, pkg-config, a
# program built by one line, and the tests of what is public.
. "$(dirname "$0")/lib.sh"

root=$(cd "$tests/../.." && pwd)
build=$(dirname "$ARCANE")
cached() { sed -n "s/^$1:[A-Z]*=//p" "$build/CMakeCache.txt"; }

cc=$(cached CMAKE_C_COMPILER)
sanitize=$(cached AR_SANITIZE)
flags=-O1${sanitize:+ -fsanitize=$sanitize}
case $(cached AR_COVERAGE) in ON) flags="$flags --coverage" ;; esac

ok "install" cmake --install "$build" --prefix "$tmp/prefix"
# moved elsewhere it still says where it is
mv prefix moved
pc=$(dirname "$(find "$tmp/moved" -name arcane.pc)")
libraries=$(dirname "$pc")
PKG_CONFIG_PATH=$pc${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}
LD_LIBRARY_PATH=$libraries
export PKG_CONFIG_PATH LD_LIBRARY_PATH
ok "program" moved/bin/arcane --version
says "version" "^$(cached CMAKE_PROJECT_VERSION)\$" pkg-config --modversion arcane

# Every name that others can see is one of ours, and the headers have it.
nm -g --defined-only "$libraries/libarcane.a" | sed -n 's/.* [A-Z] _\{0,1\}//p' |
    grep -v '^__' | sort >names
holds "names" "$(wc -l <names)" -gt 50
holds "names of others" -z "$(grep -v '^ar_' names)"
cat moved/include/arcane/*.h >headers
while read -r name; do
    grep -qw "$name" headers || fail "$name: in no header"
done <names
for header in moved/include/arcane/*.h; do
    ok "$header alone" "$cc" -std=c11 -pedantic -Wall -Wextra -Werror -fsyntax-only -x c -Imoved/include "$header"
    if command -v c++ >/dev/null; then
        ok "$header alone, C++" c++ -Wall -Wextra -Werror -fsyntax-only -x c++ -Imoved/include "$header"
    fi
done

# check KIND: the example, and the tests, with what pkg-config says.
check() {
    # shellcheck disable=SC2046,SC2086 # flags are words
    ok "$1: build" "$cc" $flags "$root/examples/hello/hello.c" $(pkg-config --cflags --libs --static arcane) -o hello
    says "$1: hello" '^Hello world.{30}' ./hello "$golden/gguf/qwen3_q8_0.gguf" "Hello world"
    limited ./hello nothing >out 2>err && fail "$1: opened nothing"
    grep -q 'nothing: no such file or folder' err && pass || fail "$1: $(cat err)"
    # shellcheck disable=SC2046,SC2086
    ok "$1: build of the tests" "$cc" $flags -D_GNU_SOURCE -DAR_SOURCE_DIR="\"$root\"" -DTESTS_DEF="\"$tmp/public.def\"" \
        -I"$root" "$root/tests/run.c" "$root/tests/infer/test_public.c" \
        $(pkg-config --cflags --libs --static arcane cmocka) -o public
    ok "$1: tests" ./public
    n=$(sed -n 's/^\([0-9]*\) passed, 0 failed$/\1/p' out)
    holds "$1: all tests" "${n:-0}" -eq "$(wc -l <public.def)"
}
grep '^T(public_' "$root/tests/infer/tests.def" >public.def
holds "tests" "$(wc -l <public.def)" -gt 5
if [ "$(cached AR_SHARED)" = ON ]; then
    check shared
    nm hello >names
    holds "shared: used" -n "$(grep ' U _*ar_model_open' names)"
    rm -f "$libraries"/libarcane.so* "$libraries"/libarcane*.dylib
fi
check static
finish
