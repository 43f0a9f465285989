/* dot8_amx.c - dot8 by the tiles of AMX, 16 rows of activations at a time.
 *
 * A group of a panel, [steps][16][4], is a tile of weights as it stands, and 16
 * rows of activations are one by their stride: tdpbsud multiplies both to 16 x
 * 16 whole numbers.  What is left of the rows goes to the base's dot8.
 * ISA_TILES has the instructions, or a model of them. */
#include "backend/cpu/isa/isa.h"
#include "backend/cpu/isa/vec_math.h"

#include ISA_TILES

enum { ROWS = 16, PARTS = PANEL8 / VEC };
enum { SUMS, ROWS_OF_X, ROWS_OF_W }; /* tiles */

/* What ldtilecfg reads. */
typedef struct tile_shapes {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_size[16]; /* bytes */
    uint8_t rows[16];
} tile_shapes;

static void set_tiles(int steps) {
    const tile_shapes s = {.palette = 1,
                           .row_size = {64, (uint16_t)(4 * steps), 64},
                           .rows = {ROWS, ROWS, (uint8_t)steps}};
    tile_config(&s);
}

/* sum [16][16] goes on by group g, whose sums of products are `whole`. */
ALWAYS void add_group(const dot8_args *a, int64_t g,
                      const int32_t (*whole)[PANEL8], float (*sum)[PANEL8]) {
    const int64_t block = g * a->group / 32;
    for (int p = 0; p < PARTS; p++) {
        const vec scale = vec_load(a->scale + g * PANEL8 + p * VEC);
        const vec minimum = a->minima
                                ? vec_load(a->minimum + g * PANEL8 + p * VEC)
                                : vec_zero();
        for (int i = 0; i < ROWS; i++) {
            float *at = sum[i] + p * VEC;
            bits w;
            memcpy(&w, whole[i] + p * VEC, sizeof w);
            w += a->start[i * a->ld_groups + g];
            vec y =
                vec_fma(scale * vec_set1(a->x_scale[i * a->ld_blocks + block]),
                        __builtin_convertvector(w, vec), vec_load(at));
            if (a->minima)
                y = vec_fma(minimum, vec_set1(a->sums[i * a->ld_groups + g]),
                            y);
            vec_store(at, y);
        }
    }
}

static void sixteen_rows(const dot8_args *a, float *y, int64_t ldy, bool add) {
    int32_t whole[ROWS][PANEL8];
    float sum[ROWS][PANEL8] = {{0}};
    for (int i = 0; add && i < ROWS; i++)
        memcpy(sum[i], y + i * ldy, sizeof sum[i]);
    for (int64_t g = 0; g < a->k / a->group; g++) {
        tile_zero(SUMS);
        tile_load(ROWS_OF_X, a->x + g * a->group, a->ld_x);
        tile_load(ROWS_OF_W, a->levels + g * a->group * PANEL8, 4 * PANEL8);
        tile_dpbsud(SUMS, ROWS_OF_X, ROWS_OF_W);
        tile_store(SUMS, whole, sizeof *whole);
        add_group(a, g, whole, sum);
    }
    for (int i = 0; i < ROWS; i++) memcpy(y + i * ldy, sum[i], sizeof sum[i]);
}

void ISA_BASE_NAME(dot8)(const dot8_args *a, int m, float *y, int64_t ldy,
                         bool add);

void ISA_NAME(dot8)(const dot8_args *a, int m, float *y, int64_t ldy,
                    bool add) {
    dot8_args rest = *a;
    if (m >= ROWS) set_tiles(a->group / 4);
    for (; m >= ROWS; m -= ROWS) {
        sixteen_rows(&rest, y, ldy, add);
        rest.x += ROWS * a->ld_x;
        rest.x_scale += ROWS * a->ld_blocks;
        rest.start += ROWS * a->ld_groups;
        rest.sums += ROWS * a->ld_groups;
        y += ROWS * ldy;
    }
    if (rest.x != a->x) tile_release();
    if (m) ISA_BASE_NAME(dot8)(&rest, m, y, ldy, add);
}
