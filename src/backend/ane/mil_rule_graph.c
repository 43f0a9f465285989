/* mil_rule_graph.c - rules about functions as a whole, and about what an
 * operation is fed with. */
#include <string.h>

#include "backend/ane/mil_rule.h"
#include "base/mem.h"

enum {
    MANY_BLOBS = 16,
    MANY_CONVS = 20,
    MANY_BRANCHES = 12,
    MANY_LAYERS = 3,
    LONG_ATTENTION = 2048,
    LONG_BOTH = 512
};

static bool is_op(const mil_op *op, const char *words) {
    const size_t n = strlen(op->kind);
    for (const char *s = words; *s; s += strspn(s, " ")) {
        const size_t size = strcspn(s, " ");
        if (size == n && memcmp(s, op->kind, n) == 0) return true;
        s += size;
    }
    return false;
}

/* Statements of a function that are one of these. */
static int count_ops(const rule_call *c, const char *words) {
    int n = 0;
    for (int32_t i = 0; i < c->f->n_ops; i++) n += is_op(&c->f->ops[i], words);
    return n;
}

static const mil_value *arg_of(const rule_call *c, const mil_op *op,
                               const char *key) {
    const mil_ref r = mil_find_ref(op, key);
    return r ? mil_get(c->f, r) : NULL;
}

/* ---- results ---- */

static const char *why_dead(const rule_call *c, mil_ref r, uint8_t *seen) {
    const mil_value *v = mil_get(c->f, r);
    if (seen[r]++) return "given twice";
    if (v->op == -1) return "a parameter";
    return rule_computed(c, v) ? NULL : "a constant";
}

void rule_dead_result(rule_call *c) {
    uint8_t *seen = mem_new(uint8_t, c->f->n_values + 1);
    if (!seen) {
        c->status = AR_NOMEM;
        return;
    }
    for (int i = 0; i < c->f->n_results; i++) {
        const mil_ref r = c->f->results[i];
        if (seen[r] > 1) continue;
        const char *why = why_dead(c, r, seen);
        const mil_value *v = mil_get(c->f, r);
        if (why) rule_hit(c, v->place, v->name, c->f->name, why, NULL);
    }
    mem_free(seen);
}

void rule_no_work(rule_call *c) {
    for (int32_t i = 0; i < c->f->n_ops; i++) {
        const mil_op *op = &c->f->ops[i];
        if (!is_op(op, "const reshape slice_by_index slice_by_size tile "
                       "identity") &&
            !rule_starts(op->kind, "constexpr_"))
            return;
    }
    rule_hit(c, c->f->place, c->f->name, NULL);
}

void rule_matmul_reshape(rule_call *c) {
    if (c->f->n_results != 1) return;
    const mil_value *v = mil_get(c->f, c->f->results[0]);
    if (strcmp(rule_maker(c, v), "reshape") != 0) return;
    const mil_value *x = arg_of(c, &c->f->ops[v->op], "x");
    if (strcmp(rule_maker(c, x), "matmul") == 0)
        rule_hit(c, v->place, c->f->name, v->name, NULL);
}

/* ---- what is in a function together ---- */

void rule_split_family(rule_call *c) {
    if (count_ops(c, "split") && count_ops(c, "matmul") &&
        count_ops(c, "softmax") && count_ops(c, "tile"))
        rule_hit(c, c->f->place, c->f->name, NULL);
}

void rule_concat_attention(rule_call *c) {
    if (count_ops(c, "concat") &&
        count_ops(c, "softmax scaled_dot_product_attention"))
        rule_hit(c, c->f->place, c->f->name, NULL);
}

void rule_many_convs(rule_call *c) {
    const int n = count_ops(c, "conv");
    if (n >= MANY_CONVS)
        rule_hit(c, c->f->place, c->f->name, rule_int(n).s, NULL);
}

void rule_many_layers(rule_call *c) {
    const int n = count_ops(c, "softmax scaled_dot_product_attention");
    if (n > MANY_LAYERS)
        rule_hit(c, c->f->place, c->f->name, rule_int(n).s, NULL);
}

void rule_transposed_products(rule_call *c) {
    const mil_op *first = NULL;
    int n = 0;
    for (int32_t i = 0; i < c->f->n_ops; i++) {
        const mil_op *op = &c->f->ops[i];
        if (!is_op(op, "matmul")) continue;
        const char *x = rule_maker(c, arg_of(c, op, "x"));
        const char *y = rule_maker(c, arg_of(c, op, "y"));
        if (strcmp(x, "transpose") != 0 && strcmp(y, "transpose") != 0)
            continue;
        if (!first) first = op;
        n++;
    }
    if (n > 1)
        rule_hit(c, first->place, c->f->name, rule_int(n).s,
                 mil_get(c->f, first->outs[0])->name, NULL);
}

void rule_many_blobs(rule_call *c) {
    int n = 0;
    for (int i = 0; i < mil_n_funcs(c->p); i++) {
        const mil_func *f = mil_get_func(c->p, i);
        for (int32_t k = 1; k < f->n_values; k++) {
            const mil_value *v = mil_get(f, (mil_ref)k);
            n += v->op == -2 && v->literal && v->literal->path;
        }
    }
    if (n > MANY_BLOBS) rule_hit(c, (mil_place){0}, rule_int(n).s, NULL);
}

