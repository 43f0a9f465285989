/* settings.h - everything that decides what a training run does.
 *
 * One list, settings.def, gives the fields below, the JSON that a run writes
 * and --config reads back, and the flags of the command line.
 *
 *   settings s;
 *   settings_default(&s);
 *   TRY(settings_read(&s, "run.json", err));
 *   TRY(settings_set(&s, "batch", "8", err));
 *   ...
 *   settings_close(&s); */
#ifndef TRAIN_SETTINGS_H
#define TRAIN_SETTINGS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arcane/status.h"

enum setting_kind {
    SETTING_INT,
    SETTING_REAL,
    SETTING_FLAG,
    SETTING_TEXT,
    SETTING_CHOICE, /* kept as the number of the choice */
    SETTING_PATHS,  /* a list of strings; setting it appends */
    SETTING_JSON,   /* an object or a list of its own */
};

enum { SETTING_TEXT_SIZE = 1024 };

#define SETTING_FIELD_INT(field) int64_t field;
#define SETTING_FIELD_REAL(field) double field;
#define SETTING_FIELD_FLAG(field) bool field;
#define SETTING_FIELD_TEXT(field) char field[SETTING_TEXT_SIZE];
#define SETTING_FIELD_CHOICE(field) int field;
#define SETTING_FIELD_PATHS(field) json_t *field; /* NULL: empty */
#define SETTING_FIELD_JSON(field) json_t *field;  /* NULL: not given */

typedef struct settings {
#define SETTING(kind, field, ...) SETTING_FIELD_##kind(field)
#include "train/settings.def"
#undef SETTING
} settings;

/* ORDER: the choices of settings.def. */
enum recipe {
    RECIPE_AUTO,
    RECIPE_SGD,
    RECIPE_ADAMW,
    RECIPE_LION,
    RECIPE_MUON,
    RECIPE_NORMUON,
    RECIPE_AR,
};
enum compute_choice { COMPUTE_F32, COMPUTE_BF16, COMPUTE_F16 };

/* One row of settings.def. */
typedef struct setting_info {
    enum setting_kind kind;
    const char *path; /* "optimizer.lr" */
    const char *flag; /* "lr" for --lr; "" = JSON only */
    const char *text; /* the default */
    double least, most;
    const char *help; /* of a CHOICE: "a|b|c: help" */
    size_t offset;    /* of the field in struct settings */
} setting_info;

extern const setting_info settings_table[];
extern const int settings_count;

/* By path or flag; NULL if there is none. */
const setting_info *settings_find(const char *name);
/* The text of choice i of a CHOICE in out[size]; false if there is none. */
bool settings_choice(const setting_info *info, int i, char *out, size_t size);

void settings_default(settings *s);
void settings_close(settings *s);
/* Errors: AR_NOMEM. */
ar_status settings_copy(settings *out, const settings *s, ar_error *err);

/* Set by path or flag from text.  Errors: AR_USAGE naming the setting: it is
 * unknown, of another type, or out of range. */
ar_status settings_set(settings *s, const char *name, const char *text,
                       ar_error *err);
/* Settings of a JSON object over those of s.  Errors: AR_FORMAT naming the
 * key. */
ar_status settings_read_json(settings *s, const json_t *json, ar_error *err);
ar_status settings_read(settings *s, const char *path, ar_error *err);
/* Every setting; a new reference, NULL on no memory. */
json_t *settings_json(const settings *s);
/* The same, written to a file.  Errors: AR_IO, AR_NOMEM. */
ar_status settings_write(const settings *s, const char *path, ar_error *err);

#endif
