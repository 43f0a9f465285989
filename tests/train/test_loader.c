/* test_loader.c - batches of every order, resumed anywhere. */
#include "tests/test.h"

#include <stdlib.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "train/loader.h"

enum { MOST = 20000, BOS = 0 };

/* Token streams to load, and how they are cut into shards. */
typedef struct data {
    int32_t ids[MOST];
    int64_t n;
    char path[3][400];
    const char *paths[3];
} data;

static void write_shards(data *d) {
    const char *folder = test_folder();
    const int64_t cuts[4] = {0, d->n / 5, d->n / 5 + 1, d->n};
    for (int i = 0; i < 3; i++) {
        snprintf(d->path[i], sizeof d->path[i], "%s/%d.bin", folder, i);
        d->paths[i] = d->path[i];
        assert_ok(shard_write(d->paths[i], d->ids + cuts[i],
                              cuts[i + 1] - cuts[i], i == 2 ? 4 : 2, err));
    }
}

/* Documents of 2 to 60 ids, some longer; ids tell the place. */
static data *make_documents(int64_t n) {
    data *d = mem_new(data, 1);
    assert_non_null(d);
    for (uint64_t k = 0; d->n < n; k++) {
        const int64_t size = 2 + (int64_t)(rng_bits(3, 1, k) % 59) +
                             (k % 17 == 0) * (int64_t)(rng_bits(3, 2, k) % 300);
        for (int64_t i = 0; i < size && d->n < n; i++, d->n++)
            d->ids[d->n] = i ? (int32_t)(1 + d->n % 30000) : BOS;
    }
    write_shards(d);
    return d;
}

static loader_options options(const data *d, enum loader_order order) {
    return (loader_options){.shards = d->paths,
                            .n_shards = 3,
                            .order = order,
                            .n_rows = 4,
                            .n_tokens = 32,
                            .n_vocab = 30001,
                            .bos = BOS,
                            .seed = 11};
}

/* Reads batches and checks that the targets are the inputs shifted by one. */
static void next(loader *l, int64_t rows, int64_t n, int32_t *in,
                 int32_t *out) {
    assert_ok(loader_next(l, in, out, err));
    for (int64_t b = 0; b < rows; b++)
        assert_memory_equal(in + b * n + 1, out + b * n, (size_t)(n - 1) * 4);
}

void test_loader_sequential(void **state) {
    (void)state;
    data *d = make_documents(3000);
    const loader_options o = options(d, LOADER_SEQUENTIAL);
    int32_t in[128], out[128], window[128], window_out[128];
    loader *l;
    assert_ok(loader_open(&l, &o, err));
    assert_int_equal(loader_tokens(l), 3000);
    for (int64_t i = 0; i < 200; i++) {
        next(l, 4, 32, in, out);
        for (int64_t b = 0; b < 4; b++) {
            const int64_t start = (i * 4 + b) * 32 % (3000 - 32 - 1);
            assert_memory_equal(in + b * 32, d->ids + start, 32 * 4);
            assert_memory_equal(out + b * 32, d->ids + start + 1, 32 * 4);
        }
        assert_ok(loader_window(l, i, window, window_out, err));
        assert_memory_equal(in, window, sizeof in);
        assert_memory_equal(out, window_out, sizeof out);
    }
    assert_fails(AR_RANGE, "-1", loader_window(l, -1, in, out, err));
    assert_ok(loader_window(l, INT64_C(1) << 59, in, out, err));
    loader_close(l);
    mem_free(d);
}

/* Every window once an epoch, in another order each time. */
void test_loader_shuffled(void **state) {
    (void)state;
    for (int64_t n = 34; n < 3000; n = n * 3 + 7) {
        data *d = make_documents(n);
        for (int64_t i = 0; i < n; i++) d->ids[i] = (int32_t)i;
        write_shards(d);
        loader_options o = options(d, LOADER_SHUFFLED);
        o.n_rows = 1;
        const int64_t windows = (n - 1) / 32;
        int32_t in[32], out[32], order[2][100];
        loader *l;
        assert_ok(loader_open(&l, &o, err));
        for (int epoch = 0; epoch < 2; epoch++) {
            int seen[100] = {0};
            for (int64_t i = 0; i < windows; i++) {
                next(l, 1, 32, in, out);
                assert_int_equal(in[0] % 32, 0);
                assert_int_equal(out[31], in[0] + 32);
                assert_int_equal(seen[in[0] / 32]++, 0);
                order[epoch][i] = in[0];
            }
        }
        if (windows > 8)
            assert_memory_not_equal(order[0], order[1], (size_t)windows * 4);
        loader_close(l);
        mem_free(d);
    }
}

