/* test_arena.c - arenas: alignment, zeroes, marks, running out. */
#include "tests/test.h"

#include "base/arena.h"
#include "base/mem.h"

static int is_zero(const unsigned char *p, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (p[i]) return 0;
    return 1;
}

void test_arena_gives_zeroed_aligned_memory(void **state) {
    (void)state;
    arena a;
    arena_open(&a, 256);
    unsigned char *before[100];
    for (size_t i = 0; i < 100; i++) {
        const size_t n = i * 7 % 300;
        unsigned char *p = arena_alloc(&a, n);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 16, 0);
        assert_true(is_zero(p, n));
        memset(p, (int)i, n);
        before[i] = p;
    }
    for (size_t i = 0; i < 100; i++)
        for (size_t k = 0; k < i * 7 % 300; k++)
            assert_int_equal(before[i][k], i);
    arena_close(&a);
}

void test_arena_reset_takes_back(void **state) {
    (void)state;
    arena a;
    arena_open(&a, 256);
    arena_mark empty = arena_get_mark(&a);
    char *first = arena_text(&a, "first", 5);
    const arena_mark mark = arena_get_mark(&a);
    void *second = arena_alloc(&a, 64);
    memset(second, 9, 64);
    arena_alloc(&a, 10000); /* a chunk of its own */
    arena_reset(&a, mark);
    assert_ptr_equal(arena_alloc(&a, 64), second);
    assert_true(is_zero(second, 64));
    assert_string_equal(first, "first");
    arena_reset(&a, empty);
    assert_null(a.top);
    assert_non_null(arena_alloc(&a, 1));
    arena_close(&a);
}

void test_arena_copies(void **state) {
    (void)state;
    arena a;
    arena_open(&a, 64);
    const int x[3] = {1, 2, 3};
    int *y = arena_copy(&a, x, sizeof x);
    assert_memory_equal(x, y, sizeof x);
    assert_string_equal(arena_text(&a, "ab\0cd", 5), "ab");
    assert_string_equal(arena_text(&a, NULL, 0), "");
    assert_non_null(arena_copy(&a, NULL, 0));
    int *many = arena_new(&a, int, 1000);
    many[999] = 1;
    arena_close(&a);
}

void test_arena_out_of_memory(void **state) {
    (void)state;
    arena a;
    arena_open(&a, 64);
    assert_null(arena_alloc(&a, SIZE_MAX));
    assert_null(arena_alloc(&a, SIZE_MAX / 2 + 1));
    assert_null(arena_text(&a, "", SIZE_MAX));
    mem_fail_at(1, 0);
    assert_null(arena_alloc(&a, 1));
    assert_non_null(arena_alloc(&a, 1)); /* only the first failed */
    mem_fail_at(0, 0);
    arena_close(&a);
}

void test_mem_fails_when_told(void **state) {
    (void)state;
    mem_fail_at(3, 1);
    void *a = mem_alloc(10), *b = mem_realloc(NULL, 10);
    assert_non_null(a);
    assert_non_null(b);
    assert_null(mem_realloc(b, 20));
    assert_null(mem_block_alloc(10));
    assert_int_equal(mem_fail_count(), 4);
    mem_fail_at(0, 0);
    mem_free(a);
    mem_free(b);
    mem_free(NULL);
}

void test_mem_blocks_are_counted(void **state) {
    (void)state;
    const size_t before = mem_block_bytes();
    unsigned char *p = mem_block_alloc(10000), *q = mem_block_alloc(5 << 20);
    assert_non_null(p);
    assert_non_null(q);
    assert_int_equal((uintptr_t)p % 4096, 0);
    assert_true(is_zero(p, 10000) && is_zero(q, 5 << 20));
    assert_int_equal(mem_block_bytes() - before, 12288 + (5 << 20));
    assert_true(mem_block_peak() >= mem_block_bytes());
    mem_block_free(q, 5 << 20);
    mem_block_free(p, 10000);
    mem_block_free(NULL, 3);
    assert_int_equal(mem_block_bytes(), before);
    assert_null(mem_block_alloc(SIZE_MAX - 100));
    assert_null(mem_block_alloc(SIZE_MAX / 2));
    assert_int_equal(mem_block_bytes(), before);
}

/* Unknown, or a size that a machine can have. */
void test_mem_available_is_sane(void **state) {
    (void)state;
    const size_t n = mem_available();
    assert_true(n == 0 || (n > (1u << 20) && n < SIZE_MAX / 2));
}
