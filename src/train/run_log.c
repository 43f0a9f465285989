/* run_log.c - appending to a log, cutting it back, reading it. */
#include "train/run_log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"

struct run_log {
    int fd;
    char path[4096];
};

/* ---- lines ---- */

/* The next line of data from *at, which moves behind it: NULL, and *at stays,
 * at the end or if it is not JSON. */
static json_t *next_line(const file_map *m, size_t *at) {
    if (*at >= m->size) return NULL;
    const char *p = (const char *)m->data + *at;
    const char *end = memchr(p, '\n', m->size - *at);
    if (!end) return NULL;
    json_t *line = json_loadb(p, (size_t)(end - p), 0, NULL);
    if (line) *at += (size_t)(end - p) + 1;
    return line;
}

static bool is_wanted(const json_t *line, int64_t step, bool ended) {
    const json_t *s = json_object_get(line, "step");
    if (!json_is_integer(s)) return false;
    const int64_t at = json_integer_value(s);
    if (at != step) return at < step;
    return json_object_get(line, "val_loss") &&
           (ended || !json_object_get(line, "whole"));
}

ar_status run_log_read(const char *path, run_log_fn *fn, void *ctx,
                       ar_error *err) {
    file_map m;
    TRY(file_map_open(&m, path, err));
    ar_status status = AR_OK;
    size_t at = 0;
    int64_t number = 1;
    json_t *line;
    for (; status == AR_OK && (line = next_line(&m, &at)); number++) {
        status = fn(ctx, line, err);
        json_decref(line);
    }
    if (status == AR_OK && at < m.size &&
        memchr(m.data + at, '\n', m.size - at))
        status = error_set(err, AR_FORMAT, "%s: line %" PRId64 " is not JSON",
                           path, number);
    file_map_close(&m);
    return status;
}

/* Keep only the lines before `step`. */
static ar_status cut_back(const char *path, int64_t step, bool ended,
                          ar_error *err) {
    file_map m;
    file_writer *w;
    TRY(file_map_open(&m, path, err));
    ar_status status = file_create(&w, path, err);
    if (status != AR_OK) {
        file_map_close(&m);
        return status;
    }
    size_t at = 0, start = 0;
    json_t *line;
    for (; (line = next_line(&m, &at)); start = at) {
        if (is_wanted(line, step, ended))
            file_write(w, m.data + start, at - start);
        json_decref(line);
    }
    file_map_close(&m);
    return file_commit(w, err);
}

/* ---- appending ---- */

ar_status run_log_open(run_log **out, const char *path, int64_t step,
                       bool ended, ar_error *err) {
    *out = NULL;
    const size_t n = strlen(path);
    if (n >= sizeof(*out)->path)
        return error_set(err, AR_RANGE, "the path of the log is too long");
    if (step > 0 && file_exists(path)) TRY(cut_back(path, step, ended, err));
    run_log *l = mem_new(run_log, 1);
    if (!l) return error_set(err, AR_NOMEM, "out of memory for the log");
    memcpy(l->path, path, n + 1);
    const int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC;
    l->fd = open(path, step > 0 ? flags : flags | O_TRUNC, 0666);
    if (l->fd < 0) {
        const ar_status status =
            error_set(err, AR_IO, "%s: %s", path, strerror(errno));
        mem_free(l);
        return status;
    }
    *out = l;
    return AR_OK;
}

ar_status run_log_add(run_log *l, const char *line, size_t size,
                      ar_error *err) {
    for (size_t at = 0; at < size;) {
        const ssize_t n = write(l->fd, line + at, size - at);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0)
            return error_set(err, AR_IO, "%s: %s", l->path, strerror(errno));
        at += (size_t)n;
    }
    return AR_OK;
}

void run_log_close(run_log *l) {
    if (!l) return;
    close(l->fd);
    mem_free(l);
}
