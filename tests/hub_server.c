/* hub_server.c - the misbehaving server of tests/hub as a program.
 *
 *   hub_server FOLDER [FAULT [TIMES [AT]]]
 *
 * Serves the files of a folder as the repository test/model and below /files.
 * Each has the fault (a name below) in its first TIMES answers, 0 = in all.
 * Prints its URL and serves until its standard input ends. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "tests/hub/server.h"

#define COMMIT "0123456789abcdef0123456789abcdef01234567"
enum { MAX_FILES = 15, MAX_SIZE = 64 << 20 };

static const char *const fault_names[] = {
    [FAULT_NONE] = "none",         [FAULT_DROP] = "drop",
    [FAULT_NO_RANGE] = "no-range", [FAULT_LONG] = "long",
    [FAULT_WRONG] = "wrong",       [FAULT_SLOW] = "slow",
    [FAULT_STATUS] = "status"};

static server the_server;
static server_file files[2 * MAX_FILES], list;
static char paths[2 * MAX_FILES][300];

/* `at` of a status is the status. */
static void set_fault(server_file *f, int argc, char **argv) {
    const int n = (int)(sizeof fault_names / sizeof *fault_names);
    for (int i = 0; argc > 2 && i < n; i++)
        if (fault_names[i] && !strcmp(fault_names[i], argv[2]))
            f->fault = (enum fault)i;
    f->times = argc > 3 ? (int)strtol(argv[3], NULL, 10) : 0;
    f->at = argc > 4 ? (size_t)strtol(argv[4], NULL, 10) : 1000;
    f->status = (int)f->at;
}

static int add_files(const char *folder, int argc, char **argv) {
    file_list names;
    int n = 0;
    if (file_list_open(&names, folder, NULL) != AR_OK) return 0;
    for (size_t i = 0; i < names.n && n < MAX_FILES; i++) {
        char path[4096], *data;
        size_t size;
        if (file_join(path, sizeof path, folder, names.names[i], NULL) ||
            file_read(path, MAX_SIZE, &data, &size, NULL))
            continue;
        for (int k = 0; k < 2; k++) {
            server_file *f = &files[n + k * MAX_FILES];
            char *at = paths[n + k * MAX_FILES];
            snprintf(at, sizeof paths[0], "%s%.200s",
                     k ? "/files/" : "/test/model/resolve/" COMMIT "/",
                     names.names[i]);
            *f = (server_file){
                .path = at, .data = data, .size = size, .etag = "\"e\""};
            set_fault(f, argc, argv);
            server_add(&the_server, f);
        }
        n++;
    }
    file_list_close(&names);
    return n;
}

int main(int argc, char **argv) {
    server_file *listed[MAX_FILES];
    char rest[256];
    if (argc < 2 || !server_start(&the_server)) return 1;
    const int n = add_files(argv[1], argc, argv);
    for (int i = 0; i < n; i++) listed[i] = &files[i];
    list.path = "/api/models/test/model/revision/main";
    list.data = server_listing("test/model", COMMIT, listed, n);
    list.size = strlen(list.data);
    server_add(&the_server, &list);
    printf("%s\n", the_server.url);
    fflush(stdout);
    while (read(STDIN_FILENO, rest, sizeof rest) > 0) continue;
    server_stop(&the_server);
    for (int i = 0; i < n; i++) mem_free((char *)files[i].data);
    free((char *)list.data);
    return 0;
}
