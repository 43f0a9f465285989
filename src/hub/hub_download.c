/* hub_download.c - one file, in ranges over several connections: who fetches
 * what when, and what is done about what goes wrong. */
#include "hub/hub_download.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "hub/hub_download_int.h"

enum { MAX_RESTARTS = 3, MAX_WAIT = 600, SAVE_SECONDS = 3 };

/* ---- what the caller sees ---- */

void download_note(const download_state *d, const char *fmt, ...) {
    const hub_watch *w = &d->job->options->watch;
    char line[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    if (w->note) w->note(w->ctx, line);
}

bool download_stopped(const download_state *d) {
    const hub_watch *w = &d->job->options->watch;
    return w->stop && w->stop(w->ctx);
}

void download_show(download_state *d, bool checking) {
    const hub_watch *w = &d->job->options->watch;
    hub_progress *p = &d->job->progress;
    p->done = d->shown_before + part_done(&d->part);
    p->checking = checking;
    if (p->total < 0 && p->n_files == 1) p->total = d->part.size;
    if (w->progress) w->progress(w->ctx, p);
}

/* ---- slots ---- */

static bool is_full(const part *p, int i) {
    const int64_t length = part_length(p, i);
    return length >= 0 && p->done[i] == length;
}

/* A segment that is not full and nobody fills; -1 if there is none. */
static int free_segment(const download_state *d) {
    for (int i = 0; i < d->part.n; i++) {
        bool taken = is_full(&d->part, i);
        for (int k = 0; !taken && k < d->job->options->connections; k++)
            taken = d->slots[k].i == i;
        if (!taken) return i;
    }
    return -1;
}

static int count_active(const download_state *d) {
    int n = 0;
    for (int k = 0; k < d->job->options->connections; k++)
        n += d->slots[k].i >= 0;
    return n;
}

static void end_slot(slot *s) {
    http_end(&s->request);
    s->i = -1;
}

static void end_all(download_state *d) {
    for (int k = 0; k < d->job->options->connections; k++)
        end_slot(&d->slots[k]);
}

static ar_status start_slot(download_state *d, slot *s, int i, ar_error *err) {
    const download_job *job = d->job;
    const part *p = &d->part;
    const int64_t start = part_start(p, i) + p->done[i];
    const int64_t length = p->size < 0 ? p->segment : part_length(p, i);
    const int64_t range[2] = {start, part_start(p, i) + length - 1};
    s->d = d;
    s->asked = d->whole ? 0 : start;
    s->got = 0;
    s->looked_at = false;
    s->verdict = ANSWER_GOOD;
    s->request.body = answer_body;
    s->request.ctx = s;
    TRY(http_start_range(&s->request, job->client, job->url,
                         d->whole ? NULL : range, p->etag, err));
    s->i = i;
    return AR_OK;
}

/* Until one answer has told what the file is, there is one connection. */
static ar_status start_slots(download_state *d, ar_error *err) {
    if (clock_now() < d->wait_until) return AR_OK;
    for (int k = 0; k < d->job->options->connections; k++) {
        if (d->slots[k].i >= 0) continue;
        if (count_active(d) && (d->whole || !d->head_seen)) break;
        const int i = free_segment(d);
        if (i < 0) break;
        TRY(start_slot(d, &d->slots[k], i, err));
    }
    return AR_OK;
}

/* ---- what goes wrong ---- */

/* Try again after a pause; enough is enough.  What fails while the pause lasts
 * is the same mishap. */
static ar_status mishap(download_state *d, slot *s, const char *why,
                        double asked, ar_error *err) {
    const hub_options *o = d->job->options;
    const double now = clock_now();
    if (s->got && !d->whole) d->failures = 0; /* a whole one begins anew */
    end_slot(s);
    if (now < d->wait_until) return AR_OK;
    if (d->failures++ == o->retries)
        return error_set(err, AR_IO,
                         "%.80s: %.100s; given up after %d attempts",
                         d->job->name, why, d->failures);
    if (asked > MAX_WAIT)
        return error_set(err, AR_IO,
                         "%.80s: %.60s; the server asks to wait %.0f seconds",
                         d->job->name, why, asked);
    double wait =
        o->wait * (double)(1 << (d->failures < 7 ? d->failures - 1 : 6));
    if (wait < asked) wait = asked;
    d->wait_until = now + wait;
    download_note(d, "%.80s: %.100s; trying again in %.*f s", d->job->name, why,
                  wait < 1 ? 2 : 0, wait);
    return AR_OK;
}

/* Begin anew, since the file is another now. */
static ar_status restart(download_state *d, ar_error *err) {
    end_all(d);
    if (d->restarts++ == MAX_RESTARTS)
        return error_set(err, AR_IO, "%.100s: changes all the time",
                         d->job->name);
    download_note(d, "%.80s: has changed on the server: it begins anew",
                  d->job->name);
    return part_file_reset(d, d->size_listed ? d->job->size : -1, err);
}

static ar_status without_ranges(download_state *d, ar_error *err) {
    end_all(d);
    download_note(d, "%.80s: the server sends no ranges: it begins anew, whole",
                  d->job->name);
    d->whole = true;
    return part_file_reset(d, d->size_listed ? d->job->size : -1, err);
}

static ar_status disk_full(download_state *d, ar_error *err) {
    end_all(d);
    return error_set(err, AR_IO,
                     "%.80s: %s; what came is kept, and pulling again goes on "
                     "from there",
                     d->job->name, strerror(d->disk_error));
}

/* A server that sends what was not asked for is not believed. */
static ar_status too_long(download_state *d, slot *s, ar_error *err) {
    d->part.done[s->i] = 0;
    end_all(d);
    return error_set(err, AR_FORMAT,
                     "%.100s: the server sends more bytes than it announced",
                     d->job->name);
}

static ar_status judge(download_state *d, slot *s, ar_error *err) {
    switch (s->verdict) {
    case ANSWER_CHANGED: return restart(d, err);
    case ANSWER_WHOLE: return without_ranges(d, err);
    case ANSWER_DISK: return disk_full(d, err);
    case ANSWER_LONG: return too_long(d, s, err);
    case ANSWER_NOMEM: return error_set(err, AR_NOMEM, "out of memory");
    case ANSWER_LIES:
        return mishap(d, s, "the server tells lengths that do not agree", 0,
                      err);
    case ANSWER_GOOD: break;
    }
    return AR_OK;
}

/* ---- the end of a connection ---- */

/* Statuses that may be others in a while.  What a redirect led to may have been
 * a link that is too old; the next attempt gets a new one. */
static bool may_pass(const http_request *r) {
    const int n = r->head.status;
    return n == 408 || n == 429 || n >= 500 || (r->hops && n == 403);
}

static ar_status bad_status(download_state *d, slot *s, ar_error *err) {
    const download_job *job = d->job;
    const http_head *h = &s->request.head;
    ar_error why = {0};
    if (h->status == 416 && d->part.size < 0 && !d->whole) {
        end_slot(s); /* an empty file has no range */
        d->whole = true;
        return AR_OK;
    }
    if (h->status == 416) return restart(d, err);
    const ar_status code =
        download_refused(h, job->name, job->page, job->client->token[0], &why);
    if (may_pass(&s->request)) {
        char text[80];
        snprintf(text, sizeof text, "the server answers %d", h->status);
        return mishap(d, s, text, http_retry_after(&s->request), err);
    }
    end_all(d);
    return error_set(err, code, "%s", why.message);
}

/* Everything has come without a fault: is it all that was asked for? */
static ar_status end_of_answer(download_state *d, slot *s, ar_error *err) {
    part *p = &d->part;
    if (p->size < 0) p->size = p->done[s->i];
    if (is_full(p, s->i)) {
        d->failures = 0;
        end_slot(s);
        return AR_OK;
    }
    char why[80];
    snprintf(why, sizeof why, "%" PRId64 " bytes are missing at the end",
             part_length(p, s->i) - p->done[s->i]);
    return mishap(d, s, why, 0, err);
}

static bool is_hopeless(const download_state *d, CURLcode code) {
    return (!d->head_seen && http_unreachable(code)) ||
           code == CURLE_PEER_FAILED_VERIFICATION ||
           code == CURLE_SSL_CACERT_BADFILE || code == CURLE_URL_MALFORMAT ||
           code == CURLE_UNSUPPORTED_PROTOCOL;
}

static ar_status end_of_hop(download_state *d, slot *s, CURLcode code,
                            ar_error *err) {
    const int status = s->request.head.status;
    bool again = false;
    if (s->verdict != ANSWER_GOOD) return judge(d, s, err);
    if (is_hopeless(d, code))
        return error_set(err, AR_IO, "%.100s: %s", s->request.url,
                         hub_curl.easy_strerror(code));
    if (status && status != 200 && status != 206) {
        ar_error why = {0};
        const ar_status followed = http_follow(&s->request, &again, &why);
        if (followed != AR_OK)
            return error_set(err, followed, "%s", why.message);
        return again ? AR_OK : bad_status(d, s, err);
    }
    if (code != CURLE_OK)
        return mishap(d, s, hub_curl.easy_strerror(code), 0, err);
    answer_look(s);
    if (s->verdict != ANSWER_GOOD) return judge(d, s, err);
    return end_of_answer(d, s, err);
}

/* ---- the loop ---- */

static ar_status take_results(download_state *d, ar_error *err) {
    int left;
    const CURLMsg *m;
    while ((m = hub_curl.multi_info_read(d->job->client->multi, &left))) {
        char *owner = NULL;
        if (m->msg != CURLMSG_DONE) continue;
        hub_curl.easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &owner);
        http_request *r = (http_request *)(void *)owner;
        TRY(end_of_hop(d, r->ctx, m->data.result, err));
    }
    return AR_OK;
}

