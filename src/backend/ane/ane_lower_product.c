/* ane_lower_product.c - matrix products and rotary positions. */
#include "backend/ane/ane_lower_int.h"
#include "quant/quant.h"

/* ---- products ---- */

/* The batch of matrices [1, B, M, K]; with *turned, as [1, B, K, M]. */
static mil_ref matrices(lower *l, ref r, bool *turned) {
    const shape *s = &graph_value(l->g, r)->shape;
    const int64_t m = s->dim[s->rank - 2], k = shape_last(s);
    const int64_t batch = shape_count(s) / (m * k);
    const node *n = graph_node(l->g, r);
    if (n->op == OP_PERMUTE && s->rank == 2 && n->attr.view.v[0] == 1 &&
        !ane_has(l, r, PLAIN)) {
        const mil_ref x = matrices(l, n->in[0], turned);
        *turned = !*turned;
        return x;
    }
    *turned = batch == 1 && !ane_has(l, r, PLAIN) && !ane_is_constant(l, r);
    if (*turned) return ane_reshape4(l, ane_full(l, r, CHANNEL), 1, 1, k, m);
    return ane_reshape4(l, ane_full(l, r, PLAIN), 1, batch, m, k);
}

static mil_ref times_constant(lower *l, mil_ref x, const uint16_t *w, int64_t k,
                              int64_t n) {
    /* turned in memory: [K, N] to [N, K, 1, 1] */
    uint16_t *t = arena_new(&l->mem, uint16_t, n * k);
    if (!t) return ane_fail(l, AR_NOMEM, "out of memory for a weight");
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < k; j++) t[i * k + j] = w[j * n + i];
    const int64_t dim[] = {n, k, 1, 1};
    return ane_conv(l, x, ane_const(l, mil_tensor(MIL_FP16, 4, dim), t));
}

/* Columns [at, at + n) of a matrix [K, all]. */
static const uint16_t *columns(lower *l, const uint16_t *w, int64_t k,
                               int64_t all, int64_t at, int64_t n) {
    uint16_t *part = w ? arena_new(&l->mem, uint16_t, n * k) : NULL;
    for (int64_t j = 0; part && j < k; j++)
        for (int64_t i = 0; i < n; i++) part[j * n + i] = w[j * all + at + i];
    if (w && !part) ane_fail(l, AR_NOMEM, "out of memory for a weight");
    return part;
}

/* A vocabulary is too wide for one tensor.  Parts are of one size but for the
 * last, and whole chunks of an argmax. */
static void in_parts(lower *l, mil_ref x, ref b, ref bias, ref out) {
    const shape *s = &graph_value(l->g, b)->shape;
    const int64_t k = s->dim[s->rank - 2], all = shape_last(s);
    int64_t most = l->opt.max_chunk;
    if (most > ANE_MAX_INDEX) most -= most % ANE_MAX_INDEX;
    const int64_t n = (all + most - 1) / most;
    ane_parts *p = arena_new(&l->mem, ane_parts, 1);
    const uint16_t *w = ane_elements(l, b);
    const uint16_t *add = bias ? ane_elements(l, bias) : NULL;
    if (n > ANE_MAX_PARTS || !p) {
        ane_fail(l, p ? AR_UNSUPPORTED : AR_NOMEM,
                 "a result %lld wide needs %lld parts", (long long)all,
                 (long long)n);
        return;
    }
    p->n = (int)n;
    for (int i = 0; i < p->n && !ANE_FAILED(l); i++) {
        const int64_t at = i * most, size = all - at < most ? all - at : most;
        const uint16_t *part = columns(l, w, k, all, at, size);
        p->part[i] = part ? times_constant(l, x, part, k, size) : 0;
        const int64_t dim[] = {1, size, 1, 1};
        if (add)
            p->part[i] = ane_binary(
                l, "add", p->part[i],
                ane_const(l, mil_tensor(MIL_FP16, 4, dim), add + at));
    }
    l->entry[out].parts = p;
}

void lower_matmul(lower *l, const node *n, ref out) {
    const ref a = n->in[0], b = n->in[1];
    const ref bias = n->n_in > 2 ? n->in[2] : 0;
    const shape *s = &graph_value(l->g, b)->shape;
    const int64_t k = s->dim[s->rank - 2], wide = shape_last(s);
    const int64_t batch = shape_count(s) / (k * wide);
    enum ane_form f = CHANNEL;
    mil_ref y;
    if (batch == 1 && k <= ANE_MAX_EXTENT && ane_is_constant(l, b)) {
        const mil_ref x = ane_full(l, a, CHANNEL);
        if (wide > l->opt.max_chunk && (!bias || ane_is_constant(l, bias))) {
            in_parts(l, x, b, bias, out);
            return;
        }
        const uint16_t *w = ane_elements(l, b);
        y = w ? times_constant(l, x, w, k, wide) : 0;
    } else {
        bool ta, tb;
        const mil_ref x = matrices(l, a, &ta), w = matrices(l, b, &tb);
        if (batch == 1) { /* turned, so that it comes channels first */
            y = ane_matmul(l, w, x, !tb, !ta);
            y = ane_reshape4(l, y, 1, wide, 1,
                             n->out[0].shape.dim[n->out[0].shape.rank - 2]);
        } else {
            const ane_dims d = ane_form_dims(&n->out[0].shape, PLAIN);
            f = PLAIN;
            y = ane_matmul(l, x, w, ta, tb);
            y = ane_reshape(l, y, d.rank, d.dim);
        }
    }
    ane_set(l, out, f, y);
    if (!bias) return;
    y = ane_get(l, out, CHANNEL);
    y = ane_binary(l, "add", y, ane_get(l, bias, CHANNEL));
    l->entry[out] = (ane_entry){.form = {[CHANNEL] = y}};
}

