/* slots_amx.c - dot8 by tiles, over a model of their instructions. */
#include "tests/cpu/slots.h"
#include "tests/cpu/tiles_model.h"

enum { TILES = 8, MOST_ROWS = 16, MOST_SIZE = 64 };

typedef struct tile {
    int rows, size; /* bytes of a row */
    uint8_t data[MOST_ROWS][MOST_SIZE];
} tile;

static tile tiles[TILES];
static bool configured;

void tile_config(const void *shapes) {
    const uint8_t *b = shapes;
    assert_int_equal(b[0], 1); /* palette */
    for (int i = 1; i < 16; i++) assert_int_equal(b[i], 0);
    for (int t = 0; t < 16; t++) {
        uint16_t size;
        memcpy(&size, b + 16 + 2 * t, sizeof size);
        const int rows = b[48 + t];
        assert_true(size <= MOST_SIZE && rows <= MOST_ROWS);
        assert_true(!size == !rows);
        if (t >= TILES)
            assert_int_equal(rows, 0);
        else
            tiles[t] = (tile){.rows = rows, .size = size};
    }
    configured = true;
}

void tile_release(void) {
    assert_true(configured);
    configured = false;
}

static tile *the(int t) {
    assert_true(configured && t >= 0 && t < TILES && tiles[t].rows);
    return &tiles[t];
}

void tile_zero(int t) { memset(the(t)->data, 0, sizeof tiles[t].data); }

void tile_load(int t, const void *p, size_t stride) {
    tile *to = the(t);
    tile_zero(t);
    for (int i = 0; i < to->rows; i++)
        memcpy(to->data[i], (const uint8_t *)p + (size_t)i * stride,
               (size_t)to->size);
}

void tile_store(int t, void *p, size_t stride) {
    const tile *from = the(t);
    for (int i = 0; i < from->rows; i++)
        memcpy((uint8_t *)p + (size_t)i * stride, from->data[i],
               (size_t)from->size);
}

void tile_dpbsud(int sum, int a, int b) {
    tile *c = the(sum);
    const tile *x = the(a), *w = the(b);
    assert_true(sum != a && sum != b && a != b);
    assert_true(x->rows == c->rows && w->size == c->size);
    assert_true(x->size == 4 * w->rows && c->size % 4 == 0);
    for (int m = 0; m < c->rows; m++)
        for (int n = 0; n < c->size / 4; n++) {
            int32_t s;
            memcpy(&s, c->data[m] + 4 * n, sizeof s);
            for (int k = 0; k < w->rows; k++)
                for (int i = 0; i < 4; i++)
                    s += (int8_t)x->data[m][4 * k + i] * w->data[k][4 * n + i];
            memcpy(c->data[m] + 4 * n, &s, sizeof s);
        }
}

/* dot8_amx.c with the model, on the portable table. */
void dot8_amxmodel(const dot8_args *a, int m, float *y, int64_t ldy, bool add);

void test_amx_model(void **state) {
    (void)state;
    cpu_kernels k = *cpu_kernels_find("portable");
    k.isa = "amx, modelled";
    k.dot8 = dot8_amxmodel;
    assert_int_equal(slot_check(&k, "dot8", slot_dot8), 0);
    assert_false(configured);
}
