/* cache_option.h - the option of commands that open an engine: the types of
 * keys and values in its cache. */
#ifndef CLI_CACHE_OPTION_H
#define CLI_CACHE_OPTION_H

#include "cli/cli.h"
#include "infer/infer.h"

/* A row for a struct with a member `cache_type`, a const char *. */
#define CACHE_OPTION(args)                                                     \
    {                                                                          \
        "--cache-type", NULL, CLI_TEXT, false, offsetof(args, cache_type),     \
            "K[,V]",                                                           \
            "how keys and values are cached: f32, f16, bf16 or q8_0; one for " \
            "both, "                                                           \
            "or one for each; default: f32, on reference-f64 f64"              \
    }

/* K[,V] into o; NULL leaves it as it is.  Errors: AR_USAGE. */
ar_status cache_option_read(const char *text, engine_options *o, ar_error *err);

#endif
