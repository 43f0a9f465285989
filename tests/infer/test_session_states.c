/* test_session_states.c - saved sessions of models with states: they go on
 * with the same bits and without computing again; files that lie about their
 * states are told. */
#include "base/file.h"
#include "base/mem.h"
#include "infer/infer.h"
#include "infer/session_file.h"
#include "tests/infer/golden_text.h"
#include "tests/model/golden_io.h"

enum { N = 210, MORE = 12, MOST_SIZE = 8 << 20, SUM_SIZE = 8, HEADER = 16 };

static const char *const names[] = {"mamba2", "qwen3_next_dense", "qwen3_next"};

static const char *saved_path(void) {
    static char path[600];
    if (!path[0])
        assert_ok(file_join(path, sizeof path, test_folder(), "states", err));
    return path;
}

static ar_engine *open_engine(const ar_model *m, const char *where,
                              int64_t snapshots) {
    ar_engine *e;
    ar_engine_options o = ar_engine_options_default();
    o.device = where;
    o.max_tokens = 512;
    o.max_sessions = 2;
    o.max_rows = 16;
    o.snapshots = snapshots;
    assert_ok(ar_engine_open(&e, m, &o, err));
    return e;
}

/* Logits of the last token of a text that is computed at once. */
static void compute(ar_engine *e, const int32_t *ids, int64_t n, double *y) {
    ar_session *s;
    assert_ok(ar_session_open(&s, e, err));
    assert_ok(ar_session_feed(s, ids, n, false, y, err));
    ar_session_close(s);
}

/* A text of n tokens that went back to `length`, to the file. */
static void save(ar_engine *e, const int32_t *ids, int64_t n, int64_t length) {
    ar_session *s;
    assert_ok(ar_session_open(&s, e, err));
    for (int64_t i = 0; i < n; i += 20) {
        const int64_t m = n - i < 20 ? n - i : 20;
        assert_ok(ar_session_feed(s, ids + i, m, false, NULL, err));
    }
    ar_session_rewind(s, length);
    assert_ok(ar_session_save(s, saved_path(), err));
    ar_session_close(s);
}

/* Loaded, the text goes on after `rows` tokens more than the new ones. */
static void check_loaded(ar_engine *e, int32_t *ids, int64_t length,
                         int64_t rows) {
    ar_session *s;
    double y[V], want[V];
    int32_t got[N];
    compute(e, ids, length + MORE, want);
    assert_ok(ar_session_load(&s, e, saved_path(), err));
    assert_int_equal(ar_session_length(s), length);
    ar_session_tokens(s, 0, length, got);
    assert_memory_equal(got, ids, (size_t)length * sizeof *got);
    const int64_t before = ar_engine_rows_run(e);
    assert_ok(ar_session_feed(s, ids + length, MORE, false, y, err));
    assert_int_equal(ar_engine_rows_run(e) - before, rows + MORE);
    assert_memory_equal(y, want, sizeof y);
    /* Back again: to a snapshot that was loaded, or from the first token. */
    ar_session_rewind(s, length / 2);
    assert_ok(ar_session_sync(s, ids, length + MORE, NULL, y, err));
    assert_memory_equal(y, want, sizeof y);
    ar_session_close(s);
}

static void check_model(const char *name) {
    ar_model *m;
    int32_t ids[N + MORE];
    assert_ok(ar_model_open(&m, golden_model(name, ""), err));
    ar_engine *e = open_engine(m, "cpu", 4), *one = open_engine(m, "cpu", 1),
              *many = open_engine(m, "cpu", 9);
    some_text(ids, N + MORE, 4);
    ar_engine *const all[] = {e, one, many};
    for (int i = 0; i < 3; i++) {
        save(all[i], ids, N, N);
        for (int k = 0; k < 3; k++) check_loaded(all[k], ids, N, 0);
    }
    /* A text behind its states: of its 190 tokens those since 140, the last
     * snapshot, run again; and one before the first snapshot. */
    save(e, ids, N, 190);
    check_loaded(e, ids, 190, 50);
    check_loaded(one, ids, 190, 50);
    save(e, ids, N, 9);
    check_loaded(many, ids, 9, 9);
    save(e, ids, 0, 0);
    check_loaded(one, ids, 0, 0);
    ar_engine_close(e);
    ar_engine_close(one);
    ar_engine_close(many);
    ar_model_close(m);
}

void test_session_states(void **state) {
    (void)state;
    for (int k = 0; k < 3; k++) check_model(names[k]);
}

/* ---- files ---- */

typedef struct saved {
    ar_model *m;
    ar_engine *e;
    int32_t ids[N + MORE];
    unsigned char *data;
    size_t size, states; /* where the section of states begins */
} saved;

