/* arena.c - memory that is freed all at once. */
#include "base/arena.h"

#include <stdint.h>
#include <string.h>

#include "base/mem.h"

#if defined(__SANITIZE_ADDRESS__)
#define HAVE_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAVE_ASAN 1
#endif
#endif
#ifdef HAVE_ASAN
#include <sanitizer/asan_interface.h>
#define poison(p, n) ASAN_POISON_MEMORY_REGION(p, n)
#define unpoison(p, n) ASAN_UNPOISON_MEMORY_REGION(p, n)
#else
#define poison(p, n) ((void)(p), (void)(n))
#define unpoison(p, n) ((void)(p), (void)(n))
#endif

struct arena_chunk {
    arena_chunk *below;
    size_t used, size; /* bytes of data[] */
    _Alignas(16) unsigned char data[];
};

void arena_open(arena *a, size_t chunk_size) {
    *a = (arena){.chunk_size = chunk_size};
}

static void drop_top(arena *a) {
    arena_chunk *c = a->top;
    a->top = c->below;
    unpoison(c->data, c->size);
    mem_free(c);
}

void arena_close(arena *a) {
    while (a->top) drop_top(a);
}

static int add_chunk(arena *a, size_t size) {
    if (size < a->chunk_size) size = a->chunk_size;
    arena_chunk *c = mem_alloc(sizeof *c + size);
    if (!c) return 0;
    c->below = a->top;
    c->size = size;
    poison(c->data, size);
    a->top = c;
    return 1;
}

void *arena_alloc(arena *a, size_t size) {
    if (size > SIZE_MAX / 2) return NULL;
    size = (size + 15) & ~(size_t)15;
    if (!a->top || size > a->top->size - a->top->used)
        if (!add_chunk(a, size)) return NULL;
    unsigned char *p = a->top->data + a->top->used;
    a->top->used += size;
    unpoison(p, size);
    return memset(p, 0, size);
}

void *arena_copy(arena *a, const void *p, size_t n) {
    void *q = arena_alloc(a, n);
    return q && n ? memcpy(q, p, n) : q;
}

char *arena_text(arena *a, const char *p, size_t n) {
    if (n == SIZE_MAX) return NULL;
    char *q = arena_alloc(a, n + 1);
    return q && n ? memcpy(q, p, n) : q;
}

arena_mark arena_get_mark(const arena *a) {
    return (arena_mark){a->top, a->top ? a->top->used : 0};
}

void arena_reset(arena *a, arena_mark m) {
    while (a->top != m.chunk) drop_top(a);
    if (!a->top) return;
    poison(a->top->data + m.used, a->top->used - m.used);
    a->top->used = m.used;
}
