/* rng.c - random numbers as a function of (seed, stream, position). */
#include "base/rng.h"

#include <math.h>

typedef struct philox_block {
    uint32_t w[4];
} philox_block;

static philox_block philox(uint64_t key, uint64_t stream, uint64_t position) {
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    philox_block c = {{(uint32_t)position, (uint32_t)(position >> 32),
                       (uint32_t)stream, (uint32_t)(stream >> 32)}};
    for (int round = 0; round < 10; round++) {
        const uint64_t p0 = (uint64_t)0xD2511F53u * c.w[0];
        const uint64_t p1 = (uint64_t)0xCD9E8D57u * c.w[2];
        c = (philox_block){{(uint32_t)(p1 >> 32) ^ c.w[1] ^ k0, (uint32_t)p1,
                            (uint32_t)(p0 >> 32) ^ c.w[3] ^ k1, (uint32_t)p0}};
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return c;
}

uint64_t rng_bits(uint64_t seed, uint64_t stream, uint64_t position) {
    const philox_block b = philox(seed, stream, position);
    return (uint64_t)b.w[1] << 32 | b.w[0];
}

static double unit(uint32_t low, uint32_t high) {
    const uint64_t bits = (uint64_t)high << 32 | low;
    return (double)(bits >> 11) * 0x1p-53;
}

double rng_uniform(uint64_t seed, uint64_t stream, uint64_t position) {
    const philox_block b = philox(seed, stream, position);
    return unit(b.w[0], b.w[1]);
}

double rng_normal(uint64_t seed, uint64_t stream, uint64_t position) {
    const philox_block b = philox(seed, stream, position);
    const double u = 1.0 - unit(b.w[0], b.w[1]); /* (0, 1] */
    const double v = unit(b.w[2], b.w[3]);
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
}

uint64_t rng_stream(const char *name) { /* FNV-1a */
    uint64_t h = 0xcbf29ce484222325u;
    for (; *name; name++) h = (h ^ (unsigned char)*name) * 0x100000001b3u;
    return h;
}
