/* decoder_scan.c - the branch of a layer that keeps a state in place of keys
 * and values: projections, a short convolution, the scan, a gated norm.
 *
 *   Mamba 2:  z, u, dt = in x;  u, k, q = act(conv(u, k, q))
 *             dt = softplus(dt + bias) within limits;  decay = dt A
 *             y = scan(q, k, dt u, decay) + D u
 *             out (norm(y silu(z)) w), normed by group
 *   delta:    q, k, v, z = in x;  b, a = ba x;  q, k, v = act(conv(q, k, v))
 *             q, k over their lengths, q over sqrt(K) besides
 *             y = scan(q, k, v, A softplus(a + bias), sigmoid(b))
 *             out (norm(y) w silu(z)), normed by head
 *
 * A = -exp(A_log) < 0.  Dao and Gu 2024, "Transformers are SSMs"; Yang et al.
 * 2024, "Gated delta networks". */
#include <math.h>

#include "model/decoder_int.h"

/* [R, n d] as heads [B, T, n, d], or [N, n, d] with pages. */
static ref heads(const decoder_state *s, ref x, int64_t n, int64_t d) {
    if (s->d->pages) return graph_reshape(s->g, x, shape3(s->rows, n, d));
    return graph_reshape(s->g, x, shape4(s->d->n_rows, s->d->n_tokens, n, d));
}

/* [R, n] as [B, T, n], or itself. */
static ref along(const decoder_state *s, ref x, int64_t n) {
    if (s->d->pages) return x;
    return graph_reshape(s->g, x, shape3(s->d->n_rows, s->d->n_tokens, n));
}

static ref rows(const decoder_state *s, ref x, int64_t n) {
    return graph_reshape(s->g, x, shape2(s->rows, n));
}

static ref unbiased(const decoder_state *s, ref x, enum param_role role,
                    int layer) {
    return graph_linear(s->g, x, decoder_param(s, role, layer), 0,
                        &s->d->matmul);
}

/* n numbers, of any shape in the file. */
static ref vector(const decoder_state *s, enum param_role role, int layer,
                  int64_t n) {
    const ref w = decoder_param(s, role, layer);
    return graph_cast(s->g, graph_reshape(s->g, w, shape1(n)), s->d->type);
}

/* act(conv(x)), x [R, channels]. */
static ref convolve(const decoder_state *s, ref x, int layer) {
    graph *g = s->g;
    const model_config *c = s->c;
    const int64_t n = config_conv_channels(c);
    decoder_pages *p = s->d->pages;
    const ref w = graph_reshape(g, decoder_param(s, ROLE_SCAN_CONV, layer),
                                shape2(n, c->scan_conv));
    const ref bias = decoder_param(s, ROLE_SCAN_CONV_BIAS, layer);
    ref y;
    if (p) {
        const ref in[] = {p->conv_pool[layer], x,   w, p->sequence,
                          s->d->positions,     bias};
        p->conv_pool[layer] = graph_op(g, OP_CONV1D_ROWS, NULL, in, 6);
        y = graph_output(g, p->conv_pool[layer], 1);
    } else {
        const ref in[] = {along(s, x, n), w, bias};
        y = rows(s, graph_op(g, OP_CONV1D, NULL, in, 3), n);
    }
    return graph_unary(g, c->act, y);
}

/* What a scan reads: q and k [.., G, K], v [.., H, V], decay and beta [R, H];
 * beta may be 0. */
typedef struct scan_inputs {
    ref q, k, v, decay, beta;
} scan_inputs;

static ref scan(const decoder_state *s, const scan_inputs *x, int layer) {
    const int64_t H = s->c->scan_heads;
    decoder_pages *p = s->d->pages;
    if (!p) {
        const ref beta = x->beta ? along(s, x->beta, H) : 0;
        const ref in[] = {x->q, x->k, x->v, along(s, x->decay, H), beta};
        return graph_op(s->g, OP_SCAN, NULL, in, 5);
    }
    const ref in[] = {
        p->scan_pool[layer], x->q,   x->k, x->v, x->decay, p->sequence,
        s->d->positions,     x->beta};
    p->scan_pool[layer] = graph_op(s->g, OP_SCAN_ROWS, NULL, in, 8);
    return graph_output(s->g, p->scan_pool[layer], 1);
}

/* A [H]; GGUF files have it as it is. */
static ref rates(const decoder_state *s, int layer) {
    const ref a = vector(s, ROLE_SCAN_A, layer, s->c->scan_heads);
    if (s->c->gguf) return a;
    return graph_affine(s->g, graph_unary(s->g, UNARY_EXP, a), -1, 0);
}

/* softplus(dt + bias) [R, H], within limits. */
static ref time_steps(const decoder_state *s, ref dt, int layer) {
    graph *g = s->g;
    const model_config *c = s->c;
    dt = graph_add(g, dt, vector(s, ROLE_SCAN_DT, layer, c->scan_heads));
    dt = graph_unary(g, UNARY_SOFTPLUS, dt);
    if (c->dt_low > 0)
        dt = graph_binary(g, BINARY_MAX, dt,
                          graph_scalar(g, s->d->type, c->dt_low));
    if (c->dt_high > 0)
        dt = graph_binary(g, BINARY_MIN, dt,
                          graph_scalar(g, s->d->type, c->dt_high));
    return dt;
}

