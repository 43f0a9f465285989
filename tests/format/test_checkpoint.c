/* test_checkpoint.c - checkpoints are whole or not there. */
#include "tests/test.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "format/checkpoint.h"

enum { N = 5000 };

/* A checkpoint whose every byte follows from the step. */
static ar_status save(const char *run, int64_t step, int keep, ar_error *err) {
    static float w[N], m[N];
    char config[64];
    for (int i = 0; i < N; i++) {
        w[i] = (float)(step * 3 + i);
        m[i] = (float)(step * 5 - i);
    }
    const tensor_view model[] = {
        {"w", AR_F32, shape2(N / 50, 50), w, sizeof w}};
    const tensor_view other[] = {
        {"w.m", AR_F32, shape1(N), m, sizeof m},
        {"step", AR_I64, {0}, &step, sizeof step},
    };
    const checkpoint_file files[] = {{"model.safetensors", 1, model},
                                     {"optimizer.safetensors", 2, other}};
    snprintf(config, sizeof config, "{\"step\": %d}\n", (int)step);
    const char *const extra[] = {"config.json", config, NULL};
    json_t *state =
        json_pack("{s:I, s:f, s:{s:[i, i]}}", "step", (json_int_t)step, "rate",
                  0.1 * (double)step, "data", "rows", 1, 2);
    const ar_status s =
        checkpoint_save(run, step, files, 2, extra, state, keep, err);
    json_decref(state);
    return s;
}

/* The step of the checkpoint found, all of whose contents are checked. */
static int64_t found(const char *run, int *skipped) {
    char path[500], file[600];
    json_t *state;
    st_file *f;
    assert_ok(checkpoint_find(run, path, sizeof path, &state, skipped, err));
    const int64_t step = json_integer_value(json_object_get(state, "step"));
    assert_true(json_real_value(json_object_get(state, "rate")) ==
                0.1 * (double)step);
    snprintf(file, sizeof file, "%s/model.safetensors", path);
    assert_ok(st_open(&f, file, err));
    const float *w = st_find(f, "w")->data;
    for (int i = 0; i < N; i++) assert_true(w[i] == (float)(step * 3 + i));
    st_close(f);
    snprintf(file, sizeof file, "%s/optimizer.safetensors", path);
    assert_ok(st_open(&f, file, err));
    assert_memory_equal(st_find(f, "step")->data, &step, sizeof step);
    st_close(f);
    json_decref(state);
    return step;
}

static int count_steps(const char *run) {
    file_list l;
    int n = 0;
    assert_ok(file_list_open(&l, run, err));
    for (size_t i = 0; i < l.n; i++) {
        n += !strncmp(l.names[i], "step-", 5);
        assert_null(strstr(l.names[i], "tmp-"));
    }
    file_list_close(&l);
    return n;
}

void test_checkpoint_keep(void **state) {
    (void)state;
    char run[400], path[500], found_path[500];
    json_t *s;
    snprintf(run, sizeof run, "%s/runs/a", test_folder());
    assert_fails(AR_IO, "runs/a",
                 checkpoint_find(run, path, sizeof path, &s, NULL, err));
    assert_null(s);
    assert_ok(file_make_folder(run, err));
    assert_fails(AR_IO, "no checkpoint",
                 checkpoint_find(run, path, sizeof path, &s, NULL, err));
    for (int step = 10; step <= 50; step += 10) {
        assert_ok(save(run, step, 3, err));
        assert_int_equal(found(run, NULL), step);
        assert_int_equal(count_steps(run), step < 30 ? step / 10 : 3);
    }
    assert_ok(save(run, 50, 3, err)); /* the same step again */
    assert_int_equal(found(run, NULL), 50);
    assert_int_equal(count_steps(run), 3);
    /* the folder of a checkpoint is one, too */
    snprintf(path, sizeof path, "%s/step-00000040", run);
    assert_int_equal(found(path, NULL), 40);
    assert_ok(
        checkpoint_find(path, found_path, sizeof found_path, &s, NULL, err));
    assert_string_equal(path, found_path);
    json_decref(s);
    assert_fails(AR_RANGE, "long",
                 checkpoint_find(run, path, 5, &s, NULL, err));
    /* gone back: what was written last counts, and is what is kept */
    assert_ok(save(run, 20, 2, err));
    assert_int_equal(found(run, NULL), 20);
    assert_int_equal(count_steps(run), 2);
    assert_ok(save(run, 30, 0, err));
    assert_int_equal(count_steps(run), 3);
}

