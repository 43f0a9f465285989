/* test_hub_pull.c - models of a repository: fetched, found, listed, removed. */
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "tests/hub/fixture.h"

#define COMMIT "0123456789abcdef0123456789abcdef01234567"
#define NEXT "89abcdef0123456789abcdef0123456789abcdef"
#define BELOW "/o/n/resolve/" COMMIT "/"
#define AFTER "/o/n/resolve/" NEXT "/"

/* The repository o/n of the fixture's server. */
typedef struct repository {
    server_file list, file[10];
    char *answer[2];
    int n;
} repository;

static void add_file(fixture *f, repository *r, const char *path, size_t from,
                     size_t size) {
    r->file[r->n] = (server_file){
        .path = path, .data = f->data + from, .size = size, .etag = "\"e\""};
    server_add(&f->server, &r->file[r->n++]);
}

static void set_list(repository *r, int at, const char *commit, int first) {
    server_file *listed[10];
    for (int i = first; i < r->n; i++) listed[i - first] = &r->file[i];
    r->answer[at] = server_listing("o/n", commit, listed, r->n - first);
    assert_non_null(r->answer[at]);
    r->list.data = r->answer[at];
    r->list.size = strlen(r->answer[at]);
}

static void publish(fixture *f, repository *r) {
    set_list(r, 0, COMMIT, 0);
    r->list.path = "/api/models/o/n/revision/main";
    server_add(&f->server, &r->list);
}

static fixture *open_safetensors(repository *r) {
    fixture *f = fixture_open();
    *r = (repository){.n = 0};
    add_file(f, r, BELOW "config.json", 0, 300);
    add_file(f, r, BELOW "model-00001-of-00002.safetensors", 1000, 20000);
    add_file(f, r, BELOW "model-00002-of-00002.safetensors", 30000, 15000);
    add_file(f, r, BELOW "model.safetensors.index.json", 400, 100);
    add_file(f, r, BELOW "pytorch_model.bin", 0, 50000);
    add_file(f, r, BELOW "tokenizer.json", 700, 250);
    publish(f, r);
    return f;
}

static fixture *open_gguf(repository *r) {
    fixture *f = fixture_open();
    *r = (repository){.n = 0};
    add_file(f, r, BELOW "m-Q4_K_M.gguf", 0, 20000);
    add_file(f, r, BELOW "m-Q8_0.gguf", 100, 30000);
    add_file(f, r, BELOW "x/m-F16-00001-of-00002.gguf", 200, 10000);
    add_file(f, r, BELOW "x/m-F16-00002-of-00002.gguf", 300, 10001);
    publish(f, r);
    return f;
}

static void close_all(fixture *f, repository *r) {
    fixture_close(f);
    free(r->answer[0]);
    free(r->answer[1]);
}

/* hub_find gives this path below models. */
static void finds(const fixture *f, const char *name, const char *path) {
    char found[4096], want[800];
    assert_ok(hub_find(found, sizeof found, name, err));
    snprintf(want, sizeof want, "%s/models/%s", f->home, path);
    assert_string_equal(found, want);
}

static void finds_not(const char *name, const char *word) {
    char found[4096];
    assert_fails(AR_IO, word, hub_find(found, sizeof found, name, err));
}

void test_hub_pull_safetensors(void **state) {
    (void)state;
    repository r;
    fixture *f = open_safetensors(&r);
    hub_pulled got;
    finds_not("hf:o/n", "is not here; fetch it: arcane pull hf:o/n");
    assert_ok(hub_pull(&got, "hf:o/n", &f->options, err));
    assert_int_equal(got.files, 5);
    assert_int_equal(got.bytes, 35650);
    assert_int_equal(got.fetched, 35650);
    assert_string_equal(got.commit, COMMIT);
    finds(f, "hf:o/n", "hf/o/n");
    finds(f, "hf:o/n:tokenizer.json", "hf/o/n/tokenizer.json");
    fixture_check(f, "hf/o/n/config.json", f->data, 300);
    fixture_check(f, "hf/o/n/model-00001-of-00002.safetensors", f->data + 1000,
                  20000);
    fixture_check(f, "hf/o/n/model-00002-of-00002.safetensors", f->data + 30000,
                  15000);
    assert_false(fixture_has(f, "hf/o/n/pytorch_model.bin"));
    assert_int_equal(f->last_done, 35650);
    assert_int_equal(f->last_total, 35650);
    /* again: only the list is asked for */
    const int before = f->server.n_requests;
    assert_ok(hub_pull(&got, "hf:o/n", &f->options, err));
    assert_int_equal(got.fetched, 0);
    assert_int_equal(f->server.n_requests, before + 1);
    close_all(f, &r);
}

