/* fuzz_quant.c - blocks and layouts of any bytes. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "fuzz/fuzz.h"
#include "quant/layout.h"

enum { MOST_SIDE = 64 };

/* Blocks in memory that ends with them. */
static void read_blocks(ar_type t, const uint8_t *data, size_t size) {
    const int64_t elements = quant_holds(t, 32)   ? 32
                             : quant_holds(t, 64) ? 64
                                                  : 256;
    const int64_t n = (int64_t)(size / ar_type_size(t, elements)) * elements;
    const size_t bytes = ar_type_size(t, n);
    uint8_t *src = mem_alloc(bytes);
    float *dst = mem_new(float, n);
    uint8_t *back = mem_alloc(bytes);
    if (src && dst && back) {
        if (bytes) memcpy(src, data, bytes);
        type_decode_f32(t, src, dst, n);
        quant_encode(t, dst, n ? dst : NULL, back, 1, n);
    }
    mem_free(src);
    mem_free(dst);
    mem_free(back);
}

/* Cuts the next bytes off the input for one part; its memory ends there. */
static layout_part cut(const uint8_t **data, size_t *size, size_t want,
                       uint8_t type) {
    const size_t n = want < *size ? want : *size;
    uint8_t *copy = mem_alloc(n);
    if (copy && n) memcpy(copy, *data, n);
    *data += n;
    *size -= n;
    return (layout_part){copy, copy ? n : 0, (ar_type)(type % AR_TYPE_COUNT)};
}

/* As blocks, the numbers are the same. */
static void check_blocks(const layout *l, const float *want) {
    const ar_type t = layout_block_type(l);
    const int64_t n = l->rows * l->columns;
    if (t == AR_NONE) return;
    void *blocks = mem_alloc(ar_type_size(t, n));
    float *got = mem_new(float, n);
    if (blocks && got && layout_to_blocks(l, t, blocks, NULL) == AR_OK &&
        quant_decode(t, blocks, got, n))
        for (int64_t i = 0; i < n; i++)
            if (got[i] != want[i] && !(got[i] != got[i] && want[i] != want[i]))
                abort();
    mem_free(blocks);
    mem_free(got);
}

/* 12 bytes say what the layout is; the rest is its parts. */
static void read_layout(const uint8_t *data, size_t size) {
    if (size < 12) return;
    const uint8_t *h = data;
    layout l = {.kind = (layout_kind)(h[0] % (LAYOUT_COUNT + 1)),
                .rows = h[1] % MOST_SIDE,
                .columns = h[2],
                .tile_rows = h[3],
                .tile_columns = h[4],
                .group = h[5],
                .bits = h[6],
                .zero_shift = h[7] & 1,
                .scale_all = 1};
    data += 12;
    size -= 12;
    l.weight = cut(&data, &size, size / 2, h[8]);
    l.scale = cut(&data, &size, size / 2, h[9]);
    l.zero = cut(&data, &size, size / 2, h[10]);
    l.order = cut(&data, &size, size, h[11]);
    float *dst = mem_new(float, l.rows *l.columns);
    ar_error err;
    if (h[7] & 2) {
        mem_free((void *)l.order.data);
        l.order.data = NULL;
    }
    if (dst && layout_decode(&l, 0, l.rows, dst, &err) == AR_OK)
        check_blocks(&l, dst);
    mem_free(dst);
    mem_free((void *)l.weight.data);
    mem_free((void *)l.scale.data);
    mem_free((void *)l.zero.data);
    mem_free((void *)l.order.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1) return 0;
    const ar_type t = (ar_type)(data[0] % AR_TYPE_COUNT);
    if (quant_is_block(t))
        read_blocks(t, data + 1, size - 1);
    else
        read_layout(data + 1, size - 1);
    return 0;
}
