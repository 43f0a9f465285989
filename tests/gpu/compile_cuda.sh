#!/bin/sh
# Compiles every kernel as CUDA for a Jetson Orin and an H100.
# usage: tests/gpu/compile_cuda.sh [BUILD]   default build/test
# Exit code 77 where there is no NVRTC: not done, not failed.
set -e
cd "$(dirname "$0")/../.."
program=${1:-build/test}/tests/gpu_compile
for arch in sm_87 sm_90a; do
  code=0
  "$program" cuda $arch || code=$?
  if [ $code = 77 ]; then
    echo "compile_cuda: no NVRTC here, nothing was compiled"
    exit 77
  fi
  [ $code = 0 ] || exit 1
done
