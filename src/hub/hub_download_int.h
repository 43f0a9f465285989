/* hub_download_int.h - what the files of a download share. */
#ifndef HUB_HUB_DOWNLOAD_INT_H
#define HUB_HUB_DOWNLOAD_INT_H

#include "hub/hub_download.h"
#include "hub/hub_part.h"

struct download_state;

/* Why an answer, or the rest of it, is not taken. */
enum verdict {
    ANSWER_GOOD,
    ANSWER_CHANGED, /* the file is another than before */
    ANSWER_WHOLE,   /* all of the file came where a range was asked for */
    ANSWER_LIES,    /* numbers that contradict each other */
    ANSWER_LONG,    /* more bytes than announced */
    ANSWER_DISK,    /* they cannot be written */
    ANSWER_NOMEM
};

/* A connection and the segment that it fills. */
typedef struct slot {
    http_request request;
    struct download_state *d;
    int i;          /* segment; -1 = idle */
    int64_t asked;  /* first byte asked for */
    int64_t got;    /* bytes taken */
    bool looked_at; /* the head has been judged */
    enum verdict verdict;
} slot;

typedef struct download_state {
    download_job *job;
    char part_path[4096], state_path[4096];
    part part;
    int fd;
    slot *slots;       /* [options->connections] */
    bool size_listed;  /* the size was known before the server was asked */
    bool whole;        /* no ranges: one connection, from the front */
    bool head_seen;    /* some answer has been good: size and ETag are known */
    int disk_error;    /* errno */
    int failures;      /* in a row, without a byte between */
    int restarts;      /* because the file changed */
    double wait_until; /* clock; nothing starts before */
    double saved;      /* clock */
    int64_t shown_before; /* of progress.done: other files */
    sha256 sum;           /* of the first `summed` bytes */
    int64_t summed;
} download_state;

/* ---- hub_answer.c: what came ---- */

/* Take a piece of a body; false breaks the connection off. */
bool answer_body(void *ctx, const void *p, size_t n);
/* Judge the head, if no byte of the body did. */
void answer_look(slot *s);

/* ---- hub_part_file.c: the bytes on the disk ---- */

/* Open the part and what it says of itself; begin anew if it does not fit. */
ar_status part_file_open(download_state *d, ar_error *err);
ar_status part_file_reset(download_state *d, int64_t size, ar_error *err);
/* Sync the bytes, then write how far they are. */
ar_status part_file_save(download_state *d, ar_error *err);
/* The same after a failure, as well as it can be done. */
void part_file_keep(download_state *d);
/* Add what is there from the front on to the sum, about `most` bytes more. */
ar_status part_file_sum(download_state *d, int64_t most, ar_error *err);
void part_file_unsum(download_state *d); /* other bytes will be there */
/* Compare the sum and give the file its name. */
ar_status part_file_finish(download_state *d, ar_error *err);

/* ---- hub_download.c ---- */

void download_note(const download_state *d, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
bool download_stopped(const download_state *d);
void download_show(download_state *d, bool checking);

#endif
