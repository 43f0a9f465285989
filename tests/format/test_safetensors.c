/* test_safetensors.c - reading and writing safetensors, damaged files. */
#include "tests/test.h"

#include <jansson.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/text.h"
#include "format/safetensors.h"

/* Parts of a file in memory: u64 size, header, n bytes of data. */
static text build(const char *header, size_t n) {
    text t = {0};
    unsigned char size[8] = {0};
    for (int i = 0; i < 8; i++)
        size[i] = (unsigned char)((uint64_t)strlen(header) >> 8 * i);
    text_add(&t, size, 8);
    text_adds(&t, header);
    for (size_t i = 0; i < n; i++) text_add(&t, "\1", 1);
    return t;
}

static ar_status open_header(const char *header, size_t n, ar_error *err) {
    text t = build(header, n);
    st_file *f;
    const ar_status s = st_open_memory(&f, t.data, t.size, "made", err);
    if (s == AR_OK)
        st_close(f);
    else
        assert_null(f);
    text_close(&t);
    return s;
}

void test_st_damaged(void **state) {
    (void)state;
    json_t *list = json_load_file(test_golden("damaged/damaged.json"), 0, NULL);
    assert_non_null(list);
    const char *name;
    json_t *entry;
    int n = 0;
    json_object_foreach(list, name, entry) {
        if (strncmp(name, "safetensors/", 12)) continue;
        char file[200];
        snprintf(file, sizeof file, "damaged/%s", name);
        st_file *f;
        ar_error err = {0};
        const ar_status s = st_open(&f, test_golden(file), &err);
        const int valid = json_is_true(json_object_get(entry, "valid"));
        if ((s == AR_OK) != valid) fail_msg("%s: %s", name, err.message);
        if (s != AR_OK) {
            assert_null(f);
            assert_non_null(strstr(err.message, "safetensors"));
        }
        st_close(s == AR_OK ? f : NULL);
        n++;
    }
    assert_true(n > 50);
    json_decref(list);
}

void test_st_refuses(void **state) {
    (void)state;
    assert_fails(AR_UNSUPPORTED, "U16",
                 open_header("{\"a\":{\"dtype\":\"U16\",\"shape\":[2],"
                             "\"data_offsets\":[0,4]}}",
                             4, err));
    assert_fails(AR_UNSUPPORTED, "6 dimensions",
                 open_header("{\"a\":{\"dtype\":\"I8\",\"shape\":"
                             "[1,1,1,1,1,4],\"data_offsets\":[0,4]}}",
                             4, err));
    assert_fails(AR_FORMAT, "\"b\" overlaps",
                 open_header("{\"a\":{\"dtype\":\"I8\",\"shape\":[4],"
                             "\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"I8\","
                             "\"shape\":[2],\"data_offsets\":[2,4]}}",
                             4, err));
    assert_fails(AR_FORMAT, "not a JSON object", open_header(" {}", 0, err));
    char name[700];
    memset(name, 'x', sizeof name);
    text t = {0};
    text_addf(&t, "{\"%.600s\":{\"dtype\":\"I8\",\"shape\":[4],", name);
    text_adds(&t, "\"data_offsets\":[0,4]}}");
    assert_fails(AR_FORMAT, "512", open_header(t.data, 4, err));
    text_close(&t);
    st_file *f;
    assert_fails(AR_IO, "none.safetensors",
                 st_open(&f, "/nonexistent/none.safetensors", err));
}

void test_st_golden(void **state) {
    (void)state;
    st_file *f;
    assert_ok(st_open(&f,
                      test_golden("damaged/safetensors/"
                                  "ok_metadata.safetensors"),
                      err));
    assert_int_equal(st_count(f), 2);
    const tensor_view *a = st_get(f, 0);
    assert_string_equal(a->name, "a");
    assert_int_equal(a->type, AR_F32);
    assert_int_equal(a->shape.rank, 2);
    assert_int_equal(a->shape.dim[0], 3);
    assert_int_equal(a->shape.dim[1], 4);
    assert_int_equal(a->size, 48);
    assert_ptr_equal(st_find(f, "b"), st_get(f, 1));
    assert_null(st_find(f, "c"));
    assert_null(st_get(f, 2));
    assert_null(st_metadata(f, "no such key"));
    assert_true(st_mapped(f) == 257);
    st_close(f);
    /* the header lists them in the other order; the file order counts */
    assert_ok(st_open(&f,
                      test_golden("damaged/safetensors/"
                                  "ok_order.safetensors"),
                      err));
    assert_true((const char *)st_get(f, 0)->data <
                (const char *)st_get(f, 1)->data);
    st_close(f);
}

