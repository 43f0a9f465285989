/* checkpoint.h - the state of a run, saved so that it can never be half there.
 *
 *   RUN/step-00001200/model.safetensors    weights under their file names
 *                     config.json          so that the folder is a model
 *                     optimizer.safetensors  everything else that has bytes
 *                     state.json           step, data position, seeds,
 *                                          settings; XXH64 of every file
 *   RUN/latest                             the name of the newest folder
 *
 * A checkpoint is written to RUN/tmp-..., synced, renamed; then `latest` is
 * replaced; then old ones beyond `keep` are removed.  Loading checks every
 * checksum and falls back to the newest checkpoint that is whole. */
#ifndef FORMAT_CHECKPOINT_H
#define FORMAT_CHECKPOINT_H

#include <jansson.h>

#include "format/safetensors.h"

/* A file of tensors to write: names, types, shapes and where the bytes are. */
typedef struct checkpoint_file {
    const char *file; /* "model.safetensors" */
    int64_t n;
    const tensor_view *tensors; /* .data borrowed */
} checkpoint_file;

/* `extra` are small text files (config.json, tokenizer.json): pairs of name
 * and contents, NULL-terminated.  `state` is stored in state.json with the
 * checksums added.  Errors: AR_IO (a full disk: nothing old is touched). */
ar_status checkpoint_save(const char *run, int64_t step,
                          const checkpoint_file *files, int n_files,
                          const char *const *extra, const json_t *state,
                          int keep, ar_error *err);

/* Folder of the newest whole checkpoint of a run in path[size], and its state
 * (json_decref it).  `run` may also be a checkpoint folder itself.  If damaged
 * ones were passed over, *skipped (may be NULL) gets how many.
 * Errors: AR_IO no checkpoint there; AR_FORMAT all are damaged. */
ar_status checkpoint_find(const char *run, char *path, size_t size,
                          json_t **state, int *skipped, ar_error *err);

#endif
