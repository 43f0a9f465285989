/* template_file.c - the chat template of a model folder. */
#include "format/template_file.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "format/parse.h"

enum { PATH_SIZE = 4200, MAX_FILE = 64 << 20 };

/* The file as JSON, NULL where there is none. */
static ar_status read_json(json_t **out, const char *folder, const char *name,
                           ar_error *err) {
    char path[PATH_SIZE], *data;
    size_t size;
    *out = NULL;
    TRY(file_join(path, sizeof path, folder, name, err));
    if (!file_exists(path)) return AR_OK;
    TRY(file_read(path, MAX_FILE, &data, &size, err));
    const ar_status s = parse_json(out, path, data, size, err);
    mem_free(data);
    return s;
}

static ar_status add_file(text *out, const char *folder, const char *name,
                          ar_error *err) {
    char path[PATH_SIZE], *data;
    size_t size;
    TRY(file_join(path, sizeof path, folder, name, err));
    if (!file_exists(path)) return AR_OK;
    TRY(file_read(path, MAX_FILE, &data, &size, err));
    text_add(out, data, size);
    mem_free(data);
    return text_status(out, err);
}

/* "chat_template" of a file: a text, or a list of named ones. */
static ar_status add_member(text *out, const char *folder, const char *file,
                            const char *name, ar_error *err) {
    json_t *root, *row;
    size_t i;
    TRY(read_json(&root, folder, file, err));
    const json_t *t = json_object_get(root, "chat_template");
    const json_t *found = json_is_string(t) && !name ? t : NULL;
    json_array_foreach((json_t *)t, i, row) {
        const char *has = json_string_value(json_object_get(row, "name"));
        if (has && !strcmp(has, name ? name : "default"))
            found = json_object_get(row, "template");
    }
    if (json_is_string(found))
        text_add(out, json_string_value(found), json_string_length(found));
    json_decref(root);
    return text_status(out, err);
}

ar_status template_file_read(text *out, const char *folder, const char *name,
                             ar_error *err) {
    char file[300] = "chat_template.jinja";
    const size_t was = out->size;
    if (name && strchr(name, '/'))
        return error_set(err, AR_RANGE, "\"%.64s\" is no name of a template",
                         name);
    if (name)
        snprintf(file, sizeof file, "additional_chat_templates/%.200s.jinja",
                 name);
    TRY(add_file(out, folder, file, err));
    if (out->size == was)
        TRY(add_member(out, folder, "chat_template.json", name, err));
    if (out->size == was)
        TRY(add_member(out, folder, "tokenizer_config.json", name, err));
    return AR_OK;
}

ar_status template_file_tokens(json_t **out, const char *folder,
                               ar_error *err) {
    json_t *config, *v;
    const char *key;
    TRY(read_json(&config, folder, "tokenizer_config.json", err));
    *out = json_object();
    json_object_foreach(config, key, v) {
        const size_t n = strlen(key);
        if (n < 6 || strcmp(key + n - 6, "_token") != 0) continue;
        json_t *s = json_is_object(v) ? json_object_get(v, "content") : v;
        if (json_is_string(s)) json_object_set(*out, key, s);
    }
    json_decref(config);
    return *out ? AR_OK : error_set(err, AR_NOMEM, "no memory for tokens");
}
