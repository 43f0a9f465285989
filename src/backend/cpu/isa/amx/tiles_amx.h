/* tiles_amx.h - the tile instructions of AMX that dot8_amx.c uses.  Numbers of
 * tiles are written out, as compilers want them: 0 is a sum, 1 and 2 are its
 * factors. */
#ifndef CPU_TILES_H
#define CPU_TILES_H

#include <immintrin.h>
#include <stddef.h>

static inline void tile_config(const void *shapes) { _tile_loadconfig(shapes); }
static inline void tile_release(void) { _tile_release(); }

static inline void tile_zero(int t) {
    (void)t;
    _tile_zero(0);
}
static inline void tile_load(int t, const void *p, size_t stride) {
    if (t == 1)
        _tile_loadd(1, p, stride);
    else
        _tile_loadd(2, p, stride);
}
static inline void tile_dpbsud(int sum, int a, int b) {
    (void)sum, (void)a, (void)b;
    _tile_dpbsud(0, 1, 2);
}
static inline void tile_store(int t, void *p, size_t stride) {
    (void)t;
    _tile_stored(0, p, stride);
}

#endif
