/* fuzz_gguf.c - gguf_open_memory over any bytes; all that it gives is used. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "format/gguf.h"
#include "fuzz/fuzz.h"

static void use_value(const gguf_value *v) {
    int64_t x;
    double real;
    bool yes;
    gguf_string s;
    for (int64_t i = 0; i < v->count && i < 64; i++) {
        gguf_as_int(v, i, &x);
        gguf_as_real(v, i, &real);
        gguf_as_bool(v, i, &yes);
    }
    if (gguf_as_string(v, &s) && s.size > v->size) abort();
    if (!v->is_array || v->kind != GGUF_STRING) return;
    gguf_string *all = mem_new(gguf_string, v->count);
    if (!all) return;
    if (!gguf_as_strings(v, all)) abort();
    if (v->count) {
        const gguf_string *last = &all[v->count - 1];
        if (last->data + last->size != (const char *)v->data + v->size) abort();
    }
    mem_free(all);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    gguf *g;
    ar_error err = {0};
    if (gguf_open_memory(&g, data, size, "input", &err) != AR_OK) {
        if (g || !err.message[0]) abort();
        return 0;
    }
    size_t total = 0;
    for (int64_t i = 0; i < gguf_count(g); i++) {
        const tensor_view *t = gguf_get(g, i);
        const volatile uint8_t *p = t->data; /* so that it is read */
        if (t->size) (void)p[0], (void)p[t->size - 1];
        total += t->size;
        if (gguf_find_tensor(g, t->name) != t) abort();
    }
    if (total > size) abort();
    for (int64_t i = 0; i < gguf_n_values(g); i++)
        use_value(gguf_value_at(g, i));
    gguf_close(g);
    return 0;
}
