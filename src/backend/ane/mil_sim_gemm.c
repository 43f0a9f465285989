/* mil_sim_gemm.c - matrix products on the CPU backend, one program a shape. */
#include <math.h>
#include <string.h>

#include "backend/ane/mil_sim_call.h"
#include "base/error.h"
#include "base/mem.h"
#include "core/backend.h"

/* Below so many multiplications a loop is done before a program has begun. */
enum { SMALL = 2048 };

enum { SLOT_A, SLOT_B, SLOT_Y, N_SLOTS };

typedef struct shape_program {
    int64_t m, n, k;
    bool a_turned, b_turned;
    graph *g; /* borrowed by the program */
    program *p;
} shape_program;

struct sim_gemm {
    const backend *b;
    device *d;
    shape_program *programs;
    int64_t n, capacity;
};

ar_status sim_gemm_open(int n_threads, sim_gemm **out, ar_error *err) {
    const device_options opt = {.n_threads = n_threads};
    sim_gemm *g = mem_new(sim_gemm, 1);
    *out = g;
    if (!g) return error_set(err, AR_NOMEM, "no memory for products");
    g->b = backend_find("cpu");
    return g->b ? g->b->open(0, &opt, &g->d, err)
                : error_set(err, AR_UNSUPPORTED, "no CPU backend");
}

static void close_program(const backend *b, shape_program *p) {
    if (p->p) b->release(p->p);
    if (p->g) graph_close(p->g);
    mem_free(p->g);
}

void sim_gemm_close(sim_gemm *g) {
    if (!g) return;
    for (int64_t i = 0; i < g->n; i++) close_program(g->b, &g->programs[i]);
    mem_free(g->programs);
    if (g->d) g->b->close(g->d);
    mem_free(g);
}

int64_t sim_gemm_shapes(const sim_gemm *g) { return g->n; }

static ar_status compile(sim_gemm *g, const sim_product *p, shape_program *out,
                         ar_error *err) {
    *out = (shape_program){
        p->m, p->n, p->k, p->a_turned, p->b_turned, mem_new(graph, 1), NULL};
    if (!out->g) return error_set(err, AR_NOMEM, "no memory for a product");
    graph *x = out->g;
    graph_open(x);
    ref a = graph_input(x, "a", AR_F32,
                        p->a_turned ? shape2(p->k, p->m) : shape2(p->m, p->k),
                        SLOT_A, 0);
    ref b = graph_param(x, "b", AR_F32,
                        p->b_turned ? shape2(p->n, p->k) : shape2(p->k, p->n),
                        SLOT_B, 0);
    if (p->a_turned) a = graph_transpose(x, a);
    if (p->b_turned) b = graph_transpose(x, b);
    const ref y = graph_state(x, "y", AR_F32, shape2(p->m, p->n), SLOT_Y, 0);
    graph_store(x, y, graph_matmul(x, a, b, NULL));
    return g->b->compile(g->d, x, &out->p, err);
}

static ar_status find_program(sim_gemm *g, const sim_product *p, program **out,
                              ar_error *err) {
    for (int64_t i = g->n - 1; i >= 0; i--) {
        const shape_program *s = &g->programs[i];
        if (s->m == p->m && s->n == p->n && s->k == p->k &&
            s->a_turned == p->a_turned && s->b_turned == p->b_turned) {
            *out = s->p;
            return AR_OK;
        }
    }
    if (g->n == g->capacity) {
        const int64_t more = g->capacity ? 2 * g->capacity : 16;
        void *grown =
            mem_realloc(g->programs, sizeof(shape_program) * (size_t)more);
        if (!grown) return error_set(err, AR_NOMEM, "no memory for products");
        g->programs = grown;
        g->capacity = more;
    }
    shape_program fresh;
    const ar_status s = compile(g, p, &fresh, err);
    if (s != AR_OK) {
        close_program(g->b, &fresh);
        return s;
    }
    g->programs[g->n++] = fresh;
    *out = fresh.p;
    return AR_OK;
}

static buffer lend(const float *p, int64_t n) {
    return (buffer){.host = (void *)(uintptr_t)p,
                    .size = sizeof(float) * (size_t)n};
}

ar_status sim_gemm_run(sim_gemm *g, const sim_product *p, ar_error *err) {
    program *run = NULL;
    ticket t;
    TRY(find_program(g, p, &run, err));
    const buffer buffers[N_SLOTS] = {lend(p->a, p->m * p->k),
                                     lend(p->b, p->k * p->n),
                                     lend(p->y, p->m * p->n)};
    TRY(g->b->run(run, buffers, N_SLOTS, &t, err));
    return g->b->wait(g->d, t, err);
}

/* ---- by loops ---- */

static float plain_sum(const sim_product *p, int64_t i, int64_t j) {
    const int64_t a0 = p->a_turned ? i : i * p->k, da = p->a_turned ? p->m : 1;
    const int64_t b0 = p->b_turned ? j * p->k : j, db = p->b_turned ? 1 : p->n;
    float sum = 0;
    for (int64_t k = 0; k < p->k; k++)
        sum += p->a[a0 + k * da] * p->b[b0 + k * db];
    return sum;
}

/* One row of a and one column of b, copied together. */
static ar_status by_lanes(sim_call *c, const sim_product *p) {
    float *row;
    TRY(sim_scratch(c, SIM_SCRATCH - 1, 2 * p->k + 1, &row));
    float *column = row + p->k;
    for (int64_t i = 0; i < p->m; i++) {
        for (int64_t k = 0; k < p->k; k++)
            row[k] = p->a[p->a_turned ? k * p->m + i : i * p->k + k];
        for (int64_t j = 0; j < p->n; j++) {
            for (int64_t k = 0; k < p->k; k++)
                column[k] = p->b[p->b_turned ? j * p->k + k : k * p->n + j];
            p->y[i * p->n + j] = sim_lanes(c->chip, row, column, p->k);
        }
    }
    return AR_OK;
}

ar_status sim_multiply(sim_call *c, const sim_product *p) {
    if (c->level == 2) return by_lanes(c, p);
    if ((double)p->m * (double)p->n * (double)p->k > SMALL)
        return sim_gemm_run(sim_gemm_of(c->sim), p, c->call.err);
    for (int64_t i = 0; i < p->m; i++)
        for (int64_t j = 0; j < p->n; j++)
            p->y[i * p->n + j] = plain_sum(p, i, j);
    return AR_OK;
}