/* ---- what a statement is fed with ---- */

void rule_any(rule_call *c) {
    rule_hit(c, c->op->place, c->op->kind, rule_name(c), NULL);
}

static void hit_if(rule_call *c, bool bad) {
    if (bad) rule_any(c);
}

void rule_has_bias(rule_call *c) { hit_if(c, rule_arg(c, "bias") != NULL); }

void rule_has_mask(rule_call *c) {
    hit_if(c, rule_arg(c, "attn_mask") != NULL);
}

void rule_no_epsilon(rule_call *c) {
    hit_if(c, rule_arg(c, "epsilon") == NULL);
}

void rule_no_trig(rule_call *c) { hit_if(c, !c->limits->trig); }
void rule_no_texture(rule_call *c) { hit_if(c, !c->limits->texture); }

void rule_concat_width(rule_call *c) {
    if (ane_concat_width(c->target->chip) || !c->op->n_outs) return;
    const mil_value *out = mil_get(c->f, c->op->outs[0]);
    if (rule_axis(c, "axis", out) == out->type.rank - 1)
        rule_hit(c, c->op->place, rule_name(c), NULL);
}

void rule_inline_flag(rule_call *c) {
    static const char *const keys[] = {"transpose_x", "transpose_y"};
    for (int i = 0; i < 2; i++) {
        const mil_value *v = rule_arg(c, keys[i]);
        if (v && v->op == -2)
            rule_hit(c, c->op->place, keys[i], rule_name(c), NULL);
    }
}

void rule_computed_operand(rule_call *c) {
    static const char *const keys[] = {"x", "y", "query", "key", "value"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const mil_value *v = rule_arg(c, keys[i]);
        if (!rule_computed(c, v) || v->op < 0) continue;
        rule_hit(c, c->op->place, c->op->kind, rule_name(c), v->name, NULL);
        return;
    }
}

void rule_dynamic_weight(rule_call *c) {
    if (rule_computed(c, rule_arg(c, "weight")))
        rule_hit(c, c->op->place, rule_name(c), NULL);
}

void rule_dynamic_batch(rule_call *c) {
    const mil_value *x = rule_arg(c, "x");
    if (!x || !x->type.rank || x->type.dim[0] < 2) return;
    if (rule_computed(c, rule_arg(c, "weight")))
        rule_hit(c, c->op->place, c->op->kind, rule_name(c),
                 rule_int(x->type.dim[0]).s, NULL);
}

void rule_long_attention(rule_call *c) {
    const mil_value *q = rule_arg(c, "query"), *k = rule_arg(c, "key");
    if (!q || !k) return;
    const int64_t nq = rule_dim(&q->type, 1), nk = rule_dim(&k->type, 1);
    if (nq > LONG_ATTENTION || nk > LONG_ATTENTION ||
        (nq >= LONG_BOTH && nk >= LONG_BOTH))
        rule_hit(c, c->op->place, c->op->kind, rule_int(nq).s, rule_int(nk).s,
                 NULL);
}

void rule_branches(rule_call *c) {
    for (int i = 0; i < c->op->n_args; i++) {
        const mil_arg *a = &c->op->args[i];
        int n = 0;
        for (int k = 0; k < a->n_values; k++)
            n += rule_computed(c, mil_get(c->f, a->values[k]));
        if (n >= MANY_BRANCHES)
            rule_hit(c, c->op->place, c->op->kind, rule_name(c), rule_int(n).s,
                     NULL);
    }
}

void rule_one_part(rule_call *c) {
    const mil_arg *a = mil_find_arg(c->op, "values");
    if (a && a->n_values < 2) rule_hit(c, c->op->place, rule_name(c), NULL);
}

void rule_negative_axis(rule_call *c) {
    const int64_t axis = rule_whole(c, "axis", 0);
    if (axis < 0)
        rule_hit(c, c->op->place, rule_name(c), rule_int(axis).s, NULL);
}

void rule_moving_slice(rule_call *c) {
    static const char *const keys[] = {"begin", "end", "size"};
    for (int i = 0; i < 3; i++) {
        const mil_value *v = rule_arg(c, keys[i]);
        if (!rule_computed(c, v)) continue;
        rule_hit(c, c->op->place, c->op->kind, rule_name(c), v->name, NULL);
        return;
    }
}

void rule_batch_broadcast(rule_call *c) {
    const mil_value *x = rule_arg(c, "x"), *y = rule_arg(c, "y");
    if (!x || !y || x->type.rank < 4 || x->type.rank != y->type.rank) return;
    const int64_t a = x->type.dim[0], b = y->type.dim[0];
    if (a == b || !c->op->n_outs) return;
    const mil_value *small = a < b ? x : y;
    rule_hit(c, c->op->place, rule_name(c),
             small->name ? small->name : "a constant",
             rule_int(a < b ? b : a).s, NULL);
}

void rule_no_interleave(rule_call *c) {
    if (!rule_arg(c, "interleave"))
        rule_hit(c, c->op->place, rule_name(c), NULL);
}

void rule_says_eps(rule_call *c) { hit_if(c, rule_arg(c, "eps") != NULL); }
