/* fixture.h - a server, a folder of models of its own and a file to fetch. */
#ifndef TESTS_HUB_FIXTURE_H
#define TESTS_HUB_FIXTURE_H

#include "hub/hub.h"
#include "tests/hub/server.h"
#include "tests/test.h"

enum { FIXTURE_SIZE = 100000, FIXTURE_SEGMENT = 8192 };

typedef struct fixture {
    server server;
    char data[FIXTURE_SIZE];
    server_file file; /* /files/model.gguf */
    char url[200];    /* of it */
    char home[300];   /* ARCANE_HOME */
    hub_options options;
    char notes[8192]; /* each with a newline */
    int shown;        /* calls of progress */
    int64_t last_done, last_total;
    int64_t stop_at; /* bytes after which the work is stopped; 0 = never */
} fixture;

/* No token, no endpoint of the environment; short waits. */
fixture *fixture_open(void);
void fixture_close(fixture *f);

/* The file models/PATH has these bytes. */
void fixture_check(const fixture *f, const char *path, const char *data,
                   size_t size);
bool fixture_has(const fixture *f, const char *path);
/* Every note has been of this kind, and there was one. */
bool fixture_noted(const fixture *f, const char *word);
/* The requests that carried a token. */
int fixture_tokens(server *s, const char *token);

#endif