static bool is_complete(const download_state *d) {
    return d->part.size >= 0 && !count_active(d) &&
           part_done(&d->part) == d->part.size;
}

static ar_status fetch_all(download_state *d, ar_error *err) {
    CURLM *multi = d->job->client->multi;
    while (!is_complete(d)) {
        int running;
        if (download_stopped(d)) return error_set(err, AR_CANCELLED, "stopped");
        TRY(start_slots(d, err));
        if (hub_curl.multi_perform(multi, &running) != CURLM_OK)
            return error_set(err, AR_NOMEM, "out of memory for requests");
        TRY(take_results(d, err));
        TRY(part_file_sum(d, 1 << 22, err));
        download_show(d, false);
        if (clock_now() - d->saved > SAVE_SECONDS) TRY(part_file_save(d, err));
        if (!is_complete(d)) hub_curl.multi_poll(multi, NULL, 0, 50, NULL);
    }
    return AR_OK;
}

static ar_status open_slots(download_state *d, ar_error *err) {
    const int n = d->job->options->connections;
    d->slots = mem_new(slot, n);
    if (!d->slots) return error_set(err, AR_NOMEM, "out of memory");
    for (int k = 0; k < n; k++) d->slots[k].i = -1;
    return AR_OK;
}

static ar_status fetch(download_state *d, ar_error *err) {
    TRY(open_slots(d, err));
    TRY(part_file_open(d, err));
    d->shown_before = d->job->progress.done;
    d->saved = clock_now();
    ar_status s = fetch_all(d, err);
    end_all(d);
    if (s == AR_OK) s = part_file_finish(d, err);
    if (s != AR_OK) part_file_keep(d);
    return s;
}

ar_status download(download_job *job, ar_error *err) {
    download_state *d = mem_new(download_state, 1);
    if (!d) return error_set(err, AR_NOMEM, "out of memory");
    d->job = job;
    d->fd = -1;
    d->size_listed = job->size >= 0;
    ar_status s =
        download_part_path(d->part_path, sizeof d->part_path, job->path, err);
    if (s == AR_OK) {
        snprintf(d->state_path, sizeof d->state_path, "%.4080s.json",
                 d->part_path);
        s = fetch(d, err);
    }
    if (d->fd >= 0) close(d->fd);
    part_close(&d->part);
    mem_free(d->slots);
    mem_free(d);
    return s;
}
