/* step_cpu.c - from a node to a kernel call: operands, kernel, scratch. */
#include "backend/cpu/backend_cpu.h"

static unsigned char present; /* what data points to before it is known */

static tensor tensor_of(const value *v) {
    tensor t = {.data = &present, .type = v->type, .rank = v->shape.rank};
    for (int i = 0; i < t.rank; i++) {
        t.dim[i] = v->shape.dim[i];
        t.stride[i] = v->stride[i];
    }
    return t;
}

void cpu_call_init(const device *d, const graph *g, const node *n, op_call *c) {
    *c = (op_call){.op = n->op,
                   .attr = &n->attr,
                   .n_in = n->n_in,
                   .n_out = n->n_out,
                   .threads = d->threads,
                   .k = d->kernels,
                   .scratch = d->scratch,
                   .blas = d->blas};
    for (int i = 0; i < n->n_in; i++)
        if (n->in[i]) c->in[i] = tensor_of(graph_value(g, n->in[i]));
    for (int i = 0; i < n->n_out; i++) c->out[i] = tensor_of(&n->out[i]);
}

/* F64 anywhere among the operands that carry the result's meaning: hyper-
 * parameters and frequencies are always F64 and do not count. */
static bool wants_double(const op_call *c) {
    for (int i = 0; i < c->n_out; i++)
        if (c->out[i].type == AR_F64) return true;
    return false;
}

static const cpu_fast *find_fast(const op_call *c) {
    if (!c->k) return NULL;
    for (const cpu_fast *const *f = cpu_fast_ops; *f; f++)
        if ((*f)->op == c->op && (*f)->fits(c)) return *f;
    return NULL;
}

void cpu_step_choose(const device *d, cpu_step *s) {
    (void)d;
    const cpu_fast *fast = find_fast(&s->call);
    if (fast) {
        s->run = fast->run;
        s->kernel = fast->name;
    } else {
        s->run = wants_double(&s->call) ? cpu_ref_f64[s->call.op]
                                        : cpu_ref_f32[s->call.op];
        s->kernel = "reference";
    }
}

size_t cpu_step_work(const device *d, const graph *g, const node *n) {
    op_call c;
    cpu_call_init(d, g, n, &c);
    const cpu_fast *fast = find_fast(&c);
    if (fast) return fast->work_size ? fast->work_size(&c) : 0;
    return cpu_ref_work_size(n->op, &c);
}

void *cpu_scratch(const op_call *c, int worker) {
    return c->scratch + (size_t)worker * CPU_SCRATCH_SIZE;
}
