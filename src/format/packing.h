/* packing.h - how a folder keeps quantised matrices: config.json says which
 * method, packings.def how its parts are called. */
#ifndef FORMAT_PACKING_H
#define FORMAT_PACKING_H

#include <jansson.h>

#include "quant/layout.h"

enum packing_kind {
#define PACKING(NAME, ...) PACKING_##NAME,
#include "format/packings.def"
#undef PACKING
    PACKING_COUNT,
    PACKING_NONE /* matrices are one tensor each */
};

typedef struct packing_row {
    const char *text;
    layout_kind layout;
    const char *weight, *scale, *zero, *order, *all; /* "" = has none */
} packing_row;
extern const packing_row packing_table[PACKING_COUNT];

/* What all matrices of a folder share, unless `layers` says otherwise. */
typedef struct packing {
    enum packing_kind kind;
    int bits;
    int64_t group;                   /* 0 = one for a whole row */
    int64_t tile_rows, tile_columns; /* of FP8; 0 = told by the scales */
    int zero_shift;                  /* GPTQ */
    const json_t *layers; /* MLX: module -> {bits, group_size}; borrowed */
} packing;

/* Out of config.json.  Errors: AR_UNSUPPORTED for a method that is not read,
 * AR_FORMAT; the sentence names the key. */
ar_status packing_parse(packing *out, const json_t *config, ar_error *err);

/* That of one matrix, "model.layers.0.mlp.up_proj". */
ar_status packing_of(packing *out, const packing *all, const char *module,
                     ar_error *err);

#endif
