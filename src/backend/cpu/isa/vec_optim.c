/* vec_optim.c - the steps of the optimisers, one pass over memory.
 *
 * Formulas and hyperparameters h: ref_state.c.  AdamW's divisions by 1 - b1^t
 * and 1 - b2^t are made once, in double. */
#include "backend/cpu/isa/isa.h"
#include "backend/cpu/isa/vec_math.h"

/* Up to VEC elements from i on, zeros behind them. */
ALWAYS vec get(const float *p, int64_t i, int64_t n) {
    return n - i >= VEC ? vec_load(p + i) : vec_load_n(p + i, n - i);
}
ALWAYS void put(float *p, int64_t i, int64_t n, vec x) {
    if (n - i >= VEC)
        vec_store(p + i, x);
    else
        store_n(p + i, x, n - i);
}

void ISA_NAME(opt_adamw)(int64_t n, float *p, const float *g, float *m,
                         float *v, const double *h) {
    const vec b1 = vec_set1((float)h[1]), a1 = vec_set1((float)(1 - h[1]));
    const vec b2 = vec_set1((float)h[2]), a2 = vec_set1((float)(1 - h[2]));
    const vec kept = vec_set1((float)(1 - h[0] * h[4]));
    const vec rate = vec_set1((float)(h[0] / h[5]));
    const vec grow = vec_set1((float)(1 / h[6]));
    const vec eps = vec_set1((float)h[3]), scale = vec_set1((float)h[7]);
    for (int64_t i = 0; i < n; i += VEC) {
        const vec d = get(g, i, n) * scale;
        const vec mean = b1 * get(m, i, n) + a1 * d;
        const vec square = b2 * get(v, i, n) + a2 * d * d;
        const vec step = rate * mean / (vec_sqrt(square * grow) + eps);
        put(m, i, n, mean);
        put(v, i, n, square);
        put(p, i, n, get(p, i, n) * kept - step);
    }
}

void ISA_NAME(opt_lion)(int64_t n, float *p, const float *g, float *m,
                        const double *h) {
    const vec b1 = vec_set1((float)h[1]), a1 = vec_set1((float)(1 - h[1]));
    const vec b2 = vec_set1((float)h[2]), a2 = vec_set1((float)(1 - h[2]));
    const vec kept = vec_set1((float)(1 - h[0] * h[3]));
    const vec rate = vec_set1((float)h[0]), scale = vec_set1((float)h[4]);
    const vec zero = vec_zero();
    for (int64_t i = 0; i < n; i += VEC) {
        const vec d = get(g, i, n) * scale, mean = get(m, i, n);
        const vec u = b1 * mean + a1 * d;
        const vec step =
            keep((bits)(u > zero), rate) - keep((bits)(u < zero), rate);
        put(m, i, n, b2 * mean + a2 * d);
        put(p, i, n, get(p, i, n) * kept - step);
    }
}

void ISA_NAME(opt_sgd)(int64_t n, float *p, const float *g, float *m,
                       const double *h, bool nesterov) {
    const vec rate = vec_set1((float)h[0]), momentum = vec_set1((float)h[1]);
    const vec decay = vec_set1((float)h[2]), scale = vec_set1((float)h[3]);
    const bool first = h[4] != 0;
    for (int64_t i = 0; i < n; i += VEC) {
        const vec w = get(p, i, n);
        const vec d = get(g, i, n) * scale + decay * w;
        vec b = d;
        if (!first) b = momentum * get(m, i, n) + d;
        put(m, i, n, b);
        if (nesterov) b = d + momentum * b;
        put(p, i, n, w - rate * b);
    }
}
