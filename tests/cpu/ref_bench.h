/* ref_bench.h - calls a plain kernel on operands written out by hand. */
#ifndef TESTS_REF_BENCH_H
#define TESTS_REF_BENCH_H

#include "backend/cpu/cpu.h"
#include "tests/test.h"

/* Memory of one test and the type that stands for "real" in it. */
typedef struct ref_bench {
    ar_type real; /* F32 or F64: which build is called */
    double tolerance;
    size_t used;
    _Alignas(64) char mem[1 << 18];
} ref_bench;

/* Runs fn for the float build and for the double build. */
void ref_bench_each(void (*fn)(ref_bench *b));

/* A contiguous tensor with the given values (NULL: all 77, to be written
 * over). */
tensor ref_tensor(ref_bench *b, ar_type t, shape s, const double *x);
/* Its element i in row-major order, whatever its strides. */
double ref_value(const tensor *t, int64_t i);
/* n numbers in [-1, 1), different for every seed. */
void ref_fill(double *x, int64_t n, uint64_t seed);

/* Calls the kernel; operands are given as in op_call. */
void ref_call(ref_bench *b, enum op_id op, const op_attr *attr,
              const tensor *in, int n_in, const tensor *out, int n_out);

/* Every element is near the value wanted. */
void ref_expect(const ref_bench *b, const char *what, const tensor *t,
                const double *want);

#define LIST(...)                                                              \
    (const double[]) { __VA_ARGS__ }
#define CALL1(b, op, attr, a, y)                                               \
    ref_call(b, op, attr, (const tensor[]){a}, 1, (const tensor[]){y}, 1)
#define CALL2(b, op, attr, a, x, y)                                            \
    ref_call(b, op, attr, (const tensor[]){a, x}, 2, (const tensor[]){y}, 1)

#endif
