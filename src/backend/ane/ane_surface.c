/* ane_surface.c - memory that the CPU and the engine share. */
#include <string.h>

#include "backend/ane/ane_driver_int.h"
#include "base/error.h"
#include "base/mem.h"

/* The engine maps pages of 16 KB, and reads by address: one flat row. */
enum { PAGE = 16384 };
static const size_t max_size = (size_t)4 << 30; /* the engine's window */

static ar_status create(ane_surface *s, ar_error *err) {
    const ane_objc *rt = &s->d->rt;
    const objc_id one = ane_objc_number(rt, 1);
    const objc_id size = ane_objc_number(rt, s->size);
    const objc_id keys[] = {rt->surface_width,   rt->surface_height,
                            rt->surface_element, rt->surface_row,
                            rt->surface_bytes,   rt->surface_format};
    const objc_id values[] = {size, one,  one,
                              size, size, ane_objc_number(rt, 0)};
    const objc_id how = ane_objc_dictionary(rt, keys, values, 6);
    s->surface = how ? rt->surface_create(how) : NULL; /* ours to release */
    if (!s->surface || rt->surface_size(s->surface) < s->size)
        return error_set(err, AR_DEVICE,
                         "the system has no surface of %zu bytes", s->size);
    const objc_id object = SEND(rt, surface_wrap, rt->of.surface, s->surface);
    if (!object)
        return error_set(err, AR_DEVICE,
                         "the runtime takes no surface of %zu bytes", s->size);
    s->object = rt->retain(object);
    return AR_OK;
}

ar_status ane_surface_open(ane_surface **out, ane_driver *d, size_t size,
                           ar_error *err) {
    *out = NULL;
    if (!size || size > max_size)
        return error_set(err, AR_RANGE,
                         "a surface of %zu bytes; from 1 to 4 GiB are possible",
                         size);
    ane_surface *s = mem_new(ane_surface, 1);
    if (!s) return error_set(err, AR_NOMEM, "no memory for a surface");
    s->d = d;
    s->size = (size + PAGE - 1) / PAGE * PAGE;
    s->serial = atomic_fetch_add(&d->serial, 1) + 1;
    void *pool = d->rt.pool_push();
    const ar_status status = create(s, err);
    d->rt.pool_pop(pool);
    if (status != AR_OK)
        ane_surface_close(s);
    else
        *out = s;
    return status;
}

void ane_surface_close(ane_surface *s) {
    if (!s) return;
    if (s->object) s->d->rt.release(s->object);
    if (s->surface) s->d->rt.cf_release(s->surface);
    mem_free(s);
}

size_t ane_surface_size(const ane_surface *s) { return s->size; }

ar_status ane_surface_lock(ane_surface *s, bool reading, void **base,
                           ar_error *err) {
    const ane_objc *rt = &s->d->rt;
    *base = NULL;
    const int e = rt->surface_lock(s->surface, reading, NULL);
    if (e)
        return error_set(err, AR_DEVICE, "a surface cannot be locked: 0x%x",
                         (unsigned)e);
    *base = rt->surface_base(s->surface);
    if (*base) return AR_OK;
    rt->surface_unlock(s->surface, reading, NULL);
    return error_set(err, AR_DEVICE, "a surface has no address");
}

ar_status ane_surface_unlock(ane_surface *s, bool reading, ar_error *err) {
    const int e = s->d->rt.surface_unlock(s->surface, reading, NULL);
    if (!e) return AR_OK;
    return error_set(err, AR_DEVICE, "a surface cannot be unlocked: 0x%x",
                     (unsigned)e);
}

/* Rows of the port one after the other: the surface's and the packed one. */
static void copy_rows(const ane_port *port, char *base, char *packed,
                      bool reading) {
    const size_t row = port->w * port->element;
    for (size_t n = 0; n < port->n; n++)
        for (size_t c = 0; c < port->c; c++)
            for (size_t h = 0; h < port->h; h++, packed += row) {
                char *at = base + n * port->batch_stride +
                           c * port->plane_stride + h * port->row_stride;
                memcpy(reading ? packed : at, reading ? at : packed, row);
            }
}

static ar_status copy(ane_surface *s, const ane_port *port, void *packed,
                      bool reading, ar_error *err) {
    if (s->size < port->size)
        return error_set(err, AR_RANGE,
                         "%.60s has %zu bytes, the surface only %zu",
                         port->name, port->size, s->size);
    void *base;
    TRY(ane_surface_lock(s, reading, &base, err));
    const size_t row = port->w * port->element;
    const bool flat = port->row_stride == row &&
                      port->plane_stride == port->h * row &&
                      port->batch_stride == port->c * port->h * row;
    if (flat)
        memcpy(reading ? packed : base, reading ? base : packed, port->size);
    else
        copy_rows(port, base, packed, reading);
    return ane_surface_unlock(s, reading, err);
}

ar_status ane_surface_write(ane_surface *s, const ane_port *port,
                            const void *src, ar_error *err) {
    return copy(s, port, (void *)(uintptr_t)src, false, err);
}

ar_status ane_surface_read(ane_surface *s, const ane_port *port, void *dst,
                           ar_error *err) {
    return copy(s, port, dst, true, err);
}
