/* constrain.c - grammars, schemas and stop strings of a command line. */
#include "cli/constrain.h"

#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"

static ar_status open_grammar(constrain *c, const char *path, ar_error *err) {
    char *data;
    size_t n;
    TRY(file_read(path, GRAMMAR_MAX_SOURCE, &data, &n, err));
    const ar_status s = ar_grammar_open(&c->grammar, path, data, n, err);
    mem_free(data);
    return s;
}

static ar_status open_schema(constrain *c, const char *word, ar_error *err) {
    static const char any_object[] = "{\"type\":\"object\"}";
    const char *first = word + strspn(word, " \t\r\n");
    char *data;
    size_t n;
    if (!strcmp(word, "json_object")) word = first = any_object;
    if (*first == '{')
        return ar_grammar_from_schema(&c->grammar, "--json-schema", word,
                                      strlen(word), err);
    TRY(file_read(word, JSON_SCHEMA_MAX, &data, &n, err));
    const ar_status s = ar_grammar_from_schema(&c->grammar, word, data, n, err);
    mem_free(data);
    return s;
}

/* \n, \t and \\ as in other options. */
static void unescape(const char *word, text *out) {
    for (; *word; word++) {
        char c = *word;
        if (c == '\\' && word[1] && strchr("nt\\", word[1])) {
            word++;
            c = *word == 'n' ? '\n' : *word == 't' ? '\t' : '\\';
        }
        text_add(out, &c, 1);
    }
    text_add(out, "", 1);
}

static ar_status open_stops(constrain *c, const cli_words *words,
                            ar_error *err) {
    const char *stops[STOP_TEXT_MOST + 1];
    size_t starts[STOP_TEXT_MOST + 1];
    const int n = words->n <= STOP_TEXT_MOST ? words->n : STOP_TEXT_MOST + 1;
    text all = {0};
    for (int i = 0; i < n; i++) {
        starts[i] = all.size;
        unescape(words->word[i], &all);
    }
    ar_status s = text_status(&all, err);
    for (int i = 0; i < n && s == AR_OK; i++) stops[i] = all.data + starts[i];
    if (s == AR_OK) s = stop_text_open(&c->stop, stops, n, err);
    text_close(&all);
    return s == AR_RANGE ? error_prefix(err, AR_USAGE, "--stop") : s;
}

ar_status constrain_open(constrain *out, const constrain_args *a,
                         ar_error *err) {
    constrain c = {0};
    *out = c;
    if (a->grammar && a->schema)
        return error_set(err, AR_USAGE, "--grammar or --json-schema, not both");
    TRY(open_stops(&c, &a->stops, err));
    ar_status s = AR_OK;
    if (a->grammar) s = open_grammar(&c, a->grammar, err);
    if (a->schema) s = open_schema(&c, a->schema, err);
    if (s == AR_OK)
        *out = c;
    else
        constrain_close(&c);
    return s;
}

ar_status constrain_attach(constrain *c, const ar_tokenizer *tok,
                           const int32_t *ends, int n_ends, int64_t n_vocab,
                           ar_error *err) {
    if (!c->grammar) return AR_OK;
    if (!tok)
        return error_set(err, AR_FORMAT,
                         "a grammar needs a tokenizer, and the model has none");
    const ar_grammar_mask_options o = {ends, n_ends, n_vocab};
    TRY(ar_token_tree_open(&c->tree, tok, err));
    return ar_grammar_mask_open(&c->mask, c->grammar, c->tree, &o, err);
}

void constrain_close(constrain *c) {
    ar_grammar_mask_close(c->mask);
    ar_token_tree_close(c->tree);
    ar_grammar_close(c->grammar);
    stop_text_close(c->stop);
    *c = (constrain){0};
}
