/* test_hub_download.c - one file from a server that does all that servers do:
 * whatever happens, the bytes are right or there is a sentence. */
#include <stdlib.h>
#include <sys/resource.h>
#include <signal.h>

#include "base/file.h"
#include "base/sha256.h"
#include "tests/hub/fixture.h"

/* The folder of the fixture's URL, below models. */
static const char *place(const fixture *f, const char *name) {
    static char path[2][300];
    static int turn;
    char *p = path[turn++ % 2];
    snprintf(p, sizeof path[0], "url/127.0.0.1_%d/files/%s", f->server.port,
             name);
    return p;
}

static bool has_part(const fixture *f) {
    return fixture_has(f, place(f, ".model.gguf.part"));
}

/* Pull once more or the first time; all must be there then. */
static void pulls(fixture *f) {
    hub_pulled got;
    assert_ok(hub_pull(&got, f->url, &f->options, err));
    assert_int_equal(got.bytes, FIXTURE_SIZE);
    fixture_check(f, place(f, "model.gguf"), f->data, FIXTURE_SIZE);
    assert_false(has_part(f));
    assert_false(fixture_has(f, place(f, ".model.gguf.part.json")));
    char found[4096];
    assert_ok(hub_find(found, sizeof found, f->url, err));
    assert_string_equal(found, got.path);
}

static const char *sum_of(const char *p, size_t n) {
    static char hex[SHA256_HEX];
    sha256 s;
    sha256_begin(&s);
    sha256_add(&s, p, n);
    sha256_end(&s, hex);
    return hex;
}

void test_hub_download_ranges(void **state) {
    (void)state;
    fixture *f = fixture_open();
    pulls(f);
    /* 12 whole segments and the rest, nothing twice */
    assert_int_equal(f->server.n_requests, 13);
    assert_string_equal(f->notes, "");
    assert_true(f->shown > 0);
    assert_int_equal(f->last_done, FIXTURE_SIZE);
    assert_int_equal(f->last_total, FIXTURE_SIZE);
    for (int i = 1; i < 13; i++)
        assert_string_equal(f->server.request[i].if_range, "\"one\"");
    pulls(f); /* what is there is not fetched again */
    assert_int_equal(f->server.n_requests, 13);
    fixture_close(f);
}

/* Sizes around the borders of segments, with one connection and with many. */
void test_hub_download_sizes(void **state) {
    (void)state;
    static const int sizes[] = {0, 1, 8191, 8192, 8193, 16384, 99999, 100000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int connections = 1; connections <= 16; connections += 15) {
            fixture *f = fixture_open();
            hub_pulled got;
            f->file.size = (size_t)sizes[i];
            f->options.connections = connections;
            assert_ok(hub_pull(&got, f->url, &f->options, err));
            fixture_check(f, place(f, "model.gguf"), f->data, (size_t)sizes[i]);
            fixture_close(f);
        }
}

/* ---- broken connections ---- */

void test_hub_download_drops(void **state) {
    (void)state;
    fixture *f = fixture_open();
    f->file.fault = FAULT_DROP;
    f->file.at = 3000; /* every single time */
    pulls(f);
    assert_true(fixture_noted(f, "trying again in"));
    fixture_close(f);
}

void test_hub_download_drops_at_once(void **state) {
    (void)state;
    fixture *f = fixture_open();
    hub_pulled got;
    f->file.fault = FAULT_DROP;
    f->options.retries = 3;
    assert_fails(AR_IO, "given up after 4 attempts",
                 hub_pull(&got, f->url, &f->options, err));
    assert_int_equal(f->server.n_requests, 4);
    assert_fails(AR_IO, "arcane pull",
                 hub_find(got.path, sizeof got.path, f->url, err));
    f->file.times = 6; /* only two more */
    pulls(f);
    fixture_close(f);
}

void test_hub_download_hangs(void **state) {
    (void)state;
    fixture *f = fixture_open();
    f->file.fault = FAULT_HANG;
    f->file.at = 100;
    f->file.times = 2;
    pulls(f);
    assert_true(fixture_noted(f, "trying again in"));
    fixture_close(f);
}

void test_hub_download_slow(void **state) {
    (void)state;
    fixture *f = fixture_open();
    f->file.fault = FAULT_SLOW;
    f->file.at = 1000;
    pulls(f);
    assert_string_equal(f->notes, "");
    fixture_close(f);
}

