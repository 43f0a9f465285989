/* config_gguf.h - a configuration out of the metadata of a GGUF file. */
#ifndef MODEL_CONFIG_GGUF_H
#define MODEL_CONFIG_GGUF_H

#include "model/config.h"

struct weights;

/* w is a GGUF file.  Errors: as config_parse, naming the key of the file. */
ar_status config_from_gguf(model_config *out, const struct weights *w,
                           ar_error *err);

#endif
