/* test_gguf_damaged.c - GGUF files that are cut, swollen or lie. */
#include "tests/test.h"

#include <jansson.h>

#include "base/mem.h"
#include "base/text.h"
#include "format/gguf.h"

void test_gguf_damaged(void **state) {
    (void)state;
    json_t *list = json_load_file(test_golden("damaged/damaged.json"), 0, NULL);
    assert_non_null(list);
    const char *name;
    json_t *entry;
    int n = 0;
    json_object_foreach(list, name, entry) {
        if (strncmp(name, "gguf/", 5)) continue;
        char file[200];
        snprintf(file, sizeof file, "damaged/%s", name);
        gguf *g;
        ar_error err = {0};
        const ar_status s = gguf_open(&g, test_golden(file), &err);
        const char *level = json_string_value(json_object_get(entry, "level"));
        const int valid = json_is_true(json_object_get(entry, "valid"));
        if (!strcmp(level, "container") && (s == AR_OK) != valid)
            fail_msg("%s: %s", name, err.message);
        if (s == AR_OK) assert_non_null(gguf_get(g, 0));
        if (s != AR_OK) assert_null(g);
        if (s != AR_OK) assert_non_null(strstr(err.message, name + 5));
        gguf_close(g);
        n++;
    }
    assert_true(n > 70);
    json_decref(list);
}

static void add(text *t, uint64_t x, size_t size) { text_add(t, &x, size); }

static void add_string(text *t, const char *s) {
    add(t, strlen(s), 8);
    text_adds(t, s);
}

static void add_header(text *t, uint64_t tensors, uint64_t keys) {
    text_adds(t, "GGUF");
    add(t, 3, 4);
    add(t, tensors, 8);
    add(t, keys, 8);
}

static void add_tensor(text *t, const char *name, uint64_t dim, uint32_t type,
                       uint64_t offset) {
    add_string(t, name);
    add(t, 1, 4);
    add(t, dim, 8);
    add(t, type, 4);
    add(t, offset, 8);
}

/* The bytes where they end at the end of a block, so that reading past them is
 * seen. */
static ar_status open_bytes(const void *p, size_t size, ar_error *err) {
    gguf *g;
    void *exact = mem_alloc(size);
    assert_non_null(exact);
    memcpy(exact, p, size);
    const ar_status s = gguf_open_memory(&g, exact, size, "made", err);
    if (s == AR_OK) {
        volatile unsigned char last = 0;
        for (int64_t i = 0; i < gguf_count(g); i++) {
            const tensor_view *t = gguf_get(g, i);
            const unsigned char *data = t->data;
            if (t->size) last = (unsigned char)(last + data[t->size - 1]);
            assert_ptr_equal(gguf_find_tensor(g, t->name), t);
        }
    } else {
        assert_null(g);
        assert_true(!err || err->message[0]);
    }
    gguf_close(g);
    mem_free(exact);
    return s;
}

/* Bytes up to the data, and `data` zeros behind them; frees t. */
static ar_status open_text(text *t, size_t data, ar_error *err) {
    while (t->size % 32) text_add(t, "", 1);
    for (size_t i = 0; i < data; i++) text_add(t, "", 1);
    const ar_status s = open_bytes(t->data, t->size, err);
    text_close(t);
    return s;
}

static text one_tensor(const char *name, uint64_t dim, uint32_t type,
                       uint64_t offset) {
    text t = {0};
    add_header(&t, 1, 0);
    add_tensor(&t, name, dim, type, offset);
    return t;
}

void test_gguf_refuses(void **state) {
    (void)state;
    text t = one_tensor("a", 8, 0, 0);
    assert_ok(open_text(&t, 32, err));
    t = one_tensor("a", 8, 0, 32);
    assert_fails(AR_FORMAT, "\"a\" has 32 bytes from byte 32",
                 open_text(&t, 63, err));
    t = one_tensor("a", 8, 0, 16);
    assert_fails(AR_FORMAT, "\"a\" is at byte 16", open_text(&t, 64, err));
    t = one_tensor("a", 8, 200, 0);
    assert_fails(AR_UNSUPPORTED, "\"a\" has type 200", open_text(&t, 64, err));
    t = one_tensor("a", 33, 2, 0);
    assert_fails(AR_FORMAT, "rows of 33, which are not whole blocks of 32",
                 open_text(&t, 64, err));
    t = one_tensor("a", (uint64_t)1 << 62, 0, 0);
    assert_fails(AR_FORMAT, "beyond 63 bits", open_text(&t, 64, err));
    t = one_tensor("", 8, 0, 0);
    assert_fails(AR_FORMAT, "the name of a tensor has 0 bytes",
                 open_text(&t, 64, err));
    t = one_tensor("\xed\xa0\x80", 8, 0, 0); /* half of a surrogate pair */
    assert_fails(AR_FORMAT, "not UTF-8", open_text(&t, 64, err));
    t = one_tensor("\xc0\x80", 8, 0, 0); /* a longer form than needed */
    assert_fails(AR_FORMAT, "not UTF-8", open_text(&t, 64, err));
    char name[514] = {0};
    memset(name, 'x', 513);
    t = one_tensor(name, 8, 0, 0);
    assert_fails(AR_FORMAT, "1 to 512", open_text(&t, 64, err));
    t = one_tensor("a", 0, 0, 0);
    assert_ok(open_text(&t, 0, err)); /* an empty tensor */
}

