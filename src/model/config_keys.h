/* config_keys.h - the lists behind config.h: architectures and keys. */
#ifndef MODEL_CONFIG_KEYS_H
#define MODEL_CONFIG_KEYS_H

#include <stddef.h>

#include "model/config.h"

/* Which config.json an architecture has; a row of keys.def names several. */
enum key_layout {
    KEYS_GPT2 = 1, /* n_embd, n_layer ... */
    KEYS_HF = 2,   /* hidden_size, num_hidden_layers ... */
    KEYS_OWN = 4,  /* ours: traits that transformers has no key for */
};
enum key_kind { KEY_INT, KEY_REAL, KEY_BOOL, KEY_ACT, KEY_TOKEN };

typedef struct arch_row {
    const char *model_type;
    const char *class_name; /* of transformers; NULL = it has none */
    enum name_scheme names;
    unsigned keys; /* set of key_layout */
    model_config traits;
} arch_row;
extern const arch_row arch_table[ARCH_COUNT];

typedef struct config_key {
    unsigned layouts;
    enum key_kind kind;
    size_t field; /* offset in model_config */
    const char *name;
} config_key;
extern const config_key config_keys[];
extern const int n_config_keys;

/* That no size is absurd; 0 is one that is not given yet. */
ar_status config_check_limits(const model_config *c, ar_error *err);
/* Fill what follows from other fields. */
void config_derive(model_config *c);

#endif
