/* test_weights.c - one view over the files of a model. */
#include "tests/test.h"

#include <jansson.h>

#include "base/mem.h"
#include "format/weights.h"

void test_weights_one_file(void **state) {
    (void)state;
    weights *w, *direct;
    assert_ok(weights_open(&w, test_golden("damaged/dirs/ok_llama"), err));
    assert_ok(weights_open(
        &direct, test_golden("damaged/dirs/ok_llama/model.safetensors"), err));
    assert_int_equal(weights_count(w), 12);
    assert_int_equal(weights_count(direct), 12);
    assert_non_null(weights_find(w, "lm_head.weight"));
    assert_null(weights_find(w, "lm_head.bias"));
    assert_null(weights_get(w, 12));
    assert_null(weights_get(w, -1));
    weights_close(w);
    weights_close(direct);
}

/* A model cut into two files is the same model. */
void test_weights_index(void **state) {
    (void)state;
    weights *one, *two;
    assert_ok(weights_open(&one, test_golden("damaged/dirs/ok_llama"), err));
    assert_ok(weights_open(&two, test_golden("damaged/dirs/ok_index"), err));
    assert_int_equal(weights_count(two), weights_count(one));
    assert_true(weights_mapped(two) > 0);
    for (int64_t i = 0; i < weights_count(one); i++) {
        const tensor_view *a = weights_get(one, i);
        const tensor_view *b = weights_find(two, a->name);
        assert_non_null(b);
        assert_true(shape_equal(&a->shape, &b->shape));
        assert_memory_equal(a->data, b->data, a->size);
    }
    weights_close(one);
    weights_close(two);
}

void test_weights_damaged(void **state) {
    (void)state;
    static const struct {
        const char *folder, *word;
        ar_status code;
    } cases[] = {
        {"index_missing_file", "b.safetensors", AR_IO},
        {"index_traversal", "not a file of this folder", AR_FORMAT},
        {"index_wrong_file", "has no tensor", AR_FORMAT},
        {"index_not_json", "index.json", AR_FORMAT},
        {"no_weights", "neither model.safetensors", AR_IO},
        {"not_there", "not_there", AR_IO},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char name[200];
        weights *w;
        snprintf(name, sizeof name, "damaged/dirs/%s", cases[i].folder);
        assert_fails(cases[i].code, cases[i].word,
                     weights_open(&w, test_golden(name), err));
        assert_null(w);
    }
}

void test_weights_memory(void **state) {
    (void)state;
    json_malloc_t get;
    json_free_t put;
    json_get_alloc_funcs(&get, &put);
    json_set_alloc_funcs(mem_alloc, mem_free);
    int failures = 0;
    ar_status s = AR_OK;
    for (int64_t n = 1, hit = 1; hit; n++) {
        ar_error err = {0};
        weights *w;
        mem_fail_at(n, n % 2);
        s = weights_open(&w, test_golden("damaged/dirs/ok_index"), &err);
        hit = mem_fail_count() >= n; /* some failures are survived */
        mem_fail_at(0, 0);
        if (s != AR_OK) assert_true(++failures && err.message[0]);
        weights_close(w);
    }
    json_set_alloc_funcs(get, put);
    assert_int_equal(s, AR_OK);
    assert_true(failures > 50);
}
