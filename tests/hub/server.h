/* server.h - a small HTTP server for tests, which misbehaves on request.
 *
 * It listens on 127.0.0.1, answers each connection in a thread of its own and
 * closes it after one answer. */
#ifndef TESTS_HUB_SERVER_H
#define TESTS_HUB_SERVER_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

enum fault {
    FAULT_NONE,
    FAULT_STATUS,    /* answer with `status` */
    FAULT_DROP,      /* close after `at` bytes of the body */
    FAULT_NO_RANGE,  /* 200 with everything, whatever was asked for */
    FAULT_NO_LENGTH, /* the same without a Content-Length */
    FAULT_SHORT,     /* announce and send `at` bytes less than asked for */
    FAULT_LONG,      /* announce and send `at` bytes more */
    FAULT_TOTAL,     /* say that the file has `at` bytes more */
    FAULT_SHIFT,     /* send another range than the one asked for */
    FAULT_WRONG,     /* one byte in a hundred is wrong */
    FAULT_HANG,      /* send `at` bytes, then nothing */
    FAULT_SLOW,      /* send `at` bytes at a time, with pauses */
    FAULT_IGNORE_IF, /* an If-Range that does not hold gets a range */
    FAULT_ETAGS      /* the same, and each answer has another ETag */
};

typedef struct server_file {
    const char *path; /* of the URL, without the query */
    const char *data;
    size_t size;
    const char *etag;  /* with its quotes; NULL = none */
    const char *extra; /* lines of the head, each with \r\n; or NULL */
    enum fault fault;
    int times;  /* the first so many answers have the fault; 0 = all */
    int status; /* of FAULT_STATUS */
    size_t at;
    int until;                      /* after so many answers ... (0 = never) */
    const struct server_file *then; /* ... this file is there */
    int served;                     /* answers so far */
} server_file;

typedef struct server_request {
    char path[300], range[100], if_range[100], authorization[200];
} server_request;

enum { SERVER_FILES = 40, SERVER_REQUESTS = 4000 };

typedef struct server {
    int fd, port;
    char url[64]; /* "http://127.0.0.1:PORT" */
    pthread_t thread;
    pthread_mutex_t mutex;
    bool stopping;
    int running; /* connections */
    server_file *file[SERVER_FILES];
    int n_files;
    server_request request[SERVER_REQUESTS];
    int n_requests;
} server;

/* False if no port could be had. */
bool server_start(server *s);
void server_stop(server *s);
/* The file is borrowed until server_stop. */
void server_add(server *s, server_file *f);
/* Requests whose path contains the text. */
int server_count(server *s, const char *text);

/* The hub's answer about a repository: `n` files whose paths are below
 * "/ID/resolve/COMMIT/", as text that the caller frees. */
char *server_listing(const char *id, const char *commit,
                     server_file *const *file, int n);

#endif
