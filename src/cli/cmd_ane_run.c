/* cmd_ane_run.c - arcane ane run: a MIL program on given tensors. */
#include <string.h>

#include "backend/ane/ane.h"
#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "cli/options.h"
#include "format/format.h"

typedef struct ane_run_args {
    const char *program, *weights, *inputs, *out, *func, *chip;
    int64_t level;
} ane_run_args;

static const ane_run_args ane_run_defaults = {.level = 1, .chip = "m4"};

static const cli_option ane_run_options[] = {
    {"PROGRAM", NULL, CLI_TEXT, true, offsetof(ane_run_args, program), NULL,
     "a MIL program (.mil)"},
    {"--inputs", NULL, CLI_TEXT, true, offsetof(ane_run_args, inputs), "FILE",
     "safetensors file with a tensor for each parameter, by name"},
    {"--out", NULL, CLI_TEXT, true, offsetof(ane_run_args, out), "FILE",
     "safetensors file to write the results to, by name"},
    {"--weights", NULL, CLI_TEXT, false, offsetof(ane_run_args, weights), "DIR",
     "folder that stands for @model_path; default: the program's own"},
    {"--func", NULL, CLI_TEXT, false, offsetof(ane_run_args, func), "NAME",
     "function to run; default: the first"},
    {"--level", NULL, CLI_INT, false, offsetof(ane_run_args, level), "N",
     "0: in f32; 1: in fp16 as the engine rounds; 2: and sums in the order of "
     "its lanes, slowly; default 1"},
    {"--chip", NULL, CLI_TEXT, false, offsetof(ane_run_args, chip), "NAME",
     "m1, m2, m3, m3ultra, m4 or m5; default m4"},
    OPTIONS_END,
};

/* ---- weights ---- */

enum { MAX_FILES = 64, MAX_PATH = 4096 };

/* Weight files that are open. */
typedef struct weight_files {
    const char *folder;
    const char *path[MAX_FILES]; /* of the program */
    file_map map[MAX_FILES];
    int n;
} weight_files;

/* Where the program says @model_path, the folder stands; a file may also lie
 * in the folder itself. */
static ar_status find_file(const weight_files *w, const char *path,
                           char out[MAX_PATH], ar_error *err) {
    static const char mark[] = "@model_path/";
    const char *rest = path;
    if (strncmp(path, mark, sizeof mark - 1) == 0) rest += sizeof mark - 1;
    const char *last = strrchr(rest, '/');
    if (*rest == '/' || strstr(rest, ".."))
        return error_set(err, AR_FORMAT,
                         "weight file \"%.200s\" is outside the program's "
                         "folder",
                         path);
    TRY(file_join(out, MAX_PATH, w->folder, rest, err));
    if (last && !file_exists(out))
        return file_join(out, MAX_PATH, w->folder, last + 1, err);
    return AR_OK;
}

static ar_status weight_file(void *user, const char *path, const void **data,
                             size_t *size, ar_error *err) {
    weight_files *w = user;
    char place[MAX_PATH];
    int i = 0;
    while (i < w->n && strcmp(w->path[i], path) != 0) i++;
    if (i == MAX_FILES)
        return error_set(err, AR_RANGE, "more than %d weight files", MAX_FILES);
    if (i == w->n) {
        TRY(find_file(w, path, place, err));
        TRY(file_map_open(&w->map[i], place, err));
        w->path[w->n++] = path;
    }
    *data = w->map[i].data;
    *size = w->map[i].size;
    return AR_OK;
}

/* ---- tensors ---- */

static bool same_shape(const mil_type *t, const shape *s) {
    bool same = t->rank == s->rank;
    for (int i = 0; same && i < t->rank; i++) same = t->dim[i] == s->dim[i];
    return same;
}

/* A tensor of the file as the program wants it, in new memory. */
static ar_status read_input(const st_file *f, const char *file,
                            const mil_value *v, void **out, ar_error *err) {
    char type[MIL_TYPE_TEXT], have[SHAPE_TEXT], kind[TENSOR_TYPE_TEXT];
    const tensor_view *t = st_find(f, v->name);
    const int64_t n = mil_count(&v->type);
    *out = NULL;
    if (!t)
        return error_set(err, AR_FORMAT, "%s: no tensor \"%s\", which is %s",
                         file, v->name, mil_type_text(&v->type, type));
    if (!same_shape(&v->type, &t->shape))
        return error_set(err, AR_SHAPE, "%s: \"%s\" is %s, the program has %s",
                         file, v->name, shape_text(&t->shape, have),
                         mil_type_text(&v->type, type));
    const size_t size = mil_size(&v->type);
    const bool exact = t->type == mil_ar_type(v->type.dtype);
    if (!exact && v->type.dtype != MIL_FP16 && v->type.dtype != MIL_FP32)
        return error_set(err, AR_FORMAT, "%s: \"%s\" is %s, the program has %s",
                         file, v->name, tensor_type_text(t, kind),
                         mil_type_text(&v->type, type));
    float *room = mem_alloc(sizeof(float) * (size_t)n + size + 1);
    if (!room) return error_set(err, AR_NOMEM, "no memory for \"%s\"", v->name);
    *out = room;
    if (exact) {
        memcpy(room, t->data, size);
        return AR_OK;
    }
    TRY(tensor_read_f32(t, 0, n, room, err));
    if (v->type.dtype == MIL_FP16) mil_sim_pack_f16(room, n, room);
    return AR_OK;
}

