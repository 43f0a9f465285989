/* ane_objc.c - the Objective-C runtime and the frameworks as a table. */
#include "backend/ane/ane_objc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/dynlib.h"
#include "base/error.h"

enum library {
#define LIBRARY(id, path) LIBRARY_##id,
#include "backend/ane/ane_runtime.def"
    N_LIBRARIES
};

static const char *const paths[] = {
#define LIBRARY(id, path) path,
#include "backend/ane/ane_runtime.def"
};

typedef struct row {
    const char *name; /* of the function, class or message */
    size_t at;        /* where its pointer goes in ane_objc */
    enum library library;
    bool need;
} row;

static const row functions[] = {
#define FUNCTION(field, symbol, library, need, result, ...)                    \
    {symbol, offsetof(ane_objc, field), LIBRARY_##library, need},
#include "backend/ane/ane_runtime.def"
};

static const row values[] = {
#define VALUE(field, symbol, library)                                          \
    {symbol, offsetof(ane_objc, field), LIBRARY_##library, true},
#include "backend/ane/ane_runtime.def"
};

static const row classes[] = {
#define CLASS(field, name, need) {name, offsetof(ane_objc, of.field), 0, need},
#include "backend/ane/ane_runtime.def"
};

typedef struct message_row {
    const char *selector;
    size_t send, sel, class; /* places in ane_objc */
    char kind;               /* '+' or '-' */
    bool need;
} message_row;

static const message_row messages[] = {
#define MESSAGE(field, class, kind, need, selector, result, ...)               \
    {selector,                                                                 \
     offsetof(ane_objc, to.field.send),                                        \
     offsetof(ane_objc, to.field.sel),                                         \
     offsetof(ane_objc, of.class),                                             \
     kind,                                                                     \
     need},
#include "backend/ane/ane_runtime.def"
};

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* Functions and data pointers have one size where there is dlsym. */
static void put(ane_objc *o, size_t at, const void *p) {
    memcpy((char *)o + at, &p, sizeof p);
}

static void *taken(const ane_objc *o, size_t at) {
    void *p;
    memcpy(&p, (const char *)o + at, sizeof p);
    return p;
}

static ar_status open_libraries(dynlib *lib[N_LIBRARIES], ar_error *err) {
    const char *other = getenv(ANE_LIBRARY_VARIABLE);
    for (int i = 0; i < N_LIBRARIES; i++) {
        const char *const names[] = {other && *other ? other : paths[i], NULL};
        lib[i] = dynlib_open(names);
        if (!lib[i])
            return error_set(err, AR_UNSUPPORTED,
                             "no Neural Engine here: %s is not on this system",
                             names[0]);
    }
    return AR_OK;
}

static ar_status find_symbols(ane_objc *o, dynlib *const *lib, ar_error *err) {
    for (size_t i = 0; i < COUNT(functions); i++) {
        const row *r = &functions[i];
        void *p = dynlib_symbol(lib[r->library], r->name);
        if (!p && r->need)
            return error_set(err, AR_UNSUPPORTED,
                             "this system has no function %s in %s", r->name,
                             paths[r->library]);
        put(o, r->at, p);
    }
    for (size_t i = 0; i < COUNT(values); i++) {
        const row *r = &values[i];
        void *const *p = dynlib_symbol(lib[r->library], r->name);
        if (!p || !*p)
            return error_set(err, AR_UNSUPPORTED,
                             "this system has no constant %s in %s", r->name,
                             paths[r->library]);
        put(o, r->at, *p);
    }
    return AR_OK;
}

static ar_status find_classes(ane_objc *o, ar_error *err) {
    for (size_t i = 0; i < COUNT(classes); i++) {
        const row *r = &classes[i];
        const objc_id c = o->get_class(r->name);
        if (!c && r->need)
            return error_set(err, AR_UNSUPPORTED, "this system has no class %s",
                             r->name);
        put(o, r->at, c);
    }
    return AR_OK;
}

static ar_status find_messages(ane_objc *o, const void *send, ar_error *err) {
    for (size_t i = 0; i < COUNT(messages); i++) {
        const message_row *r = &messages[i];
        const objc_id class = taken(o, r->class);
        const objc_sel sel = o->get_selector(r->selector);
        const void *found = !class           ? NULL
                            : r->kind == '+' ? o->class_method(class, sel)
                                             : o->instance_method(class, sel);
        if (found) {
            put(o, r->send, send);
            put(o, r->sel, sel);
        } else if (r->need) {
            return error_set(err, AR_UNSUPPORTED,
                             "this system has no message %c%s that the driver "
                             "needs",
                             r->kind, r->selector);
        }
    }
    return AR_OK;
}

ar_status ane_objc_open(ane_objc *out, ar_error *err) {
    dynlib *lib[N_LIBRARIES];
    ane_objc o = {0};
    TRY(open_libraries(lib, err));
    TRY(find_symbols(&o, lib, err));
    const void *send = dynlib_symbol(lib[LIBRARY_objc], "objc_msgSend");
    if (!send)
        return error_set(err, AR_UNSUPPORTED,
                         "this system has no function objc_msgSend in %s",
                         paths[LIBRARY_objc]);
    TRY(find_classes(&o, err));
    TRY(find_messages(&o, send, err));
    *out = o;
    return AR_OK;
}

objc_id ane_objc_string(const ane_objc *rt, const char *s) {
    return s ? SEND(rt, string_make, rt->of.string, s) : NULL;
}

objc_id ane_objc_data(const ane_objc *rt, const void *p, size_t size) {
    return SEND(rt, data_make, rt->of.data, p, size);
}

objc_id ane_objc_number(const ane_objc *rt, uint64_t n) {
    return SEND(rt, number_make, rt->of.number, n);
}

static bool any_null(const objc_id *items, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!items[i]) return true;
    return false;
}

objc_id ane_objc_array(const ane_objc *rt, const objc_id *items, size_t n) {
    if (any_null(items, n)) return NULL;
    return SEND(rt, array_make, rt->of.array, items, n);
}

objc_id ane_objc_dictionary(const ane_objc *rt, const objc_id *keys,
                            const objc_id *values_of, size_t n) {
    if (any_null(keys, n) || any_null(values_of, n)) return NULL;
    return SEND(rt, dictionary_make, rt->of.dictionary, values_of, keys, n);
}

/* The object, if it is of the class. */
static objc_id of_class(const ane_objc *rt, objc_id o, objc_id class) {
    return o && SEND(rt, is_kind, o, class) ? o : NULL;
}

objc_id ane_objc_get(const ane_objc *rt, objc_id dictionary, const char *key,
                     objc_id class) {
    const objc_id name = ane_objc_string(rt, key);
    if (!of_class(rt, dictionary, rt->of.dictionary) || !name) return NULL;
    return of_class(rt, SEND(rt, dictionary_at, dictionary, name), class);
}

size_t ane_objc_count(const ane_objc *rt, objc_id array) {
    if (!of_class(rt, array, rt->of.array)) return 0;
    return SEND(rt, array_count, array);
}

objc_id ane_objc_at(const ane_objc *rt, objc_id array, size_t i,
                    objc_id class) {
    if (i >= ane_objc_count(rt, array)) return NULL;
    return of_class(rt, SEND(rt, array_at, array, i), class);
}

uint64_t ane_objc_get_number(const ane_objc *rt, objc_id dictionary,
                             const char *key, uint64_t otherwise) {
    const objc_id n = ane_objc_get(rt, dictionary, key, rt->of.number);
    return n ? SEND(rt, number_value, n) : otherwise;
}

const char *ane_objc_text(const ane_objc *rt, objc_id string) {
    const char *s = of_class(rt, string, rt->of.string)
                        ? SEND(rt, string_text, string)
                        : NULL;
    return s ? s : "";
}

void ane_objc_describe(const ane_objc *rt, objc_id error, char *out,
                       size_t size) {
    if (!of_class(rt, error, rt->of.error)) {
        snprintf(out, size, "no reason given");
        return;
    }
    snprintf(out, size, "%.160s (%.60s, code %ld)",
             ane_objc_text(rt, SEND(rt, error_text, error)),
             ane_objc_text(rt, SEND(rt, error_domain, error)),
             SEND(rt, error_code, error));
}