/* A file that was lost or cut since is fetched again. */
void test_hub_pull_mends(void **state) {
    (void)state;
    repository r;
    fixture *f = open_safetensors(&r);
    hub_pulled got;
    char path[800];
    assert_ok(hub_pull(&got, "hf:o/n", &f->options, err));
    snprintf(path, sizeof path, "%s/models/hf/o/n/config.json", f->home);
    assert_int_equal(truncate(path, 200), 0);
    assert_ok(hub_pull(&got, "hf:o/n", &f->options, err));
    assert_int_equal(got.fetched, 300);
    assert_int_equal(unlink(path), 0);
    finds_not("hf:o/n", "is not whole yet");
    assert_ok(hub_pull(&got, "hf:o/n", &f->options, err));
    assert_int_equal(got.fetched, 300);
    finds(f, "hf:o/n", "hf/o/n");
    close_all(f, &r);
}

/* A model of which one file failed is not whole; the next call goes on. */
void test_hub_pull_in_two_calls(void **state) {
    (void)state;
    repository r;
    fixture *f = open_safetensors(&r);
    hub_pulled got;
    r.file[2].fault = FAULT_DROP;
    r.file[2].at = 10;
    f->options.retries = 0;
    f->options.connections = 1;
    assert_fails(AR_IO, "given up", hub_pull(&got, "hf:o/n", &f->options, err));
    assert_int_equal(got.fetched, 300 + 20000 + 10);
    finds_not("hf:o/n", "is not whole yet");
    r.file[2].fault = FAULT_NONE;
    f->options.retries = 3;
    const int64_t before = got.fetched;
    assert_ok(hub_pull(&got, "hf:o/n", &f->options, err));
    assert_int_equal(got.fetched, 35650 - before);
    fixture_check(f, "hf/o/n/model-00002-of-00002.safetensors", f->data + 30000,
                  15000);
    close_all(f, &r);
}

/* The repository got a new commit: one file is another, one is gone. */
void test_hub_pull_new_commit(void **state) {
    (void)state;
    repository r;
    fixture *f = open_safetensors(&r);
    hub_pulled got;
    assert_ok(hub_pull(&got, "hf:o/n", &f->options, err));
    const int first = r.n;
    add_file(f, &r, AFTER "config.json", 5, 300);
    add_file(f, &r, AFTER "model.safetensors", 1000, 35000);
    add_file(f, &r, AFTER "tokenizer.json", 700, 250);
    set_list(&r, 1, NEXT, first);
    assert_ok(hub_pull(&got, "hf:o/n", &f->options, err));
    assert_string_equal(got.commit, NEXT);
    assert_int_equal(got.fetched, 35300); /* the tokenizer is as it was */
    fixture_check(f, "hf/o/n/config.json", f->data + 5, 300);
    assert_false(fixture_has(f, "hf/o/n/model.safetensors.index.json"));
    assert_false(fixture_has(f, "hf/o/n/model-00001-of-00002.safetensors"));
    finds(f, "hf:o/n", "hf/o/n");
    close_all(f, &r);
}

