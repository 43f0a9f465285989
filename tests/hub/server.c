/* server.c - a small HTTP server for tests, which misbehaves on request. */
#include "tests/hub/server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/sha256.h"

typedef struct connection {
    server *s;
    int fd;
} connection;

/* ---- requests ---- */

static bool send_all(int fd, const char *p, size_t n) {
    while (n) {
        const ssize_t w = send(fd, p, n, 0);
        if (w <= 0) return false;
        p += w;
        n -= (size_t)w;
    }
    return true;
}

static bool read_head(int fd, char *head, size_t size) {
    for (size_t n = 0; n + 1 < size;) {
        const ssize_t got = recv(fd, head + n, size - 1 - n, 0);
        if (got <= 0) return false;
        n += (size_t)got;
        head[n] = 0;
        if (strstr(head, "\r\n\r\n")) return true;
    }
    return false;
}

/* The value of a header, "" if it is not there. */
static void header(const char *head, const char *name, char *out, size_t size) {
    char key[64];
    snprintf(key, sizeof key, "\r\n%s: ", name);
    const char *p = strcasestr(head, key);
    if (p) p += strlen(key);
    snprintf(out, size, "%.*s", p ? (int)strcspn(p, "\r\n") : 0, p ? p : "");
}

static server_request parse(const char *head) {
    server_request r = {.path = ""};
    const char *p = strchr(head, ' ');
    if (p)
        snprintf(r.path, sizeof r.path, "%.*s", (int)strcspn(p + 1, " ?"),
                 p + 1);
    header(head, "Range", r.range, sizeof r.range);
    header(head, "If-Range", r.if_range, sizeof r.if_range);
    header(head, "Authorization", r.authorization, sizeof r.authorization);
    return r;
}

/* What is served now, as a copy with the fault of this very answer. */
static bool take(server *s, const server_request *r, server_file *out) {
    static const char *const tags[] = {"\"a\"", "\"b\"", "\"c\""};
    bool found = false;
    pthread_mutex_lock(&s->mutex);
    if (s->n_requests < SERVER_REQUESTS) s->request[s->n_requests++] = *r;
    for (int i = 0; i < s->n_files && !found; i++) {
        server_file *f = s->file[i];
        if (strcmp(f->path, r->path)) continue;
        found = true;
        const int n = f->served++;
        *out = f->until && n >= f->until ? *f->then : *f;
        if (out->times && n >= out->times) out->fault = FAULT_NONE;
        if (out->fault == FAULT_ETAGS) out->etag = tags[n % 3];
    }
    pthread_mutex_unlock(&s->mutex);
    return found;
}

/* ---- answers ---- */

static void answer_status(int fd, int status, const char *extra) {
    char head[1200];
    snprintf(head, sizeof head,
             "HTTP/1.1 %d Status\r\nConnection: close\r\n%s"
             "Content-Length: 5\r\n\r\nsorry",
             status, extra ? extra : "");
    send_all(fd, head, strlen(head));
}

/* The range asked for, cut to the file; false if there is none to honour. */
static bool want_range(const server_file *f, const server_request *r,
                       size_t *from, size_t *to) {
    char *end;
    *from = 0;
    *to = f->size;
    if (strncmp(r->range, "bytes=", 6)) return false;
    if (f->fault == FAULT_NO_RANGE || f->fault == FAULT_NO_LENGTH) return false;
    if (r->if_range[0] && (!f->etag || strcmp(f->etag, r->if_range)) &&
        f->fault != FAULT_IGNORE_IF && f->fault != FAULT_ETAGS)
        return false;
    *from = strtoull(r->range + 6, &end, 10);
    if (*end == '-' && end[1]) *to = strtoull(end + 1, NULL, 10) + 1;
    if (*to > f->size) *to = f->size;
    return true;
}

static bool stopping(server *s) {
    pthread_mutex_lock(&s->mutex);
    const bool yes = s->stopping;
    pthread_mutex_unlock(&s->mutex);
    return yes;
}

static void send_body(connection *c, const server_file *f, const char *p,
                      size_t n) {
    switch (f->fault) {
    case FAULT_DROP: send_all(c->fd, p, f->at < n ? f->at : n); return;
    case FAULT_HANG:
        send_all(c->fd, p, f->at < n ? f->at : n);
        for (int i = 0; i < 1000 && !stopping(c->s); i++) poll(NULL, 0, 10);
        return;
    case FAULT_SLOW:
        for (size_t at = 0; at < n && !stopping(c->s); at += f->at) {
            if (!send_all(c->fd, p + at, n - at < f->at ? n - at : f->at))
                return;
            poll(NULL, 0, 20);
        }
        return;
    default: send_all(c->fd, p, n);
    }
}

/* The bytes with what the fault does to them; at least `spare` more behind. */
static char *copy_of(const server_file *f, size_t spare) {
    char *p = calloc(1, f->size + spare + 1);
    if (p && f->size) memcpy(p, f->data, f->size);
    for (size_t i = 50; p && f->fault == FAULT_WRONG && i < f->size; i += 100)
        p[i] ^= 1;
    return p;
}