/* Stopped in the middle, then resumed: what came is not fetched again. */
void test_hub_download_stops_and_resumes(void **state) {
    (void)state;
    fixture *f = fixture_open();
    hub_pulled got;
    f->file.fault = FAULT_SLOW;
    f->file.at = 1000;
    f->stop_at = 40000;
    assert_fails(AR_CANCELLED, "stopped",
                 hub_pull(&got, f->url, &f->options, err));
    assert_true(has_part(f));
    assert_false(fixture_has(f, place(f, "model.gguf")));
    assert_fails(AR_IO, "not whole yet",
                 hub_find(got.path, sizeof got.path, f->url, err));
    const int64_t before = got.fetched;
    assert_true(before >= 40000 && before < FIXTURE_SIZE);
    f->stop_at = 0;
    f->file.fault = FAULT_NONE;
    assert_ok(hub_pull(&got, f->url, &f->options, err));
    assert_int_equal(got.fetched, FIXTURE_SIZE - before);
    fixture_check(f, place(f, "model.gguf"), f->data, FIXTURE_SIZE);
    assert_string_equal(f->notes, "");
    fixture_close(f);
}

/* ---- a file that changes ---- */

void test_hub_download_changes_between_ranges(void **state) {
    (void)state;
    fixture *f = fixture_open();
    server_file other = f->file;
    char *data = malloc(FIXTURE_SIZE);
    memset(data, 7, FIXTURE_SIZE);
    other.data = data;
    other.etag = "\"two\"";
    /* one server honours If-Range, one sends the range of the new file */
    for (int ignore = 0; ignore < 2; ignore++) {
        f->file.served = 0;
        f->file.until = 5;
        f->file.then = &other;
        other.fault = ignore ? FAULT_IGNORE_IF : FAULT_NONE;
        f->notes[0] = 0;
        hub_pulled got;
        assert_ok(hub_pull(&got, f->url, &f->options, err));
        fixture_check(f, place(f, "model.gguf"), data, FIXTURE_SIZE);
        assert_true(fixture_noted(f, "has changed"));
        assert_ok(hub_remove(f->url, NULL, err));
    }
    fixture_close(f);
    free(data);
}

void test_hub_download_changed_before_resume(void **state) {
    (void)state;
    fixture *f = fixture_open();
    hub_pulled got;
    f->file.fault = FAULT_SLOW;
    f->file.at = 1000;
    f->stop_at = 30000;
    assert_fails(AR_CANCELLED, "", hub_pull(&got, f->url, &f->options, err));
    f->stop_at = 0;
    f->file.fault = FAULT_NONE;
    f->file.etag = "\"two\"";
    f->file.size = FIXTURE_SIZE - 500;
    f->data[0] ^= 1;
    assert_ok(hub_pull(&got, f->url, &f->options, err));
    fixture_check(f, place(f, "model.gguf"), f->data, FIXTURE_SIZE - 500);
    assert_true(fixture_noted(f, "has changed"));
    fixture_close(f);
}

void test_hub_download_changes_always(void **state) {
    (void)state;
    fixture *f = fixture_open();
    hub_pulled got;
    f->options.connections = 1;
    f->file.fault = FAULT_ETAGS;
    assert_fails(AR_IO, "changes all the time",
                 hub_pull(&got, f->url, &f->options, err));
    assert_false(fixture_has(f, place(f, "model.gguf")));
    fixture_close(f);
}

/* ---- servers without ranges ---- */

void test_hub_download_without_ranges(void **state) {
    (void)state;
    static const enum fault faults[] = {FAULT_NO_RANGE, FAULT_NO_LENGTH};
    for (int i = 0; i < 2; i++) {
        fixture *f = fixture_open();
        f->file.fault = faults[i];
        pulls(f);
        assert_int_equal(f->server.n_requests, 1);
        fixture_close(f);
    }
}

/* Ranges are refused from some moment on, also for a part that is there. */
void test_hub_download_loses_ranges(void **state) {
    (void)state;
    fixture *f = fixture_open();
    server_file whole = f->file;
    whole.fault = FAULT_NO_RANGE;
    f->file.until = 4;
    f->file.then = &whole;
    pulls(f);
    assert_true(fixture_noted(f, "sends no ranges"));
    fixture_close(f);
}

void test_hub_download_whole_drops(void **state) {
    (void)state;
    fixture *f = fixture_open();
    server_file dropped = f->file;
    hub_pulled got;
    dropped.fault = FAULT_DROP;
    dropped.at = 5000;
    f->file.until = 1;
    f->file.then = &dropped;
    f->file.fault = FAULT_STATUS;
    f->file.status = 416; /* no range at all: then it is asked for whole */
    f->options.retries = 2;
    assert_fails(AR_IO, "given up after 3 attempts",
                 hub_pull(&got, f->url, &f->options, err));
    dropped.fault = FAULT_NONE;
    pulls(f);
    fixture_close(f);
}

/* ---- lies ---- */

