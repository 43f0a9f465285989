/* tiles_model.h - the tile instructions of AMX in plain C, as their manual has
 * them (Intel's Architecture Instruction Set Extensions, chapter 3). */
#ifndef TESTS_CPU_TILES_MODEL_H
#define TESTS_CPU_TILES_MODEL_H

#include <stddef.h>
#include <stdint.h>

/* Shapes of 64 bytes; what the instruction would refuse fails the test. */
void tile_config(const void *shapes);
void tile_release(void);
void tile_zero(int t);
void tile_load(int t, const void *p, size_t stride);
/* sum[m][n] += over k, i: signed a[m][4 k + i] times unsigned b[k][4 n + i]. */
void tile_dpbsud(int sum, int a, int b);
void tile_store(int t, void *p, size_t stride);

#endif
