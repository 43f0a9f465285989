/* mem.c - the only place that asks the system for memory. */
#include "base/mem.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static _Atomic int64_t calls, fail_at;
static _Atomic int fail_sticky;
static _Atomic size_t block_bytes, block_peak;

void mem_fail_at(int64_t n, int sticky) {
    calls = 0;
    fail_sticky = sticky;
    fail_at = n;
}

int64_t mem_fail_count(void) { return calls; }

static int must_fail(void) {
    const int64_t n = atomic_fetch_add(&calls, 1) + 1, at = fail_at;
    return at && (n == at || (n > at && fail_sticky));
}

void *mem_alloc(size_t size) {
    return must_fail() ? NULL : calloc(1, size ? size : 1);
}

void *mem_realloc(void *p, size_t size) {
    return must_fail() ? NULL : realloc(p, size ? size : 1);
}

void mem_free(void *p) { free(p); }

static size_t page_round(size_t size) { return (size + 4095) & ~(size_t)4095; }

void *mem_block_alloc(size_t size) {
    if (must_fail() || size > SIZE_MAX - 4096) return NULL;
    const size_t n = page_round(size ? size : 1);
    void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                   -1, 0);
    if (p == MAP_FAILED) return NULL;
#ifdef MADV_HUGEPAGE
    if (n >= (size_t)4 << 20) madvise(p, n, MADV_HUGEPAGE);
#endif
    const size_t now = atomic_fetch_add(&block_bytes, n) + n;
    size_t peak = block_peak;
    while (now > peak && !atomic_compare_exchange_weak(&block_peak, &peak, now))
        ;
    return p;
}

void mem_block_free(void *p, size_t size) {
    if (!p) return;
    const size_t n = page_round(size ? size : 1);
    munmap(p, n);
    atomic_fetch_sub(&block_bytes, n);
}

size_t mem_block_bytes(void) { return block_bytes; }
size_t mem_block_peak(void) { return block_peak; }

/* The number of KiB behind `name` in a file of such lines, 0 if there is none.
 */
static size_t read_kib(const char *path, const char *name) {
    FILE *f = fopen(path, "r");
    if (!f) return 0;
    char line[256];
    const size_t n = strlen(name);
    size_t kib = 0;
    while (fgets(line, sizeof line, f))
        if (!strncmp(line, name, n)) kib = strtoull(line + n, NULL, 10);
    fclose(f);
    return kib;
}

size_t mem_resident_anon(void) {
    return read_kib("/proc/self/status", "RssAnon:") << 10;
}

/* A number alone in a file; SIZE_MAX if it is not one ("max"). */
static size_t read_number(const char *path) {
    FILE *f = fopen(path, "r");
    size_t n = SIZE_MAX;
    char line[64];
    if (!f) return n;
    if (fgets(line, sizeof line, f) && line[0] >= '0' && line[0] <= '9')
        n = strtoull(line, NULL, 10);
    fclose(f);
    return n;
}

size_t mem_available(void) {
    const size_t free_size = read_kib("/proc/meminfo", "MemAvailable:") << 10;
    const size_t limit = read_number("/sys/fs/cgroup/memory.max");
    return limit < free_size ? limit : free_size;
}
