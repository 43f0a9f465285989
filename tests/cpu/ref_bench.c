/* ref_bench.c - calls a plain kernel on operands written out by hand. */
#include "tests/cpu/ref_bench.h"

#include "base/rng.h"
#include "quant/quant.h"

void ref_bench_each(void (*fn)(ref_bench *b)) {
    static ref_bench b;
    for (int wide = 0; wide < 2; wide++) {
        b.real = wide ? AR_F64 : AR_F32;
        b.tolerance = wide ? 1e-14 : 1e-6;
        b.used = 0;
        fn(&b);
    }
}

static void *take(ref_bench *b, size_t size) {
    void *p = b->mem + b->used;
    b->used += (size + 63) / 64 * 64;
    assert_true(b->used <= sizeof b->mem);
    return p;
}

tensor ref_tensor(ref_bench *b, ar_type t, shape s, const double *x) {
    tensor out = {.type = t, .rank = s.rank};
    int64_t n = 1;
    for (int i = s.rank - 1; i >= 0; i--) {
        out.dim[i] = s.dim[i];
        out.stride[i] = n;
        n *= s.dim[i];
    }
    out.data = take(b, ar_type_size(t, n));
    for (int64_t i = 0; i < n; i++) {
        const double v = x ? x[i] : 77;
        type_encode_f64(t, &v, (char *)out.data + ar_type_size(t, i), 1);
    }
    return out;
}

double ref_value(const tensor *t, int64_t i) {
    int64_t offset = 0;
    double x = NAN;
    for (int k = t->rank - 1; k >= 0; k--) {
        offset += i % t->dim[k] * t->stride[k];
        i /= t->dim[k];
    }
    const ptrdiff_t size = (ptrdiff_t)ar_type_size(t->type, 1);
    type_decode_f64(t->type, (const char *)t->data + offset * size, &x, 1);
    return x;
}

void ref_fill(double *x, int64_t n, uint64_t seed) {
    for (int64_t i = 0; i < n; i++)
        x[i] = 2 * rng_uniform(seed, 7, (uint64_t)i) - 1;
}

void ref_call(ref_bench *b, enum op_id op, const op_attr *attr,
              const tensor *in, int n_in, const tensor *out, int n_out) {
    static const op_attr none;
    op_call c = {
        .op = op, .attr = attr ? attr : &none, .n_in = n_in, .n_out = n_out};
    for (int i = 0; i < n_in; i++) c.in[i] = in[i];
    for (int i = 0; i < n_out; i++) c.out[i] = out[i];
    const size_t before = b->used;
    c.work = take(b, cpu_ref_work_size(op, &c));
    (b->real == AR_F64 ? cpu_ref_f64 : cpu_ref_f32)[op](&c);
    b->used = before;
}

void ref_expect(const ref_bench *b, const char *what, const tensor *t,
                const double *want) {
    for (int64_t i = 0, n = tensor_count(t); i < n; i++) {
        const double x = ref_value(t, i);
        if (isnan(want[i]) && isnan(x)) continue;
        if (x == want[i]) continue; /* infinities too */
        if (!(fabs(x - want[i]) <= b->tolerance * fmax(1, fabs(want[i]))))
            fail_msg("%s in %s: element %d is %.17g, wanted %.17g", what,
                     ar_type_name(b->real), (int)i, x, want[i]);
    }
}
