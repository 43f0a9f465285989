/* ane_request.c - running a program, with requests kept for the surfaces they
 * are bound to: making one costs, and one that is bound is never bound anew. */
#include <string.h>

#include "backend/ane/ane_driver_int.h"
#include "base/error.h"
#include "base/mem.h"

static void forget(ane_program *p, ane_bound *b) {
    if (b->request) p->d->rt.release(b->request);
    mem_free(b->serials);
    *b = (ane_bound){0};
}

void ane_requests_close(ane_program *p) {
    for (int i = 0; i < ANE_REQUESTS; i++) forget(p, &p->bound[i]);
}

static ar_status check_side(const ane_program *p, const ane_port *ports, int n,
                            ane_surface *const *s, ar_error *err) {
    for (int i = 0; i < n; i++) {
        if (!s || !s[i])
            return error_set(err, AR_RANGE, "%.60s: no surface for %.60s",
                             p->name, ports[i].name);
        if (s[i]->d != p->d)
            return error_set(
                err, AR_RANGE,
                "%.60s: the surface for %.60s is of another driver", p->name,
                ports[i].name);
        if (s[i]->size < ports[i].size)
            return error_set(err, AR_RANGE,
                             "%.60s: %.60s has %zu bytes, its surface only %zu",
                             p->name, ports[i].name, ports[i].size, s[i]->size);
    }
    return AR_OK;
}

/* Two NSArrays, of surface objects and symbol indices. */
static bool side_arrays(const ane_program *p, const ane_port *ports, int n,
                        ane_surface *const *s, objc_id out[2]) {
    const ane_objc *rt = &p->d->rt;
    objc_id objects[ANE_MAX_PORTS], indices[ANE_MAX_PORTS];
    for (int i = 0; i < n; i++) {
        objects[i] = s[i]->object;
        indices[i] = ane_objc_number(rt, ports[i].symbol);
    }
    out[0] = ane_objc_array(rt, objects, (size_t)n);
    out[1] = ane_objc_array(rt, indices, (size_t)n);
    return out[0] && out[1];
}

static ar_status bind(ane_program *p, const ane_procedure *f, ane_bound *b,
                      ane_surface *const *const sides[2], ar_error *err) {
    const ane_objc *rt = &p->d->rt;
    objc_id in[2], out[2];
    const objc_id id = ane_objc_number(rt, f->id);
    objc_id request = NULL;
    if (id && side_arrays(p, f->inputs, f->n_inputs, sides[0], in) &&
        side_arrays(p, f->outputs, f->n_outputs, sides[1], out))
        request = SEND(rt, request_make, rt->of.request, in[0], in[1], out[0],
                       out[1], (objc_id)NULL, (objc_id)NULL, id);
    if (!request)
        return error_set(err, AR_DEVICE, "%.60s: the runtime gave no request",
                         p->name);
    uint64_t *serials = mem_new(uint64_t, (size_t)(f->n_inputs + f->n_outputs));
    if (!serials)
        return error_set(err, AR_NOMEM, "%.60s: no memory for a request",
                         p->name);
    for (int i = 0; i < f->n_inputs; i++) serials[i] = sides[0][i]->serial;
    for (int i = 0; i < f->n_outputs; i++)
        serials[f->n_inputs + i] = sides[1][i]->serial;
    forget(p, b);
    *b = (ane_bound){.request = rt->retain(request), .serials = serials};
    return AR_OK;
}

static bool is_bound(const ane_bound *b, const ane_procedure *f, int procedure,
                     ane_surface *const *const sides[2]) {
    if (!b->request || b->procedure != procedure) return false;
    for (int i = 0; i < f->n_inputs; i++)
        if (b->serials[i] != sides[0][i]->serial) return false;
    for (int i = 0; i < f->n_outputs; i++)
        if (b->serials[f->n_inputs + i] != sides[1][i]->serial) return false;
    return true;
}

/* The request of these surfaces, made if there is none; the one that was used
 * least lately makes room. */
static ar_status find_request(ane_program *p, int procedure,
                              ane_surface *const *const sides[2], objc_id *out,
                              ar_error *err) {
    const ane_procedure *f = &p->procedures[procedure];
    ane_bound *oldest = &p->bound[0], *b = NULL;
    for (int i = 0; i < ANE_REQUESTS && !b; i++) {
        ane_bound *at = &p->bound[i];
        if (is_bound(at, f, procedure, sides)) b = at;
        if (at->used < oldest->used) oldest = at;
    }
    if (!b) {
        b = oldest;
        TRY(bind(p, f, b, sides, err));
        b->procedure = procedure;
    }
    b->used = ++p->clock;
    *out = b->request;
    return AR_OK;
}

static ar_status run(ane_program *p, int procedure,
                     ane_surface *const *const sides[2], ar_error *err) {
    objc_id request, e = NULL;
    TRY(find_request(p, procedure, sides, &request, err));
    if (p->route->evaluate(p, request, &e)) return AR_OK;
    return ane_failure(p, "evaluate", e, NULL, err);
}

ar_status ane_program_run(ane_program *p, int procedure,
                          ane_surface *const *inputs,
                          ane_surface *const *outputs, ar_error *err) {
    const ane_procedure *f = ane_program_procedure(p, procedure);
    if (!f)
        return error_set(err, AR_RANGE, "%.60s: procedure %d of %d", p->name,
                         procedure, p->n_procedures);
    TRY(check_side(p, f->inputs, f->n_inputs, inputs, err));
    TRY(check_side(p, f->outputs, f->n_outputs, outputs, err));
    ane_surface *const *const sides[2] = {inputs, outputs};
    pthread_mutex_lock(&p->lock);
    void *pool = p->d->rt.pool_push();
    const ar_status s = run(p, procedure, sides, err);
    p->d->rt.pool_pop(pool);
    pthread_mutex_unlock(&p->lock);
    return s;
}
