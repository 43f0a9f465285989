/* hub_get.c - the whole answer to a small request. */
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "hub/hub_http.h"

typedef struct reader {
    text body;
    size_t max;
    bool too_long, unreachable;
} reader;

static bool add_body(void *ctx, const void *p, size_t n) {
    reader *b = ctx;
    b->too_long = n > b->max - b->body.size;
    if (b->too_long) return false;
    text_add(&b->body, p, n);
    return !b->body.failed;
}

/* Wait until libcurl is done with the one request; its result. */
static ar_status finish_hop(http_request *r, CURLcode *code,
                            bool (*stop)(void *ctx), void *ctx, ar_error *err) {
    for (;;) {
        int running, left;
        if (stop && stop(ctx)) return error_set(err, AR_CANCELLED, "stopped");
        if (hub_curl.multi_perform(r->client->multi, &running) != CURLM_OK)
            return error_set(err, AR_NOMEM, "out of memory for a request");
        const CURLMsg *m = hub_curl.multi_info_read(r->client->multi, &left);
        if (m && m->msg == CURLMSG_DONE) {
            *code = m->data.result;
            return AR_OK;
        }
        hub_curl.multi_poll(r->client->multi, NULL, 0, 100, NULL);
    }
}

static ar_status run(http_request *r, reader *b, bool (*stop)(void *ctx),
                     void *ctx, ar_error *err) {
    for (bool again = true; again;) {
        CURLcode code = CURLE_OK;
        TRY(finish_hop(r, &code, stop, ctx, err));
        b->unreachable = http_unreachable(code);
        if (b->too_long)
            return error_set(err, AR_FORMAT,
                             "%.100s: the answer has more than %zu bytes",
                             r->url, b->max);
        TRY(text_status(&b->body, err));
        if (code != CURLE_OK && r->skipped == 0) {
            r->head.status = 0;
            return error_set(err, AR_IO, "%.100s: %s", r->url,
                             hub_curl.easy_strerror(code));
        }
        TRY(http_follow(r, &again, err));
    }
    return AR_OK;
}

ar_status http_get(http_answer *out, http_client *c, const char *url,
                   bool (*stop)(void *ctx), void *ctx, ar_error *err) {
    reader b = {.max = out->max};
    http_request *r = mem_new(http_request, 1);
    if (!r) return error_set(err, AR_NOMEM, "out of memory");
    r->body = add_body;
    r->ctx = &b;
    ar_status s = http_start(r, c, url, err);
    if (s == AR_OK) s = run(r, &b, stop, ctx, err);
    out->head = r->head;
    out->data = NULL;
    out->unreachable = b.unreachable;
    out->retry_after = r->easy ? http_retry_after(r) : 0;
    if (s == AR_OK) text_add(&b.body, "", 0);
    if (s == AR_OK) s = text_status(&b.body, err);
    if (s == AR_OK) {
        out->data = b.body.data;
        out->size = b.body.size;
    } else {
        text_close(&b.body);
    }
    http_end(r);
    mem_free(r);
    return s;
}
