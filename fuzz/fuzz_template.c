/* fuzz_template.c - a template and, behind a NUL, its variables, out of any
 * bytes. */
#include <stdlib.h>
#include <string.h>

#include "arcane/template.h"
#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char usual[] =
        "{\"messages\":[{\"role\":\"user\",\"content\":\"a \\u00e9\"},"
        "{\"role\":\"assistant\",\"content\":null,\"n\":[1,2.5,true]}],"
        "\"tools\":null,\"bos_token\":\"<s>\"}";
    const char *source = (const char *)data, *variables = usual;
    const char *cut = size ? memchr(data, 0, size) : NULL;
    size_t n = size, n_variables = sizeof usual - 1;
    if (cut) {
        n = (size_t)(cut - source);
        variables = cut + 1;
        n_variables = size - n - 1;
    }
    ar_template *t;
    ar_error err = {0};
    if (ar_template_open(&t, "t", source, n, &err) != AR_OK) {
        if (t || !err.message[0]) abort();
        return 0;
    }
    ar_template_result r;
    const ar_status s =
        ar_template_render(t, variables, n_variables, NULL, &r, &err);
    if (s == AR_OK ? !r.text || r.text[r.size] || r.raised
                   : r.text || !err.message[0])
        abort();
    for (size_t i = 0; i < r.n_spans; i++)
        if (r.spans[i][0] > r.spans[i][1]) abort();
    ar_template_result_close(&r);
    ar_template_close(t);
    return 0;
}
