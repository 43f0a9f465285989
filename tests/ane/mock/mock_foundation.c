/* mock_foundation.c - strings, numbers, collections, errors, surfaces. */
#include <stdlib.h>
#include <string.h>

#include "tests/ane/mock/ane_mock_int.h"

EXPORT obj *NSTemporaryDirectory(void);
EXPORT int sysctlbyname(const char *name, void *out, size_t *size, void *in,
                        size_t in_size);
EXPORT obj *IOSurfaceCreate(obj *how);
EXPORT int IOSurfaceLock(obj *s, uint32_t how, uint32_t *seed);
EXPORT int IOSurfaceUnlock(obj *s, uint32_t how, uint32_t *seed);
EXPORT void *IOSurfaceGetBaseAddress(obj *s);
EXPORT size_t IOSurfaceGetAllocSize(obj *s);

static obj *with_bytes(const char *class, const void *p, size_t n) {
    obj *o = mock_new(class, 0);
    o->bytes = calloc(1, n + 1);
    if (n) memcpy(o->bytes, p, n);
    o->size = n;
    return o;
}

obj *mock_string(const char *s) { return with_bytes("NSString", s, strlen(s)); }

obj *mock_number(uint64_t n) {
    obj *o = mock_new("NSNumber", 0);
    o->number = n;
    return o;
}

obj *mock_array(obj *const *items, size_t n) {
    obj *o = mock_new("NSArray", n);
    for (size_t i = 0; i < n; i++) {
        if (!items[i]) mock_throw("nil in an array");
        o->items[i] = mock_keep(items[i]);
    }
    return o;
}

static obj *dictionary_of(obj *const *keys, obj *const *values, size_t n) {
    obj *o = mock_new("NSDictionary", n);
    o->n_keys = n;
    o->keys = calloc(n + 1, sizeof *o->keys);
    for (size_t i = 0; i < n; i++) {
        if (!keys[i] || !values[i]) mock_throw("nil in a dictionary");
        o->keys[i] = mock_keep(keys[i]);
        o->items[i] = mock_keep(values[i]);
    }
    return o;
}

obj *mock_dictionary(const char *const *keys, obj *const *values, size_t n) {
    obj *names[16];
    for (size_t i = 0; i < n; i++) names[i] = mock_string(keys[i]);
    return dictionary_of(names, values, n);
}

obj *mock_get(const obj *d, const char *key) {
    for (size_t i = 0; i < d->n_keys; i++)
        if (!strcmp(d->keys[i]->bytes, key)) return d->items[i];
    return NULL;
}

void mock_error(obj **error, long code, const char *text) {
    if (!error || !text) return;
    obj *e = mock_new("NSError", 2);
    e->items[0] = mock_keep(mock_string("com.apple.appleneuralengine"));
    e->items[1] = mock_keep(mock_string(text));
    e->number = (uint64_t)code;
    *error = e;
}

bool mock_fails(const char *where, obj **error) {
    mock_fault *f = &mock.fault;
    if (!f->times || strcmp(f->where, where)) return false;
    f->times--;
    mock_error(error, f->code, f->text);
    return true;
}

static signed char is_kind(obj *o, SEL s, cls *c) {
    (void)s;
    return o->isa == c;
}

static obj *string_make(obj *c, SEL s, const char *text) {
    (void)c, (void)s;
    return text ? mock_string(text) : mock_throw("stringWithUTF8String: NULL");
}

static const char *string_text(obj *o, SEL s) {
    (void)s;
    return o->bytes;
}

static obj *data_make(obj *c, SEL s, const void *p, unsigned long n) {
    (void)c, (void)s;
    return with_bytes("NSData", p, n);
}

static obj *number_make(obj *c, SEL s, unsigned long long n) {
    (void)c, (void)s;
    return mock_number(n);
}

static unsigned long long number_value(obj *o, SEL s) {
    (void)s;
    return o->number;
}

static obj *array_make(obj *c, SEL s, obj *const *items, unsigned long n) {
    (void)c, (void)s;
    return mock_array(items, n);
}

static unsigned long count(obj *o, SEL s) {
    (void)s;
    return o->n;
}

static obj *array_at(obj *o, SEL s, unsigned long i) {
    (void)s;
    return i < o->n ? o->items[i] : mock_throw("an index behind the end");
}

static obj *dictionary_make(obj *c, SEL s, obj *const *values, obj *const *keys,
                            unsigned long n) {
    (void)c, (void)s;
    return dictionary_of(keys, values, n);
}

static obj *dictionary_at(obj *o, SEL s, obj *key) {
    (void)s;
    if (mock.hide && !strcmp(key->bytes, mock.hide)) return NULL;
    if (mock.lie && !strcmp(key->bytes, mock.lie))
        return mock_number(mock.lie_value);
    return mock_get(o, key->bytes);
}

static obj *error_domain(obj *o, SEL s) {
    (void)s;
    return o->items[0];
}

static obj *error_text(obj *o, SEL s) {
    (void)s;
    return o->items[1];
}

