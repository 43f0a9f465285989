/* mock_engine.c - descriptor, model, client, request: the contract. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/ane/mock/ane_mock_int.h"

/* What the daemon knows of a program.  It outlives the model objects: the
 * same id gets the weights that were first compiled under it. */
typedef struct program {
    char id[160];
    int scale;
    bool compiled;
} program;

enum { PROGRAMS = 256, PATH = 1200 };
static program programs[PROGRAMS];
static int n_programs;

void mock_engine_forget(void) { n_programs = 0; }

static program *program_of(const char *id) {
    for (int i = 0; i < n_programs; i++)
        if (!strcmp(programs[i].id, id)) return &programs[i];
    assert(n_programs < PROGRAMS);
    program *p = &programs[n_programs++];
    *p = (program){0};
    snprintf(p->id, sizeof p->id, "%s", id);
    return p;
}

/* Of both kinds of model: items are descriptor (or NULL), folder, id, inner
 * model; number is whether it is loaded. */
enum { DESCRIPTOR, FOLDER, ID, INNER, MODEL_ITEMS };

static void set(obj *o, int i, obj *value) {
    mock_keep(value);
    mock_drop(o->items[i]);
    o->items[i] = value;
}

static char *slurp(const char *path, size_t *size) {
    FILE *f = fopen(path, "rb");
    if (!f) return NULL;
    char *p = calloc(1, 1 << 20);
    *size = fread(p, 1, 1 << 20, f);
    fclose(f);
    return p;
}

static bool same_file(const char *path, const obj *data) {
    size_t n;
    char *p = slurp(path, &n);
    const bool same = p && n == data->size && !memcmp(p, data->bytes, n);
    free(p);
    return same;
}

static void path_in(const obj *m, const char *name, char out[PATH]) {
    snprintf(out, PATH, "%s/%s", m->items[FOLDER]->bytes, name);
}

static const char prefix[] = "@model_path/";

/* Does the folder hold what the descriptor says? */
static bool staged(const obj *m) {
    char path[PATH];
    path_in(m, "model.mil", path);
    const obj *d = m->items[DESCRIPTOR];
    if (!d) return !access(path, R_OK);
    if (!same_file(path, d->items[0])) return false;
    const obj *weights = d->items[1];
    for (size_t i = 0; i < weights->n; i++) {
        path_in(m, weights->keys[i]->bytes + strlen(prefix), path);
        if (!same_file(path, mock_get(weights->items[i], "data"))) return false;
    }
    return true;
}

/* The first byte of the file "weights/scale" if there is one, else 2. */
static int scale_of(const obj *m) {
    char path[PATH];
    size_t n;
    path_in(m, "weights/scale", path);
    char *p = slurp(path, &n);
    const int scale = p && n ? (unsigned char)p[0] : 2;
    free(p);
    return scale;
}

static signed char compile(obj *m, uint32_t qos, obj *options, obj **error) {
    mock.compiles++;
    if (qos > 63 || !mock_is(options, "NSDictionary"))
        return mock_throw("compile: an argument of a wrong kind"), 0;
    if (mock_fails("compile", error)) return 0;
    if (mock.compiles > mock.compile_limit) return 0; /* and says nothing */
    if (!staged(m)) {
        mock_error(
            error, 1,
            "_ANECompiler : ANECCompile() FAILED err=(InvalidMILProgram)");
        return 0;
    }
    program *p = program_of(m->items[ID]->bytes);
    if (!p->scale) p->scale = scale_of(m);
    p->compiled = true;
    char path[PATH];
    path_in(m, "net.plist", path);
    FILE *f = fopen(path, "wb");
    if (f) fclose(f);
    return 1;
}

/* Compiled by this process, or by one before and kept in the folder. */
static bool is_compiled(const obj *m) {
    char path[PATH];
    path_in(m, "net.plist", path);
    return program_of(m->items[ID]->bytes)->compiled || !access(path, R_OK);
}

static signed char load(obj *m, obj **error) {
    mock.loads++;
    if (mock_fails("load", error)) return 0;
    if (mock.stale) {
        mock_error(error, 10, "verifyBundleAtPath: invalid model");
        return 0;
    }
    if (!is_compiled(m)) {
        mock_error(error, 6, "GetANEFModel: must re-compile");
        return 0;
    }
    program *p = program_of(m->items[ID]->bytes);
    if (!p->scale) p->scale = scale_of(m);
    m->number = 1;
    return 1;
}

