/* ane_route.c - the two ways to the compiler and the engine: a model held in
 * memory, and a folder through the client. */
#include "backend/ane/ane_driver_int.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/sha256.h"

static const char weight_prefix[] = "@model_path/weights/";

static uint32_t qos(const ane_program *p) { return (uint32_t)p->o.qos; }

/* {"@model_path/weights/NAME": {"offset": 0, "data": bytes}}, or NULL. */
static objc_id weights_of(const ane_objc *rt, const ane_source *src) {
    objc_id keys[ANE_MAX_FILES], values[ANE_MAX_FILES];
    const objc_id inner[2] = {ane_objc_string(rt, "offset"),
                              ane_objc_string(rt, "data")};
    for (int i = 0; i < src->n_files; i++) {
        const ane_file *f = &src->files[i];
        char name[sizeof weight_prefix + ANE_NAME];
        snprintf(name, sizeof name, "%s%s", weight_prefix, f->name);
        const objc_id parts[2] = {ane_objc_number(rt, 0),
                                  ane_objc_data(rt, f->data, f->size)};
        keys[i] = ane_objc_string(rt, name);
        values[i] = ane_objc_dictionary(rt, inner, parts, 2);
    }
    return ane_objc_dictionary(rt, keys, values, (size_t)src->n_files);
}

static ar_status none(const ane_program *p, const char *what, ar_error *err) {
    return error_set(err, AR_DEVICE, "%s: the runtime gave no %s", p->name,
                     what);
}

static ar_status memory_make(ane_program *p, const ane_source *src,
                             ar_error *err) {
    const ane_objc *rt = &p->d->rt;
    const objc_id text = ane_objc_data(rt, src->mil, src->mil_size);
    const objc_id weights = weights_of(rt, src);
    if (!text || !weights) return none(p, "memory for its source", err);
    const objc_id descriptor = SEND(rt, descriptor_make, rt->of.descriptor,
                                    text, weights, (objc_id)NULL);
    if (!descriptor) return none(p, "descriptor", err);
    const objc_id model =
        SEND(rt, memory_make, rt->of.memory_model, descriptor);
    if (!model) return none(p, "model", err);
    p->model = rt->retain(model);
    p->how = rt->retain(p->nothing);
    snprintf(p->id, sizeof p->id, "%s",
             ane_objc_text(rt, SEND(rt, memory_id, model)));
    return AR_OK;
}

static objc_id folder_url(const ane_program *p) {
    const ane_objc *rt = &p->d->rt;
    const objc_id path = ane_objc_string(rt, p->folder);
    return path ? SEND(rt, url_folder, rt->of.url, path, (objc_bool)1) : NULL;
}

static ar_status memory_place(ane_program *p, ar_error *err) {
    const ane_objc *rt = &p->d->rt;
    if (!p->kept) return AR_OK; /* where it looks by itself */
    const objc_id url = folder_url(p);
    if (!url) return none(p, "address for its folder", err);
    SEND(rt, memory_set_url, p->model, url);
    return AR_OK;
}

static bool memory_exists(const ane_program *p) {
    const ane_objc *rt = &p->d->rt;
    return HAS(rt, memory_exists) && SEND(rt, memory_exists, p->model);
}

static void memory_purge(const ane_program *p) {
    const ane_objc *rt = &p->d->rt;
    if (HAS(rt, memory_purge)) SEND(rt, memory_purge, p->model);
}

static bool memory_compile(const ane_program *p, objc_id *e) {
    return SEND(&p->d->rt, memory_compile, p->model, qos(p), p->how, e);
}

static bool memory_load(const ane_program *p, objc_id *e) {
    return SEND(&p->d->rt, memory_load, p->model, qos(p), p->how, e);
}

static bool memory_unload(const ane_program *p, objc_id *e) {
    return SEND(&p->d->rt, memory_unload, p->model, qos(p), e);
}

static bool evaluate_direct(const ane_program *p, objc_id request, objc_id *e) {
    return SEND(&p->d->rt, client_direct, p->d->client, p->inner, p->nothing,
                request, qos(p), e);
}

