/* test_gpu_text.c - kernel text that the library carries. */
#include "backend/gpu/gpu_text.h"
#include "base/text.h"
#include "tests/test.h"

void test_gpu_text(void **state) {
    (void)state;
    int n_kernels = 0;
    for (const gpu_text *t = gpu_texts; t->name; t++) {
        text code = {0};
        const size_t n = strlen(t->name);
        if (n < 3 || strcmp(t->name + n - 3, ".cl") != 0) continue;
        n_kernels++;
        assert_ok(gpu_text_expand(t->name, &code, err));
        assert_ok(text_status(&code, err));
        assert_null(strstr(code.data, "#include"));
        assert_non_null(strstr(code.data, "KERNEL("));
        assert_non_null(strstr(code.data, "load_f")); /* of numbers.h */
        text_close(&code);
    }
    assert_true(n_kernels > 10);
    const char *prelude = gpu_text_find("backend/gpu/lang/cuda.h");
    assert_non_null(prelude);
    assert_non_null(strstr(prelude, "__global__"));
    text none = {0};
    assert_fails(AR_RANGE, "nothing.cl",
                 gpu_text_expand("nothing.cl", &none, err));
    text_close(&none);
}
