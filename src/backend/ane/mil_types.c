/* mil_types.c - element types, shapes and packed numbers of MIL. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/ane/mil_int.h"
#include "quant/quant.h"

static const struct {
    const char *name;
    int bits, blob;
    ar_type type;
} kinds[MIL_DTYPE_COUNT] = {
    [MIL_NONE] = {"none", 0, 0, AR_NONE},
#define MIL_TYPE(id, text, bits, blob, type)                                   \
    [MIL_##id] = {text, bits, blob, type},
#include "backend/ane/mil_types.def"
#undef MIL_TYPE
};

const char *mil_dtype_name(enum mil_dtype t) {
    return kinds[t < MIL_DTYPE_COUNT ? t : MIL_NONE].name;
}

enum mil_dtype mil_dtype_from_name(const char *s, size_t n) {
    for (int t = MIL_NONE + 1; t < MIL_DTYPE_COUNT; t++)
        if (strlen(kinds[t].name) == n && memcmp(kinds[t].name, s, n) == 0)
            return (enum mil_dtype)t;
    return MIL_NONE;
}

int mil_dtype_bits(enum mil_dtype t) { return kinds[t].bits; }

enum mil_dtype mil_dtype_of(ar_type t) {
    for (int i = MIL_NONE + 1; t != AR_NONE && i < MIL_DTYPE_COUNT; i++)
        if (kinds[i].type == t) return (enum mil_dtype)i;
    return MIL_NONE;
}

ar_type mil_ar_type(enum mil_dtype t) {
    return t > MIL_NONE && t < MIL_DTYPE_COUNT ? kinds[t].type : AR_NONE;
}

int mil_blob_of_dtype(enum mil_dtype t) {
    return t < MIL_DTYPE_COUNT ? kinds[t].blob : 0;
}

enum mil_dtype mil_dtype_of_blob(uint32_t code) {
    for (int t = MIL_NONE + 1; t < MIL_DTYPE_COUNT; t++)
        if (code && (uint32_t)kinds[t].blob == code) return (enum mil_dtype)t;
    return MIL_NONE;
}

mil_type mil_scalar(enum mil_dtype t) { return (mil_type){.dtype = t}; }

mil_type mil_tensor(enum mil_dtype t, int rank, const int64_t *dim) {
    mil_type out = {.dtype = t, .tensor = true, .rank = rank};
    for (int i = 0; i < rank && i < MIL_MAX_DIMS; i++) out.dim[i] = dim[i];
    return out;
}

int64_t mil_count(const mil_type *t) {
    int64_t n = 1;
    for (int i = 0; i < t->rank; i++) {
        if (t->dim[i] < 0) return -1;
        if (__builtin_mul_overflow(n, t->dim[i], &n)) return -1;
    }
    return n;
}

size_t mil_size(const mil_type *t) {
    const int64_t n = mil_count(t);
    const int bits = kinds[t->dtype].bits;
    if (n <= 0 || n > INT64_MAX / 64) return 0;
    return ((size_t)n * (size_t)bits + 7) / 8;
}

bool mil_same_type(const mil_type *a, const mil_type *b) {
    if (a->dtype != b->dtype || a->rank != b->rank || a->state != b->state)
        return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dim[i] != b->dim[i]) return false;
    return true;
}

bool mil_is_float(enum mil_dtype t) {
    return (t >= MIL_FP16 && t <= MIL_FP8_E5M2);
}

bool mil_is_signed(enum mil_dtype t) { return t >= MIL_INT4 && t <= MIL_INT64; }

bool mil_is_whole(enum mil_dtype t) { return t >= MIL_INT4 && t <= MIL_UINT64; }

static uint64_t get_bits(const uint8_t *p, int bits, int64_t i) {
    uint64_t x = 0;
    if (bits >= 8) {
        memcpy(&x, p + (size_t)i * (size_t)(bits / 8), (size_t)(bits / 8));
        return x;
    }
    for (int b = 0; b < bits; b++) {
        const size_t at = (size_t)i * (size_t)bits + (size_t)b;
        x |= (uint64_t)(p[at / 8] >> at % 8 & 1) << b;
    }
    return x;
}

static void put_bits(uint8_t *p, int bits, int64_t i, uint64_t x) {
    if (bits >= 8) {
        memcpy(p + (size_t)i * (size_t)(bits / 8), &x, (size_t)(bits / 8));
        return;
    }
    for (int b = 0; b < bits; b++) {
        const size_t at = (size_t)i * (size_t)bits + (size_t)b;
        const uint8_t bit = (uint8_t)(1u << at % 8);
        p[at / 8] = (uint8_t)(x >> b & 1 ? p[at / 8] | bit : p[at / 8] & ~bit);
    }
}

double mil_get_number(enum mil_dtype t, const void *data, int64_t i) {
    const int bits = kinds[t].bits;
    if (!bits) return 0;
    double real = 0;
    const char *at = (const char *)data + i * (bits / 8);
    if (mil_is_float(t)) {
        type_decode_f64(kinds[t].type, at, &real, 1);
        return real;
    }
    const uint64_t x = get_bits(data, bits, i);
    if (!mil_is_signed(t)) return (double)x;
    const uint64_t sign = 1ull << (bits - 1);
    return (double)(int64_t)((x ^ sign) - sign);
}

void mil_put_real(enum mil_dtype t, void *data, int64_t i, double x) {
    type_encode_f64(kinds[t].type, &x, (char *)data + i * (kinds[t].bits / 8),
                    1);
}

bool mil_put_whole(enum mil_dtype t, void *data, int64_t i, bool negative,
                   uint64_t size) {
    const int bits = kinds[t].bits;
    if (mil_is_float(t)) {
        mil_put_real(t, data, i, negative ? -(double)size : (double)size);
        return true;
    }
    const bool is_signed = mil_is_signed(t);
    const uint64_t most = is_signed ? (1ull << (bits - 1)) - (negative ? 0 : 1)
                          : bits == 64 ? UINT64_MAX
                                       : (1ull << bits) - 1;
    if (size > most || (negative && !is_signed && size)) return false;
    put_bits(data, bits, i, negative ? -size : size);
    return true;
}

static bool put_whole_word(enum mil_dtype t, void *data, int64_t i,
                           const char *word) {
    char *end;
    const char *digits = word + (word[0] == '-' || word[0] == '+');
    const bool hex = digits[0] == '0' && (digits[1] | 32) == 'x';
    errno = 0;
    const uint64_t size = strtoull(digits, &end, hex ? 16 : 10);
    return end > digits && !*end && !errno &&
           mil_put_whole(t, data, i, word[0] == '-', size);
}

bool mil_put_word(enum mil_dtype t, void *data, int64_t i, const char *word) {
    char *end;
    if (!mil_is_float(t)) return put_whole_word(t, data, i, word);
    if (t == MIL_FP32) { /* so that it is rounded once */
        const float f = strtof(word, &end);
        if (end == word || *end) return false;
        memcpy((char *)data + i * 4, &f, sizeof f);
        return true;
    }
    const double x = strtod(word, &end);
    if (end == word || *end) return false;
    mil_put_real(t, data, i, x);
    return true;
}

const char *mil_type_text(const mil_type *t, char out[MIL_TYPE_TEXT]) {
    size_t n = 0;
    const char *name = mil_dtype_name(t->dtype);
    const int room = MIL_TYPE_TEXT;
    if (!t->tensor && !t->rank) {
        snprintf(out, (size_t)room, "%s", name);
        return out;
    }
    n = (size_t)snprintf(out, (size_t)room, "%stensor<%s, [",
                         t->state ? "state<" : "", name);
    for (int i = 0; i < t->rank; i++) {
        const char *gap = i ? ", " : "";
        if (t->dim[i] < 0)
            n += (size_t)snprintf(out + n, (size_t)room - n, "%s?", gap);
        else
            n += (size_t)snprintf(out + n, (size_t)room - n, "%s%lld", gap,
                                  (long long)t->dim[i]);
    }
    snprintf(out + n, (size_t)room - n, t->state ? "]>>" : "]>");
    return out;
}
