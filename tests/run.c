/* run.c - runs the tests of TESTS_DEF.
 *
 *   PROGRAM [--times] [--part I/N] [WORD ...]
 *
 * Only tests whose name contains one of the words, and of those every N-th,
 * beginning with the I-th (from 1).  With --times each test is followed by a
 * line "time CPU WALL NAME", in seconds; threads and children count.  The last
 * line is "N passed, N failed". */
#include <ftw.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "tests/test.h"

#define T(name) void test_##name(void **state);
#include TESTS_DEF
#undef T

static const struct CMUnitTest tests[] = {
#define T(name) {#name, test_##name, NULL, NULL, NULL},
#include TESTS_DEF
#undef T
};
enum { N_TESTS = sizeof tests / sizeof *tests };

static char folder_root[256];

const char *test_golden(const char *name) {
    static char path[4][1024];
    static unsigned turn;
    char *p = path[turn++ % 4];
    snprintf(p, sizeof path[0], "%s/tests/golden/%s", AR_SOURCE_DIR, name);
    return p;
}

const char *test_folder(void) {
    static char path[300];
    static int n;
    if (!folder_root[0]) {
        const char *tmp = getenv("TMPDIR");
        snprintf(folder_root, sizeof folder_root, "%s/arcane-tests-XXXXXX",
                 tmp ? tmp : "/tmp");
        assert_non_null(mkdtemp(folder_root));
    }
    snprintf(path, sizeof path, "%s/%d", folder_root, n++);
    char command[400];
    snprintf(command, sizeof command, "mkdir -p '%s'", path);
    assert_int_equal(system(command), 0);
    return path;
}

bool test_quick(void) {
    const char *quick = getenv("AR_QUICK");
    return quick && !strcmp(quick, "1");
}

static int remove_one(const char *path, const struct stat *s, int type,
                      struct FTW *f) {
    (void)s, (void)type, (void)f;
    return remove(path);
}

/* ---- times ---- */

static double begin_cpu, begin_wall;

static double cpu_seconds(void) {
    double sum = 0;
    const int whose[] = {RUSAGE_SELF, RUSAGE_CHILDREN};
    for (int i = 0; i < 2; i++) {
        struct rusage u;
        if (getrusage(whose[i], &u) != 0) continue;
        sum += (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
               1e-6 * (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
    }
    return sum;
}

static double wall_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int begin_time(void **state) {
    (void)state;
    begin_cpu = cpu_seconds(), begin_wall = wall_seconds();
    return 0;
}

/* The state is the name that the test was listed with. */
static int end_time(void **state) {
    printf("time %.2f %.2f %s\n", cpu_seconds() - begin_cpu,
           wall_seconds() - begin_wall, (const char *)*state);
    return 0;
}

/* ---- which tests ---- */

typedef struct choice {
    int times, part, parts;
    char **words;
    int n_words;
} choice;

static int usage(const char *program) {
    fprintf(stderr, "usage: %s [--times] [--part I/N] [WORD ...]\n", program);
    return 2;
}

/* 0, or the exit status. */
static int read_arguments(choice *c, int argc, char **argv) {
    *c = (choice){.part = 1, .parts = 1};
    int i = 1;
    for (; i < argc && argv[i][0] == '-'; i++) {
        if (!strcmp(argv[i], "--times")) {
            c->times = 1;
        } else if (!strcmp(argv[i], "--part") && i + 1 < argc) {
            char *end;
            c->part = (int)strtol(argv[++i], &end, 10);
            c->parts = *end == '/' ? (int)strtol(end + 1, &end, 10) : 0;
            if (*end || c->part < 1 || c->part > c->parts)
                return usage(argv[0]);
        } else {
            return usage(argv[0]);
        }
    }
    c->words = argv + i, c->n_words = argc - i;
    return 0;
}

static int wanted(const char *name, const choice *c) {
    for (int i = 0; i < c->n_words; i++)
        if (strstr(name, c->words[i])) return 1;
    return c->n_words == 0;
}

static struct CMUnitTest chosen[N_TESTS];

static int choose(const choice *c) {
    int n = 0, met = 0;
    for (int i = 0; i < N_TESTS; i++) {
        if (!wanted(tests[i].name, c)) continue;
        if (met++ % c->parts != c->part - 1) continue;
        chosen[n] = tests[i];
        if (c->times) {
            chosen[n].setup_func = begin_time;
            chosen[n].teardown_func = end_time;
            chosen[n].initial_state = (void *)(intptr_t)tests[i].name;
        }
        n++;
    }
    return n;
}

int main(int argc, char **argv) {
    choice c;
    const int wrong = read_arguments(&c, argc, argv);
    if (wrong) return wrong;
    const int n = choose(&c);
    setvbuf(stdout, NULL, _IOLBF, 0);
    const int failed =
        n ? _cmocka_run_group_tests("arcane", chosen, (size_t)n, NULL, NULL)
          : 0;
    if (folder_root[0]) nftw(folder_root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    printf("%d passed, %d failed\n", n - failed, failed);
    /* a part of a short list may be empty, the whole must not be */
    return failed || (!n && c.parts == 1);
}
