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

/* ---- over an axis ---- */

enum {
    /* ORDER: core/reduce.def */
    RED_SUM,
    RED_MEAN,
    RED_SUM_SQR,
    RED_MAX,
    RED_ARGMAX,
    PART_BYTES = 24, /* of a reduce_part, kernels/reduce.cl */
};

/* Lines of n elements of x, `stride` apart; `start` is x with one element along
 * the axis.  Or, all of x in parts of `each` elements. */
typedef struct reduce_args {
    I64 n, stride, each, n_parts;
    tensor_args x, y;
    I32 kind, pad;
} reduce_args;

/* Rows along the last dimension. */
typedef struct topk_args {
    I64 n, k;
    tensor_args x, y, index;
} topk_args;

typedef struct cumsum_args {
    I64 n_rows, n;
    tensor_args x, y;
    I32 from_end, pad;
} cumsum_args;

/* Of GATHER and GATHER_DX: n_x elements a row of x (dx), n_y of y (dy). */
typedef struct gather_args {
    I64 n, n_x, n_y;
    tensor_args x, index, y;
} gather_args;

/* Rows of n. */
typedef struct rows_args {
    I64 n;
    tensor_args x, y;
} rows_args;

typedef struct rows3_args {
    I64 n;
    tensor_args x, dy, dx;
} rows3_args;

/* ---- norms: rows of n ---- */

enum { NORM_CHUNK = 64 }; /* rows that are added up by one lane */

typedef struct norm_args {
    I64 n;
    tensor_args x, y, w, b;
    F32 eps, offset;
    I32 centred, has_w, has_b, pad;
} norm_args;

typedef struct norm_dx_args {
    I64 n;
    tensor_args x, w, dy, dx;
    F32 eps, offset;
    I32 centred, has_w;
} norm_dx_args;

typedef struct norm_dw_args {
    I64 n, n_rows;
    tensor_args x, dy, dw, db;
    F32 eps;
    I32 centred, has_db, pad;
} norm_dw_args;

/* ---- products ---- */

/* y [batch, M, N] = a [batch, M, K] b [batch, K, N] + bias [N]; n elements.  Of
 * levels (act8): group elements of b with one scale, 0 = not of levels. */
typedef struct matmul_args {
    I64 n, M, N, K;
    tensor_args a, b, y, bias;
    I32 compute, has_bias, group, minima;
} matmul_args;

/* y [M, N] = x [M, K] times w [N, K] turned + bias; rows ld elements apart. */
typedef struct mma16_args {
    I64 M, N, K, ldx, ldw, ldy;
    I32 has_bias, pad;
} mma16_args;

/* The same with w in blocks, row_bytes from row to row, and x as levels. */
typedef struct rows8_args {
    I64 M, N, K, ldy, row_bytes;
    I32 has_bias, pad;
} rows8_args;

/* Rows of K, ldx apart, n pieces of 8. */
typedef struct halves_args {
    I64 n, K, ldx;
} halves_args;

/* Rows of K, n pieces of ACT_BLOCK of them: to I8 levels and F32 scales. */
enum { ACT_BLOCK = 32 };
typedef struct act8_args {
    I64 n, K;
    tensor_args x;
} act8_args;

/* y [N, k, F], n elements: row (n, i) of x times matrix ids[n, i] of w. */
typedef struct experts_args {
    I64 n, k, F, K, E;
    tensor_args x, w, ids, y;
    I32 compute, group, minima, pad;
} experts_args;

/* dw [E, A, B], n elements, over rows in lists. */
typedef struct experts_dw_args {
    I64 n, k, A, B;
    tensor_args a, b, dw;
    I32 compute, pad;
} experts_dw_args;

/* Rows of equal id as lists: head [n_heads], next [n_rows], -1 = end. */
typedef struct list_args {
    I64 n_rows, n_heads;
    tensor_args ids;
} list_args;

/* ---- language models ---- */

/* y [rows, C], n elements; table [V, C]. */
typedef struct embed_args {
    I64 n, V, C;
    tensor_args table, ids, y;
} embed_args;

