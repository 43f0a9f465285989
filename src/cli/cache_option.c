/* cache_option.c - --cache-type: the types of keys and values in the cache. */
#include "cli/cache_option.h"

#include <string.h>

#include "base/error.h"

static ar_status read_type(const char *text, size_t n, ar_type *out,
                           ar_error *err) {
    static const ar_type known[] = {AR_F32, AR_F16, AR_BF16, AR_Q8_0};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const char *name = ar_type_name(known[i]);
        if (strlen(name) != n || memcmp(name, text, n)) continue;
        *out = known[i];
        return AR_OK;
    }
    return error_set(err, AR_USAGE,
                     "--cache-type: \"%.*s\" is not f32, f16, bf16 or q8_0",
                     n < 32 ? (int)n : 32, text);
}

ar_status cache_option_read(const char *text, engine_options *o,
                            ar_error *err) {
    if (!text) return AR_OK;
    const size_t n = strcspn(text, ",");
    TRY(read_type(text, n, &o->k_type, err));
    o->v_type = o->k_type;
    if (!text[n]) return AR_OK;
    return read_type(text + n + 1, strlen(text + n + 1), &o->v_type, err);
}
