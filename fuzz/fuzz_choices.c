/* fuzz_choices.c - questions of `arcane eval --choices` out of any line. */
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "infer/choices.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    choices_question q;
    ar_error err;
    if (choices_read(&q, (const char *)data, size, &err) != AR_OK) return 0;
    if (q.n < 2 || q.answer < 0 || q.answer >= q.n) abort();
    for (int i = 0; i < q.n; i++)
        if (strlen(q.choice[i]) == 0) abort();
    choices_free(&q);
    return 0;
}
