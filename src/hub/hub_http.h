/* hub_http.h - requests by way of libcurl: what the server's answer says of
 * itself, redirects, and which host may see the token.
 *
 * Redirects are followed here and not by libcurl, since the headers of each
 * answer matter (a hub tells the sum of a file in the one that points to
 * where the file is), the token must stay with its host whatever the version
 * of libcurl, and https must not lead to http. */
#ifndef HUB_HUB_HTTP_H
#define HUB_HUB_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arcane/status.h"
#include "base/sha256.h"
#include "hub/hub_curl.h"

/* What the headers of an answer say; numbers are -1 where they do not. */
typedef struct http_head {
    int status;
    int64_t length;          /* Content-Length */
    int64_t from, to, total; /* Content-Range: bytes from-to/total */
    char etag[200];          /* with its quotes and W/; "" if there is none */
    /* Kept over redirects: */
    char sum[SHA256_HEX]; /* X-Linked-ETag, if it is a SHA-256 */
    char code[32];        /* X-Error-Code: "GatedRepo" */
} http_head;

void http_head_begin(http_head *h);
/* A line of the head, with or without its end; a status line begins anew. */
void http_head_line(http_head *h, const char *line, size_t n);

/* Is the ETag there and does it promise the same bytes? */
bool http_etag_strong(const char *etag);

typedef struct http_client {
    CURLM *multi;             /* keeps connections for the next request */
    char origin[300];         /* "https://host:port": who may see the token */
    char token[520];          /* "" = none */
    const char *certificates; /* $SSL_CERT_FILE; NULL = the system's */
    int stall; /* seconds without a byte that break a connection */
} http_client;

/* Errors: AR_NOMEM, AR_USAGE (an endpoint that is no URL), AR_UNSUPPORTED
 * (there is no libcurl). */
ar_status http_open(http_client *c, const char *endpoint, const char *token,
                    int stall, ar_error *err);
void http_close(http_client *c);

/* The bytes of an answer with status 200 or 206; false breaks it off. */
typedef bool http_body(void *ctx, const void *p, size_t n);

/* One request at a time, over all its redirects. */
typedef struct http_request {
    http_client *client;
    CURL *easy;
    struct curl_slist *headers;
    http_head head;
    int hops;
    size_t skipped; /* bytes of bodies that are not looked at */
    http_body *body;
    void *ctx;
    char url[8192]; /* of the hop at hand */
} http_request;

/* Start: the client's multi handle does the work.  from -1 asks for the whole
 * file, else bytes from .. to; `etag` (NULL or "" for none) makes the server
 * send everything if the file is another.  Errors: AR_NOMEM. */
ar_status http_start(http_request *r, http_client *c, const char *url,
                     ar_error *err);
ar_status http_start_range(http_request *r, http_client *c, const char *url,
                           const int64_t range[2], const char *etag,
                           ar_error *err);
void http_end(http_request *r); /* zeros are fine */

/* After libcurl is done with a hop: *again = it was a redirect, which is now
 * under way.  Errors: AR_FORMAT (a redirect that is refused), AR_NOMEM. */
ar_status http_follow(http_request *r, bool *again, ar_error *err);

/* The whole answer to a small request, with a NUL behind it; free with
 * mem_free.  *head says how it went: there is a body for status 200 only.
 * `stop` (NULL is fine) ends it with AR_CANCELLED.  Errors: AR_IO (nothing
 * came; head->status is 0), AR_FORMAT (more than max bytes), AR_NOMEM. */
typedef struct http_answer {
    http_head head;
    char *data;
    size_t size, max;
    double retry_after; /* seconds; 0 if it does not say */
    bool unreachable;   /* no connection came about */
} http_answer;
ar_status http_get(http_answer *out, http_client *c, const char *url,
                   bool (*stop)(void *ctx), void *ctx, ar_error *err);

/* Seconds that the last hop asks to wait; 0 if it does not. */
double http_retry_after(const http_request *r);

/* No connection came about at all. */
bool http_unreachable(CURLcode code);

/* Do the URLs have the same scheme, host and port? */
bool http_same_origin(const char *a, const char *b);

#endif
