/* mil_sim.c - opening and running a program in the simulator. */
#include "backend/ane/mil_sim.h"

#include <math.h>
#include <string.h>

#include "backend/ane/mil_sim_call.h"
#include "base/error.h"
#include "base/mem.h"
#include "quant/quant.h"

static const struct rule {
    sim_op run;
    enum sim_finish finish;
} rules[MIL_OP_COUNT] = {
#define SIM_OP(op, run, finish) [MIL_OP_##op] = {run_##run, SIM_##finish},
#include "backend/ane/mil_sim.def"
#undef SIM_OP
};

mil_sim_options mil_sim_options_default(void) {
    return (mil_sim_options){.chip = "m4"};
}

sim_step sim_step_of(const mil_op *op, int opset) {
    int since;
    return (sim_step){.op = op,
                      .run = op->id < 0 ? NULL : rules[op->id].run,
                      .finish = op->id < 0 ? SIM_MOVE : rules[op->id].finish,
                      .signature = mil_signature(op->id, opset, &since)};
}

/* ---- opening ---- */

static bool is_constexpr(const mil_op *op) {
    return strncmp(op->kind, "constexpr_", 10) == 0;
}

static ar_status add_state(mil_sim *s, const mil_value *v, sim_tensor *t,
                           ar_error *err) {
    int i = 0;
    while (i < s->n_states && strcmp(s->states[i].name, v->name) != 0) i++;
    if (i < s->n_states) {
        if (s->states[i].held.count == t->count) return AR_OK;
        return error_set(err, AR_FORMAT,
                         "%s: state \"%s\" has two shapes in its functions",
                         s->name, v->name);
    }
    sim_state *grown =
        mem_realloc(s->states, sizeof(sim_state) * (size_t)(s->n_states + 1));
    if (!grown) return error_set(err, AR_NOMEM, "no memory for states");
    s->states = grown;
    s->states[s->n_states++] = (sim_state){v->name, *t};
    return AR_OK;
}

static ar_status open_values(mil_sim *s, sim_func *f, ar_error *err) {
    const mil_func *m = f->f;
    f->values = mem_new(sim_tensor, m->n_values + 1);
    if (!f->values) return error_set(err, AR_NOMEM, "no memory for values");
    for (int32_t i = 1; i < m->n_values; i++) {
        const mil_value *v = &m->values[i];
        sim_tensor *t = &f->values[i];
        t->type = v->type;
        if (v->type.dtype == MIL_STRING || v->type.dtype == MIL_NONE) continue;
        t->count = mil_count(&v->type);
        if (t->count < 0 || t->count > INT64_MAX / 64)
            return error_set(err, AR_UNSUPPORTED,
                             "%s: %s: \"%s\" has no certain size", s->name,
                             m->name, v->name ? v->name : "a literal");
        if (v->type.state) TRY(add_state(s, v, t, err));
        t->constant =
            v->literal || (v->op >= 0 && is_constexpr(&m->ops[v->op]));
    }
    return AR_OK;
}

static ar_status open_func(mil_sim *s, sim_func *f, ar_error *err) {
    const mil_func *m = f->f;
    f->opset = mil_opset_number(m->opset);
    f->steps = mem_new(sim_step, m->n_ops + 1);
    if (!f->steps) return error_set(err, AR_NOMEM, "no memory for steps");
    for (int32_t i = 0; i < m->n_ops; i++) {
        const mil_op *op = &m->ops[i];
        const sim_step step = sim_step_of(op, f->opset);
        if (op->id == MIL_OP_const) continue;
        if (!step.run)
            return error_set(err, AR_UNSUPPORTED,
                             "%s:%u:%u: %s: the simulator does not have it",
                             s->name, op->place.line, op->place.column,
                             op->kind);
        if (!is_constexpr(op)) f->steps[f->n_steps++] = step;
    }
    return open_values(s, f, err);
}

