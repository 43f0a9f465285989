/* decoder_mlp.c - the feed-forward branch of a layer. */
#include "model/decoder_int.h"

/* gate and up [R, F] of x [R, C]; no gate is 0. */
static void gate_and_up(const decoder_state *s, ref x, int layer, ref *gate,
                        ref *up) {
    *gate = 0;
    if (s->c->fused_mlp) {
        const int64_t sizes[] = {s->c->n_ff, s->c->n_ff};
        *gate = graph_split(s->g, decoder_linear(s, x, ROLE_GATE_UP, layer), 1,
                            sizes, 2);
        *up = graph_output(s->g, *gate, 1);
        return;
    }
    *up = decoder_linear(s, x, ROLE_UP, layer);
    if (s->c->gated) *gate = decoder_linear(s, x, ROLE_GATE, layer);
}

ref decoder_mlp(const decoder_state *s, ref x, int layer) {
    ref gate, up;
    gate_and_up(s, x, layer, &gate, &up);
    const ref y = gate ? graph_gated(s->g, s->c->act, gate, up)
                       : graph_unary(s->g, s->c->act, up);
    return decoder_linear(s, y, ROLE_DOWN, layer);
}
