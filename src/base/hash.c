/* hash.c - checksums and hashes. */
#include "base/hash.h"

#include <string.h>

uint64_t hash_bytes(const void *p, size_t n, uint64_t seed) {
    const unsigned char *b = p;
    uint64_t h = seed ? seed : 0xcbf29ce484222325u;
    for (size_t i = 0; i < n; i++) h = (h ^ b[i]) * 0x100000001b3u;
    return h;
}

static const uint64_t P1 = 0x9E3779B185EBCA87u, P2 = 0xC2B2AE3D27D4EB4Fu,
                      P3 = 0x165667B19E3779F9u, P4 = 0x85EBCA77C2B2AE63u,
                      P5 = 0x27D4EB2F165667C5u;

static uint64_t rotate(uint64_t x, int r) { return x << r | x >> (64 - r); }

static uint64_t read64(const unsigned char *p) {
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static uint64_t mix(uint64_t acc, uint64_t input) {
    return rotate(acc + input * P2, 31) * P1;
}

static uint64_t merge(uint64_t h, uint64_t v) {
    return (h ^ mix(0, v)) * P1 + P4;
}

static uint64_t tail(uint64_t h, const unsigned char *p, size_t n) {
    for (; n >= 8; p += 8, n -= 8)
        h = rotate(h ^ mix(0, read64(p)), 27) * P1 + P4;
    if (n >= 4) {
        uint32_t v;
        memcpy(&v, p, sizeof v);
        h = rotate(h ^ v * P1, 23) * P2 + P3;
        p += 4;
        n -= 4;
    }
    for (; n; p++, n--) h = rotate(h ^ *p * P5, 11) * P1;
    h = (h ^ h >> 33) * P2;
    h = (h ^ h >> 29) * P3;
    return h ^ h >> 32;
}

uint64_t hash_xx64(const void *data, size_t n, uint64_t seed) {
    const unsigned char *p = data;
    const size_t total = n;
    uint64_t h = seed + P5;
    if (n >= 32) {
        uint64_t v[4] = {seed + P1 + P2, seed + P2, seed, seed - P1};
        for (; n >= 32; p += 32, n -= 32)
            for (int i = 0; i < 4; i++) v[i] = mix(v[i], read64(p + 8 * i));
        h = rotate(v[0], 1) + rotate(v[1], 7) + rotate(v[2], 12) +
            rotate(v[3], 18);
        for (int i = 0; i < 4; i++) h = merge(h, v[i]);
    }
    return tail(h + total, p, n);
}
