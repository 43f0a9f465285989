/* args.h - argument structures of kernels, the same bytes in C and in every
 * language of kernels: I64 first, then an even number of I32 and F32. */
#ifndef GPU_KERNELS_ARGS_H
#define GPU_KERNELS_ARGS_H

enum {
    FLAT_LANES = 128, /* of kernels whose lanes do not meet */
    GROUP_LANES = 32, /* of those whose lanes do; fixed, so that sums are */
};

/* An operand of any rank as five dimensions, outer ones 1. */
typedef struct tensor_args {
    I64 dim[5], stride[5]; /* elements */
    I32 type;
    I32 dense; /* element i is at i */
} tensor_args;

/* ---- element by element: n elements of y ---- */

typedef struct copy_args {
    I64 n;
    tensor_args x, y;
} copy_args;

/* x goes to the places start + step i of y's axis (counted in five). */
typedef struct put_args {
    I64 n, start, step;
    tensor_args x, y;
    I32 axis, pad;
} put_args;

typedef struct fill_args {
    I64 n;
    tensor_args y;
} fill_args;

typedef struct unary_args {
    I64 n;
    tensor_args x, y;
    I32 kind, pad;
    F32 a, b;
} unary_args;

/* Of UNARY_DX: y is dx; of GATED_DX too, with two outputs. */
typedef struct unary_dx_args {
    I64 n;
    tensor_args x, dy, dx;
    I32 kind, pad;
    F32 a, b;
} unary_dx_args;

typedef struct binary_args {
    I64 n;
    tensor_args a, b, y;
    I32 kind, pad;
    F32 alpha, beta;
} binary_args;

typedef struct select_args {
    I64 n;
    tensor_args c, a, b, y;
} select_args;

typedef struct gated_dx_args {
    I64 n;
    tensor_args gate, up, dy, dgate, dup;
    I32 kind, pad;
} gated_dx_args;

#endif
