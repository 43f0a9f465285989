/* settings.c - the table of settings, their defaults and their text form. */
#include "train/settings.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

const setting_info settings_table[] = {
#define SETTING(kind, field, path, flag, text, least, most, help)              \
    {SETTING_##kind, path, flag, text,                                         \
     least,          most, help, offsetof(settings, field)},
#include "train/settings.def"
#undef SETTING
};
const int settings_count = sizeof settings_table / sizeof *settings_table;

const setting_info *settings_find(const char *name) {
    for (int i = 0; i < settings_count; i++) {
        const setting_info *info = &settings_table[i];
        if (strcmp(info->path, name) == 0) return info;
        if (info->flag[0] && strcmp(info->flag, name) == 0) return info;
    }
    return NULL;
}

bool settings_choice(const setting_info *info, int i, char *out, size_t size) {
    const char *p = info->help;
    for (; i > 0; i--) {
        p += strcspn(p, "|:");
        if (*p++ != '|') return false;
    }
    const size_t n = strcspn(p, "|:");
    if (n + 1 > size) return false;
    memcpy(out, p, n);
    out[n] = 0;
    return true;
}

static ar_status set_choice(const setting_info *info, int *out,
                            const char *text, ar_error *err) {
    char name[32];
    for (int i = 0; settings_choice(info, i, name, sizeof name); i++)
        if (strcmp(name, text) == 0) {
            *out = i;
            return AR_OK;
        }
    return error_set(err, AR_USAGE, "%s: \"%s\" is not one of %.*s", info->path,
                     text, (int)strcspn(info->help, ":"), info->help);
}

static ar_status check_number(const setting_info *info, double x, bool read,
                              const char *text, ar_error *err) {
    if (!read || isnan(x))
        return error_set(err, AR_USAGE, "%s: \"%s\" is not a%s number",
                         info->path, text,
                         info->kind == SETTING_INT ? " whole" : "");
    if (x < info->least || x > info->most)
        return error_set(err, AR_USAGE, "%s: %s is not between %g and %g",
                         info->path, text, info->least, info->most);
    return AR_OK;
}

static ar_status set_int(const setting_info *info, int64_t *out,
                         const char *text, ar_error *err) {
    char *end;
    errno = 0;
    const long long n = strtoll(text, &end, 10);
    const bool read = *text && !*end && !errno;
    TRY(check_number(info, (double)n, read, text, err));
    *out = n;
    return AR_OK;
}

static ar_status set_real(const setting_info *info, double *out,
                          const char *text, ar_error *err) {
    char *end;
    const double x = strtod(text, &end);
    TRY(check_number(info, x, *text && !*end, text, err));
    *out = x;
    return AR_OK;
}

static ar_status set_flag(const setting_info *info, bool *out, const char *text,
                          ar_error *err) {
    const bool on = strcmp(text, "true") == 0 || strcmp(text, "1") == 0;
    if (!on && strcmp(text, "false") != 0 && strcmp(text, "0") != 0)
        return error_set(err, AR_USAGE, "%s: \"%s\" is neither true nor false",
                         info->path, text);
    *out = on;
    return AR_OK;
}

static ar_status set_text(const setting_info *info, char *out, const char *text,
                          ar_error *err) {
    const size_t n = strlen(text);
    if (n >= SETTING_TEXT_SIZE)
        return error_set(err, AR_USAGE, "%s: longer than %d bytes", info->path,
                         SETTING_TEXT_SIZE - 1);
    memcpy(out, text, n + 1);
    return AR_OK;
}

static ar_status add_path(const setting_info *info, json_t **list,
                          const char *text, ar_error *err) {
    if (!*list) *list = json_array();
    json_t *item = json_string(text);
    if (!item)
        return error_set(err, AR_USAGE, "%s: \"%s\" is not UTF-8", info->path,
                         text);
    if (json_array_append_new(*list, item) != 0)
        return error_set(err, AR_NOMEM, "out of memory for the settings");
    return AR_OK;
}

static ar_status set_json(const setting_info *info, json_t **out,
                          const char *text, ar_error *err) {
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    if (!json)
        return error_set(err, AR_USAGE, "%s: not a JSON object or list",
                         info->path);
    json_decref(*out);
    *out = json;
    return AR_OK;
}

static ar_status set_field(settings *s, const setting_info *info,
                           const char *text, ar_error *err) {
    void *field = (char *)s + info->offset;
    switch (info->kind) {
    case SETTING_INT: return set_int(info, field, text, err);
    case SETTING_REAL: return set_real(info, field, text, err);
    case SETTING_FLAG: return set_flag(info, field, text, err);
    case SETTING_TEXT: return set_text(info, field, text, err);
    case SETTING_CHOICE: return set_choice(info, field, text, err);
    case SETTING_PATHS: return add_path(info, field, text, err);
    case SETTING_JSON: return set_json(info, field, text, err);
    }
    return AR_OK;
}

ar_status settings_set(settings *s, const char *name, const char *text,
                       ar_error *err) {
    const setting_info *info = settings_find(name);
    if (!info)
        return error_set(err, AR_USAGE, "there is no setting \"%s\"", name);
    return set_field(s, info, text, err);
}

void settings_default(settings *s) {
    memset(s, 0, sizeof *s);
    for (int i = 0; i < settings_count; i++) {
        const setting_info *info = &settings_table[i];
        if (info->kind != SETTING_PATHS && info->kind != SETTING_JSON)
            set_field(s, info, info->text, NULL);
    }
}

static json_t **json_field(settings *s, const setting_info *info) {
    if (info->kind != SETTING_PATHS && info->kind != SETTING_JSON) return NULL;
    return (json_t **)((char *)s + info->offset);
}

void settings_close(settings *s) {
    for (int i = 0; i < settings_count; i++) {
        json_t **field = json_field(s, &settings_table[i]);
        if (!field) continue;
        json_decref(*field);
        *field = NULL;
    }
}

ar_status settings_copy(settings *out, const settings *s, ar_error *err) {
    *out = *s;
    int failed = 0;
    for (int i = 0; i < settings_count; i++) {
        json_t **field = json_field(out, &settings_table[i]);
        if (!field || !*field) continue;
        *field = json_deep_copy(*field);
        failed |= !*field;
    }
    if (!failed) return AR_OK;
    settings_close(out);
    return error_set(err, AR_NOMEM, "out of memory for the settings");
}
