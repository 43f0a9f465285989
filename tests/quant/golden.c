/* golden.c - recorded bytes and numbers for the tests of this folder. */
#include "tests/quant/golden.h"

#include "base/mem.h"

void *golden_read(const char *name, const char *end, size_t *size) {
    char path[128];
    snprintf(path, sizeof path, "quants/%s%s", name, end);
    FILE *f = fopen(test_golden(path), "rb");
    if (!f) return NULL;
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    *size = (size_t)ftell(f);
    rewind(f);
    void *data = mem_alloc(*size);
    assert_non_null(data);
    assert_int_equal(fread(data, 1, *size, f), *size);
    fclose(f);
    return data;
}

void *golden_need(const char *name, const char *end, size_t size) {
    size_t is = 0;
    void *data = golden_read(name, end, &is);
    if (!data || is != size)
        fail_msg("%s%s: %zu bytes, wanted %zu", name, end, is, size);
    return data;
}

void golden_equal(const char *name, const float *got, const float *want,
                  int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        if (isnan(got[i]) && isnan(want[i])) continue;
        if (memcmp(&got[i], &want[i], sizeof *got) != 0)
            fail_msg("%s: element %lld is %.9g, wanted %.9g", name,
                     (long long)i, (double)got[i], (double)want[i]);
    }
}

uint32_t noise_word(uint64_t *state) {
    *state = *state * UINT64_C(6364136223846793005) + 1442695040888963407u;
    const uint64_t x = (*state ^ *state >> 29) * UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(x >> 32);
}

float noise_normal(uint64_t *state) {
    double sum = 0;
    for (int i = 0; i < 12; i++) sum += noise_word(state) * 0x1p-32;
    return (float)(sum - 6);
}
