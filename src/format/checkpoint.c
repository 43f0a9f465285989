/* checkpoint.c - saving the state of a run.
 *
 * At every moment the run folder holds the last whole checkpoint under a name
 * that checkpoint_find looks at: new folders come into being by a rename, and
 * one that has to make room is renamed to old-... until the new one is there.
 */
#include "format/checkpoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/json_text.h"
#include "base/text.h"
#include "format/checkpoint_int.h"
#include "format/parse.h"

/* What the steps of one save share. */
typedef struct saver {
    const char *run;
    char aside[CHECKPOINT_PATH], place[CHECKPOINT_PATH], old[CHECKPOINT_PATH];
    char name[32], old_name[40];
    text files; /* JSON of the files so far */
    ar_error *err;
} saver;

int64_t checkpoint_number(const char *name, const char *prefix) {
    const size_t n = strlen(prefix), digits = strlen(name);
    if (strncmp(name, prefix, n) || digits == n || digits - n > 18) return -1;
    if (strspn(name + n, "0123456789") != digits - n) return -1;
    return strtoll(name + n, NULL, 10);
}

ar_status checkpoint_sum(const char *path, uint64_t *size, uint64_t *sum,
                         ar_error *err) {
    file_map map;
    TRY(file_map_open(&map, path, err));
    *size = map.size;
    *sum = hash_xx64(map.data, map.size, 0);
    file_map_close(&map);
    return AR_OK;
}

/* Note a file that has been written. */
static ar_status add_sum(saver *s, const char *name, const char *path) {
    uint64_t size, sum;
    TRY(checkpoint_sum(path, &size, &sum, s->err));
    text_addf(&s->files,
              "%s\n  \"%s\": {\"size\": %" PRIu64 ", \"xxh64\": \"%016" PRIx64
              "\"}",
              s->files.size ? "," : "", name, size, sum);
    return text_status(&s->files, s->err);
}

/* The path of a file in the new folder; names go into JSON as they are. */
static ar_status file_path(saver *s, char *path, const char *name) {
    if (!parse_is_plain_name(name) || strpbrk(name, "\"\n") ||
        !strcmp(name, "state.json"))
        return error_set(s->err, AR_RANGE,
                         "\"%.80s\" cannot be a file of a checkpoint", name);
    return file_join(path, CHECKPOINT_PATH, s->aside, name, s->err);
}

static ar_status save_tensors(saver *s, const checkpoint_file *f) {
    char path[CHECKPOINT_PATH];
    st_writer *w;
    TRY(file_path(s, path, f->file));
    TRY(st_create(&w, path, s->err));
    st_meta(w, "format", "pt"); /* what other readers of the format expect */
    for (int64_t i = 0; i < f->n; i++)
        st_declare(w, f->tensors[i].name, f->tensors[i].type,
                   &f->tensors[i].shape);
    for (int64_t i = 0; i < f->n; i++)
        st_data(w, f->tensors[i].data, f->tensors[i].size);
    TRY(st_commit(w, s->err));
    return add_sum(s, f->file, path);
}

static ar_status save_text(saver *s, const char *name, const char *contents) {
    char path[CHECKPOINT_PATH];
    TRY(file_path(s, path, name));
    TRY(file_replace(path, contents, strlen(contents), s->err));
    return add_sum(s, name, path);
}

static ar_status save_state(saver *s, int64_t step, const json_t *state) {
    char path[CHECKPOINT_PATH];
    TRY(file_join(path, sizeof path, s->aside, "state.json", s->err));
    text t = {0};
    text_addf(&t, CHECKPOINT_SEAL, (uint64_t)0); /* replaced below */
    text_addf(&t,
              "\"format\": \"" CHECKPOINT_FORMAT "\",\n\"version\": %d,\n"
              "\"step\": %" PRId64 ",\n\"files\": {%s\n},\n\"state\": ",
              CHECKPOINT_VERSION, step, s->files.size ? s->files.data : "");
    text_add_json(&t, state, JSON_INDENT(1));
    text_adds(&t, "\n}\n");
    ar_status status = text_status(&t, s->err);
    if (status == AR_OK) {
        char seal[CHECKPOINT_SEAL_SIZE + 1];
        snprintf(seal, sizeof seal, CHECKPOINT_SEAL,
                 hash_xx64(t.data + CHECKPOINT_SEAL_SIZE,
                           t.size - CHECKPOINT_SEAL_SIZE, 0));
        memcpy(t.data, seal, CHECKPOINT_SEAL_SIZE);
        status = file_replace(path, t.data, t.size, s->err);
    }
    text_close(&t);
    return status;
}

/* Remove a checkpoint; half removed, it no longer has the name of one. */
static void remove_checkpoint(const char *run, const char *name) {
    char path[CHECKPOINT_PATH], aside[CHECKPOINT_PATH], tmp[64];
    snprintf(tmp, sizeof tmp, "tmp-%.50s", name);
    if (file_join(path, sizeof path, run, name, NULL) == AR_OK &&
        file_join(aside, sizeof aside, run, tmp, NULL) == AR_OK &&
        file_rename(path, aside, NULL) == AR_OK)
        file_remove(aside, NULL);
}

