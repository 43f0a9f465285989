/* ane_ports.c - procedures and ports of a loaded program, as the runtime
 * describes them: the only safe source of order, strides and sizes.
 *
 * ANEFModelDescription has, for each procedure, its id and the indices of its
 * inputs and outputs in two lists of names that all procedures share; names of
 * outputs may end in "@output".  NetworkStatusList has, for each procedure in
 * the order of its name, what lies where.  None of it is trusted: a number that
 * is missing or does not fit the others fails the opening. */
#include <stdio.h>
#include <string.h>

#include "backend/ane/ane_driver_int.h"
#include "base/error.h"
#include "base/mem.h"

static const uint64_t absent = UINT64_MAX;
static const uint64_t most_bytes = (uint64_t)4 << 30; /* the engine's window */

/* The description, taken apart. */
typedef struct model {
    ane_program *p;
    const ane_objc *rt;
    objc_id procedures, names[2], ids, status; /* [2]: inputs, outputs */
} model;

static const char *const index_keys[] = {"ANEFModelInputSymbolIndexArray",
                                         "ANEFModelOutputSymbolIndexArray"};
static const char *const live_keys[] = {"LiveInputList", "LiveOutputList"};

static ar_status bad(const model *m, ar_error *err, const char *what) {
    return error_set(err, AR_DEVICE, "%.60s: the runtime's description %s",
                     m->p->name, what);
}

static const char *text_at(const model *m, objc_id dictionary,
                           const char *key) {
    return ane_objc_text(
        m->rt, ane_objc_get(m->rt, dictionary, key, m->rt->of.string));
}

/* Are the names the same, but for what is behind an "@"? */
static bool same_name(const char *a, const char *b) {
    const size_t n = strcspn(a, "@");
    return n && n == strcspn(b, "@") && !memcmp(a, b, n);
}

/* The entry of that name in a list of the status, or NULL. */
static objc_id find_live(const model *m, objc_id list, const char *name) {
    const size_t n = ane_objc_count(m->rt, list);
    for (size_t i = 0; i < n; i++) {
        const objc_id e = ane_objc_at(m->rt, list, i, m->rt->of.dictionary);
        if (e && (same_name(text_at(m, e, "Symbol"), name) ||
                  same_name(text_at(m, e, "Name"), name)))
            return e;
    }
    return NULL;
}

static size_t element_of(const char *type) {
    static const struct {
        const char *type;
        size_t size;
    } known[] = {{"Float16", 2}, {"Float32", 4}, {"Int8", 1},
                 {"UInt8", 1},   {"Int16", 2},   {"UInt16", 2},
                 {"Int32", 4},   {"UInt32", 4},  {"Bool", 1}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(known[i].type, type)) return known[i].size;
    return 0;
}

/* A number of the entry into *out; `otherwise` if it may be missing. */
static bool number_at(const model *m, objc_id e, const char *key,
                      uint64_t otherwise, size_t *out) {
    const uint64_t v = ane_objc_get_number(m->rt, e, key, otherwise);
    *out = (size_t)v;
    return v > 0 && v <= most_bytes;
}

static bool read_layout(const model *m, objc_id e, ane_port *q) {
    size_t depth, interleave;
    return number_at(m, e, "Batches", 1, &q->n) &&
           number_at(m, e, "Channels", absent, &q->c) &&
           number_at(m, e, "Height", 1, &q->h) &&
           number_at(m, e, "Width", absent, &q->w) &&
           number_at(m, e, "RowStride", absent, &q->row_stride) &&
           number_at(m, e, "PlaneStride", absent, &q->plane_stride) &&
           number_at(m, e, "BatchStride", absent, &q->batch_stride) &&
           number_at(m, e, "Depth", 1, &depth) && depth == 1 &&
           number_at(m, e, "Interleave", 1, &interleave) && interleave == 1;
}

/* Does each stride hold what it steps over, and the whole fit the engine? */
static bool strides_hold(const ane_port *q) {
    /* counts up to 2^32 times strides up to 2^32: no product overflows */
    return (uint64_t)q->w * q->element <= q->row_stride &&
           q->h <= q->plane_stride / q->row_stride &&
           q->c <= q->batch_stride / q->plane_stride &&
           q->n <= most_bytes / q->batch_stride;
}

static ar_status read_port(const model *m, objc_id live, ane_port *q,
                           ar_error *err) {
    const objc_id e = find_live(m, live, q->name);
    q->name[strcspn(q->name, "@")] = 0;
    if (!e)
        return error_set(err, AR_DEVICE,
                         "%.60s: the runtime describes no layout of %.60s",
                         m->p->name, q->name);
    snprintf(q->type, sizeof q->type, "%s", text_at(m, e, "Type"));
    q->element = element_of(q->type);
    if (!q->element || !read_layout(m, e, q))
        return error_set(err, AR_UNSUPPORTED,
                         "%.60s: %.60s has a layout that the driver does not "
                         "know (type \"%s\")",
                         m->p->name, q->name, q->type);
    if (!strides_hold(q))
        return error_set(err, AR_DEVICE,
                         "%.60s: strides of %.60s do not hold its shape",
                         m->p->name, q->name);
    q->size = q->n * q->batch_stride;
    return AR_OK;
}