static void purge(obj *m) {
    mock.purges++;
    mock.stale = false;
    program_of(m->items[ID]->bytes)->compiled = false;
    char path[PATH];
    path_in(m, "net.plist", path);
    unlink(path);
}

static signed char unload(obj *m) {
    mock.unloads++;
    if (!m->number) mock_throw("unloaded what is not loaded");
    m->number = 0;
    return 1;
}

/* Ports of one direction in the order of their names. */
static int by_name(const void *a, const void *b) {
    return strcmp((*(const mock_port *const *)a)->name,
                  (*(const mock_port *const *)b)->name);
}

static int sorted(const mock_function *f, bool out, const mock_port *to[4]) {
    const int n = out ? f->n_out : f->n_in;
    for (int i = 0; i < n; i++) to[i] = out ? &f->out[i] : &f->in[i];
    qsort(to, (size_t)n, sizeof *to, by_name);
    return n;
}

static int element(const mock_port *p) {
    return !strcmp(p->type, "Float32") ? 4 : 2;
}

static size_t row_of(const mock_port *p) {
    return ((size_t)(p->w * element(p)) + 63) / 64 * 64;
}

static size_t size_of(const mock_port *p) {
    return (size_t)(p->c * p->h) * row_of(p);
}

/* The index of the first symbol of a procedure. */
static int first_symbol(int procedure, bool out) {
    int n = 0;
    for (int i = 0; i < procedure; i++)
        n += out ? mock.functions[i].n_out : mock.functions[i].n_in;
    return n;
}

static bool check_side(const obj *r, int procedure, bool out, obj **error) {
    const mock_port *ports[4];
    const int n = sorted(&mock.functions[procedure], out, ports);
    const obj *surfaces = r->items[out ? 2 : 0];
    const obj *indices = r->items[out ? 3 : 1];
    bool right = (int)surfaces->n == n && (int)indices->n == n;
    for (int i = 0; i < n && right; i++)
        right = indices->items[i]->number ==
                (uint64_t)(first_symbol(procedure, out) + i);
    if (!right)
        return mock_error(error, 8,
                          "processRequest Failed with status=0x2 : statusType="
                          "0x9: Program Inference error"),
               false;
    for (int i = 0; i < n; i++)
        if (surfaces->items[i]->items[0]->size < size_of(ports[i]))
            return mock_error(error, 8,
                              "processRequest Failed with status=0x1d : "
                              "statusType=0x9: Program Inference error"),
                   false;
    return true;
}

static char *base_of(const obj *r, bool out, int i) {
    return r->items[out ? 2 : 0]->items[i]->items[0]->bytes;
}

static void compute(const obj *r, int procedure, int scale) {
    const mock_function *f = &mock.functions[procedure];
    const mock_port *in[4], *out[4];
    const int n_in = sorted(f, false, in), n_out = sorted(f, true, out);
    for (int o = 0; o < n_out; o++)
        for (int row = 0; row < out[o]->c * out[o]->h; row++)
            for (int w = 0; w < out[o]->w; w++) {
                float sum = 0, x;
                for (int i = 0; i < n_in; i++) {
                    memcpy(&x,
                           base_of(r, false, i) + (size_t)row * row_of(in[i]) +
                               (size_t)w * 4,
                           4);
                    sum += (float)(i + 1) * x;
                }
                sum *= (float)(scale * (o + 1));
                memcpy(base_of(r, true, o) + (size_t)row * row_of(out[o]) +
                           (size_t)w * 4,
                       &sum, 4);
            }
}

static signed char evaluate(obj *m, obj *options, obj *r, obj **error) {
    mock.evaluations++;
    if (!mock_is(r, "_ANERequest") || !mock_is(options, "NSDictionary"))
        return mock_throw("evaluate: an argument of a wrong kind"), 0;
    if (mock_fails("evaluate", error)) return 0;
    if (!m->number) {
        mock_error(error, 8, "Program Inference error: not loaded");
        return 0;
    }
    const uint64_t procedure = r->items[4]->number;
    if (procedure >= (uint64_t)mock.n_functions) {
        mock_error(error, 8, "processRequest Failed with status=0x1d : none");
        return 0;
    }
    if (!check_side(r, (int)procedure, false, error) ||
        !check_side(r, (int)procedure, true, error))
        return 0;
    compute(r, (int)procedure, program_of(m->items[ID]->bytes)->scale);
    return 1;
}