void test_checkpoint_leftovers(void **state) {
    (void)state;
    char run[400], path[500];
    snprintf(run, sizeof run, "%s", test_folder());
    assert_ok(save(run, 1, 5, err));
    snprintf(path, sizeof path, "%s/tmp-step-00000002", run);
    assert_ok(file_make_folder(path, err));
    snprintf(path, sizeof path, "%s/tmp-step-00000002/model.safetensors", run);
    assert_ok(file_replace(path, "half", 4, err));
    assert_int_equal(found(run, NULL), 1);
    /* killed between the two renames of a step that is saved again */
    char old[500];
    snprintf(path, sizeof path, "%s/step-00000001", run);
    snprintf(old, sizeof old, "%s/old-step-00000001", run);
    assert_ok(file_rename(path, old, err));
    assert_int_equal(found(run, NULL), 1);
    assert_ok(save(run, 1, 5, err));
    assert_int_equal(count_steps(run), 1);
    assert_false(file_exists(old));
}

/* Change a file: cut to n bytes if n >= 0, flip a bit of byte -n - 1 if not. */
static void damage(const char *path, int64_t n) {
    char *p;
    size_t size;
    assert_ok(file_read(path, 1 << 24, &p, &size, err));
    if (n >= 0)
        size = (size_t)n;
    else
        p[-n - 1] = (char)(p[-n - 1] ^ 16);
    assert_ok(file_replace(path, p, size, err));
    mem_free(p);
}

void test_checkpoint_damaged(void **state) {
    (void)state;
    static const struct {
        const char *file;
        int64_t how;
    } cases[] = {
        {"model.safetensors", 1000},  {"model.safetensors", -5000},
        {"optimizer.safetensors", 0}, {"optimizer.safetensors", -9},
        {"config.json", -3},          {"state.json", 20},
        {"state.json", 100},          {"state.json", -5},
        {"state.json", -200},         {"state.json", -12},
        {"config.json", INT64_MIN},   {"state.json", INT64_MIN},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char run[400], path[600], where[500];
        json_t *s;
        int skipped = 0;
        snprintf(run, sizeof run, "%s", test_folder());
        assert_ok(save(run, 7, 5, err));
        assert_ok(save(run, 8, 5, err));
        assert_ok(save(run, 9, 5, err));
        for (int step = 9; step >= 8; step--) {
            snprintf(path, sizeof path, "%s/step-0000000%d/%s", run, step,
                     cases[i].file);
            if (cases[i].how == INT64_MIN)
                assert_ok(file_remove(path, err));
            else
                damage(path, cases[i].how);
        }
        assert_int_equal(found(run, &skipped), 7);
        assert_int_equal(skipped, 2);
        snprintf(path, sizeof path, "%s/step-00000007", run);
        assert_ok(file_remove(path, err));
        assert_fails(AR_FORMAT, "none of 2 checkpoints",
                     checkpoint_find(run, where, sizeof where, &s, NULL, err));
        assert_fails(AR_FORMAT, cases[i].file,
                     checkpoint_find(run, where, sizeof where, &s, NULL, err));
        assert_null(s);
        /* the run goes on from here */
        assert_ok(save(run, 8, 1, err));
        assert_int_equal(found(run, &skipped), 8);
    }
}

/* `latest` is a hint: without it, or with nonsense, the newest is found. */
void test_checkpoint_latest(void **state) {
    (void)state;
    char run[400], path[500];
    snprintf(run, sizeof run, "%s", test_folder());
    for (int step = 1; step <= 3; step++) assert_ok(save(run, step, 9, err));
    snprintf(path, sizeof path, "%s/latest", run);
    assert_ok(file_replace(path, "step-00000002\n", 14, err));
    assert_int_equal(found(run, NULL), 2);
    assert_ok(file_replace(path, "../../etc\n", 10, err));
    assert_int_equal(found(run, NULL), 3);
    assert_ok(file_remove(path, err));
    assert_int_equal(found(run, NULL), 3);
}

static void save_until_killed(const char *run, int64_t step) {
    for (;; step++) {
        ar_error err;
        /* every third step twice, so that folders are replaced, too */
        if (save(run, step, 2, &err) != AR_OK ||
            (step % 3 == 0 && save(run, step, 2, &err) != AR_OK))
            _exit(1);
    }
}