/* ---- rotary positions ---- */

static mil_ref part(lower *l, mil_ref x, int64_t at, int64_t n) {
    return ane_slice(l, x, 2, at, n, 1);
}

/* (x1, x2) -> (x1 c - x2 s, x2 c + x1 s) */
static void turn(lower *l, mil_ref *x1, mil_ref *x2, mil_ref c, mil_ref s) {
    const mil_ref a = *x1, b = *x2;
    *x1 = ane_binary(l, "sub", ane_binary(l, "mul", a, c),
                     ane_binary(l, "mul", b, s));
    *x2 = ane_binary(l, "add", ane_binary(l, "mul", b, c),
                     ane_binary(l, "mul", a, s));
}

static mil_ref by_slices(lower *l, mil_ref x, mil_ref c, mil_ref s,
                         bool pairs) {
    const mil_type t = ane_type(l, x);
    const int64_t d = t.dim[2], n = t.dim[3], half = ane_type(l, c).dim[2];
    mil_ref out[3], turned = part(l, x, 0, 2 * half);
    if (pairs) {
        turned = ane_reshape4(l, turned, t.dim[0] * t.dim[1], half, 2, n);
        c = ane_reshape4(l, c, 1, half, 1, n);
        s = ane_reshape4(l, s, 1, half, 1, n);
    }
    const int64_t size = pairs ? 1 : half;
    out[0] = part(l, turned, 0, size);
    out[1] = part(l, turned, size, size);
    turn(l, &out[0], &out[1], c, s);
    turned = ane_concat(l, out, 2, 2);
    if (pairs)
        turned = ane_reshape4(l, turned, t.dim[0], t.dim[1], 2 * half, n);
    if (2 * half == d) return turned;
    out[0] = turned;
    out[1] = part(l, x, 2 * half, d - 2 * half);
    return ane_concat(l, out, 2, 2);
}

/* What a constant matrix of the rotation does: swaps the two of a pair, or
 * repeats an angle for both. */
enum rope_matrix { SWAP, REPEAT };

static mil_ref rope_matrix(lower *l, enum rope_matrix kind, int64_t d,
                           int64_t half, bool pairs) {
    const int64_t wide = kind == SWAP ? d : half;
    uint16_t *m = arena_new(&l->mem, uint16_t, d * wide);
    if (!m) return ane_fail(l, AR_NOMEM, "out of memory for a constant");
    const uint16_t one = f32_to_f16(1), minus = f32_to_f16(-1);
    for (int64_t i = 0; i < half; i++) {
        const int64_t a = pairs ? 2 * i : i, b = pairs ? 2 * i + 1 : i + half;
        m[a * wide + (kind == SWAP ? b : i)] = kind == SWAP ? minus : one;
        m[b * wide + (kind == SWAP ? a : i)] = one;
    }
    const int64_t dim[] = {1, 1, d, wide};
    return ane_const(l, mil_tensor(MIL_FP16, 4, dim), m);
}

/* 1 for what is not turned. */
static mil_ref rest_of(lower *l, int64_t d, int64_t turned) {
    uint16_t *x = arena_new(&l->mem, uint16_t, d);
    if (!x) return ane_fail(l, AR_NOMEM, "out of memory for a constant");
    for (int64_t i = turned; i < d; i++) x[i] = f32_to_f16(1);
    const int64_t dim[] = {1, 1, d, 1};
    return ane_const(l, mil_tensor(MIL_FP16, 4, dim), x);
}

/* x C + (P x) S: no concat, which some compilers refuse */
static mil_ref by_matrix(lower *l, mil_ref x, mil_ref c, mil_ref s,
                         bool pairs) {
    const int64_t d = ane_type(l, x).dim[2], half = ane_type(l, c).dim[2];
    const mil_ref repeat = rope_matrix(l, REPEAT, d, half, pairs);
    mil_ref wide_c = ane_matmul(l, repeat, c, false, false);
    const mil_ref wide_s = ane_matmul(l, repeat, s, false, false);
    if (2 * half < d)
        wide_c = ane_binary(l, "add", wide_c, rest_of(l, d, 2 * half));
    const mil_ref other =
        ane_matmul(l, rope_matrix(l, SWAP, d, half, pairs), x, false, false);
    return ane_binary(l, "add", ane_binary(l, "mul", x, wide_c),
                      ane_binary(l, "mul", other, wide_s));
}

/* [N, R/2] as [1, 1, R/2, N]. */
static mil_ref angles(lower *l, ref r) {
    const ane_dims d = ane_form_dims(&graph_value(l->g, r)->shape, CHANNEL);
    const mil_ref x = ane_full(l, r, CHANNEL);
    return ane_reshape4(l, x, 1, 1, d.dim[1], d.dim[3]);
}

void lower_rope(lower *l, const node *n, ref out) {
    const mil_ref x = ane_full(l, n->in[0], HEADS);
    const mil_ref c = angles(l, n->in[1]);
    mil_ref s = angles(l, n->in[2]);
    const bool pairs = n->attr.rope.interleaved;
    if (n->attr.rope.inverse) s = ane_scale(l, s, -1);
    ane_set(l, out, HEADS,
            l->opt.rope == ANE_ROPE_MATRIX ? by_matrix(l, x, c, s, pairs)
                                           : by_slices(l, x, c, s, pairs));
}
