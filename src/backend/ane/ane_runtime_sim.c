/* ane_runtime_sim.c - the contract of the engine's runtime. */
#include "backend/ane/ane_runtime_sim.h"

#include <string.h>

#include "base/error.h"
#include "base/mem.h"

/* A procedure's inputs or outputs, by place of binding: which parameter or
 * result of the function that is. */
typedef struct binding {
    int *order;
    int n, first; /* first: index of the first over all procedures */
} binding;

/* Whose tensors are bound. */
typedef struct side {
    const binding *b;
    bool output;
    int procedure;
} side;

typedef struct image {
    char *id;
    mil_program *p;
    mil_sim *sim;
    binding *in, *out; /* by procedure */
    void **packed;     /* room for the tensors of one run */
    bool loaded;
} image;

struct ane_sim {
    ane_sim_options opt;
    image **images;
    int n_images, compiles, loaded;
};

ane_sim_options ane_sim_options_default(void) {
    ane_sim_options opt = {.sim = mil_sim_options_default(),
                           .max_compiles = 119,
                           .max_loaded = 55,
                           .min_surface = 16384};
    opt.sim.level = 1;
    return opt;
}

ane_sim *ane_sim_open(const ane_sim_options *opt) {
    ane_sim *r = mem_new(ane_sim, 1);
    if (r) r->opt = opt ? *opt : ane_sim_options_default();
    return r;
}

/* ---- images ---- */

static const mil_value *param(const image *m, int procedure, int i) {
    const mil_func *f = mil_get_func(m->p, procedure);
    return mil_get(f, f->params[i]);
}

static const mil_value *result(const image *m, int procedure, int i) {
    const mil_func *f = mil_get_func(m->p, procedure);
    return mil_get(f, f->results[i]);
}

static int n_tensors(const mil_func *f) { return f->n_params + f->n_results; }

static void close_image(image *m) {
    const int n = m->p ? mil_n_funcs(m->p) : 0;
    for (int i = 0; i < n; i++) {
        if (m->in) mem_free(m->in[i].order);
        if (m->out) mem_free(m->out[i].order);
    }
    for (int i = 0; m->packed && m->packed[i]; i++) mem_free(m->packed[i]);
    mem_free(m->packed);
    mem_free(m->in);
    mem_free(m->out);
    mem_free(m->id);
    mil_sim_close(m->sim);
    mil_close(m->p);
    mem_free(m);
}

void ane_sim_close(ane_sim *r) {
    if (!r) return;
    for (int i = 0; i < r->n_images; i++) close_image(r->images[i]);
    mem_free(r->images);
    mem_free(r);
}

static image *find_image(const ane_sim *r, const char *id) {
    for (int i = 0; i < r->n_images; i++)
        if (strcmp(r->images[i]->id, id) == 0) return r->images[i];
    return NULL;
}

/* Order of names, or of the program. */
static ar_status bind(const image *m, int procedure, bool output, bool declared,
                      binding *b, ar_error *err) {
    const mil_func *f = mil_get_func(m->p, procedure);
    b->n = output ? f->n_results : f->n_params;
    b->order = mem_new(int, b->n + 1);
    if (!b->order) return error_set(err, AR_NOMEM, "no memory for symbols");
    for (int i = 0; i < b->n; i++) {
        int at = i;
        const char *name = (output ? result : param)(m, procedure, i)->name;
        while (
            !declared && at > 0 &&
            strcmp(
                (output ? result : param)(m, procedure, b->order[at - 1])->name,
                name) > 0) {
            b->order[at] = b->order[at - 1];
            at--;
        }
        b->order[at] = i;
    }
    return AR_OK;
}

/* What goes in and out is fp16, fp32 (not on M1 and M2) or bool; states do not
 * exist on this way. */
static ar_status check_edge(const ane_sim *r, const mil_value *v,
                            ar_error *err) {
    const char *chip = r->opt.sim.chip;
    const enum mil_dtype t = v->type.dtype;
    const bool old = chip && (!strcmp(chip, "m1") || !strcmp(chip, "m2"));
    char type[MIL_TYPE_TEXT];
    if (!v->type.state &&
        (t == MIL_FP16 || t == MIL_BOOL || (t == MIL_FP32 && !old)))
        return AR_OK;
    return error_set(err, AR_UNSUPPORTED,
                     "InvalidMILProgram: \"%s\" is %s, which does not go in or "
                     "out of the engine",
                     v->name, mil_type_text(&v->type, type));
}

