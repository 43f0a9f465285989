/* json_text.c - JSON as text, in memory of our own. */
#include "train/json_text.h"

#include "base/text.h"

static int append(const char *part, size_t n, void *ctx) {
    text_add(ctx, part, n);
    return 0;
}

char *json_text(const json_t *json) {
    text t = {0};
    if (json && json_dump_callback(json, append, &t, JSON_INDENT(2)) == 0 &&
        text_status(&t, NULL) == AR_OK)
        return t.data;
    text_close(&t);
    return NULL;
}