static long error_code(obj *o, SEL s) {
    (void)s;
    return (long)o->number;
}

static obj *url_make(obj *c, SEL s, obj *path, signed char folder) {
    (void)c, (void)s;
    if (!path || !folder) return mock_throw("a URL of no folder");
    return with_bytes("NSURL", path->bytes, path->size);
}

static obj *process_info(obj *c, SEL s) {
    (void)c, (void)s;
    return mock_new("NSProcessInfo", 0);
}

static obj *process_version(obj *o, SEL s) {
    (void)o, (void)s;
    return mock_string("Version 15.5 (Build 24F74)");
}

obj *NSTemporaryDirectory(void) {
    return mock_string(mock.temp ? mock.temp : "");
}

int sysctlbyname(const char *name, void *out, size_t *size, void *in,
                 size_t in_size) {
    static const char brand[] = "Apple M4 (stand-in)";
    (void)in, (void)in_size;
    if (strcmp(name, "machdep.cpu.brand_string") || *size < sizeof brand)
        return -1;
    memcpy(out, brand, *size = sizeof brand);
    return 0;
}

/* Constants of IOSurface: they outlive every pool, and every test. */
#define KEY(name)                                                              \
    static obj name##_object;                                                  \
    EXPORT obj *const name = &name##_object;
KEY(kIOSurfaceWidth)
KEY(kIOSurfaceHeight)
KEY(kIOSurfaceBytesPerElement)
KEY(kIOSurfaceBytesPerRow)
KEY(kIOSurfaceAllocSize)
KEY(kIOSurfacePixelFormat)

static void constant(obj *o, const char *text) {
    *o = (obj){.isa = mock_class("NSString"),
               .refs = 1L << 40,
               .bytes = (char *)(uintptr_t)text,
               .size = strlen(text)};
}

obj *IOSurfaceCreate(obj *how) {
    const obj *size = how ? mock_get(how, "IOSurfaceAllocSize") : NULL;
    if (!size || mock_fails("surface", NULL)) return NULL;
    obj *s = mock_new("IOSurface", 0);
    s->bytes = calloc(1, size->number);
    s->size = size->number;
    return mock_keep(s);
}

/* number: how often it is locked */
int IOSurfaceLock(obj *s, uint32_t how, uint32_t *seed) {
    (void)how, (void)seed;
    if (mock_fails("lock", NULL)) return (int)0xe00002bd;
    s->number++;
    return 0;
}

int IOSurfaceUnlock(obj *s, uint32_t how, uint32_t *seed) {
    (void)how, (void)seed;
    if (!s->number) mock_throw("unlocked more often than locked");
    s->number--;
    return 0;
}

void *IOSurfaceGetBaseAddress(obj *s) {
    return s->number ? s->bytes : mock_throw("read without a lock");
}

size_t IOSurfaceGetAllocSize(obj *s) { return s->size; }

void mock_foundation(void) {
    static const char *const names[] = {"NSString", "NSData",       "NSNumber",
                                        "NSArray",  "NSDictionary", "NSError",
                                        "NSURL",    "_ANEModel"};
    for (int i = 0; i < 8; i++)
        mock_method(mock_class(names[i]), '-', "isKindOfClass:", is_kind);
    cls *c = mock_class("NSString");
    mock_method(c, '+', "stringWithUTF8String:", string_make);
    mock_method(c, '-', "UTF8String", string_text);
    mock_method(mock_class("NSData"), '+', "dataWithBytes:length:", data_make);
    c = mock_class("NSNumber");
    mock_method(c, '+', "numberWithUnsignedLongLong:", number_make);
    mock_method(c, '-', "unsignedLongLongValue", number_value);
    c = mock_class("NSArray");
    mock_method(c, '+', "arrayWithObjects:count:", array_make);
    mock_method(c, '-', "count", count);
    mock_method(c, '-', "objectAtIndex:", array_at);
    c = mock_class("NSDictionary");
    mock_method(c, '+',
                "dictionaryWithObjects:forKeys:count:", dictionary_make);
    mock_method(c, '-', "objectForKey:", dictionary_at);
    c = mock_class("NSError");
    mock_method(c, '-', "domain", error_domain);
    mock_method(c, '-', "code", error_code);
    mock_method(c, '-', "localizedDescription", error_text);
    mock_method(mock_class("NSURL"), '+',
                "fileURLWithPath:isDirectory:", url_make);
    c = mock_class("NSProcessInfo");
    mock_method(c, '+', "processInfo", process_info);
    mock_method(c, '-', "operatingSystemVersionString", process_version);
    constant(&kIOSurfaceWidth_object, "IOSurfaceWidth");
    constant(&kIOSurfaceHeight_object, "IOSurfaceHeight");
    constant(&kIOSurfaceBytesPerElement_object, "IOSurfaceBytesPerElement");
    constant(&kIOSurfaceBytesPerRow_object, "IOSurfaceBytesPerRow");
    constant(&kIOSurfaceAllocSize_object, "IOSurfaceAllocSize");
    constant(&kIOSurfacePixelFormat_object, "IOSurfacePixelFormat");
}
