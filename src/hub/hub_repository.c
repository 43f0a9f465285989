/* hub_repository.c - fetching from a repository of a hub: its list of files,
 * those that make the model, each by the commit that the list is of. */
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "hub/hub_download.h"
#include "hub/hub_pull_int.h"

enum { MAX_ANSWER = 32 << 20, MAX_WAIT = 600 };

/* ---- the list ---- */

static ar_status pause(const pull *p, double seconds, ar_error *err) {
    const hub_watch *w = &p->options->watch;
    const double until = clock_now() + seconds;
    while (clock_now() < until) {
        if (w->stop && w->stop(w->ctx))
            return error_set(err, AR_CANCELLED, "stopped");
        poll(NULL, 0, 20);
    }
    return AR_OK;
}

static bool may_pass(const http_answer *a) {
    const int n = a->head.status;
    return (n == 0 && !a->unreachable) || n == 408 || n == 429 || n >= 500;
}

static ar_status cannot_reach(const pull *p, const ar_error *why,
                              ar_error *err) {
    const char *colon = strrchr(why->message, ':');
    return error_set(err, AR_IO,
                     "%.80s cannot be reached (%.60s); scripts/models fetches "
                     "two small models from elsewhere",
                     p->endpoint, colon ? colon + 2 : why->message);
}

/* One attempt.  *again = it may go better later; then err says what it was. */
static ar_status ask_once(pull *p, const char *url, http_answer *a, bool *again,
                          ar_error *err) {
    const hub_watch *w = &p->options->watch;
    ar_error why = {0};
    *again = false;
    a->max = MAX_ANSWER;
    const ar_status s = http_get(a, &p->client, url, w->stop, w->ctx, &why);
    if (s != AR_OK && s != AR_IO) return error_set(err, s, "%s", why.message);
    *again = may_pass(a);
    if (s != AR_OK && a->unreachable) return cannot_reach(p, &why, err);
    if (s != AR_OK) return error_set(err, s, "%s", why.message);
    if (a->head.status == 200) return AR_OK;
    mem_free(a->data);
    a->data = NULL;
    return download_refused(&a->head, p->name, p->page, p->client.token[0],
                            err);
}

static ar_status ask(pull *p, const char *url, http_answer *a, ar_error *err) {
    const hub_watch *w = &p->options->watch;
    double wait = p->options->wait;
    for (int tries = 0;; tries++, wait *= 2) {
        bool again;
        ar_error why = {0};
        const ar_status s = ask_once(p, url, a, &again, &why);
        if (s == AR_OK) return s;
        const double seconds = a->retry_after > wait ? a->retry_after : wait;
        if (!again || tries == p->options->retries || seconds > MAX_WAIT)
            return error_set(err, s, "%s", why.message);
        char line[300];
        snprintf(line, sizeof line, "%s; trying again in %.*f s", why.message,
                 seconds < 1 ? 2 : 0, seconds);
        if (w->note) w->note(w->ctx, line);
        TRY(pause(p, seconds, err));
    }
}

static ar_status get_list(pull *p, hub_files *out, ar_error *err) {
    text url = {0};
    http_answer a = {.data = NULL};
    text_addf(&url, "%s/api/models/%s/revision/", p->endpoint, p->ref.id);
    hub_add_encoded(&url, p->ref.revision, false);
    text_adds(&url, "?blobs=true");
    ar_status s = text_status(&url, err);
    if (s == AR_OK) s = ask(p, url.data, &a, err);
    if (s == AR_OK) {
        s = hub_files_parse(out, p->name, a.data, a.size, err);
        mem_free(a.data);
    }
    text_close(&url);
    return s;
}

/* ---- the files ---- */

/* What identifies the content: its sum, or git's name of it. */
static void id_of(char out[80], const hub_file *f) {
    snprintf(out, 80, "%s%s",
             f->sha256[0] ? "sha256:"
             : f->git[0]  ? "git:"
                          : "",
             f->sha256[0] ? f->sha256 : f->git);
}

