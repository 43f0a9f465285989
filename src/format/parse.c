/* parse.c - JSON and names of files, with the limits that all of them share. */
#include "format/parse.h"

#include <stdint.h>
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

/* The bytes of the character at p, 0 if it is not one. */
static size_t character(const unsigned char *p, size_t n) {
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const size_t size = p[0] < 0x80   ? 1
                        : p[0] < 0xc0 ? 0
                        : p[0] < 0xe0 ? 2
                        : p[0] < 0xf0 ? 3
                        : p[0] < 0xf8 ? 4
                                      : 0;
    if (size < 2) return p[0] ? size : 0;
    if (size > n) return 0;
    uint32_t code = p[0] & (0x7fu >> size);
    for (size_t i = 1; i < size; i++) {
        if ((p[i] & 0xc0) != 0x80) return 0;
        code = code << 6 | (p[i] & 0x3fu);
    }
    if (code < least[size] || code > 0x10ffff) return 0;
    return code >= 0xd800 && code < 0xe000 ? 0 : size;
}

bool parse_is_utf8(const char *text, size_t n) {
    const unsigned char *p = (const unsigned char *)text;
    while (n) {
        const size_t size = character(p, n);
        if (!size) return false;
        p += size;
        n -= size;
    }
    return true;
}
