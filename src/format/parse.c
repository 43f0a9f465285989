/* parse.c - JSON of files, read with the limits that all of them share. */
#include "format/parse.h"

#include <string.h>

#include "base/error.h"

ar_status parse_json(json_t **out, const char *name, const void *text, size_t n,
                     ar_error *err) {
    json_error_t why;
    *out = json_loadb(text, n, JSON_REJECT_DUPLICATES, &why);
    if (*out) return AR_OK;
    if (json_error_code(&why) == json_error_out_of_memory || !why.text[0])
        return error_set(err, AR_NOMEM, "%s: out of memory for its JSON", name);
    return error_set(err, AR_FORMAT, "%s: not valid JSON: line %d: %s", name,
                     why.line, why.text);
}

int parse_is_plain_name(const char *name) {
    return *name && strcmp(name, ".") && strcmp(name, "..") &&
           !strpbrk(name, "/\\");
}
