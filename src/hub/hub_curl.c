/* hub_curl.c - libcurl, loaded when the first request is made. */
#include "hub/hub_curl.h"

#include <pthread.h>
#include <stddef.h>
#include <string.h>

#include "base/dynlib.h"
#include "base/error.h"

/* Version 4 of its interface, with any library for TLS. */
static const char *const files[] = {"libcurl.so.4", "libcurl-gnutls.so.4",
                                    "libcurl.4.dylib",
                                    "/usr/lib/libcurl.4.dylib", NULL};

static const struct call {
    const char *name;
    size_t offset; /* in curl_calls */
} calls[] = {
#define CURL_CALL(name) {"curl_" #name, offsetof(curl_calls, name)},
#include "hub/curl_calls.def"
#undef CURL_CALL
};

curl_calls hub_curl;

static ar_status start_status;
static ar_error start_error;

ar_status hub_curl_load(curl_calls *out, const char *const *names,
                        ar_error *err) {
    curl_calls found;
    dynlib *lib = dynlib_open(names);
    if (!lib)
        return error_set(err, AR_UNSUPPORTED,
                         "downloads need libcurl (%s), which is not there",
                         names[0]);
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        void *const f = dynlib_symbol(lib, calls[i].name);
        if (!f)
            return error_set(err, AR_UNSUPPORTED,
                             "this libcurl is too old: it has no %s",
                             calls[i].name);
        memcpy((char *)&found + calls[i].offset, &f, sizeof f);
    }
    *out = found;
    return AR_OK;
}

static void start(void) {
    start_status = hub_curl_load(&hub_curl, files, &start_error);
    if (start_status == AR_OK) hub_curl.global_init(CURL_GLOBAL_DEFAULT);
}

ar_status hub_curl_start(ar_error *err) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, start);
    if (start_status == AR_OK) return AR_OK;
    return error_set(err, start_status, "%s", start_error.message);
}