/* The packing rule over plain lists of lengths: what loader.h says, slowly. */
typedef struct packer {
    int64_t start[MOST], size[MOST], n; /* all documents */
    int64_t held[2000], n_held, next;
} packer;

static void find_documents(packer *p, const data *d) {
    for (int64_t i = 0; i < d->n; i++) {
        if (d->ids[i] == BOS) p->start[p->n++] = i;
        if (p->n) p->size[p->n - 1] = i + 1 - p->start[p->n - 1];
    }
}

static int64_t take(packer *p, int64_t at) {
    const int64_t document = p->held[at];
    for (int64_t i = at + 1; i < p->n_held; i++) p->held[i - 1] = p->held[i];
    p->n_held--;
    return document;
}

static void pack_slowly(packer *p, const data *d, int64_t n, int32_t *row) {
    for (int64_t used = 0; used < n;) {
        while (p->n_held < 1000)
            for (int i = 0; i < 128; i++)
                p->held[p->n_held++] = p->next++ % p->n;
        int64_t pick = -1;
        for (int64_t want = n - used; want > 0 && pick < 0; want--)
            for (int64_t i = 0; i < p->n_held && pick < 0; i++)
                if (p->size[p->held[i]] == want) pick = i;
        for (int64_t want = 1; pick < 0; want++)
            for (int64_t i = 0; i < p->n_held && pick < 0; i++)
                if (p->size[p->held[i]] == want) pick = i;
        const int64_t document = take(p, pick);
        int64_t size = p->size[document];
        if (size > n - used) size = n - used;
        memcpy(row + used, d->ids + p->start[document], (size_t)size * 4);
        used += size;
    }
}

void test_loader_packed(void **state) {
    (void)state;
    data *d = make_documents(MOST);
    const loader_options o = options(d, LOADER_PACKED);
    packer *p = mem_new(packer, 1);
    int32_t in[128], out[128], row[33];
    loader *l;
    find_documents(p, d);
    assert_ok(loader_open(&l, &o, err));
    for (int64_t i = 0; i < 400; i++) { /* several epochs */
        next(l, 4, 32, in, out);
        for (int64_t b = 0; b < 4; b++) {
            pack_slowly(p, d, 33, row);
            assert_memory_equal(in + b * 32, row, 32 * 4);
            assert_memory_equal(out + b * 32, row + 1, 32 * 4);
            assert_int_equal(row[0], BOS);
        }
    }
    loader_close(l);
    mem_free(p);
    mem_free(d);
}

/* From each of n positions, saved as text, the rest is the same. */
void test_loader_resume(void **state) {
    (void)state;
    enum { STEPS = 40, SIZE = 128 };
    data *d = make_documents(6000);
    static int32_t in[STEPS][SIZE], out[STEPS][SIZE];
    int32_t again[SIZE], again_out[SIZE];
    for (int order = LOADER_SEQUENTIAL; order <= LOADER_PACKED; order++) {
        const loader_options o = options(d, (enum loader_order)order);
        char *saved[STEPS];
        loader *l, *other;
        assert_ok(loader_open(&l, &o, err));
        assert_ok(loader_open(&other, &o, err));
        for (int i = 0; i < STEPS; i++) {
            json_t *where = loader_position(l);
            saved[i] = json_dumps(where, 0);
            json_decref(where);
            next(l, 4, 32, in[i], out[i]);
        }
        for (int i = STEPS - 1; i >= 0; i--) {
            json_t *where = json_loads(saved[i], 0, NULL), *back;
            assert_ok(loader_seek(other, where, err));
            back = loader_position(other);
            assert_true(json_equal(where, back));
            for (int k = i; k < STEPS && k < i + 5; k++) {
                next(other, 4, 32, again, again_out);
                assert_memory_equal(again, in[k], sizeof again);
                assert_memory_equal(again_out, out[k], sizeof again_out);
            }
            json_decref(where);
            json_decref(back);
            free(saved[i]);
        }
        loader_close(l);
        loader_close(other);
    }
    mem_free(d);
}

static void set_and_fail(loader *l, const char *key, json_t *v,
                         const char *word) {
    json_t *where = loader_position(l);
    json_object_set_new(where, key, v);
    assert_fails(AR_FORMAT, word, loader_seek(l, where, err));
    json_decref(where);
}

