/* test_gradient.c - the gradient of every recorded model in double: its
 * product with a random direction against the slope of the loss there. */
#include <math.h>

#include "base/mem.h"
#include "base/rng.h"
#include "core/backend.h"
#include "model/model.h"
#include "tests/model/golden_io.h"
#include "tests/model/golden_models.h"

/* More tokens than windows and than the longrope's original context. */
enum { T = 44, MAX_PARAMS = 256 };
enum { SLOT_WEIGHTS, SLOT_IDS, SLOT_LOGP, SLOT_GRADS, N_SLOTS };

typedef struct slope {
    const backend *be;
    device *dev;
    const model_config *c;
    param_list params;
    buffer buffers[N_SLOTS];
    graph g, h;
    program *p;
} slope;

/* log p of the targets [T], and d(their sum) / d weight. */
static void build(slope *s) {
    graph *g = &s->g;
    ref param[MAX_PARAMS], grad[MAX_PARAMS];
    const int n = s->params.n;
    assert_true(n <= MAX_PARAMS);
    graph_open(g);
    for (int i = 0; i < n; i++) {
        const param_spec *p = &s->params.spec[i];
        param[i] =
            graph_param(g, p->name, AR_F64, p->shape, SLOT_WEIGHTS, p->offset);
    }
    decoder d = {.g = g,
                 .config = s->c,
                 .params = &s->params,
                 .param = param,
                 .type = AR_F64,
                 .matmul = {.compute = AR_F64},
                 .n_rows = 1,
                 .n_tokens = T};
    d.ids = graph_input(g, "ids", AR_I32, shape1(T), SLOT_IDS, 0);
    const ref targets =
        graph_input(g, "targets", AR_I32, shape1(T), SLOT_IDS, 4L * T);
    const struct xent_attr attr = {.softcap = s->c->logit_softcap,
                                   .compute = AR_F64};
    const ref logp =
        graph_xent(g, decoder_hidden(&d), decoder_head(&d), targets, &attr);
    const ref one = graph_broadcast(g, graph_scalar(g, AR_F64, 1), shape1(T));
    graph_grad(g, logp, one, param, n, false, grad);
    graph_store(g, graph_state(g, "logp", AR_F64, shape1(T), SLOT_LOGP, 0),
                logp);
    for (int i = 0; i < n; i++) {
        const param_spec *p = &s->params.spec[i];
        /* What only chooses has none, and its part stays 0. */
        assert_true((grad[i] == 0) == (p->role == ROLE_ROUTE_BIAS));
        if (!grad[i]) continue;
        graph_store(
            g, graph_state(g, p->name, AR_F64, p->shape, SLOT_GRADS, p->offset),
            grad[i]);
    }
    assert_ok(graph_status(g, err));
    assert_ok(graph_rewrite(g, &s->h, err));
    assert_ok(s->be->compile(s->dev, &s->h, &s->p, err));
}

static void slope_open(slope *s, const ar_model *m) {
    const device_options o = {.kernels = "reference"};
    *s = (slope){.be = backend_find("cpu"), .c = &m->config};
    assert_ok(s->be->open(0, &o, &s->dev, err));
    assert_ok(params_build(&s->params, s->c, AR_F64, err));
    const size_t size = (size_t)s->params.size;
    const size_t sizes[N_SLOTS] = {size, 8L * T, 8L * T, size};
    for (int i = 0; i < N_SLOTS; i++)
        assert_ok(s->be->alloc(s->dev, sizes[i], &s->buffers[i], err));
    assert_ok(params_load(&s->params, AR_F64, m->files,
                          s->buffers[SLOT_WEIGHTS].host, err));
    int32_t *ids = s->buffers[SLOT_IDS].host;
    for (int32_t i = 0; i < 2 * T; i++)
        ids[i] = (i * i * 7 + i * 31 + 5) % (int32_t)s->c->n_vocab;
    build(s);
}

static void slope_close(slope *s) {
    s->be->release(s->p);
    graph_close(&s->h);
    graph_close(&s->g);
    for (int i = 0; i < N_SLOTS; i++) s->be->free(s->dev, &s->buffers[i]);
    params_close(&s->params);
    s->be->close(s->dev);
}

/* Move every weight by step times its direction. */
static void move(slope *s, double step) {
    for (int i = 0; i < s->params.n; i++) {
        const param_spec *p = &s->params.spec[i];
        double *w =
            (double *)((char *)s->buffers[SLOT_WEIGHTS].host + p->offset);
        const uint64_t stream = rng_stream(p->name);
        for (int64_t k = 0; k < shape_count(&p->shape); k++)
            w[k] += step * rng_normal(3, stream, (uint64_t)k);
    }
}

/* The loss; and the product of its gradient with the direction. */
static double run(slope *s, double *product) {
    ticket t;
    double sum = 0;
    assert_ok(s->be->run(s->p, s->buffers, N_SLOTS, &t, err));
    assert_ok(s->be->wait(s->dev, t, err));
    for (int i = 0; i < T; i++)
        sum += ((const double *)s->buffers[SLOT_LOGP].host)[i];
    *product = 0;
    for (int i = 0; i < s->params.n; i++) {
        const param_spec *p = &s->params.spec[i];
        const double *d =
            (const double *)((char *)s->buffers[SLOT_GRADS].host + p->offset);
        const uint64_t stream = rng_stream(p->name);
        for (int64_t k = 0; k < shape_count(&p->shape); k++)
            *product += d[k] * rng_normal(3, stream, (uint64_t)k);
    }
    return sum;
}

static void check(const char *name) {
    const double step = 1e-6;
    double want, ignored;
    slope s;
    ar_model *m;
    assert_ok(ar_model_open(&m, golden_model(name, ""), err));
    slope_open(&s, m);
    run(&s, &want);
    move(&s, step);
    const double up = run(&s, &ignored);
    move(&s, -2 * step);
    const double down = run(&s, &ignored);
    const double got = (up - down) / (2 * step);
    if (!(fabs(got - want) <= 1e-5 * fabs(want)))
        fail_msg("%s: slope %.12g, gradient %.12g", name, got, want);
    assert_true(fabs(want) > 1);
    slope_close(&s);
    ar_model_close(m);
}

void test_gradient_golden(void **state) {
    (void)state;
    for (size_t i = 0; i < N_GOLDEN_MODELS; i++) check(golden_models[i]);
}
