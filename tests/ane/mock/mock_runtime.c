/* mock_runtime.c - classes, messages, reference counts and pools. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/ane/mock/ane_mock_int.h"

typedef struct method {
    SEL sel;
    char kind;
    const void *fn;
} method;

struct cls {
    cls *isa; /* NULL: is itself a class */
    const char *name;
    method methods[48];
    int n_methods;
};

static cls classes[24];
static int n_classes;
static char *selectors[256];
static int n_selectors;
ane_mock mock;

enum { POOL = 4096 };
static _Thread_local obj *pool[POOL];
static _Thread_local size_t n_pooled;
static _Thread_local int n_pools;

EXPORT SEL sel_registerName(const char *name);
EXPORT obj *objc_getClass(const char *name);
EXPORT const void *class_getClassMethod(const cls *c, SEL sel);
EXPORT const void *class_getInstanceMethod(const cls *c, SEL sel);
EXPORT void *objc_autoreleasePoolPush(void);
EXPORT void objc_autoreleasePoolPop(void *mark);
EXPORT obj *objc_retain(obj *o);
EXPORT void objc_release(obj *o);
EXPORT void CFRelease(obj *o);
EXPORT ane_mock *ane_mock_state(void);
EXPORT void ane_mock_reset(void);
const void *mock_lookup(const obj *self, SEL sel);

void *mock_throw(const char *what) {
    mock.exceptions++;
    snprintf(mock.exception, sizeof mock.exception, "%s", what);
    return NULL;
}

SEL sel_registerName(const char *name) {
    for (int i = 0; i < n_selectors; i++)
        if (!strcmp(selectors[i], name)) return selectors[i];
    assert(n_selectors < 256);
    return selectors[n_selectors++] = strdup(name);
}

cls *mock_class(const char *name) {
    for (int i = 0; i < n_classes; i++)
        if (!strcmp(classes[i].name, name)) return &classes[i];
    assert(n_classes < 24);
    classes[n_classes].name = name;
    return &classes[n_classes++];
}

void mock_method(cls *c, char kind, const char *selector, const void *fn) {
    assert(c->n_methods < 48);
    c->methods[c->n_methods++] = (method){sel_registerName(selector), kind, fn};
}

static bool missing(const char *name) {
    return mock.missing && !strcmp(mock.missing, name);
}

obj *objc_getClass(const char *name) {
    for (int i = 0; i < n_classes; i++)
        if (!strcmp(classes[i].name, name) && !missing(name))
            return (obj *)&classes[i];
    return NULL;
}

static const void *find(const cls *c, SEL sel, char kind) {
    for (int i = 0; i < c->n_methods && !missing(sel); i++)
        if (c->methods[i].sel == sel && c->methods[i].kind == kind)
            return c->methods[i].fn;
    return NULL;
}

const void *class_getClassMethod(const cls *c, SEL sel) {
    return find(c, sel, '+');
}

const void *class_getInstanceMethod(const cls *c, SEL sel) {
    return find(c, sel, '-');
}

static intptr_t nothing(void) { return 0; }

/* What objc_msgSend jumps to. */
__attribute__((used, visibility("hidden"))) const void *mock_lookup(
    const obj *self, SEL sel) {
    if (!self || (mock.nil && !strcmp(mock.nil, sel)))
        return (const void *)nothing;
    const bool class = !self->isa;
    const void *fn =
        find(class ? (const cls *)self : self->isa, sel, class ? '+' : '-');
    if (fn) return fn;
    mock_throw(sel);
    return (const void *)nothing;
}

