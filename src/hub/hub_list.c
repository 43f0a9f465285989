/* hub_list.c - everything in the folder of models. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "hub/hub.h"
#include "hub/hub_cache.h"

enum { MAX_DEPTH = 20 };

void hub_list_close(hub_list *l) {
    for (int i = 0; i < l->n; i++) {
        mem_free(l->model[i].name);
        mem_free(l->model[i].path);
    }
    mem_free(l->model);
    *l = (hub_list){.n = 0};
}

/* "a" "b" "c" in memory of its own; NULL on no memory. */
static char *joined(const char *a, const char *b, const char *c) {
    text t = {0};
    text_addf(&t, "%s%s%s", a, b, c);
    if (!t.failed) return t.data;
    text_close(&t);
    return NULL;
}

static ar_status add_model(hub_list *l, char *name, char *path, ar_error *err) {
    hub_model *grown = l->model;
    if (name && path && !(l->n & (l->n - 1)))
        grown = mem_realloc(l->model,
                            (size_t)(l->n ? 2 * l->n : 1) * sizeof *grown);
    if (!name || !path || !grown) {
        mem_free(name);
        mem_free(path);
        return error_set(err, AR_NOMEM, "out of memory");
    }
    l->model = grown;
    l->model[l->n++] = (hub_model){.name = name, .path = path, .whole = true};
    return AR_OK;
}

/* Count a row in for the model added last. */
static void add_row(hub_list *l, const char *folder, const pulled_row *row) {
    hub_model *m = &l->model[l->n - 1];
    m->bytes += pulled_present(folder, row, &m->changed);
    if (row->size < 0) m->whole_bytes = -1;
    if (m->whole_bytes >= 0) m->whole_bytes += row->size;
    m->whole = m->whole && row->have;
}

static ar_status add_folder_model(hub_list *l, const char *folder,
                                  const pulled *p, const hub_files *f,
                                  ar_error *err) {
    TRY(add_model(l, joined(p->source, "", ""), joined(folder, "", ""), err));
    for (int i = 0; i < f->n; i++)
        if (f->file[i].chosen)
            add_row(l, folder, pulled_find(p, f->file[i].path));
    return AR_OK;
}

/* What is no part of a model of many files: files of their own, and GGUF
 * models of one or more parts. */
static ar_status add_file_models(hub_list *l, const char *folder,
                                 const pulled *p, hub_files *f, ar_error *err) {
    const char *between = strncmp(p->source, "hf:", 3) ? "" : ":";
    for (int i = 0; i < f->n; i++) {
        if (f->file[i].chosen) continue;
        const char *first = f->file[i].path;
        int part, parts, more;
        const size_t stem = hub_gguf_stem(first, &part, &parts);
        TRY(add_model(l, joined(p->source, between, first),
                      joined(folder, "/", first), err));
        for (int k = i; k < f->n; k++) {
            const char *path = f->file[k].path;
            const bool same =
                k == i || (stem && parts > 1 &&
                           hub_gguf_stem(path, &part, &more) == stem &&
                           more == parts && !strncmp(path, first, stem));
            if (!same || f->file[k].chosen) continue;
            f->file[k].chosen = true;
            add_row(l, folder, pulled_find(p, path));
        }
    }
    return AR_OK;
}

static ar_status add_list(hub_list *l, const char *folder, ar_error *err) {
    pulled p;
    hub_files f;
    hub_choice what;
    TRY(pulled_read(&p, folder, err));
    ar_status s = pulled_files(&p, &f, err);
    if (s == AR_OK) {
        const bool many = !strncmp(p.source, "hf:", 3) && f.n &&
                          hub_files_choose(&f, "", "", &what, NULL) == AR_OK &&
                          what.folder;
        if (many) s = add_folder_model(l, folder, &p, &f, err);
        if (!many)
            for (int i = 0; i < f.n; i++) f.file[i].chosen = false;
        if (s == AR_OK) s = add_file_models(l, folder, &p, &f, err);
        hub_files_close(&f);
    }
    pulled_close(&p);
    return s;
}

/* ---- the tree ---- */

/* Folders still to be looked at, one path after the other. */
typedef struct queue {
    char **path;
    int *depth;
    int n, at;
} queue;

static ar_status put(queue *q, char *path, int depth, ar_error *err) {
    if (path && !(q->n & (q->n - 1))) {
        const size_t want = (size_t)(q->n ? 2 * q->n : 1);
        char **paths = mem_realloc(q->path, want * sizeof *paths);
        if (paths) q->path = paths;
        int *depths = mem_realloc(q->depth, want * sizeof *depths);
        if (depths) q->depth = depths;
        if (!paths || !depths) {
            mem_free(path);
            path = NULL;
        }
    }
    if (!path) return error_set(err, AR_NOMEM, "out of memory");
    q->path[q->n] = path;
    q->depth[q->n++] = depth;
    return AR_OK;
}

static ar_status look_into(queue *q, hub_list *l, const char *folder, int depth,
                           ar_error *err) {
    file_list names;
    TRY(file_list_open(&names, folder, err));
    ar_status s = AR_OK;
    for (size_t i = 0; s == AR_OK && i < names.n; i++) {
        const char *name = names.names[i];
        if (!strcmp(name, PULLED_NAME)) s = add_list(l, folder, err);
        if (s != AR_OK || *name == '.' || depth == MAX_DEPTH) continue;
        char *path = joined(folder, "/", name);
        if (path && !file_is_folder(path))
            mem_free(path);
        else
            s = put(q, path, depth + 1, err);
    }
    file_list_close(&names);
    return s;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const hub_model *)a)->name, ((const hub_model *)b)->name);
}

ar_status hub_list_open(hub_list *out, ar_error *err) {
    char models[4096];
    queue q = {.n = 0};
    *out = (hub_list){.n = 0};
    TRY(hub_models_folder(models, sizeof models, err));
    if (!file_is_folder(models)) return AR_OK;
    ar_status s = put(&q, joined(models, "", ""), 0, err);
    for (; s == AR_OK && q.at < q.n; q.at++)
        s = look_into(&q, out, q.path[q.at], q.depth[q.at], err);
    for (int i = 0; i < q.n; i++) mem_free(q.path[i]);
    mem_free(q.path);
    mem_free(q.depth);
    if (s != AR_OK)
        hub_list_close(out);
    else if (out->n)
        qsort(out->model, (size_t)out->n, sizeof *out->model, by_name);
    return s;
}