typedef struct embed_dw_args {
    I64 n, C;
    tensor_args dy, base, dw;
    I32 has_base, pad;
} embed_dw_args;

/* cos, sin [N, half], n elements. */
typedef struct rope_table_args {
    I64 n, half_size;
    tensor_args positions, frequencies, cosines, sines;
    F32 scale;
    I32 pad;
} rope_table_args;

/* Rows of D: half_size pairs and D - 2 half_size that stay; n lanes. */
typedef struct rope_args {
    I64 n, D, half_size, n_heads, n_positions;
    tensor_args x, cosines, sines, y;
    I32 interleaved, inverse;
} rope_args;

/* ---- attention ---- */

enum { HEAD_MOST = 1024 }; /* elements of a head */

/* [B, T, H, D], or what the kernel says. */
typedef struct heads_args {
    I64 stride[4]; /* elements */
    I32 type, pad;
} heads_args;

/* Of ATTENTION and ATTENTION_DQKV; lse is [B, H, T], sinks [H]. */
typedef struct attention_args {
    I64 B, T, H, D, S, G, E, window;
    heads_args q, k, v, o, lse, sinks, dout, dq, dk, dv;
    F32 scale, softcap;
    I32 causal, has_sinks;
} attention_args;

/* q, o [N, H, D]; pools [P, page, G, D]; table [S, M]; sequences, positions
 * [N]; sinks [H]. */
typedef struct paged_args {
    I64 N, H, D, G, E, P, page, n_sequences, M, window;
    heads_args q, k, v, o, table, sequences, positions, sinks;
    F32 scale, softcap;
    I32 has_sinks, pad;
} paged_args;

/* ---- cross-entropy: x [N, C], w [V, C] ---- */

/* dz [rows, V] of the rows from `first` on. */
typedef struct xent_args {
    I64 N, C, V, first, rows;
    tensor_args x, w, targets, logp, dlogp;
    F32 softcap;
    I32 compute;
} xent_args;

typedef struct xent_sum_args {
    I64 n, C, V, first, rows;
    tensor_args x, w, y; /* y: dx or dw */
    I32 compute, pad;
} xent_sum_args;

/* ---- state ---- */

/* Rows of x to rows[i] of y [R, ..]: `size` elements each, as a tensor whose
 * first of five dimensions is left to row_y and row_x; n elements, or blocks of
 * 32. */
typedef struct store_rows_args {
    I64 n, n_rows, R, size, row_x, row_y, row_rows;
    tensor_args x, y;
    I32 rows_type, pad;
} store_rows_args;

/* Of SGD, Lion (no v) and AdamW; h F64 [8]. */
typedef struct opt_args {
    I64 n, h_step;
    tensor_args p, g, m, v;
    I32 h_type, nesterov;
} opt_args;

/* ---- along a text ---- */

typedef struct conv_args {
    I64 n, T, C, K;
    tensor_args x, w, y, bias;
    I32 backwards, has_bias;
} conv_args;

/* state [S, K - 1, C]. */
typedef struct conv_rows_args {
    I64 N, C, K, S, state_stride, row_sequences, row_positions;
    tensor_args x, w, y, bias;
    I32 state_type, has_bias, sequences_type, positions_type;
} conv_rows_args;

/* q, k [B, T, G, K], v, y [B, T, H, V], decay, beta [B, T, H], and the
 * gradients like them; d [1 or 2, B, T, H]: of decay and beta.  n lanes or
 * groups; chunk: tokens between the states that are kept. */
typedef struct scan_args {
    I64 n, T, G, H, K, V, chunk;
    heads_args q, k, v, decay, beta, y, dy, dq, dk, dv, d;
    I32 has_beta, pad;
} scan_args;

/* state [S, H, K, V]; tokens are rows [N, 1, ..] of the operands. */
typedef struct scan_rows_args {
    I64 n, N, S, state_row, state_head, row_sequences, row_positions;
    I32 sequences_type, positions_type;
    scan_args s;
} scan_rows_args;

typedef struct random_args {
    I64 n, stream, x_step;
    tensor_args y;
    I32 x_type, normal;
} random_args;

#endif
