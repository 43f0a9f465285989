/* mil_sim_call.c - what operations of the simulator use: arguments, walks over
 * tensors, and where values lie. */
#include "backend/ane/mil_sim_call.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"

const sim_tensor *sim_in(const sim_call *c, const char *key) {
    const mil_ref r = mil_find_ref(c->call.op, key);
    return r ? &c->values[r] : NULL;
}

int sim_in_count(const sim_call *c, const char *key) {
    const mil_arg *a = mil_find_arg(c->call.op, key);
    return a ? a->n_values : 0;
}

const sim_tensor *sim_in_list(const sim_call *c, const char *key, int i) {
    return &c->values[mil_find_arg(c->call.op, key)->values[i]];
}

sim_tensor *sim_out(const sim_call *c, int i) {
    return &c->values[c->call.op->outs[i]];
}

double sim_number(const sim_call *c, const char *key) {
    const sim_tensor *t = sim_in(c, key);
    mil_arg_rule r;
    if (t) return t->count ? sim_get(t, 0) : 0;
    if (!mil_find_rule(c->call.signature, key, &r)) return 0;
    return strtod(r.value, NULL);
}

ar_status sim_scratch(sim_call *c, int which, int64_t n, float **out) {
    mil_sim *s = c->sim;
    if (n > s->scratch_n[which]) {
        float *grown = mem_block_alloc(sizeof(float) * (size_t)n);
        if (!grown)
            return error_set(c->call.err, AR_NOMEM,
                             "%s: no memory for %lld numbers", c->call.op->kind,
                             (long long)n);
        if (s->scratch[which])
            mem_block_free(s->scratch[which],
                           sizeof(float) * (size_t)s->scratch_n[which]);
        s->scratch[which] = grown;
        s->scratch_n[which] = n;
    }
    *out = s->scratch[which];
    return AR_OK;
}

sim_gemm *sim_gemm_of(mil_sim *s) { return s->gemm; }

/* ---- cells ---- */

bool sim_is_real(enum mil_dtype t) {
    return t == MIL_FP16 || t == MIL_FP32 || t == MIL_FP64 || t == MIL_BF16 ||
           t == MIL_FP8_E4M3 || t == MIL_FP8_E5M2;
}

static bool is_unsigned(enum mil_dtype t) {
    switch (t) {
    case MIL_UINT1:
    case MIL_UINT2:
    case MIL_UINT3:
    case MIL_UINT4:
    case MIL_UINT6:
    case MIL_UINT8:
    case MIL_UINT16: return true;
    default: return false;
    }
}

void sim_put(sim_tensor *t, int64_t i, double x) {
    const enum mil_dtype type = t->type.dtype;
    if (sim_is_real(type)) {
        t->data[i].f = (float)x;
        return;
    }
    if (type == MIL_BOOL) {
        t->data[i].i = x != 0;
        return;
    }
    int bits = mil_dtype_bits(type);
    if (bits > 32) bits = 32;
    const double top =
        ldexp(1, is_unsigned(type) ? bits : bits - 1) - 1; /* 32: signed */
    const double low = is_unsigned(type) ? 0 : -top - 1;
    const double whole = isnan(x) ? 0 : trunc(x);
    t->data[i].i = (int32_t)(whole < low ? low : whole > top ? top : whole);
}

/* ---- walks ---- */

void sim_steps(const mil_type *t, int64_t *step) {
    int64_t n = 1;
    for (int i = t->rank - 1; i >= 0; i--) {
        step[i] = n;
        n *= t->dim[i];
    }
}

void sim_spread(const mil_type *x, const mil_type *to, int64_t *step) {
    int64_t own[MIL_MAX_DIMS] = {0};
    const int skip = to->rank - x->rank;
    sim_steps(x, own);
    for (int i = 0; i < to->rank; i++)
        step[i] = i < skip || x->dim[i - skip] == 1 ? 0 : own[i - skip];
}

