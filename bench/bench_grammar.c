/* bench_grammar.c - how long masks of tokens take: random texts under schemas,
 * with a real vocabulary.
 *
 *   bench_grammar MODEL [SCHEMA ...]     a model, or a tokenizer's folder
 *
 * Times are those of the processor, so that what else runs counts little. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/rng.h"
#include "infer/infer.h"
#include "model/model.h"

enum { TOKENS = 400 };

static const char *const usual[] = {
    "{}",
    "{\"type\": \"object\"}",
    "{\"type\": \"string\", \"maxLength\": 300}",
    "{\"properties\": {\"name\": {\"type\": \"string\", \"maxLength\": 40}, "
    "\"age\": {\"type\": \"integer\", \"minimum\": 0, \"maximum\": 130}, "
    "\"tags\": {\"type\": \"array\", \"items\": {\"type\": \"string\"}}}, "
    "\"required\": [\"name\", \"age\", \"tags\"]}",
    "{\"pattern\": \"^(a|[a-z ]{2,30}|[0-9]+ [a-z]+){1,20}$\"}",
};

static double seconds(void) { return (double)clock() / CLOCKS_PER_SEC; }

static ar_status open_tokenizer(ar_tokenizer **tok, const char *path,
                                ar_error *err) {
    ar_model *m;
    if (ar_tokenizer_open(tok, path, err) == AR_OK) return AR_OK;
    ar_status s = ar_model_open(&m, path, err);
    if (s != AR_OK) return s;
    s = ar_model_tokenizer(tok, m, err);
    ar_model_close(m);
    return s;
}

static int32_t draw(const uint64_t *bits, int64_t n, uint64_t at) {
    uint64_t count = 0;
    for (int64_t i = 0; i < n; i++) count += bits[i >> 6] >> (i & 63) & 1;
    uint64_t k = rng_bits(5, 0, at) % count;
    for (int32_t i = 0;; i++)
        if ((bits[i >> 6] >> (i & 63) & 1) && k-- == 0) return i;
}

static ar_status run(ar_grammar_mask *m, int64_t n_vocab, const char *what,
                     ar_error *err) {
    double first = 0, most = 0, sum = 0;
    int n = 0, n_slow = 0;
    for (; n < TOKENS && !ar_grammar_mask_is_over(m); n++) {
        const uint64_t *bits;
        const double start = seconds();
        ar_status s = ar_grammar_mask_allowed(m, &bits, err);
        const double ms = 1e3 * (seconds() - start);
        if (s == AR_OK)
            s = ar_grammar_mask_accept(m, draw(bits, n_vocab, (uint64_t)n),
                                       err);
        if (s != AR_OK) return s;
        if (!n) first = ms;
        if (ms > most) most = ms;
        n_slow += ms > 0.5;
        sum += ms;
    }
    printf("%-60.60s %3d masks, ms: first %.2f, most %.2f, mean %.3f; %d above "
           "0.5\n",
           what, n, first, most, sum / n, n_slow);
    return AR_OK;
}

static ar_status bench(const ar_token_tree *t, int32_t eos, const char *schema,
                       ar_error *err) {
    ar_grammar *g;
    ar_grammar_mask *m = NULL;
    const ar_grammar_mask_options o = {&eos, 1, t->n_vocab};
    ar_status s =
        ar_grammar_from_schema(&g, "schema", schema, strlen(schema), err);
    if (s == AR_OK) s = ar_grammar_mask_open(&m, g, t, &o, err);
    if (s == AR_OK) s = run(m, t->n_vocab, schema, err);
    ar_grammar_mask_close(m);
    ar_grammar_close(g);
    return s;
}

int main(int argc, char **argv) {
    ar_error err;
    ar_tokenizer *tok = NULL;
    ar_token_tree *t;
    if (argc < 2 || open_tokenizer(&tok, argv[1], &err) != AR_OK || !tok) {
        fprintf(stderr, "bench_grammar MODEL [SCHEMA ...]\n");
        return 2;
    }
    const double start = seconds();
    if (ar_token_tree_open(&t, tok, &err) != AR_OK) return 1;
    printf("%d tokens, a tree of %u nodes in %.0f ms\n", t->n_vocab, t->n_nodes,
           1e3 * (seconds() - start));
    const int n = argc > 2 ? argc - 2 : (int)(sizeof usual / sizeof *usual);
    for (int i = 0; i < n; i++)
        if (bench(t, ar_tokenizer_eos(tok), argc > 2 ? argv[2 + i] : usual[i],
                  &err) != AR_OK)
            fprintf(stderr, "%s\n", err.message);
    ar_token_tree_close(t);
    ar_tokenizer_close(tok);
    return 0;
}
