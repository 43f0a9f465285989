/* plan_infer.c - arcane plan, of prompts and answers, and other machines. */
#include "cli/plan_infer.h"

#include "base/error.h"
#include "infer/infer.h"

static const struct machine {
    const char *name;
    double cores, gflops, levels, bandwidth, cache;
} machines[] = {
#define MACHINE(name, cores, gflops, levels, bandwidth, cache, source)         \
    {name, cores, gflops, levels, bandwidth, cache},
#include "cli/machines.def"
#undef MACHINE
};

/* Read of what a maker names; bytes from the caches for each operation;
 * seconds to wake a thread and hear from it. */
static const double read_part = 0.8, cached_part = 0.8, wake = 1e-6;

const char *plan_machine(int i, device_speed *out) {
    if (i < 0 || i >= (int)(sizeof machines / sizeof *machines)) return NULL;
    const struct machine *m = &machines[i];
    const double flops = m->cores * m->gflops * 1e9;
    *out = (device_speed){.flops = flops,
                          .levels = flops * m->levels,
                          .bandwidth = m->bandwidth * 1e9 * read_part,
                          .cached = flops * cached_part,
                          .cache_size = m->cache * 1048576,
                          .dispatch = wake * m->cores / 4};
    return m->name;
}

ar_status plan_infer(const ar_model *m, const device_speed *speed, int64_t n,
                     int64_t depth, plan_times *out, ar_error *err) {
    ar_engine_options o = ar_engine_options_default();
    ar_engine *e;
    o.device = "null";
    o.max_tokens = n > depth + 1 ? n : depth + 1;
    o.max_sessions = 1;
    TRY(ar_engine_open(&e, m, &o, err));
    out->prompt = engine_predict(e, speed, 0, n);
    out->token = engine_predict(e, speed, depth, 1);
    ar_engine_close(e);
    return AR_OK;
}
