/* cmd_template.c - arcane template: messages through a chat template. */
#include <string.h>

#include "arcane/template.h"
#include "base/error.h"
#include "base/json_text.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/options.h"
#include "infer/infer.h"
#include "tok/tok.h"

typedef struct template_args {
    const char *source, *name;
} template_args;

static const cli_option template_options[] = {
    {"MODEL", NULL, CLI_MODEL, true, offsetof(template_args, source), NULL,
     "a .jinja file, a model folder or a GGUF file"},
    {"--name", NULL, CLI_TEXT, false, offsetof(template_args, name), "NAME",
     "which one, where the model has several; default \"default\""},
    OPTIONS_END,
};

/* A template and the variables that come with it. */
typedef struct loaded {
    text source;
    json_t *tokens; /* an object */
} loaded;

/* What standard input has, over the special tokens. */
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
    json_t *all = json_copy(l->tokens);
    static const char *const usual[] = {"tools", "documents"};
    for (int i = 0; i < 2; i++) json_object_set_new(all, usual[i], json_null());
    if (!json_object_get(given, "add_generation_prompt"))
        json_object_set_new(all, "add_generation_prompt", json_false());
    json_object_update(all, given);
    text_add_json(out, all, JSON_COMPACT);
    json_decref(all);
    json_decref(given);
    return text_status(out, err);
}

static ar_status render(const loaded *l, const char *name,
                        ar_template_result *out, ar_error *err) {
    text variables = {0};
    ar_template *t;
    TRY(ar_template_open(&t, name, l->source.data, l->source.size, err));
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
    loaded l = {0};
    ar_template_result r = {0};
    ar_status s = template_find(a->source, a->name, &l.source, &l.tokens, err);
    if (s == AR_OK) s = render(&l, a->source, &r, err);
    text_close(&l.source);
    json_decref(l.tokens);
    const ar_status printed = print_result(s, &r, err);
    ar_template_result_close(&r);
    return s != AR_OK ? s : printed;
}

const cli_command cmd_template = {
    .name = "template",
    .summary = "render a chat template",
    .text = "Standard input is one JSON object with the variables of the "
            "template: messages, and, where they are wanted, tools, documents, "
            "add_generation_prompt and any others. Special tokens come "
            "with the model. Prints {\"text\": ...}, or "
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
