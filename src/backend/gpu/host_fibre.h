/* host_fibre.h - functions with stacks of their own that take turns.
 *
 * One thread enters fibres from its home; a fibre goes home when it leaves, to
 * be entered again there, or when its function returns. */
#ifndef GPU_HOST_FIBRE_H
#define GPU_HOST_FIBRE_H

#include <stddef.h>
#include <ucontext.h>

enum { FIBRE_STACK = 128 << 10 }; /* bytes */

typedef void fibre_fn(void *ctx);

typedef struct fibre {
    ucontext_t context;
    fibre_fn *fn;
    void *ctx;
    unsigned char *stack;
    void *fake_stack, *race; /* of the sanitizers */
} fibre;

typedef struct fibre_home {
    ucontext_t context;
    fibre *entered;
    void *fake_stack, *race;
    const void *stack;
    size_t stack_size;
} fibre_home;

/* stack: FIBRE_STACK bytes.  Nothing runs before it is entered. */
void fibre_start(fibre *f, fibre_home *home, unsigned char *stack, fibre_fn *fn,
                 void *ctx);
/* Returns when the fibre leaves or ends. */
void fibre_enter(fibre *f, fibre_home *home);
/* Called by the fibre itself; returns when it is entered again. */
void fibre_leave(fibre *f, fibre_home *home);
void fibre_end(fibre *f); /* of one that has returned */

#endif
