/* fuzz_settings.c - the settings of a run out of any JSON: what is accepted is
 * written, and what is written is accepted and says the same. */
#include <stdlib.h>

#include "fuzz/fuzz.h"
#include "train/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    settings s, again;
    ar_error err;
    json_t *given = json_loadb((const char *)data, size, 0, NULL);
    if (!given) return 0;
    settings_default(&s);
    settings_default(&again);
    if (settings_read_json(&s, given, &err) == AR_OK) {
        json_t *written = settings_json(&s);
        if (!written || settings_read_json(&again, written, &err) != AR_OK)
            abort();
        json_t *twice = settings_json(&again);
        if (!json_equal(written, twice)) abort();
        json_decref(written);
        json_decref(twice);
    }
    settings_close(&s);
    settings_close(&again);
    json_decref(given);
    return 0;
}