sim_line sim_line_of(const mil_type *t, int axis) {
    sim_line l = {1, t->dim[axis], 1};
    for (int i = 0; i < axis; i++) l.before *= t->dim[i];
    for (int i = axis + 1; i < t->rank; i++) l.behind *= t->dim[i];
    return l;
}

sim_walk sim_walk_over(const mil_type *t) {
    sim_walk w = {.rank = t->rank};
    for (int i = 0; i < t->rank; i++) w.dim[i] = t->dim[i];
    return w;
}

void sim_walk_next(sim_walk *w) {
    for (int i = w->rank - 1; i >= 0; i--) {
        for (int k = 0; k < SIM_WALKS; k++) w->at[k] += w->step[k][i];
        if (++w->index[i] < w->dim[i]) return;
        for (int k = 0; k < SIM_WALKS; k++)
            w->at[k] -= w->step[k][i] * w->dim[i];
        w->index[i] = 0;
    }
}

/* ---- where values lie ---- */

typedef struct held {
    int64_t at, n;
    int32_t last; /* the step that uses it last */
} held;

typedef struct layout {
    held *held; /* by place */
    int n;
    int64_t end;
} layout;

/* The first gap among what is still held at step `now`. */
static int64_t put_value(layout *l, int64_t n, int32_t now, int32_t last) {
    int kept = 0;
    for (int i = 0; i < l->n; i++)
        if (l->held[i].last >= now) l->held[kept++] = l->held[i];
    l->n = kept;
    n = (n + 15) / 16 * 16;
    int64_t at = 0;
    int i = 0;
    while (i < l->n && l->held[i].at - at < n) {
        at = l->held[i].at + l->held[i].n;
        i++;
    }
    memmove(&l->held[i + 1], &l->held[i], sizeof(held) * (size_t)(l->n - i));
    l->held[i] = (held){at, n, last};
    l->n++;
    if (at + n > l->end) l->end = at + n;
    return at;
}

/* last[r]: the step after which a value is not needed. */
static void find_last(const sim_func *f, int32_t *last) {
    for (int i = 0; i < f->n_steps; i++) {
        const mil_op *op = f->steps[i].op;
        for (int32_t a = 0; a < op->n_args; a++)
            for (int32_t k = 0; k < op->args[a].n_values; k++)
                last[op->args[a].values[k]] = i;
        for (int32_t k = 0; k < op->n_outs; k++) last[op->outs[k]] = i;
    }
    for (int32_t k = 0; k < f->f->n_results; k++)
        last[f->f->results[k]] = INT32_MAX;
}

static void place_value(layout *l, sim_tensor *t, sim_cell *block, int32_t now,
                        int32_t last) {
    if (t->constant || t->type.state || t->type.dtype == MIL_STRING) return;
    const int64_t at = put_value(l, t->count ? t->count : 1, now, last);
    if (block) t->data = block + at;
}

ar_status sim_layout(sim_func *f, sim_cell *block, int64_t *cells,
                     ar_error *err) {
    layout l = {.held = mem_new(held, f->f->n_values + 2)};
    int32_t *last = mem_new(int32_t, f->f->n_values + 1);
    if (!l.held || !last) {
        mem_free(l.held);
        mem_free(last);
        return error_set(err, AR_NOMEM, "no memory to place values");
    }
    find_last(f, last);
    for (int32_t k = 0; k < f->f->n_params; k++) {
        const mil_ref r = f->f->params[k];
        place_value(&l, &f->values[r], block, 0, last[r]);
    }
    for (int i = 0; i < f->n_steps; i++) {
        const mil_op *op = f->steps[i].op;
        for (int32_t k = 0; k < op->n_outs; k++)
            place_value(&l, &f->values[op->outs[k]], block, i,
                        last[op->outs[k]]);
    }
    *cells = l.end;
    mem_free(l.held);
    mem_free(last);
    return AR_OK;
}
