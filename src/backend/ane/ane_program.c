/* ane_program.c - a program from its source to loaded, and back. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "backend/ane/ane_driver_int.h"
#include "base/error.h"
#include "base/mem.h"

static const struct failure {
    const char *text;
    ar_status status;
    ane_then then;
    const char *meaning;
} failures[] = {
#define FAILURE(text, status, then, meaning)                                   \
    {text, AR_##status, ANE_THEN_##then, meaning},
#include "backend/ane/ane_failures.def"
};

ar_status ane_failure(const ane_program *p, const char *what, objc_id e,
                      ane_then *then, ar_error *err) {
    char text[ANE_TEXT];
    ane_objc_describe(&p->d->rt, e, text, sizeof text);
    const struct failure *f = failures;
    while (!strstr(text, f->text)) f++; /* the last text is "" */
    if (then) *then = f->then;
    return error_set(err, f->status, "%.40s: %s: %s: %s", p->name, what,
                     f->meaning, text);
}

static ar_status check_file(const ane_source *src, int i, ar_error *err) {
    const ane_file *f = &src->files[i];
    const size_t n = f->name ? strlen(f->name) : 0;
    if (!n || n >= ANE_NAME || f->name[0] == '.' || strchr(f->name, '/'))
        return error_set(err, AR_RANGE,
                         "%.60s: \"%.60s\" cannot name a weight file",
                         src->name, n ? f->name : "");
    if (!f->data || !f->size || f->size > INT32_MAX)
        return error_set(err, AR_RANGE,
                         "%.60s: weight file %.60s has %zu bytes, and must "
                         "have from 1 to 2147483647",
                         src->name, f->name, f->size);
    for (int k = 0; k < i; k++)
        if (!strcmp(src->files[k].name, f->name))
            return error_set(err, AR_RANGE,
                             "%.60s: two weight files are called %.60s",
                             src->name, f->name);
    return AR_OK;
}

static ar_status check_source(const ane_source *src, ar_error *err) {
    if (!src->name || !src->mil || !src->mil_size)
        return error_set(err, AR_RANGE, "%.60s: the program has no text",
                         src->name ? src->name : "a program without a name");
    if (src->n_files < 0 || src->n_files > ANE_MAX_FILES ||
        (src->n_files && !src->files))
        return error_set(err, AR_RANGE, "%.60s: %d weight files", src->name,
                         src->n_files);
    for (int i = 0; i < src->n_files; i++) TRY(check_file(src, i, err));
    return AR_OK;
}

static ar_status check_options(const ane_driver *d,
                               const ane_program_options *o, ar_error *err) {
    static const int known[] = {0, 9, 17, 21, 25, 33};
    bool ok = false;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        ok |= o->qos == known[i];
    if (!ok)
        return error_set(err, AR_RANGE,
                         "QoS %d is none of 0, 9, 17, 21, 25 and 33", o->qos);
    if (o->direct && !d->info.direct)
        return error_set(err, AR_UNSUPPORTED,
                         "this system cannot evaluate without the daemon");
    return AR_OK;
}

static void wait_for(double seconds) {
    struct timespec t = {.tv_sec = (time_t)seconds};
    t.tv_nsec = (long)((seconds - (double)t.tv_sec) * 1e9);
    nanosleep(&t, NULL);
}

static ar_status compile(ane_program *p, const ane_source *src, ar_error *err) {
    TRY(ane_stage_write(p, src, err));
    TRY(p->route->place(p, err));
    TRY(ane_compile_spend(p->d, err));
    objc_id e = NULL;
    if (p->route->compile(p, &e)) return AR_OK;
    return ane_failure(p, "compile", e, NULL, err);
}

/* A failure that may pass is waited out, and a compiled program that the
 * system does not take is purged and compiled again, once. */
static ar_status load(ane_program *p, const ane_source *src, ar_error *err) {
    double wait_s = p->d->o.wait_s;
    bool again = false;
    for (int tries = 1;; tries++) {
        objc_id e = NULL;
        if (p->route->load(p, &e)) break;
        ane_then then;
        const ar_status s = ane_failure(p, "load", e, &then, err);
        const bool last = then != ANE_THEN_WAIT || tries >= p->d->o.load_tries;
        if ((then == ANE_THEN_COMPILE || (p->cached && last)) && !again) {
            again = true;
            p->cached = false;
            ane_stage_unmark(p);
            p->route->purge(p);
            TRY(compile(p, src, err));
            continue;
        }
        if (last) return s;
        wait_for(wait_s);
        wait_s *= 2;
    }
    p->loaded = true;
    return AR_OK;
}