/* Move the new folder to its place and point `latest` at it. */
static ar_status publish(saver *s) {
    char latest[CHECKPOINT_PATH], line[40];
    TRY(file_join(latest, sizeof latest, s->run, "latest", s->err));
    TRY(file_sync_folder(s->aside, s->err));
    if (file_exists(s->place)) {
        if (file_exists(s->old)) remove_checkpoint(s->run, s->old_name);
        TRY(file_rename(s->place, s->old, s->err));
    }
    TRY(file_rename(s->aside, s->place, s->err));
    TRY(file_sync_folder(s->run, s->err));
    const int n = snprintf(line, sizeof line, "%s\n", s->name);
    TRY(file_replace(latest, line, (size_t)n, s->err));
    return file_sync_folder(s->run, s->err);
}

static ar_status write_files(saver *s, const checkpoint_file *files,
                             int n_files, const char *const *extra) {
    for (int i = 0; i < n_files; i++) TRY(save_tensors(s, &files[i]));
    for (int i = 0; extra && extra[i]; i += 2)
        TRY(save_text(s, extra[i], extra[i + 1]));
    return AR_OK;
}

/* Remove what begins with one of the prefixes.  A failure is no reason to
 * fail a save: what is left costs room only, and is tried again next time. */
static void remove_prefixed(const char *run, const char *const *prefixes) {
    file_list l;
    char path[CHECKPOINT_PATH];
    if (file_list_open(&l, run, NULL) != AR_OK) return;
    for (size_t i = 0; i < l.n; i++)
        for (int k = 0; prefixes[k]; k++)
            if (!strncmp(l.names[i], prefixes[k], strlen(prefixes[k])) &&
                file_join(path, sizeof path, run, l.names[i], NULL) == AR_OK)
                file_remove(path, NULL);
    file_list_close(&l);
}

/* Of two steps other than the newest, which is kept longer: the later, but
 * those beyond the newest belong to a past that the run has gone back from. */
static int outlives(int64_t a, int64_t b, int64_t newest) {
    const int beyond_a = a > newest, beyond_b = b > newest;
    return beyond_a != beyond_b ? beyond_b : a > b;
}

/* Keep the newest and `keep` - 1 others. */
static void remove_old(const char *run, int64_t newest, int keep) {
    file_list l;
    if (keep < 1 || file_list_open(&l, run, NULL) != AR_OK) return;
    for (size_t i = 0; i < l.n; i++) {
        const int64_t step = checkpoint_number(l.names[i], "step-");
        int better = 1; /* the newest */
        if (step < 0 || step == newest) continue;
        for (size_t k = 0; k < l.n; k++) {
            const int64_t other = checkpoint_number(l.names[k], "step-");
            better +=
                other >= 0 && other != newest && outlives(other, step, newest);
        }
        if (better >= keep) remove_checkpoint(run, l.names[i]);
    }
    file_list_close(&l);
}

static ar_status name_paths(saver *s, int64_t step) {
    char name[48];
    if (step < 0 || step > INT64_C(999999999999999999))
        return error_set(s->err, AR_RANGE, "step %" PRId64 " has no checkpoint",
                         step);
    snprintf(s->name, sizeof s->name, "step-%08" PRId64, step);
    TRY(file_join(s->place, sizeof s->place, s->run, s->name, s->err));
    snprintf(name, sizeof name, "tmp-%s", s->name);
    TRY(file_join(s->aside, sizeof s->aside, s->run, name, s->err));
    snprintf(s->old_name, sizeof s->old_name, "old-%s", s->name);
    return file_join(s->old, sizeof s->old, s->run, s->old_name, s->err);
}

/* The run's folder; a new one has to survive a power cut like what is in it. */
static ar_status make_run(const char *run, ar_error *err) {
    char parent[CHECKPOINT_PATH];
    if (file_is_folder(run)) return AR_OK;
    TRY(file_make_folder(run, err));
    TRY(file_join(parent, sizeof parent, run, "..", err));
    return file_sync_folder(parent, err);
}

ar_status checkpoint_save(const char *run, int64_t step,
                          const checkpoint_file *files, int n_files,
                          const char *const *extra, const json_t *state,
                          int keep, ar_error *err) {
    saver s = {.run = run, .err = err};
    TRY(name_paths(&s, step));
    TRY(make_run(run, err));
    remove_prefixed(run, (const char *const[]){"tmp-", "latest.tmp-", NULL});
    TRY(file_make_folder(s.aside, err));
    ar_status status = write_files(&s, files, n_files, extra);
    if (status == AR_OK) status = save_state(&s, step, state);
    if (status == AR_OK) status = publish(&s);
    text_close(&s.files);
    if (status != AR_OK) {
        file_remove(s.aside, NULL); /* a full disk needs the room */
        return status;
    }
    remove_prefixed(run, (const char *const[]){"old-", NULL});
    remove_old(run, step, keep);
    return AR_OK;
}