void test_hub_pull_gguf(void **state) {
    (void)state;
    repository r;
    fixture *f = open_gguf(&r);
    hub_pulled got;
    assert_ok(hub_pull(&got, "hf:o/n:q8_0", &f->options, err));
    finds(f, "hf:o/n:Q8_0", "hf/o/n/m-Q8_0.gguf");
    finds(f, "hf:o/n", "hf/o/n/m-Q8_0.gguf"); /* the only one that is there */
    finds_not("hf:o/n:Q4_K_M", "arcane pull hf:o/n:Q4_K_M");
    assert_ok(hub_pull(&got, "hf:o/n:f16", &f->options, err));
    assert_int_equal(got.files, 2);
    finds(f, "hf:o/n:F16", "hf/o/n/x/m-F16-00001-of-00002.gguf");
    fixture_check(f, "hf/o/n/x/m-F16-00002-of-00002.gguf", f->data + 300,
                  10001);
    assert_ok(hub_pull(&got, "hf:o/n", &f->options, err));
    finds(f, "hf:o/n", "hf/o/n/m-Q4_K_M.gguf");
    assert_fails(AR_IO, "has no file \"Q2_K\"",
                 hub_pull(&got, "hf:o/n:Q2_K", &f->options, err));
    close_all(f, &r);
}

/* Another revision has a folder of its own. */
void test_hub_pull_revision(void **state) {
    (void)state;
    repository r;
    fixture *f = open_gguf(&r);
    hub_pulled got;
    server_file list = r.list;
    list.path = "/api/models/o/n/revision/refs%2Fpr%2F1";
    server_add(&f->server, &list);
    assert_ok(hub_pull(&got, "hf:o/n@refs/pr/1:Q8_0", &f->options, err));
    finds(f, "hf:o/n@refs/pr/1", "hf/o/n@refs~pr~1/m-Q8_0.gguf");
    finds_not("hf:o/n:Q8_0", "is not here");
    close_all(f, &r);
}

/* ---- what hubs say ---- */

void test_hub_pull_wrong_bytes(void **state) {
    (void)state;
    repository r;
    fixture *f = open_gguf(&r);
    hub_pulled got;
    r.file[1].fault = FAULT_WRONG;
    assert_fails(AR_FORMAT, "SHA-256",
                 hub_pull(&got, "hf:o/n:Q8_0", &f->options, err));
    assert_false(fixture_has(f, "hf/o/n/m-Q8_0.gguf"));
    assert_false(fixture_has(f, "hf/o/n/.m-Q8_0.gguf.part"));
    /* a file shorter, or longer, than the list says */
    r.file[1].fault = FAULT_NONE;
    r.file[1].size -= 1;
    f->options.retries = 1;
    assert_fails(AR_IO, "lengths that do not agree",
                 hub_pull(&got, "hf:o/n:Q8_0", &f->options, err));
    r.file[1].size += 2;
    assert_fails(AR_IO, "lengths that do not agree",
                 hub_pull(&got, "hf:o/n:Q8_0", &f->options, err));
    r.file[1].fault = FAULT_NO_RANGE;
    assert_fails(AR_IO, "lengths that do not agree",
                 hub_pull(&got, "hf:o/n:Q8_0", &f->options, err));
    finds_not("hf:o/n:Q8_0", "is not whole yet");
    close_all(f, &r);
}

/* The hub sends to another host for the bytes; the token stays with it. */
void test_hub_pull_redirected(void **state) {
    (void)state;
    repository r;
    fixture *f = open_gguf(&r), *cdn = fixture_open();
    hub_pulled got;
    char location[300];
    server_file there = r.file[1];
    setenv("ARCANE_HOME", f->home, 1);
    setenv("HUGGING_FACE_HUB_TOKEN", "hf_secret", 1);
    there.path = "/blob";
    server_add(&cdn->server, &there);
    snprintf(location, sizeof location, "Location: %s/blob?signed=1\r\n",
             cdn->server.url);
    r.file[1].fault = FAULT_STATUS;
    r.file[1].status = 302;
    r.file[1].extra = location;
    assert_ok(hub_pull(&got, "hf:o/n:Q8_0", &f->options, err));
    fixture_check(f, "hf/o/n/m-Q8_0.gguf", f->data + 100, 30000);
    assert_true(cdn->server.n_requests > 0);
    assert_int_equal(fixture_tokens(&cdn->server, "hf_secret"), 0);
    assert_int_equal(fixture_tokens(&f->server, "hf_secret"),
                     f->server.n_requests);
    /* a signed link that is too old: the next attempt gets a new one */
    assert_ok(hub_remove("hf:o/n", NULL, err));
    there.fault = FAULT_STATUS;
    there.status = 403;
    there.served = 0;
    there.times = 1;
    assert_ok(hub_pull(&got, "hf:o/n:Q8_0", &f->options, err));
    fixture_close(cdn);
    close_all(f, &r);
}