/* One block for what runs hold, one for states. */
static ar_status take_blocks(mil_sim *s, ar_error *err) {
    int64_t most = 0, cells = 0;
    for (int i = 0; i < s->n_funcs; i++) {
        TRY(sim_layout(&s->funcs[i], NULL, &cells, err));
        if (cells > most) most = cells;
    }
    s->block_size = (size_t)most * sizeof(sim_cell);
    for (int i = 0; i < s->n_states; i++)
        s->state_size += (size_t)s->states[i].held.count * sizeof(sim_cell);
    s->block = mem_block_alloc(s->block_size + 1);
    s->state_block = mem_block_alloc(s->state_size + 1);
    if (!s->block || !s->state_block)
        return error_set(err, AR_NOMEM, "%s: no memory for %zu bytes of values",
                         s->name, s->block_size + s->state_size);
    for (int i = 0; i < s->n_funcs; i++)
        TRY(sim_layout(&s->funcs[i], s->block, &cells, err));
    sim_cell *at = s->state_block;
    for (int i = 0; i < s->n_states; i++) {
        s->states[i].held.data = at;
        at += s->states[i].held.count;
    }
    return AR_OK;
}

/* A state is the same cells in every function. */
static void share_states(mil_sim *s) {
    for (int i = 0; i < s->n_funcs; i++) {
        const mil_func *m = s->funcs[i].f;
        for (int32_t k = 0; k < m->n_params; k++) {
            const mil_value *v = mil_get(m, m->params[k]);
            for (int j = 0; v->type.state && j < s->n_states; j++)
                if (strcmp(s->states[j].name, v->name) == 0)
                    s->funcs[i].values[m->params[k]].data =
                        s->states[j].held.data;
        }
    }
}

static ar_status open_all(mil_sim *s, const mil_sim_options *opt,
                          ar_error *err) {
    s->n_funcs = mil_n_funcs(s->p);
    s->funcs = mem_new(sim_func, s->n_funcs + 1);
    if (!s->funcs) return error_set(err, AR_NOMEM, "no memory for functions");
    for (int i = 0; i < s->n_funcs; i++) {
        s->funcs[i].f = mil_get_func(s->p, i);
        TRY(open_func(s, &s->funcs[i], err));
    }
    TRY(sim_gemm_open(opt->n_threads, &s->gemm, err));
    TRY(take_blocks(s, err));
    share_states(s);
    return sim_load_constants(s, opt, err);
}

ar_status mil_sim_open(const char *name, const mil_program *p,
                       const mil_sim_options *opt, mil_sim **out,
                       ar_error *err) {
    const mil_sim_options usual = mil_sim_options_default();
    *out = NULL;
    if (!opt) opt = &usual;
    TRY(mil_check(name, p, err));
    const sim_chip *chip = sim_find_chip(opt->chip ? opt->chip : usual.chip);
    if (!chip)
        return error_set(err, AR_UNSUPPORTED, "chip \"%s\" is not known",
                         opt->chip);
    if (opt->level < 0 || opt->level > 2)
        return error_set(err, AR_UNSUPPORTED, "level %d is not 0, 1 or 2",
                         opt->level);
    mil_sim *s = mem_new(mil_sim, 1);
    if (!s) return error_set(err, AR_NOMEM, "no memory for a simulator");
    s->p = p;
    s->name = name;
    s->level = opt->level;
    s->chip = chip;
    const ar_status status = open_all(s, opt, err);
    if (status != AR_OK) {
        mil_sim_close(s);
        return status;
    }
    *out = s;
    return AR_OK;
}

void mil_sim_close(mil_sim *s) {
    if (!s) return;
    for (int i = 0; s->funcs && i < s->n_funcs; i++) {
        mem_free(s->funcs[i].values);
        mem_free(s->funcs[i].steps);
    }
    for (int i = 0; i < SIM_SCRATCH; i++)
        if (s->scratch[i])
            mem_block_free(s->scratch[i],
                           sizeof(float) * (size_t)s->scratch_n[i]);
    sim_gemm_close(s->gemm);
    if (s->constants) mem_block_free(s->constants, s->const_size + 1);
    if (s->block) mem_block_free(s->block, s->block_size + 1);
    if (s->state_block) mem_block_free(s->state_block, s->state_size + 1);
    mem_free(s->funcs);
    mem_free(s->states);
    mem_free(s);
}

void mil_sim_reset(mil_sim *s) { memset(s->state_block, 0, s->state_size); }

void mil_sim_get_stats(const mil_sim *s, mil_sim_stats *out) {
    *out = (mil_sim_stats){s->const_size, s->block_size, s->state_size,
                           sim_gemm_shapes(s->gemm)};
}

