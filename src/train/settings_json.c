/* settings_json.c - settings as the JSON that a run writes and reads back. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json_text.h"
#include "base/mem.h"
#include "train/settings.h"

enum { MAX_DEPTH = 4, PATH_SIZE = 256, MAX_CONFIG_SIZE = 64 << 20 };

static const char *kind_text(const setting_info *info) {
    switch (info->kind) {
    case SETTING_INT: return "a whole number";
    case SETTING_REAL: return "a number";
    case SETTING_FLAG: return "true or false";
    case SETTING_TEXT:
    case SETTING_CHOICE: return "a string";
    case SETTING_PATHS: return "a list of strings";
    case SETTING_JSON: return "an object or a list";
    }
    return "";
}

static bool kind_fits(const setting_info *info, const json_t *v) {
    switch (info->kind) {
    case SETTING_INT: return json_is_integer(v);
    case SETTING_REAL: return json_is_number(v);
    case SETTING_FLAG: return json_is_boolean(v);
    case SETTING_TEXT:
    case SETTING_CHOICE: return json_is_string(v);
    case SETTING_PATHS: return json_is_array(v);
    case SETTING_JSON: return json_is_object(v) || json_is_array(v);
    }
    return false;
}

static ar_status check_range(const setting_info *info, double x,
                             ar_error *err) {
    if (x >= info->least && x <= info->most) return AR_OK;
    return error_set(err, AR_FORMAT, "%s: %.17g is not between %g and %g",
                     info->path, x, info->least, info->most);
}

static ar_status read_paths(settings *s, const setting_info *info,
                            const json_t *list, ar_error *err) {
    json_t **field = (json_t **)((char *)s + info->offset);
    size_t i;
    json_t *item;
    json_array_foreach(
        list, i,
        item) if (!json_is_string(item)) return error_set(err, AR_FORMAT,
                                                          "%s: must be %s",
                                                          info->path,
                                                          kind_text(info));
    json_t *copy = json_deep_copy(list);
    if (!copy) return error_set(err, AR_NOMEM, "out of memory for settings");
    json_decref(*field);
    *field = copy;
    return AR_OK;
}

static ar_status read_one(settings *s, const setting_info *info,
                          const json_t *v, ar_error *err) {
    if (!kind_fits(info, v))
        return error_set(err, AR_FORMAT, "%s: must be %s", info->path,
                         kind_text(info));
    void *field = (char *)s + info->offset;
    ar_status status = AR_OK;
    switch (info->kind) {
    case SETTING_INT:
        TRY(check_range(info, (double)json_integer_value(v), err));
        *(int64_t *)field = json_integer_value(v);
        return AR_OK;
    case SETTING_REAL:
        TRY(check_range(info, json_number_value(v), err));
        *(double *)field = json_number_value(v);
        return AR_OK;
    case SETTING_FLAG: *(bool *)field = json_is_true(v); return AR_OK;
    case SETTING_PATHS: return read_paths(s, info, v, err);
    case SETTING_JSON: {
        json_t *copy = json_deep_copy(v);
        if (!copy) return error_set(err, AR_NOMEM, "out of memory");
        json_decref(*(json_t **)field);
        *(json_t **)field = copy;
        return AR_OK;
    }
    case SETTING_TEXT:
    case SETTING_CHOICE:
        status = settings_set(s, info->path, json_string_value(v), err);
        break;
    }
    if (status == AR_USAGE && err) err->code = AR_FORMAT;
    return status == AR_USAGE ? AR_FORMAT : status;
}

/* Depth is bounded: no setting lies deeper than MAX_DEPTH names. */
static ar_status read_object(settings *s, const json_t *object,
                             const char *prefix, int depth, ar_error *err) {
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)object, key, v) {
        char path[PATH_SIZE];
        const size_t p = strlen(prefix), k = strlen(key);
        if (p + k + 2 > sizeof path)
            return error_set(err, AR_FORMAT,
                             "settings: the key \"%.80s...\" is not known",
                             key);
        memcpy(path, prefix, p);
        memcpy(path + p, key, k + 1);
        const setting_info *info = settings_find(path);
        if (info && strcmp(info->path, path) == 0) {
            TRY(read_one(s, info, v, err));
        } else if (json_is_object(v) && depth < MAX_DEPTH) {
            path[p + k] = '.';
            path[p + k + 1] = 0;
            TRY(read_object(s, v, path, depth + 1, err));
        } else {
            return error_set(err, AR_FORMAT,
                             "settings: the key \"%s\" is not known", path);
        }
    }
    return AR_OK;
}

ar_status settings_read_json(settings *s, const json_t *json, ar_error *err) {
    if (!json_is_object(json))
        return error_set(err, AR_FORMAT, "settings: not a JSON object");
    return read_object(s, json, "", 1, err);
}

ar_status settings_read(settings *s, const char *path, ar_error *err) {
    char *data;
    size_t size;
    TRY(file_read(path, MAX_CONFIG_SIZE, &data, &size, err));
    json_error_t bad;
    json_t *json = json_loadb(data, size, JSON_REJECT_DUPLICATES, &bad);
    mem_free(data);
    if (!json)
        return error_set(err, AR_FORMAT, "%s: line %d: %s", path, bad.line,
                         bad.text);
    const ar_status status = settings_read_json(s, json, err);
    json_decref(json);
    return status == AR_OK ? AR_OK : error_prefix(err, status, path);
}

static json_t *field_json(const settings *s, const setting_info *info) {
    const void *field = (const char *)s + info->offset;
    char name[32];
    switch (info->kind) {
    case SETTING_INT: return json_integer(*(const int64_t *)field);
    case SETTING_REAL: return json_real(*(const double *)field);
    case SETTING_FLAG: return json_boolean(*(const bool *)field);
    case SETTING_TEXT: return json_string(field);
    case SETTING_CHOICE:
        settings_choice(info, *(const int *)field, name, sizeof name);
        return json_string(name);
    case SETTING_PATHS:
        if (!*(json_t *const *)field) return json_array();
        return json_deep_copy(*(json_t *const *)field);
    case SETTING_JSON: return json_deep_copy(*(json_t *const *)field);
    }
    return NULL;
}

/* Put v at a.b.c in root, making the objects on the way; takes v. */
static int put(json_t *root, const char *path, json_t *v) {
    json_t *object = root;
    const char *dot;
    char name[PATH_SIZE];
    while ((dot = strchr(path, '.'))) {
        const size_t n = (size_t)(dot - path);
        memcpy(name, path, n);
        name[n] = 0;
        json_t *next = json_object_get(object, name);
        if (!next) {
            next = json_object();
            if (json_object_set_new(object, name, next) != 0) {
                json_decref(v);
                return -1;
            }
        }
        object = next;
        path = dot + 1;
    }
    return json_object_set_new(object, path, v);
}

json_t *settings_json(const settings *s) {
    json_t *root = json_object();
    int failed = !root;
    for (int i = 0; i < settings_count && !failed; i++) {
        const setting_info *info = &settings_table[i];
        if (info->kind == SETTING_JSON &&
            !*(json_t *const *)((const char *)s + info->offset))
            continue;
        failed = put(root, info->path, field_json(s, info)) != 0;
    }
    if (!failed) return root;
    json_decref(root);
    return NULL;
}

ar_status settings_write(const settings *s, const char *path, ar_error *err) {
    json_t *json = settings_json(s);
    char *data = json_text(json);
    json_decref(json);
    if (!data) return error_set(err, AR_NOMEM, "out of memory for settings");
    const ar_status status = file_replace(path, data, strlen(data), err);
    mem_free(data);
    return status;
}
