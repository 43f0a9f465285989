/* constrain.c - grammars, schemas and stop strings of a command line. */
#include "cli/constrain.h"

#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"

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
    size_t starts[STOP_TEXT_MOST];
    stop_text *checked;
    if (words->n > STOP_TEXT_MOST)
        return error_set(err, AR_USAGE, "--stop: more than %d stop strings",
                         STOP_TEXT_MOST);
    for (int i = 0; i < words->n; i++) {
        starts[i] = c->words.size;
        unescape(words->word[i], &c->words);
    }
    TRY(text_status(&c->words, err));
    for (int i = 0; i < words->n; i++) c->stops[i] = c->words.data + starts[i];
    c->n_stops = words->n;
    const ar_status s = stop_text_open(&checked, c->stops, c->n_stops, err);
    stop_text_close(checked);
    return s == AR_RANGE ? error_prefix(err, AR_USAGE, "--stop") : s;
}

ar_status constrain_open(constrain *out, const constrain_args *a,
                         ar_error *err) {
    *out = (constrain){0};
    if (a->grammar && a->schema)
        return error_set(err, AR_USAGE, "--grammar or --json-schema, not both");
    ar_status s = open_stops(out, &a->stops, err);
    if (s == AR_OK && a->grammar) s = open_grammar(out, a->grammar, err);
    if (s == AR_OK && a->schema) s = open_schema(out, a->schema, err);
    if (s != AR_OK) constrain_close(out);
    return s;
}

ar_status constrain_attach(constrain *c, const ar_tokenizer *tok,
                           const ar_grammar_mask_options *o, ar_error *err) {
    if (!c->grammar) return AR_OK;
    if (!tok)
        return error_set(err, AR_FORMAT,
                         "a grammar needs a tokenizer, and the model has none");
    TRY(ar_token_tree_open(&c->tree, tok, err));
    return ar_grammar_mask_open(&c->mask, c->grammar, c->tree, o, err);
}

void constrain_close(constrain *c) {
    ar_grammar_mask_close(c->mask);
    ar_token_tree_close(c->tree);
    ar_grammar_close(c->grammar);
    text_close(&c->words);
    *c = (constrain){0};
}

bool constrain_has(const char *name) {
    return !strcmp(name, "grammar") || !strcmp(name, "json-schema") ||
           !strcmp(name, "stop");
}

static void take_stops(constrain *c, const constrain *from) {
    c->words = from->words;
    memcpy(c->stops, from->stops, sizeof c->stops);
    c->n_stops = from->n_stops;
}

ar_status constrain_set(constrain *c, const char *name, const char *to,
                        const ar_tokenizer *tok,
                        const ar_grammar_mask_options *o, ar_error *err) {
    const char *words[] = {to, NULL};
    const bool stop = !strcmp(name, "stop");
    constrain_args a = {0};
    constrain now;
    if (*to && stop)
        a.stops = (cli_words){words, 1};
    else if (*to)
        *(!strcmp(name, "grammar") ? &a.grammar : &a.schema) = to;
    TRY(constrain_open(&now, &a, err));
    const ar_status s = constrain_attach(&now, tok, o, err);
    if (s == AR_OK) { /* what it is not about stays; the rest is closed */
        const constrain was = *c, fresh = now;
        *c = stop ? was : fresh;
        take_stops(c, stop ? &fresh : &was);
        now = stop ? fresh : was;
        take_stops(&now, stop ? &was : &fresh);
    }
    constrain_close(&now);
    return s;
}
