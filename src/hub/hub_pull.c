/* hub_pull.c - fetching a model: which files, whether there is room, one after
 * the other. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "hub/hub.h"
#include "hub/hub_cache.h"
#include "hub/hub_download.h"
#include "hub/hub_pull_int.h"

hub_options hub_options_default(void) {
    return (hub_options){.connections = 4,
                         .retries = 5,
                         .wait = 1,
                         .stall = 60,
                         .segment = (int64_t)32 << 20};
}

/* ---- the token ---- */

/* Without blanks around it; false if it could not stand in a header. */
static bool take_token(char *out, size_t size, const char *text) {
    text += strspn(text, " \t\r\n");
    size_t n = strlen(text);
    while (n && strchr(" \t\r\n", text[n - 1])) n--;
    if (n >= size) return false;
    for (size_t i = 0; i < n; i++)
        if (text[i] <= ' ' || text[i] >= 127) return false;
    memcpy(out, text, n);
    out[n] = 0;
    return true;
}

static bool read_token(char *out, size_t size, const char *folder,
                       const char *below) {
    char path[4096], *text;
    size_t n;
    if (!folder || !*folder) return false;
    if ((size_t)snprintf(path, sizeof path, "%s%s", folder, below) >=
        sizeof path)
        return false;
    if (!file_exists(path) || file_read(path, 4096, &text, &n, NULL) != AR_OK)
        return false;
    const bool good = take_token(out, size, text) && out[0];
    mem_free(text);
    return good;
}

static ar_status find_token(char *out, size_t size, ar_error *err) {
    static const char *const names[] = {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = getenv(names[i]);
        if (!value || !*value) continue;
        if (!take_token(out, size, value))
            return error_set(err, AR_USAGE,
                             "%s: is no token: it has blanks or is too long",
                             names[i]);
        if (out[0]) return AR_OK;
    }
    if (!read_token(out, size, getenv("HF_TOKEN_PATH"), "") &&
        !read_token(out, size, getenv("HF_HOME"), "/token") &&
        !read_token(out, size, getenv("HOME"), "/.cache/huggingface/token"))
        out[0] = 0;
    return AR_OK;
}

/* ---- the files ---- */

static ar_status room_for(const char *folder, int64_t bytes, ar_error *err) {
    struct statvfs fs;
    if (statvfs(folder, &fs)) return AR_OK; /* it does not say */
    const double room = (double)fs.f_bavail * (double)fs.f_frsize;
    if ((double)bytes <= room) return AR_OK;
    return error_set(err, AR_IO,
                     "%.120s: %.1f MB are to be fetched and only %.1f MB are "
                     "free",
                     folder, (double)bytes / 1e6, room / 1e6);
}

/* Folders of a path inside the model's folder. */
static ar_status make_folder_of(const char *path, ar_error *err) {
    char folder[4096];
    snprintf(folder, sizeof folder, "%s", path);
    *strrchr(folder, '/') = 0;
    return file_make_folder(folder, err);
}

/* The row's bytes that are there are counted as done. */
ar_status pull_row(pull *p, pulled_row *row, const char *url, const char *sum,
                   ar_error *err) {
    char path[4096];
    TRY(file_join(path, sizeof path, p->folder, row->path, err));
    TRY(make_folder_of(path, err));
    p->progress.file = row->path;
    p->progress.n_file++;
    download_job job = {.client = &p->client,
                        .options = p->options,
                        .url = url,
                        .path = path,
                        .name = row->path,
                        .page = p->page[0] ? p->page : NULL,
                        .size = row->size,
                        .progress = p->progress};
    snprintf(job.sha256, sizeof job.sha256, "%s", sum);
    const ar_status s = download(&job, err);
    p->fetched += job.fetched;
    if (s != AR_OK) return s;
    row->have = true;
    int64_t changed = 0;
    row->size = pulled_present(p->folder, row, &changed);
    if (job.sha256[0])
        snprintf(row->id, sizeof row->id, "sha256:%s", job.sha256);
    p->progress.done += row->size;
    TRY(pulled_write(&p->list, p->folder, err));
    return file_sync_folder(p->folder, err);
}

ar_status pull_room(const pull *p, ar_error *err) {
    int64_t missing = 0;
    for (int i = 0; i < p->list.n; i++) {
        const pulled_row *row = &p->list.row[i];
        int64_t changed = 0;
        if (!row->have && row->size > 0)
            missing += row->size - pulled_present(p->folder, row, &changed);
    }
    return missing > 0 ? room_for(p->folder, missing, err) : AR_OK;
}

