/* folder.c - folders: made, listed, synced, removed. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"

static ar_status io_error(ar_error *err, const char *path) {
    return error_set(err, AR_IO, "%s: %s", path, strerror(errno));
}

ar_status file_make_folder(const char *path, ar_error *err) {
    char part[4096];
    const size_t n = strlen(path);
    if (n >= sizeof part)
        return error_set(err, AR_RANGE, "%.100s...: the path is too long",
                         path);
    memcpy(part, path, n + 1);
    for (size_t i = 1; i <= n; i++) {
        if (part[i] != '/' && part[i]) continue;
        part[i] = 0;
        if (mkdir(part, 0777) && errno != EEXIST) return io_error(err, path);
        part[i] = path[i];
    }
    if (file_is_folder(path)) return AR_OK;
    return error_set(err, AR_IO, "%s: is not a folder", path);
}

ar_status file_sync_folder(const char *path, ar_error *err) {
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return io_error(err, path);
    ar_status s = AR_OK;
    /* some file systems cannot sync folders and say EINVAL */
    if (fsync(fd) && errno != EINVAL) s = io_error(err, path);
    close(fd);
    return s;
}

static int remove_one(const char *path, const struct stat *st, int type,
                      struct FTW *f) {
    (void)st, (void)type, (void)f;
    return remove(path);
}

ar_status file_remove(const char *path, ar_error *err) {
    return nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS)
               ? io_error(err, path)
               : AR_OK;
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int add_name(file_list *l, size_t *capacity, const char *name) {
    if (l->n == *capacity) {
        const size_t want = *capacity ? *capacity * 2 : 16;
        char **p = mem_realloc(l->names, want * sizeof *p);
        if (!p) return 0;
        l->names = p;
        *capacity = want;
    }
    const size_t n = strlen(name) + 1;
    char *copy = mem_alloc(n);
    if (!copy) return 0;
    l->names[l->n++] = memcpy(copy, name, n);
    return 1;
}

ar_status file_list_open(file_list *out, const char *path, ar_error *err) {
    *out = (file_list){0};
    DIR *d = opendir(path);
    if (!d) return io_error(err, path);
    size_t capacity = 0;
    ar_status s = AR_OK;
    for (struct dirent *e; s == AR_OK && (e = readdir(d));) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")) continue;
        if (!add_name(out, &capacity, e->d_name))
            s = error_set(err, AR_NOMEM, "%s: no memory for its names", path);
    }
    closedir(d);
    if (s != AR_OK)
        file_list_close(out);
    else if (out->n)
        qsort(out->names, out->n, sizeof *out->names, by_name);
    return s;
}

void file_list_close(file_list *l) {
    for (size_t i = 0; i < l->n; i++) mem_free(l->names[i]);
    mem_free(l->names);
    *l = (file_list){0};
}