/* ---- running ---- */

static void finish(const sim_call *c, enum sim_finish how) {
    if (c->level == 0 || how != SIM_REAL) return;
    for (int32_t i = 0; i < c->call.op->n_outs; i++) {
        sim_tensor *t = sim_out(c, i);
        if (!sim_is_real(t->type.dtype)) continue;
        for (int64_t k = 0; k < t->count; k++)
            t->data[k].f = sim_round_result(c->chip, t->data[k].f);
    }
}

ar_status sim_run_step(mil_sim *s, sim_func *f, const sim_step *step,
                       ar_error *err) {
    sim_call c = {.sim = s, .values = f->values, .level = s->level};
    c.chip = s->chip;
    c.call = (mil_infer_call){.f = f->f,
                              .op = step->op,
                              .signature = step->signature,
                              .opset = f->opset,
                              .err = err};
    TRY(step->run(&c));
    finish(&c, step->finish);
    return AR_OK;
}

void sim_take_in(const mil_sim *s, sim_tensor *t) {
    if (s->level == 0 || !sim_is_real(t->type.dtype)) return;
    const bool half = t->type.dtype == MIL_FP16; /* on the grid already */
    for (int64_t i = 0; i < t->count; i++)
        if (!half || isnan(t->data[i].f))
            t->data[i].f = sim_round_input(s->chip, t->data[i].f);
}

/* Elements as the program has them into cells, as the engine takes them. */
static void take_input(const mil_sim *s, const void *data, sim_tensor *t) {
    const mil_literal l = {.type = t->type, .data = data};
    sim_decode(&l, t);
    sim_take_in(s, t);
}

static void store(unsigned char *at, int size, int32_t x) {
    const uint32_t bits = (uint32_t)x;
    for (int i = 0; i < size; i++) at[i] = (unsigned char)(bits >> 8 * i);
}

void mil_sim_pack_f16(const float *x, int64_t n, void *out) {
    unsigned char *p = out;
    for (int64_t i = 0; i < n; i++) store(p + 2 * i, 2, f32_to_f16(x[i]));
}

static ar_status give_output(const mil_sim *s, const sim_tensor *t, void *out,
                             ar_error *err) {
    const enum mil_dtype type = t->type.dtype;
    const int size = mil_dtype_bits(type) / 8;
    unsigned char *p = out;
    if (type == MIL_FP32) {
        memcpy(out, t->data, sizeof(float) * (size_t)t->count);
    } else if (type == MIL_FP16) {
        mil_sim_pack_f16(&t->data->f, t->count, out);
    } else if (!sim_is_real(type) && size >= 1 && size <= 4) {
        for (int64_t i = 0; i < t->count; i++)
            store(p + size * i, size, t->data[i].i);
    } else {
        return error_set(err, AR_UNSUPPORTED, "%s: a result of type %s",
                         s->name, mil_dtype_name(type));
    }
    return AR_OK;
}

ar_status mil_sim_run(mil_sim *s, int func, const void *const *in,
                      void *const *out, ar_error *err) {
    if (func < 0 || func >= s->n_funcs)
        return error_set(err, AR_RANGE, "%s: function %d of %d", s->name, func,
                         s->n_funcs);
    sim_func *f = &s->funcs[func];
    int n = 0;
    for (int32_t i = 0; i < f->f->n_params; i++) {
        sim_tensor *t = &f->values[f->f->params[i]];
        if (!t->type.state) take_input(s, in[n++], t);
    }
    for (int i = 0; i < f->n_steps; i++) {
        const ar_status status = sim_run_step(s, f, &f->steps[i], err);
        if (status == AR_OK) continue;
        const mil_place at = f->steps[i].op->place;
        char where[160];
        text t = {0};
        text_addf(&t, "%s:%u:%u", s->name, at.line, at.column);
        memset(where, 0, sizeof where);
        if (t.data) memcpy(where, t.data, t.size < 159 ? t.size : 159);
        text_close(&t);
        return error_prefix(err, status, where);
    }
    for (int32_t i = 0; i < f->f->n_results; i++)
        TRY(give_output(s, &f->values[f->f->results[i]], out[i], err));
    return AR_OK;
}