bool pull_is_there(const pull *p, const pulled_row *row) {
    char path[4096];
    int64_t changed = 0;
    return row->have &&
           file_join(path, sizeof path, p->folder, row->path, NULL) == AR_OK &&
           file_exists(path) && row->size >= 0 &&
           pulled_present(p->folder, row, &changed) == row->size;
}

/* ---- a file from anywhere ---- */

static ar_status pull_url(pull *p, hub_pulled *out, ar_error *err) {
    const hub_ref *r = &p->ref;
    const char *sum = p->options->sha256 ? p->options->sha256 : "";
    pulled_row *row = pulled_add(&p->list, r->file);
    char source[HUB_MAX_URL];
    if (!row) return error_set(err, AR_NOMEM, "out of memory");
    if (row->from[0] && strcmp(row->from, r->url))
        return error_set(err, AR_IO,
                         "%.80s: what is there came from %.90s: arcane remove "
                         "it first",
                         r->file, row->from);
    /* the part of the URL before the file, without a query */
    snprintf(source, sizeof source, "%s", r->url);
    source[strcspn(source, "?")] = 0;
    source[strlen(source) - strlen(r->file)] = 0;
    p->list.source = source;
    row->from = r->url;
    const bool same = !*sum || (!strncmp(row->id, "sha256:", 7) &&
                                !strcasecmp(row->id + 7, sum));
    p->progress.total = row->size;
    p->progress.n_files = 1;
    if (!same || !pull_is_there(p, row)) {
        row->have = false;
        row->size = -1;
        TRY(pulled_write(&p->list, p->folder, err));
        TRY(pull_row(p, row, r->url, sum, err));
    }
    out->files = 1;
    out->bytes = row->size;
    return file_join(out->path, sizeof out->path, p->folder, r->file, err);
}

/* ---- everything ---- */

static ar_status check_options(const hub_ref *r, const hub_options *o,
                               ar_error *err) {
    if (o->connections < 1 || o->connections > HUB_MAX_CONNECTIONS)
        return error_set(err, AR_USAGE, "connections: 1 to %d, not %d",
                         HUB_MAX_CONNECTIONS, o->connections);
    if (o->retries < 0 || o->retries > 1000)
        return error_set(err, AR_USAGE, "retries: 0 to 1000, not %d",
                         o->retries);
    if (o->segment < 1 || !(o->wait >= 0) || o->stall < 1)
        return error_set(err, AR_USAGE, "segment, wait or stall: too small");
    if (o->sha256 && (!r->is_url || !sha256_is_hex(o->sha256)))
        return error_set(err, AR_USAGE,
                         r->is_url ? "sha256: 64 hexadecimal digits"
                                   : "sha256: the hub tells the sums itself");
    return AR_OK;
}

static ar_status open_all(pull *p, int *lock, ar_error *err) {
    const char *given = p->options->endpoint, *env = getenv("HF_ENDPOINT");
    char token[520], path[4096], busy[200];
    const int n = snprintf(p->endpoint, sizeof p->endpoint, "%s",
                           given         ? given
                           : env && *env ? env
                                         : "https://huggingface.co");
    if (n >= (int)sizeof p->endpoint)
        return error_set(err, AR_USAGE, "HF_ENDPOINT: is too long");
    for (size_t k = strlen(p->endpoint); k && p->endpoint[k - 1] == '/'; k--)
        p->endpoint[k - 1] = 0;
    TRY(find_token(token, sizeof token, err));
    TRY(http_open(&p->client, p->endpoint, token, p->options->stall, err));
    TRY(hub_folder_of(p->folder, sizeof p->folder, &p->ref, err));
    TRY(file_make_folder(p->folder, err));
    TRY(file_join(path, sizeof path, p->folder, PULLED_LOCK, err));
    snprintf(busy, sizeof busy, "%.100s: is being fetched by another process",
             p->name);
    TRY(file_lock(lock, path, busy, err));
    return pulled_read(&p->list, p->folder, err);
}

ar_status hub_pull(hub_pulled *out, const char *name, const hub_options *o,
                   ar_error *err) {
    const hub_options defaults = hub_options_default();
    int lock = -1;
    *out = (hub_pulled){.files = 0};
    pull *p = mem_new(pull, 1);
    if (!p) return error_set(err, AR_NOMEM, "out of memory");
    p->name = name;
    p->options = o ? o : &defaults;
    ar_status s = hub_ref_parse(&p->ref, name, err);
    if (s == AR_OK) s = check_options(&p->ref, p->options, err);
    if (s == AR_OK) s = open_all(p, &lock, err);
    if (s == AR_OK)
        s = p->ref.is_url ? pull_url(p, out, err)
                          : pull_repository(p, out, err);
    out->fetched = p->fetched;
    pulled_close(&p->list);
    http_close(&p->client);
    file_unlock(lock);
    mem_free(p);
    return s;
}
