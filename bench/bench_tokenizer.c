/* bench_tokenizer.c - how fast text is encoded, decoded and learned from.
 *
 *   bench_tokenizer encode TOKENIZER TEXT [RUNS]
 *   bench_tokenizer train TEXT VOCAB OUT [RUNS]
 *
 * One line of JSON: seconds of every run, what was counted, and the sum of
 * (place + 1) * id.  "lines" is the same text line by line, a call each. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arcane/tokenizer.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"

enum { MAX_RUNS = 64 };

static int fail(const ar_error *err) {
    fprintf(stderr, "bench_tokenizer: %s\n", err->message);
    return 1;
}

static void print_runs(const char *name, const double *seconds, int n) {
    printf("\"%s\": [", name);
    for (int i = 0; i < n; i++) printf("%s%.6f", i ? ", " : "", seconds[i]);
    printf("]");
}

static ar_status encode_lines(const ar_tokenizer *tok, const char *p, size_t n,
                              int32_t *ids, size_t *total, ar_error *err) {
    *total = 0;
    while (n) {
        const char *end = memchr(p, '\n', n);
        const size_t k = end ? (size_t)(end - p) + 1 : n;
        size_t count;
        const ar_status s =
            ar_tokenizer_encode(tok, p, k, AR_SPECIAL, ids, k, &count, err);
        if (s != AR_OK) return s;
        *total += count;
        p += k;
        n -= k;
    }
    return AR_OK;
}

/* A number that depends on every id and its place. */
static uint64_t check_sum(const int32_t *ids, size_t n) {
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) sum += (i + 1) * (uint64_t)(uint32_t)ids[i];
    return sum;
}

typedef struct encode_job {
    ar_tokenizer *tok;
    char *data, *out;
    size_t size;
    int32_t *ids;
    double whole[MAX_RUNS], lines[MAX_RUNS], decode[MAX_RUNS];
} encode_job;

static ar_status run_encode(encode_job *j, int runs, ar_error *err) {
    size_t n = 0, n_lines = 0, n_bytes;
    ar_status s = AR_OK;
    for (int i = 0; i < runs && s == AR_OK; i++) {
        double t = clock_now();
        s = encode_lines(j->tok, j->data, j->size, j->ids, &n_lines, err);
        j->lines[i] = clock_now() - t;
        t = clock_now();
        if (s == AR_OK)
            s = ar_tokenizer_encode(j->tok, j->data, j->size, AR_SPECIAL,
                                    j->ids, j->size, &n, err);
        j->whole[i] = clock_now() - t;
        t = clock_now();
        if (s == AR_OK)
            s = ar_tokenizer_decode(j->tok, j->ids, n, AR_SPECIAL, j->out,
                                    j->size, &n_bytes, err);
        j->decode[i] = clock_now() - t;
    }
    if (s != AR_OK) return s;
    printf("{\"bytes\": %zu, \"ids\": %zu, \"line_ids\": %zu, ", j->size, n,
           n_lines);
    printf("\"sum\": %llu, ", (unsigned long long)check_sum(j->ids, n));
    print_runs("encode", j->whole, runs);
    printf(", ");
    print_runs("lines", j->lines, runs);
    printf(", ");
    print_runs("decode", j->decode, runs);
    printf("}\n");
    return AR_OK;
}

static int encode_main(const char *tokenizer, const char *path, int runs) {
    ar_error err = {0};
    encode_job j = {0};
    const double t = clock_now();
    if (ar_tokenizer_open(&j.tok, tokenizer, &err)) return fail(&err);
    fprintf(stderr, "opened in %.3f s\n", clock_now() - t);
    if (file_read(path, (size_t)1 << 31, &j.data, &j.size, &err))
        return fail(&err);
    j.ids = mem_alloc(j.size * sizeof *j.ids + 1);
    j.out = mem_alloc(j.size + 1);
    const ar_status s = run_encode(&j, runs, &err);
    mem_free(j.ids);
    mem_free(j.out);
    mem_free(j.data);
    ar_tokenizer_close(j.tok);
    return s == AR_OK ? 0 : fail(&err);
}

/* A document a line, as the compared library is given them. */
typedef struct line_reader {
    const char *p;
    size_t n;
} line_reader;

static int next_line(void *ctx, const char **text, size_t *n) {
    line_reader *r = ctx;
    if (!r->n) return 0;
    const char *end = memchr(r->p, '\n', r->n);
    *text = r->p;
    *n = end ? (size_t)(end - r->p) + 1 : r->n;
    r->p += *n;
    r->n -= *n;
    return 1;
}

static int train_main(const char *path, int vocab, const char *out, int runs) {
    ar_error err = {0};
    char *data;
    size_t size;
    if (file_read(path, (size_t)1 << 31, &data, &size, &err)) return fail(&err);
    double seconds[MAX_RUNS];
    ar_bpe_options opt = ar_bpe_options_default();
    opt.n_vocab = vocab;
    for (int i = 0; i < runs; i++) {
        ar_tokenizer *tok;
        line_reader r = {data, size};
        const double t = clock_now();
        if (ar_tokenizer_train(&tok, &opt, next_line, &r, &err))
            return fail(&err);
        seconds[i] = clock_now() - t;
        const ar_status s = ar_tokenizer_save(tok, out, &err);
        ar_tokenizer_close(tok);
        if (s != AR_OK) return fail(&err);
    }
    printf("{\"bytes\": %zu, ", size);
    print_runs("train", seconds, runs);
    printf("}\n");
    mem_free(data);
    return 0;
}

int main(int argc, char **argv) {
    const int train = argc > 1 && !strcmp(argv[1], "train");
    const int at = train ? 5 : 4;
    int runs = argc > at ? (int)strtol(argv[at], NULL, 10) : 5;
    if (runs < 1 || runs > MAX_RUNS) runs = 5;
    if (train && argc >= 5)
        return train_main(argv[2], (int)strtol(argv[3], NULL, 10), argv[4],
                          runs);
    if (argc >= 4 && !strcmp(argv[1], "encode"))
        return encode_main(argv[2], argv[3], runs);
    fprintf(stderr, "bench_tokenizer encode TOKENIZER TEXT [RUNS]\n"
                    "bench_tokenizer train TEXT VOCAB OUT [RUNS]\n");
    return 2;
}
