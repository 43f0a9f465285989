/* mem.h - the only place that asks the system for memory.
 *
 * Small things come from mem_alloc, tensors from mem_block_alloc.  Both can
 * be told to fail at the n-th call, which is how the tests show that running
 * out of memory anywhere loses nothing. */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>
#include <stdint.h>

/* Zeroed memory aligned to 16 bytes, or NULL.  Size 0 gives a valid pointer.
 * Free with mem_free, which allows NULL. */
void *mem_alloc(size_t size);

/* As realloc: keeps the old block when it fails.  New bytes are not zeroed. */
void *mem_realloc(void *p, size_t size);

void mem_free(void *p);

/* A zeroed block aligned to 4096 bytes, on huge pages where the system has
 * them, or NULL.  Free with mem_block_free and the same size. */
void *mem_block_alloc(size_t size);
void mem_block_free(void *p, size_t size);

/* Bytes held in blocks now, and the most that ever were. */
size_t mem_block_bytes(void);
size_t mem_block_peak(void);

/* Anonymous memory of this process in bytes (RssAnon), 0 if unknown. */
size_t mem_resident_anon(void);

/* Memory that this machine could still give without swapping, in bytes (Linux:
 * MemAvailable, and no more than the limit of a container), 0 if unknown. */
size_t mem_available(void);

/* Fault injection for tests: the n-th allocation from now fails (1 = the
 * next), and all after it if `sticky`; 0 turns it off.  mem_fail_count is the
 * number of allocations since the last call. */
void mem_fail_at(int64_t n, int sticky);
int64_t mem_fail_count(void);

#define mem_new(type, count) ((type *)mem_alloc(sizeof(type) * (size_t)(count)))

#endif
