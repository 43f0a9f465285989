/* ane_driver.c - opening the runtime and asking what machine it is on. */
#include "backend/ane/ane_driver_int.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"

/* The one variable of the process, because the limit is the process's. */
static atomic_int compiles;

int ane_compiles(void) { return atomic_load(&compiles); }

ar_status ane_compile_spend(const ane_driver *d, ar_error *err) {
    int n = atomic_load(&compiles);
    do {
        if (n >= d->o.compile_budget)
            return error_set(err, AR_FULL,
                             "%d programs were compiled in this process, which "
                             "is its budget (the system fails silently at "
                             "about 119): save a checkpoint and start the "
                             "program again from it",
                             n);
    } while (!atomic_compare_exchange_weak(&compiles, &n, n + 1));
    return AR_OK;
}

static void copy_text(const ane_objc *rt, objc_id s, char *out, size_t size) {
    snprintf(out, size, "%s", ane_objc_text(rt, s));
}

static void ask_device(const ane_objc *rt, ane_info *i) {
    const objc_id c = rt->of.device;
    i->has_engine = true; /* the classes are there; the device may say no */
    if (HAS(rt, device_has)) i->has_engine = SEND(rt, device_has, c);
    if (HAS(rt, device_engines)) i->engines = (int)SEND(rt, device_engines, c);
    if (HAS(rt, device_cores)) i->cores = (int)SEND(rt, device_cores, c);
    if (HAS(rt, device_virtual))
        i->virtual_machine = SEND(rt, device_virtual, c);
#define ASK(message, field)                                                    \
    if (HAS(rt, message))                                                      \
    copy_text(rt, SEND(rt, message, c), i->field, sizeof i->field)
    ASK(device_architecture, architecture);
    ASK(device_subtype, subtype);
    ASK(device_product, product);
    ASK(device_build, build);
#undef ASK
}

static void ask_system(const ane_objc *rt, ane_info *i) {
    size_t size = sizeof i->chip - 1;
    if (!rt->sysctl ||
        rt->sysctl("machdep.cpu.brand_string", i->chip, &size, NULL, 0))
        i->chip[0] = 0;
    if (HAS(rt, process_info) && HAS(rt, process_version)) {
        const objc_id p = SEND(rt, process_info, rt->of.process);
        if (p)
            copy_text(rt, SEND(rt, process_version, p), i->system,
                      sizeof i->system);
    }
}

static void ask_client(ane_driver *d) {
    const ane_objc *rt = &d->rt;
    if (HAS(rt, client_shared)) {
        const objc_id c = SEND(rt, client_shared, rt->of.client);
        if (c) d->client = rt->retain(c);
    }
    d->info.client = d->client && HAS(rt, model_at) &&
                     HAS(rt, model_attributes) && HAS(rt, client_compile) &&
                     HAS(rt, client_load) && HAS(rt, client_unload) &&
                     HAS(rt, client_evaluate);
    d->info.direct =
        d->client && HAS(rt, client_direct) && HAS(rt, memory_inner);
}

static ar_status set_options(ane_driver *d, const ane_driver_options *o,
                             ar_error *err) {
    if (o) d->o = *o;
    if (d->o.compile_budget <= 0) d->o.compile_budget = ANE_COMPILE_BUDGET;
    if (d->o.load_tries <= 0) d->o.load_tries = 4;
    if (!(d->o.wait_s > 0)) d->o.wait_s = 0.1;
    if (!d->o.cache) return AR_OK;
    const int n = snprintf(d->cache, sizeof d->cache, "%s", d->o.cache);
    d->o.cache = NULL; /* d->cache has it */
    if (n < 0 || (size_t)n >= sizeof d->cache)
        return error_set(err, AR_RANGE, "%.80s...: the path is too long",
                         d->cache);
    return AR_OK;
}

ar_status ane_driver_open(ane_driver **out, const ane_driver_options *o,
                          ar_error *err) {
    *out = NULL;
    ane_driver *d = mem_new(ane_driver, 1);
    if (!d) return error_set(err, AR_NOMEM, "no memory for the driver");
    ar_status s = set_options(d, o, err);
    if (s == AR_OK) s = ane_objc_open(&d->rt, err);
    if (s != AR_OK) {
        mem_free(d);
        return s;
    }
    void *pool = d->rt.pool_push();
    ask_device(&d->rt, &d->info);
    ask_system(&d->rt, &d->info);
    ask_client(d);
    d->rt.pool_pop(pool);
    if (!d->info.has_engine) {
        ane_driver_close(d);
        return error_set(err, AR_UNSUPPORTED,
                         "no Neural Engine here: the system says it has none");
    }
    *out = d;
    return AR_OK;
}

void ane_driver_close(ane_driver *d) {
    if (!d) return;
    if (d->client) d->rt.release(d->client);
    mem_free(d);
}

const ane_info *ane_driver_info(const ane_driver *d) { return &d->info; }
