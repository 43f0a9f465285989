/* train_save.c - a run in its checkpoints. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "format/checkpoint.h"
#include "train/train_int.h"

static json_t *state_json(const train_run_state *r) {
    json_t *position = loader_position(r->loader);
    json_t *s = settings_json(&r->s);
    if (!position || !s) {
        json_decref(position);
        json_decref(s);
        return NULL;
    }
    return json_pack(
        "{s:o, s:I, s:I, s:f, s:f, s:[f, f, f], s:{s:f, s:I, s:I}, s:o}",
        "settings", s, "step", (json_int_t)r->step, "tokens",
        (json_int_t)r->tokens, "seconds", r->seconds, "warm_progress",
        r->warm_progress, "moving", r->mean_nats, r->mean_tokens, r->mean_bytes,
        "final", "nats", isfinite(r->final.nats) ? r->final.nats : 0, "tokens",
        (json_int_t)r->final.n_tokens, "bytes", (json_int_t)r->final.n_bytes,
        "data", position);
}

ar_status run_save(train_run_state *r, ar_error *err) {
    if (r->saved_step == r->step) return AR_OK;
    const char *extra[] = {"config.json", r->config_text, "tokenizer.json",
                           r->tokenizer_text, NULL};
    if (!r->tokenizer_text) extra[2] = NULL;
    json_t *state = state_json(r);
    if (!state) return error_set(err, AR_NOMEM, "out of memory to save");
    const ar_status status =
        trainer_save(r->t, r->run, r->step, state, extra, (int)r->s.keep, err);
    json_decref(state);
    if (status == AR_OK) r->saved_step = r->step;
    return status;
}

static ar_status read_state(train_run_state *r, const json_t *state,
                            const char *folder, ar_error *err) {
    json_int_t step, tokens, final_tokens, final_bytes;
    json_error_t bad;
    if (json_unpack_ex((json_t *)state, &bad, 0,
                       "{s:I, s:I, s:F, s:F, s:[F, F, F], s:{s:F, s:I, s:I}}",
                       "step", &step, "tokens", &tokens, "seconds", &r->seconds,
                       "warm_progress", &r->warm_progress, "moving",
                       &r->mean_nats, &r->mean_tokens, &r->mean_bytes, "final",
                       "nats", &r->final.nats, "tokens", &final_tokens, "bytes",
                       &final_bytes) != 0 ||
        step < 0 || tokens < 0)
        return error_set(err, AR_FORMAT, "%s/state.json: %s", folder,
                         bad.text[0] ? bad.text : "a count is negative");
    r->step = step;
    r->tokens = tokens;
    r->final.n_tokens = final_tokens;
    r->final.n_bytes = final_bytes;
    return AR_OK;
}

static ar_status restore_from(train_run_state *r, const char *folder,
                              const json_t *state, ar_error *err) {
    TRY(read_state(r, state, folder, err));
    TRY(trainer_restore(r->t, folder, state, err));
    TRY(loader_seek(r->loader, json_object_get(state, "data"), err));
    r->saved_step = r->step;
    return AR_OK;
}

ar_status run_restore(train_run_state *r, ar_error *err) {
    char folder[RUN_PATH], note[160];
    json_t *state;
    int skipped = 0;
    TRY(checkpoint_find(r->run, folder, sizeof folder, &state, &skipped, err));
    const ar_status status = restore_from(r, folder, state, err);
    json_decref(state);
    if (status != AR_OK || !skipped) return status;
    snprintf(note, sizeof note,
             "%d damaged checkpoint%s passed over; going on from step %" PRId64,
             skipped, skipped == 1 ? " was" : "s were", r->step);
    run_note(r, note);
    return AR_OK;
}

ar_status train_settings_of(settings *out, const char *run, ar_error *err) {
    char path[RUN_PATH];
    settings_default(out);
    TRY(file_join(path, sizeof path, run, "settings.json", err));
    const ar_status status = settings_read(out, path, err);
    if (status != AR_OK) settings_close(out);
    return status;
}
