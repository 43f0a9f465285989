/* engine_option.c - the options of commands that open an engine. */
#include "cli/engine_option.h"

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

ar_status engine_args_read(ar_engine_options *o, const device_args *on,
                           const engine_args *run, ar_error *err) {
    const char *types = run->cache_type;
    *o = ar_engine_options_default();
    o->device = on->device;
    o->kernels = on->kernels;
    o->n_threads = thread_count(on->threads);
    o->exact = run->exact;
    if (!types) return AR_OK;
    const size_t n = strcspn(types, ",");
    TRY(read_type(types, n, &o->k_type, err));
    o->v_type = o->k_type;
    if (!types[n]) return AR_OK;
    return read_type(types + n + 1, strlen(types + n + 1), &o->v_type, err);
}
