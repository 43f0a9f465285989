/* fuzz_tokenizer.c - tokenizer.json or tekken.json from any bytes, then used.
 */
#include "fuzz/fuzz.h"
#include "fuzz/use_tokenizer.h"
#include "tok/file_kinds.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    ar_tokenizer *tok;
    ar_error err = {0};
    if (read_json(&tok, (const char *)data, size, &err) == AR_OK)
        use_tokenizer(tok, data, size);
    else if (tok || !err.message[0])
        abort();
    ar_tokenizer_close(tok);
    return 0;
}
