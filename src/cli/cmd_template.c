/* cmd_template.c - arcane template: messages through a chat template. */
#include <string.h>

#include "arcane/template.h"
#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/options.h"
#include "tok/tok.h"

typedef struct template_args {
    const char *source, *name;
} template_args;

static const cli_option template_options[] = {
    {"TEMPLATE", NULL, CLI_MODEL, true, offsetof(template_args, source), NULL,
     "a .jinja file, or a model folder with chat_template.jinja or a "
     "chat_template in its tokenizer_config.json"},
    {"--name", NULL, CLI_TEXT, false, offsetof(template_args, name), "NAME",
     "which one, where tokenizer_config.json has several; default \"default\""},
    OPTIONS_END,
};

enum { FILE_MAX = 64 << 20 };

/* A template and the variables that come with it. */
typedef struct loaded {
    char *text; /* mem_free */
    size_t size;
    json_t *variables; /* special tokens; an object */
} loaded;

static void loaded_close(loaded *l) {
    mem_free(l->text);
    json_decref(l->variables);
}

/* bos_token, eos_token ...: strings, or objects that have one. */
static void take_tokens(const json_t *config, json_t *variables) {
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)config, key, v) {
        const size_t n = strlen(key);
        if (n < 6 || strcmp(key + n - 6, "_token") != 0) continue;
        json_t *s = json_is_object(v) ? json_object_get(v, "content") : v;
        if (json_is_string(s)) json_object_set(variables, key, s);
    }
}

/* The template called `name` of tokenizer_config.json; NULL if there is none,
 * and any if there is but one without name. */
static const json_t *find_named(const json_t *config, const char *name) {
    const json_t *v = json_object_get(config, "chat_template");
    if (json_is_string(v)) return v;
    for (size_t i = 0; i < json_array_size(v); i++) {
        const json_t *row = json_array_get(v, i);
        const char *have = json_string_value(json_object_get(row, "name"));
        if (have && !strcmp(have, name))
            return json_object_get(row, "template");
    }
    return NULL;
}

static ar_status read_config(json_t **out, const char *folder, ar_error *err) {
    char path[1024], *s;
    size_t n;
    *out = NULL;
    TRY(file_join(path, sizeof path, folder, "tokenizer_config.json", err));
    if (!file_exists(path)) return AR_OK;
    TRY(file_read(path, FILE_MAX, &s, &n, err));
    json_error_t e;
    *out = json_loadb(s, n, JSON_ALLOW_NUL, &e);
    mem_free(s);
    if (json_is_object(*out)) return AR_OK;
    json_decref(*out);
    *out = NULL;
    return error_set(err, AR_FORMAT, "%s: not a JSON object", path);
}

static ar_status take_named(loaded *l, const json_t *config,
                            const template_args *a, ar_error *err) {
    const char *name = a->name ? a->name : "default";
    const json_t *s = config ? find_named(config, name) : NULL;
    if (!json_is_string(s))
        return error_set(err, AR_FORMAT, "%s: no chat template \"%s\"",
                         a->source, name);
    l->size = json_string_length(s);
    l->text = mem_alloc(l->size + 1);
    if (!l->text) return error_set(err, AR_NOMEM, "out of memory");
    memcpy(l->text, json_string_value(s), l->size);
    return AR_OK;
}

static ar_status load_folder(loaded *l, const template_args *a, ar_error *err) {
    char path[1024];
    json_t *config;
    TRY(read_config(&config, a->source, err));
    take_tokens(config, l->variables);
    ar_status s =
        file_join(path, sizeof path, a->source, "chat_template.jinja", err);
    if (s == AR_OK && !a->name && file_exists(path))
        s = file_read(path, FILE_MAX, &l->text, &l->size, err);
    else if (s == AR_OK)
        s = take_named(l, config, a, err);
    json_decref(config);
    return s;
}

