/* engine_option.h - the options of commands that open an engine. */
#ifndef CLI_ENGINE_OPTION_H
#define CLI_ENGINE_OPTION_H

#include "cli/options.h"
#include "infer/infer.h"

typedef struct engine_args {
    const char *cache_type;
    bool exact;
} engine_args;

/* Rows for a struct with a member `run` of type engine_args. */
#define ENGINE_OPTIONS(args)                                                   \
    {"--cache-type",                                                           \
     NULL,                                                                     \
     CLI_TEXT,                                                                 \
     false,                                                                    \
     offsetof(args, run.cache_type),                                           \
     "K[,V]",                                                                  \
     "how keys and values are cached: f32, f16, bf16 or q8_0; one for both, "  \
     "or one for each; default: f32, on reference-f64 f64"},                   \
    {                                                                          \
        "--exact", NULL, CLI_FLAG, false, offsetof(args, run.exact), NULL,     \
            "keep activations in f32 where the weights of a GGUF file are "    \
            "quantised; else they are rounded to 8 bits, which is several "    \
            "times faster"                                                     \
    }

/* The defaults of an engine but for what the options say.  Errors: AR_USAGE.
 */
ar_status engine_args_read(ar_engine_options *o, const device_args *on,
                           const engine_args *run, ar_error *err);

#endif
