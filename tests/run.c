/* run.c - runs the tests of TESTS_DEF, or those whose name contains one of the
 * arguments.  The last line is "N passed, N failed". */
#include <ftw.h>
#include <stdlib.h>
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

static int remove_one(const char *path, const struct stat *s, int type,
                      struct FTW *f) {
    (void)s, (void)type, (void)f;
    return remove(path);
}

static int wanted(const char *name, int argc, char **argv) {
    for (int i = 1; i < argc; i++)
        if (strstr(name, argv[i])) return 1;
    return argc == 1;
}

int main(int argc, char **argv) {
    struct CMUnitTest chosen[N_TESTS];
    int n = 0;
    for (int i = 0; i < N_TESTS; i++)
        if (wanted(tests[i].name, argc, argv)) chosen[n++] = tests[i];
    setvbuf(stdout, NULL, _IOLBF, 0);
    const int failed =
        n ? _cmocka_run_group_tests("arcane", chosen, (size_t)n, NULL, NULL)
          : 0;
    if (folder_root[0]) nftw(folder_root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    printf("%d passed, %d failed\n", n - failed, failed);
    return failed || !n;
}
