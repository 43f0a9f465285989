/* train_device.c - opening the device of a run and compiling for it. */
#include "train/train_device.h"

#include <string.h>

#include "base/error.h"
#include "base/mem.h"

static const struct device_name {
    const char *name, *backend, *kernels;
    ar_type type;
} device_names[] = {
    {"reference", "cpu", "reference", AR_F32},
    {"reference-f64", "cpu", "reference", AR_F64},
};

ar_status train_device_open(train_device *out, const char *name,
                            const device_options *opt, ar_error *err) {
    memset(out, 0, sizeof *out);
    device_options options = *opt;
    const char *backend_name = name;
    ar_type type = AR_F32;
    for (size_t i = 0; i < sizeof device_names / sizeof *device_names; i++)
        if (strcmp(device_names[i].name, name) == 0) {
            backend_name = device_names[i].backend;
            options.kernels = device_names[i].kernels;
            type = device_names[i].type;
        }
    int index;
    const backend *b = backend_find_device(backend_name, &index);
    if (!b)
        return error_set(err, AR_USAGE,
                         "device \"%s\" is not known: cpu, gpu-host, "
                         "reference and reference-f64 are",
                         name);
    device *d;
    TRY(b->open(index, &options, &d, err));
    out->b = b;
    out->d = d;
    out->type = type;
    b->caps(d, &out->caps);
    return AR_OK;
}

void train_device_close(train_device *d) {
    if (d->d) d->b->close(d->d);
    d->d = NULL;
}

ar_status train_zero(train_device *d, buffer *b, ar_error *err) {
    if (b->host) {
        memset(b->host, 0, b->size);
        return AR_OK;
    }
    enum { PIECE = 1 << 16 };
    void *zeros = mem_alloc(PIECE);
    if (!zeros) return error_set(err, AR_NOMEM, "out of memory");
    ar_status status = AR_OK;
    for (size_t at = 0; at < b->size && status == AR_OK; at += PIECE) {
        const size_t n = b->size - at < PIECE ? b->size - at : PIECE;
        status = d->b->write(d->d, b, at, zeros, n, err);
    }
    mem_free(zeros);
    return status;
}

ar_status train_alloc(train_device *d, size_t size, buffer *out,
                      ar_error *err) {
    TRY(d->b->alloc(d->d, size, out, err));
    /* Host memory comes zeroed from the system; touching it costs time. */
    if (d->caps.host_memory) return AR_OK;
    const ar_status status = train_zero(d, out, err);
    if (status != AR_OK) d->b->free(d->d, out);
    return status;
}

ar_status compiled_open(compiled *out, train_device *d, graph *built,
                        ar_error *err) {
    memset(out, 0, sizeof *out);
    ar_status status = graph_status(built, err);
    if (status == AR_OK) status = graph_rewrite(built, &out->g, err);
    graph_close(built);
    if (status != AR_OK) return status;
    status = d->b->compile(d->d, &out->g, &out->p, err);
    if (status != AR_OK) {
        graph_close(&out->g);
        out->p = NULL;
    }
    return status;
}

void compiled_close(compiled *c, train_device *d) {
    if (!c->p) return;
    d->b->release(c->p);
    graph_close(&c->g);
    c->p = NULL;
}

ar_status compiled_run(compiled *c, train_device *d, const buffer *buffers,
                       int n_buffers, ar_error *err) {
    ticket t;
    TRY(d->b->run(c->p, buffers, n_buffers, &t, err));
    return d->b->wait(d->d, t, err);
}