static ref mamba2(const decoder_state *s, ref x, int layer) {
    graph *g = s->g;
    const model_config *c = s->c;
    const int64_t I = c->scan_inner, H = c->scan_heads, V = c->scan_v;
    const int64_t G = c->scan_groups, GK = G * c->scan_k;
    const ref z = graph_split(g, decoder_linear(s, x, ROLE_SCAN_IN, layer), 1,
                              (const int64_t[]){I, I + 2 * GK, H}, 3);
    const ref u = graph_split(g, convolve(s, graph_output(g, z, 1), layer), 1,
                              (const int64_t[]){I, GK, GK}, 3);
    const ref dt = time_steps(s, graph_output(g, z, 2), layer);
    const ref v = heads(s, u, H, V);
    const scan_inputs in = {
        .q = heads(s, graph_output(g, u, 2), G, c->scan_k),
        .k = heads(s, graph_output(g, u, 1), G, c->scan_k),
        .v = graph_mul(g, v, heads(s, dt, H, 1)),
        .decay = graph_mul(g, dt, rates(s, layer)),
    };
    const ref D =
        graph_reshape(g, vector(s, ROLE_SCAN_D, layer, H), shape2(H, 1));
    ref y = graph_add(g, scan(s, &in, layer), graph_mul(g, v, D));
    y = graph_gated(g, UNARY_SILU, z, rows(s, y, I));
    y = graph_reshape(g, y, shape3(s->rows, G, I / G));
    y = rows(s, graph_rms_norm(g, y, 0, c->norm_eps, 0), I);
    y = graph_mul(g, y, vector(s, ROLE_SCAN_NORM, layer, I));
    return decoder_linear(s, y, ROLE_SCAN_OUT, layer);
}

/* q, k, v [R, channels] and z [R, H V] of x. */
static ref qkv_and_z(const decoder_state *s, ref x, int layer, ref *z) {
    graph *g = s->g;
    const model_config *c = s->c;
    const int64_t G = c->scan_groups, K = c->scan_k, GV = c->scan_inner / G;
    if (c->scan_split) {
        *z = unbiased(s, x, ROLE_SCAN_Z, layer);
        return unbiased(s, x, ROLE_SCAN_QKV, layer);
    }
    ref all = decoder_linear(s, x, ROLE_SCAN_IN, layer);
    all = graph_reshape(g, all, shape3(s->rows, G, 2 * (K + GV)));
    all = graph_split(g, all, 2, (const int64_t[]){K, K, GV, GV}, 4);
    *z = rows(s, graph_output(g, all, 3), G * GV);
    const ref parts[] = {rows(s, all, G * K),
                         rows(s, graph_output(g, all, 1), G * K),
                         rows(s, graph_output(g, all, 2), G * GV)};
    return graph_concat(g, parts, 3, 1);
}

/* x / sqrt(sum(x x) + 1e-6) times a, over the last dimension of size K. */
static ref of_length(const decoder_state *s, ref x, double a) {
    const double K = (double)s->c->scan_k;
    const ref y = graph_rms_norm(s->g, x, 0, 1e-6 / K, 0);
    return graph_affine(s->g, y, a / sqrt(K), 0);
}

static ref delta(const decoder_state *s, ref x, int layer) {
    graph *g = s->g;
    const model_config *c = s->c;
    const int64_t I = c->scan_inner, H = c->scan_heads, V = c->scan_v;
    const int64_t G = c->scan_groups, K = c->scan_k, each = H / G;
    ref z;
    const ref mixed = convolve(s, qkv_and_z(s, x, layer, &z), layer);
    const ref q =
        graph_split(g, mixed, 1, (const int64_t[]){G * K, G * K, I}, 3);
    ref b = unbiased(s, x, ROLE_SCAN_BA, layer);
    b = graph_reshape(g, b, shape3(s->rows, G, 2 * each));
    b = graph_split(g, b, 2, (const int64_t[]){each, each}, 2);
    const ref dt = time_steps(s, rows(s, graph_output(g, b, 1), H), layer);
    const scan_inputs in = {
        .q = of_length(s, heads(s, q, G, K), 1 / sqrt((double)K)),
        .k = of_length(s, heads(s, graph_output(g, q, 1), G, K), 1),
        .v = heads(s, graph_output(g, q, 2), H, V),
        .decay = graph_mul(g, dt, rates(s, layer)),
        .beta = graph_unary(g, UNARY_SIGMOID, rows(s, b, H)),
    };
    ref y = scan(s, &in, layer);
    y = graph_rms_norm(g, y, vector(s, ROLE_SCAN_NORM, layer, V), c->norm_eps,
                       0);
    y = graph_gated(g, UNARY_SILU, z, rows(s, y, I));
    return decoder_linear(s, y, ROLE_SCAN_OUT, layer);
}

ref decoder_scan(const decoder_state *s, ref x, int layer) {
    return s->c->layer_kind[layer] == LAYER_MAMBA2 ? mamba2(s, x, layer)
                                                   : delta(s, x, layer);
}