static ar_status write_some(const char *path, ar_error *err) {
    const float a[6] = {1, 2, 3, 4, 5, 6};
    const int64_t b = -7;
    const uint16_t c[3] = {1, 2, 3};
    const shape sa = shape2(2, 3), sb = {0}, sc = shape1(3), sd = shape2(0, 9);
    st_writer *w;
    const ar_status s = st_create(&w, path, err);
    if (s != AR_OK) return s;
    st_meta(w, "format", "pt");
    st_meta(w, "quote \"", "\xc3\xa9\n");
    st_declare(w, "a.weight", AR_F32, &sa);
    st_declare(w, "b \"\\\x01", AR_I64, &sb);
    st_declare(w, "c", AR_BF16, &sc);
    st_declare(w, "d", AR_F64, &sd);
    st_data(w, a, 10);
    st_data(w, (const char *)a + 10, sizeof a - 10);
    st_data(w, &b, sizeof b);
    st_data(w, c, sizeof c);
    return st_commit(w, err);
}

static void check_some(const char *path) {
    st_file *f;
    assert_ok(st_open(&f, path, err));
    assert_int_equal(st_count(f), 4);
    assert_string_equal(st_metadata(f, "quote \""), "\xc3\xa9\n");
    const tensor_view *a = st_find(f, "a.weight"),
                      *b = st_find(f, "b \"\\\x01");
    assert_non_null(a);
    assert_non_null(b);
    assert_int_equal((uintptr_t)a->data % 8, 0);
    assert_true(((const float *)a->data)[5] == 6);
    assert_int_equal(b->shape.rank, 0);
    assert_true(*(const int64_t *)b->data == -7);
    assert_int_equal(st_find(f, "c")->type, AR_BF16);
    assert_int_equal(st_find(f, "d")->size, 0);
    st_close(f);
}

void test_st_round_trip(void **state) {
    (void)state;
    char path[400];
    snprintf(path, sizeof path, "%s/x.safetensors", test_folder());
    assert_ok(write_some(path, err));
    check_some(path);
}

static ar_status write_wrongly(const char *path, int how, ar_error *err) {
    const shape s = shape1(3);
    const float x[4] = {0};
    st_writer *w;
    const ar_status status = st_create(&w, path, err);
    if (status != AR_OK) return status;
    st_declare(w, how == 3 ? "\xff" : "a", how == 4 ? AR_NONE : AR_F32, &s);
    if (how == 0) st_declare(w, "a", AR_F32, &s);
    st_data(w, x, how == 1 ? 8 : how == 2 ? 16 : 12);
    if (how == 5) st_declare(w, "b", AR_F32, &s);
    return st_commit(w, err);
}

void test_st_writer_errors(void **state) {
    (void)state;
    char path[400];
    const char *folder = test_folder();
    snprintf(path, sizeof path, "%s/x.safetensors", folder);
    assert_ok(write_wrongly(path, -1, err));
    assert_fails(AR_RANGE, "declared twice", write_wrongly(path, 0, err));
    assert_fails(AR_RANGE, "8 bytes were written", write_wrongly(path, 1, err));
    assert_fails(AR_RANGE, "16 bytes", write_wrongly(path, 2, err));
    assert_fails(AR_FORMAT, "UTF-8", write_wrongly(path, 3, err));
    assert_fails(AR_UNSUPPORTED, "a", write_wrongly(path, 4, err));
    assert_fails(AR_RANGE, "after the first data", write_wrongly(path, 5, err));
    st_file *f; /* the old file is as it was */
    assert_ok(st_open(&f, path, err));
    st_close(f);
    file_list l;
    assert_ok(file_list_open(&l, folder, err));
    assert_int_equal(l.n, 1);
    file_list_close(&l);
}

/* Every allocation, those of the JSON library too, failed in turn. */
void test_st_memory(void **state) {
    (void)state;
    char path[400];
    json_malloc_t get;
    json_free_t put;
    snprintf(path, sizeof path, "%s/x.safetensors", test_folder());
    json_get_alloc_funcs(&get, &put);
    json_set_alloc_funcs(mem_alloc, mem_free);
    int failures = 0;
    ar_status s = AR_OK;
    for (int64_t n = 1, hit = 1; hit; n++) {
        ar_error err = {0};
        mem_fail_at(n, n % 2);
        s = write_some(path, &err);
        hit = mem_fail_count() >= n; /* some failures are survived */
        mem_fail_at(0, 0);
        if (s != AR_OK) assert_true(++failures && err.message[0]);
        if (s == AR_OK) check_some(path);
    }
    assert_int_equal(s, AR_OK);
    for (int64_t n = 1, hit = 1; hit; n++) {
        ar_error err = {0};
        st_file *f;
        mem_fail_at(n, n % 2);
        s = st_open(&f, path, &err);
        hit = mem_fail_count() >= n; /* some failures are survived */
        mem_fail_at(0, 0);
        if (s != AR_OK) assert_true(++failures && err.message[0]);
        st_close(s == AR_OK ? f : NULL);
    }
    json_set_alloc_funcs(get, put);
    assert_int_equal(s, AR_OK);
    assert_true(failures > 50);
}
