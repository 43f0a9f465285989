/* hub_remove.c - removing what was fetched, and nothing else. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "hub/hub.h"
#include "hub/hub_cache.h"
#include "hub/hub_download.h"

int64_t pulled_present(const char *folder, const pulled_row *row,
                       int64_t *changed) {
    char path[4096], part[4096];
    struct stat st;
    if (file_join(path, sizeof path, folder, row->path, NULL) != AR_OK ||
        download_part_path(part, sizeof part, path, NULL) != AR_OK)
        return 0;
    const bool there = !stat(row->have ? path : part, &st);
    if (there && (int64_t)st.st_mtime > *changed)
        *changed = (int64_t)st.st_mtime;
    return there ? download_present(row->have ? path : "", part) : 0;
}

static ar_status remove_if_there(const char *path, ar_error *err) {
    return file_exists(path) ? file_remove(path, err) : AR_OK;
}

ar_status pulled_remove_files(const char *folder, const pulled_row *row,
                              ar_error *err) {
    char path[4096], part[4096], state[4096];
    TRY(file_join(path, sizeof path, folder, row->path, err));
    TRY(download_part_path(part, sizeof part, path, err));
    snprintf(state, sizeof state, "%.4080s.json", part);
    TRY(remove_if_there(path, err));
    TRY(remove_if_there(part, err));
    return remove_if_there(state, err);
}

/* Folders between `path` and the folder of models that are empty now. */
static void prune(char *path, size_t least) {
    for (char *slash;
         (slash = strrchr(path, '/')) && (size_t)(slash - path) > least;
         *slash = 0)
        if (rmdir(path) && errno != ENOENT) return;
}

/* ---- which rows ---- */

static ar_status mark(hub_files *f, const hub_ref *r, const char *name,
                      ar_error *err) {
    hub_choice what;
    const char *choice = r->is_url ? r->file : r->choice;
    for (int i = 0; i < f->n; i++)
        f->file[i].chosen = !*choice || !strcmp(f->file[i].path, choice);
    if (r->is_url || !*choice) return AR_OK;
    return hub_files_choose(f, name, choice, &what, err);
}

static ar_status remove_rows(pulled *p, const hub_files *f, const char *folder,
                             int64_t *bytes, ar_error *err) {
    for (int i = 0; i < f->n; i++) {
        if (!f->file[i].chosen) continue;
        pulled_row *row = pulled_find(p, f->file[i].path);
        int64_t changed = 0;
        const int64_t size = pulled_present(folder, row, &changed);
        TRY(pulled_remove_files(folder, row, err));
        *bytes += size;
        pulled_drop(p, row);
    }
    return AR_OK;
}

static int count_marked(const hub_files *f) {
    int n = 0;
    for (int i = 0; i < f->n; i++) n += f->file[i].chosen;
    return n;
}

static ar_status remove_in(pulled *p, const char *folder, const hub_ref *r,
                           const char *name, int64_t *bytes, ar_error *err) {
    hub_files f;
    TRY(pulled_files(p, &f, err));
    ar_status s = mark(&f, r, name, err);
    if (s == AR_OK && !count_marked(&f))
        s = error_set(err, AR_IO, "%.150s: is not here", name);
    if (s == AR_OK) s = remove_rows(p, &f, folder, bytes, err);
    /* what is gone must be gone from the list too, also after a failure */
    const ar_status wrote = pulled_write(p, folder, s == AR_OK ? err : NULL);
    hub_files_close(&f);
    return s == AR_OK ? wrote : s;
}

/* The last row is gone: our own files go, and folders that are empty. */
static ar_status remove_folder(char *folder, const hub_ref *r, ar_error *err) {
    char path[4096];
    const size_t least = strlen(folder) - strlen(r->folder);
    if (!r->is_url) {
        TRY(file_remove(folder, err));
    } else {
        TRY(file_join(path, sizeof path, folder, PULLED_NAME, err));
        TRY(file_remove(path, err));
        TRY(file_join(path, sizeof path, folder, PULLED_LOCK, err));
        TRY(remove_if_there(path, err));
    }
    prune(folder, least);
    return AR_OK;
}

ar_status hub_remove(const char *name, int64_t *bytes, ar_error *err) {
    hub_ref r;
    pulled p;
    char folder[4096], path[4096], busy[200];
    int lock;
    int64_t freed = 0;
    TRY(hub_ref_parse(&r, name, err));
    TRY(hub_folder_of(folder, sizeof folder, &r, err));
    TRY(file_join(path, sizeof path, folder, PULLED_NAME, err));
    if (!file_exists(path))
        return error_set(err, AR_IO, "%.150s: is not here", name);
    TRY(file_join(path, sizeof path, folder, PULLED_LOCK, err));
    snprintf(busy, sizeof busy, "%.100s: is being fetched", name);
    TRY(file_lock(&lock, path, busy, err));
    ar_status s = pulled_read(&p, folder, err);
    if (s == AR_OK) {
        s = remove_in(&p, folder, &r, name, &freed, err);
        if (s == AR_OK && !p.n) s = remove_folder(folder, &r, err);
        pulled_close(&p);
    }
    file_unlock(lock);
    if (s == AR_OK && bytes) *bytes = freed;
    return s;
}
