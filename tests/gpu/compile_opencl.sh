#!/bin/sh
# Checks every kernel as OpenCL C 1.2 with clang, with and without doubles.
# usage: tests/gpu/compile_opencl.sh [BUILD]   default build/test
# Exit code 77 where there is no clang: not done, not failed.
set -e
cd "$(dirname "$0")/../.."
program=${1:-build/test}/tests/gpu_compile
if ! command -v clang > /dev/null; then
  echo "compile_opencl: no clang here, nothing was compiled"
  exit 77
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$program" opencl "$folder"
for file in "$folder"/*.cl; do
  for without in "" "-Xclang -cl-ext=-cl_khr_fp64 -cl-single-precision-constant"; do
    # shellcheck disable=SC2086
    clang -x cl -cl-std=CL1.2 -Xclang -finclude-default-header \
      -target spir64-unknown-unknown -fsyntax-only -Wall -Wno-unused-function \
      $without "$file"
  done
done
echo "compile_opencl: all pass, with and without doubles"
