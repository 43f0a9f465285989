/* checkpoint_find.c - the newest checkpoint of a run that is whole. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/mem.h"
#include "format/checkpoint.h"
#include "format/checkpoint_int.h"
#include "format/parse.h"

static ar_status check_file(const char *folder, const char *name,
                            const json_t *file, ar_error *err) {
    char path[CHECKPOINT_PATH], hex[17];
    uint64_t size, sum;
    if (!parse_is_plain_name(name))
        return error_set(err, AR_FORMAT, "%s: lists \"%.80s\" as a file",
                         folder, name);
    TRY(file_join(path, sizeof path, folder, name, err));
    TRY(checkpoint_sum(path, &size, &sum, err));
    const json_t *want = json_object_get(file, "size");
    if (!json_is_integer(want) || (uint64_t)json_integer_value(want) != size)
        return error_set(err, AR_FORMAT,
                         "%s: has %" PRIu64 " bytes, %" PRId64 " were saved",
                         path, size, (int64_t)json_integer_value(want));
    const char *text = json_string_value(json_object_get(file, "xxh64"));
    snprintf(hex, sizeof hex, "%016" PRIx64, sum);
    if (!text || strcmp(text, hex))
        return error_set(err, AR_FORMAT,
                         "%s: its checksum differs from the one saved", path);
    return AR_OK;
}

static ar_status check_files(const char *folder, const json_t *root,
                             ar_error *err) {
    const char *name;
    json_t *file;
    json_t *files = json_object_get(root, "files");
    const char *format = json_string_value(json_object_get(root, "format"));
    const json_t *version = json_object_get(root, "version");
    if (!format || strcmp(format, CHECKPOINT_FORMAT) ||
        json_integer_value(version) != CHECKPOINT_VERSION ||
        !json_is_object(files) || !json_object_get(root, "state"))
        return error_set(err, AR_FORMAT,
                         "%s/state.json: is not a checkpoint of version %d",
                         folder, CHECKPOINT_VERSION);
    json_object_foreach(files, name, file)
        TRY(check_file(folder, name, file, err));
    return AR_OK;
}

/* The bytes of state.json against the seal in its first line. */
static ar_status check_seal(const char *path, const char *text, size_t size,
                            ar_error *err) {
    char seal[CHECKPOINT_SEAL_SIZE + 1];
    if (size >= CHECKPOINT_SEAL_SIZE) {
        snprintf(seal, sizeof seal, CHECKPOINT_SEAL,
                 hash_xx64(text + CHECKPOINT_SEAL_SIZE,
                           size - CHECKPOINT_SEAL_SIZE, 0));
        if (!memcmp(seal, text, CHECKPOINT_SEAL_SIZE)) return AR_OK;
    }
    return error_set(err, AR_FORMAT,
                     "%s: was changed after it was saved, or is cut short",
                     path);
}

/* The state in a checkpoint folder in which every byte is as it was saved. */
static ar_status read_checkpoint(const char *folder, json_t **state,
                                 ar_error *err) {
    char path[CHECKPOINT_PATH];
    char *text;
    size_t size;
    json_t *root = NULL;
    TRY(file_join(path, sizeof path, folder, "state.json", err));
    TRY(file_read(path, CHECKPOINT_MAX_STATE, &text, &size, err));
    ar_status s = check_seal(path, text, size, err);
    /* what is sealed was valid JSON when it was saved */
    if (s == AR_OK && parse_json(&root, path, text, size, err) != AR_OK)
        s = error_set(err, AR_NOMEM, "%s: out of memory for its JSON", path);
    mem_free(text);
    if (s == AR_OK) s = check_files(folder, root, err);
    if (s == AR_OK) *state = json_incref(json_object_get(root, "state"));
    json_decref(root);
    return s;
}

/* A folder that may be a checkpoint. */
typedef struct candidate {
    const char *name;
    int64_t step;
    int latest, old;
} candidate;

/* What `latest` names first, then by step; what was put aside to make room
 * for another of the same step comes behind it. */