void test_hub_pull_refused(void **state) {
    (void)state;
    static const struct {
        int status;
        const char *extra, *token, *word;
    } rows[] = {
        {401, "", NULL, "needs a token in HF_TOKEN (401)"},
        {401, "", "hf_x", "the token has no access to it (401)"},
        {401, "X-Error-Code: GatedRepo\r\n", NULL, "then set HF_TOKEN"},
        {403, "X-Error-Code: GatedRepo\r\n", "hf_x", "ask for it at http"},
        {403, "", "hf_x", "no access"},
        {404, "X-Error-Code: RepoNotFound\r\n", NULL, "RepoNotFound"},
        {404, "X-Error-Code: RevisionNotFound\r\n", NULL, "RevisionNotFound"},
        {400, "", NULL, "status 400"},
    };
    repository r;
    fixture *f = open_gguf(&r);
    hub_pulled got;
    r.list.fault = FAULT_STATUS;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        r.list.status = rows[i].status;
        r.list.extra = rows[i].extra;
        if (rows[i].token)
            setenv("HF_TOKEN", rows[i].token, 1);
        else
            unsetenv("HF_TOKEN");
        const int before = f->server.n_requests;
        assert_fails(AR_IO, rows[i].word,
                     hub_pull(&got, "hf:o/n", &f->options, err));
        assert_int_equal(f->server.n_requests, before + 1);
    }
    unsetenv("HF_TOKEN");
    /* the list is public, the file is gated */
    r.list.fault = FAULT_NONE;
    r.file[0].fault = FAULT_STATUS;
    r.file[0].status = 401;
    r.file[0].extra = "X-Error-Code: GatedRepo\r\n";
    assert_fails(AR_IO, "/o/n, then set HF_TOKEN",
                 hub_pull(&got, "hf:o/n", &f->options, err));
    close_all(f, &r);
}

void test_hub_pull_busy_hub(void **state) {
    (void)state;
    static const int statuses[] = {429, 503, 500};
    for (int i = 0; i < 3; i++) {
        repository r;
        fixture *f = open_gguf(&r);
        hub_pulled got;
        r.list.fault = FAULT_STATUS;
        r.list.status = statuses[i];
        r.list.times = 3;
        f->options.retries = 2;
        assert_fails(AR_IO, i ? "has an error" : "too many requests",
                     hub_pull(&got, "hf:o/n", &f->options, err));
        assert_int_equal(server_count(&f->server, "/api/"), 3);
        assert_ok(hub_pull(&got, "hf:o/n", &f->options, err));
        close_all(f, &r);
    }
}

void test_hub_pull_broken_list(void **state) {
    (void)state;
    repository r;
    fixture *f = open_gguf(&r);
    hub_pulled got;
    r.list.fault = FAULT_DROP;
    r.list.at = 30;
    r.list.times = 2;
    assert_ok(hub_pull(&got, "hf:o/n", &f->options, err));
    r.list.fault = FAULT_NONE;
    r.list.size -= 10;
    assert_fails(AR_FORMAT, "not valid JSON",
                 hub_pull(&got, "hf:o/n", &f->options, err));
    r.list.data = "{\"sha\": \"" COMMIT
                  "\", \"siblings\": [{\"rfilename\": \"../../x.gguf\"}]}";
    r.list.size = strlen(r.list.data);
    assert_fails(AR_FORMAT, "refused",
                 hub_pull(&got, "hf:o/n", &f->options, err));
    /* an answer that never ends */
    char *much = calloc(1, 40 << 20);
    memset(much, ' ', 40 << 20);
    r.list.data = much;
    r.list.size = 40 << 20;
    assert_fails(AR_FORMAT, "more than",
                 hub_pull(&got, "hf:o/n", &f->options, err));
    close_all(f, &r);
    free(much);
}

