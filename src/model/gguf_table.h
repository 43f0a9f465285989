/* gguf_table.h - the rows of gguf.def, for reading and for writing. */
#ifndef MODEL_GGUF_TABLE_H
#define MODEL_GGUF_TABLE_H

#include "model/config_keys.h"

typedef struct gguf_arch {
    const char *name; /* general.architecture */
    enum arch_id arch;
    bool pairs;
} gguf_arch;
extern const gguf_arch gguf_archs[];
extern const int n_gguf_archs;

typedef struct gguf_key {
    enum key_kind kind;
    size_t field;     /* offset in model_config */
    const char *name; /* behind the architecture's */
} gguf_key;
extern const gguf_key gguf_keys[];
extern const int n_gguf_keys;
/* Where an architecture keeps the number of a key. */
size_t gguf_key_field(const gguf_key *k, enum arch_id arch);

#endif
