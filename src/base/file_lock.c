/* file_lock.c - one process at a time. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"

ar_status file_lock(int *out, const char *path, const char *busy,
                    ar_error *err) {
    *out = -1;
    const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0) return error_set(err, AR_IO, "%s: %s", path, strerror(errno));
    /* Any other failure says that this file system has no locks. */
    if (flock(fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK) {
        close(fd);
        return error_set(err, AR_IO, "%s", busy);
    }
    *out = fd;
    return AR_OK;
}

void file_unlock(int lock) {
    if (lock >= 0) close(lock);
}
