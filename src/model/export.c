/* export.c - a model written as a GGUF file, or as a folder of safetensors. */
#include "model/export.h"

#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json_text.h"
#include "base/text.h"
#include "format/parse.h"
#include "model/config_keys.h"
#include "model/export_int.h"
#include "model/export_tok.h"
#include "quant/quant.h"

/* Tensors of GGUF files that are no weights: divisors of frequencies. */
enum { MOST_EXTRAS = 2 };
typedef struct extra {
    const char *name;
    float x[MAX_ROPE_FACTORS];
    int64_t n;
} extra;

static const char *const extra_names[] = {"rope_freqs.weight",
                                          "rope_factors_long.weight",
                                          "rope_factors_short.weight"};

static int read_extras(extra out[MOST_EXTRAS], const weights *w) {
    int n = 0;
    for (size_t i = 0; i < 3 && n < MOST_EXTRAS; i++) {
        const tensor_view *t = weights_find(w, extra_names[i]);
        const int64_t count = t ? shape_count(&t->shape) : 0;
        if (!count || count > MAX_ROPE_FACTORS ||
            !type_decode_f32(t->type, t->data, out[n].x, count))
            continue;
        out[n].name = extra_names[i];
        out[n++].n = count;
    }
    return n;
}

static void set_factors(extra *out, const char *name, const double *x,
                        int64_t n) {
    out->name = name;
    out->n = n;
    for (int64_t i = 0; i < n; i++) out->x[i] = (float)x[i];
}

/* What the file must divide by itself; ropes of at most MAX_ROPE_FACTORS. */
static int make_extras(extra out[MOST_EXTRAS], const model_config *c) {
    const int64_t n = c->rope_dims / 2;
    if (c->pos != POS_ROPE || n > MAX_ROPE_FACTORS) return 0;
    if (c->rope_scaling == ROPE_SCALING_LONGROPE) {
        set_factors(&out[0], extra_names[1], c->rope_long, n);
        set_factors(&out[1], extra_names[2], c->rope_short, n);
        return 2;
    }
    if (c->rope_scaling != ROPE_SCALING_LLAMA3) return 0;
    double scaled[MAX_ROPE_FACTORS], plain[MAX_ROPE_FACTORS];
    model_config bare = *c;
    bare.rope_scaling = ROPE_SCALING_NONE;
    config_rope_frequencies(c, 1, scaled);
    config_rope_frequencies(&bare, 1, plain);
    for (int64_t i = 0; i < n; i++) plain[i] /= scaled[i];
    set_factors(&out[0], extra_names[0], plain, n);
    return 1;
}

/* The nearest to the type asked for that the tensor and the format can have. */
static ar_type possible(const export_tensor *t, ar_type type, bool to_gguf) {
    const shape *s = &t->spec->shape;
    if (to_gguf && (s->rank < 2 || !t->spec->blocks)) return AR_F32;
    if (type == AR_F16 || type == AR_BF16) return type;
    const bool kept = type == t->from.type &&
                      (t->form == EXPORT_SAME || t->form == EXPORT_EXPERTS);
    const bool fits = to_gguf && quant_holds(type, s->dim[s->rank - 1]) &&
                      (kept || quant_can_encode(type));
    return fits ? type : AR_F32;
}

static void choose_types(export_plan *p, const export_options *o) {
    for (int i = 0; i < p->params.n; i++) {
        export_tensor *t = &p->tensors[i];
        ar_type type =
            o->choose ? o->choose(o->ctx, t->spec, t->from.type) : o->type;
        if (type == AR_NONE) type = t->from.type;
        t->type = possible(t, type, p->config.gguf);
    }
}

static void report(const export_options *o, const export_plan *p, int i) {
    if (o->progress) o->progress(o->ctx, (double)i / (double)p->params.n);
}

/* ---- GGUF ---- */

static void put_data(void *file, const void *p, size_t size) {
    gguf_data(file, p, size);
}

static bool is_word(const gguf_string *s, const char *start) {
    return s->size >= strlen(start) && !memcmp(s->data, start, strlen(start));
}

