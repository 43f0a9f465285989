/* cmd_list.c - arcane list and arcane remove: the models that were fetched. */
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "hub/hub.h"

/* ---- list ---- */

typedef struct list_args {
    bool json;
} list_args;

static const cli_option list_options[] = {
    {"--json", NULL, CLI_FLAG, false, offsetof(list_args, json), NULL,
     "print an object with name, path, bytes and date of each"},
    OPTIONS_END,
};

/* "2026-01-31 12:05", or with seconds and zone for programs. */
static const char *date_text(int64_t t, bool json, char out[40]) {
    const time_t when = (time_t)t;
    struct tm parts;
    out[0] = 0;
    if (json ? !gmtime_r(&when, &parts) : !localtime_r(&when, &parts))
        return out;
    strftime(out, 40, json ? "%Y-%m-%dT%H:%M:%SZ" : "%Y-%m-%d %H:%M", &parts);
    return out;
}

static ar_status list_json(const hub_list *l, ar_error *err) {
    char models[4096], date[40];
    TRY(hub_models_folder(models, sizeof models, err));
    json_t *rows = json_array();
    for (int i = 0; i < l->n; i++) {
        const hub_model *m = &l->model[i];
        json_array_append_new(
            rows,
            json_pack("{s:s, s:s, s:I, s:s, s:b}", "name", m->name, "path",
                      m->path, "bytes", (json_int_t)m->bytes, "date",
                      date_text(m->changed, true, date), "whole", m->whole));
    }
    return print_json(json_pack("{s:s, s:o}", "folder", models, "models", rows),
                      err);
}

static void list_text(const hub_list *l) {
    char size[32], whole[32], date[40];
    int width = 4;
    for (int i = 0; i < l->n; i++)
        if ((int)strlen(l->model[i].name) > width)
            width = (int)strlen(l->model[i].name);
    for (int i = 0; i < l->n; i++) {
        const hub_model *m = &l->model[i];
        printf("%-*s  %10s  %s", width, m->name,
               progress_bytes((double)m->bytes, size),
               date_text(m->changed, false, date));
        if (!m->whole)
            printf("  not whole%s%s", m->whole_bytes < 0 ? "" : ", of ",
                   m->whole_bytes < 0
                       ? ""
                       : progress_bytes((double)m->whole_bytes, whole));
        putchar('\n');
    }
}

static ar_status run_list(const void *parsed, ar_error *err) {
    const list_args *a = parsed;
    char models[4096];
    hub_list l;
    TRY(hub_models_folder(models, sizeof models, err));
    TRY(hub_list_open(&l, err));
    ar_status s = AR_OK;
    if (a->json)
        s = list_json(&l, err);
    else if (l.n)
        list_text(&l);
    else
        fprintf(stderr, "nothing in %s; \"arcane pull\" fetches models\n",
                models);
    hub_list_close(&l);
    return s;
}

const cli_command cmd_list = {
    .name = "list",
    .summary = "the models that were fetched",
    .text = "Name, size and date of each; the name is what other commands take "
            "for the model. They are in $ARCANE_HOME/models, else in the cache "
            "folder.",
    .examples = "  arcane list\n"
                "  arcane list --json\n",
    .options = list_options,
    .args_size = sizeof(list_args),
    .run = run_list,
};

/* ---- remove ---- */

typedef struct remove_args {
    cli_words names;
    bool all, yes, json;
} remove_args;

static const cli_option remove_options[] = {
    {"NAME", NULL, CLI_LIST, false, offsetof(remove_args, names), NULL,
     "as \"arcane list\" shows it; hf:OWNER/NAME is all that came from there"},
    {"--all", NULL, CLI_FLAG, false, offsetof(remove_args, all), NULL,
     "remove every model that was fetched; needs --yes"},
    {"--yes", NULL, CLI_FLAG, false, offsetof(remove_args, yes), NULL,
     "with --all: do it"},
    {"--json", NULL, CLI_FLAG, false, offsetof(remove_args, json), NULL,
     "print an object with the bytes that became free"},
    OPTIONS_END,
};

static ar_status remove_one(const char *name, int64_t *sum, ar_error *err) {
    int64_t bytes = 0;
    TRY(hub_remove(name, &bytes, err));
    *sum += bytes;
    return AR_OK;
}

/* The name of a repository takes all of it along, so the list is read anew
 * after each. */
static ar_status remove_all(int64_t *sum, ar_error *err) {
    for (;;) {
        hub_list l;
        TRY(hub_list_open(&l, err));
        const bool done = !l.n;
        const ar_status s =
            done ? AR_OK : remove_one(l.model[0].name, sum, err);
        hub_list_close(&l);
        if (done || s != AR_OK) return s;
    }
}

static ar_status run_remove(const void *parsed, ar_error *err) {
    const remove_args *a = parsed;
    int64_t sum = 0;
    char size[32];
    if (a->all == (a->names.n > 0))
        return error_set(err, AR_USAGE, "say what to remove: names, or --all");
    if (a->all && !a->yes)
        return error_set(err, AR_USAGE,
                         "--all removes every model that was fetched; say "
                         "--yes too");
    for (int i = 0; i < a->names.n; i++)
        if (!hub_is_name(a->names.word[i]))
            return error_set(err, AR_USAGE,
                             "\"%.100s\" is not the name of a fetched model; "
                             "\"arcane list\" shows them",
                             a->names.word[i]);
    if (a->all) TRY(remove_all(&sum, err));
    for (int i = 0; i < a->names.n; i++)
        TRY(remove_one(a->names.word[i], &sum, err));
    if (a->json)
        return print_json(json_pack("{s:I}", "bytes", (json_int_t)sum), err);
    fprintf(stderr, "removed %s\n", progress_bytes((double)sum, size));
    return AR_OK;
}

const cli_command cmd_remove = {
    .name = "remove",
    .summary = "remove models that were fetched",
    .text = "Removes exactly what is named, begun or whole, and only in the "
            "folder of fetched models.",
    .examples = "  arcane remove hf:unsloth/Qwen3-0.6B-GGUF:Q8_0\n"
                "  arcane remove hf:Qwen/Qwen3-0.6B\n"
                "  arcane remove https://example.org/model.gguf\n"
                "  arcane remove --all --yes\n",
    .options = remove_options,
    .args_size = sizeof(remove_args),
    .run = run_remove,
};
