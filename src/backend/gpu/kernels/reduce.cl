/* reduce.cl - REDUCE, TOPK, CUMSUM: a group for each result. */
#include "backend/gpu/kernels/common.h"

/* What the elements seen so far come to. */
typedef struct reduce_part {
    I64 at; /* of the largest; -1: none yet */
    wide sum;
    F32 max;
    I32 pad;
} reduce_part;

/* A NaN is larger than every number. */
FN I32 larger(F32 x, F32 y) { return x > y || (x != x && y == y); }

FN I32 ahead(F32 x, I64 i, F32 y, I64 j) {
    return larger(x, y) || (!larger(y, x) && i < j);
}

FN reduce_part part_none(void) {
    reduce_part p;
    p.at = -1;
    p.sum = wide_of(0);
    p.max = 0;
    p.pad = 0;
    return p;
}

FN reduce_part part_join(reduce_part p, reduce_part q) {
    p.sum = wide_add(p.sum, q.sum);
    if (q.at >= 0 && (p.at < 0 || ahead(q.max, q.at, p.max, p.at))) {
        p.max = q.max;
        p.at = q.at;
    }
    return p;
}

FN reduce_part part_add(reduce_part p, I32 kind, wide x, I64 i) {
    const F32 f = wide_f32(x);
    if (kind == RED_SUM_SQR)
        p.sum = wide_add(p.sum, wide_mul(x, x));
    else if (kind == RED_SUM || kind == RED_MEAN)
        p.sum = wide_add(p.sum, x);
    else if (p.at < 0 || larger(f, p.max)) {
        p.max = f;
        p.at = i;
    }
    return p;
}

/* The same in every lane; in the order of lanes. */
FN reduce_part group_part(reduce_part p, LOCAL reduce_part *scratch, I32 lane) {
    BARRIER;
    scratch[lane] = p;
    BARRIER;
    reduce_part all = part_none();
    for (I32 i = 0; i < GROUP_LANES; i++) all = part_join(all, scratch[i]);
    return all;
}

FN void part_store(reduce_part p, I32 kind, I64 n, GLOBAL U8 *y, I32 type,
                   I64 to) {
    switch (kind) {
    case RED_MEAN:
        store_wide(y, type, to, wide_div(p.sum, wide_of_whole(n)));
        break;
    case RED_MAX:
        store_f(y, type, to, p.at < 0 ? as_f32(0xff800000u) : p.max);
        break;
    case RED_ARGMAX: store_whole(y, type, to, p.at < 0 ? 0 : p.at); break;
    default: store_wide(y, type, to, p.sum);
    }
}

GROUP_KERNEL(reduce_lines, reduce_args, IN(U8) x, OUT(U8) y) {
    SHARED(reduce_part, scratch, GROUP_LANES);
    const I64 from = offset_of(a.x, GROUP0);
    reduce_part p = part_none();
    for (I64 i = LANE; i < a.n; i += GROUP_LANES)
        p = part_add(p, a.kind, load_wide(x, a.x.type, from + i * a.stride), i);
    p = group_part(p, scratch, LANE);
    if (LANE == 0)
        part_store(p, a.kind, a.n, y, a.y.type, offset_of(a.y, GROUP0));
}

GROUP_KERNEL(reduce_parts, reduce_args, IN(U8) x, OUT(reduce_part) parts) {
    SHARED(reduce_part, scratch, GROUP_LANES);
    const I64 from = GROUP0 * a.each;
    const I64 end = from + a.each < a.n ? from + a.each : a.n;
    reduce_part p = part_none();
    for (I64 i = from + LANE; i < end; i += GROUP_LANES)
        p = part_add(p, a.kind, load_wide(x, a.x.type, offset_of(a.x, i)), i);
    p = group_part(p, scratch, LANE);
    if (LANE == 0) parts[GROUP0] = p;
}

GROUP_KERNEL(reduce_join, reduce_args, IN(reduce_part) parts, OUT(U8) y) {
    SHARED(reduce_part, scratch, GROUP_LANES);
    reduce_part p = part_none();
    for (I64 i = LANE; i < a.n_parts; i += GROUP_LANES)
        p = part_join(p, parts[i]);
    p = group_part(p, scratch, LANE);
    if (LANE == 0) part_store(p, a.kind, a.n, y, a.y.type, 0);
}

/* k times the first in order of those behind the one before. */
GROUP_KERNEL(topk_any, topk_args, IN(U8) x, OUT(U8) y, OUT(U8) index) {
    SHARED(F32, value, GROUP_LANES);
    SHARED(I64, place, GROUP_LANES);
    const I64 row = row_at(a.x, GROUP0), step = a.x.stride[4];
    I64 last = -1;
    F32 last_value = 0;
    for (I64 k = 0; k < a.k; k++) {
        I64 best = -1;
        F32 max = 0;
        for (I64 i = LANE; i < a.n; i += GROUP_LANES) {
            const F32 v = load_f(x, a.x.type, row + i * step);
            if (last >= 0 && !ahead(last_value, last, v, i)) continue;
            if (best >= 0 && !ahead(v, i, max, best)) continue;
            best = i;
            max = v;
        }
        BARRIER;
        value[LANE] = max;
        place[LANE] = best;
        BARRIER;
        last = -1;
        for (I32 j = 0; j < GROUP_LANES; j++) {
            if (place[j] < 0) continue;
            if (last >= 0 && !ahead(value[j], place[j], last_value, last))
                continue;
            last = place[j];
            last_value = value[j];
        }
        if (LANE == 0) {
            copy_element(y, a.y.type, row_at(a.y, GROUP0) + k * a.y.stride[4],
                         x, a.x.type, row + last * step);
            store_whole(index, a.index.type,
                        row_at(a.index, GROUP0) + k * a.index.stride[4], last);
        }
    }
}

/* A lane for each row. */
KERNEL(cumsum_any, cumsum_args, IN(U8) x, OUT(U8) y) {
    const I64 r = FLAT_INDEX;
    if (r >= a.n_rows) return;
    const I64 ax = row_at(a.x, r), ay = row_at(a.y, r);
    F32 sum = 0;
    for (I64 k = 0; k < a.n; k++) {
        const I64 i = a.from_end ? a.n - 1 - k : k;
        sum += load_f(x, a.x.type, ax + i * a.x.stride[4]);
        store_f(y, a.y.type, ay + i * a.y.stride[4], sum);
    }
}
