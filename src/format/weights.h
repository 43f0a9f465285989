/* weights.h - one view over the tensors of a model, whatever file holds them.
 *
 * A path may be a safetensors file, or a folder with model.safetensors or
 * model.safetensors.index.json (sharded). */
#ifndef FORMAT_WEIGHTS_H
#define FORMAT_WEIGHTS_H

#include "format/safetensors.h"

typedef struct weights weights; /* opaque */

ar_status weights_open(weights **out, const char *path, ar_error *err);
void weights_close(weights *w);
int64_t weights_count(const weights *w);
const st_tensor *weights_get(const weights *w, int64_t i);
const st_tensor *weights_find(const weights *w, const char *name);
size_t weights_mapped(const weights *w); /* bytes of file mappings */

#endif
