/* host_fibre.c - fibres by ucontext, with what the sanitizers must be told. */
#include "backend/gpu/host_fibre.h"

#include <stdint.h>

#include "backend/gpu/host_sanitizer.h"

/* makecontext passes ints. */
static void begin(unsigned low, unsigned high) {
    const uintptr_t at = (uintptr_t)low | (uintptr_t)high << 16 << 16;
    fibre_home *home = (fibre_home *)at;
    fibre *f = home->entered;
    asan_arrived(NULL, &home->stack, &home->stack_size);
    f->fn(f->ctx);
    asan_leaving(NULL, home->stack, home->stack_size);
    tsan_switch(home->race);
    setcontext(&home->context);
}

void fibre_start(fibre *f, fibre_home *home, unsigned char *stack, fibre_fn *fn,
                 void *ctx) {
    const uintptr_t at = (uintptr_t)home;
    f->fn = fn;
    f->ctx = ctx;
    f->stack = stack;
    getcontext(&f->context);
    f->context.uc_stack.ss_sp = stack;
    f->context.uc_stack.ss_size = FIBRE_STACK;
    f->context.uc_link = NULL;
    f->race = tsan_create();
    makecontext(&f->context, (void (*)(void))begin, 2, (unsigned)at,
                (unsigned)(at >> 16 >> 16));
}

void fibre_enter(fibre *f, fibre_home *home) {
    home->entered = f;
    home->race = tsan_current();
    asan_leaving(&home->fake_stack, f->stack, FIBRE_STACK);
    tsan_switch(f->race);
    swapcontext(&home->context, &f->context);
    asan_arrived(home->fake_stack, NULL, NULL);
}

void fibre_leave(fibre *f, fibre_home *home) {
    asan_leaving(&f->fake_stack, home->stack, home->stack_size);
    tsan_switch(home->race);
    swapcontext(&f->context, &home->context);
    asan_arrived(f->fake_stack, &home->stack, &home->stack_size);
}

void fibre_end(fibre *f) { tsan_destroy(f->race); }
