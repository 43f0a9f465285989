/* ane_mock_int.h - objects of the stand-in. */
#ifndef TESTS_ANE_MOCK_INT_H
#define TESTS_ANE_MOCK_INT_H

#include "tests/ane/mock/ane_mock.h"

#define EXPORT __attribute__((visibility("default")))

typedef const char *SEL; /* one address for each name */
typedef struct cls cls;

/* Every object: what it is decides which members it uses. */
typedef struct obj {
    cls *isa;
    long refs;
    struct obj **items, **keys; /* owned */
    size_t n, n_keys;
    char *bytes; /* owned, a NUL behind */
    size_t size;
    uint64_t number;
} obj;

extern ane_mock mock;

cls *mock_class(const char *name);
/* kind '+' or '-'; the function has the exact type of the message. */
void mock_method(cls *c, char kind, const char *selector, const void *fn);
/* Something that would have thrown; gives NULL. */
void *mock_throw(const char *what);

obj *mock_new(const char *class, size_t n_items); /* autoreleased */
obj *mock_keep(obj *o);                           /* retained */
void mock_drop(obj *o);
bool mock_is(const obj *o, const char *class); /* also not nil */
obj *mock_string(const char *s);
obj *mock_number(uint64_t n);
obj *mock_array(obj *const *items, size_t n);
obj *mock_dictionary(const char *const *keys, obj *const *values, size_t n);
obj *mock_get(const obj *dictionary, const char *key);

/* Is there a fault for this place?  Sets *error. */
bool mock_fails(const char *where, obj **error);
void mock_error(obj **error, long code, const char *text);

void mock_foundation(void); /* define the classes */
void mock_engine(void);
void mock_engine_forget(void);

#endif
