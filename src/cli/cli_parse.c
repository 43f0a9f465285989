/* cli_parse.c - a command line into a command's argument struct. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "cli/cli.h"

enum { MAX_OPTIONS = 96 };

typedef struct parser {
    const cli_command *command;
    unsigned char *args;
    cli_words *lists;
    bool seen[MAX_OPTIONS];
    int argc, at;
    char **argv;
    ar_error *err;
} parser;

static bool is_positional(const cli_option *o) { return o->name[0] != '-'; }

/* Paths are not empty; what else is empty the command decides. */
static ar_status to_text(parser *p, const cli_option *o, const char *word) {
    const bool path =
        o->value && (!strcmp(o->value, "FILE") || !strcmp(o->value, "FOLDER"));
    if (path && !*word)
        return error_set(p->err, AR_USAGE, "%s needs a value (%s)", o->name,
                         o->value);
    *(const char **)(void *)(p->args + o->offset) = word;
    return AR_OK;
}

static ar_status to_int(parser *p, const cli_option *o, const char *word) {
    char *end;
    errno = 0;
    const long long v = strtoll(word, &end, 10);
    if (errno || *end || end == word)
        return error_set(p->err, AR_USAGE, "%s: \"%s\" is not a whole number",
                         o->name, word);
    *(int64_t *)(void *)(p->args + o->offset) = v;
    return AR_OK;
}

static ar_status to_real(parser *p, const cli_option *o, const char *word) {
    char *end;
    errno = 0;
    const double v = strtod(word, &end);
    if (errno || *end || end == word)
        return error_set(p->err, AR_USAGE, "%s: \"%s\" is not a number",
                         o->name, word);
    *(double *)(void *)(p->args + o->offset) = v;
    return AR_OK;
}

/* Lists are kept beside the arguments so that they can be freed. */
static ar_status to_list(parser *p, const cli_option *o, const char *word) {
    cli_words *list = (cli_words *)(void *)(p->args + o->offset);
    const char **grown =
        mem_realloc(list->word, ((size_t)list->n + 2) * sizeof *grown);
    if (!grown) return error_set(p->err, AR_NOMEM, "out of memory");
    grown[list->n] = word;
    grown[list->n + 1] = NULL;
    int nth = 0;
    for (const cli_option *q = p->command->options; q != o; q++)
        nth += q->type == CLI_LIST;
    *list = (cli_words){grown, list->n + 1};
    p->lists[nth] = *list;
    return AR_OK;
}

static ar_status store(parser *p, const cli_option *o, const char *word) {
    p->seen[o - p->command->options] = true;
    void *at = p->args + o->offset;
    switch (o->type) {
    case CLI_FLAG: *(bool *)at = true; return AR_OK;
    case CLI_TEXT:
    case CLI_MODEL: return to_text(p, o, word);
    case CLI_INT: return to_int(p, o, word);
    case CLI_REAL: return to_real(p, o, word);
    case CLI_LIST: return to_list(p, o, word);
    }
    return AR_OK;
}

static const cli_option *find_named(const cli_command *c, const char *word,
                                    size_t n) {
    for (const cli_option *o = c->options; o->name; o++) {
        if (is_positional(o)) continue;
        if (strlen(o->name) == n && !memcmp(o->name, word, n)) return o;
        if (o->brief && strlen(o->brief) == n && !memcmp(o->brief, word, n))
            return o;
    }
    return NULL;
}

static const cli_option *next_positional(const parser *p) {
    const cli_option *list = NULL;
    for (const cli_option *o = p->command->options; o->name; o++) {
        if (!is_positional(o)) continue;
        if (o->type == CLI_LIST)
            list = o;
        else if (!p->seen[o - p->command->options])
            return o;
    }
    return list;
}

static ar_status take_option(parser *p, const char *word) {
    const char *equals = word[1] == '-' ? strchr(word, '=') : NULL;
    const size_t n = equals ? (size_t)(equals - word) : strlen(word);
    const cli_option *o = find_named(p->command, word, n);
    if (!o)
        return error_set(p->err, AR_USAGE, "there is no option \"%.*s\"",
                         (int)n, word);
    if (o->type == CLI_FLAG) {
        if (equals)
            return error_set(p->err, AR_USAGE, "%s takes no value", o->name);
        return store(p, o, NULL);
    }
    if (equals) return store(p, o, equals + 1);
    if (p->at == p->argc)
        return error_set(p->err, AR_USAGE, "%s needs a value (%s)", o->name,
                         o->value ? o->value : "TEXT");
    return store(p, o, p->argv[p->at++]);
}

static ar_status take_positional(parser *p, const char *word) {
    const cli_option *o = next_positional(p);
    if (o) return store(p, o, word);
    return error_set(p->err, AR_USAGE, "\"%s\" is one argument too many", word);
}

ar_status cli_parse(const cli_command *c, int argc, char **argv, void *args,
                    cli_words *lists, ar_error *err) {
    parser p = {.command = c,
                .args = args,
                .lists = lists,
                .argc = argc,
                .argv = argv,
                .err = err};
    bool only_words = false;
    while (p.at < argc) {
        const char *word = argv[p.at++];
        if (!only_words && !strcmp(word, "--"))
            only_words = true;
        else if (!only_words && word[0] == '-' && word[1])
            TRY(take_option(&p, word));
        else
            TRY(take_positional(&p, word));
    }
    for (const cli_option *o = c->options; o->name; o++)
        if (o->required && !p.seen[o - c->options])
            return error_set(err, AR_USAGE, "%s is missing: %s", o->name,
                             o->help);
    return AR_OK;
}
