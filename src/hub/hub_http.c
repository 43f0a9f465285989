/* hub_http.c - requests by way of libcurl. */
#include "hub/hub_http.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/mem.h"

enum { MAX_HOPS = 10, MAX_SKIPPED = 1 << 20, CONNECT_SECONDS = 30 };

/* ---- origins ---- */

/* The bytes of "scheme://host:port" in a URL; 0 if it has none. */
static size_t origin_size(const char *url) {
    const char *at = strstr(url, "://");
    if (!at) return 0;
    at += 3;
    return (size_t)(at - url) + strcspn(at, "/?#");
}

bool http_same_origin(const char *a, const char *b) {
    const size_t n = origin_size(a);
    return n && n == origin_size(b) && !strncasecmp(a, b, n);
}

static bool is_https(const char *url) {
    return !strncasecmp(url, "https://", 8);
}
static bool is_http(const char *url) { return !strncasecmp(url, "http://", 7); }

/* ---- the client ---- */

ar_status http_open(http_client *c, const char *endpoint, const char *token,
                    int stall, ar_error *err) {
    *c = (http_client){.stall = stall};
    c->certificates = getenv("SSL_CERT_FILE");
    if (c->certificates && !*c->certificates) c->certificates = NULL;
    const size_t n = origin_size(endpoint);
    if ((!is_https(endpoint) && !is_http(endpoint)) || n >= sizeof c->origin)
        return error_set(err, AR_USAGE,
                         "HF_ENDPOINT: \"%.100s\" is not a URL (https://HOST)",
                         endpoint);
    memcpy(c->origin, endpoint, n);
    snprintf(c->token, sizeof c->token, "%s", token);
    TRY(hub_curl_start(err));
    c->multi = hub_curl.multi_init();
    if (!c->multi) return error_set(err, AR_NOMEM, "out of memory");
    return AR_OK;
}

void http_close(http_client *c) {
    if (c->multi) hub_curl.multi_cleanup(c->multi);
    *c = (http_client){.multi = NULL};
}

/* ---- one request ---- */

static size_t on_head(char *p, size_t one, size_t n, void *ctx) {
    http_request *r = ctx;
    http_head_line(&r->head, p, n);
    return n * one;
}

static size_t on_body(char *p, size_t one, size_t n, void *ctx) {
    http_request *r = ctx;
    n *= one;
    if (r->head.status == 200 || r->head.status == 206)
        return r->body(r->ctx, p, n) ? n : 0;
    r->skipped += n;
    return r->skipped > MAX_SKIPPED ? 0 : n;
}

static bool add_header(http_request *r, const char *line) {
    struct curl_slist *grown = hub_curl.slist_append(r->headers, line);
    if (grown) r->headers = grown;
    return grown != NULL;
}

/* The headers of the next hop: the token for its own host only. */
static bool set_headers(http_request *r, const int64_t *range,
                        const char *etag) {
    char line[600];
    bool good = add_header(r, "Accept-Encoding: identity");
    if (range) {
        snprintf(line, sizeof line, "Range: bytes=%" PRId64 "-%" PRId64,
                 range[0], range[1]);
        good &= add_header(r, line);
    }
    if (range && etag && http_etag_strong(etag)) {
        snprintf(line, sizeof line, "If-Range: %s", etag);
        good &= add_header(r, line);
    }
    return good;
}

static bool aim(http_request *r) {
    const http_client *c = r->client;
    const bool known = c->token[0] && http_same_origin(r->url, c->origin);
    CURL *e = r->easy;
    return hub_curl.easy_setopt(e, CURLOPT_URL, r->url) == CURLE_OK &&
           hub_curl.easy_setopt(e, CURLOPT_HTTPAUTH,
                                known ? CURLAUTH_BEARER : CURLAUTH_BASIC) ==
               CURLE_OK &&
           hub_curl.easy_setopt(e, CURLOPT_XOAUTH2_BEARER,
                                known ? c->token : NULL) == CURLE_OK;
}