/* ---- descriptions ---- */

static obj *live_entry(const mock_port *p, bool out) {
    static const char *const keys[] = {
        "Name",      "Symbol",      "Type",  "Batches",
        "Channels",  "Height",      "Width", "Interleave",
        "RowStride", "PlaneStride", "Depth", "BatchStride"};
    char symbol[80];
    snprintf(symbol, sizeof symbol, "%s%s", p->name, out ? "@output" : "");
    const size_t row = row_of(p);
    obj *values[] = {mock_string(p->name),
                     mock_string(symbol),
                     mock_string(p->type),
                     mock_number(1),
                     mock_number((uint64_t)p->c),
                     mock_number((uint64_t)p->h),
                     mock_number((uint64_t)p->w),
                     mock_number(1),
                     mock_number(row),
                     mock_number(row * (size_t)p->h),
                     mock_number(1),
                     mock_number(size_of(p))};
    return mock_dictionary(keys, values, 12);
}

/* Of one procedure: the layouts, or the indices, of a direction. */
static obj *side_list(int procedure, bool out, bool layouts) {
    const mock_port *ports[4];
    obj *items[4];
    const int n = sorted(&mock.functions[procedure], out, ports);
    for (int i = 0; i < n; i++)
        items[i] =
            layouts ? live_entry(ports[i], out)
                    : mock_number((uint64_t)(first_symbol(procedure, out) + i));
    return mock_array(items, (size_t)n);
}

static obj *symbol_names(bool out) {
    obj *items[64];
    size_t n = 0;
    for (int f = 0; f < mock.n_functions; f++) {
        const mock_port *ports[4];
        const int k = sorted(&mock.functions[f], out, ports);
        for (int i = 0; i < k; i++) {
            char name[80];
            snprintf(name, sizeof name, "%s%s", ports[i]->name,
                     out ? "@output" : "");
            items[n++] = mock_string(name);
        }
    }
    return mock_array(items, n);
}

static obj *attributes(void) {
    static const char *const procedure_keys[] = {
        "ANEFModelProcedureID", "ANEFModelInputSymbolIndexArray",
        "ANEFModelOutputSymbolIndexArray"};
    static const char *const status_keys[] = {"Name", "LiveInputList",
                                              "LiveOutputList"};
    static const char *const description_keys[] = {
        "ANEFModelProcedures", "kANEFModelInputSymbolsArrayKey",
        "kANEFModelOutputSymbolsArrayKey", "kANEFModelProcedureNameToIDMapKey"};
    static const char *const keys[] = {"ANEFModelDescription",
                                       "NetworkStatusList"};
    const size_t n = (size_t)mock.n_functions;
    obj *procedures[16], *status[16], *ids[16];
    const char *names[16];
    for (int i = 0; i < mock.n_functions; i++) {
        names[i] = mock.functions[i].name;
        ids[i] = mock_number((uint64_t)i);
        obj *p[] = {ids[i], side_list(i, false, false),
                    side_list(i, true, false)};
        procedures[i] = mock_dictionary(procedure_keys, p, 3);
        obj *s[] = {mock_string(names[i]), side_list(i, false, true),
                    side_list(i, true, true)};
        /* in another order than the procedures: names tell */
        status[mock.n_functions - 1 - i] = mock_dictionary(status_keys, s, 3);
    }
    obj *d[] = {mock_array(procedures, n), symbol_names(false),
                symbol_names(true), mock_dictionary(names, ids, n)};
    obj *all[] = {mock_dictionary(description_keys, d, 4),
                  mock_array(status, n)};
    return mock_dictionary(keys, all, 2);
}

/* ---- messages ---- */

