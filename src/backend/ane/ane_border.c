/* ane_border.c - elements of the graph to and from the surfaces of a program:
 * [.., T, C] to channels first, in fp16. */
#include <math.h>
#include <string.h>

#include "backend/ane/ane_lower.h"
#include "quant/quant.h"

/* Row-major elements of the value at `first` channel: element (t, c). */
typedef struct place {
    int64_t channels, positions; /* of the port */
    int64_t wide;                /* of the value */
} place;

static place place_of(const graph *g, const ane_port *p) {
    const shape s = graph_shape(g, p->value);
    place at = {p->type.dim[1], p->type.dim[3], 1};
    for (int i = 0; i < p->channel_dims && i < s.rank; i++)
        at.wide *= s.dim[s.rank - 1 - i];
    return at;
}

void ane_pack(const graph *g, const ane_port *p, const float *x,
              uint16_t *out) {
    const place at = place_of(g, p);
    for (int64_t c = 0; c < at.channels; c++)
        for (int64_t t = 0; t < at.positions; t++)
            out[c * at.positions + t] =
                f32_to_f16(x[t * at.wide + p->first + c]);
}

void ane_unpack(const graph *g, const ane_port *p, const uint16_t *x,
                float *out) {
    const place at = place_of(g, p);
    for (int64_t t = 0; t < at.positions; t++) {
        if (p->base) {
            const float chunk = f16_to_f32(x[t]);
            out[t] = chunk * (float)p->base + f16_to_f32(x[at.positions + t]);
            continue;
        }
        for (int64_t c = 0; c < at.channels; c++)
            out[t * at.wide + p->first + c] =
                f16_to_f32(x[c * at.positions + t]);
    }
}

void ane_pack_one_hot(const ane_port *p, const int32_t *rows, uint16_t *out) {
    const int64_t channels = p->type.dim[1], n = p->type.dim[3];
    memset(out, 0, (size_t)(channels * n) * sizeof *out);
    for (int64_t i = 0; i < n; i++)
        if (rows[i] >= 0 && rows[i] < channels)
            out[rows[i] * n + i] = f32_to_f16(1);
}

/* Counts, in fp16, of how often a row sees a slot. */
static void count_row(const struct paged_attr *a, const int32_t *table,
                      int64_t pages, int64_t position, int64_t slots,
                      uint16_t *out) {
    const int64_t first =
        a->window > 0 && position >= a->window ? position - a->window + 1 : 0;
    for (int64_t j = first; j <= position && j / a->page < pages; j++) {
        const int64_t slot = table[j / a->page] * a->page + j % a->page;
        if (slot >= 0 && slot < slots)
            out[slot] = f32_to_f16(f16_to_f32(out[slot]) + 1);
    }
}

void ane_pack_mask(const graph *g, const ane_port *p, const int32_t *table,
                   const int32_t *sequence, const int32_t *position,
                   uint16_t *out) {
    const node *n = graph_node(g, p->value);
    const shape t = graph_shape(g, n->in[3]);
    const int64_t rows = p->type.dim[1], slots = p->type.dim[3];
    memset(out, 0, (size_t)(rows * slots) * sizeof *out);
    for (int64_t i = 0; i < rows; i++) {
        uint16_t *row = out + i * slots;
        if (sequence[i] >= 0 && sequence[i] < t.dim[0])
            count_row(&n->attr.paged, table + sequence[i] * t.dim[1], t.dim[1],
                      position[i], slots, row);
        for (int64_t k = 0; k < slots; k++)
            row[k] = f32_to_f16(row[k] ? logf(f16_to_f32(row[k])) : ANE_MASKED);
    }
}
