/* survey.c - what can be said of a model's files, whether or not it runs. */
#include "model/survey.h"

#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "format/checkpoint.h"
#include "format/parse.h"
#include "model/config_gguf.h"
#include "model/params_parts.h"

enum { MAX_CONFIG = 1 << 24 }; /* bytes of a config.json */

static ar_status mark_tensors(survey *s, ar_error *err) {
    const int64_t n = weights_count(s->files);
    s->use = mem_alloc((size_t)n);
    if (!s->use) return error_set(err, AR_NOMEM, "no memory for a list");
    if (!s->known) return AR_OK;
    params_mark(&s->params, s->files, s->use);
    for (int64_t i = 0; i < n; i++) {
        static const unsigned char meanings[] = {TENSOR_UNKNOWN, TENSOR_USED,
                                                 TENSOR_PASSED_OVER};
        s->use[i] = meanings[s->use[i]];
    }
    return AR_OK;
}

/* A configuration that is not supported is a finding, a damaged one is not. */
static ar_status take_config(survey *s, ar_status status, ar_error *err) {
    if (status == AR_UNSUPPORTED) return AR_OK;
    if (status != AR_OK) return error_set(err, status, "%s", s->why.message);
    TRY(params_build(&s->params, &s->config, AR_F32, err));
    s->known = true;
    return AR_OK;
}

static ar_status read_gguf(survey *s, ar_error *err) {
    const gguf_value *v =
        gguf_find(weights_gguf(s->files), "general.architecture");
    gguf_string name = {0};
    if (!v) {
        error_set(&s->why, AR_UNSUPPORTED,
                  "the file does not name an architecture");
        return AR_OK;
    }
    if (gguf_as_string(v, &name))
        snprintf(s->arch, sizeof s->arch, "%.*s",
                 (int)(name.size < 90 ? name.size : 90), name.data);
    const ar_status status = config_from_gguf(&s->config, s->files, &s->why);
    if (status == AR_OK || status == AR_UNSUPPORTED)
        return take_config(s, status, err);
    error_prefix(&s->why, status, s->folder);
    return take_config(s, status, err);
}

static ar_status read_folder(survey *s, ar_error *err) {
    char path[4200], *text = NULL;
    size_t size = 0;
    json_t *root = NULL;
    TRY(file_join(path, sizeof path, s->folder, "config.json", err));
    if (!file_exists(path)) {
        error_set(&s->why, AR_UNSUPPORTED, "there is no config.json");
        return AR_OK;
    }
    TRY(file_read(path, MAX_CONFIG, &text, &size, err));
    ar_status status = parse_json(&root, path, text, size, err);
    mem_free(text);
    TRY(status);
    const char *type = json_string_value(json_object_get(root, "model_type"));
    snprintf(s->arch, sizeof s->arch, "%.90s", type ? type : "");
    json_decref(root);
    status = config_read(&s->config, path, &s->why);
    return take_config(s, status, err);
}

/* The folder, or that of a run's newest checkpoint. */
static ar_status find_files(survey *s, const char *path, ar_error *err) {
    char latest[4200];
    if (strlen(path) >= sizeof s->folder)
        return error_set(err, AR_RANGE, "%.180s: the path is too long", path);
    memcpy(s->folder, path, strlen(path) + 1);
    if (!file_is_folder(path)) return AR_OK;
    TRY(file_join(latest, sizeof latest, path, "config.json", err));
    if (file_exists(latest)) return AR_OK;
    TRY(file_join(latest, sizeof latest, path, "latest", err));
    if (!file_exists(latest)) return AR_OK;
    json_t *state = NULL;
    TRY(checkpoint_find(path, s->folder, sizeof s->folder, &state, NULL, err));
    json_decref(state);
    return AR_OK;
}

static ar_status read_all(survey *s, const char *path, ar_error *err) {
    TRY(find_files(s, path, err));
    TRY(weights_open(&s->files, s->folder, err));
    if (weights_gguf(s->files))
        TRY(read_gguf(s, err));
    else if (file_is_folder(s->folder))
        TRY(read_folder(s, err));
    else
        error_set(&s->why, AR_UNSUPPORTED, "a file of weights alone");
    return mark_tensors(s, err);
}

ar_status survey_open(survey **out, const char *path, ar_error *err) {
    *out = NULL;
    survey *s = mem_new(survey, 1);
    if (!s) return error_set(err, AR_NOMEM, "no memory to look at a model");
    const ar_status status = read_all(s, path, err);
    if (status == AR_OK)
        *out = s;
    else
        survey_close(s);
    return status;
}

void survey_close(survey *s) {
    if (!s) return;
    weights_close(s->files);
    params_close(&s->params);
    mem_free(s->use);
    mem_free(s);
}
