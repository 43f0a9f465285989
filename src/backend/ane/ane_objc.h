/* ane_objc.h - the Objective-C runtime and the frameworks as a table.
 *
 * No SDK and no compiler for Objective-C: classes, selectors and functions of
 * ane_runtime.def are found by dlopen, and each message is a function pointer
 * of its exact type, since arm64 macOS passes variable arguments elsewhere.
 *
 * Objects from the helpers are autoreleased: they live until the pool that is
 * open around the call is popped.  NULL stands for nil; a helper that gets a
 * NULL gives NULL, because nil inside a collection throws. */
#ifndef ANE_OBJC_H
#define ANE_OBJC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arcane/status.h"

typedef struct objc_object *objc_id;
typedef struct objc_selector *objc_sel;
typedef signed char objc_bool;

/* The name of one library that stands for all of them (tests). */
#define ANE_LIBRARY_VARIABLE "ARCANE_ANE_LIBRARY"

typedef struct ane_objc {
#define FUNCTION(field, symbol, library, need, result, ...)                    \
    result (*field)(__VA_ARGS__);
#define VALUE(field, symbol, library) objc_id field;
#include "backend/ane/ane_runtime.def"
    struct {
#define CLASS(field, name, need) objc_id field;
#include "backend/ane/ane_runtime.def"
    } of; /* the classes */
    struct {
#define MESSAGE(field, class, kind, need, selector, result, ...)               \
    struct {                                                                   \
        result (*send)(objc_id, objc_sel, ##__VA_ARGS__);                      \
        objc_sel sel; /* NULL: this system does not have it */                 \
    } field;
#include "backend/ane/ane_runtime.def"
    } to; /* the messages */
} ane_objc;

/* Send a message of the table: a macro because every row has its own type. */
#define SEND(rt, message, self, ...)                                           \
    ((rt)->to.message.send((self), (rt)->to.message.sel, ##__VA_ARGS__))
#define HAS(rt, message) ((rt)->to.message.sel != NULL)

/* Find all of it.  Errors: AR_UNSUPPORTED, with the name of the first library,
 * function, class or message that is missing. */
ar_status ane_objc_open(ane_objc *out, ar_error *err);

objc_id ane_objc_string(const ane_objc *rt, const char *s);
objc_id ane_objc_data(const ane_objc *rt, const void *p,
                      size_t size); /* copy */
objc_id ane_objc_number(const ane_objc *rt, uint64_t n);
objc_id ane_objc_array(const ane_objc *rt, const objc_id *items, size_t n);
objc_id ane_objc_dictionary(const ane_objc *rt, const objc_id *keys,
                            const objc_id *values, size_t n);

/* What is at a key or place, if it is there and of that class; else NULL. */
objc_id ane_objc_get(const ane_objc *rt, objc_id dictionary, const char *key,
                     objc_id class);
objc_id ane_objc_at(const ane_objc *rt, objc_id array, size_t i, objc_id class);
size_t ane_objc_count(const ane_objc *rt, objc_id array); /* 0 of NULL */
uint64_t ane_objc_get_number(const ane_objc *rt, objc_id dictionary,
                             const char *key, uint64_t otherwise);

/* The text of an NSString; "" of NULL.  Valid while the string is. */
const char *ane_objc_text(const ane_objc *rt, objc_id string);

/* "text (domain, code n)" of an NSError; of NULL, that it gave no reason. */
void ane_objc_describe(const ane_objc *rt, objc_id error, char *out,
                       size_t size);

#endif
