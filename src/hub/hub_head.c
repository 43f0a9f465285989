/* hub_head.c - what the headers of an answer say. */
#include <string.h>
#include <strings.h>

#include "hub/hub_files.h"
#include "hub/hub_http.h"

void http_head_begin(http_head *h) {
    *h = (http_head){.length = -1, .from = -1, .to = -1, .total = -1};
}

bool http_etag_strong(const char *etag) { return etag[0] == '"'; }

/* The digits at *p; -1 if there are none or too many. */
static int64_t number(const char **p, const char *end) {
    int64_t v = -1;
    for (; *p < end && **p >= '0' && **p <= '9'; ++*p) {
        v = (v < 0 ? 0 : v) * 10 + **p - '0';
        if (v > HUB_MAX_SIZE) return -1;
    }
    return v;
}

static void read_status(http_head *h, const char *p, const char *end) {
    http_head fresh;
    http_head_begin(&fresh);
    memcpy(fresh.sum, h->sum, sizeof fresh.sum);
    memcpy(fresh.code, h->code, sizeof fresh.code);
    *h = fresh;
    while (p < end && *p != ' ') p++;
    while (p < end && *p == ' ') p++;
    const int64_t v = number(&p, end);
    h->status = v >= 100 && v <= 999 ? (int)v : 0;
}

/* "bytes 0-99/1000"; "*" for what is not known. */
static void read_range(http_head *h, const char *p, const char *end) {
    h->from = h->to = h->total = -1;
    if (end - p < 6 || strncasecmp(p, "bytes ", 6)) return;
    p += 6;
    if (p < end && *p == '*') {
        p++;
    } else {
        h->from = number(&p, end);
        if (p < end && *p == '-') p++;
        h->to = number(&p, end);
    }
    if (p < end && *p == '/') {
        p++;
        h->total = number(&p, end);
    }
}

/* What fits and is printable ASCII is taken. */
static void take_text(char *out, size_t size, const char *p, size_t n) {
    out[0] = 0;
    if (n >= size) return;
    for (size_t i = 0; i < n; i++)
        if (p[i] < ' ' || p[i] >= 127) return;
    memcpy(out, p, n);
    out[n] = 0;
}

static void read_sum(http_head *h, const char *p, size_t n) {
    char sum[SHA256_HEX];
    if (n >= 2 && *p == '"' && p[n - 1] == '"') p++, n -= 2;
    take_text(sum, sizeof sum, p, n);
    if (sha256_is_hex(sum)) memcpy(h->sum, sum, sizeof sum);
}

void http_head_line(http_head *h, const char *line, size_t n) {
    const char *end = line + n;
    while (end > line && strchr("\r\n \t", end[-1])) end--;
    if (end - line >= 5 && !memcmp(line, "HTTP/", 5)) {
        read_status(h, line, end);
        return;
    }
    const char *colon = memchr(line, ':', (size_t)(end - line));
    if (!colon) return;
    const char *p = colon + 1;
    while (p < end && (*p == ' ' || *p == '\t')) p++;
    const size_t name = (size_t)(colon - line), size = (size_t)(end - p);
#define IS(text) (name == sizeof text - 1 && !strncasecmp(line, text, name))
    if (IS("content-length"))
        h->length = number(&p, end);
    else if (IS("content-range"))
        read_range(h, p, end);
    else if (IS("etag"))
        take_text(h->etag, sizeof h->etag, p, size);
    else if (IS("x-linked-etag"))
        read_sum(h, p, size);
    else if (IS("x-error-code"))
        take_text(h->code, sizeof h->code, p, size);
#undef IS
}
