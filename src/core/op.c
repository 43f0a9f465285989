/* op.c - the table of operations, made from ops.def. */
#include "core/op_rules.h"

#include <stddef.h>

const op_info op_table[OP_COUNT] = {
#define OP(name, lo, hi, flags, infer, grad, text)                             \
    {#name, lo, hi, flags, infer, grad, text},
#include "core/ops.def"
#undef OP
};

bool op_input_optional(enum op_id op, int i) {
    if (i >= op_table[op].min_in) return op != OP_CONCAT;
    return i == 1 && (op == OP_RMS_NORM_DX || op == OP_LAYER_NORM_DX);
}

int op_inplace_input(enum op_id op) {
    if (op == OP_EMBED_DW) return 2;
    return op_table[op].flags & OP_INPLACE ? 0 : -1;
}

/* STORE and its kind write input 0; optimisers p, m, v, with g as input 1. */
int op_state_input(enum op_id op, int out) {
    if (op == OP_CONV1D_ROWS || op == OP_SCAN_ROWS) return out ? -1 : 0;
    return out ? out + 1 : 0;
}

#define SIZE(op, field)                                                        \
    case OP_##op: return sizeof(((op_attr *)0)->field);

size_t op_attr_size(enum op_id op) {
    switch (op) {
        SIZE(PARAM, leaf)
        SIZE(STATE, leaf)
        SIZE(INPUT, leaf)
        SIZE(CONST, data)
        SIZE(RESHAPE, view)
        SIZE(PERMUTE, view)
        SIZE(SLICE, view)
        SIZE(SPLIT, view)
        SIZE(BROADCAST, view)
        SIZE(PAD, view)
        SIZE(CAST, cast)
        SIZE(UNARY, unary)
        SIZE(UNARY_DX, unary)
        SIZE(BINARY, binary)
        SIZE(GATED, gated)
        SIZE(GATED_DX, gated)
        SIZE(CONCAT, axis)
        SIZE(REDUCE, reduce)
        SIZE(TOPK, topk)
        SIZE(CUMSUM, axis)
        SIZE(GATHER_DX, axis)
        SIZE(RMS_NORM, norm)
        SIZE(RMS_NORM_DX, norm)
        SIZE(RMS_NORM_DW, norm)
        SIZE(LAYER_NORM, norm)
        SIZE(LAYER_NORM_DX, norm)
        SIZE(LAYER_NORM_DW, norm)
        SIZE(MATMUL, matmul)
        SIZE(MATMUL_EXPERTS, experts)
        SIZE(MATMUL_EXPERTS_DW, experts)
        SIZE(EMBED_DW, embed)
        SIZE(ROPE_TABLE, rope_table)
        SIZE(ROPE, rope)
        SIZE(ATTENTION, attention)
        SIZE(ATTENTION_DQKV, attention)
        SIZE(ATTENTION_PAGED, paged)
        SIZE(CONV1D, conv)
        SIZE(CONV1D_DW, conv)
        SIZE(XENT, xent)
        SIZE(XENT_DXW, xent)
        SIZE(RANDOM, random)
        SIZE(OPT_SGD, sgd)
    default: return 0;
    }
}
