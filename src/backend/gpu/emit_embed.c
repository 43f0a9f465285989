/* emit_embed.c - tables of rows and rotary positions: kernels/embed.cl. */
#include "backend/gpu/emit_lists.h"

/* ---- lists ---- */

static int64_t head_size(int64_t n_heads) {
    return (n_heads * (int64_t)sizeof(I32) + 63) / 64 * 64;
}

size_t emit_lists_size(const gpu_tensor *ids, int64_t n_heads) {
    return (size_t)(head_size(n_heads) +
                    emit_count(ids) * (int64_t)sizeof(I32));
}

void emit_lists(gpu_list *l, const gpu_tensor *ids, int64_t n_heads,
                gpu_tensor *head, gpu_tensor *next) {
    const list_args a = {emit_count(ids), n_heads, emit_tensor(ids)};
    *head = emit_work(0);
    *next = emit_work(head_size(n_heads));
    emit_flat(l, GPU_K_list_clear, n_heads, GPU_POINTERS(head), &a, sizeof a);
    emit_flat(l, GPU_K_list_rows, a.n_rows, GPU_POINTERS(ids, head, next), &a,
              sizeof a);
}

/* ---- EMBED ---- */

static bool fits_table(const gpu_call *c) { return c->out[0].type != AR_F64; }

static void emit_embed(gpu_list *l, const gpu_call *c) {
    const gpu_tensor *table = &c->in[0], *ids = &c->in[1], *y = &c->out[0];
    const embed_args a = {emit_count(y),      table->dim[0],    emit_last(y),
                          emit_tensor(table), emit_tensor(ids), emit_tensor(y)};
    emit_flat(l, GPU_K_embed_any, a.n, GPU_POINTERS(table, ids, y), &a,
              sizeof a);
}

static size_t embed_dw_work(const gpu_call *c) {
    return emit_lists_size(&c->in[0], c->out[0].dim[0]);
}

static void emit_embed_dw(gpu_list *l, const gpu_call *c) {
    const gpu_tensor *ids = &c->in[0], *dy = &c->in[1], *base = &c->in[2];
    const gpu_tensor *dw = &c->out[0];
    gpu_tensor head, next;
    const embed_dw_args a = {.n = emit_count(dw),
                             .C = emit_last(dw),
                             .dy = emit_tensor(dy),
                             .base = emit_tensor(base),
                             .dw = emit_tensor(dw),
                             .has_base = base->present};
    emit_lists(l, ids, dw->dim[0], &head, &next);
    emit_flat(l, GPU_K_embed_dw_any, a.n,
              GPU_POINTERS(&head, &next, dy, base, dw), &a, sizeof a);
}

/* ---- ROPE ---- */

static void emit_rope_table(gpu_list *l, const gpu_call *c) {
    const gpu_tensor *positions = &c->in[0], *frequencies = &c->in[1];
    const gpu_tensor *cosines = &c->out[0], *sines = &c->out[1];
    const rope_table_args a = {.n = emit_count(cosines),
                               .half_size = frequencies->dim[0],
                               .positions = emit_tensor(positions),
                               .frequencies = emit_tensor(frequencies),
                               .cosines = emit_tensor(cosines),
                               .sines = emit_tensor(sines),
                               .scale = (F32)c->attr->rope_table.scale};
    emit_flat(l, GPU_K_rope_table_any, a.n,
              GPU_POINTERS(positions, frequencies, cosines, sines), &a,
              sizeof a);
}

static void emit_rope(gpu_list *l, const gpu_call *c) {
    const gpu_tensor *x = &c->in[0], *cosines = &c->in[1], *sines = &c->in[2];
    const gpu_tensor *y = &c->out[0];
    rope_args a = {.D = emit_last(x),
                   .half_size = emit_last(cosines),
                   .n_heads = x->dim[x->rank - 2],
                   .n_positions = x->dim[x->rank - 3],
                   .x = emit_tensor(x),
                   .cosines = emit_tensor(cosines),
                   .sines = emit_tensor(sines),
                   .y = emit_tensor(y),
                   .interleaved = c->attr->rope.interleaved,
                   .inverse = c->attr->rope.inverse};
    a.n = emit_rows(x) * (a.D - a.half_size);
    emit_flat(l, GPU_K_rope_any, a.n, GPU_POINTERS(x, cosines, sines, y), &a,
              sizeof a);
}

EMITTER(EMBED, embed_any, fits_table, NULL, emit_embed)
EMITTER(EMBED_DW, embed_dw_any, fits_plain, embed_dw_work, emit_embed_dw)
EMITTER(ROPE_TABLE, rope_table_any, fits_plain, NULL, emit_rope_table)
EMITTER(ROPE, rope_any, fits_plain, NULL, emit_rope)
