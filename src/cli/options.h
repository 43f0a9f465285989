/* options.h - option rows and small helpers that several commands share. */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <jansson.h>

#include "arcane/tokenizer.h"
#include "cli/cli.h"

/* Where a model runs; the first member of a command's arguments may be one. */
typedef struct device_args {
    const char *device, *kernels;
    int64_t threads;
} device_args;

#define DEVICE_DEFAULTS                                                        \
    { .device = "cpu" }
/* Rows for a struct with a member `on` of type device_args. */
#define DEVICE_OPTIONS(args)                                                   \
    {"--device",                                                               \
     NULL,                                                                     \
     CLI_TEXT,                                                                 \
     false,                                                                    \
     offsetof(args, on.device),                                                \
     "NAME",                                                                   \
     "cpu, cuda, opencl (cuda:1 is the second), gpu-host (kernels of GPUs on " \
     "this processor), reference (plain kernels) or reference-f64 (the same "  \
     "in double); default cpu"},                                               \
        {"--kernels",                                                          \
         NULL,                                                                 \
         CLI_TEXT,                                                             \
         false,                                                                \
         offsetof(args, on.kernels),                                           \
         "NAME",                                                               \
         "kernel table, as \"arcane devices\" lists them; default: the best "  \
         "this CPU runs"},                                                     \
    {                                                                          \
        "--threads", "-t", CLI_INT, false, offsetof(args, on.threads), "N",    \
            "threads; default: all processors"                                 \
    }

#define OPTIONS_END                                                            \
    { .name = NULL }

/* A number of threads for device_options; too many stay too many. */
int thread_count(int64_t n);

/* "1,2,3", "1 2 3" or a JSON list of ids; `name` is for the error.  Free with
 * mem_free. Errors: AR_USAGE. */
ar_status parse_ids(const char *name, const char *list, int32_t **ids,
                    int64_t *n, ar_error *err);

/* The tokenizer of a file, a folder, a GGUF file, or the one called "bytes". */
ar_status open_named_tokenizer(ar_tokenizer **out, const char *name,
                               ar_error *err);

/* Make room for a flag over the settings of a file: a run's settings.json has
 * the whole model and every parameter group, and neither would follow a new
 * preset or rate.  `flag` decides about groups (NULL: none does).  Errors:
 * AR_USAGE if the groups are not those of a recipe. */
struct settings;
ar_status settings_loosen(struct settings *s, const char *flag, bool new_preset,
                          ar_error *err);

/* A model must not be written over the one it is made of.  Errors: AR_USAGE. */
ar_status check_out(const char *out, const char *of, ar_error *err);

/* All of standard input; free with mem_free. */
ar_status read_stdin(char **out, size_t *n, ar_error *err);

/* One JSON value and a newline on stdout; takes the reference.  Errors:
 * AR_NOMEM (also for a NULL value). */
ar_status print_json(json_t *json, ar_error *err);

/* Decoded text with invalid UTF-8 replaced, NUL-terminated; free with
 * mem_free. */
ar_status decode_text(const ar_tokenizer *tok, const int32_t *ids, size_t n,
                      unsigned flags, char **out, size_t *size, ar_error *err);

#endif