static obj *descriptor_make(obj *c, SEL s, obj *text, obj *weights,
                            obj *plist) {
    (void)c, (void)s;
    if (!mock_is(text, "NSData") || !mock_is(weights, "NSDictionary") ||
        (plist && !mock_is(plist, "NSData")))
        return mock_throw("modelWithMILText: arguments of a wrong kind");
    for (size_t i = 0; i < weights->n; i++)
        if (strncmp(weights->keys[i]->bytes, prefix, strlen(prefix)) ||
            !mock_is(weights->items[i], "NSDictionary") ||
            !mock_is(mock_get(weights->items[i], "data"), "NSData") ||
            !mock_is(mock_get(weights->items[i], "offset"), "NSNumber"))
            return mock_throw("modelWithMILText: weights of a wrong form");
    obj *d = mock_new("_ANEInMemoryModelDescriptor", 2);
    d->items[0] = mock_keep(text);
    d->items[1] = mock_keep(weights);
    return d;
}

static uint64_t mix(uint64_t h, const obj *data) {
    for (size_t i = 0; i < data->size; i++)
        h = (h ^ (unsigned char)data->bytes[i]) * 0x100000001b3u;
    return h * 31 + data->size;
}

static obj *memory_make(obj *c, SEL s, obj *d) {
    (void)c, (void)s;
    if (!mock_is(d, "_ANEInMemoryModelDescriptor"))
        return mock_throw("inMemoryModelWithDescriptor: of no descriptor");
    uint64_t h = mix(0xcbf29ce484222325u, d->items[0]), hw = 7;
    for (size_t i = 0; i < d->items[1]->n; i++)
        hw = mix(mix(hw, d->items[1]->keys[i]),
                 mock_get(d->items[1]->items[i], "data"));
    char id[80], folder[PATH];
    snprintf(id, sizeof id, "%016llX_%016llX_0", (unsigned long long)h,
             (unsigned long long)hw);
    snprintf(folder, sizeof folder, "%s/%s", mock.temp ? mock.temp : "", id);
    obj *m = mock_new("_ANEInMemoryModel", MODEL_ITEMS);
    set(m, DESCRIPTOR, d);
    set(m, FOLDER, mock_string(folder));
    set(m, ID, mock_string(id));
    return m;
}

static obj *memory_id(obj *m, SEL s) {
    (void)s;
    return m->items[ID];
}

static void memory_set_url(obj *m, SEL s, obj *url) {
    (void)s;
    if (!mock_is(url, "NSURL"))
        mock_throw("setModelURL: of no URL");
    else
        set(m, FOLDER, mock_string(url->bytes));
}

static signed char memory_exists(obj *m, SEL s) {
    (void)s;
    return is_compiled(m);
}

static void memory_purge(obj *m, SEL s) {
    (void)s;
    purge(m);
}

static signed char memory_compile(obj *m, SEL s, uint32_t qos, obj *options,
                                  obj **e) {
    (void)s;
    return compile(m, qos, options, e);
}

static signed char memory_load(obj *m, SEL s, uint32_t qos, obj *options,
                               obj **e) {
    (void)s, (void)qos, (void)options;
    if (!load(m, e)) return 0;
    /* the inner model is the same to the daemon */
    obj *inner = mock_new("_ANEModel", MODEL_ITEMS);
    set(inner, ID, m->items[ID]);
    set(inner, FOLDER, m->items[FOLDER]);
    inner->number = 1;
    set(m, INNER, inner);
    return 1;
}

static signed char memory_evaluate(obj *m, SEL s, uint32_t qos, obj *options,
                                   obj *r, obj **e) {
    (void)s, (void)qos;
    return evaluate(m, options, r, e);
}

static signed char memory_unload(obj *m, SEL s, uint32_t qos, obj **e) {
    (void)s, (void)qos, (void)e;
    return unload(m);
}

static obj *memory_inner(obj *m, SEL s) {
    (void)s;
    return m->items[INNER];
}

static obj *model_attributes(obj *m, SEL s) {
    (void)s;
    return m->number ? attributes() : NULL;
}

static obj *model_at(obj *c, SEL s, obj *url, obj *key) {
    (void)c, (void)s;
    if (!mock_is(url, "NSURL") || !mock_is(key, "NSString"))
        return mock_throw("modelAtURL: arguments of a wrong kind");
    obj *m = mock_new("_ANEModel", MODEL_ITEMS);
    set(m, FOLDER, mock_string(url->bytes));
    set(m, ID, key);
    return m;
}

static obj *client_shared(obj *c, SEL s) {
    (void)c, (void)s;
    return mock_new("_ANEClient", 0);
}

