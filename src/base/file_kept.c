/* file_kept.c - where things that are kept for later lie. */
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/file.h"

#ifdef __APPLE__
static const char caches_of_home[] = "Library/Caches";
#else
static const char caches_of_home[] = ".cache";
#endif

static const char *variable(const char *name) {
    const char *v = getenv(name);
    return v && *v ? v : NULL;
}

ar_status file_kept_folder(char *out, size_t size, const char *kind,
                           ar_error *err) {
    const char *own = variable("ARCANE_HOME"), *home = variable("HOME");
    const char *caches = variable("XDG_CACHE_HOME");
    int n = -1;
    if (own)
        n = snprintf(out, size, "%s/%s", own, kind);
    else if (caches && *caches == '/')
        n = snprintf(out, size, "%s/arcane/%s", caches, kind);
    else if (home)
        n = snprintf(out, size, "%s/%s/arcane/%s", home, caches_of_home, kind);
    else
        return error_set(
            err, AR_IO, "neither ARCANE_HOME nor HOME says where %s are", kind);
    if (n >= 0 && (size_t)n < size) return AR_OK;
    return error_set(err, AR_RANGE, "ARCANE_HOME: the path is too long");
}
