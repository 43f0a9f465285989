/* cmd_inspect.c - arcane inspect: what a model's files have in them.
 *
 * Everything is gathered into one object; --json prints it, else it is laid
 * out as text. */
#include <string.h>

#include "base/error.h"
#include "cli/inspect.h"
#include "cli/options.h"

static const cli_option options[] = {
    {"MODEL", NULL, CLI_MODEL, true, offsetof(inspect_args, model), NULL,
     "a model folder, a run, or a file of weights (GGUF, of a split one any "
     "part; safetensors; llm.c; Rustane)"},
    {"--tensors", NULL, CLI_FLAG, false, offsetof(inspect_args, tensors), NULL,
     "list every tensor"},
    {"--metadata", NULL, CLI_FLAG, false, offsetof(inspect_args, metadata),
     NULL, "list the keys of a GGUF file; long arrays and text are shortened"},
    {"--json", NULL, CLI_FLAG, false, offsetof(inspect_args, json), NULL,
     "print an object with everything, tensors and metadata included"},
    OPTIONS_END,
};

/* ---- what is found ---- */

json_t *inspect_text(const char *p, size_t n) {
    text t = {0};
    utf8_add_lossy(&t, p, n);
    json_t *j = t.failed ? NULL : json_stringn(t.data ? t.data : "", t.size);
    text_close(&t);
    return j;
}

static json_t *file_facts(const survey *s) {
    json_t *o = json_object();
    const gguf *g = weights_gguf(s->files);
    const weights_header *h = weights_header_of(s->files);
    put_text(o, "path", s->folder);
    put_text(o, "kind", weights_kind_text(weights_kind_of(s->files)));
    if (g) put_int(o, "version", gguf_version(g));
    if (h) put_int(o, "version", h->version);
    if (g && gguf_parts(g) > 1) put_int(o, "parts", gguf_parts(g));
    put_int(o, "bytes", (int64_t)weights_mapped(s->files));
    return o;
}

static int64_t count_elements(const weights *w) {
    int64_t sum = 0;
    for (int64_t i = 0; i < weights_count(w); i++) {
        const int64_t n = shape_count(&weights_get(w, i)->shape);
        if (__builtin_add_overflow(sum, n, &sum)) return INT64_MAX;
    }
    return sum;
}

static void add_to(json_t *o, const char *key, int64_t x) {
    put_int(o, key, json_integer_value(json_object_get(o, key)) + x);
}

/* The entry of a type, made where it is not there yet. */
static json_t *type_entry(json_t *list, const char *name) {
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *o = json_array_get(list, i);
        const char *s = json_string_value(json_object_get(o, "type"));
        if (s && !strcmp(s, name)) return o;
    }
    json_t *o = json_object();
    put_text(o, "type", name);
    json_array_append_new(list, o);
    return o;
}

/* In the order of the list of types, packed ones first. */
static json_t *type_facts(const weights *w) {
    json_t *list = json_array();
    char word[TENSOR_TYPE_TEXT];
    for (int t = 0; t < AR_TYPE_COUNT; t++)
        for (int64_t i = 0; i < weights_count(w); i++) {
            const tensor_view *v = weights_get(w, i);
            if ((int)v->type != t) continue;
            json_t *o = type_entry(list, tensor_type_text(v, word));
            add_to(o, "tensors", 1);
            add_to(o, "elements", shape_count(&v->shape));
            add_to(o, "bytes", (int64_t)v->size);
        }
    return list;
}

static json_t *tensor_facts(const weights *w) {
    json_t *list = json_array();
    for (int64_t i = 0; i < weights_count(w); i++) {
        const tensor_view *v = weights_get(w, i);
        json_t *o = json_object(), *dims = json_array();
        char word[TENSOR_TYPE_TEXT];
        for (int d = 0; d < v->shape.rank; d++)
            json_array_append_new(dims, json_integer(v->shape.dim[d]));
        put_text(o, "name", v->name);
        put_text(o, "type", tensor_type_text(v, word));
        json_object_set_new(o, "shape", dims);
        put_int(o, "bytes", (int64_t)v->size);
        json_array_append_new(list, o);
    }
    return list;
}

static void add_missing(void *list, const char *name) {
    json_array_append_new(list, json_string(name));
}

static void add_shape(void *list, const tensor_view *t, const shape *want) {
    char has[SHAPE_TEXT], wants[SHAPE_TEXT];
    json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "name", t->name,
                                          "shape", shape_text(&t->shape, has),
                                          "expected", shape_text(want, wants)));
}

/* Weights without a tensor, and those whose tensor has another shape. */
static void add_faults(json_t *all, const survey *s) {
    json_t *missing = json_array(), *shapes = json_array(),
           *unknown = json_array();
    params_missing(&s->params, s->files, add_missing, missing);
    params_misshapen(&s->params, s->files, add_shape, shapes);
    for (int64_t i = 0; i < weights_count(s->files); i++)
        if (s->use[i] == TENSOR_UNKNOWN)
            json_array_append_new(unknown,
                                  json_string(weights_get(s->files, i)->name));
    json_object_set_new(all, "missing", missing);
    json_object_set_new(all, "other_shape", shapes);
    json_object_set_new(all, "unknown", unknown);
}

static ar_status gather(json_t **out, const survey *s, ar_error *err) {
    json_t *all = json_object(), *tok = NULL;
    json_object_set_new(all, "file", file_facts(s));
    json_t *m = inspect_model(s);
    put_int(m, "parameters",
            s->known ? s->params.count : count_elements(s->files));
    json_object_set_new(all, "model", m);
    const ar_status status = inspect_tokenizer(&tok, s, err);
    if (status != AR_OK) {
        json_decref(all);
        return status;
    }
    json_object_set_new(all, "tokenizer", tok);
    json_object_set_new(all, "types", type_facts(s->files));
    add_faults(all, s);
    json_object_set_new(all, "tensors", tensor_facts(s->files));
    const gguf *g = weights_gguf(s->files);
    if (g) json_object_set_new(all, "metadata", inspect_metadata(g));
    *out = all;
    return AR_OK;
}

static ar_status run(const void *parsed, ar_error *err) {
    const inspect_args *a = parsed;
    survey *s = NULL;
    json_t *all = NULL;
    TRY(survey_open(&s, a->model, err));
    ar_status status = gather(&all, s, err);
    survey_close(s);
    TRY(status);
    if (a->json) return print_json(all, err);
    inspect_show(all, a);
    json_decref(all);
    return AR_OK;
}

const cli_command cmd_inspect = {
    .name = "inspect",
    .summary = "what a model's files have in them",
    .text = "Works on any file of weights that can be read, also of an "
            "architecture that is not known; tensors that a known one lacks "
            "or has no use for are listed.",
    .examples = "  arcane inspect qwen3-0.6b/\n"
                "  arcane inspect model-q4_k.gguf --tensors\n"
                "  arcane inspect model.gguf --metadata\n",
    .options = options,
    .args_size = sizeof(inspect_args),
    .run = run,
};
