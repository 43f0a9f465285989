/* test_gguf_split.c - GGUF models in several files: whole, with parts missing,
 * with parts of something else. */
#include "tests/test.h"

#include "format/weights.h"

/* Whichever part is opened, it is the same model. */
void test_gguf_split(void **state) {
    (void)state;
    gguf *g[3];
    for (int i = 0; i < 3; i++) {
        char name[100];
        snprintf(name, sizeof name, "gguf/qwen3_split-%05d-of-00003.gguf",
                 i + 1);
        assert_ok(gguf_open(&g[i], test_golden(name), err));
        assert_int_equal(gguf_parts(g[i]), 3);
        assert_int_equal(gguf_count(g[i]), 35);
        assert_int_equal(gguf_n_values(g[i]), 26);
    }
    for (int64_t k = 0; k < 35; k++) {
        const tensor_view *a = gguf_get(g[0], k), *b = gguf_get(g[1], k);
        assert_string_equal(a->name, b->name);
        assert_ptr_equal(gguf_find_tensor(g[0], a->name), a);
        assert_int_equal(a->size, gguf_get(g[2], k)->size);
        assert_memory_equal(a->data, b->data, a->size);
        assert_memory_equal(a->data, gguf_get(g[2], k)->data, a->size);
    }
    for (int i = 0; i < 3; i++) gguf_close(g[i]);
}

/* A part as it should be, and what it says instead. */
typedef struct part {
    int no, count, tensors; /* said inside; no from 0 */
    const char *tensor;     /* NULL for none */
} part;

static void write_part(const char *folder, const char *file, part p) {
    char path[600];
    const shape s = shape1(1);
    const float x = 1;
    gguf_writer *w;
    snprintf(path, sizeof path, "%s/%s", folder, file);
    assert_ok(gguf_create(&w, path, err));
    gguf_put_int(w, "split.no", GGUF_U16, p.no);
    gguf_put_int(w, "split.count", GGUF_U16, p.count);
    gguf_put_int(w, "split.tensors.count", GGUF_I32, p.tensors);
    if (p.tensor) {
        gguf_declare(w, p.tensor, AR_F32, &s);
        gguf_data(w, &x, sizeof x);
    }
    assert_ok(gguf_commit(w, err));
}

static ar_status open_in(const char *folder, const char *file, ar_error *err) {
    char path[600];
    gguf *g;
    snprintf(path, sizeof path, "%s/%s", folder, file);
    const ar_status s = gguf_open(&g, path, err);
    if (s != AR_OK) assert_null(g);
    gguf_close(g);
    return s;
}

/* The first part may have metadata only, and another may be empty. */
void test_gguf_split_empty(void **state) {
    (void)state;
    const char *folder = test_folder();
    char path[600];
    weights *w;
    write_part(folder, "m-00001-of-00003.gguf", (part){0, 3, 1, NULL});
    write_part(folder, "m-00002-of-00003.gguf", (part){1, 3, 1, "a"});
    write_part(folder, "m-00003-of-00003.gguf", (part){2, 3, 1, NULL});
    snprintf(path, sizeof path, "%s/m-00001-of-00003.gguf", folder);
    assert_ok(weights_open(&w, path, err));
    assert_int_equal(weights_count(w), 1);
    assert_int_equal(gguf_parts(weights_gguf(w)), 3);
    assert_true(*(const float *)weights_find(w, "a")->data == 1);
    weights_close(w);
    write_part(folder, "m-00002-of-00003.gguf", (part){1, 3, 0, NULL});
    write_part(folder, "m-00003-of-00003.gguf", (part){2, 3, 0, NULL});
    write_part(folder, "m-00001-of-00003.gguf", (part){0, 3, 0, NULL});
    assert_ok(weights_open(&w, path, err));
    assert_int_equal(weights_count(w), 0);
    assert_null(weights_find(w, "a"));
    weights_close(w);
}

#define ONE "m-00001-of-00002.gguf"
#define TWO "m-00002-of-00002.gguf"

void test_gguf_split_refuses(void **state) {
    (void)state;
    const char *folder = test_folder();
    const part one = {0, 2, 2, "a"}, two = {1, 2, 2, "b"};
    write_part(folder, ONE, one);
    assert_fails(AR_IO, TWO ": is not there", open_in(folder, ONE, err));
    write_part(folder, TWO, two);
    assert_ok(open_in(folder, ONE, err));
    assert_ok(open_in(folder, TWO, err));
    static const struct {
        part two;
        const char *word;
    } cases[] = {
        {{0, 2, 2, "b"}, TWO ": is part 1 of 2"},
        {{1, 3, 2, "b"}, TWO ": is part 2 of 3"},
        {{1, 2, 3, "b"}, TWO ": is part 2 of 2 with 3 tensors"},
        {{1, 2, 2, "a"}, "two tensors \"a\""},
        {{0, 1, 1, "b"}, TWO ": is part 1 of 1"},
        {{2, 2, 2, "b"}, TWO ": says that it is part 3 of 2"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_part(folder, TWO, cases[i].two);
        assert_fails(AR_FORMAT, cases[i].word, open_in(folder, ONE, err));
    }
    /* names that are not those of parts */
    write_part(folder, "other.gguf", one);
    assert_fails(AR_FORMAT, "its name should end in -00001-of-00002.gguf",
                 open_in(folder, "other.gguf", err));
    write_part(folder, TWO, one);
    assert_fails(AR_FORMAT, "should end in -00001-of",
                 open_in(folder, TWO, err));
    /* a tensor too few in all */
    write_part(folder, ONE, (part){0, 2, 3, "a"});
    write_part(folder, TWO, (part){1, 2, 3, "b"});
    assert_fails(AR_FORMAT, "split.tensors.count says 3",
                 open_in(folder, ONE, err));
    gguf_writer *w;
    char path[600];
    snprintf(path, sizeof path, "%s/%s", folder, ONE);
    assert_ok(gguf_create(&w, path, err));
    gguf_put_string(w, "split.count", (gguf_string){"2", 1});
    assert_ok(gguf_commit(w, err));
    assert_fails(AR_FORMAT, "split.count is not a whole number",
                 open_in(folder, ONE, err));
    write_part(folder, ONE, (part){0, 1001, 3, "a"});
    assert_fails(AR_UNSUPPORTED, "1001 parts", open_in(folder, ONE, err));
}
