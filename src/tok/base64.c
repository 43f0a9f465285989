/* base64.c - bytes written as letters. */
#include "tok/base64.h"

#include <stdint.h>

#include "base/error.h"

static int value_of(unsigned char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

ar_status base64_decode(text *out, const char *p, size_t n, ar_error *err) {
    while (n && p[n - 1] == '=') n--;
    uint32_t bits = 0;
    int n_bits = 0;
    text_adds(out, ""); /* so that it has data */
    for (size_t i = 0; i < n; i++) {
        const int v = value_of((unsigned char)p[i]);
        if (v < 0 || n % 4 == 1)
            return error_set(err, AR_FORMAT, "\"%.*s\" is not base64",
                             (int)(n < 80 ? n : 80), p);
        bits = (bits << 6 | (uint32_t)v) & 0xFFFFFF;
        n_bits += 6;
        if (n_bits < 8) continue;
        n_bits -= 8;
        text_add(out, &(char){(char)(bits >> n_bits)}, 1);
    }
    return text_status(out, err);
}
