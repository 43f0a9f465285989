/* test_cli.c - the parser, and the tables of all commands: what --help shows
 * is true, and its examples parse. */
#include "base/mem.h"
#include "cli/cli.h"
#include "tests/test.h"

enum { MAX_WORDS = 32, MAX_LISTS = 8, MAX_OPTIONS = 96 };

/* ---- the parser ---- */

typedef struct demo_args {
    bool flag;
    int64_t n;
    double x;
    const char *text, *file, *first, *second;
    cli_words list;
} demo_args;

static const cli_option demo_options[] = {
    {"FIRST", NULL, CLI_TEXT, true, offsetof(demo_args, first), NULL, "first"},
    {"SECOND", NULL, CLI_TEXT, false, offsetof(demo_args, second), NULL, "2nd"},
    {"--flag", "-f", CLI_FLAG, false, offsetof(demo_args, flag), NULL, "flag"},
    {"--number", "-n", CLI_INT, false, offsetof(demo_args, n), "N", "number"},
    {"--real", NULL, CLI_REAL, false, offsetof(demo_args, x), "X", "real"},
    {"--text", NULL, CLI_TEXT, false, offsetof(demo_args, text), "TEXT", "any"},
    {"--file", NULL, CLI_TEXT, false, offsetof(demo_args, file), "FILE",
     "path"},
    {"--list", NULL, CLI_LIST, false, offsetof(demo_args, list), "FILE",
     "many"},
    {.name = NULL},
};
static const cli_command demo = {.name = "demo",
                                 .summary = "only parsed",
                                 .options = demo_options,
                                 .args_size = sizeof(demo_args)};

/* Parse the words of a line without quotes. */
static ar_status parse(const char *line, demo_args *args, ar_error *err) {
    static char copy[512];
    char *words[MAX_WORDS];
    int n = 0;
    cli_words lists[MAX_LISTS] = {0};
    snprintf(copy, sizeof copy, "%s", line);
    for (char *p = copy; *p && n < MAX_WORDS;) {
        p += strspn(p, " ");
        words[n++] = p;
        p += strcspn(p, " ");
        if (*p) *p++ = 0;
    }
    *args = (demo_args){0};
    const ar_status s = cli_parse(&demo, n, words, args, lists, err);
    for (int i = 0; i < MAX_LISTS; i++) mem_free(lists[i].word);
    return s;
}

void test_cli_parse_values(void **state) {
    (void)state;
    demo_args a;
    assert_ok(
        parse("one -f -n -12 --real=2.5e3 two --text -x --file a", &a, err));
    assert_string_equal(a.first, "one");
    assert_string_equal(a.second, "two");
    assert_true(a.flag);
    assert_int_equal(a.n, -12);
    assert_true(a.x == 2500);
    assert_string_equal(a.text, "-x");
    assert_string_equal(a.file, "a");
    assert_ok(parse("-- --flag -n", &a, err));
    assert_string_equal(a.first, "--flag");
    assert_string_equal(a.second, "-n");
    assert_false(a.flag);
    assert_ok(parse("- --text= --number 9223372036854775807", &a, err));
    assert_string_equal(a.first, "-");
    assert_string_equal(a.text, "");
    assert_true(a.n == INT64_MAX);
    assert_ok(parse("x --list a --list=b --list c", &a, err));
    assert_int_equal(a.list.n, 3);
}

void test_cli_parse_errors(void **state) {
    (void)state;
    demo_args a;
    assert_fails(AR_USAGE, "FIRST", parse("--flag", &a, err));
    assert_fails(AR_USAGE, "\"three\"", parse("one two three", &a, err));
    assert_fails(AR_USAGE, "\"--flug\"", parse("one --flug", &a, err));
    assert_fails(AR_USAGE, "\"--fla\"", parse("one --fla", &a, err));
    assert_fails(AR_USAGE, "\"-x\"", parse("one -x", &a, err));
    assert_fails(AR_USAGE, "--flag", parse("one --flag=1", &a, err));
    assert_fails(AR_USAGE, "--number", parse("one --number", &a, err));
    assert_fails(AR_USAGE, "\"1.5\"", parse("one -n 1.5", &a, err));
    assert_fails(AR_USAGE, "\"\"", parse("one --number=", &a, err));
    assert_fails(AR_USAGE, "--number",
                 parse("one -n 9223372036854775808", &a, err));
    assert_fails(AR_USAGE, "\"1x\"", parse("one --real 1x", &a, err));
    assert_fails(AR_USAGE, "--file", parse("one --file=", &a, err));
}

/* ---- the tables ---- */

static size_t size_of(const cli_option *o) {
    switch (o->type) {
    case CLI_FLAG: return sizeof(bool);
    case CLI_INT: return sizeof(int64_t);
    case CLI_REAL: return sizeof(double);
    case CLI_TEXT:
    case CLI_MODEL: return sizeof(char *);
    case CLI_LIST: return sizeof(cli_words);
    }
    return 0;
}

