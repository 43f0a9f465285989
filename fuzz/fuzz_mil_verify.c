/* fuzz_mil_verify.c - any text is verified: every finding is whole, and a
 * stricter reading finds no less. */
#include <stdlib.h>

#include "backend/ane/mil_verify.h"
#include "fuzz/fuzz.h"

static int count(const uint8_t *data, size_t size, const ane_target *target,
                 int *counting) {
    const mil_verify_options o = {.target = *target};
    mil_findings f;
    ar_error err = {0};
    const ar_status s = mil_verify_text((const char *)data, size, &o, &f, &err);
    if (s != AR_OK && !err.message[0]) abort();
    int n = 0;
    for (int i = 0; i < f.n; i++) {
        if (!f.at[i].message[0] || !f.at[i].rule) abort();
        n += f.at[i].counts;
    }
    if (n != f.n_counting) abort();
    *counting = n;
    n = f.n;
    mil_findings_close(&f);
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    int known, strict, one;
    const ane_target all = {0}, folklore = {.strict = true};
    const ane_target chip = {
        .chip = ane_get_chip((int)(size % (size_t)ane_n_chips())), .os = 1505};
    const int n = count(data, size, &all, &known);
    if (count(data, size, &folklore, &strict) != n || strict < known) abort();
    if (count(data, size, &chip, &one) > n || one > known) abort();
    return 0;
}
