/* weights_safetensors.c - the tensors of a model: one safetensors file, or
 * several and an index that says which file has which tensor. */
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "format/packed.h"
#include "format/parse.h"
#include "format/weights_int.h"

enum { PATH_SIZE = 4096, MAX_INDEX = 256 << 20, MAX_CONFIG = 1 << 24 };

/* The tensors of all files; with a map, those that it assigns to that file. */
static ar_status collect(weights *w, const char *path, const json_t *map,
                         ar_error *err) {
    int64_t most = 0;
    for (int64_t f = 0; f < w->n_files; f++) most += st_count(w->files[f]);
    tensor_view *all = arena_new(&w->mem, tensor_view, most);
    w->tensors = all;
    if (!all) return weights_no_memory(path, err);
    for (int64_t f = 0; f < w->n_files; f++) {
        for (int64_t i = 0; i < st_count(w->files[f]); i++) {
            const tensor_view *t = st_get(w->files[f], i);
            const char *file = json_string_value(json_object_get(map, t->name));
            if (!map || (file && !strcmp(file, w->names[f]))) all[w->n++] = *t;
        }
    }
    return weights_index(w, path, err);
}

ar_status weights_open_safetensors(weights *w, const weights_source *src,
                                   ar_error *err) {
    w->files = arena_new(&w->mem, st_file *, 1);
    if (!w->files) return weights_no_memory(src->name, err);
    TRY(src->data
            ? st_open_memory(&w->files[0], src->data, src->size, src->name, err)
            : st_open(&w->files[0], src->name, err));
    w->n_files = 1;
    return collect(w, src->name, NULL, err);
}

/* Remember a file of the index, if it is a new one.  Files of one model come
 * in runs, so the last is tried first. */
static ar_status add_file(weights *w, const char *path, const char *name,
                          ar_error *err) {
    for (int64_t f = w->n_files; f-- > 0;)
        if (!strcmp(w->names[f], name)) return AR_OK;
    char file[PATH_SIZE];
    TRY(file_join(file, sizeof file, path, name, err));
    if (!(w->names[w->n_files] = arena_text(&w->mem, name, strlen(name))))
        return weights_no_memory(path, err);
    TRY(st_open(&w->files[w->n_files], file, err));
    w->n_files++;
    return AR_OK;
}

/* Files that the index names: no more than it has tensors, nor than this. */
enum { MAX_FILES = 10000 };

static ar_status open_files(weights *w, const char *path, const json_t *map,
                            ar_error *err) {
    const char *name;
    json_t *item;
    const size_t n = json_object_size(map);
    const size_t room = n < MAX_FILES ? n : MAX_FILES;
    w->files = arena_new(&w->mem, st_file *, room);
    w->names = arena_new(&w->mem, const char *, room);
    if (!w->files || !w->names) return weights_no_memory(path, err);
    json_object_foreach((json_t *)map, name, item) {
        const char *file = json_string_value(item);
        if (!file || !parse_is_plain_name(file))
            return error_set(err, AR_FORMAT,
                             "%s: the index puts \"%.80s\" into \"%.80s\", "
                             "which is not a file of this folder",
                             path, name, file ? file : "(not a string)");
        if (w->n_files == (int64_t)room && strcmp(w->names[room - 1], file))
            return error_set(err, AR_FORMAT, "%s: more than %d files", path,
                             MAX_FILES);
        TRY(add_file(w, path, file, err));
    }
    TRY(collect(w, path, map, err));
    json_object_foreach((json_t *)map, name, item) {
        if (!weights_find(w, name))
            return error_set(err, AR_FORMAT,
                             "%s: %.80s has no tensor \"%.80s\", which the "
                             "index puts there",
                             path, json_string_value(item), name);
    }
    return AR_OK;
}

static ar_status open_index(weights *w, const char *path, const char *index,
                            ar_error *err) {
    char *text;
    size_t size;
    json_t *root;
    TRY(file_read(index, MAX_INDEX, &text, &size, err));
    ar_status s = parse_json(&root, index, text, size, err);
    mem_free(text);
    if (s != AR_OK) return s;
    const json_t *map = json_object_get(root, "weight_map");
    s = json_is_object(map)
            ? open_files(w, path, map, err)
            : error_set(err, AR_FORMAT, "%s: has no weight_map", index);
    json_decref(root);
    return s;
}

static ar_status open_tensors(weights *w, const char *path, ar_error *err) {
    char file[PATH_SIZE];
    TRY(file_join(file, sizeof file, path, "model.safetensors", err));
    const weights_source one = {.name = file};
    if (file_exists(file)) return weights_open_safetensors(w, &one, err);
    TRY(file_join(file, sizeof file, path, "model.safetensors.index.json",
                  err));
    if (file_exists(file)) return open_index(w, path, file, err);
    return error_set(err, AR_IO,
                     "%s: has neither model.safetensors nor "
                     "model.safetensors.index.json",
                     path);
}

ar_status weights_open_folder(weights *w, const char *path, ar_error *err) {
    char file[PATH_SIZE], *text;
    size_t size;
    TRY(open_tensors(w, path, err));
    TRY(file_join(file, sizeof file, path, "config.json", err));
    if (!file_exists(file)) return AR_OK;
    TRY(file_read(file, MAX_CONFIG, &text, &size, err));
    const ar_status s = packed_join(w, file, text, size, err);
    mem_free(text);
    return s;
}
