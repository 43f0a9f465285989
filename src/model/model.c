/* model.c - a model as it lies on disk: a folder or a run. */
#include "model/model.h"

#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "format/checkpoint.h"
#include "model/config_gguf.h"

/* The folder itself if it is a model, else the newest checkpoint in it. */
static ar_status find_folder(char *out, size_t size, const char *path,
                             ar_error *err) {
    char config[4200];
    if (!file_is_folder(path))
        return error_set(err, AR_IO, "%.200s: no such folder", path);
    TRY(file_join(config, sizeof config, path, "config.json", err));
    if (file_exists(config)) {
        if (strlen(path) >= size)
            return error_set(err, AR_RANGE, "%.200s: the path is too long",
                             path);
        memcpy(out, path, strlen(path) + 1);
        return AR_OK;
    }
    char latest[4200];
    TRY(file_join(latest, sizeof latest, path, "latest", err));
    if (!file_exists(latest))
        return error_set(
            err, AR_IO, "%.180s: neither a config.json nor a checkpoint", path);
    json_t *state = NULL;
    TRY(checkpoint_find(path, out, size, &state, NULL, err));
    json_decref(state);
    return AR_OK;
}

/* A GGUF file, which has everything in it. */
static ar_status open_gguf(ar_model *m, const char *path, ar_error *err) {
    if (strlen(path) >= sizeof m->folder)
        return error_set(err, AR_RANGE, "%.200s: the path is too long", path);
    memcpy(m->folder, path, strlen(path) + 1);
    TRY(weights_open(&m->files, path, err));
    if (!weights_gguf(m->files))
        return error_set(err, AR_UNSUPPORTED,
                         "%.180s: a file of weights alone; give its folder",
                         path);
    ar_status s = config_from_gguf(&m->config, m->files, err);
    if (s == AR_OK) s = params_build(&m->params, &m->config, AR_F32, err);
    if (s == AR_OK) s = params_check(&m->params, m->files, err);
    return s == AR_OK ? AR_OK : error_prefix(err, s, path);
}

static ar_status open_folder(ar_model *m, ar_error *err) {
    char config[4200];
    TRY(file_join(config, sizeof config, m->folder, "config.json", err));
    TRY(config_read(&m->config, config, err));
    TRY(params_build(&m->params, &m->config, AR_F32, err));
    TRY(weights_open(&m->files, m->folder, err));
    const ar_status s = params_check(&m->params, m->files, err);
    return s == AR_OK ? AR_OK : error_prefix(err, s, m->folder);
}

ar_status ar_model_open(ar_model **out, const char *path, ar_error *err) {
    *out = NULL;
    ar_model *m = mem_new(ar_model, 1);
    if (!m) return error_set(err, AR_NOMEM, "no memory for a model");
    const bool file = file_exists(path) && !file_is_folder(path);
    ar_status s = file ? open_gguf(m, path, err)
                       : find_folder(m->folder, sizeof m->folder, path, err);
    if (s == AR_OK && !file) s = open_folder(m, err);
    if (s == AR_OK)
        *out = m;
    else
        ar_model_close(m);
    return s;
}

void ar_model_close(ar_model *m) {
    if (!m) return;
    if (m->files) weights_close(m->files);
    params_close(&m->params);
    mem_free(m);
}