void test_hub_download_too_short(void **state) {
    (void)state;
    fixture *f = fixture_open();
    hub_pulled got;
    f->file.fault = FAULT_SHORT;
    f->file.at = 100;
    f->file.times = 4;
    pulls(f);
    assert_true(fixture_noted(f, "missing at the end"));
    assert_ok(hub_remove(f->url, NULL, err));
    f->file.fault = FAULT_TOTAL; /* more than there is, always */
    f->file.at = 10000;
    f->file.times = 0;
    assert_fails(AR_IO, "", hub_pull(&got, f->url, &f->options, err));
    assert_false(fixture_has(f, place(f, "model.gguf")));
    fixture_close(f);
}

void test_hub_download_too_long(void **state) {
    (void)state;
    fixture *f = fixture_open();
    hub_pulled got;
    f->file.fault = FAULT_LONG;
    f->file.at = 1;
    assert_fails(AR_FORMAT, "more bytes than it announced",
                 hub_pull(&got, f->url, &f->options, err));
    assert_false(fixture_has(f, place(f, "model.gguf")));
    f->file.fault = FAULT_NONE;
    pulls(f);
    fixture_close(f);
}

void test_hub_download_other_range(void **state) {
    (void)state;
    fixture *f = fixture_open();
    hub_pulled got;
    f->file.fault = FAULT_SHIFT;
    f->options.retries = 1;
    assert_fails(AR_IO, "lengths that do not agree",
                 hub_pull(&got, f->url, &f->options, err));
    f->file.served = 0;
    f->file.times = 1;
    pulls(f);
    fixture_close(f);
}

void test_hub_download_wrong_bytes(void **state) {
    (void)state;
    fixture *f = fixture_open();
    hub_pulled got;
    char sum[SHA256_HEX];
    memcpy(sum, sum_of(f->data, FIXTURE_SIZE), sizeof sum);
    f->options.sha256 = sum;
    f->file.fault = FAULT_WRONG;
    assert_fails(AR_FORMAT, sum, hub_pull(&got, f->url, &f->options, err));
    assert_fails(AR_FORMAT, "removed",
                 hub_pull(&got, f->url, &f->options, err));
    assert_false(has_part(f));
    assert_false(fixture_has(f, place(f, "model.gguf")));
    f->file.fault = FAULT_NONE;
    pulls(f);
    /* another sum than that of what is there: it is fetched again */
    f->options.sha256 = sum_of("abc", 3);
    assert_fails(AR_FORMAT, "SHA-256",
                 hub_pull(&got, f->url, &f->options, err));
    fixture_close(f);
}

/* ---- statuses ---- */

void test_hub_download_statuses_that_pass(void **state) {
    (void)state;
    static const int statuses[] = {429, 500, 503, 408};
    for (int i = 0; i < 4; i++) {
        fixture *f = fixture_open();
        f->file.fault = FAULT_STATUS;
        f->file.status = statuses[i];
        f->file.times = 3;
        pulls(f);
        assert_true(fixture_noted(f, "trying again in"));
        fixture_close(f);
    }
}

void test_hub_download_retry_after(void **state) {
    (void)state;
    fixture *f = fixture_open();
    hub_pulled got;
    f->file.fault = FAULT_STATUS;
    f->file.status = 429;
    f->file.times = 1;
    f->file.extra = "Retry-After: 1\r\n";
    pulls(f);
    assert_true(fixture_noted(f, "trying again in 1 s"));
    assert_ok(hub_remove(f->url, NULL, err));
    f->file.served = 0;
    f->file.extra = "Retry-After: 86400\r\n";
    assert_fails(AR_IO, "asks to wait 86400",
                 hub_pull(&got, f->url, &f->options, err));
    fixture_close(f);
}

void test_hub_download_statuses_that_stay(void **state) {
    (void)state;
    static const struct {
        int status;
        const char *word;
    } rows[] = {{401, "refuses (401)"},
                {403, "refuses (403)"},
                {404, "is not there (404)"},
                {410, "is not there (410)"},
                {418, "status 418"}};
    fixture *f = fixture_open();
    hub_pulled got;
    f->file.fault = FAULT_STATUS;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const int before = f->server.n_requests;
        f->file.status = rows[i].status;
        assert_fails(AR_IO, rows[i].word,
                     hub_pull(&got, f->url, &f->options, err));
        assert_int_equal(f->server.n_requests, before + 1);
    }
    fixture_close(f);
}

void test_hub_download_nobody_there(void **state) {
    (void)state;
    fixture *f = fixture_open();
    hub_pulled got;
    char url[200];
    snprintf(url, sizeof url, "%s", f->url);
    server_stop(&f->server);
    assert_fails(AR_IO, "connect", hub_pull(&got, url, &f->options, err));
    free(f);
}

/* ---- redirects ---- */

static server_file sends_to(const char *path, const char *location) {
    return (server_file){
        .path = path, .fault = FAULT_STATUS, .status = 302, .extra = location};
}