static ar_status open_edges(const ane_sim *r, image *m, ar_error *err) {
    const int n = mil_n_funcs(m->p);
    int most = 0, in = 0, out = 0;
    m->in = mem_new(binding, n + 1);
    m->out = mem_new(binding, n + 1);
    if (!m->in || !m->out)
        return error_set(err, AR_NOMEM, "no memory for symbols");
    for (int i = 0; i < n; i++) {
        const mil_func *f = mil_get_func(m->p, i);
        const bool declared = r->opt.declared_order;
        for (int k = 0; k < f->n_params; k++)
            TRY(check_edge(r, param(m, i, k), err));
        for (int k = 0; k < f->n_results; k++)
            TRY(check_edge(r, result(m, i, k), err));
        TRY(bind(m, i, false, declared, &m->in[i], err));
        TRY(bind(m, i, true, declared, &m->out[i], err));
        m->in[i].first = in;
        m->out[i].first = out;
        in += f->n_params;
        out += f->n_results;
        if (n_tensors(f) > most) most = n_tensors(f);
    }
    m->packed = mem_new(void *, most + 1);
    if (!m->packed) return error_set(err, AR_NOMEM, "no memory for tensors");
    for (int k = 0; k < most; k++) {
        size_t size = 1;
        for (int i = 0; i < n; i++) {
            const mil_func *f = mil_get_func(m->p, i);
            if (k >= n_tensors(f)) continue;
            const mil_value *v = k < f->n_params
                                     ? param(m, i, k)
                                     : result(m, i, k - f->n_params);
            if (mil_size(&v->type) > size) size = mil_size(&v->type);
        }
        m->packed[k] = mem_alloc(size);
        if (!m->packed[k])
            return error_set(err, AR_NOMEM, "no memory for tensors");
    }
    return AR_OK;
}

static ar_status open_image(const ane_sim *r, image *m, const char *id,
                            const char *mil, size_t size, ar_error *err) {
    const size_t n = strlen(id) + 1;
    m->id = mem_alloc(n);
    if (!m->id) return error_set(err, AR_NOMEM, "no memory for a program");
    memcpy(m->id, id, n);
    TRY(mil_parse("model.mil", mil, size, &m->p, err));
    TRY(mil_sim_open("model.mil", m->p, &r->opt.sim, &m->sim, err));
    return open_edges(r, m, err);
}

enum ane_sim_code ane_sim_compile(ane_sim *r, const char *id, const char *mil,
                                  size_t size, ar_error *err) {
    if (r->compiles >= r->opt.max_compiles) {
        error_set(err, AR_DEVICE, "%d compiles are all a process has",
                  r->opt.max_compiles);
        return ANE_SIM_COMPILE_FAILED;
    }
    r->compiles++;
    if (find_image(r, id)) return ANE_SIM_DONE; /* the daemon has it */
    image **grown =
        mem_realloc(r->images, sizeof(image *) * (size_t)(r->n_images + 1));
    if (grown) r->images = grown;
    image *m = grown ? mem_new(image, 1) : NULL;
    if (!m) {
        error_set(err, AR_NOMEM, "no memory for a program");
        return ANE_SIM_COMPILE_FAILED;
    }
    if (open_image(r, m, id, mil, size, err) != AR_OK) {
        close_image(m);
        return ANE_SIM_COMPILE_FAILED;
    }
    r->images[r->n_images++] = m;
    return ANE_SIM_DONE;
}

enum ane_sim_code ane_sim_load(ane_sim *r, const char *id, ar_error *err) {
    image *m = find_image(r, id);
    if (!m) {
        error_set(err, AR_DEVICE, "GetANEFModel: must re-compile");
        return ANE_SIM_NOT_LOADED;
    }
    if (m->loaded) return ANE_SIM_DONE;
    if (r->loaded >= r->opt.max_loaded) {
        error_set(err, AR_DEVICE,
                  "createProgramInstance: 0x20004, %d programs are loaded",
                  r->loaded);
        return ANE_SIM_NO_INSTANCE;
    }
    m->loaded = true;
    r->loaded++;
    return ANE_SIM_DONE;
}

void ane_sim_unload(ane_sim *r, const char *id) {
    image *m = find_image(r, id);
    if (!m || !m->loaded) return;
    m->loaded = false;
    r->loaded--;
}

int ane_sim_compiles(const ane_sim *r) { return r->compiles; }

int ane_sim_loaded(const ane_sim *r) { return r->loaded; }

/* ---- surfaces ---- */

static size_t row_size(const mil_type *t) {
    const size_t element = (size_t)mil_dtype_bits(t->dtype) / 8;
    return (t->rank ? (size_t)t->dim[t->rank - 1] : 1) * element;
}

static size_t rows_of(const mil_type *t) {
    size_t n = 1;
    for (int i = 0; i + 1 < t->rank; i++) n *= (size_t)t->dim[i];
    return n;
}

