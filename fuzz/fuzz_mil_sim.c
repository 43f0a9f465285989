/* fuzz_mil_sim.c - small MIL programs out of any bytes, run on ones: what the
 * check lets through gives numbers or a sentence. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backend/ane/mil_check.h"
#include "backend/ane/mil_sim.h"
#include "fuzz/fuzz.h"

enum { MOST_ELEMENTS = 1 << 13, MOST_NUMBER = 64, MOST_TENSORS = 16 };

/* Little to hold and little to do. */
static bool is_small(const mil_func *f) {
    int64_t sum = 0;
    if (f->n_params > MOST_TENSORS || f->n_results > MOST_TENSORS) return false;
    for (int32_t r = 1; r < f->n_values; r++) {
        const mil_value *v = &f->values[r];
        const int64_t n = mil_count(&v->type);
        if (n < 0 || (sum += n) > MOST_ELEMENTS) return false;
        if (!v->literal || !v->literal->data || v->type.dtype == MIL_STRING ||
            v->type.dtype == MIL_NONE)
            continue;
        for (int64_t i = 0; i < n; i++)
            if (!(fabs(mil_number(v->literal, i)) <= MOST_NUMBER)) return false;
    }
    return true;
}

static ar_status no_file(void *user, const char *path, const void **data,
                         size_t *size, ar_error *err) {
    (void)user, (void)path, (void)err;
    *data = NULL;
    *size = 0;
    return AR_OK;
}

static void run(mil_sim *s, const mil_func *f, int i) {
    void *in[MOST_TENSORS] = {0}, *out[MOST_TENSORS] = {0};
    ar_error err = {0};
    int n = 0;
    for (int32_t k = 0; k < f->n_params; k++) {
        const mil_type *t = &mil_get(f, f->params[k])->type;
        if (t->state) continue;
        in[n] = malloc(mil_size(t) + 1);
        if (!in[n]) abort();
        memset(in[n++], 1, mil_size(t));
    }
    for (int32_t k = 0; k < f->n_results; k++)
        out[k] = malloc(mil_size(&mil_get(f, f->results[k])->type) + 1);
    const ar_status got = mil_sim_run(s, i, (const void *const *)in, out, &err);
    if (got != AR_OK && !err.message[0]) abort();
    for (int k = 0; k < MOST_TENSORS; k++) {
        free(in[k]);
        free(out[k]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    mil_program *p;
    ar_error err = {0};
    mil_sim *s = NULL;
    mil_sim_options opt = {(int)(size % 3), "m1", no_file, NULL, 1};
    if (mil_parse("input", (const char *)data, size, &p, &err) != AR_OK)
        return 0;
    bool small = mil_n_funcs(p) <= 4;
    for (int i = 0; small && i < mil_n_funcs(p); i++)
        small = is_small(mil_get_func(p, i));
    if (small) {
        if (mil_sim_open("input", p, &opt, &s, &err) != AR_OK &&
            !err.message[0])
            abort();
        for (int i = 0; s && i < mil_n_funcs(p); i++)
            run(s, mil_get_func(p, i), i);
        mil_sim_close(s);
    }
    mil_close(p);
    return 0;
}