/* Metadata of another file, but for what tells how it was split. */
static void copy_values(gguf_writer *w, const gguf *g) {
    for (int64_t i = 0; i < gguf_n_values(g); i++) {
        const gguf_value *v = gguf_value_at(g, i);
        if (!is_word(&v->key, "split.") &&
            !is_word(&v->key, "general.alignment") &&
            !is_word(&v->key, "general.file_type"))
            gguf_put_value(w, v);
    }
}

static void put_name(gguf_writer *w, const char *folder) {
    size_t n = strlen(folder);
    while (n > 1 && folder[n - 1] == '/') n--;
    size_t from = n;
    while (from > 0 && folder[from - 1] != '/') from--;
    if (parse_is_utf8(folder + from, n - from))
        gguf_put_string(w, "general.name",
                        (gguf_string){folder + from, n - from});
}

static ar_status put_values(gguf_writer *w, const ar_model *m, const char *arch,
                            ar_error *err) {
    if (weights_gguf(m->files)) {
        copy_values(w, weights_gguf(m->files));
        return AR_OK;
    }
    gguf_put_string(w, "general.architecture",
                    (gguf_string){arch, strlen(arch)});
    gguf_put_string(w, "general.type", (gguf_string){"model", 5});
    put_name(w, m->folder);
    gguf_put_int(w, "general.quantization_version", GGUF_U32, 2);
    export_gguf_config(w, &m->config, arch);
    return export_gguf_tokenizer(w, m->folder, &m->config, err);
}

static ar_status put_tensors(gguf_writer *w, const export_plan *p,
                             const extra *x, int n_extras,
                             const export_options *o, ar_error *err) {
    const export_sink to = {put_data, w};
    for (int i = 0; i < n_extras; i++) {
        const shape s = shape1(x[i].n);
        gguf_declare(w, x[i].name, AR_F32, &s);
    }
    for (int i = 0; i < p->params.n; i++)
        gguf_declare(w, p->tensors[i].spec->name, p->tensors[i].type,
                     &p->tensors[i].spec->shape);
    for (int i = 0; i < n_extras; i++)
        gguf_data(w, x[i].x, (size_t)x[i].n * sizeof *x[i].x);
    for (int i = 0; i < p->params.n; i++) {
        TRY(export_rows(&p->tensors[i], o, &to, err));
        report(o, p, i + 1);
    }
    return AR_OK;
}

static ar_status write_gguf(const ar_model *m, const char *arch, bool pairs,
                            const char *path, const export_options *o,
                            ar_error *err) {
    extra x[MOST_EXTRAS];
    export_plan p = {0};
    gguf_writer *w = NULL;
    model_config to = m->config;
    to.gguf = true;
    to.conv1d = false;
    to.norm_offset = 0;
    to.experts_fused = to.experts_turned = false;
    to.qkv_by_head = false;
    if (to.attn_kind == ATTN_LATENT) to.rope_interleaved = true;
    ar_status s = export_plan_build(&p, m, &to, pairs, err);
    if (s == AR_OK) s = gguf_create(&w, path, err);
    if (s == AR_OK) {
        choose_types(&p, o);
        s = put_values(w, m, arch, err);
        const int n = m->config.gguf ? read_extras(x, m->files)
                                     : make_extras(x, &m->config);
        if (s == AR_OK) s = put_tensors(w, &p, x, n, o, err);
        if (s == AR_OK)
            s = gguf_commit(w, err);
        else
            gguf_abandon(w);
    }
    export_plan_close(&p);
    return s;
}

static ar_status check_again(const ar_model *m, const char *path,
                             ar_error *err) {
    ar_model *again = NULL;
    TRY(ar_model_open(&again, path, err));
    const char *what = export_difference(&m->config, &again->config);
    ar_model_close(again);
    if (!what) return AR_OK;
    return error_set(err, AR_UNSUPPORTED,
                     "%.160s: a GGUF file cannot say its %s", m->folder, what);
}

