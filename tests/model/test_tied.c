/* test_tied.c - files of tied models that hold an output matrix besides. */
#include <stdlib.h>

#include "base/file.h"
#include "base/mem.h"
#include "model/model.h"
#include "tests/model/golden_io.h"

static char *read_golden(const char *file, size_t *size) {
    char *text;
    assert_ok(
        file_read(golden_model("llama", file), 1 << 24, &text, size, err));
    return text;
}

/* Where a tensor begins and ends. */
static char *bytes_of(char *file, const char *name, size_t *size) {
    char *at = strstr(strstr(file + 8, name), "\"data_offsets\":[");
    uint64_t header;
    assert_non_null(at);
    memcpy(&header, file, sizeof header);
    at += strlen("\"data_offsets\":[");
    const unsigned long from = strtoul(at, &at, 10);
    *size = strtoul(at + 1, NULL, 10) - from;
    return file + 8 + header + from;
}

/* The configuration says that they are one, the file has two. */
void test_tied_differs(void **state) {
    (void)state;
    const char *folder = test_folder(), *tie = "\"tie_word_embeddings\": ";
    char path[700];
    size_t size, n, k;
    char *config = read_golden("config.json", &size);
    char *at = strstr(config, tie);
    assert_non_null(at);
    memcpy(at + strlen(tie), "true ", 5); /* false before */
    snprintf(path, sizeof path, "%s/config.json", folder);
    assert_ok(file_replace(path, config, size, err));
    mem_free(config);

    ar_model *m;
    char *file = read_golden("model.safetensors", &size);
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    assert_ok(file_replace(path, file, size, err));
    assert_fails(AR_FORMAT, "tie_word_embeddings",
                 ar_model_open(&m, folder, err));
    char *head = bytes_of(file, "lm_head.weight", &n);
    char *embed = bytes_of(file, "model.embed_tokens.weight", &k);
    assert_int_equal(n, k);
    memcpy(head, embed, n);
    assert_ok(file_replace(path, file, size, err));
    assert_ok(ar_model_open(&m, folder, err));
    ar_model_close(m);
    head[n - 1] ^= 1;
    assert_ok(file_replace(path, file, size, err));
    assert_fails(AR_FORMAT, "lm_head.weight", ar_model_open(&m, folder, err));
    mem_free(file);
}