void test_hub_download_redirects(void **state) {
    (void)state;
    fixture *f = fixture_open();
    hub_pulled got;
    char url[200];
    server_file there =
                    sends_to("/a/x.gguf", "Location: ../files/model.gguf\r\n"),
                round = sends_to("/a/y.gguf", "Location: /a/y.gguf\r\n"),
                odd = sends_to("/a/z.gguf", "Location: file:///etc/passwd\r\n");
    server_add(&f->server, &there);
    server_add(&f->server, &round);
    server_add(&f->server, &odd);
    snprintf(url, sizeof url, "%s/a/x.gguf", f->server.url);
    assert_ok(hub_pull(&got, url, &f->options, err));
    assert_int_equal(got.bytes, FIXTURE_SIZE);
    snprintf(url, sizeof url, "%s/a/y.gguf", f->server.url);
    assert_fails(AR_FORMAT, "times", hub_pull(&got, url, &f->options, err));
    snprintf(url, sizeof url, "%s/a/z.gguf", f->server.url);
    assert_fails(AR_FORMAT, "not to a URL",
                 hub_pull(&got, url, &f->options, err));
    fixture_close(f);
}

/* The token goes to the endpoint and to no other host, not even to another
 * port of the same. */
void test_hub_download_token_stays(void **state) {
    (void)state;
    fixture *f = fixture_open(), *g = fixture_open();
    hub_pulled got;
    char url[200], location[300];
    snprintf(location, sizeof location, "Location: %s\r\n", g->url);
    server_file there = sends_to("/a/x.gguf", location);
    server_add(&f->server, &there);
    setenv("HF_TOKEN", " hf_secret\n", 1);
    snprintf(url, sizeof url, "%s/a/x.gguf", f->server.url);
    assert_ok(hub_pull(&got, url, &f->options, err));
    assert_true(fixture_tokens(&f->server, "Bearer hf_secret") >= 13);
    assert_true(g->server.n_requests >= 13);
    assert_int_equal(fixture_tokens(&g->server, "hf_secret"), 0);
    /* nor to a server that is not the endpoint in the first place */
    assert_ok(hub_pull(&got, g->url, &f->options, err));
    assert_int_equal(fixture_tokens(&g->server, "hf_secret"), 0);
    setenv("HF_TOKEN", "two words", 1);
    assert_fails(AR_USAGE, "HF_TOKEN",
                 hub_pull(&got, f->url, &f->options, err));
    fixture_close(f);
    fixture_close(g);
}

/* ---- the disk ---- */

/* No file may be larger than some bytes: as a full disk, but for others. */
void test_hub_download_disk_full(void **state) {
    (void)state;
    fixture *f = fixture_open();
    hub_pulled got;
    struct rlimit old, limit;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    limit = old;
    limit.rlim_cur = 50000;
    f->options.connections = 1;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    ar_error why = {0};
    const ar_status s = hub_pull(&got, f->url, &f->options, &why);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(s, AR_IO);
    assert_non_null(strstr(why.message, "File too large; what came is kept"));
    const int64_t before = got.fetched;
    assert_ok(hub_pull(&got, f->url, &f->options, err));
    assert_true(got.fetched <= FIXTURE_SIZE - before + 1000);
    fixture_check(f, place(f, "model.gguf"), f->data, FIXTURE_SIZE);
    fixture_close(f);
}

/* What lies beside a part may be anything. */
void test_hub_download_damaged_state(void **state) {
    (void)state;
    static const char *const texts[] = {"", "{", "{}", "[1]", "\xff"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        fixture *f = fixture_open();
        hub_pulled got;
        char path[800];
        f->file.fault = FAULT_SLOW;
        f->file.at = 1000;
        f->stop_at = 30000;
        assert_fails(AR_CANCELLED, "",
                     hub_pull(&got, f->url, &f->options, err));
        f->stop_at = 0;
        f->file.fault = FAULT_NONE;
        snprintf(path, sizeof path, "%s/models/%s", f->home,
                 place(f, ".model.gguf.part.json"));
        assert_ok(file_replace(path, texts[i], strlen(texts[i]), err));
        pulls(f);
        assert_true(fixture_noted(f, "does not fit"));
        fixture_close(f);
    }
}

void test_hub_download_options(void **state) {
    (void)state;
    fixture *f = fixture_open();
    hub_pulled got;
    hub_options o = f->options;
    o.connections = 17;
    assert_fails(AR_USAGE, "connections", hub_pull(&got, f->url, &o, err));
    o = f->options;
    o.sha256 = "abc";
    assert_fails(AR_USAGE, "sha256", hub_pull(&got, f->url, &o, err));
    o = f->options;
    o.endpoint = "ftp://x";
    assert_fails(AR_USAGE, "HF_ENDPOINT", hub_pull(&got, f->url, &o, err));
    assert_int_equal(f->server.n_requests, 0);
    fixture_close(f);
}
