/* presets.c - named configurations, read as config.json is. */
#include <string.h>

#include "base/error.h"
#include "model/config.h"

static const struct {
    const char *name, *text, *json;
} presets[] = {
#define PRESET(name, text, ...) {name, text, #__VA_ARGS__},
#include "model/presets.def"
#undef PRESET
};

int config_preset_count(void) { return sizeof presets / sizeof *presets; }

const char *config_preset_name(int i) { return presets[i].name; }

const char *config_preset_text(int i) { return presets[i].text; }

ar_status config_preset(model_config *out, const char *name, ar_error *err) {
    memset(out, 0, sizeof *out);
    for (int i = 0; i < config_preset_count(); i++)
        if (!strcmp(presets[i].name, name))
            return config_parse(out, presets[i].json, strlen(presets[i].json),
                                err);
    return error_set(err, AR_RANGE, "there is no preset \"%.64s\"", name);
}
