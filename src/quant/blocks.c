/* blocks.c - rows of blocks: who decodes and encodes each type. */
#include "quant/quant_block.h"

static const struct {
    quant_decode_fn *decode;
    quant_encode_fn *encode; /* NULL: none */
    const char *text;
} blocks[AR_TYPE_COUNT] = {
#define QUANT(NAME, name, text)                                                \
    [AR_##NAME] = {decode_##name, encode_##name, text},
#define QUANT_READ(NAME, name, text) [AR_##NAME] = {decode_##name, NULL, text},
#include "quant/quants.def"
#undef QUANT
#undef QUANT_READ
};

static const int sizes[AR_TYPE_COUNT] = {
#define TYPE(name, text, elements, bytes) elements,
    AR_TYPE_LIST(TYPE)
#undef TYPE
};

bool quant_is_block(ar_type t) {
    return (unsigned)t < AR_TYPE_COUNT && blocks[t].decode;
}

int quant_block(ar_type t) {
    return (unsigned)t < AR_TYPE_COUNT ? sizes[t] : 1;
}

bool quant_can_encode(ar_type t) {
    if ((unsigned)t >= AR_TYPE_COUNT || t == AR_NONE) return false;
    return !blocks[t].decode || blocks[t].encode;
}

bool quant_holds(ar_type t, int64_t n) {
    return quant_is_block(t) && n >= 0 && n % sizes[t] == 0;
}

double quant_bits(ar_type t) {
    if ((unsigned)t >= AR_TYPE_COUNT) return 0;
    return 8.0 * (double)ar_type_size(t, sizes[t]) / sizes[t];
}

const char *quant_text(ar_type t) {
    return quant_is_block(t) ? blocks[t].text : "";
}

bool quant_decode(ar_type t, const void *src, float *dst, int64_t n) {
    if (!quant_holds(t, n)) return false;
    const size_t bytes = ar_type_size(t, sizes[t]);
    const uint8_t *from = src;
    for (int64_t at = 0; at < n; at += sizes[t], from += bytes)
        blocks[t].decode(from, dst + at);
    return true;
}

bool quant_encode(ar_type t, const float *src, const float *importance,
                  void *dst, int64_t rows, int64_t columns) {
    if (rows < 0 || columns < 0 || !quant_can_encode(t)) return false;
    if (!quant_is_block(t)) return type_encode_f32(t, src, dst, rows * columns);
    if (!quant_holds(t, columns)) return false;
    const size_t bytes = ar_type_size(t, sizes[t]);
    uint8_t *to = dst;
    for (int64_t row = 0; row < rows; row++)
        for (int64_t at = 0; at < columns; at += sizes[t], to += bytes)
            blocks[t].encode(src + row * columns + at,
                             importance ? importance + at : NULL, to);
    return true;
}
