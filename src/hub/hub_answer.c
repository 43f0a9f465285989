/* hub_answer.c - what a server sends: is it the bytes that were asked for? */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "hub/hub_download_int.h"
#include "hub/hub_files.h"

/* Is the ETag another than that of the bytes which are there? */
static bool other_etag(const part *p, const http_head *h) {
    return p->etag[0] && h->etag[0] && strcmp(p->etag, h->etag);
}

static void keep_identity(download_state *d, const http_head *h) {
    download_job *job = d->job;
    if (h->etag[0]) memcpy(d->part.etag, h->etag, sizeof d->part.etag);
    if (!job->sha256[0]) memcpy(job->sha256, h->sum, sizeof job->sha256);
    memcpy(d->part.sha256, job->sha256, sizeof d->part.sha256);
    d->head_seen = true;
}

/* 206: the range that was asked for, or the beginning of it. */
static enum verdict judge_range(slot *s) {
    download_state *d = s->d;
    part *p = &d->part;
    const http_head *h = &s->request.head;
    if (d->whole || other_etag(p, h)) return ANSWER_CHANGED;
    if (h->from != s->asked || h->to < h->from || h->total < 0)
        return ANSWER_LIES;
    if (h->to >= h->total ||
        (h->length >= 0 && h->length != h->to - h->from + 1))
        return ANSWER_LIES;
    if (p->size < 0) { /* the first answer tells the size */
        if (part_cut(p, h->total, d->job->options->segment, NULL) != AR_OK)
            return ANSWER_NOMEM;
        d->job->size = h->total;
    }
    if (h->total != p->size)
        return d->size_listed ? ANSWER_LIES : ANSWER_CHANGED;
    if (h->to >= part_start(p, s->i) + part_length(p, s->i)) return ANSWER_LONG;
    keep_identity(d, h);
    return ANSWER_GOOD;
}

/* 200: the whole file.  It can be taken if nothing else is there, nor coming.
 */
static enum verdict judge_whole(slot *s) {
    download_state *d = s->d;
    const http_head *h = &s->request.head;
    const int64_t want = d->job->size;
    if (!d->whole && other_etag(&d->part, h)) return ANSWER_CHANGED;
    if (!d->whole && (d->head_seen || part_done(&d->part))) return ANSWER_WHOLE;
    if (want >= 0 && h->length >= 0 && h->length != want) return ANSWER_LIES;
    const int64_t size = want >= 0 ? want : h->length;
    if (size > HUB_MAX_SIZE) return ANSWER_LIES;
    if (part_cut(&d->part, size, HUB_MAX_SIZE, NULL) != AR_OK)
        return ANSWER_NOMEM;
    d->whole = true;
    part_file_unsum(d);
    keep_identity(d, h);
    return ANSWER_GOOD;
}

void answer_look(slot *s) {
    if (s->looked_at) return;
    s->looked_at = true;
    s->verdict = s->request.head.status == 206   ? judge_range(s)
                 : s->request.head.status == 200 ? judge_whole(s)
                                                 : ANSWER_GOOD;
}

static bool write_at(download_state *d, const char *p, size_t n, int64_t at) {
    while (n) {
        const ssize_t w = pwrite(d->fd, p, n, (off_t)at);
        if (w < 0 && errno == EINTR) continue;
        if (w <= 0) {
            d->disk_error = w ? errno : ENOSPC;
            return false;
        }
        p += w;
        at += w;
        n -= (size_t)w;
    }
    return true;
}

bool answer_body(void *ctx, const void *p, size_t n) {
    slot *s = ctx;
    download_state *d = s->d;
    answer_look(s);
    if (s->verdict != ANSWER_GOOD) return false;
    int64_t *done = &d->part.done[s->i];
    const int64_t length = part_length(&d->part, s->i);
    const int64_t room = (length < 0 ? HUB_MAX_SIZE : length) - *done;
    const bool too_long = (int64_t)n > room;
    if (too_long) {
        s->verdict = ANSWER_LONG;
        return false;
    }
    if (!write_at(d, p, n, part_start(&d->part, s->i) + *done)) {
        s->verdict = ANSWER_DISK;
        return false;
    }
    *done += (int64_t)n;
    s->got += (int64_t)n;
    d->job->fetched += (int64_t)n;
    return true;
}
