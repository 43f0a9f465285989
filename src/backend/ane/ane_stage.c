/* ane_stage.c - the folder that the system's compiler reads a program from.
 *
 * The compiler service takes model.mil and weights/ from a folder named by the
 * program's id, and they must be there before it is asked.  Without a cache
 * that is in the temporary folder and goes when the program is closed; with
 * one it is CACHE/BUILD-ARCHITECTURE/ID, because an update of the system makes
 * compiled programs invalid.  The id is made of the hashes of text and weights,
 * so that two processes that write one folder write the same bytes. */
#include "backend/ane/ane_driver_int.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"

static const char mark[] = "compiled";

/* Was the path printed whole?  One that was not must never be removed. */
static ar_status fits(ane_program *p, int n, ar_error *err) {
    if (n >= 0 && (size_t)n < sizeof p->folder) return AR_OK;
    p->folder[0] = 0;
    return error_set(err, AR_RANGE,
                     "the path of the program's folder is too long");
}

/* Is the text a name that is safe in a path? */
static bool plain(const char *s) {
    if (!*s || !strcmp(s, ".") || !strcmp(s, "..")) return false;
    return !strchr(s, '/');
}

ar_status ane_stage_choose(ane_program *p, ar_error *err) {
    const ane_driver *d = p->d;
    const ane_info *i = &d->info;
    if (!plain(p->id))
        return error_set(err, AR_DEVICE, "%s: the runtime gave it no id",
                         p->name);
    /* Without build and architecture nothing says when a program is stale. */
    p->kept = d->cache[0] && plain(i->build) && plain(i->architecture);
    if (p->kept)
        return fits(p,
                    snprintf(p->folder, sizeof p->folder, "%s/%s-%s/%s",
                             d->cache, i->build, i->architecture, p->id),
                    err);
    const char *temp = ane_objc_text(&d->rt, d->rt.temp_folder());
    size_t n = strlen(temp);
    while (n > 1 && temp[n - 1] == '/') n--;
    if (!n)
        return error_set(err, AR_DEVICE,
                         "the system has no temporary folder for programs");
    return fits(
        p,
        snprintf(p->folder, sizeof p->folder, "%.*s/%s", (int)n, temp, p->id),
        err);
}

static ar_status put(const char *folder, const char *name, const void *data,
                     size_t size, ar_error *err) {
    char path[ANE_PATH + ANE_TEXT];
    TRY(file_join(path, sizeof path, folder, name, err));
    return file_replace(path, data, size, err);
}

ar_status ane_stage_write(const ane_program *p, const ane_source *src,
                          ar_error *err) {
    char weights[ANE_PATH + 16];
    TRY(file_join(weights, sizeof weights, p->folder, "weights", err));
    TRY(file_make_folder(weights, err));
    for (int i = 0; i < src->n_files; i++) {
        const ane_file *f = &src->files[i];
        TRY(put(weights, f->name, f->data, f->size, err));
    }
    return put(p->folder, "model.mil", src->mil, src->mil_size, err);
}

bool ane_stage_is_marked(const ane_program *p) {
    char path[ANE_PATH + 16];
    return p->kept &&
           file_join(path, sizeof path, p->folder, mark, NULL) == AR_OK &&
           file_exists(path);
}

ar_status ane_stage_mark(const ane_program *p, ar_error *err) {
    if (!p->kept) return AR_OK;
    return put(p->folder, mark, p->id, strlen(p->id), err);
}

void ane_stage_unmark(const ane_program *p) {
    char path[ANE_PATH + 16];
    if (p->kept && file_join(path, sizeof path, p->folder, mark, NULL) == AR_OK)
        file_remove(path, NULL);
}

void ane_stage_remove(const ane_program *p) {
    if (!p->kept && p->folder[0]) file_remove(p->folder, NULL);
}
