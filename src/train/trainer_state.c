/* trainer_state.c - a trainer in a checkpoint and back, bit for bit.
 *
 *   model.safetensors      the weights
 *   optimizer.safetensors  NAME.m and NAME.v of every parameter that has them
 *   ema.safetensors        the averaged weights, if there are any
 *   state.json             "trainer": updates, loss scale, good steps, and
 *                          which optimiser each parameter has; beside it what
 *                          the loop adds */
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "format/checkpoint.h"
#include "train/trainer_int.h"

static const char *const state_suffix[] = {".m", ".v"};
enum { STATE_NAME_SIZE = sizeof((param_spec *)0)->name + 4 };

/* Everything that is written, with its names. */
typedef struct snapshot {
    tensor_view *params, *states, *ema;
    char (*names)[STATE_NAME_SIZE];
    void *copy[TRAIN_SLOTS]; /* of slots the host cannot see */
} snapshot;

static void snapshot_close(snapshot *s, const trainer *t) {
    for (int i = 0; i < TRAIN_SLOTS; i++)
        if (s->copy[i]) mem_block_free(s->copy[i], t->buffers[i].size);
    mem_free(s->params);
    mem_free(s->states);
    mem_free(s->ema);
    mem_free(s->names);
}

/* The bytes of a slot as the host sees them. */
static ar_status slot_bytes(snapshot *s, trainer *t, enum train_slot slot,
                            const char **out, ar_error *err) {
    buffer *b = &t->buffers[slot];
    *out = b->host;
    if (b->host || !b->size) return AR_OK;
    s->copy[slot] = mem_block_alloc(b->size);
    if (!s->copy[slot])
        return error_set(err, AR_NOMEM, "out of memory for a checkpoint");
    *out = s->copy[slot];
    return trainer_read(t, slot, 0, s->copy[slot], b->size, err);
}

static void list_params(const trainer *t, const char *bytes, tensor_view *out) {
    for (int i = 0; i < t->params.n; i++) {
        const param_spec *p = &t->params.spec[i];
        out[i] = (tensor_view){
            .name = p->name,
            .type = t->shape.type,
            .shape = p->shape,
            .data = bytes + p->offset,
            .size = ar_type_size(t->shape.type, shape_count(&p->shape)),
        };
    }
}

static void state_name(const trainer *t, const optim_state *state, char *out) {
    const char *name = t->params.spec[state->param].name;
    const size_t n = strlen(name);
    memcpy(out, name, n);
    memcpy(out + n, state_suffix[state->index], 3);
}

static void list_states(const trainer *t, const char *bytes, snapshot *s) {
    for (int i = 0; i < t->optim.n_states; i++) {
        const optim_state *state = &t->optim.state[i];
        state_name(t, state, s->names[i]);
        s->states[i] = (tensor_view){
            .name = s->names[i],
            .type = t->shape.type,
            .shape = state->shape,
            .data = bytes + state->offset,
            .size = ar_type_size(t->shape.type, shape_count(&state->shape)),
        };
    }
}

static ar_status snapshot_open(snapshot *s, trainer *t, ar_error *err) {
    const char *params, *states, *ema;
    memset(s, 0, sizeof *s);
    s->params = mem_new(tensor_view, t->params.n);
    s->ema = mem_new(tensor_view, t->params.n);
    s->states = mem_new(tensor_view, t->optim.n_states);
    s->names = mem_alloc((size_t)t->optim.n_states * sizeof *s->names);
    if (!s->params || !s->ema || !s->states || !s->names)
        return error_set(err, AR_NOMEM, "out of memory for a checkpoint");
    TRY(slot_bytes(s, t, TRAIN_PARAMS, &params, err));
    TRY(slot_bytes(s, t, TRAIN_STATES, &states, err));
    TRY(slot_bytes(s, t, TRAIN_EMA, &ema, err));
    list_params(t, params, s->params);
    list_states(t, states, s);
    if (ema) list_params(t, ema, s->ema);
    return AR_OK;
}

static const char *optimizer_of(const trainer *t, int param) {
    const optim_layout *l = &t->optim;
    return optim_table[l->groups.group[l->group_of[param]].kind].name;
}

/* {"wte.weight": "adamw", ...}: the arrays of one optimiser may have the names
 * and shapes of another's, so they alone do not tell. */
static json_t *optimizers_json(const trainer *t) {
    json_t *json = json_object();
    for (int i = 0; json && i < t->params.n; i++)
        if (json_object_set_new(json, t->params.spec[i].name,
                                json_string(optimizer_of(t, i))) != 0) {
            json_decref(json);
            json = NULL;
        }
    return json;
}

static json_t *whole_state(const trainer *t, const json_t *state) {
    json_t *all = json_copy((json_t *)state);
    json_t *own =
        json_pack("{s:I, s:f, s:I, s:o}", "updates", (json_int_t)t->n_updates,
                  "loss_scale", t->loss_scale, "good_steps",
                  (json_int_t)t->n_good, "optimizers", optimizers_json(t));
    if (!all || !own || json_object_set(all, "trainer", own) != 0) {
        json_decref(all);
        all = NULL;
    }
    json_decref(own);
    return all;
}

