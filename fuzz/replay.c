/* replay.c - feeds every file of a corpus to a fuzz target, as a test.
 *
 *   replay_TARGET [FOLDER or FILE ...]     default: the corpus of the target
 *
 * The last line is "N passed, N failed": a finding ends the program before. */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "fuzz/fuzz.h"

enum { MAX_INPUT = 64 << 20 };

static int n_done, n_failed;

static void replay_file(const char *path) {
    char *data;
    size_t size;
    ar_error err;
    if (file_read(path, MAX_INPUT, &data, &size, &err) != AR_OK) {
        printf("%s\n", err.message);
        n_failed++;
        return;
    }
    /* a copy without the NUL behind it, so that reading past the end shows */
    uint8_t *exact = mem_alloc(size);
    if (exact) {
        memcpy(exact, data, size);
        LLVMFuzzerTestOneInput(exact, size);
        n_done++;
    }
    mem_free(exact);
    mem_free(data);
}

static void replay(const char *path) {
    file_list l;
    ar_error err;
    if (!file_is_folder(path)) {
        replay_file(path);
        return;
    }
    if (file_list_open(&l, path, &err) != AR_OK) {
        printf("%s\n", err.message);
        n_failed++;
        return;
    }
    for (size_t i = 0; i < l.n; i++) {
        char file[4096];
        if (file_join(file, sizeof file, path, l.names[i], &err) == AR_OK)
            replay_file(file);
    }
    file_list_close(&l);
}

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) replay(argv[i]);
    if (argc == 1) replay(FUZZ_CORPUS);
    printf("%d passed, %d failed\n", n_done, n_failed);
    return n_failed || !n_done;
}
