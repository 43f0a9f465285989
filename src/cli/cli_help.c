/* cli_help.c - --help and the reference page, from the option tables. */
#include <string.h>

#include "cli/cli.h"

static bool is_positional(const cli_option *o) { return o->name[0] != '-'; }

static void print_usage(const cli_command *c, FILE *out) {
    fprintf(out, "usage: arcane %s", c->name);
    bool options = false;
    for (const cli_option *o = c->options; o->name; o++) {
        if (!is_positional(o)) {
            options = true;
            continue;
        }
        fprintf(out, o->required ? " %s%s" : " [%s%s]", o->name,
                o->type == CLI_LIST ? " ..." : "");
    }
    fputs(options ? " [options]\n" : "\n", out);
}

/* "-n, --tokens N" */
static void option_words(const cli_option *o, char *text, size_t size) {
    snprintf(text, size, "%s%s%s%s%s", o->brief ? o->brief : "",
             o->brief ? ", " : "", o->name,
             o->type == CLI_FLAG || is_positional(o) ? "" : " ",
             o->type == CLI_FLAG || is_positional(o) ? ""
             : o->value                              ? o->value
                                                     : "TEXT");
}

/* Words of `text` in lines of at most 78 columns, indented. */
static void print_wrapped(FILE *out, const char *text, int indent, int column) {
    while (*text) {
        const int word = (int)strcspn(text, " \n");
        if (column > indent && column + 1 + word > 78) {
            fprintf(out, "\n%*s", indent, "");
            column = indent;
        } else if (column > indent) {
            column += fprintf(out, " ");
        }
        fprintf(out, "%.*s", word, text);
        column += word;
        text += word;
        if (*text == '\n') {
            fprintf(out, "\n%*s", indent, "");
            column = indent;
        }
        text += *text != 0;
    }
    fputc('\n', out);
}

void cli_print_help(const cli_command *c, FILE *out) {
    enum { INDENT = 28 };
    print_usage(c, out);
    fprintf(out, "\n%s.\n", c->summary);
    if (c->text) {
        fputc('\n', out);
        print_wrapped(out, c->text, 0, 0);
    }
    fputc('\n', out);
    for (const cli_option *o = c->options; o->name; o++) {
        char words[128];
        option_words(o, words, sizeof words);
        int column = fprintf(out, "  %-*s", INDENT - 4, words);
        column += fprintf(out, "  ");
        if (column > INDENT) {
            fprintf(out, "\n%*s", INDENT, "");
            column = INDENT;
        }
        print_wrapped(out, o->help, INDENT, column);
    }
    if (c->examples) fprintf(out, "\nexamples:\n%s", c->examples);
}

static void print_escaped(FILE *out, const char *text) {
    for (; *text; text++) {
        if (*text == '|') fputc('\\', out);
        fputc(*text == '\n' ? ' ' : *text, out);
    }
}

static void print_section(const cli_command *c, FILE *out) {
    fprintf(out, "## arcane %s\n\n%s.\n\n```\n", c->name, c->summary);
    print_usage(c, out);
    fputs("```\n\n", out);
    if (c->text) fprintf(out, "%s\n\n", c->text);
    fputs("| option | meaning |\n|---|---|\n", out);
    for (const cli_option *o = c->options; o->name; o++) {
        char words[128];
        option_words(o, words, sizeof words);
        fprintf(out, "| `%s` | ", words);
        print_escaped(out, o->help);
        fputs(" |\n", out);
    }
    if (c->examples) fprintf(out, "\n```\n%s```\n", c->examples);
    fputc('\n', out);
}

void cli_print_reference(FILE *out) {
    fputs("# Commands\n\nMade by `arcane --reference` from the option tables "
          "in `src/cli/`; do not edit.\n\nExit codes: 0 done, 1 failed, 2 "
          "wrong command line. Results go to standard output, everything "
          "else to standard error.\n\n",
          out);
    for (const cli_command *const *c = cli_commands; *c; c++)
        print_section(*c, out);
}
