/* kernel_cache.c - compiled kernels on disk, so that they compile once. */
#include "backend/gpu/kernel_cache.h"

#include <string.h>

#include "base/file.h"

enum { PATH_SIZE = 4096, IMAGE_MAX = 64 << 20 };

static bool folder_path(char *out) {
    return file_kept_folder(out, PATH_SIZE, "kernels", NULL) == AR_OK;
}

static bool file_path(char *out, const char *key) {
    char folder[PATH_SIZE];
    return folder_path(folder) &&
           file_join(out, PATH_SIZE, folder, key, NULL) == AR_OK;
}

void kernel_cache_key(char key[SHA256_HEX], const char *const *texts) {
    sha256 s;
    sha256_begin(&s);
    /* The NUL too, so that the parts' borders count. */
    for (; *texts; texts++) sha256_add(&s, *texts, strlen(*texts) + 1);
    sha256_end(&s, key);
}

bool kernel_cache_get(const char *key, char **image, size_t *size) {
    char path[PATH_SIZE];
    return file_path(path, key) && file_exists(path) &&
           file_read(path, IMAGE_MAX, image, size, NULL) == AR_OK;
}

void kernel_cache_put(const char *key, const char *image, size_t size) {
    char folder[PATH_SIZE], path[PATH_SIZE];
    if (!folder_path(folder) || !file_path(path, key)) return;
    if (file_make_folder(folder, NULL) == AR_OK)
        file_replace(path, image, size, NULL);
}

void kernel_cache_drop(const char *key) {
    char path[PATH_SIZE];
    if (file_path(path, key)) file_remove(path, NULL);
}
