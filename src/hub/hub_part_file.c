/* hub_part_file.c - the bytes of a file that is being fetched, on the disk. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "hub/hub_download_int.h"

static ar_status disk_error(const char *path, ar_error *err) {
    return error_set(err, AR_IO, "%.150s: %s", path, strerror(errno));
}

ar_status download_part_path(char *out, size_t size, const char *path,
                             ar_error *err) {
    const char *slash = strrchr(path, '/');
    const int folder = slash ? (int)(slash + 1 - path) : 0;
    const int n =
        snprintf(out, size, "%.*s.%s.part", folder, path, path + folder);
    if (n > 0 && (size_t)n + 6 < size) return AR_OK;
    return error_set(err, AR_RANGE, "%.100s...: the path is too long", path);
}

int64_t download_present(const char *path, const char *part_path) {
    struct stat st;
    part p;
    char state[4096];
    if (!stat(path, &st)) return (int64_t)st.st_size;
    snprintf(state, sizeof state, "%.4080s.json", part_path);
    if (part_read(&p, state, NULL) != AR_OK) return 0;
    const int64_t done = part_done(&p);
    part_close(&p);
    return done;
}

ar_status part_file_reset(download_state *d, int64_t size, ar_error *err) {
    d->part.etag[0] = 0;
    d->head_seen = false;
    part_file_unsum(d);
    snprintf(d->part.url, sizeof d->part.url, "%s", d->job->url);
    memcpy(d->part.sha256, d->job->sha256, sizeof d->part.sha256);
    if (ftruncate(d->fd, 0)) return disk_error(d->part_path, err);
    unlink(d->state_path);
    return part_cut(&d->part, size, d->job->options->segment, err);
}

/* Are these the first bytes of the file that is wanted now?  By its sum, or,
 * where none is known, by its URL and the server's ETag. */
static bool fits(const download_state *d, const part *p) {
    const download_job *job = d->job;
    struct stat st;
    if (fstat(d->fd, &st) || st.st_size < part_extent(p)) return false;
    if (job->size >= 0 && p->size != job->size) return false;
    if (job->sha256[0]) return !strcasecmp(job->sha256, p->sha256);
    return !strcmp(job->url, p->url) && (p->sha256[0] || p->etag[0]);
}

ar_status part_file_open(download_state *d, ar_error *err) {
    part old;
    ar_error why = {0};
    d->fd = open(d->part_path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (d->fd < 0) return disk_error(d->part_path, err);
    d->part = (part){.size = -1};
    if (!file_exists(d->state_path))
        return part_file_reset(d, d->job->size, err);
    const ar_status s = part_read(&old, d->state_path, &why);
    if (s == AR_NOMEM) return error_set(err, s, "out of memory");
    if (s == AR_OK && fits(d, &old)) {
        part_file_unsum(d);
        d->part = old;
        d->job->size = old.size;
        memcpy(d->job->sha256, old.sha256, sizeof old.sha256);
        return AR_OK;
    }
    download_note(d,
                  "%.80s: what was fetched before does not fit: it begins "
                  "anew",
                  d->job->name);
    if (s == AR_OK) part_close(&old);
    return part_file_reset(d, d->job->size, err);
}

ar_status part_file_save(download_state *d, ar_error *err) {
    d->saved = clock_now();
    if (d->whole || d->part.size < 0 || !part_done(&d->part)) return AR_OK;
    if (fsync(d->fd)) return disk_error(d->part_path, err);
    return part_write(&d->part, d->state_path, err);
}

/* Give back the last bytes of the file, a MiB at most. */
static void give_back(download_state *d) {
    part *p = &d->part;
    for (int i = p->n - 1; i >= 0; i--) {
        if (!p->done[i]) continue;
        p->done[i] -= p->done[i] < 1 << 20 ? p->done[i] : 1 << 20;
        break;
    }
    if (ftruncate(d->fd, (off_t)part_extent(p))) p->size = -1;
}

/* On a full disk even the state finds no room: some bytes go for it. */
void part_file_keep(download_state *d) {
    if (!file_exists(d->part_path)) return;
    for (int tries = 0; part_file_save(d, NULL) != AR_OK; tries++) {
        if (!d->disk_error || tries == 4) break;
        give_back(d);
    }
    if (!file_exists(d->state_path)) unlink(d->part_path);
}

/* ---- the end ---- */

/* The bytes from the front on that are there without a gap. */
static int64_t front_of(const part *p) {
    int64_t front = 0;
    for (int i = 0; i < p->n; i++) {
        front += p->done[i];
        if (p->done[i] != part_length(p, i)) break;
    }
    return front;
}

void part_file_unsum(download_state *d) {
    sha256_begin(&d->sum);
    d->summed = 0;
}

ar_status part_file_sum(download_state *d, int64_t most, ar_error *err) {
    enum { PIECE = 1 << 20 };
    const int64_t front = front_of(&d->part);
    const int64_t end = front - d->summed > most ? d->summed + most : front;
    if (!d->job->sha256[0] || d->summed >= end) return AR_OK;
    char *bytes = mem_alloc(PIECE);
    if (!bytes) return error_set(err, AR_NOMEM, "out of memory");
    ssize_t n = 1;
    while (n > 0 && d->summed < end) {
        const int64_t left = end - d->summed;
        n = pread(d->fd, bytes, left < PIECE ? (size_t)left : PIECE,
                  (off_t)d->summed);
        if (n <= 0) break;
        sha256_add(&d->sum, bytes, (size_t)n);
        d->summed += n;
    }
    mem_free(bytes);
    return n < 0 ? disk_error(d->part_path, err) : AR_OK;
}

static ar_status check_sum(download_state *d, ar_error *err) {
    char sum[SHA256_HEX];
    const download_job *job = d->job;
    if (!job->sha256[0]) return AR_OK;
    while (d->summed < d->part.size) {
        const int64_t before = d->summed;
        TRY(part_file_sum(d, 1 << 22, err));
        if (d->summed == before) break; /* the file was cut meanwhile */
        download_show(d, true);
        if (download_stopped(d)) return error_set(err, AR_CANCELLED, "stopped");
    }
    sha256_end(&d->sum, sum);
    if (!strcasecmp(sum, job->sha256)) return AR_OK;
    unlink(d->part_path);
    unlink(d->state_path);
    return error_set(err, AR_FORMAT,
                     "%.50s: SHA-256 is %s, not %s as it should be; removed",
                     job->name, sum, job->sha256);
}

ar_status part_file_finish(download_state *d, ar_error *err) {
    const int64_t size = d->part.size;
    if (size >= 0 && ftruncate(d->fd, (off_t)size))
        return disk_error(d->part_path, err);
    TRY(check_sum(d, err));
    if (fsync(d->fd)) return disk_error(d->part_path, err);
    TRY(file_rename(d->part_path, d->job->path, err));
    unlink(d->state_path);
    return AR_OK;
}
