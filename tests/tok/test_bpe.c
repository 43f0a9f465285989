/* test_bpe.c - pieces of any length, merged by a plain rule. */
#include <pthread.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "tests/test.h"
#include "tok/tokenizer.h"

static ar_tokenizer *open_golden(const char *name) {
    char path[256];
    snprintf(path, sizeof path, "tokenizers/%s", name);
    ar_tokenizer *tok;
    assert_ok(ar_tokenizer_open(&tok, test_golden(path), err));
    return tok;
}

/* The rule itself: join the pair of lowest rank, the leftmost of equals. */
static size_t merge_plainly(const bpe *b, const char *p, size_t n,
                            int32_t *ids) {
    for (size_t i = 0; i < n; i++) ids[i] = b->byte_id[(unsigned char)p[i]];
    for (;;) {
        const bpe_merge *best = NULL;
        size_t at = 0;
        for (size_t i = 0; i + 1 < n; i++) {
            const bpe_merge *m = bpe_find(b, ids[i], ids[i + 1]);
            if (m && (!best || m->rank < best->rank)) {
                best = m;
                at = i;
            }
        }
        if (!best) return n;
        ids[at] = best->id;
        n--;
        memmove(ids + at + 1, ids + at + 2, (n - at - 1) * sizeof *ids);
    }
}

void test_bpe_pieces(void **state) {
    (void)state;
    ar_tokenizer *tok = open_golden("bpe_gpt2");
    static const char *const alphabets[] = {"etaoinshrdlu", "ab", " \n", "the ",
                                            "=-"};
    static char s[600];
    static int32_t ids[600], want[600];
    id_sink sink = {.ids = ids, .capacity = 600};
    bpe_run *run;
    assert_ok(bpe_run_open(&run, &tok->bpe, &tok->vocab, err));
    for (uint64_t i = 0; i < 3000; i++) {
        const char *a = alphabets[i % 5];
        const size_t n = 1 + rng_bits(1, i, 0) % (i % 3 ? 30 : 300);
        for (size_t k = 0; k < n; k++) s[k] = a[rng_bits(2, i, k) % strlen(a)];
        sink.count = 0;
        assert_ok(bpe_run_piece(run, &sink, s, n, err));
        const size_t k = merge_plainly(&tok->bpe, s, n, want);
        assert_int_equal(sink.count, k);
        assert_memory_equal(ids, want, k * sizeof *ids);
    }
    bpe_run_close(run);
    ar_tokenizer_close(tok);
}

/* One piece of a megabyte, and more different pieces than the cache holds. */
void test_bpe_large(void **state) {
    (void)state;
    enum { N = 1 << 20 };
    ar_tokenizer *tok = open_golden("bpe_llama3");
    char *s = mem_alloc(N), *back = mem_alloc(N);
    int32_t *ids = mem_alloc(N * sizeof *ids);
    for (int round = 0; round < 3; round++) {
        for (uint64_t i = 0; i < N; i++)
            s[i] = round == 0   ? 'a'
                   : round == 1 ? "etaoinshrdlu"[rng_bits(3, 0, i) % 12]
                                : "etaoinshrd  "[rng_bits(3, 1, i) % 12];
        size_t n, size;
        assert_ok(ar_tokenizer_encode(tok, s, N, 0, ids, N, &n, err));
        assert_true(n <= N);
        assert_ok(ar_tokenizer_decode(tok, ids, n, 0, back, N, &size, err));
        assert_int_equal(size, N);
        assert_memory_equal(s, back, N);
    }
    mem_free(s);
    mem_free(back);
    mem_free(ids);
    ar_tokenizer_close(tok);
}

/* Any bytes come back, and the count never depends on the room given. */
void test_bpe_any_bytes(void **state) {
    (void)state;
    ar_tokenizer *all[3];
    assert_ok(ar_tokenizer_bytes(&all[0], err));
    all[1] = open_golden("bpe_o200k");
    all[2] = open_golden("bpe_deepseek_v3");
    for (uint64_t i = 0; i < 300; i++) {
        char s[300], back[400];
        int32_t ids[300], few[7] = {-1, -1, -1, -1, -1, -1, -1};
        const size_t n = rng_bits(4, i, 0) % 300;
        for (size_t k = 0; k < n; k++)
            s[k] = (char)(rng_bits(5, i, k) >> (i % 2 ? 0 : 1) & 0xFF);
        for (int t = 0; t < 3; t++) {
            size_t k, m;
            assert_ok(ar_tokenizer_encode(all[t], s, n, 0, ids, 300, &k, err));
            assert_ok(
                ar_tokenizer_decode(all[t], ids, k, 0, back, 400, &m, err));
            assert_int_equal(m, n);
            assert_memory_equal(back, s, n);
            if (!t) assert_int_equal(k, n);
            assert_ok(ar_tokenizer_encode(all[t], s, n, 0, few, 6, &m, err));
            assert_int_equal(m, k);
            assert_memory_equal(few, ids, (k < 6 ? k : 6) * sizeof *ids);
            assert_int_equal(few[6], -1);
        }
    }
    size_t n;
    static const int32_t odd[] = {-1, 1 << 30, 65, INT32_MIN};
    char back[8];
    assert_ok(ar_tokenizer_decode(all[0], odd, 4, 0, back, 8, &n, err));
    assert_true(n == 1 && back[0] == 65);
    assert_int_equal(ar_tokenizer_bytes_of(all[0], 65), 1);
    assert_int_equal(ar_tokenizer_bos(all[0]), -1);
    assert_int_equal(ar_tokenizer_eos(all[0]), -1);
    for (int t = 0; t < 3; t++) ar_tokenizer_close(all[t]);
}

/* Threads that share one tokenizer. */
typedef struct job {
    const ar_tokenizer *tok;
    const char *text;
    size_t n, count;
    int32_t *ids;
    ar_status status;
} job;

static void *encode_job(void *p) {
    job *j = p;
    for (int i = 0; i < 3 && j->status == AR_OK; i++)
        j->status = ar_tokenizer_encode(j->tok, j->text, j->n, AR_SPECIAL,
                                        j->ids, j->n, &j->count, NULL);
    return NULL;
}

void test_bpe_threads(void **state) {
    (void)state;
    ar_tokenizer *tok = open_golden("bpe_qwen2");
    char *s;
    size_t n;
    assert_ok(
        file_read(test_golden("training/corpus.txt"), 1 << 20, &s, &n, err));
    job jobs[4];
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        jobs[i] = (job){tok, s, n, 0, mem_new(int32_t, n), AR_OK};
        assert_int_equal(
            pthread_create(&threads[i], NULL, encode_job, &jobs[i]), 0);
    }
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(jobs[i].status, AR_OK);
        assert_int_equal(jobs[i].count, jobs[0].count);
        assert_memory_equal(jobs[i].ids, jobs[0].ids, jobs[0].count * 4);
    }
    for (int i = 0; i < 4; i++) mem_free(jobs[i].ids);
    mem_free(s);
    ar_tokenizer_close(tok);
}
