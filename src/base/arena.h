/* arena.h - memory that is freed all at once.
 *
 * An arena grows by chunks and hands them out front to back.  There is no
 * per-object free: take a mark, allocate, and reset to the mark, or close the
 * whole.  Under ASan, memory past the top is poisoned, so use after reset is
 * reported.
 *
 *   arena a;
 *   arena_open(&a, 1 << 16);
 *   foo *f = arena_new(&a, foo, 3);      NULL when memory has run out
 *   arena_close(&a); */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

typedef struct arena_chunk arena_chunk;

typedef struct arena {
    arena_chunk *top;
    size_t chunk_size; /* bytes; larger requests get a chunk of their own */
} arena;

typedef struct arena_mark {
    arena_chunk *chunk;
    size_t used;
} arena_mark;

/* Allocates nothing yet, so it cannot fail. */
void arena_open(arena *a, size_t chunk_size);
void arena_close(arena *a);

/* Zeroed memory aligned to 16 bytes, or NULL. */
void *arena_alloc(arena *a, size_t size);

/* Copies of n bytes, the second with a NUL behind them; NULL on no memory. */
void *arena_copy(arena *a, const void *p, size_t n);
char *arena_text(arena *a, const char *p, size_t n);

arena_mark arena_get_mark(const arena *a);
void arena_reset(arena *a, arena_mark m);

#define arena_new(a, type, count)                                              \
    ((type *)arena_alloc((a), sizeof(type) * (size_t)(count)))

#endif
