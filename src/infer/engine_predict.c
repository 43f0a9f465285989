/* engine_predict.c - what prompts and answers will take, before they run. */
#include "infer/engine_predict.h"

#include "infer/engine_state.h"

/* Seconds to turn one logit into a double for the caller. */
static const double logit_seconds = 1.5e-9;

static double run_seconds(const ar_engine *e, const engine_program *p,
                          const device_speed *speed, double keys) {
    program_stats stats;
    e->be->stats(p->p, &stats);
    const cost_run r = {
        .speed = speed, .block_size = (double)stats.block_size, .keys = keys};
    return graph_seconds(&p->g, &r);
}

double engine_predict(const ar_engine *e, const device_speed *speed,
                      int64_t depth, int64_t n) {
    double seconds = 0;
    int64_t rows;
    for (int64_t at = 0; at < n; at += rows) {
        const engine_program *p =
            engine_choose(e->body, e->n_body, n - at, &rows);
        const double keys = (double)(depth + at) + (double)(rows + 1) / 2;
        seconds += run_seconds(e, p, speed, keys);
    }
    return seconds + run_seconds(e, &e->head[0], speed, 0) +
           logit_seconds * (double)e->m->config.n_vocab;
}