static bool is_model(const obj *m) {
    return mock_is(m, "_ANEModel") || mock_throw("a client without a model");
}

static signed char client_compile(obj *c, SEL s, obj *m, obj *options,
                                  uint32_t qos, obj **e) {
    (void)c, (void)s;
    if (!is_model(m) || !mock_get(options, "kANEFModelType")) return 0;
    return compile(m, qos, options, e);
}

static signed char client_load(obj *c, SEL s, obj *m, obj *options,
                               uint32_t qos, obj **e) {
    (void)c, (void)s, (void)options, (void)qos;
    return is_model(m) && load(m, e);
}

static signed char client_unload(obj *c, SEL s, obj *m, obj *options,
                                 uint32_t qos, obj **e) {
    (void)c, (void)s, (void)options, (void)qos, (void)e;
    return is_model(m) && unload(m);
}

static signed char client_exists(obj *c, SEL s, obj *m) {
    (void)c, (void)s;
    return is_model(m) && is_compiled(m);
}

static void client_purge(obj *c, SEL s, obj *m) {
    (void)c, (void)s;
    if (is_model(m)) purge(m);
}

static signed char client_evaluate(obj *c, SEL s, obj *m, obj *options, obj *r,
                                   uint32_t qos, obj **e) {
    (void)c, (void)s, (void)qos;
    return is_model(m) && evaluate(m, options, r, e);
}

static signed char client_direct(obj *c, SEL s, obj *m, obj *options, obj *r,
                                 uint32_t qos, obj **e) {
    (void)c, (void)s, (void)qos;
    mock.direct++;
    return is_model(m) && evaluate(m, options, r, e);
}

static obj *surface_wrap(obj *c, SEL s, obj *surface) {
    (void)c, (void)s;
    if (!mock_is(surface, "IOSurface"))
        return mock_throw("objectWithIOSurface: of no surface");
    obj *o = mock_new("_ANEIOSurfaceObject", 1);
    set(o, 0, surface);
    return o;
}

static bool all_are(const obj *array, const char *class) {
    if (!mock_is(array, "NSArray")) return false;
    for (size_t i = 0; i < array->n; i++)
        if (!mock_is(array->items[i], class)) return false;
    return true;
}

static obj *request_make(obj *c, SEL s, obj *in, obj *in_at, obj *out,
                         obj *out_at, obj *weights, obj *stats,
                         obj *procedure) {
    (void)c, (void)s;
    mock.requests++;
    if (!all_are(in, "_ANEIOSurfaceObject") || !all_are(in_at, "NSNumber") ||
        !all_are(out, "_ANEIOSurfaceObject") || !all_are(out_at, "NSNumber") ||
        !mock_is(procedure, "NSNumber") || weights || stats)
        return mock_throw("requestWithInputs: arguments of a wrong kind");
    obj *r = mock_new("_ANERequest", 5);
    set(r, 0, in);
    set(r, 1, in_at);
    set(r, 2, out);
    set(r, 3, out_at);
    set(r, 4, procedure);
    return r;
}

/* ---- the device ---- */

static signed char device_has(obj *c, SEL s) {
    (void)c, (void)s;
    return !mock.no_engine;
}

static uint32_t device_engines(obj *c, SEL s) {
    (void)c, (void)s;
    return 1;
}

static uint32_t device_cores(obj *c, SEL s) {
    (void)c, (void)s;
    return 16;
}

static obj *device_architecture(obj *c, SEL s) {
    (void)c, (void)s;
    return mock_string("h16g");
}

static obj *device_product(obj *c, SEL s) {
    (void)c, (void)s;
    return mock_string("macOS");
}

static obj *device_build(obj *c, SEL s) {
    (void)c, (void)s;
    return mock_string(mock.build);
}

static signed char device_virtual(obj *c, SEL s) {
    (void)c, (void)s;
    return 0;
}

void mock_engine(void) {
    static const struct {
        const char *class, *selector;
        char kind;
        const void *fn;
    } all[] = {
#define ROW(class, kind, selector, fn)                                         \
    {class, selector, kind, (const void *)fn},
#include "tests/ane/mock/mock_engine.def"
#undef ROW
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        mock_method(mock_class(all[i].class), all[i].kind, all[i].selector,
                    all[i].fn);
}
