/* fixture.c - a server, a folder of models of its own and a file to fetch. */
#include "tests/hub/fixture.h"

#include <stdlib.h>

#include "base/file.h"
#include "base/mem.h"

static void on_progress(void *ctx, const hub_progress *p) {
    fixture *f = ctx;
    f->shown++;
    f->last_done = p->done;
    f->last_total = p->total;
}

static void on_note(void *ctx, const char *sentence) {
    fixture *f = ctx;
    const size_t n = strlen(f->notes);
    snprintf(f->notes + n, sizeof f->notes - n, "%s\n", sentence);
}

static bool on_stop(void *ctx) {
    fixture *f = ctx;
    return f->stop_at && f->last_done >= f->stop_at;
}

fixture *fixture_open(void) {
    static const char *const names[] = {
        "HF_TOKEN",      "HUGGING_FACE_HUB_TOKEN",
        "HF_TOKEN_PATH", "HF_HOME",
        "HF_ENDPOINT",   "http_proxy",
        "all_proxy"};
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unsetenv(names[i]);
    snprintf(f->home, sizeof f->home, "%s", test_folder());
    setenv("ARCANE_HOME", f->home, 1);
    setenv("HOME", f->home, 1);
    uint32_t x = 1;
    for (int i = 0; i < FIXTURE_SIZE; i++, x = x * 1664525 + 1013904223)
        f->data[i] = (char)(x >> 24);
    assert_true(server_start(&f->server));
    f->file = (server_file){.path = "/files/model.gguf",
                            .data = f->data,
                            .size = FIXTURE_SIZE,
                            .etag = "\"one\""};
    server_add(&f->server, &f->file);
    snprintf(f->url, sizeof f->url, "%s/files/model.gguf", f->server.url);
    f->options = hub_options_default();
    f->options.endpoint = f->server.url;
    f->options.segment = FIXTURE_SEGMENT;
    f->options.wait = 0.005;
    f->options.stall = 1;
    f->options.watch = (hub_watch){f, on_progress, on_note, on_stop};
    return f;
}

void fixture_close(fixture *f) {
    server_stop(&f->server);
    free(f);
}

void fixture_check(const fixture *f, const char *path, const char *data,
                   size_t size) {
    char whole[800], *bytes;
    size_t n;
    snprintf(whole, sizeof whole, "%s/models/%s", f->home, path);
    assert_ok(file_read(whole, 1 << 24, &bytes, &n, err));
    assert_int_equal(n, size);
    assert_memory_equal(bytes, data, size);
    mem_free(bytes);
}

bool fixture_has(const fixture *f, const char *path) {
    char whole[800];
    snprintf(whole, sizeof whole, "%s/models/%s", f->home, path);
    return file_exists(whole);
}

bool fixture_noted(const fixture *f, const char *word) {
    for (const char *p = f->notes; *p; p = strchr(p, '\n') + 1) {
        const char *at = strstr(p, word);
        if (!at || at > strchr(p, '\n')) return false;
    }
    return f->notes[0] != 0;
}

int fixture_tokens(server *s, const char *token) {
    int n = 0;
    pthread_mutex_lock(&s->mutex);
    for (int i = 0; i < s->n_requests; i++)
        n += strstr(s->request[i].authorization, token) != NULL;
    pthread_mutex_unlock(&s->mutex);
    return n;
}
