/* cli.h - what a command is.
 *
 * A command declares its options in one table, which is parsed, checked,
 * printed by --help and turned into docs/reference/cli.md; run() sees typed
 * values.  Results go to stdout, everything else to stderr. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "arcane/status.h"

typedef enum cli_type {
    CLI_FLAG,  /* bool */
    CLI_INT,   /* int64_t */
    CLI_REAL,  /* double */
    CLI_TEXT,  /* const char *, NULL if absent */
    CLI_MODEL, /* const char *, as CLI_TEXT; run() sees the path of what was
                  fetched where the word is a name that "pull" takes */
    CLI_LIST,  /* cli_words: may be given several times; also positional */
} cli_type;

typedef struct cli_words {
    const char **word; /* NULL-terminated */
    int n;
} cli_words;

typedef struct cli_option {
    const char *name;  /* "--name", or "NAME" of a positional argument */
    const char *brief; /* "-n", or NULL */
    cli_type type;
    bool required;
    size_t offset;     /* of the value inside the command's argument struct */
    const char *value; /* what --help calls the value: "FILE", "N" */
    const char *help;  /* with the default, where it has one */
} cli_option;

typedef struct cli_command {
    const char *name;          /* may have two words: "tokenizer train" */
    const char *summary;       /* one line, no full stop */
    const char *text;          /* a paragraph for --help, or NULL */
    const char *examples;      /* lines, each a command line or a # comment */
    const cli_option *options; /* ends with a row without a name */
    size_t args_size;
    const void *defaults; /* args_size bytes; NULL = zeros */
    ar_status (*run)(const void *args, ar_error *err);
} cli_command;

/* Every command, in the order of commands.def; NULL-terminated. */
extern const cli_command *const cli_commands[];

/* 0 = done, 1 = failed, 2 = the command line was wrong. */
int cli_main(int argc, char **argv);

/* The reference page of all commands, in Markdown. */
void cli_print_reference(FILE *out);

/* Parse the words behind a command's name into args.  Errors: AR_USAGE. */
ar_status cli_parse(const cli_command *c, int argc, char **argv, void *args,
                    cli_words *lists, ar_error *err);
void cli_print_help(const cli_command *c, FILE *out);

#endif