/* What one run reads and writes. */
typedef struct tensors {
    const mil_func *f;
    void **in, **out;
    int n_in, n_out;
} tensors;

static ar_status open_tensors(const mil_func *f, const char *file, tensors *t,
                              ar_error *err) {
    st_file *st;
    *t = (tensors){.f = f, .n_out = f->n_results};
    t->in = mem_new(void *, f->n_params + 1);
    t->out = mem_new(void *, f->n_results + 1);
    if (!t->in || !t->out)
        return error_set(err, AR_NOMEM, "no memory for tensors");
    TRY(st_open(&st, file, err));
    ar_status s = AR_OK;
    for (int32_t i = 0; i < f->n_params && s == AR_OK; i++) {
        const mil_value *v = mil_get(f, f->params[i]);
        if (!v->type.state) s = read_input(st, file, v, &t->in[t->n_in++], err);
    }
    st_close(st);
    for (int32_t i = 0; i < f->n_results && s == AR_OK; i++) {
        t->out[i] = mem_alloc(mil_size(&mil_get(f, f->results[i])->type) + 1);
        if (!t->out[i])
            s = error_set(err, AR_NOMEM, "no memory for the results");
    }
    return s;
}

static void close_tensors(tensors *t) {
    for (int i = 0; t->in && i < t->n_in; i++) mem_free(t->in[i]);
    for (int i = 0; t->out && i < t->n_out; i++) mem_free(t->out[i]);
    mem_free(t->in);
    mem_free(t->out);
}

static ar_status write_outputs(const tensors *t, const ane_run_args *a,
                               ar_error *err) {
    st_writer *w;
    TRY(st_create(&w, a->out, err));
    for (int i = 0; i < t->n_out; i++) {
        const mil_value *v = mil_get(t->f, t->f->results[i]);
        shape s = {.rank = v->type.rank};
        for (int k = 0; k < s.rank && k < MAX_DIMS; k++)
            s.dim[k] = v->type.dim[k];
        st_declare(w, v->name, mil_ar_type(v->type.dtype), &s);
    }
    for (int i = 0; i < t->n_out; i++)
        st_data(w, t->out[i], mil_size(&mil_get(t->f, t->f->results[i])->type));
    return st_commit(w, err);
}

/* ---- the command ---- */

/* The folder of a file. */
static ar_status folder_of(const char *path, char out[MAX_PATH],
                           ar_error *err) {
    const char *last = strrchr(path, '/');
    const size_t n = last ? (size_t)(last - path) + (last == path) : 1;
    if (n >= MAX_PATH) return error_set(err, AR_RANGE, "the path is too long");
    memcpy(out, last ? path : ".", n);
    out[n] = 0;
    return AR_OK;
}

static ar_status find_func(const mil_program *p, const ane_run_args *a,
                           int *out, ar_error *err) {
    const int n = mil_n_funcs(p);
    for (*out = 0; *out < n; ++*out)
        if (!a->func || strcmp(mil_get_func(p, *out)->name, a->func) == 0)
            return AR_OK;
    return a->func ? error_set(err, AR_FORMAT, "%s: no function \"%s\"",
                               a->program, a->func)
                   : error_set(err, AR_FORMAT, "%s: no functions", a->program);
}

static ar_status simulate(const mil_program *p, const ane_run_args *a,
                          weight_files *files, ar_error *err) {
    mil_sim_options opt = mil_sim_options_default();
    mil_sim *sim;
    tensors t;
    int func;
    opt.level = (int)a->level;
    opt.chip = a->chip;
    opt.file = weight_file;
    opt.user = files;
    TRY(find_func(p, a, &func, err));
    TRY(mil_sim_open(a->program, p, &opt, &sim, err));
    ar_status s = open_tensors(mil_get_func(p, func), a->inputs, &t, err);
    if (s == AR_OK)
        s = mil_sim_run(sim, func, (const void *const *)t.in, t.out, err);
    if (s == AR_OK) s = write_outputs(&t, a, err);
    close_tensors(&t);
    mil_sim_close(sim);
    return s;
}

static ar_status run_ane_run(const void *parsed, ar_error *err) {
    const ane_run_args *a = parsed;
    char folder[MAX_PATH];
    weight_files files = {.folder = a->weights ? a->weights : folder};
    mil_program *p;
    file_map m;
    if (a->level < 0 || a->level > 2)
        return error_set(err, AR_USAGE, "--level is 0, 1 or 2");
    TRY(folder_of(a->program, folder, err));
    TRY(file_map_open(&m, a->program, err));
    ar_status s = mil_parse(a->program, (const char *)m.data, m.size, &p, err);
    file_map_close(&m);
    if (s != AR_OK) return s;
    s = simulate(p, a, &files, err);
    for (int i = 0; i < files.n; i++) file_map_close(&files.map[i]);
    mil_close(p);
    return s;
}

const cli_command cmd_ane_run = {
    .name = "ane run",
    .summary = "run a MIL program of the Neural Engine in the simulator",
    .text = "Computes one function of a program as the engine is known to: "
            "every operation in fp16, with the ceilings and flushes of the "
            "chip. Nothing of it has been held against the hardware.",
    .examples = "  arcane ane run layer.mil --inputs in.safetensors "
                "--out out.safetensors\n"
                "  arcane ane run layer.mil --inputs in.safetensors "
                "--out exact.safetensors --level 0\n",
    .options = ane_run_options,
    .args_size = sizeof(ane_run_args),
    .defaults = &ane_run_defaults,
    .run = run_ane_run,
};
