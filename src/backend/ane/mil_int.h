/* mil_int.h - what the files that make up a MIL program share. */
#ifndef ANE_MIL_INT_H
#define ANE_MIL_INT_H

#include "backend/ane/mil.h"
#include "base/arena.h"

/* What no program needs more of. */
enum mil_limit {
    MIL_MAX_FUNCS = 4096,
    MIL_MAX_NAME = 4096,     /* bytes of a name, key or number */
    MIL_MAX_DEPTH = 64,      /* brackets in brackets */
    MIL_MAX_VALUES = 1 << 26 /* of a function; also its statements */
};

/* Names of a function to values, or texts seen before (ref unused). */
typedef struct name_slot {
    const char *name;
    uint64_t hash;
    mil_ref ref;
} name_slot;

typedef struct name_table {
    name_slot *slots; /* a power of two of them, at most half in use */
    size_t n_slots, used;
} name_table;

/* A growing array of `item` bytes each. */
typedef struct pile {
    void *data;
    size_t n, capacity;
} pile;

struct mil_program {
    arena mem;
    ar_error err; /* of the first failure */
    ar_status status;
    const char *source;  /* name for messages, or NULL: built */
    const char *version; /* NULL: that of the syntax */
    enum mil_syntax syntax;
    bool restyled;     /* by mil_set_syntax: spellings no longer hold */
    const char *attrs; /* of the program as written, or NULL */
    pile info;         /* mil_pair */
    pile funcs;        /* mil_func */
    name_table texts;  /* every key and kind once */

    /* The function and the statement being built. */
    bool in_func, in_op;
    mil_place place; /* of what is being added */
    name_table names;
    pile values, ops, params;
    mil_op op;
    pile args[2]; /* mil_arg: arguments, attributes */
};

/* The first failure sticks.  With a place its sentence begins with it. */
void mil_fail(mil_program *p, ar_status code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
bool mil_failed(const mil_program *p);

/* Room for one more at the end, zeroed; NULL after failing p. */
void *mil_push(mil_program *p, pile *a, size_t item);

void *mil_take(mil_program *p, size_t size); /* from the arena; or fails p */
const char *mil_copy_text(mil_program *p, const char *s, size_t n);
/* The one copy of a text. */
const char *mil_intern(mil_program *p, const char *s, size_t n);
/* Names of the function being built.  mil_claim copies one for ref and gives
 * the copy, NULL after failing p; mil_lookup gives 0 if there is none. */
const char *mil_claim(mil_program *p, const char *s, size_t n, mil_ref ref);
mil_ref mil_lookup(const mil_program *p, const char *s, size_t n);

/* Steps of building, for the parser: no check against mil_ops.def.  Names of n
 * bytes; literals must live as long as the program. */
void mil_add_func(mil_program *p, const char *name, const char *opset);
mil_ref mil_add_param(mil_program *p, const char *name, size_t n,
                      const mil_type *t);
mil_ref mil_add_literal(mil_program *p, const mil_literal *l);
void mil_add_op(mil_program *p, const char *kind, size_t n);
/* values belong to the program already. */
void mil_add_arg(mil_program *p, bool attr, const mil_arg *arg);
mil_ref *mil_add_outs(mil_program *p, int n); /* room for the results */
mil_ref mil_add_out(mil_program *p, const char *name, size_t n,
                    const mil_type *t, int out);
void mil_finish_op(mil_program *p);
void mil_finish_func(mil_program *p, const mil_ref *results, int n);

/* One element of a packed array of numbers. */
double mil_get_number(enum mil_dtype t, const void *data, int64_t i);
void mil_put_real(enum mil_dtype t, void *data, int64_t i, double x);
/* Whole numbers: sign and size; false if t cannot hold it. */
bool mil_put_whole(enum mil_dtype t, void *data, int64_t i, bool negative,
                   uint64_t size);
/* As a program writes it: decimal or hexadecimal, inf, nan.  False if it is no
 * number of that type. */
bool mil_put_word(enum mil_dtype t, void *data, int64_t i, const char *word);
/* Codes of element types in a weight file; 0 and MIL_NONE: none. */
int mil_blob_of_dtype(enum mil_dtype t);
enum mil_dtype mil_dtype_of_blob(uint32_t code);

bool mil_is_float(enum mil_dtype t);
bool mil_is_whole(enum mil_dtype t);
bool mil_is_signed(enum mil_dtype t);

#endif