ar_status trainer_save(trainer *t, const char *run, int64_t step,
                       const json_t *state, const char *const *extra, int keep,
                       ar_error *err) {
    snapshot s;
    json_t *all = NULL;
    ar_status status = snapshot_open(&s, t, err);
    if (status != AR_OK) goto done;
    all = whole_state(t, state);
    if (!all) {
        status = error_set(err, AR_NOMEM, "out of memory for a checkpoint");
        goto done;
    }
    const checkpoint_file files[] = {
        {"model.safetensors", t->params.n, s.params},
        {"optimizer.safetensors", t->optim.n_states, s.states},
        {"ema.safetensors", t->params.n, s.ema},
    };
    status =
        checkpoint_save(run, step, files, t->buffers[TRAIN_EMA].size ? 3 : 2,
                        extra, all, keep, err);
done:
    json_decref(all);
    snapshot_close(&s, t);
    return status;
}

/* ---- and back ---- */

static ar_status restore_tensor(trainer *t, const st_file *f, const char *name,
                                const shape *want, enum train_slot slot,
                                int64_t at, ar_error *err) {
    const tensor_view *x = st_find(f, name);
    if (!x) return error_set(err, AR_FORMAT, "tensor \"%s\" is missing", name);
    if (x->type != t->shape.type || !shape_equal(&x->shape, want)) {
        char a[SHAPE_TEXT], b[SHAPE_TEXT];
        return error_set(err, AR_FORMAT,
                         "tensor \"%s\" is %s %s, expected %s %s", name,
                         ar_type_name(x->type), shape_text(&x->shape, a),
                         ar_type_name(t->shape.type), shape_text(want, b));
    }
    return trainer_write(t, slot, at, x->data, x->size, err);
}

static ar_status restore_params(trainer *t, const st_file *f,
                                enum train_slot slot, ar_error *err) {
    for (int i = 0; i < t->params.n; i++) {
        const param_spec *p = &t->params.spec[i];
        TRY(restore_tensor(t, f, p->name, &p->shape, slot, p->offset, err));
    }
    return AR_OK;
}

static ar_status restore_states(trainer *t, const st_file *f, ar_error *err) {
    for (int i = 0; i < t->optim.n_states; i++) {
        const optim_state *state = &t->optim.state[i];
        char name[STATE_NAME_SIZE];
        state_name(t, state, name);
        TRY(restore_tensor(t, f, name, &state->shape, TRAIN_STATES,
                           state->offset, err));
    }
    return AR_OK;
}

static ar_status restore_file(trainer *t, const char *folder, const char *file,
                              enum train_slot slot, ar_error *err) {
    char path[4096];
    st_file *f;
    TRY(file_join(path, sizeof path, folder, file, err));
    TRY(st_open(&f, path, err));
    const ar_status status = slot == TRAIN_STATES
                                 ? restore_states(t, f, err)
                                 : restore_params(t, f, slot, err);
    st_close(f);
    return status == AR_OK ? AR_OK : error_prefix(err, status, path);
}

/* A parameter that the checkpoint does not have is restore_tensor's to tell. */
static ar_status check_optimizers(const trainer *t, const char *folder,
                                  const json_t *saved, ar_error *err) {
    for (int i = 0; i < t->params.n; i++) {
        const char *name = t->params.spec[i].name;
        const char *was = json_string_value(json_object_get(saved, name));
        if (was && strcmp(was, optimizer_of(t, i)) != 0)
            return error_set(err, AR_FORMAT,
                             "%s: the optimizer of \"%s\" was %.20s and cannot "
                             "go on as %s",
                             folder, name, was, optimizer_of(t, i));
    }
    return AR_OK;
}

ar_status trainer_restore(trainer *t, const char *folder, const json_t *state,
                          ar_error *err) {
    json_int_t updates, good;
    double scale;
    if (json_unpack((json_t *)state, "{s:{s:I, s:F, s:I}}", "trainer",
                    "updates", &updates, "loss_scale", &scale, "good_steps",
                    &good) != 0 ||
        updates < 0 || good < 0 || !(scale > 0))
        return error_set(err, AR_FORMAT,
                         "%s: state.json has no whole \"trainer\"", folder);
    const json_t *own = json_object_get(state, "trainer");
    TRY(check_optimizers(t, folder, json_object_get(own, "optimizers"), err));
    TRY(restore_file(t, folder, "model.safetensors", TRAIN_PARAMS, err));
    TRY(restore_file(t, folder, "optimizer.safetensors", TRAIN_STATES, err));
    if (t->buffers[TRAIN_EMA].size)
        TRY(restore_file(t, folder, "ema.safetensors", TRAIN_EMA, err));
    t->n_updates = updates;
    t->n_good = good;
    t->loss_scale = scale;
    return AR_OK;
}