void test_loader_misfit(void **state) {
    (void)state;
    data *d = make_documents(6000);
    loader *l;
    for (int order = LOADER_SEQUENTIAL; order <= LOADER_PACKED; order++) {
        const loader_options o = options(d, (enum loader_order)order);
        assert_ok(loader_open(&l, &o, err));
        set_and_fail(l, "order", json_string("none"), "order");
        set_and_fail(l, "data", json_string("0"), "shards");
        set_and_fail(l, "tokens_a_row", json_integer(33), "length");
        if (order == LOADER_PACKED) {
            set_and_fail(l, "next", json_integer(100000), "next document");
            set_and_fail(l, "buffer", json_pack("[i]", -1), "not there");
            set_and_fail(l, "buffer", json_pack("[i]", 100000), "not there");
            set_and_fail(l, "buffer", json_null(), "buffer");
        } else {
            set_and_fail(l, "row", json_integer(-1), "row");
            set_and_fail(l, "row", json_string("1"), "row");
        }
        if (order == LOADER_SHUFFLED)
            set_and_fail(l, "seed", json_integer(12), "seed");
        loader_close(l);
    }
    mem_free(d);
}

void test_loader_vocabulary(void **state) {
    (void)state;
    data *d = make_documents(3000);
    int32_t in[128], out[128];
    loader *l;
    d->ids[700] = 40000; /* in the third shard */
    write_shards(d);
    const loader_options o = options(d, LOADER_SEQUENTIAL);
    assert_ok(loader_open(&l, &o, err));
    for (int i = 0; i < 5; i++) next(l, 4, 32, in, out);
    for (int i = 0; i < 2; i++) /* and again: the position has not moved */
        assert_fails(AR_RANGE, "2.bin: id 40000 at place 99",
                     loader_next(l, in, out, err));
    assert_fails(AR_RANGE, "40000", loader_window(l, 5, in, out, err));
    json_t *where = loader_position(l);
    assert_int_equal(json_integer_value(json_object_get(where, "row")), 20);
    json_object_set_new(where, "row", json_integer(24));
    assert_ok(loader_seek(l, where, err));
    next(l, 4, 32, in, out);
    json_decref(where);
    loader_close(l);
    mem_free(d);
}

void test_loader_refuses(void **state) {
    (void)state;
    data *d = make_documents(60);
    loader *l;
    loader_options o = options(d, LOADER_SEQUENTIAL);
    o.n_tokens = 59;
    assert_fails(AR_RANGE, "60 tokens are fewer", loader_open(&l, &o, err));
    assert_null(l);
    o.order = LOADER_SHUFFLED;
    assert_ok(loader_open(&l, &o, err));
    loader_close(l);
    o.n_tokens = 60;
    assert_fails(AR_RANGE, "60 tokens are fewer", loader_open(&l, &o, err));
    o.n_tokens = INT64_MAX;
    assert_fails(AR_RANGE, "not possible", loader_open(&l, &o, err));
    o.n_tokens = 8;
    o.n_shards = 0;
    assert_fails(AR_RANGE, "no token shards", loader_open(&l, &o, err));
    o = options(d, LOADER_PACKED);
    o.bos = -1;
    assert_fails(AR_RANGE, "beginning-of-sequence", loader_open(&l, &o, err));
    o.bos = 29999;
    assert_fails(AR_FORMAT, "29999", loader_open(&l, &o, err));
    o.shards = (const char *const[]){"/nonexistent/a.bin"};
    o.n_shards = 1;
    assert_fails(AR_IO, "/nonexistent/a.bin", loader_open(&l, &o, err));
    mem_free(d);
}

void test_loader_memory(void **state) {
    (void)state;
    data *d = make_documents(3000);
    const loader_options o = options(d, LOADER_PACKED);
    int failures = 0;
    ar_status s = AR_OK;
    for (int64_t n = 1, hit = 1; hit; n++) {
        ar_error err = {0};
        loader *l;
        mem_fail_at(n, n % 2);
        s = loader_open(&l, &o, &err);
        hit = mem_fail_count() >= n; /* some failures are survived */
        mem_fail_at(0, 0);
        if (s != AR_OK) assert_true(++failures && err.message[0]);
        loader_close(l);
    }
    assert_int_equal(s, AR_OK);
    assert_true(failures > 5);
    mem_free(d);
}