void test_hub_pull_unreachable(void **state) {
    (void)state;
    repository r;
    fixture *f = open_gguf(&r);
    hub_pulled got;
    server_stop(&f->server);
    assert_fails(AR_IO, "scripts/models",
                 hub_pull(&got, "hf:o/n", &f->options, err));
    assert_true(server_start(&f->server));
    close_all(f, &r);
}

/* Every allocation fails in turn; the work goes on with the next call. */
void test_hub_pull_alloc(void **state) {
    (void)state;
    repository r;
    fixture *f = open_gguf(&r);
    hub_pulled got;
    ar_status s = AR_NOMEM;
    int64_t fetched = 0;
    for (int n = 1; s != AR_OK; n++) {
        ar_error why = {0};
        assert_true(n < 400);
        mem_fail_at(n, 1);
        s = hub_pull(&got, "hf:o/n:Q4_K_M", &f->options, &why);
        mem_fail_at(0, 0);
        fetched += got.fetched;
        if (s != AR_OK && s != AR_NOMEM)
            fail_msg("allocation %d: %s", n, why.message);
    }
    fixture_check(f, "hf/o/n/m-Q4_K_M.gguf", f->data, 20000);
    assert_true(fetched >= 20000);
    close_all(f, &r);
}

/* ---- one at a time ---- */

void test_hub_pull_locked(void **state) {
    (void)state;
    repository r;
    fixture *f = open_gguf(&r);
    hub_pulled got;
    int lock;
    char path[800];
    assert_ok(hub_pull(&got, "hf:o/n:Q8_0", &f->options, err));
    snprintf(path, sizeof path, "%s/models/hf/o/n/.lock", f->home);
    assert_ok(file_lock(&lock, path, "busy", err));
    assert_fails(AR_IO, "another process",
                 hub_pull(&got, "hf:o/n", &f->options, err));
    assert_fails(AR_IO, "is being fetched", hub_remove("hf:o/n", NULL, err));
    file_unlock(lock);
    assert_ok(hub_pull(&got, "hf:o/n", &f->options, err));
    close_all(f, &r);
}

/* ---- what is there ---- */

static const hub_model *model_of(const hub_list *l, const char *name) {
    for (int i = 0; i < l->n; i++)
        if (!strcmp(l->model[i].name, name)) return &l->model[i];
    fail_msg("%s is not listed", name);
    return NULL;
}

void test_hub_list_and_remove(void **state) {
    (void)state;
    repository r;
    fixture *f = open_gguf(&r);
    hub_pulled got;
    hub_list l;
    int64_t bytes;
    assert_ok(hub_list_open(&l, err));
    assert_int_equal(l.n, 0);
    hub_list_close(&l);
    assert_ok(hub_pull(&got, "hf:o/n:Q8_0", &f->options, err));
    assert_ok(hub_pull(&got, "hf:o/n:F16", &f->options, err));
    assert_ok(hub_pull(&got, f->url, &f->options, err));
    f->last_done = 0;
    r.file[0].fault = FAULT_SLOW;
    r.file[0].at = 1000;
    f->stop_at = 9000; /* and one that is not whole */
    assert_fails(AR_CANCELLED, "", hub_pull(&got, "hf:o/n", &f->options, err));
    assert_ok(hub_list_open(&l, err));
    assert_int_equal(l.n, 4);
    assert_int_equal(model_of(&l, "hf:o/n:m-Q8_0.gguf")->bytes, 30000);
    assert_int_equal(model_of(&l, "hf:o/n:x/m-F16-00001-of-00002.gguf")->bytes,
                     20001);
    assert_int_equal(model_of(&l, f->url)->bytes, FIXTURE_SIZE);
    const hub_model *part = model_of(&l, "hf:o/n:m-Q4_K_M.gguf");
    assert_false(part->whole);
    assert_true(part->bytes >= 9000 && part->bytes < 20000);
    assert_int_equal(part->whole_bytes, 20000);
    for (int i = 0; i < l.n; i++) {
        assert_true(l.model[i].changed > 1600000000);
        if (l.model[i].whole) {
            char found[4096];
            assert_ok(hub_find(found, sizeof found, l.model[i].name, err));
            assert_string_equal(found, l.model[i].path);
        }
    }
    hub_list_close(&l);

    assert_ok(hub_remove("hf:o/n:F16", &bytes, err));
    assert_int_equal(bytes, 20001);
    assert_false(fixture_has(f, "hf/o/n/x/m-F16-00001-of-00002.gguf"));
    assert_true(fixture_has(f, "hf/o/n/m-Q8_0.gguf"));
    assert_fails(AR_IO, "", hub_remove("hf:o/n:F16", NULL, err));
    assert_ok(hub_remove("hf:o/n", &bytes, err));
    assert_true(bytes >= 39000);
    assert_false(fixture_has(f, "hf/o"));
    assert_ok(hub_remove(f->url, &bytes, err));
    assert_int_equal(bytes, FIXTURE_SIZE);
    assert_ok(hub_list_open(&l, err));
    assert_int_equal(l.n, 0);
    hub_list_close(&l);
    close_all(f, &r);
}

