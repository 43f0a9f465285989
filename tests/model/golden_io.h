/* golden_io.h - reading what an independent implementation recorded. */
#ifndef TESTS_GOLDEN_IO_H
#define TESTS_GOLDEN_IO_H

#include <jansson.h>

#include "tests/test.h"

/* tests/golden/models/NAME/FILE in a static buffer. */
static inline const char *golden_model(const char *name, const char *file) {
    char path[256];
    snprintf(path, sizeof path, "models/%s%s%s", name, file[0] ? "/" : "",
             file);
    return test_golden(path);
}

static inline json_t *golden_json(const char *path) {
    json_error_t e;
    json_t *j = json_load_file(path, 0, &e);
    if (!j) fail_msg("%s: %s", path, e.text);
    return j;
}

/* At most `most` numbers of a list; how many there are. */
static inline int64_t golden_ids(const json_t *list, int32_t *out,
                                 int64_t most) {
    const int64_t n = (int64_t)json_array_size(list);
    assert_true(n > 0 && n <= most);
    for (int64_t i = 0; i < n; i++)
        out[i] = (int32_t)json_integer_value(json_array_get(list, (size_t)i));
    return n;
}

/* x [n] against a list of numbers of 9 digits. */
static inline void golden_compare(const json_t *list, const double *x,
                                  double tolerance) {
    for (size_t i = 0; i < json_array_size(list); i++) {
        const double want = json_number_value(json_array_get(list, i));
        if (!(fabs(x[i] - want) <= tolerance + 5.1e-9 * fabs(want)))
            fail_msg("element %zu is %.12g, wanted %.12g within %g", i, x[i],
                     want, tolerance);
    }
}

#endif