static void check_option(const cli_command *c, const cli_option *o) {
    const bool named = o->name[0] == '-';
    assert_true(o->offset + size_of(o) <= c->args_size);
    assert_true(!named || (o->name[1] == '-' && o->name[2]));
    assert_true(!o->brief || (named && strlen(o->brief) == 2));
    assert_true(o->help && o->help[0]);
    if (o->help[strlen(o->help) - 1] == '.')
        fail_msg("arcane %s %s: the help ends with a full stop", c->name,
                 o->name);
    if (named && o->type != CLI_FLAG && !o->value)
        fail_msg("arcane %s %s: has no name for its value", c->name, o->name);
    for (const cli_option *p = c->options; p != o; p++) {
        assert_string_not_equal(p->name, o->name);
        if (p->brief && o->brief) assert_string_not_equal(p->brief, o->brief);
        assert_true(p->offset + size_of(p) <= o->offset ||
                    o->offset + size_of(o) <= p->offset);
    }
}

void test_cli_tables(void **state) {
    (void)state;
    for (const cli_command *const *c = cli_commands; *c; c++) {
        int n = 0, lists = 0;
        for (const cli_option *o = (*c)->options; o->name; o++) {
            check_option(*c, o);
            lists += o->type == CLI_LIST;
            n++;
        }
        assert_true(n <= MAX_OPTIONS);
        assert_true(lists <= MAX_LISTS);
        assert_true((*c)->summary[0] && (*c)->run);
        for (const cli_command *const *d = cli_commands; d != c; d++)
            assert_string_not_equal((*c)->name, (*d)->name);
    }
}

/* ---- help and examples ---- */

static const char *help_of(const cli_command *c) {
    static char text[1 << 15];
    FILE *f = tmpfile();
    assert_non_null(f);
    cli_print_help(c, f);
    rewind(f);
    const size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    assert_true(n + 1 < sizeof text);
    text[n] = 0;
    return text;
}

static void check_lines(const cli_command *c, const char *text) {
    const char *examples = strstr(text, "\nexamples:");
    for (const char *p = text; *p;) {
        const size_t n = strcspn(p, "\n");
        if (n > 79 && p < examples)
            fail_msg("arcane %s --help: too wide: %.*s", c->name, (int)n, p);
        if (n && p[n - 1] == ' ')
            fail_msg("arcane %s --help: ends in a blank: %.*s", c->name, (int)n,
                     p);
        for (size_t i = 0; i < n; i++) assert_true(p[i] >= ' ');
        p += n + (p[n] == '\n');
    }
}

void test_cli_help(void **state) {
    (void)state;
    for (const cli_command *const *c = cli_commands; *c; c++) {
        const char *text = help_of(*c);
        assert_true(strncmp(text, "usage: arcane ", 14) == 0);
        assert_non_null(strstr(text, (*c)->summary));
        if (!strstr(text, "\nexamples:\n"))
            fail_msg("arcane %s --help has no examples", (*c)->name);
        for (const cli_option *o = (*c)->options; o->name; o++)
            if (!strstr(text, o->name))
                fail_msg("arcane %s --help leaves out %s", (*c)->name, o->name);
        check_lines(*c, text);
    }
}

/* Words of a line of shell, as far as the examples use it: quotes, up to a
 * redirection; from behind a pipe.  Returns how many. */
static int split(char *line, char **words) {
    char *pipe = strstr(line, "| ");
    int n = 0;
    for (char *p = pipe ? pipe + 2 : line; n < MAX_WORDS;) {
        p += strspn(p, " ");
        if (!*p || *p == '<' || *p == '>') break;
        const char *end = " ";
        if (*p == '"') {
            p++;
            end = "\"";
        }
        words[n++] = p;
        p += strcspn(p, end);
        if (*p) *p++ = 0;
    }
    return n;
}

/* How many of the words are the command's name; 0: it is another one. */
static int is_command(const cli_command *c, int n, char **words) {
    char name[64];
    if (n > 1 && strcmp(c->name, words[1]) == 0) return 1;
    if (n < 3) return 0;
    snprintf(name, sizeof name, "%s %s", words[1], words[2]);
    return strcmp(c->name, name) == 0 ? 2 : 0;
}

static void check_example(const cli_command *c, char *line) {
    char *words[MAX_WORDS];
    const int n = split(line, words);
    const int taken = is_command(c, n, words);
    if (!taken || strcmp(words[0], "arcane") != 0)
        fail_msg("an example of \"%s\" is another command", c->name);
    void *args = mem_alloc(c->args_size);
    cli_words lists[MAX_LISTS] = {0};
    assert_non_null(args);
    if (c->defaults)
        memcpy(args, c->defaults, c->args_size);
    else
        memset(args, 0, c->args_size);
    assert_ok(cli_parse(c, n - 1 - taken, words + 1 + taken, args, lists, err));
    for (int i = 0; i < MAX_LISTS; i++) mem_free(lists[i].word);
    mem_free(args);
}

void test_cli_examples(void **state) {
    (void)state;
    for (const cli_command *const *c = cli_commands; *c; c++) {
        char line[512];
        for (const char *p = (*c)->examples; p && *p;) {
            const size_t n = strcspn(p, "\n");
            assert_true(n < sizeof line);
            memcpy(line, p, n);
            line[n] = 0;
            p += n + (p[n] == '\n');
            if (line[strspn(line, " ")] == '#' || !line[strspn(line, " ")])
                continue;
            check_example(*c, line);
        }
    }
}
