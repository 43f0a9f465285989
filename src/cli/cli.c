/* cli.c - finding the command and running it. */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "hub/hub.h"

enum { MAX_PATH = 4096 };

#define COMMAND(symbol) extern const cli_command cmd_##symbol;
#include "cli/commands.def"
#undef COMMAND

const cli_command *const cli_commands[] = {
#define COMMAND(symbol) &cmd_##symbol,
#include "cli/commands.def"
#undef COMMAND
    NULL};

static void print_commands(FILE *out) {
    fputs("arcane trains, adapts and runs language models.\n\n"
          "usage: arcane COMMAND [options]\n\n",
          out);
    for (const cli_command *const *c = cli_commands; *c; c++)
        fprintf(out, "  %-18s %s\n", (*c)->name, (*c)->summary);
    fputs("\narcane COMMAND --help shows a command's options and examples.\n"
          "arcane --version shows the version.\n",
          out);
}

/* How many words of argv the command's name takes; 0 = it is another one. */
static int name_words(const char *name, int argc, char **argv) {
    const char *space = strchr(name, ' ');
    if (!space) return argc > 0 && !strcmp(name, argv[0]);
    const size_t n = (size_t)(space - name);
    return argc > 1 && strlen(argv[0]) == n && !memcmp(name, argv[0], n) &&
                   !strcmp(space + 1, argv[1])
               ? 2
               : 0;
}

static const cli_command *find(int argc, char **argv, int *words) {
    for (const cli_command *const *c = cli_commands; *c; c++)
        if ((*words = name_words((*c)->name, argc, argv))) return *c;
    return NULL;
}

/* Is it of the group, as "bench infer" is of "bench"? */
static bool in_group(const cli_command *c, const char *group) {
    const size_t n = strlen(group);
    return !strncmp(c->name, group, n) && c->name[n] == ' ';
}

static bool asks_for_help(int argc, char **argv) {
    for (int i = 0; i < argc && strcmp(argv[i], "--"); i++)
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) return true;
    return false;
}

/* The commands of a group; false if there is none. */
static bool print_group(const char *group) {
    bool any = false;
    for (const cli_command *const *c = cli_commands; *c; c++) {
        if (!in_group(*c, group)) continue;
        if (!any) printf("usage: arcane %s COMMAND [options]\n\n", group);
        printf("  %-18s %s\n", (*c)->name, (*c)->summary);
        any = true;
    }
    return any;
}

static int unknown(int argc, char **argv) {
    if (asks_for_help(argc, argv) && print_group(argv[0])) return 0;
    fprintf(stderr, "arcane: there is no command \"%s\"", argv[0]);
    int group = 0;
    for (const cli_command *const *c = cli_commands; *c; c++) {
        if (!in_group(*c, argv[0])) continue;
        if (!group && argc > 1) fprintf(stderr, " \"%s\"", argv[1]);
        fprintf(stderr, "%s \"arcane %s\"", group++ ? "," : "; there is",
                (*c)->name);
    }
    fputs(group ? "\n" : "; see \"arcane --help\"\n", stderr);
    return 2;
}

/* Usage errors give 2 and a hint; everything else that fails gives 1. */
static int report(const cli_command *c, ar_status s, const ar_error *err) {
    if (s == AR_OK) return 0;
    fflush(stdout);
    fprintf(stderr, "arcane %s: %s\n", c->name,
            err->message[0] ? err->message : ar_status_text(s));
    if (s == AR_USAGE) fprintf(stderr, "see \"arcane %s --help\"\n", c->name);
    return s == AR_USAGE ? 2 : 1;
}

/* Names of fetched models become their paths; *paths holds their memory. */
static ar_status find_models(const cli_command *c, void *args, cli_words *paths,
                             ar_error *err) {
    for (const cli_option *o = c->options; o->name; o++) {
        const char **word = (const char **)(void *)((char *)args + o->offset);
        if (o->type != CLI_MODEL || !*word || !hub_is_name(*word)) continue;
        const size_t n = (size_t)paths->n;
        const char **grown = mem_realloc(paths->word, (n + 1) * sizeof *grown);
        if (grown) paths->word = grown;
        char *path = mem_alloc(MAX_PATH);
        if (!grown || !path) {
            mem_free(path);
            return error_set(err, AR_NOMEM, "out of memory");
        }
        grown[paths->n++] = path;
        TRY(hub_find(path, MAX_PATH, *word, err));
        *word = path;
    }
    return AR_OK;
}

static void free_paths(cli_words *paths) {
    for (int i = 0; i < paths->n; i++) mem_free((char *)paths->word[i]);
    mem_free(paths->word);
}

static int run_command(const cli_command *c, int argc, char **argv) {
    enum { MAX_LISTS = 8 };
    cli_words lists[MAX_LISTS] = {0}, paths = {0};
    ar_error err = {0};
    void *args = mem_alloc(c->args_size);
    if (!args) return fputs("arcane: out of memory\n", stderr), 1;
    if (c->defaults) memcpy(args, c->defaults, c->args_size);
    ar_status s = cli_parse(c, argc, argv, args, lists, &err);
    if (s == AR_OK) s = find_models(c, args, &paths, &err);
    if (s == AR_OK) s = c->run(args, &err);
    free_paths(&paths);
    for (int i = 0; i < MAX_LISTS; i++) mem_free(lists[i].word);
    mem_free(args);
    return report(c, s, &err);
}

static int dispatch(int argc, char **argv) {
    if (argc < 2) return print_commands(stderr), 2;
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") ||
        !strcmp(argv[1], "help"))
        return print_commands(stdout), 0;
    if (!strcmp(argv[1], "--version")) return puts("arcane " AR_VERSION), 0;
    if (!strcmp(argv[1], "--reference")) return cli_print_reference(stdout), 0;
    int words;
    const cli_command *c = find(argc - 1, argv + 1, &words);
    if (!c) return unknown(argc - 1, argv + 1);
    argc -= 1 + words;
    argv += 1 + words;
    if (asks_for_help(argc, argv)) return cli_print_help(c, stdout), 0;
    return run_command(c, argc, argv);
}

/* A closed stream would lend its number to the first file that is opened, and
 * what is printed would end up there: hold its place, so that using it fails.
 */
static void hold_streams(void) {
    for (int fd = 0; fd < 3; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
            (void)open("/dev/null", fd ? O_RDONLY : O_WRONLY);
}

int cli_main(int argc, char **argv) {
    hold_streams();
    signal(SIGXFSZ, SIG_IGN); /* a full quota is an error, not the end */
    const int code = dispatch(argc, argv);
    if ((fflush(stdout) || ferror(stdout)) && code == 0) {
        fputs("arcane: standard output could not be written\n", stderr);
        return 1;
    }
    return code;
}
