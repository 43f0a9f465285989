/* ane_runtime_sim.h - what the private runtime demands, kept by the simulator.
 *
 * The engine's runtime refuses or misreads what does not keep its contract:
 * rows of surfaces at multiples of 64 bytes, surfaces bound by the order of
 * names, indices counted over all procedures, a budget of compiles.  This
 * object keeps that contract without hardware, so that a driver can be tested
 * against it.  The codes are those that projects report.
 *
 *   ane_sim *r = ane_sim_open(NULL);
 *   code = ane_sim_compile(r, id, text, size, &err);
 *   code = ane_sim_load(r, id, &err);
 *   code = ane_sim_evaluate(r, id, 0, &request, &err);
 *   ane_sim_close(r); */
#ifndef ANE_RUNTIME_SIM_H
#define ANE_RUNTIME_SIM_H

#include "backend/ane/mil_sim.h"

enum ane_sim_code {
    ANE_SIM_DONE = 0,
    ANE_SIM_COMPILE_FAILED = 1,   /* ANECCompile() FAILED; also over budget */
    ANE_SIM_BAD_SYMBOL = 0x2,     /* an index that the procedure has not */
    ANE_SIM_INFERENCE = 0x1d,     /* Program Inference error: surfaces */
    ANE_SIM_NOT_LOADED = 0x12,    /* no such program is loaded */
    ANE_SIM_NO_INSTANCE = 0x20004 /* too many programs are loaded */
};

typedef struct ane_sim_options {
    mil_sim_options sim; /* level, chip, weight files */
    int max_compiles;    /* of a process: about 119 */
    int max_loaded;      /* at a time: 48 to 128 are reported */
    size_t min_surface;  /* bytes; smaller ones are refused: a page of 16 KB */
    bool declared_order; /* bind in the order of the program, not of names */
} ane_sim_options;
ane_sim_options ane_sim_options_default(void); /* level 1, "m4", 119, 55 */

typedef struct ane_sim ane_sim;
ane_sim *ane_sim_open(const ane_sim_options *opt); /* NULL: no memory */
void ane_sim_close(ane_sim *r);

/* Counts against the budget, whether it works or not.  Weights are read here
 * and kept under the id: compiling or loading an id again goes on with the old
 * ones, as the daemon does, whatever the files have now. */
enum ane_sim_code ane_sim_compile(ane_sim *r, const char *id, const char *mil,
                                  size_t size, ar_error *err);
enum ane_sim_code ane_sim_load(ane_sim *r, const char *id, ar_error *err);
void ane_sim_unload(ane_sim *r, const char *id);
int ane_sim_compiles(const ane_sim *r);
int ane_sim_loaded(const ane_sim *r);

/* ---- surfaces ---- of a tensor [N, C, H, W]; fewer axes have ones in front,
 * a fifth is folded into N. */
size_t ane_sim_row_stride(const mil_type *t); /* bytes, a multiple of 64 */
size_t ane_sim_surface_size(const mil_type *t);
/* Between packed elements and rows at their stride. */
void ane_sim_to_surface(const mil_type *t, const void *packed, void *surface);
void ane_sim_from_surface(const mil_type *t, const void *surface, void *packed);

/* ---- symbols ---- input or output i of a procedure, in the order of binding:
 * its name and type, and its index, which goes on from procedure to procedure.
 * False behind the last. */
typedef struct ane_sim_symbol {
    const char *name;
    mil_type type;
    int index;
} ane_sim_symbol;
bool ane_sim_get_symbol(const ane_sim *r, const char *id, int procedure,
                        bool output, int i, ane_sim_symbol *out);

/* ---- evaluating ---- */
typedef struct ane_sim_surface {
    void *data;
    size_t size; /* bytes */
    int index;   /* the symbol it is bound to */
} ane_sim_surface;

typedef struct ane_sim_request {
    const ane_sim_surface *in, *out;
    int n_in, n_out;
} ane_sim_request;

enum ane_sim_code ane_sim_evaluate(ane_sim *r, const char *id, int procedure,
                                   const ane_sim_request *q, ar_error *err);

#endif
