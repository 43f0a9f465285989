/* fuzz_config.c - config.json out of any bytes: what is accepted is written,
 * and what is written is accepted. */
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "model/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    model_config c, again;
    ar_error err;
    if (config_parse(&c, (const char *)data, size, &err) != AR_OK) return 0;
    json_t *j = config_json(&c);
    if (!j) abort();
    char *text = json_dumps(j, JSON_REAL_PRECISION(17));
    json_decref(j);
    if (!text) abort();
    if (config_parse(&again, text, strlen(text), &err) != AR_OK) abort();
    if (again.n_embd != c.n_embd || again.rope_dims != c.rope_dims) abort();
    free(text);
    return 0;
}