/* Ports of one procedure and direction into q[0..n). */
static ar_status read_ports(const model *m, objc_id procedure, objc_id live,
                            int side, ane_port *q, ar_error *err) {
    const objc_id list =
        ane_objc_get(m->rt, procedure, index_keys[side], m->rt->of.array);
    const size_t n = ane_objc_count(m->rt, list);
    for (size_t i = 0; i < n; i++) {
        const objc_id at = ane_objc_at(m->rt, list, i, m->rt->of.number);
        if (!at) return bad(m, err, "has a symbol index that is no number");
        q[i].symbol = SEND(m->rt, number_value, at);
        const char *name = ane_objc_text(
            m->rt, ane_objc_at(m->rt, m->names[side], (size_t)q[i].symbol,
                               m->rt->of.string));
        if (!*name || strlen(name) >= ANE_NAME)
            return bad(m, err, "has a symbol without a usable name");
        snprintf(q[i].name, ANE_NAME, "%s", name);
        TRY(read_port(m, live, &q[i], err));
    }
    return AR_OK;
}

/* The status entry of a procedure: by name, else the only one or the one in
 * its place. */
static objc_id find_status(const model *m, const char *name, size_t place) {
    const size_t n = ane_objc_count(m->rt, m->status);
    for (size_t i = 0; i < n; i++) {
        const objc_id e =
            ane_objc_at(m->rt, m->status, i, m->rt->of.dictionary);
        if (*name && e && !strcmp(text_at(m, e, "Name"), name)) return e;
    }
    return ane_objc_at(m->rt, m->status, place, m->rt->of.dictionary);
}

/* The name of the procedure with that id: the status list has the names, the
 * map their ids. */
static const char *name_of(const model *m, uint64_t id) {
    const size_t n = ane_objc_count(m->rt, m->status);
    for (size_t i = 0; i < n; i++) {
        const objc_id e =
            ane_objc_at(m->rt, m->status, i, m->rt->of.dictionary);
        const char *name = e ? text_at(m, e, "Name") : "";
        if (*name && ane_objc_get_number(m->rt, m->ids, name, absent) == id)
            return name;
    }
    return "";
}

static size_t count_at(const model *m, size_t procedure, int side) {
    const objc_id d =
        ane_objc_at(m->rt, m->procedures, procedure, m->rt->of.dictionary);
    return ane_objc_count(
        m->rt, ane_objc_get(m->rt, d, index_keys[side], m->rt->of.array));
}

static ar_status read_procedure(const model *m, size_t i, ane_port *q,
                                ar_error *err) {
    ane_procedure *f = &m->p->procedures[i];
    const objc_id d =
        ane_objc_at(m->rt, m->procedures, i, m->rt->of.dictionary);
    f->id = ane_objc_get_number(m->rt, d, "ANEFModelProcedureID", i);
    const char *name = name_of(m, f->id);
    snprintf(f->name, sizeof f->name, "%s", name);
    const objc_id status = find_status(m, name, i);
    f->inputs = q;
    f->n_inputs = (int)count_at(m, i, 0);
    f->outputs = q + f->n_inputs;
    f->n_outputs = (int)count_at(m, i, 1);
    for (int side = 0; side < 2; side++) {
        const objc_id live =
            ane_objc_get(m->rt, status, live_keys[side], m->rt->of.array);
        TRY(read_ports(m, d, live, side, side ? q + f->n_inputs : q, err));
    }
    return AR_OK;
}

static ar_status count_all(const model *m, size_t n, size_t *n_ports,
                           ar_error *err) {
    *n_ports = 0;
    for (size_t i = 0; i < n; i++) {
        const size_t in = count_at(m, i, 0), out = count_at(m, i, 1);
        if (!in || !out || in > ANE_MAX_PORTS || out > ANE_MAX_PORTS)
            return bad(m, err, "has a procedure without inputs or outputs");
        *n_ports += in + out;
    }
    return AR_OK;
}

ar_status ane_ports_read(ane_program *p, objc_id attributes, ar_error *err) {
    const ane_objc *rt = &p->d->rt;
    const objc_id d =
        ane_objc_get(rt, attributes, "ANEFModelDescription", rt->of.dictionary);
    const model m = {
        .p = p,
        .rt = rt,
        .procedures = ane_objc_get(rt, d, "ANEFModelProcedures", rt->of.array),
        .names = {ane_objc_get(rt, d, "kANEFModelInputSymbolsArrayKey",
                               rt->of.array),
                  ane_objc_get(rt, d, "kANEFModelOutputSymbolsArrayKey",
                               rt->of.array)},
        .ids = ane_objc_get(rt, d, "kANEFModelProcedureNameToIDMapKey",
                            rt->of.dictionary),
        .status =
            ane_objc_get(rt, attributes, "NetworkStatusList", rt->of.array),
    };
    const size_t n = ane_objc_count(rt, m.procedures);
    if (!n || n > ANE_MAX_PROCEDURES) return bad(&m, err, "has no procedures");
    size_t n_ports;
    TRY(count_all(&m, n, &n_ports, err));
    p->procedures = mem_new(ane_procedure, n);
    p->ports = mem_new(ane_port, n_ports);
    if (!p->procedures || !p->ports)
        return error_set(err, AR_NOMEM, "%s: no memory for its ports", p->name);
    ane_port *q = p->ports;
    for (size_t i = 0; i < n; i++) {
        TRY(read_procedure(&m, i, q, err));
        q += p->procedures[i].n_inputs + p->procedures[i].n_outputs;
    }
    p->n_procedures = (int)n;
    return AR_OK;
}