static void send_head(int fd, const server_file *f, bool range, size_t from,
                      size_t length) {
    char head[2000];
    const size_t shift = f->fault == FAULT_SHIFT;
    int n = snprintf(
        head, sizeof head, "HTTP/1.1 %s\r\nConnection: close\r\n%s%s%s%s",
        range ? "206 Partial Content" : "200 OK", f->extra ? f->extra : "",
        f->etag ? "ETag: " : "", f->etag ? f->etag : "", f->etag ? "\r\n" : "");
    if (range)
        n += snprintf(head + n, sizeof head - (size_t)n,
                      "Content-Range: bytes %zu-%zu/%zu\r\n", from + shift,
                      from + length - 1 + shift,
                      f->size + (f->fault == FAULT_TOTAL ? f->at : 0));
    if (f->fault != FAULT_NO_LENGTH)
        n += snprintf(head + n, sizeof head - (size_t)n,
                      "Content-Length: %zu\r\n", length);
    snprintf(head + n, sizeof head - (size_t)n, "\r\n");
    send_all(fd, head, strlen(head));
}

static void answer_file(connection *c, const server_file *f,
                        const server_request *r) {
    size_t from, to, length;
    char *bytes = copy_of(f, f->at + 1);
    const bool range = want_range(f, r, &from, &to);
    if (!bytes || from > to || (range && from == f->size)) {
        answer_status(c->fd, bytes ? 416 : 500, NULL);
        free(bytes);
        return;
    }
    length = to - from;
    if (f->fault == FAULT_LONG) length += f->at;
    if (f->fault == FAULT_SHORT && f->at < length) length -= f->at;
    send_head(c->fd, f, range, from, length);
    send_body(c, f, bytes + from, length);
    free(bytes);
}

static void *serve(void *ctx) {
    connection *c = ctx;
    char head[16384];
    server_file f = {.path = ""};
    if (read_head(c->fd, head, sizeof head)) {
        const server_request r = parse(head);
        if (!take(c->s, &r, &f))
            answer_status(c->fd, 404, NULL);
        else if (f.fault == FAULT_STATUS)
            answer_status(c->fd, f.status, f.extra);
        else
            answer_file(c, &f, &r);
    }
    close(c->fd);
    pthread_mutex_lock(&c->s->mutex);
    c->s->running--;
    pthread_mutex_unlock(&c->s->mutex);
    free(c);
    return NULL;
}

/* ---- the server ---- */

static void *listen_on(void *ctx) {
    server *s = ctx;
    while (!stopping(s)) {
        struct pollfd p = {.fd = s->fd, .events = POLLIN};
        if (poll(&p, 1, 20) <= 0) continue;
        const int fd = accept(s->fd, NULL, NULL);
        if (fd < 0) continue;
        connection *c = malloc(sizeof *c);
        pthread_t thread;
        *c = (connection){s, fd};
        pthread_mutex_lock(&s->mutex);
        s->running++;
        pthread_mutex_unlock(&s->mutex);
        pthread_create(&thread, NULL, serve, c);
        pthread_detach(thread);
    }
    return NULL;
}

bool server_start(server *s) {
    struct sockaddr_in a = {.sin_family = AF_INET};
    socklen_t n = sizeof a;
    memset(s, 0, sizeof *s);
    signal(SIGPIPE, SIG_IGN); /* connections break on purpose */
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    s->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (s->fd < 0 || bind(s->fd, (struct sockaddr *)&a, sizeof a) ||
        listen(s->fd, 64) || getsockname(s->fd, (struct sockaddr *)&a, &n))
        return false;
    s->port = ntohs(a.sin_port);
    snprintf(s->url, sizeof s->url, "http://127.0.0.1:%d", s->port);
    pthread_mutex_init(&s->mutex, NULL);
    return pthread_create(&s->thread, NULL, listen_on, s) == 0;
}

void server_stop(server *s) {
    pthread_mutex_lock(&s->mutex);
    s->stopping = true;
    pthread_mutex_unlock(&s->mutex);
    pthread_join(s->thread, NULL);
    for (bool busy = true; busy; poll(NULL, 0, 5)) {
        pthread_mutex_lock(&s->mutex);
        busy = s->running > 0;
        pthread_mutex_unlock(&s->mutex);
    }
    close(s->fd);
}

void server_add(server *s, server_file *f) {
    pthread_mutex_lock(&s->mutex);
    if (s->n_files < SERVER_FILES) s->file[s->n_files++] = f;
    pthread_mutex_unlock(&s->mutex);
}

int server_count(server *s, const char *text) {
    int n = 0;
    pthread_mutex_lock(&s->mutex);
    for (int i = 0; i < s->n_requests; i++)
        n += strstr(s->request[i].path, text) != NULL;
    pthread_mutex_unlock(&s->mutex);
    return n;
}

/* ---- a hub's answer ---- */

char *server_listing(const char *id, const char *commit,
                     server_file *const *file, int n) {
    char prefix[300], *out = calloc(1, 1000 + 600 * (size_t)n);
    const int skip =
        snprintf(prefix, sizeof prefix, "/%s/resolve/%s/", id, commit);
    if (!out) return NULL;
    char *p = out;
    p += snprintf(p, 500, "{\"id\": \"%s\", \"sha\": \"%s\", \"siblings\": [",
                  id, commit);
    for (int i = 0; i < n; i++) {
        sha256 sum;
        char hex[SHA256_HEX];
        sha256_begin(&sum);
        sha256_add(&sum, file[i]->data, file[i]->size);
        sha256_end(&sum, hex);
        p += snprintf(p, 590,
                      "%s{\"rfilename\": \"%s\", \"size\": %zu, \"blobId\": "
                      "\"%.40s\", \"lfs\": {\"sha256\": \"%s\", \"size\": %zu, "
                      "\"pointerSize\": 130}}",
                      i ? ", " : "", file[i]->path + skip, file[i]->size, hex,
                      hex, file[i]->size);
    }
    snprintf(p, 10, "]}");
    return out;
}
