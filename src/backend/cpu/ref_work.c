/* ref_work.c - scratch that the plain kernels need, by op.
 *
 * Counted in doubles for both builds; depends on shapes alone. */
#include "backend/cpu/cpu.h"

static int64_t last(const tensor *t) {
    return t->rank ? t->dim[t->rank - 1] : 1;
}

static int64_t attention_rows(const op_call *c, int n_d, int n_e) {
    return n_d * last(&c->in[0]) + n_e * last(&c->in[2]);
}

/* States of SCAN_DX: dS, those before each chunk, those of one chunk. */
static int64_t scan_states(int64_t T) {
    int64_t chunk = 1;
    while (chunk * chunk < T) chunk++;
    return 1 + (T + chunk - 1) / chunk + chunk + 1;
}

/* Of scans: q, k, v, u of a token, and states [K, V]. */
static int64_t scan_doubles(enum op_id op, const op_call *c) {
    if (op != OP_SCAN && op != OP_SCAN_DX && op != OP_SCAN_ROWS) return 0;
    const tensor *q = &c->in[op == OP_SCAN_ROWS];
    const int64_t K = last(q), V = last(q + 2);
    int64_t states = op == OP_SCAN; /* by row they are in the pool */
    if (op == OP_SCAN_DX) states = scan_states(q->dim[1]);
    return 2 * (K + V) + states * K * V;
}

/* ORDER: the layouts in ref/ref_*.c */
static int64_t n_doubles(enum op_id op, const op_call *c) {
    const tensor *in = c->in;
    switch (op) {
    case OP_GATHER_DX: return last(&c->out[0]); /* [C] */
    case OP_RMS_NORM_DW:
    case OP_LAYER_NORM_DW: return 2 * last(&in[0]); /* dw, db */
    case OP_MATMUL:
        return (8 + 1) * last(&in[0]); /* a panel of b, a row of a */
    case OP_MATMUL_EXPERTS: return (8 + 1) * last(&in[0]);
    case OP_MATMUL_EXPERTS_DW: return last(&c->out[0]); /* [B] */
    case OP_EMBED_DW: /* lists of V and N, one row */
        return c->out[0].dim[0] + tensor_count(&in[0]) + last(&c->out[0]);
    case OP_ATTENTION: return attention_rows(c, 2, 2); /* q, k; v, o */
    case OP_ATTENTION_DQKV: /* q, k, dk; v, o, do, dv; D [B, H, T] */
        return attention_rows(c, 3, 4) + tensor_count(&in[4]);
    case OP_ATTENTION_PAGED: /* q, k; v, o of a page, o */
        return 2 * last(&in[0]) + 3 * last(&in[2]);
    case OP_STORE_ROWS: return last(&in[2]); /* a row to be quantised */
    case OP_XENT: return 2 * last(&in[0]) + in[1].dim[0]; /* x, w; z */
    case OP_XENT_DXW: /* x, w, dx; z */ return 3 * last(&in[0]) + in[1].dim[0];
    default: return scan_doubles(op, c);
    }
}

size_t cpu_ref_work_size(enum op_id op, const op_call *c) {
    return (size_t)n_doubles(op, c) * sizeof(double);
}
