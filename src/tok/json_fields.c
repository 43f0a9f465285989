/* json_fields.c - fields of JSON objects, and tables of kinds of parts. */
#include <string.h>

#include "base/error.h"
#include "tok/tokenizer_json.h"

ar_status field_bool(const json_t *o, const char *what, const char *name,
                     bool fallback, bool *out, ar_error *err) {
    const json_t *v = json_object_get(o, name);
    *out = v && !json_is_null(v) ? json_is_true(v) : fallback;
    if (!v || json_is_null(v) || json_is_boolean(v)) return AR_OK;
    return error_set(err, AR_FORMAT, "%s: \"%s\" is neither true nor false",
                     what, name);
}

ar_status field_text(const json_t *o, const char *what, const char *name,
                     const char **out, ar_error *err) {
    const json_t *v = json_object_get(o, name);
    *out = json_string_value(v);
    if (*out || !v || json_is_null(v)) return AR_OK;
    return error_set(err, AR_FORMAT, "%s: \"%s\" is not a string", what, name);
}

ar_status id_read(const json_t *v, const char *what, int32_t *out,
                  ar_error *err) {
    if (!json_is_integer(v))
        return error_set(err, AR_FORMAT, "the id of \"%.80s\" is no integer",
                         what);
    const json_int_t id = json_integer_value(v);
    if (id < 0 || id >= VOCAB_MAX)
        return error_set(err, AR_RANGE,
                         "the id of \"%.80s\" is %lld, not within 0 to %d",
                         what, (long long)id, VOCAB_MAX - 1);
    *out = (int32_t)id;
    return AR_OK;
}

static ar_status read_one(const part_table *t, ar_tokenizer *tok,
                          const json_t *o, ar_error *err) {
    if (!json_is_object(o))
        return error_set(err, AR_FORMAT, "%s is not an object", t->name);
    const char *type;
    TRY(field_text(o, t->name, "type", &type, err));
    for (size_t i = 0; i < t->n_rows; i++)
        if (!strcmp(type ? type : t->rows[0].type, t->rows[i].type))
            return t->rows[i].read(tok, o, err);
    return error_set(err, AR_UNSUPPORTED, "%s \"%.80s\" is not supported",
                     t->name, type ? type : "");
}

ar_status part_table_read(const part_table *t, ar_tokenizer *tok,
                          const json_t *o, ar_error *err) {
    const char *type = json_string_value(json_object_get(o, "type"));
    if (!t->list || !type || strcmp(type, "Sequence"))
        return read_one(t, tok, o, err);
    const json_t *list = json_object_get(o, t->list);
    if (!json_is_array(list))
        return error_set(err, AR_FORMAT, "%s: \"%s\" is not a list", t->name,
                         t->list);
    for (size_t i = 0; i < json_array_size(list); i++)
        TRY(read_one(t, tok, json_array_get(list, i), err));
    return AR_OK;
}

static void add_escape(text *t, unsigned char c) {
    static const char from[] = "\"\\\n\r\t\b\f", to[] = "\"\\nrtbf";
    const char *at = c ? strchr(from, c) : NULL;
    if (at)
        text_addf(t, "\\%c", to[at - from]);
    else
        text_addf(t, "\\u%04x", c);
}

void json_add_string(text *t, const char *s, size_t n) {
    text_adds(t, "\"");
    size_t done = 0;
    for (size_t i = 0; i < n; i++) {
        const unsigned char c = (unsigned char)s[i];
        if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7F) continue;
        text_add(t, s + done, i - done);
        add_escape(t, c);
        done = i + 1;
    }
    text_add(t, s + done, n - done);
    text_adds(t, "\"");
}
