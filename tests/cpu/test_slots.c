/* test_slots.c - every slot of every kernel table that can run, one by one. */
#include <stdlib.h>

#include "base/rng.h"
#include "tests/cpu/slots.h"

enum { GUARD = 64 };

static float memory[10][GUARD + SLOT_MOST + GUARD];

float *slot_floats(slot_run *r, int64_t n) {
    assert_true(n <= SLOT_MOST - 1 && r->buffers < 10);
    const int b = r->buffers++;
    float *at = memory[b] + GUARD + 1;
    r->size[b] = n;
    for (int64_t i = -GUARD; i < n + GUARD; i++) at[i] = 12345;
    for (int64_t i = 0; i < n; i++)
        at[i] = (float)(4 * rng_uniform(11, (uint64_t)b, (uint64_t)i) - 2);
    return at;
}

void slot_want(slot_run *r, const char *what, int64_t i, double got,
               double wanted, double tolerance) {
    if (got == wanted) return;
    if (fabs(got - wanted) <= tolerance * (1 + fabs(wanted))) return;
    if (r->wrong++ > 3) return;
    print_error("%s, %s of %d: %s[%d] is %.9g, not %.9g\n", r->k->isa, r->name,
                (int)r->n, what, (int)i, got, wanted);
}

static void check_guards(slot_run *r) {
    for (int b = 0; b < r->buffers; b++)
        for (int64_t i = 1; i < GUARD; i++) {
            const float *at = memory[b] + GUARD + 1;
            slot_want(r, "before", -i, at[-i], 12345, 0);
            slot_want(r, "behind", i, at[r->size[b] + i - 1], 12345, 0);
        }
}

int slot_check(const cpu_kernels *k, const char *name, slot_case *run) {
    static const int sizes[] = {1,  2,  3,  4,  5,  7,  8,  9,  12,  15,
                                16, 17, 24, 31, 33, 48, 64, 95, 100, 257};
    int wrong = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        slot_run r = {.k = k, .name = name, .n = sizes[i]};
        run(&r);
        check_guards(&r);
        wrong += r.wrong;
    }
    return wrong > 0;
}

void test_slots(void **state) {
    (void)state;
    int wrong = 0;
    for (const cpu_kernels *const *t = cpu_kernels_usable(); *t; t++) {
        int n = 0, bad = 0;
#define SLOT(name, ret, args, text)                                            \
    assert_non_null((*t)->name);                                               \
    bad += slot_check(*t, #name, slot_##name);                                 \
    n++;
#include "backend/cpu/kernels.def"
#undef SLOT
        print_message("slots of %s: %d of %d right\n", (*t)->isa, n - bad, n);
        wrong += bad;
    }
    assert_int_equal(wrong, 0);
}