/* Put what is wanted on the list; rows of other content are to be fetched. */
static ar_status want(pull *p, const hub_files *f, ar_error *err) {
    for (int i = 0; i < f->n; i++) {
        char id[80];
        const hub_file *file = &f->file[i];
        if (!file->chosen) continue;
        id_of(id, file);
        pulled_row *row = pulled_add(&p->list, file->path);
        if (!row) return error_set(err, AR_NOMEM, "out of memory");
        const bool same =
            id[0] ? !strcmp(row->id, id) : !strcmp(row->from, f->commit);
        const bool size = file->size < 0 || file->size == row->size;
        if (!same || !size || !pull_is_there(p, row)) {
            row->have = false;
            row->size = file->size;
            memcpy(row->id, id, sizeof row->id);
        } else {
            p->progress.n_file++;
            p->progress.done += row->size;
        }
        row->from = f->commit;
        p->progress.n_files++;
        if (file->size < 0) p->progress.total = -1;
        if (p->progress.total >= 0) p->progress.total += file->size;
    }
    return AR_OK;
}

/* What a model of many files had before and the repository has no longer. */
static ar_status drop_old(pull *p, const hub_files *f, ar_error *err) {
    for (int i = p->list.n - 1; i >= 0; i--) {
        pulled_row *row = &p->list.row[i];
        bool keep = false;
        int part, parts;
        for (int k = 0; !keep && k < f->n; k++)
            keep = f->file[k].chosen && !strcmp(f->file[k].path, row->path);
        if (keep || hub_gguf_stem(row->path, &part, &parts) ||
            strchr(row->path, '/'))
            continue;
        TRY(pulled_remove_files(p->folder, row, err));
        pulled_drop(&p->list, row);
    }
    return pulled_write(&p->list, p->folder, err);
}

static ar_status fetch(pull *p, const hub_files *f, const hub_file *file,
                       ar_error *err) {
    text url = {0};
    pulled_row *row = pulled_find(&p->list, file->path);
    if (row->have) return AR_OK;
    text_addf(&url, "%s/%s/resolve/%s/", p->endpoint, p->ref.id, f->commit);
    hub_add_encoded(&url, file->path, true);
    ar_status s = text_status(&url, err);
    if (s == AR_OK && url.size >= HUB_MAX_URL)
        s = error_set(err, AR_RANGE, "%.100s: its URL is too long", file->path);
    if (s == AR_OK) s = pull_row(p, row, url.data, file->sha256, err);
    text_close(&url);
    return s;
}

static ar_status fetch_all(pull *p, hub_files *f, const hub_choice *what,
                           hub_pulled *out, ar_error *err) {
    TRY(want(p, f, err));
    TRY(pulled_write(&p->list, p->folder, err));
    TRY(pull_room(p, err));
    for (int i = 0; i < f->n; i++) {
        if (!f->file[i].chosen) continue;
        TRY(fetch(p, f, &f->file[i], err));
        out->files++;
        out->bytes += pulled_find(&p->list, f->file[i].path)->size;
    }
    if (what->folder) TRY(drop_old(p, f, err));
    snprintf(out->commit, sizeof out->commit, "%s", f->commit);
    if (!what->folder)
        return file_join(out->path, sizeof out->path, p->folder, what->first,
                         err);
    memcpy(out->path, p->folder, sizeof out->path);
    return AR_OK;
}

ar_status pull_repository(pull *p, hub_pulled *out, ar_error *err) {
    hub_files f;
    hub_choice what;
    char source[400];
    const bool first = !strcmp(p->ref.revision, "main");
    snprintf(source, sizeof source, "hf:%s%s%s", p->ref.id, first ? "" : "@",
             first ? "" : p->ref.revision);
    p->list.source = source;
    snprintf(p->page, sizeof p->page, "%s/%s", p->endpoint, p->ref.id);
    TRY(get_list(p, &f, err));
    ar_status s = hub_files_choose(&f, p->name, p->ref.choice, &what, err);
    if (s == AR_OK) s = fetch_all(p, &f, &what, out, err);
    p->list.source = "";
    hub_files_close(&f);
    return s;
}
