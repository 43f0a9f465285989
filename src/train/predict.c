/* predict.c - what a training step will take, before it runs. */
#include "train/trainer_int.h"

double trainer_predict(const trainer *t, const device_speed *speed) {
    double seconds = 0;
    const struct {
        const compiled *c;
        int64_t times;
    } parts[] = {{&t->zero, t->zero.p ? 1 : 0},
                 {&t->grad, t->accumulate},
                 {&t->norm, t->norm.p ? 1 : 0},
                 {&t->update, 1},
                 {&t->average, t->average.p ? 1 : 0}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (!parts[i].times) continue;
        program_stats stats;
        t->dev.b->stats(parts[i].c->p, &stats);
        const cost_run r = {.speed = speed,
                            .block_size = (double)stats.block_size};
        seconds += (double)parts[i].times * graph_seconds(&parts[i].c->g, &r);
    }
    return seconds;
}
