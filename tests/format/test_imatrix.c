/* test_imatrix.c - importance of columns out of both kinds of files. */
#include "tests/test.h"

#include <math.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "format/gguf.h"
#include "format/imatrix.h"

static const char *write_gguf(const char *type, ar_type sums, int64_t n_counts,
                              float last) {
    static char path[600];
    gguf_writer *w;
    const float x[2][3] = {{2, 4, 6}, {1, 3, last}}, counts[4] = {2, 0, 0, 0};
    const shape flat = shape2(1, 3), stack = shape2(2, 3),
                many = shape2(n_counts, 1), one = shape2(1, 1);
    snprintf(path, sizeof path, "%s/i.gguf", test_folder());
    assert_ok(gguf_create(&w, path, err));
    gguf_put_string(w, "general.type", (gguf_string){type, strlen(type)});
    gguf_declare(w, "b.in_sum2", sums, &stack);
    gguf_declare(w, "b.counts", AR_F32, &many);
    gguf_declare(w, "a.in_sum2", AR_F32, &flat);
    gguf_declare(w, "a.counts", AR_F32, &one);
    gguf_data(w, x, sums == AR_F32 ? sizeof x : sizeof x / 2);
    gguf_data(w, counts, (size_t)n_counts * 4);
    gguf_data(w, x, sizeof x / 2);
    gguf_data(w, counts, 4);
    assert_ok(gguf_commit(w, err));
    return path;
}

void test_imatrix_gguf(void **state) {
    (void)state;
    imatrix *x;
    bool is;
    const char *path = write_gguf("imatrix", AR_F32, 2, 5);
    assert_ok(imatrix_is_file(&is, path, err));
    assert_true(is);
    assert_ok(imatrix_open(&x, path, err));
    assert_int_equal(imatrix_count(x), 2);
    const imatrix_entry *a = imatrix_find(x, "a"), *b = imatrix_find(x, "b");
    assert_non_null(a);
    assert_int_equal(a->columns, 3);
    assert_int_equal(a->matrices, 1);
    assert_true(a->mean[0] == 1 && a->mean[1] == 2 && a->mean[2] == 3);
    assert_int_equal(b->matrices, 2);
    assert_true(b->mean[1] == 2);
    /* An expert that was never used: all columns alike. */
    assert_true(b->mean[3] == 1 && b->mean[4] == 1 && b->mean[5] == 1);
    assert_null(imatrix_find(x, "c"));
    assert_ptr_equal(imatrix_get(x, 0), a);
    assert_null(imatrix_get(x, 2));
    imatrix_close(x);
    assert_fails(AR_FORMAT, "no imatrix",
                 imatrix_open(&x, write_gguf("model", AR_F32, 2, 5), err));
    assert_null(x);
    assert_fails(AR_FORMAT, "\"b.in_sum2\" and its counts",
                 imatrix_open(&x, write_gguf("imatrix", AR_F32, 3, 5), err));
    assert_fails(AR_FORMAT, "\"b.in_sum2\" and its counts",
                 imatrix_open(&x, write_gguf("imatrix", AR_F16, 2, 5), err));
    assert_fails(AR_FORMAT, "\"a\": the importance of column 0 is -1",
                 (write_gguf("imatrix", AR_F32, 2, 5), imatrix_new(&x, err),
                  imatrix_add(x, "a", 1, 1, (const float[]){-1}, err)));
    imatrix_close(x);
}

static void add_i32(text *t, int32_t x) { text_add(t, &x, sizeof x); }

static void add_entry(text *t, const char *name, int calls, int n, float x) {
    add_i32(t, (int32_t)strlen(name));
    text_add(t, name, strlen(name));
    add_i32(t, calls);
    add_i32(t, n);
    for (int i = 0; i < n; i++) {
        const float y = x + (float)i;
        text_add(t, &y, sizeof y);
    }
}

void test_imatrix_old(void **state) {
    (void)state;
    text t = {0};
    imatrix *x;
    add_i32(&t, 2);
    add_entry(&t, "blk.0.ffn_up.weight", 4, 3, 8);
    add_entry(&t, "a", 0, 1, 7);
    const size_t whole = t.size;
    add_i32(&t, 12); /* what follows is not needed */
    assert_ok(imatrix_open_memory(&x, t.data, t.size, "x", err));
    const imatrix_entry *e = imatrix_find(x, "blk.0.ffn_up.weight");
    assert_non_null(e);
    assert_int_equal(e->columns, 3);
    assert_true(e->mean[0] == 2 && e->mean[2] == 2.5f);
    assert_true(imatrix_find(x, "a")->mean[0] == 7);
    imatrix_close(x);
    char path[600];
    bool is;
    snprintf(path, sizeof path, "%s/i.dat", test_folder());
    assert_ok(file_replace(path, t.data, t.size, err));
    assert_ok(imatrix_is_file(&is, path, err));
    assert_true(is);
    assert_ok(file_replace(path, "In the beginning", 16, err));
    assert_ok(imatrix_is_file(&is, path, err));
    assert_false(is);
    for (size_t n = 0; n < whole; n++) /* cut anywhere */
        assert_fails(AR_FORMAT,
                     "x: ", imatrix_open_memory(&x, t.data, n, "x", err));
    text_close(&t);
}

void test_imatrix_refuses(void **state) {
    (void)state;
    static const struct {
        const char *name, *word;
        int entries, calls, n;
        float x;
    } cases[] = {
        {"a", "two entries", 2, 1, 1, 0},
        {"a", "column 0 is nan", 1, 1, 1, NAN},
        {"a", "column 0 is -2", 1, 1, 1, -2},
        {"a\xff", "is no text", 1, 1, 1, 0},
        {"", "entry 0 is damaged", 1, 1, 1, 0},
        {"a", "entry 0 is damaged", 1, 1, 0, 0},
        {"a", "no imatrix file", -1, 1, 1, 0},
        {"a", "no imatrix file", 1 << 20, 1, 1, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        text t = {0};
        imatrix *x;
        add_i32(&t, cases[i].entries);
        for (int k = 0; k < 2; k++)
            add_entry(&t, cases[i].name, cases[i].calls, cases[i].n,
                      cases[i].x);
        assert_fails(AR_FORMAT, cases[i].word,
                     imatrix_open_memory(&x, t.data, t.size, "x", err));
        assert_null(x);
        text_close(&t);
    }
}

void test_imatrix_memory(void **state) {
    (void)state;
    const char *path = write_gguf("imatrix", AR_F32, 2, 5);
    ar_status s = AR_NOMEM;
    int64_t n = 1;
    for (; s != AR_OK; n++) {
        ar_error err = {0};
        imatrix *x;
        mem_fail_at(n, 1);
        s = imatrix_open(&x, path, &err);
        mem_fail_at(0, 0);
        if (s != AR_OK) assert_true(s == AR_NOMEM && err.message[0] && !x);
        imatrix_close(x);
    }
    assert_true(n > 6);
}