static ar_status find_inner(ane_program *p, ar_error *err) {
    if (!p->o.direct) return AR_OK;
    const ane_objc *rt = &p->d->rt;
    const objc_id m = p->o.route == ANE_ROUTE_CLIENT
                          ? p->model
                          : SEND(rt, memory_inner, p->model);
    if (!m)
        return error_set(err, AR_DEVICE, "%s: the runtime gave no inner model",
                         p->name);
    p->inner = rt->retain(m);
    return AR_OK;
}

static ar_status make(ane_program *p, const ane_source *src, ar_error *err) {
    const ane_objc *rt = &p->d->rt;
    const objc_id nothing = ane_objc_dictionary(rt, NULL, NULL, 0);
    if (!nothing)
        return error_set(err, AR_DEVICE, "%s: the runtime gave no dictionary",
                         p->name);
    p->nothing = rt->retain(nothing);
    TRY(p->route->make(p, src, err));
    TRY(ane_stage_choose(p, err));
    if (p->kept && p->o.route == ANE_ROUTE_MEMORY && !HAS(rt, memory_set_url))
        return error_set(err, AR_UNSUPPORTED,
                         "this system cannot keep compiled programs; run "
                         "without a cache");
    if (ane_stage_is_marked(p)) {
        TRY(p->route->place(p, err));
        p->cached = p->route->exists(p);
    }
    if (!p->cached) TRY(compile(p, src, err));
    TRY(load(p, src, err));
    TRY(find_inner(p, err));
    TRY(ane_ports_read(p, p->route->attributes(p), err));
    return ane_stage_mark(p, err);
}

ar_status ane_program_open(ane_program **out, ane_driver *d,
                           const ane_source *src, const ane_program_options *o,
                           ar_error *err) {
    static const ane_program_options usual = {.qos = ANE_QOS};
    *out = NULL;
    if (!o) o = &usual;
    TRY(check_source(src, err));
    TRY(check_options(d, o, err));
    ane_program *p = mem_new(ane_program, 1);
    if (!p) return error_set(err, AR_NOMEM, "%s: no memory for it", src->name);
    p->d = d;
    p->o = *o;
    p->route =
        o->route == ANE_ROUTE_CLIENT ? &ane_route_client : &ane_route_memory;
    snprintf(p->name, sizeof p->name, "%s", src->name);
    if (pthread_mutex_init(&p->lock, NULL)) {
        mem_free(p);
        return error_set(err, AR_DEVICE, "%s: no lock for it", src->name);
    }
    void *pool = d->rt.pool_push();
    const ar_status s = make(p, src, err);
    d->rt.pool_pop(pool);
    if (s != AR_OK)
        ane_program_close(p);
    else
        *out = p;
    return s;
}

static void drop(const ane_objc *rt, objc_id o) {
    if (o) rt->release(o);
}

void ane_program_close(ane_program *p) {
    if (!p) return;
    const ane_objc *rt = &p->d->rt;
    void *pool = rt->pool_push();
    ane_requests_close(p);
    objc_id e = NULL;
    if (p->loaded) p->route->unload(p, &e); /* nothing to be done if not */
    ane_stage_remove(p);
    drop(rt, p->inner);
    drop(rt, p->model);
    drop(rt, p->how);
    drop(rt, p->nothing);
    rt->pool_pop(pool);
    pthread_mutex_destroy(&p->lock);
    mem_free(p->procedures);
    mem_free(p->ports);
    mem_free(p);
}

const char *ane_program_id(const ane_program *p) { return p->id; }

bool ane_program_was_cached(const ane_program *p) { return p->cached; }

int ane_program_n_procedures(const ane_program *p) { return p->n_procedures; }

const ane_procedure *ane_program_procedure(const ane_program *p, int i) {
    return i >= 0 && i < p->n_procedures ? &p->procedures[i] : NULL;
}

int ane_port_find(const ane_port *ports, int n, const char *name) {
    for (int i = 0; i < n; i++)
        if (!strcmp(ports[i].name, name)) return i;
    return -1;
}
