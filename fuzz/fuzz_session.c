/* fuzz_session.c - session_image_read over any bytes; where only the checksum
 * is wrong, once more with the right one. */
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "infer/session_file.h"

static void use(const session_image *m, const uint8_t *data, size_t size) {
    const unsigned char *end = data + size;
    if (m->n_ready > m->n_text || m->n_layers > MAX_LAYERS) abort();
    for (int64_t l = 0; l < m->n_layers; l++) {
        const session_layer *x = &m->layer[l];
        const size_t n = (size_t)(m->n_ready - x->first);
        if (x->k < data || n * x->k_row > (size_t)(end - x->k)) abort();
        if (x->v < data || n * x->v_row > (size_t)(end - x->v)) abort();
    }
    for (int64_t i = 0, last = 0, at; i < m->n_states; i++, last = at) {
        const unsigned char *p = session_image_state(m, i, &at);
        if (at <= last || at > m->n_ready) abort();
        if (p < data || m->state_size > (size_t)(end - p)) abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static session_image m;
    ar_error err = {0};
    ar_status s = session_image_read(&m, data, size, &err);
    if (s != AR_OK && !err.message[0]) abort();
    if (s == AR_OK) use(&m, data, size);
    if (s == AR_OK || !strstr(err.message, "checksum")) return 0;
    uint8_t *copy = malloc(size);
    if (!copy) return 0;
    memcpy(copy, data, size);
    const uint64_t sum = session_sum_of(copy, size - sizeof sum);
    memcpy(copy + size - sizeof sum, &sum, sizeof sum);
    if (session_image_read(&m, copy, size, &err) != AR_OK) abort();
    use(&m, copy, size);
    free(copy);
    return 0;
}
