/* op_cases_cpu.c - the shared op cases, as part of this folder's tests. */
#include "tests/op_cases.c"
