/* random_model.c - a model of random weights, of a shape that was named. */
#include "cli/random_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "model/model.h"

/* A mix, or a float type for all matrices. */
static ar_status find_mix(export_mix *mix, const char *name, ar_error *err) {
    const ar_type t = ar_type_from_name(name);
    if (t != AR_F32 && t != AR_F16 && t != AR_BF16)
        return export_mix_find(mix, name, err);
    *mix = (export_mix){.rest = t, .more = t, .ends = t};
    return AR_OK;
}

ar_status random_model_open(ar_model **out, const char *spec, const char *keep,
                            ar_error *err) {
    char preset[64], path[4096];
    export_mix mix;
    const char *colon = strchr(spec, ':'), *dir = getenv("TMPDIR");
    const size_t n = colon ? (size_t)(colon - spec) : strlen(spec);
    snprintf(preset, sizeof preset, "%.*s", (int)(n < 63 ? n : 63), spec);
    TRY(find_mix(&mix, colon ? colon + 1 : "q4_k_m", err));
    snprintf(path, sizeof path, "%s/arcane-random-%ld.gguf",
             dir && *dir ? dir : "/tmp", (long)getpid());
    const char *at = keep ? keep : path;
    TRY(random_gguf(at, preset, &mix, err));
    const ar_status s = ar_model_open(out, at, err);
    if (!keep) file_remove(path, NULL);
    return s;
}
