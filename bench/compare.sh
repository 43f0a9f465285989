#!/bin/sh
# compare.sh - arcane beside its peers on this machine, as a table of ratios.
#
#   bench/compare.sh infer [MODEL.gguf ...]   llama.cpp: prompts and answers
#   bench/compare.sh train                    PyTorch: steps of GPT-2 124M
#   bench/compare.sh tokenize [TEXT]          tokenizers: training, encoding
#   bench/compare.sh gemm                     OpenBLAS: matrix products
#
# Peers are installed into build/peers (Python packages; llama.cpp is built from
# its source package, with the kernels of this machine).  Without a model,
# `infer` times the two that scripts/models fetches and a random qwen3-0.6b in
# several types.  docs/performance says how to read the figures.
set -eu
cd "$(dirname "$0")/.."
usage() { sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; }
[ $# -gt 0 ] || { usage >&2; exit 2; }
what=$1
shift

need() { # need PACKAGE ...: into a place of their own
    [ -x build/peers/bin/python ] || python3 -m venv build/peers
    for p in "$@"; do
        build/peers/bin/python -m pip show -q "$p" >/dev/null 2>&1 && continue
        echo "installing $p" >&2
        build/peers/bin/python -m pip install -q --no-binary llama-cpp-python "$p"
    done
}
build() { # build TARGET ...: what is timed, with optimisation
    cmake --preset release >/dev/null
    cmake --build build/release --target "$@" >/dev/null
}

case $what in
infer)
    need llama-cpp-python
    build arcane
    if [ $# -eq 0 ]; then
        scripts/models >&2
        for type in q4_0 q4_k q5_k q6_k q8_0 iq4_xs f16; do
            file=build/peers/qwen3-0.6b-$type.gguf
            [ -s "$file" ] || build/release/arcane bench infer \
                --random "qwen3-0.6b:$type" --keep "$file" -p 1 -n 0 -r 1 >&2
        done
        set -- build/models/smollm2.gguf build/models/gemma3.gguf \
            build/peers/qwen3-0.6b-*.gguf
    fi
    for model in "$@"; do
        build/peers/bin/python bench/compare_infer.py "$model" \
            --arcane build/release/arcane
    done
    ;;
train)
    need torch numpy
    build arcane
    build/peers/bin/python bench/compare_train.py "$@"
    ;;
tokenize)
    need tokenizers
    build bench_tokenizer
    text=${1:-tests/golden/training/corpus.txt}
    build/peers/bin/python bench/compare_tokenizer.py \
        --bench build/release/bench/bench_tokenizer --text "$text"
    ;;
gemm)
    build bench_gemm
    build/release/bench/bench_gemm "$@"
    ;;
-h | --help) usage ;;
*)
    echo "compare.sh: there is no comparison \"$what\"" >&2
    usage >&2
    exit 2
    ;;
esac