/* That a file can be put at path: what is there is one or nothing, so that a
 * rename never takes the place of a device or a folder. */
static ar_status check_place(const char *path, ar_error *err) {
    file_writer *probe = NULL;
    TRY(file_create(&probe, path, err));
    file_abandon(probe);
    return AR_OK;
}

ar_status export_gguf(const ar_model *m, const char *path,
                      const export_options *o, ar_error *err) {
    char fresh[4096];
    bool pairs = false;
    const char *arch = export_gguf_arch(m->config.arch, &pairs);
    if (!arch)
        return error_set(err, AR_UNSUPPORTED,
                         "%.160s: there is no GGUF form of %s models here",
                         m->folder, config_model_type(&m->config));
    TRY(check_place(path, err));
    if (snprintf(fresh, sizeof fresh, "%s.new", path) >= (int)sizeof fresh)
        return error_set(err, AR_RANGE, "%.180s: the path is too long", path);
    TRY(write_gguf(m, arch, pairs, fresh, o, err));
    ar_status s = check_again(m, fresh, err);
    if (s == AR_OK) s = file_rename(fresh, path, err);
    if (s != AR_OK) file_remove(fresh, NULL);
    return s;
}

/* ---- safetensors ---- */

static void put_st(void *file, const void *p, size_t size) {
    st_data(file, p, size);
}

static const char *dtype_of(const export_plan *p) {
    const int i = params_find(&p->params, ROLE_EMBED, -1);
    const ar_type t = p->tensors[i].type;
    return t == AR_F16 ? "float16" : t == AR_BF16 ? "bfloat16" : "float32";
}

static ar_status write_config(const export_plan *p, const char *folder,
                              ar_error *err) {
    char path[4200];
    TRY(file_join(path, sizeof path, folder, "config.json", err));
    json_t *o = config_json(&p->config);
    if (o) json_object_set_new(o, "torch_dtype", json_string(dtype_of(p)));
    text t = {0};
    text_add_json(&t, o, JSON_INDENT(2));
    json_decref(o);
    ar_status s = text_status(&t, err);
    if (s == AR_OK) s = file_replace(path, t.data, t.size, err);
    text_close(&t);
    return s;
}

static ar_status write_st(const export_plan *p, const char *folder,
                          const export_options *o, ar_error *err) {
    char path[4200];
    st_writer *w = NULL;
    TRY(file_join(path, sizeof path, folder, "model.safetensors", err));
    TRY(st_create(&w, path, err));
    st_meta(w, "format", "pt");
    for (int i = 0; i < p->params.n; i++)
        params_declare(w, p->tensors[i].spec, p->tensors[i].type);
    ar_status s = AR_OK;
    for (int i = 0; s == AR_OK && i < p->params.n; i++) {
        s = export_rows(&p->tensors[i], o, &(export_sink){put_st, w}, err);
        report(o, p, i + 1);
    }
    if (s == AR_OK) return st_commit(w, err);
    st_abandon(w);
    return s;
}

ar_status export_folder(const ar_model *m, const char *folder,
                        const export_options *o, ar_error *err) {
    export_plan p = {0};
    bool pairs = false;
    const model_config *traits = &arch_table[m->config.arch].traits;
    model_config to = m->config;
    to.gguf = to.scan_split = false;
    to.conv1d = traits->conv1d;
    to.norm_offset = traits->norm_offset;
    to.rope_interleaved = traits->rope_interleaved;
    to.experts_fused = traits->experts_fused;
    to.experts_turned = traits->experts_turned;
    to.split_kv_b = false;
    to.qkv_by_head = traits->qkv_by_head;
    export_gguf_arch(m->config.arch, &pairs);
    ar_status s = export_plan_build(&p, m, &to, pairs, err);
    if (s == AR_OK) {
        choose_types(&p, o);
        s = file_make_folder(folder, err);
    }
    if (s == AR_OK) s = write_st(&p, folder, o, err);
    if (s == AR_OK) s = write_config(&p, folder, err);
    export_plan_close(&p);
    return s;
}
