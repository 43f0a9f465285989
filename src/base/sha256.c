/* sha256.c - SHA-256 (FIPS 180-4), of bytes that come piece by piece. */
#include "base/sha256.h"

#include <string.h>

/* The first 32 bits of the fractions of the cube roots of the first primes. */
static const uint32_t round_constant[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1,
    0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3,
    0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
    0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
    0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
    0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
    0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
    0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
    0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static inline uint32_t turn(uint32_t x, int n) {
    return x >> n | x << (32 - n);
}

static void load_block(uint32_t w[64], const unsigned char *p) {
    for (int i = 0; i < 16; i++, p += 4)
        w[i] = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
               (uint32_t)p[2] << 8 | p[3];
    for (int i = 16; i < 64; i++) {
        const uint32_t a = w[i - 15], b = w[i - 2];
        w[i] = w[i - 16] + w[i - 7] + (turn(a, 7) ^ turn(a, 18) ^ a >> 3) +
               (turn(b, 17) ^ turn(b, 19) ^ b >> 10);
    }
}

/* Round r of eight: instead of moving the eight words along, their names move.
 * r is a constant where it is called, so the words stay in registers. */
static inline void take_round(uint32_t v[8], int r, uint32_t word) {
    const uint32_t a = v[(8 - r) & 7], b = v[(9 - r) & 7], c = v[(10 - r) & 7],
                   e = v[(12 - r) & 7], f = v[(13 - r) & 7],
                   g = v[(14 - r) & 7];
    const uint32_t t = v[(15 - r) & 7] + word + (g ^ (e & (f ^ g))) +
                       (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25));
    v[(11 - r) & 7] += t;
    v[(15 - r) & 7] = t + ((a & b) | (c & (a | b))) +
                      (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22));
}

static void add_block(uint32_t state[8], const unsigned char *p) {
    uint32_t w[64], v[8];
    load_block(w, p);
    memcpy(v, state, sizeof v);
    for (int i = 0; i < 64; i += 8) {
        take_round(v, 0, w[i] + round_constant[i]);
        take_round(v, 1, w[i + 1] + round_constant[i + 1]);
        take_round(v, 2, w[i + 2] + round_constant[i + 2]);
        take_round(v, 3, w[i + 3] + round_constant[i + 3]);
        take_round(v, 4, w[i + 4] + round_constant[i + 4]);
        take_round(v, 5, w[i + 5] + round_constant[i + 5]);
        take_round(v, 6, w[i + 6] + round_constant[i + 6]);
        take_round(v, 7, w[i + 7] + round_constant[i + 7]);
    }
    for (int i = 0; i < 8; i++) state[i] += v[i];
}

void sha256_begin(sha256 *s) {
    static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372,
                                      0xa54ff53a, 0x510e527f, 0x9b05688c,
                                      0x1f83d9ab, 0x5be0cd19};
    *s = (sha256){.size = 0};
    memcpy(s->state, start, sizeof start);
}

void sha256_add(sha256 *s, const void *p, size_t n) {
    const unsigned char *at = p;
    const size_t held = s->size % 64;
    s->size += n;
    if (held + n < 64) {
        if (n) memcpy(s->block + held, at, n);
        return;
    }
    if (held) {
        memcpy(s->block + held, at, 64 - held);
        add_block(s->state, s->block);
        at += 64 - held;
        n -= 64 - held;
    }
    for (; n >= 64; at += 64, n -= 64) add_block(s->state, at);
    if (n) memcpy(s->block, at, n);
}

void sha256_end(sha256 *s, char hex[SHA256_HEX]) {
    static const unsigned char padding[64] = {0x80};
    static const char digits[] = "0123456789abcdef";
    unsigned char count[8];
    for (int i = 0; i < 8; i++)
        count[i] = (unsigned char)(s->size * 8 >> (56 - 8 * i));
    sha256_add(s, padding, 1 + (119 - s->size % 64) % 64);
    sha256_add(s, count, 8);
    for (int i = 0; i < 64; i++)
        hex[i] = digits[s->state[i / 8] >> (28 - 4 * (i % 8)) & 15];
    hex[64] = 0;
}

bool sha256_is_hex(const char *text) {
    return strlen(text) == 64 && strspn(text, "0123456789abcdefABCDEF") == 64;
}
