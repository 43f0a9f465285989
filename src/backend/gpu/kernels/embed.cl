/* embed.cl - EMBED and its gradient, lists of rows, rotary positions: the
 * formulas are those of backend/cpu/ref/ref_embed.c. */
#include "backend/gpu/kernels/blocks.h"
#include "backend/gpu/kernels/common.h"

KERNEL(embed_any, embed_args, IN(U8) table, IN(U8) ids, OUT(U8) y) {
    const I64 e = FLAT_INDEX;
    if (e >= a.n) return;
    const I64 r = e / a.C, i = e % a.C;
    const I64 id = load_nearest(ids, a.ids.type, offset_of(a.ids, r));
    const I64 to = row_at(a.y, r) + i * a.y.stride[4];
    const I64 from = id * a.table.stride[3] + i * a.table.stride[4];
    if (id < 0 || id >= a.V)
        store_f(y, a.y.type, to, 0);
    else if (a.table.type >= T_Q4_0)
        store_f(y, a.y.type, to, load_any(table, a.table.type, from));
    else
        copy_element(y, a.y.type, to, table, a.table.type, from);
}

KERNEL(list_clear, list_args, OUT(I32) head) {
    const I64 i = FLAT_INDEX;
    if (i < a.n_heads) head[i] = -1;
}

/* Each row looks for the next of its id, and whether it is the first. */
KERNEL(list_rows, list_args, IN(U8) ids, OUT(I32) head, OUT(I32) next) {
    const I64 r = FLAT_INDEX;
    if (r >= a.n_rows) return;
    const I64 id = load_nearest(ids, a.ids.type, offset_of(a.ids, r));
    I64 after = r + 1, before = r - 1;
    next[r] = -1;
    if (id < 0 || id >= a.n_heads) return;
    while (after < a.n_rows &&
           load_nearest(ids, a.ids.type, offset_of(a.ids, after)) != id)
        after++;
    if (after < a.n_rows) next[r] = (I32)after;
    while (before >= 0 &&
           load_nearest(ids, a.ids.type, offset_of(a.ids, before)) != id)
        before--;
    if (before < 0) head[id] = (I32)r;
}

/* base may be the memory of dw. */
KERNEL(embed_dw_any, embed_dw_args, IN(I32) head, IN(I32) next, IN(U8) dy,
       IN(U8) base, OUT(U8) dw) {
    const I64 e = FLAT_INDEX;
    if (e >= a.n) return;
    const I64 v = e / a.C, i = e % a.C;
    F32 sum = 0;
    if (a.has_base)
        sum = load_f(base, a.base.type,
                     v * a.base.stride[3] + i * a.base.stride[4]);
    for (I64 r = head[v]; r >= 0; r = next[r])
        sum += load_f(dy, a.dy.type, row_at(a.dy, r) + i * a.dy.stride[4]);
    store_f(dw, a.dw.type, v * a.dw.stride[3] + i * a.dw.stride[4], sum);
}

KERNEL(rope_table_any, rope_table_args, IN(U8) positions, IN(U8) frequencies,
       OUT(U8) cosines, OUT(U8) sines) {
    const I64 e = FLAT_INDEX;
    if (e >= a.n) return;
    const I64 r = e / a.half_size, i = e % a.half_size;
    const wide angle = wide_mul(
        load_wide(positions, a.positions.type, r * a.positions.stride[4]),
        load_wide(frequencies, a.frequencies.type,
                  i * a.frequencies.stride[4]));
    const wide scale = wide_of(a.scale);
    store_f(cosines, a.cosines.type,
            r * a.cosines.stride[3] + i * a.cosines.stride[4],
            wide_f32(wide_mul(wide_cos(angle), scale)));
    store_f(sines, a.sines.type,
            r * a.sines.stride[3] + i * a.sines.stride[4],
            wide_f32(wide_mul(wide_sin(angle), scale)));
}

/* A lane for each pair, and for each element that stays. */
KERNEL(rope_any, rope_args, IN(U8) x, IN(U8) cosines, IN(U8) sines,
       OUT(U8) y) {
    const I64 e = FLAT_INDEX;
    if (e >= a.n) return;
    const I64 lanes = a.D - a.half_size, r = e / lanes, i = e % lanes;
    const I64 ax = row_at(a.x, r), ay = row_at(a.y, r);
    const I64 dx = a.x.stride[4], dy = a.y.stride[4];
    if (i >= a.half_size) {
        const I64 stays = i + a.half_size;
        copy_element(y, a.y.type, ay + stays * dy, x, a.x.type,
                     ax + stays * dx);
        return;
    }
    const I64 n = r / a.n_heads % a.n_positions;
    const I64 first = a.interleaved ? 2 * i : i;
    const I64 second = a.interleaved ? 2 * i + 1 : i + a.half_size;
    const F32 u = load_f(cosines, a.cosines.type,
                         n * a.cosines.stride[3] + i * a.cosines.stride[4]);
    const F32 s = load_f(sines, a.sines.type,
                         n * a.sines.stride[3] + i * a.sines.stride[4]);
    const F32 v = a.inverse ? -s : s;
    const F32 p = load_f(x, a.x.type, ax + first * dx);
    const F32 q = load_f(x, a.x.type, ax + second * dx);
    store_f(y, a.y.type, ay + first * dy, p * u - q * v);
    store_f(y, a.y.type, ay + second * dy, p * v + q * u);
}
