/* json_text.c - JSON as text, in memory of our own. */
#include "base/json_text.h"

#include "base/text.h"

static int append(const char *part, size_t n, void *ctx) {
    text *t = ctx;
    text_add(t, part, n);
    return t->failed;
}

void text_add_json(text *t, const json_t *json, size_t flags) {
    if (!json || json_dump_callback(json, append, t, flags)) t->failed = 1;
}

char *json_text(const json_t *json) {
    text t = {0};
    text_add_json(&t, json, JSON_INDENT(2));
    if (text_status(&t, NULL) == AR_OK) return t.data;
    text_close(&t);
    return NULL;
}