/* Keeps every register that can hold an argument, as the real one does. */
#if defined(__x86_64__)
__asm__(".text\n.globl objc_msgSend\n.type objc_msgSend,@function\n"
        "objc_msgSend:\n\tendbr64\n\tpushq %rbp\n\tmovq %rsp,%rbp\n"
        "\tsubq $64,%rsp\n\tmovq %rdi,0(%rsp)\n\tmovq %rsi,8(%rsp)\n"
        "\tmovq %rdx,16(%rsp)\n\tmovq %rcx,24(%rsp)\n\tmovq %r8,32(%rsp)\n"
        "\tmovq %r9,40(%rsp)\n\tcall mock_lookup\n\tmovq %rax,%r11\n"
        "\tmovq 0(%rsp),%rdi\n\tmovq 8(%rsp),%rsi\n\tmovq 16(%rsp),%rdx\n"
        "\tmovq 24(%rsp),%rcx\n\tmovq 32(%rsp),%r8\n\tmovq 40(%rsp),%r9\n"
        "\tleave\n\tjmp *%r11\n.size objc_msgSend,.-objc_msgSend\n");
#elif defined(__aarch64__)
__asm__(".text\n.globl objc_msgSend\n.type objc_msgSend,%function\n"
        "objc_msgSend:\n\tstp x29,x30,[sp,#-80]!\n\tmov x29,sp\n"
        "\tstp x0,x1,[sp,#16]\n\tstp x2,x3,[sp,#32]\n\tstp x4,x5,[sp,#48]\n"
        "\tstp x6,x7,[sp,#64]\n\tbl mock_lookup\n\tmov x16,x0\n"
        "\tldp x0,x1,[sp,#16]\n\tldp x2,x3,[sp,#32]\n\tldp x4,x5,[sp,#48]\n"
        "\tldp x6,x7,[sp,#64]\n\tldp x29,x30,[sp],#80\n\tbr x16\n"
        ".size objc_msgSend,.-objc_msgSend\n");
#else
#error "no objc_msgSend for this processor"
#endif

obj *objc_retain(obj *o) {
    if (o) __atomic_add_fetch(&o->refs, 1, __ATOMIC_RELAXED);
    return o;
}

void objc_release(obj *o) {
    if (!o || __atomic_sub_fetch(&o->refs, 1, __ATOMIC_ACQ_REL)) return;
    for (size_t i = 0; i < o->n; i++) objc_release(o->items[i]);
    for (size_t i = 0; i < o->n_keys; i++) objc_release(o->keys[i]);
    free(o->items);
    free(o->keys);
    free(o->bytes);
    free(o);
    __atomic_sub_fetch(&mock.live, 1, __ATOMIC_RELAXED);
}

void CFRelease(obj *o) {
    if (!o) mock_throw("CFRelease(NULL)");
    objc_release(o);
}

obj *mock_keep(obj *o) { return objc_retain(o); }
void mock_drop(obj *o) { objc_release(o); }

obj *mock_new(const char *class, size_t n_items) {
    obj *o = calloc(1, sizeof *o);
    o->isa = mock_class(class);
    o->refs = 1;
    o->n = n_items;
    o->items = calloc(n_items + 1, sizeof *o->items);
    __atomic_add_fetch(&mock.live, 1, __ATOMIC_RELAXED);
    if (!n_pools) mock_throw("autoreleased with no pool in place: leaks");
    assert(n_pooled < POOL);
    pool[n_pooled++] = o;
    return o;
}

void *objc_autoreleasePoolPush(void) {
    n_pools++;
    return (void *)(n_pooled + 1);
}

void objc_autoreleasePoolPop(void *mark) {
    const size_t to = (size_t)mark - 1;
    while (n_pooled > to) objc_release(pool[--n_pooled]);
    n_pools--;
}

bool mock_is(const obj *o, const char *class) {
    return o && o->isa == mock_class(class);
}

ane_mock *ane_mock_state(void) { return &mock; }

void ane_mock_reset(void) {
    const long live = mock.live;
    mock = (ane_mock){.live = live, .compile_limit = 119, .build = "24F74"};
    mock_engine_forget();
}

__attribute__((constructor)) static void start(void) {
    mock_foundation();
    mock_engine();
    ane_mock_reset();
}