void test_checkpoint_killed(void **state) {
    (void)state;
    char run[400];
    snprintf(run, sizeof run, "%s", test_folder());
    assert_ok(save(run, 1, 2, err));
    int64_t step = 1;
    for (uint64_t i = 0; i < 30; i++) {
        const pid_t pid = fork();
        assert_true(pid >= 0);
        if (!pid) save_until_killed(run, step + 1);
        usleep((useconds_t)(rng_uniform(5, 1, i) * 60000));
        assert_int_equal(kill(pid, SIGKILL), 0);
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        const int64_t now = found(run, NULL);
        assert_true(now >= step);
        step = now;
    }
    assert_true(step > 1);
    assert_ok(save(run, step + 1, 2, err));
    assert_int_equal(count_steps(run), 2);
}

/* What a full disk does, with a limit on the size of files. */
void test_checkpoint_full_disk(void **state) {
    (void)state;
    char run[400];
    snprintf(run, sizeof run, "%s", test_folder());
    assert_ok(save(run, 1, 2, err));
    for (rlim_t limit = 0; limit < 40000; limit += 3000) {
        const pid_t pid = fork();
        assert_true(pid >= 0);
        if (!pid) {
            ar_error err = {0};
            signal(SIGXFSZ, SIG_IGN);
            setrlimit(RLIMIT_FSIZE, &(struct rlimit){limit, limit});
            const ar_status s = save(run, 2, 2, &err);
            const int said =
                strstr(err.message, run) && strstr(err.message, "too large");
            _exit(s == AR_IO && said ? 0 : s == AR_OK ? 2 : 1);
        }
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        if (limit < 20000) assert_int_equal(WEXITSTATUS(status), 0);
        assert_int_not_equal(WEXITSTATUS(status), 1);
        assert_int_equal(found(run, NULL), WEXITSTATUS(status) ? 2 : 1);
        if (WEXITSTATUS(status)) break;
        assert_int_equal(count_steps(run), 1);
    }
}

void test_checkpoint_refuses(void **state) {
    (void)state;
    const checkpoint_file files[] = {{"../model.safetensors", 0, NULL}};
    const char *const extra[] = {"state.json", "{}", NULL};
    json_t *s = json_object();
    const char *run = test_folder();
    assert_fails(AR_RANGE, "../model",
                 checkpoint_save(run, 1, files, 1, NULL, s, 1, err));
    assert_fails(AR_RANGE, "state.json",
                 checkpoint_save(run, 1, NULL, 0, extra, s, 1, err));
    assert_fails(AR_RANGE, "-1",
                 checkpoint_save(run, -1, NULL, 0, NULL, s, 1, err));
    assert_fails(AR_IO, "/dev/null",
                 checkpoint_save("/dev/null/run", 1, NULL, 0, NULL, s, 1, err));
    assert_int_equal(count_steps(run), 0);
    json_decref(s);
}

/* Each allocation failed in turn: an error or a whole checkpoint, and the one
 * from before is never lost. */
void test_checkpoint_memory(void **state) {
    (void)state;
    char run[400], path[500];
    json_malloc_t get;
    json_free_t put;
    snprintf(run, sizeof run, "%s", test_folder());
    assert_ok(save(run, 1, 2, err));
    json_get_alloc_funcs(&get, &put);
    json_set_alloc_funcs(mem_alloc, mem_free);
    ar_status s = AR_OK;
    int failures = 0;
    for (int64_t n = 1, hit = 1; hit; n++) {
        ar_error err = {0};
        mem_fail_at(n, n % 2);
        s = save(run, 2, 2, &err);
        hit = mem_fail_count() >= n; /* some failures are survived */
        mem_fail_at(0, 0);
        if (s != AR_OK) assert_true(++failures && err.message[0]);
        assert_true(found(run, NULL) >= 1);
    }
    assert_int_equal(s, AR_OK);
    for (int64_t n = 1, hit = 1; hit; n++) {
        ar_error err = {0};
        json_t *found_state;
        mem_fail_at(n, n % 2);
        s = checkpoint_find(run, path, sizeof path, &found_state, NULL, &err);
        hit = mem_fail_count() >= n; /* some failures are survived */
        mem_fail_at(0, 0);
        if (s != AR_OK) assert_true(++failures && err.message[0]);
        json_decref(found_state);
    }
    json_set_alloc_funcs(get, put);
    assert_int_equal(s, AR_OK);
    assert_true(failures > 50);
}
