/* grammar.c - opening a grammar: parse, check, compile. */
#include "base/error.h"
#include "infer/grammar_int.h"

static ar_status build(ar_grammar *g, const char *name, const char *source,
                       size_t n, ar_error *err) {
    gram_source s = {.name = name};
    ar_status status = grammar_parse(&s, source, n, err);
    if (status == AR_OK) status = grammar_check(&s, err);
    if (status == AR_OK) status = grammar_compile(g, &s, err);
    gram_source_close(&s);
    return status;
}

ar_status ar_grammar_open(ar_grammar **out, const char *name,
                          const char *source, size_t n, ar_error *err) {
    *out = NULL;
    ar_grammar *g = mem_new(ar_grammar, 1);
    if (!g) return error_set(err, AR_NOMEM, "no memory for a grammar");
    const ar_status s = build(g, name, source, n, err);
    if (s != AR_OK) {
        ar_grammar_close(g);
        return s;
    }
    *out = g;
    return AR_OK;
}

void ar_grammar_close(ar_grammar *g) {
    if (!g) return;
    mem_free(g->nodes);
    mem_free(g->starts);
    mem_free(g->sets);
    mem_free(g);
}
