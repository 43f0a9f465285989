/* move.cl - copies between layouts and types: COPY, CAST, STORE, CONCAT, PAD,
 * ACCUMULATE. */
#include "backend/gpu/kernels/common.h"

KERNEL(copy_any, copy_args, IN(U8) x, OUT(U8) y) {
    const I64 i = FLAT_INDEX;
    if (i >= a.n) return;
    copy_element(y, a.y.type, offset_of(a.y, i), x, a.x.type,
                 offset_of(a.x, i));
}

/* Zero bits. */
KERNEL(fill_zero, fill_args, OUT(U8) y) {
    const I64 i = FLAT_INDEX;
    if (i >= a.n) return;
    const I32 size = type_bytes(a.y.type);
    const I64 at = offset_of(a.y, i) * size;
    for (I32 k = 0; k < size; k++) y[at + k] = 0;
}

/* n elements of x to places of y that differ along one axis. */
KERNEL(put_any, put_args, IN(U8) x, OUT(U8) y) {
    I64 i = FLAT_INDEX;
    if (i >= a.n) return;
    const I64 from = offset_of(a.x, i);
    I64 to = a.start * a.y.stride[a.axis];
    for (I32 k = 4; k >= 0; k--) {
        const I64 step = k == a.axis ? a.step : 1;
        to += i % a.x.dim[k] * step * a.y.stride[k];
        i /= a.x.dim[k];
    }
    copy_element(y, a.y.type, to, x, a.x.type, from);
}

/* y += x */
KERNEL(accumulate_any, copy_args, IN(U8) x, OUT(U8) y) {
    const I64 i = FLAT_INDEX;
    if (i >= a.n) return;
    const I64 to = offset_of(a.y, i), from = offset_of(a.x, i);
    if (a.y.type == T_F64)
        store_wide(y, T_F64, to,
                   wide_add(load_wide(y, T_F64, to),
                            load_wide(x, a.x.type, from)));
    else if (type_is_float(a.y.type))
        store_f(y, a.y.type, to,
                load_f(y, a.y.type, to) + load_f(x, a.x.type, from));
    else
        store_whole(y, a.y.type, to,
                    load_whole(y, a.y.type, to) +
                        load_nearest(x, a.x.type, from));
}
