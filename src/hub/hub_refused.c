/* hub_refused.c - what a status says to a person. */
#include <string.h>

#include "base/error.h"
#include "hub/hub_download.h"

static ar_status gated(const http_head *h, const char *name, const char *page,
                       bool token, ar_error *err) {
    return error_set(err, AR_IO,
                     token ? "%.60s: is gated and the token has no access "
                             "(%d); ask for it at %.90s"
                           : "%.60s: is gated (%d): ask for access at %.90s, "
                             "then set HF_TOKEN",
                     name, h->status, page);
}

static ar_status no_access(const http_head *h, const char *name, bool hub,
                           bool token, ar_error *err) {
    const char *why =
        !hub     ? "the server refuses"
        : !token ? "is not there, or it is private or gated and needs a token "
                   "in HF_TOKEN"
                 : "is not there, or the token has no access to it";
    return error_set(err, AR_IO, "%.80s: %s (%d)", name, why, h->status);
}

ar_status download_refused(const http_head *h, const char *name,
                           const char *page, bool token, ar_error *err) {
    const int n = h->status;
    if (page && !strcmp(h->code, "GatedRepo"))
        return gated(h, name, page, token, err);
    if (n == 401 || (n == 403 && strcmp(h->code, "RepoNotFound")))
        return no_access(h, name, page != NULL, token, err);
    if (n == 404 || n == 410 || n == 403)
        return error_set(err, AR_IO, "%.100s: is not there (%d%s%s)", name, n,
                         h->code[0] ? ", " : "", h->code);
    if (n == 429)
        return error_set(err, AR_IO,
                         "%.100s: the server has too many requests (429); try "
                         "again later",
                         name);
    if (n >= 500)
        return error_set(err, AR_IO, "%.100s: the server has an error (%d)",
                         name, n);
    return error_set(err, AR_IO, "%.100s: the server answers with status %d",
                     name, n);
}
