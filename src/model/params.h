/* params.h - the weights of a model: names, shapes, first values, groups. */
#ifndef MODEL_PARAMS_H
#define MODEL_PARAMS_H

#include "model/config.h"

/* What a weight is for; one list for all architectures (params.def). */
enum param_role {
#define PARAM_ROLE(id, ...) ROLE_##id,
#include "model/params.def"
#undef PARAM_ROLE
    ROLE_COUNT
};

enum init_kind {
    INIT_ZERO,
    INIT_ONE,
    INIT_CONSTANT,
    INIT_NORMAL,
    INIT_UNIFORM
};

enum { PARAM_NAME_SIZE = 96 };

typedef struct param_spec {
    char name[PARAM_NAME_SIZE]; /* in the safetensors file */
    /* of a stack or of norms of several heads, their names where they lie one
     * by one, * being the number of one; "" = they never do */
    char parts[PARAM_NAME_SIZE];
    enum param_role role;
    int layer; /* -1 = not in a layer */
    shape shape;
    enum init_kind init;
    double init_scale; /* std, half width or the constant */
    bool turned;       /* a stack of [in, out] */
    bool matrix;       /* a 2-D weight of a linear map inside a layer: Muon */
    bool blocks;       /* may be quantised: no router, no table of biases */
    bool decay;        /* weight decay applies */
    int64_t offset;    /* bytes from the start of the parameter block */
} param_spec;

typedef struct param_list {
    param_spec *spec;
    int n;
    enum name_scheme names;
    int index[ROLE_COUNT][MAX_LAYERS + 1]; /* [role][layer + 1]; -1 = none */
    /* layers that files may hold behind those of the model */
    int64_t n_layers, n_ahead;
    int64_t size;  /* bytes of the block: every tensor at 64-byte alignment */
    int64_t count; /* elements in all */
} param_list;

/* Weights of type t, in the order of the file.  Errors: AR_NOMEM. */
ar_status params_build(param_list *out, const model_config *c, ar_type t,
                       ar_error *err);
void params_close(param_list *p);

/* First values of one tensor: element i = f(rng(seed, stream of name, i)). */
void params_init(const param_spec *s, ar_type t, uint64_t seed, void *data);
/* The same for n elements from `first` on, at data: for several threads. */
void params_init_part(const param_spec *s, ar_type t, uint64_t seed,
                      int64_t first, int64_t n, void *data);

/* Position of a weight in the list, -1 if the model has none. */
int params_find(const param_list *p, enum param_role role, int layer);

/* That every weight is there in its shape and nothing else is.  Errors:
 * AR_FORMAT, AR_SHAPE, AR_UNSUPPORTED (a type) naming the tensor; of missing
 * ones all names that the sentence has room for. */
struct weights;
ar_status params_check(const param_list *p, const struct weights *w,
                       ar_error *err);

/* params_check, then fill the block from the file, converting types. */
ar_status params_load(const param_list *p, ar_type t, const struct weights *w,
                      void *block, ar_error *err);

/* The same for one weight, whose tensor params_check has seen; data
 * [shape] of type t: F32, F64, or the type of params_source. */
ar_status params_load_one(const param_spec *s, ar_type t,
                          const struct weights *w, void *data, ar_error *err);

#endif
