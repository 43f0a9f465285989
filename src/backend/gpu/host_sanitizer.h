/* host_sanitizer.h - telling the sanitizers of a switch of stacks; without
 * them, nothing. */
#ifndef GPU_HOST_SANITIZER_H
#define GPU_HOST_SANITIZER_H

#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__)
#define HOST_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HOST_ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define HOST_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HOST_TSAN 1
#endif
#endif

#ifdef HOST_ASAN
#include <sanitizer/common_interface_defs.h>
static inline void asan_leaving(void **save, const void *stack, size_t size) {
    __sanitizer_start_switch_fiber(save, stack, size);
}
static inline void asan_arrived(void *saved, const void **from, size_t *size) {
    __sanitizer_finish_switch_fiber(saved, from, size);
}
#else
static inline void asan_leaving(void **save, const void *stack, size_t size) {
    (void)save, (void)stack, (void)size;
}
static inline void asan_arrived(void *saved, const void **from, size_t *size) {
    (void)saved, (void)from, (void)size;
}
#endif

#ifdef HOST_TSAN
#include <sanitizer/tsan_interface.h>
static inline void *tsan_current(void) { return __tsan_get_current_fiber(); }
static inline void *tsan_create(void) { return __tsan_create_fiber(0); }
static inline void tsan_switch(void *f) { __tsan_switch_to_fiber(f, 0); }
static inline void tsan_destroy(void *f) { __tsan_destroy_fiber(f); }
#else
static inline void *tsan_current(void) { return NULL; }
static inline void *tsan_create(void) { return NULL; }
static inline void tsan_switch(void *f) { (void)f; }
static inline void tsan_destroy(void *f) { (void)f; }
#endif

#endif