/* A folder of safetensors is one row, whatever else came from there. */
void test_hub_list_of_a_folder(void **state) {
    (void)state;
    repository r;
    fixture *f = open_safetensors(&r);
    hub_pulled got;
    hub_list l;
    assert_ok(hub_pull(&got, "hf:o/n", &f->options, err));
    assert_ok(hub_pull(&got, "hf:o/n:pytorch_model.bin", &f->options, err));
    assert_ok(hub_list_open(&l, err));
    assert_int_equal(l.n, 2);
    assert_string_equal(l.model[0].name, "hf:o/n");
    assert_int_equal(l.model[0].bytes, 35650);
    assert_string_equal(l.model[1].name, "hf:o/n:pytorch_model.bin");
    hub_list_close(&l);
    close_all(f, &r);
}

/* Names that lead elsewhere, and folders that are not ours. */
void test_hub_remove_refuses(void **state) {
    (void)state;
    fixture *f = fixture_open();
    char path[800];
    snprintf(path, sizeof path, "%s/models/hf/o/mine", f->home);
    assert_ok(file_make_folder(path, err));
    assert_fails(AR_IO, "is not here", hub_remove("hf:o/mine", NULL, err));
    assert_true(file_is_folder(path));
    assert_fails(AR_USAGE, "", hub_remove("hf:o/../x", NULL, err));
    assert_fails(AR_USAGE, "", hub_remove(path, NULL, err));
    assert_fails(AR_USAGE, "", hub_remove("..", NULL, err));
    fixture_close(f);
}

/* A query is no part of the place; what came from another is not overwritten.
 */
void test_hub_pull_same_place(void **state) {
    (void)state;
    fixture *f = fixture_open();
    hub_pulled got;
    char url[300];
    snprintf(url, sizeof url, "%s?download=1", f->url);
    assert_ok(hub_pull(&got, url, &f->options, err));
    assert_fails(AR_IO, "arcane remove it first",
                 hub_pull(&got, f->url, &f->options, err));
    assert_ok(hub_remove(f->url, NULL, err));
    assert_ok(hub_pull(&got, f->url, &f->options, err));
    fixture_close(f);
}

void test_hub_models_folder(void **state) {
    (void)state;
    fixture *f = fixture_open();
    char path[600], want[600];
    unsetenv("ARCANE_HOME");
    setenv("XDG_CACHE_HOME", "/x", 1);
    assert_ok(hub_models_folder(path, sizeof path, err));
    assert_string_equal(path, "/x/arcane/models");
    unsetenv("XDG_CACHE_HOME");
    assert_ok(hub_models_folder(path, sizeof path, err));
#ifdef __APPLE__
    snprintf(want, sizeof want, "%s/Library/Caches/arcane/models", f->home);
#else
    snprintf(want, sizeof want, "%s/.cache/arcane/models", f->home);
#endif
    assert_string_equal(path, want);
    assert_fails(AR_RANGE, "too long", hub_models_folder(path, 10, err));
    fixture_close(f);
}
