/* export_mix.h - which type each weight of a quantised model has. */
#ifndef MODEL_EXPORT_MIX_H
#define MODEL_EXPORT_MIX_H

#include "model/params.h"

enum { MOST_RULES = 64 };

typedef struct export_mix {
    ar_type rest, more, ends; /* as in mixes.def */
    struct mix_rule {
        const char *pattern; /* borrowed; ends before the '=' */
        int size;
        ar_type type;
    } rule[MOST_RULES];
    int n_rules;
    int64_t n_fallen; /* tensors that got another type than asked for */
    char example[96]; /* the name of the last one */
    ar_type example_type;
} export_mix;

/* A row of mixes.def, or a type by its name for all matrices.  Errors:
 * AR_USAGE, with the names there are. */
ar_status export_mix_find(export_mix *out, const char *name, ar_error *err);
/* "PATTERN=TYPE" over the mix: tensors whose name in the file matches, with *
 * for any text and ? for a character, have that type; the last such rule
 * counts.  The text is borrowed.  Errors: AR_USAGE. */
ar_status export_mix_rule(export_mix *mix, const char *rule, ar_error *err);
/* An export_choose; ctx is an export_mix. */
ar_type export_mix_choose(export_mix *mix, const param_spec *s);

#endif
