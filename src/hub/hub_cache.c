/* hub_cache.c - the folder of models: where it is, and finding in it. */
#include "hub/hub_cache.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "hub/hub.h"

ar_status hub_models_folder(char *out, size_t size, ar_error *err) {
    return file_kept_folder(out, size, "models", err);
}

ar_status hub_folder_of(char *out, size_t size, const hub_ref *r,
                        ar_error *err) {
    char models[4096];
    TRY(hub_models_folder(models, sizeof models, err));
    return file_join(out, size, models, r->folder, err);
}

/* ---- finding ---- */

static ar_status not_there(const char *name, bool begun, ar_error *err) {
    return error_set(err, AR_IO,
                     "%.60s: is not %s; fetch it: arcane pull %.100s", name,
                     begun ? "whole yet" : "here", name);
}

/* Every file that is marked must be there. */
static ar_status check_chosen(const hub_files *f, const pulled *p,
                              const char *folder, const char *name,
                              ar_error *err) {
    char path[4096];
    for (int i = 0; i < f->n; i++) {
        if (!f->file[i].chosen) continue;
        TRY(file_join(path, sizeof path, folder, f->file[i].path, err));
        if (!pulled_find(p, f->file[i].path)->have || !file_exists(path))
            return not_there(name, true, err);
    }
    return AR_OK;
}

static ar_status find_repository(char *out, size_t size, const char *folder,
                                 const pulled *p, const hub_ref *r,
                                 const char *name, ar_error *err) {
    hub_files f;
    hub_choice what;
    TRY(pulled_files(p, &f, err));
    ar_status s = hub_files_choose(&f, name, r->choice, &what, err);
    if (s == AR_IO || s == AR_UNSUPPORTED) s = not_there(name, false, err);
    if (s == AR_OK) s = check_chosen(&f, p, folder, name, err);
    if (s == AR_OK && !what.folder)
        s = file_join(out, size, folder, what.first, err);
    else if (s == AR_OK && (size_t)snprintf(out, size, "%s", folder) >= size)
        s = error_set(err, AR_RANGE, "%.80s: the path is too long", name);
    hub_files_close(&f);
    return s;
}

static ar_status find_file(char *out, size_t size, const char *folder,
                           const pulled *p, const hub_ref *r, const char *name,
                           ar_error *err) {
    const pulled_row *row = pulled_find(p, r->file);
    if (!row) return not_there(name, false, err);
    TRY(file_join(out, size, folder, r->file, err));
    return row->have && file_exists(out) ? AR_OK : not_there(name, true, err);
}

ar_status hub_find(char *out, size_t size, const char *name, ar_error *err) {
    hub_ref r;
    pulled p;
    char folder[4096];
    TRY(hub_ref_parse(&r, name, err));
    TRY(hub_folder_of(folder, sizeof folder, &r, err));
    TRY(pulled_read(&p, folder, err));
    const ar_status s =
        !p.n       ? not_there(name, false, err)
        : r.is_url ? find_file(out, size, folder, &p, &r, name, err)
                   : find_repository(out, size, folder, &p, &r, name, err);
    pulled_close(&p);
    return s;
}