void test_gguf_overlap(void **state) {
    (void)state;
    for (int second = 0; second < 3; second++) {
        text t = {0};
        add_header(&t, 2, 0);
        add_tensor(&t, "a", 9, 0, 0); /* 36 bytes */
        add_tensor(&t, "b", 1, 0, (uint64_t)second * 32);
        if (second == 2)
            assert_ok(open_text(&t, 68, err));
        else
            assert_fails(AR_FORMAT, "overlaps", open_text(&t, 68, err));
    }
    text t = {0};
    add_header(&t, 2, 0);
    add_tensor(&t, "a", 1, 0, 0);
    add_tensor(&t, "a", 1, 0, 32);
    assert_fails(AR_FORMAT, "two tensors \"a\"", open_text(&t, 68, err));
}

static text one_key(const char *key, uint32_t kind) {
    text t = {0};
    add_header(&t, 0, 1);
    add_string(&t, key);
    add(&t, kind, 4);
    return t;
}

/* Arrays `depth` deep; each but the last holds one array. */
static text nested(int depth) {
    text t = one_key("k", 9);
    for (int i = 1; i < depth; i++) {
        add(&t, 9, 4);
        add(&t, 1, 8);
    }
    add(&t, 0, 4);
    add(&t, 2, 8);
    add(&t, 0, 2);
    return t;
}

void test_gguf_metadata_refuses(void **state) {
    (void)state;
    text t = nested(9);
    assert_ok(open_text(&t, 0, err));
    t = nested(10);
    assert_fails(AR_FORMAT, "\"k\" has arrays more than 8 deep",
                 open_text(&t, 0, err));
    t = one_key("k", 13);
    assert_fails(AR_FORMAT, "\"k\" has unknown type 13", open_text(&t, 0, err));
    t = one_key("k", 9);
    add(&t, 4, 4);
    add(&t, (uint64_t)1 << 62, 8);
    assert_fails(AR_FORMAT, "would have 4611686018427387904 elements",
                 open_text(&t, 0, err));
    t = one_key("general.alignment", 4);
    add(&t, 0, 4);
    assert_fails(AR_FORMAT, "power of two", open_text(&t, 0, err));
    t = one_key("split.count", 8);
    add_string(&t, "two");
    assert_ok(open_text(&t, 0, err)); /* only a file is looked at for parts */
    const unsigned char big[] = {'G', 'G', 'U', 'F', 0, 0, 0, 3};
    assert_fails(AR_UNSUPPORTED, "big-endian",
                 open_bytes(big, sizeof big, err));
    assert_fails(AR_UNSUPPORTED, "version 1",
                 open_bytes("GGUF\1\0\0\0", 8, err));
    assert_fails(AR_FORMAT, "ends inside", open_bytes("GGUF", 4, err));
    assert_fails(AR_FORMAT, "not a GGUF", open_bytes("GGML\3\0\0\0", 8, err));
}

/* A small file with several kinds of metadata. */
static void read_small(char **data, size_t *size) {
    assert_ok(file_read(test_golden("damaged/gguf/ok_all_kv_types.gguf"),
                        1 << 20, data, size, err));
}

/* Cut anywhere: an error, or (in the padding at the end) the same file. */
void test_gguf_cut(void **state) {
    (void)state;
    char *data;
    size_t size;
    read_small(&data, &size);
    int failures = 0;
    for (size_t n = 0; n < size; n++) {
        ar_error err = {0};
        failures += open_bytes(data, n, &err) != AR_OK;
    }
    assert_true(failures > (int)size - 64);
    mem_free(data);
}

/* Every byte of the header changed in several ways. */
void test_gguf_flips(void **state) {
    (void)state;
    static const unsigned char flips[] = {0xff, 0x01, 0x80, 0x08, 0x20};
    char *data;
    size_t size;
    gguf *g;
    read_small(&data, &size);
    assert_ok(gguf_open_memory(&g, data, size, "small", err));
    const size_t head = (size_t)((const char *)gguf_get(g, 0)->data - data);
    gguf_close(g);
    assert_true(head > 500 && head < size);
    int failures = 0;
    for (size_t i = 0; i < head; i++) {
        for (size_t k = 0; k < sizeof flips; k++) {
            ar_error err = {0};
            data[i] = (char)(data[i] ^ flips[k]);
            failures += open_bytes(data, size, &err) != AR_OK;
            data[i] = (char)(data[i] ^ flips[k]);
        }
    }
    assert_true(failures > (int)head);
    mem_free(data);
}