static bool memory_evaluate(const ane_program *p, objc_id request, objc_id *e) {
    if (p->inner) return evaluate_direct(p, request, e);
    return SEND(&p->d->rt, memory_evaluate, p->model, qos(p), p->nothing,
                request, e);
}

static objc_id memory_attributes(const ane_program *p) {
    return SEND(&p->d->rt, memory_attributes, p->model);
}

const ane_route_calls ane_route_memory = {
    memory_make,   memory_place,    memory_exists,
    memory_purge,  memory_compile,  memory_load,
    memory_unload, memory_evaluate, memory_attributes,
};

/* The client knows a program by its folder and a key, which we make. */
static void hash_source(const ane_source *src, char *id, size_t size) {
    sha256 s;
    char hex[SHA256_HEX];
    sha256_begin(&s);
    for (int i = -1; i < src->n_files; i++) {
        const bool text = i < 0;
        const char *name = text ? "model.mil" : src->files[i].name;
        const uint64_t n = text ? src->mil_size : src->files[i].size;
        sha256_add(&s, name, strlen(name) + 1);
        sha256_add(&s, &n, sizeof n);
        sha256_add(&s, text ? src->mil : src->files[i].data, (size_t)n);
    }
    sha256_end(&s, hex);
    snprintf(id, size, "%s", hex);
}

static ar_status client_make(ane_program *p, const ane_source *src,
                             ar_error *err) {
    const ane_objc *rt = &p->d->rt;
    if (!p->d->info.client)
        return error_set(err, AR_UNSUPPORTED,
                         "%s: this system has no client for programs", p->name);
    const objc_id key = ane_objc_string(rt, "kANEFModelType");
    const objc_id value = ane_objc_string(rt, "kANEFModelMIL");
    const objc_id how = ane_objc_dictionary(rt, &key, &value, 1);
    if (!how) return none(p, "memory for options", err);
    p->how = rt->retain(how);
    hash_source(src, p->id, sizeof p->id);
    if (p->d->cache[0]) return AR_OK;
    /* a folder of this program alone, as it goes when the program does */
    const size_t n = strlen(p->id);
    snprintf(p->id + n, sizeof p->id - n, "-%ld-%llu", (long)getpid(),
             (unsigned long long)atomic_fetch_add(&p->d->serial, 1));
    return AR_OK;
}

static ar_status client_place(ane_program *p, ar_error *err) {
    const ane_objc *rt = &p->d->rt;
    if (p->model) return AR_OK;
    const objc_id url = folder_url(p), key = ane_objc_string(rt, p->id);
    if (!url || !key) return none(p, "address for its folder", err);
    const objc_id model = SEND(rt, model_at, rt->of.model, url, key);
    if (!model) return none(p, "model", err);
    p->model = rt->retain(model);
    return AR_OK;
}

static bool client_exists(const ane_program *p) {
    const ane_objc *rt = &p->d->rt;
    return HAS(rt, client_exists) &&
           SEND(rt, client_exists, p->d->client, p->model);
}

static void client_purge(const ane_program *p) {
    const ane_objc *rt = &p->d->rt;
    if (HAS(rt, client_purge)) SEND(rt, client_purge, p->d->client, p->model);
}

static bool client_compile(const ane_program *p, objc_id *e) {
    return SEND(&p->d->rt, client_compile, p->d->client, p->model, p->how,
                qos(p), e);
}

static bool client_load(const ane_program *p, objc_id *e) {
    return SEND(&p->d->rt, client_load, p->d->client, p->model, p->how, qos(p),
                e);
}

static bool client_unload(const ane_program *p, objc_id *e) {
    return SEND(&p->d->rt, client_unload, p->d->client, p->model, p->nothing,
                qos(p), e);
}

static bool client_evaluate(const ane_program *p, objc_id request, objc_id *e) {
    if (p->inner) return evaluate_direct(p, request, e);
    return SEND(&p->d->rt, client_evaluate, p->d->client, p->model, p->nothing,
                request, qos(p), e);
}

static objc_id client_attributes(const ane_program *p) {
    return SEND(&p->d->rt, model_attributes, p->model);
}

const ane_route_calls ane_route_client = {
    client_make,   client_place,    client_exists,
    client_purge,  client_compile,  client_load,
    client_unload, client_evaluate, client_attributes,
};