/* Where templates come from: the one place that knows. */
static ar_status load(loaded *l, const template_args *a, ar_error *err) {
    *l = (loaded){.variables = json_object()};
    if (!l->variables) return error_set(err, AR_NOMEM, "out of memory");
    const ar_status s =
        file_is_folder(a->source)
            ? load_folder(l, a, err)
            : file_read(a->source, FILE_MAX, &l->text, &l->size, err);
    if (s != AR_OK) loaded_close(l);
    return s;
}

/* What standard input has, over the template's own variables. */
static int add_part(const char *part, size_t n, void *ctx) {
    text_add(ctx, part, n);
    return 0;
}

static ar_status read_variables(const loaded *l, text *out, ar_error *err) {
    char *s;
    size_t n;
    TRY(read_stdin(&s, &n, err));
    json_error_t e;
    json_t *given = json_loadb(s, n, JSON_ALLOW_NUL, &e);
    mem_free(s);
    if (!given)
        return error_set(err, AR_FORMAT, "standard input: line %d: %s", e.line,
                         e.text);
    if (!json_is_object(given)) {
        json_decref(given);
        return error_set(err, AR_FORMAT,
                         "standard input is JSON, but not an object");
    }
    json_t *all = json_copy(l->variables);
    static const char *const usual[] = {"tools", "documents"};
    for (int i = 0; i < 2; i++) json_object_set_new(all, usual[i], json_null());
    if (!json_object_get(given, "add_generation_prompt"))
        json_object_set_new(all, "add_generation_prompt", json_false());
    json_object_update(all, given);
    if (json_dump_callback(all, add_part, out, JSON_COMPACT)) out->failed = 1;
    json_decref(all);
    json_decref(given);
    return text_status(out, err);
}

static ar_status render(const loaded *l, const char *name,
                        ar_template_result *out, ar_error *err) {
    text variables = {0};
    ar_template *t;
    TRY(ar_template_open(&t, name, l->text, l->size, err));
    ar_status s = read_variables(l, &variables, err);
    if (s == AR_OK)
        s = ar_template_render(t, variables.data, variables.size, NULL, out,
                               err);
    text_close(&variables);
    ar_template_close(t);
    return s;
}

/* The text, or what went wrong: in the template's own words if it has any. */
static ar_status print_result(ar_status s, const ar_template_result *r,
                              ar_error *err) {
    if (s == AR_OK)
        return print_json(json_pack("{s:s%}", "text", r->text, r->size), err);
    text t = {0}; /* a sentence may have been cut inside of a character */
    if (r->raised)
        text_add(&t, r->raised, r->raised_size);
    else
        utf8_add_lossy(&t, err->message, strlen(err->message));
    json_t *out = t.failed || !t.data
                      ? NULL
                      : json_pack("{s:s%}", "error", t.data, t.size);
    text_close(&t);
    ar_error own;
    return print_json(out, &own);
}

static ar_status run_template(const void *parsed, ar_error *err) {
    const template_args *a = parsed;
    loaded l;
    ar_template_result r = {0};
    ar_status s = load(&l, a, err);
    if (s == AR_OK) {
        s = render(&l, a->source, &r, err);
        loaded_close(&l);
    }
    const ar_status printed = print_result(s, &r, err);
    ar_template_result_close(&r);
    return s != AR_OK ? s : printed;
}

const cli_command cmd_template = {
    .name = "template",
    .summary = "render a chat template",
    .text = "Standard input is one JSON object with the variables of the "
            "template: messages, and, where they are wanted, tools, documents, "
            "add_generation_prompt and any others. Special tokens come from "
            "the folder's tokenizer_config.json. Prints {\"text\": ...}, or "
            "{\"error\": ...} when the template fails.",
    .examples =
        "  echo '{\"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}]}' "
        "| arcane template models/a\n"
        "  arcane template chat.jinja < request.json\n"
        "  arcane template models/a --name tool_use < request.json\n",
    .options = template_options,
    .args_size = sizeof(template_args),
    .run = run_template,
};