static int by_preference(const void *pa, const void *pb) {
    const candidate *a = pa, *b = pb;
    if (a->latest != b->latest) return b->latest - a->latest;
    if (a->step != b->step) return a->step > b->step ? -1 : 1;
    return a->old - b->old;
}

static void read_latest(const char *run, char *name, size_t size) {
    char path[CHECKPOINT_PATH];
    char *text = NULL;
    size_t n;
    *name = 0;
    if (file_join(path, sizeof path, run, "latest", NULL) == AR_OK &&
        file_read(path, 256, &text, &n, NULL) == AR_OK) {
        text[strcspn(text, "\n")] = 0;
        snprintf(name, size, "%s", text);
    }
    mem_free(text);
}

static size_t list_candidates(const file_list *l, const char *latest,
                              candidate *c) {
    size_t n = 0;
    for (size_t i = 0; i < l->n; i++) {
        const char *name = l->names[i];
        const int old = checkpoint_number(name, "old-step-") >= 0;
        const int64_t step =
            checkpoint_number(name, old ? "old-step-" : "step-");
        if (step >= 0)
            c[n++] = (candidate){name, step, !strcmp(name, latest), old};
    }
    qsort(c, n, sizeof *c, by_preference);
    return n;
}

/* What was found, and what stood in the way. */
typedef struct search {
    char *path;
    size_t size;
    json_t *state;
    int damaged;
    ar_error first; /* why the first damaged one is */
} search;

/* AR_OK if the folder is whole, AR_FORMAT if it is damaged; other errors end
 * the search. */
static ar_status try_folder(search *f, const char *run, const char *name,
                            ar_error *err) {
    ar_error why = {0};
    TRY(file_join(f->path, f->size, run, name, err));
    const ar_status s = read_checkpoint(f->path, &f->state, &why);
    if (s == AR_OK) return s;
    if (s == AR_NOMEM) return error_set(err, s, "%s", why.message);
    if (!f->damaged++) f->first = why;
    return AR_FORMAT;
}

static ar_status find_newest(search *f, const char *run, const file_list *l,
                             ar_error *err) {
    char latest[64];
    candidate *c = mem_new(candidate, l->n);
    if (!c) return error_set(err, AR_NOMEM, "%s: out of memory", run);
    read_latest(run, latest, sizeof latest);
    const size_t n = list_candidates(l, latest, c);
    ar_status s = AR_FORMAT;
    for (size_t i = 0; i < n && s == AR_FORMAT; i++)
        s = try_folder(f, run, c[i].name, err);
    mem_free(c);
    if (s != AR_FORMAT) return s;
    if (!n) return error_set(err, AR_IO, "%s: holds no checkpoint", run);
    return error_set(err, AR_FORMAT,
                     "none of %d checkpoints is whole; the newest: %s",
                     f->damaged, f->first.message);
}

static ar_status find_in(search *f, const char *run, ar_error *err) {
    char path[CHECKPOINT_PATH];
    TRY(file_join(path, sizeof path, run, "state.json", err));
    if (file_exists(path)) {
        const int n = snprintf(f->path, f->size, "%s", run);
        if (n < 0 || (size_t)n >= f->size)
            return error_set(err, AR_RANGE, "%s: the path is too long", run);
        return read_checkpoint(run, &f->state, err);
    }
    if (!file_is_folder(run))
        return error_set(err, AR_IO, "%s: is not a folder of a run", run);
    file_list l;
    TRY(file_list_open(&l, run, err));
    const ar_status s = find_newest(f, run, &l, err);
    file_list_close(&l);
    return s;
}

ar_status checkpoint_find(const char *run, char *path, size_t size,
                          json_t **state, int *skipped, ar_error *err) {
    search f = {.path = path, .size = size};
    *state = NULL;
    const ar_status s = find_in(&f, run, err);
    if (skipped) *skipped = s == AR_OK ? f.damaged : 0;
    if (s == AR_OK)
        *state = f.state;
    else if (size)
        *path = 0;
    return s;
}