static bool set_options(http_request *r) {
    CURL *e = r->easy;
    hub_curl.easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    hub_curl.easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
    /* HTTP/2 would send all ranges over one connection */
    hub_curl.easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    hub_curl.easy_setopt(e, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    hub_curl.easy_setopt(e, CURLOPT_HEADERFUNCTION, on_head);
    hub_curl.easy_setopt(e, CURLOPT_HEADERDATA, r);
    hub_curl.easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
    hub_curl.easy_setopt(e, CURLOPT_WRITEDATA, r);
    hub_curl.easy_setopt(e, CURLOPT_PRIVATE, r);
    hub_curl.easy_setopt(e, CURLOPT_BUFFERSIZE, 1L << 18);
    hub_curl.easy_setopt(e, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS);
    hub_curl.easy_setopt(e, CURLOPT_LOW_SPEED_LIMIT, 1L);
    hub_curl.easy_setopt(e, CURLOPT_LOW_SPEED_TIME, (long)r->client->stall);
    if (r->client->certificates)
        hub_curl.easy_setopt(e, CURLOPT_CAINFO, r->client->certificates);
    return hub_curl.easy_setopt(e, CURLOPT_USERAGENT, "arcane/" AR_VERSION) ==
               CURLE_OK &&
           hub_curl.easy_setopt(e, CURLOPT_HTTPHEADER, r->headers) == CURLE_OK;
}

ar_status http_start_range(http_request *r, http_client *c, const char *url,
                           const int64_t range[2], const char *etag,
                           ar_error *err) {
    r->client = c;
    r->headers = NULL;
    r->hops = 0;
    r->skipped = 0;
    http_head_begin(&r->head);
    snprintf(r->url, sizeof r->url, "%s", url);
    r->easy = hub_curl.easy_init();
    if (r->easy && set_headers(r, range, etag) && set_options(r) && aim(r) &&
        hub_curl.multi_add_handle(c->multi, r->easy) == CURLM_OK)
        return AR_OK;
    http_end(r);
    return error_set(err, AR_NOMEM, "out of memory for a request");
}

ar_status http_start(http_request *r, http_client *c, const char *url,
                     ar_error *err) {
    return http_start_range(r, c, url, NULL, NULL, err);
}

void http_end(http_request *r) {
    if (r->easy) {
        hub_curl.multi_remove_handle(r->client->multi, r->easy);
        hub_curl.easy_cleanup(r->easy);
    }
    if (r->headers) hub_curl.slist_free_all(r->headers);
    r->easy = NULL;
    r->headers = NULL;
}

/* ---- redirects ---- */

static bool is_redirect(int status) {
    return status == 301 || status == 302 || status == 303 || status == 307 ||
           status == 308;
}

static bool is_plain(const char *url) {
    for (; *url > ' ' && *url < 127; url++) continue;
    return !*url;
}

ar_status http_follow(http_request *r, bool *again, ar_error *err) {
    char *next = NULL;
    *again = false;
    if (!is_redirect(r->head.status)) return AR_OK;
    hub_curl.easy_getinfo(r->easy, CURLINFO_REDIRECT_URL, &next);
    if (!next || !is_plain(next) || strlen(next) >= sizeof r->url ||
        (!is_https(next) && !is_http(next)))
        return error_set(err, AR_FORMAT,
                         "%.100s: sends elsewhere, but not to a URL", r->url);
    if (is_https(r->url) && !is_https(next))
        return error_set(err, AR_FORMAT,
                         "%.100s: leads from https to http, which is refused",
                         r->url);
    if (++r->hops > MAX_HOPS)
        return error_set(err, AR_FORMAT, "%.100s: sends elsewhere %d times",
                         r->url, r->hops);
    snprintf(r->url, sizeof r->url, "%s", next);
    r->head.status = 0;
    hub_curl.multi_remove_handle(r->client->multi, r->easy);
    if (!aim(r) ||
        hub_curl.multi_add_handle(r->client->multi, r->easy) != CURLM_OK)
        return error_set(err, AR_NOMEM, "out of memory for a request");
    *again = true;
    return AR_OK;
}

double http_retry_after(const http_request *r) {
    curl_off_t seconds = 0;
    if (hub_curl.easy_getinfo(r->easy, CURLINFO_RETRY_AFTER, &seconds) !=
        CURLE_OK)
        return 0;
    return seconds > 0 ? (double)seconds : 0;
}

bool http_unreachable(CURLcode code) {
    return code == CURLE_COULDNT_RESOLVE_HOST ||
           code == CURLE_COULDNT_RESOLVE_PROXY || code == CURLE_COULDNT_CONNECT;
}
