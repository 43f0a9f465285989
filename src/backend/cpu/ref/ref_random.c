/* ref_random.c - RANDOM: element i is rng(seed, stream, first + i).
 *
 * The input is I64 [2]: the seed and the position of the first element. */
#include "backend/cpu/ref/ref.h"

#include "base/rng.h"

void REF(RANDOM)(const op_call *c) {
    const struct random_attr *a = &c->attr->random;
    const tensor *x = &c->in[0], *y = &c->out[0];
    const uint64_t seed = (uint64_t)REF(load_int)(x, 0);
    const uint64_t first = (uint64_t)REF(load_int)(x, x->stride[0]);
    const uint64_t stream = (uint64_t)a->stream;
    for (int64_t i = 0, n = tensor_count(y); i < n; i++) {
        const uint64_t position = first + (uint64_t)i;
        store(y, offset_of(y, i, y->rank),
              (real)(a->kind == RANDOM_NORMAL
                         ? rng_normal(seed, stream, position)
                         : rng_uniform(seed, stream, position)));
    }
}
