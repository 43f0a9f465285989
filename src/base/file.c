/* file.c - mapping, reading and replacing files. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"

static ar_status io_error(ar_error *err, const char *path) {
    return error_set(err, AR_IO, "%s: %s", path, strerror(errno));
}

/* Opens a regular file for reading and tells its size. */
static ar_status open_sized(const char *path, int *fd, size_t *size,
                            ar_error *err) {
    struct stat st;
    *fd = open(path, O_RDONLY | O_CLOEXEC);
    if (*fd < 0) return io_error(err, path);
    if (fstat(*fd, &st) == 0 && S_ISREG(st.st_mode)) {
        *size = (size_t)st.st_size;
        return AR_OK;
    }
    close(*fd);
    return error_set(err, AR_IO, "%s: is not a regular file", path);
}

ar_status file_map_open(file_map *out, const char *path, ar_error *err) {
    int fd;
    size_t size;
    *out = (file_map){0};
    TRY(open_sized(path, &fd, &size, err));
    if (size) {
        void *p = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
        if (p == MAP_FAILED) {
            const ar_status s = io_error(err, path);
            close(fd);
            return s;
        }
        *out = (file_map){p, size};
    }
    close(fd);
    return AR_OK;
}

void file_map_close(file_map *m) {
    if (m->data) munmap((void *)m->data, m->size);
    *m = (file_map){0};
}

static ar_status read_all(int fd, const char *path, char *p, size_t n,
                          ar_error *err) {
    while (n) {
        const ssize_t got = read(fd, p, n);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return io_error(err, path);
        if (!got) return error_set(err, AR_IO, "%s: became shorter", path);
        p += got;
        n -= (size_t)got;
    }
    return AR_OK;
}

ar_status file_read(const char *path, size_t max, char **data, size_t *size,
                    ar_error *err) {
    int fd;
    size_t n;
    *data = NULL;
    *size = 0;
    TRY(open_sized(path, &fd, &n, err));
    ar_status s = AR_OK;
    char *p = NULL;
    if (n > max)
        s = error_set(err, AR_RANGE, "%s: has %zu bytes, more than %zu", path,
                      n, max);
    else if (!(p = mem_alloc(n + 1)))
        s = error_set(err, AR_NOMEM, "%s: no memory for %zu bytes", path, n);
    else
        s = read_all(fd, path, p, n, err);
    close(fd);
    if (s != AR_OK) {
        mem_free(p);
        return s;
    }
    *data = p;
    *size = n;
    return AR_OK;
}

bool file_exists(const char *path) { return access(path, F_OK) == 0; }

bool file_is_folder(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

bool file_same(const char *a, const char *b) {
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev &&
           x.st_ino == y.st_ino;
}

ar_status file_join(char *out, size_t size, const char *dir, const char *name,
                    ar_error *err) {
    const int n = snprintf(out, size, "%s/%s", dir, name);
    if (n >= 0 && (size_t)n < size) return AR_OK;
    return error_set(err, AR_RANGE, "%.100s/...: the path is too long", dir);
}

ar_status file_rename(const char *from, const char *to, ar_error *err) {
    return rename(from, to) ? io_error(err, to) : AR_OK;
}
