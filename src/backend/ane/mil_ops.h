/* mil_ops.h - what mil_ops.def says of an operation's arguments. */
#ifndef ANE_MIL_OPS_H
#define ANE_MIL_OPS_H

#include "backend/ane/mil_check.h"

enum { MIL_ARG_TEXT = 48, MIL_OLDEST_OPSET = 15 };

typedef struct mil_arg_rule {
    char name[MIL_ARG_TEXT], group[16], value[24]; /* value: the default */
    uint32_t types; /* bit 1 << enum mil_dtype; 0: any */
    bool many, state, optional, constant;
} mil_arg_rule;

/* Row of mil_ops.def, or -1. */
int mil_find_op(const char *kind);
const char *mil_op_name(int id);
/* 15 to 18 for "ios15" to "ios18" (and "CoreML5" to "CoreML8"); the newest for
 * any other. */
int mil_opset_number(const char *opset);
/* The arguments of an operation in an opset; NULL if it came later, with the
 * number of the opset that brought it in *since. */
const char *mil_signature(int id, int opset, int *since);
/* The next argument of a signature; false after the last. */
bool mil_next_rule(const char **signature, mil_arg_rule *rule);
/* That of a name; false if there is none. */
bool mil_find_rule(const char *signature, const char *name, mil_arg_rule *rule);
/* A required argument that a statement is without; false if it has all. */
bool mil_missing_arg(const mil_func *f, const mil_op *op,
                     char name[MIL_ARG_TEXT]);

#endif
