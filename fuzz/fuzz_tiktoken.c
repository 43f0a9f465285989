/* fuzz_tiktoken.c - ranks from any bytes, then used.  What is in front of a
 * NUL is spec.json; without one there is a usual one. */
#include "fuzz/fuzz.h"
#include "fuzz/use_tokenizer.h"
#include "tok/file_kinds.h"

static const char usual[] =
    "{\"pat_str\":\"'(?i:[sdmt])|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?+\\\\p{L}++|"
    "\\\\p{N}{1,3}+|\\\\s++$|\\\\s\",\"special_tokens\":{\"<s>\":300}}";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const uint8_t *nul = size ? memchr(data, 0, size) : NULL;
    json_t *spec =
        nul ? json_loadb((const char *)data, (size_t)(nul - data), 0, NULL)
            : json_loads(usual, 0, NULL);
    if (!spec) return 0;
    const uint8_t *ranks = nul ? nul + 1 : data;
    ar_tokenizer *tok;
    ar_error err = {0};
    if (read_tiktoken(&tok, (const char *)ranks, size - (size_t)(ranks - data),
                      spec, &err) == AR_OK)
        use_tokenizer(tok, data, size);
    else if (tok || !err.message[0])
        abort();
    ar_tokenizer_close(tok);
    json_decref(spec);
    return 0;
}