size_t ane_sim_row_stride(const mil_type *t) {
    return (row_size(t) + 63) / 64 * 64;
}

size_t ane_sim_surface_size(const mil_type *t) {
    return rows_of(t) * ane_sim_row_stride(t);
}

void ane_sim_to_surface(const mil_type *t, const void *packed, void *surface) {
    const size_t row = row_size(t), stride = ane_sim_row_stride(t);
    for (size_t i = 0; i < rows_of(t); i++)
        memcpy((char *)surface + i * stride, (const char *)packed + i * row,
               row);
}

void ane_sim_from_surface(const mil_type *t, const void *surface,
                          void *packed) {
    const size_t row = row_size(t), stride = ane_sim_row_stride(t);
    for (size_t i = 0; i < rows_of(t); i++)
        memcpy((char *)packed + i * row, (const char *)surface + i * stride,
               row);
}

/* ---- symbols and evaluation ---- */

bool ane_sim_get_symbol(const ane_sim *r, const char *id, int procedure,
                        bool output, int i, ane_sim_symbol *out) {
    const image *m = find_image(r, id);
    if (!m || procedure < 0 || procedure >= mil_n_funcs(m->p)) return false;
    const binding *b = &(output ? m->out : m->in)[procedure];
    if (i < 0 || i >= b->n) return false;
    const mil_value *v = (output ? result : param)(m, procedure, b->order[i]);
    *out = (ane_sim_symbol){v->name, v->type, b->first + i};
    return true;
}

/* Each symbol has one surface, large enough; in the order of the program. */
static enum ane_sim_code check_surfaces(const ane_sim *r, const image *m,
                                        side of, const ane_sim_surface *s,
                                        int n, ar_error *err) {
    const binding *b = of.b;
    if (n != b->n) {
        error_set(err, AR_DEVICE, "status=0x1d: %d surfaces, not %d", n, b->n);
        return ANE_SIM_INFERENCE;
    }
    for (int i = 0; i < n; i++) {
        const int at = s[i].index - b->first;
        bool twice = false;
        for (int k = 0; k < i; k++) twice = twice || s[k].index == s[i].index;
        if (at < 0 || at >= n || twice) {
            error_set(err, AR_DEVICE, "status=0x2: symbol %d", s[i].index);
            return ANE_SIM_BAD_SYMBOL;
        }
        const mil_value *v =
            (of.output ? result : param)(m, of.procedure, b->order[at]);
        const size_t need = ane_sim_surface_size(&v->type);
        if (s[i].size >= need && s[i].size >= r->opt.min_surface) continue;
        error_set(err, AR_DEVICE,
                  "status=0x1d: a surface of %zu bytes for \"%s\", which needs "
                  "%zu",
                  s[i].size, v->name,
                  need > r->opt.min_surface ? need : r->opt.min_surface);
        return ANE_SIM_INFERENCE;
    }
    return ANE_SIM_DONE;
}

enum ane_sim_code ane_sim_evaluate(ane_sim *r, const char *id, int procedure,
                                   const ane_sim_request *q, ar_error *err) {
    image *m = find_image(r, id);
    if (!m || !m->loaded) {
        error_set(err, AR_DEVICE, "programInferenceProgramNotFound");
        return ANE_SIM_NOT_LOADED;
    }
    if (procedure < 0 || procedure >= mil_n_funcs(m->p)) {
        error_set(err, AR_DEVICE, "status=0x1d: procedure %d", procedure);
        return ANE_SIM_INFERENCE;
    }
    const binding *in = &m->in[procedure], *out = &m->out[procedure];
    enum ane_sim_code code =
        check_surfaces(r, m, (side){in, false, procedure}, q->in, q->n_in, err);
    if (code == ANE_SIM_DONE)
        code = check_surfaces(r, m, (side){out, true, procedure}, q->out,
                              q->n_out, err);
    if (code != ANE_SIM_DONE) return code;
    for (int i = 0; i < q->n_in; i++) {
        const int k = in->order[q->in[i].index - in->first];
        ane_sim_from_surface(&param(m, procedure, k)->type, q->in[i].data,
                             m->packed[k]);
    }
    void **results = m->packed + in->n;
    if (mil_sim_run(m->sim, procedure, (const void *const *)m->packed, results,
                    err) != AR_OK)
        return ANE_SIM_INFERENCE;
    for (int i = 0; i < q->n_out; i++) {
        const int k = out->order[q->out[i].index - out->first];
        ane_sim_to_surface(&result(m, procedure, k)->type, results[k],
                           q->out[i].data);
    }
    return ANE_SIM_DONE;
}
