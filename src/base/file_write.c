/* file_write.c - files written beside their place, then renamed into it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"

enum { BUFFER = 1 << 16, PATH_SIZE = 4096 };

struct file_writer {
    int fd;
    int reason; /* errno of the first failure, 0 = none */
    uint64_t written;
    size_t held; /* bytes in buffer */
    char path[PATH_SIZE], aside[PATH_SIZE + 32];
    unsigned char buffer[BUFFER];
};

/* Where the bytes go: a link stays, what it points to is replaced; a device or
 * a folder must not be, and a rename would. */
static ar_status find_place(char *place, const char *path, ar_error *err) {
    struct stat st;
    const size_t n = strlen(path);
    if (n >= PATH_SIZE)
        return error_set(err, AR_RANGE, "%.100s...: the path is too long",
                         path);
    memcpy(place, path, n + 1);
    if (lstat(path, &st)) return AR_OK; /* open finds out what is wrong */
    if (S_ISLNK(st.st_mode) && (!realpath(path, place) || stat(place, &st)))
        return error_set(err, AR_IO, "%s: %s", path, strerror(errno));
    if (S_ISREG(st.st_mode)) return AR_OK;
    return error_set(err, AR_IO, "%s: is not a regular file", path);
}

static ar_status open_aside(file_writer *w, const char *path, ar_error *err) {
    TRY(find_place(w->path, path, err));
    snprintf(w->aside, sizeof w->aside, "%s.tmp-%ld", w->path, (long)getpid());
    w->fd = open(w->aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (w->fd >= 0) return AR_OK;
    return error_set(err, AR_IO, "%s: %s", path, strerror(errno));
}

ar_status file_create(file_writer **out, const char *path, ar_error *err) {
    *out = NULL;
    file_writer *w = mem_alloc(sizeof *w);
    if (!w) return error_set(err, AR_NOMEM, "%s: no memory", path);
    const ar_status s = open_aside(w, path, err);
    if (s != AR_OK) {
        mem_free(w);
        return s;
    }
    *out = w;
    return AR_OK;
}

static void put(file_writer *w, const unsigned char *p, size_t n) {
    while (n && !w->reason) {
        const ssize_t done = write(w->fd, p, n);
        if (done < 0) {
            if (errno != EINTR) w->reason = errno;
            continue;
        }
        p += done;
        n -= (size_t)done;
    }
}

static void flush(file_writer *w) {
    put(w, w->buffer, w->held);
    w->held = 0;
}

void file_write(file_writer *w, const void *p, size_t n) {
    w->written += n;
    if (n > BUFFER - w->held) flush(w);
    if (n >= BUFFER) {
        put(w, p, n);
    } else if (n) {
        memcpy(w->buffer + w->held, p, n);
        w->held += n;
    }
}

uint64_t file_written(const file_writer *w) { return w->written; }

ar_status file_commit(file_writer *w, ar_error *err) {
    flush(w);
    if (!w->reason && fsync(w->fd)) w->reason = errno;
    if (close(w->fd) && !w->reason) w->reason = errno;
    if (!w->reason && rename(w->aside, w->path)) w->reason = errno;
    ar_status s = AR_OK;
    if (w->reason) {
        unlink(w->aside);
        s = error_set(err, AR_IO, "%s: %s", w->path, strerror(w->reason));
    }
    mem_free(w);
    return s;
}

void file_abandon(file_writer *w) {
    if (!w) return;
    close(w->fd);
    unlink(w->aside);
    mem_free(w);
}

ar_status file_replace(const char *path, const void *p, size_t n,
                       ar_error *err) {
    file_writer *w;
    TRY(file_create(&w, path, err));
    file_write(w, p, n);
    return file_commit(w, err);
}