static void open_saved(saved *f, const char *name) {
    char *data;
    assert_ok(ar_model_open(&f->m, golden_model(name, ""), err));
    f->e = open_engine(f->m, "cpu", 3);
    some_text(f->ids, N + MORE, 4);
    save(f->e, f->ids, N, N);
    assert_ok(file_read(saved_path(), MOST_SIZE, &data, &f->size, err));
    f->data = (unsigned char *)data;
    session_image *image = mem_new(session_image, 1);
    assert_ok(session_image_read(image, f->data, f->size, err));
    assert_int_equal(image->n_states, 3);
    f->states = (size_t)(image->states - f->data) - HEADER;
    mem_free(image);
}

static void close_saved(saved *f) {
    mem_free(f->data);
    ar_engine_close(f->e);
    ar_model_close(f->m);
}

/* A file of `size` bytes, made whole by its checksum. */
static void replace(const unsigned char *data, size_t size) {
    unsigned char *p = mem_alloc(size);
    memcpy(p, data, size);
    const uint64_t sum = session_sum_of(p, size - SUM_SIZE);
    memcpy(p + size - SUM_SIZE, &sum, SUM_SIZE);
    assert_ok(file_replace(saved_path(), p, size, err));
    mem_free(p);
}

/* A file of version 1 has no states: its text is computed again. */
void test_session_states_old(void **state) {
    (void)state;
    saved f;
    for (int k = 0; k < 3; k++) {
        open_saved(&f, names[k]);
        f.data[7] = '1';
        replace(f.data, f.states + SUM_SIZE);
        check_loaded(f.e, f.ids, N, N);
        f.data[7] = '2';
        replace(f.data, f.states + SUM_SIZE);
        ar_session *s;
        assert_fails(AR_FORMAT, "ends inside its states",
                     ar_session_load(&s, f.e, saved_path(), err));
        f.data[7] = '0';
        replace(f.data, f.size);
        assert_fails(AR_FORMAT, "another version",
                     ar_session_load(&s, f.e, saved_path(), err));
        close_saved(&f);
    }
}

/* Whole by their checksums, and still they cannot be. */
void test_session_states_lies(void **state) {
    (void)state;
    saved f;
    ar_session *s;
    open_saved(&f, "qwen3_next_dense");
    uint64_t size;
    memcpy(&size, f.data + f.states + 8, sizeof size);
    const size_t first = f.states + HEADER, record = 8 + (size_t)size;
    const struct {
        size_t at;
        uint64_t value;
        const char *word;
    } lies[] = {
        {f.states, 0, "cannot be"},
        {f.states, 2000, "cannot be"},
        {f.states, UINT64_MAX, "cannot be"},
        {f.states, 4, "ends inside its states"},
        {f.states, 2, "too many"},
        {f.states + 8, 0, "cannot be"},
        {f.states + 8, UINT64_MAX, "ends inside its states"},
        {f.states + 8, UINT64_MAX / 3, "ends inside its states"},
        {f.states + 8, size - 4, "bytes too many|behind one"},
        {first, 0, "token 0 behind one of 0"},
        {first, UINT64_MAX, "token -1"},
        {first, N, "behind one of 210"},
        {first + record, 1, "behind one of"},
        {first + 2 * record, N + 1, "token 211"},
    };
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        unsigned char was[8];
        const bool either = strchr(lies[i].word, '|') != NULL;
        memcpy(was, f.data + lies[i].at, 8);
        memcpy(f.data + lies[i].at, &lies[i].value, 8);
        replace(f.data, f.size);
        assert_fails(AR_FORMAT, either ? "" : lies[i].word,
                     ar_session_load(&s, f.e, saved_path(), err));
        assert_null(s);
        memcpy(f.data + lies[i].at, was, 8);
    }
    /* Cut anywhere in the section. */
    session_image *m = mem_new(session_image, 1);
    for (size_t n = f.states; n < f.size; n += n < f.states + 40 ? 1 : 997)
        assert_int_equal(session_image_read(m, f.data, n, NULL), AR_FORMAT);
    mem_free(m);
    close_saved(&f);
}

/* States of an engine that counts otherwise. */
void test_session_states_type(void **state) {
    (void)state;
    ar_model *m;
    ar_session *s;
    int32_t ids[N];
    assert_ok(ar_model_open(&m, golden_model("mamba2", ""), err));
    ar_engine *e = open_engine(m, "cpu", 2);
    some_text(ids, N, 4);
    save(e, ids, 30, 30);
    ar_engine_close(e);
    ar_engine_options o = ar_engine_options_default();
    o.device = "reference-f64";
    o.k_type = o.v_type = AR_F32;
    assert_ok(ar_engine_open(&e, m, &o, err));
    assert_fails(AR_FORMAT, "states of",
                 ar_session_load(&s, e, saved_path(), err));
    ar_engine_close(e);
    ar_model_close(m);
}
