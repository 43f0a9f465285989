/* read_normalizer.c - the "normalizer" of tokenizer.json. */
#include <string.h>

#include "base/error.h"
#include "tok/base64.h"
#include "tok/tokenizer_json.h"

static const char what[] = "normalizer";

#define PLAIN(name)                                                            \
    static ar_status read_##name(ar_tokenizer *tok, const json_t *o,           \
                                 ar_error *err) {                              \
        (void)o;                                                               \
        return tokenizer_add_normalizer(                                       \
            tok, (normalizer){.fn = normalize_##name}, err);                   \
    }
PLAIN(nfc)
PLAIN(nfd)
PLAIN(nfkc)
PLAIN(nfkd)
PLAIN(lowercase)
PLAIN(strip_accents)
#undef PLAIN

/* A string that has to be there, kept by the tokenizer. */
static ar_status keep_field(ar_tokenizer *tok, const json_t *o,
                            const char *name, const char **out, ar_error *err) {
    const char *value;
    TRY(field_text(o, what, name, &value, err));
    if (!value) return error_set(err, AR_FORMAT, "normalizer: no \"%s\"", name);
    return tokenizer_keep(tok, value, strlen(value), out, err);
}

static ar_status read_prepend(ar_tokenizer *tok, const json_t *o,
                              ar_error *err) {
    normalizer f = {.fn = normalize_prepend};
    TRY(keep_field(tok, o, "prepend", &f.to, err));
    return tokenizer_add_normalizer(tok, f, err);
}

static ar_status read_replace(ar_tokenizer *tok, const json_t *o,
                              ar_error *err) {
    normalizer f = {.fn = normalize_replace};
    const json_t *from = json_object_get(o, "pattern");
    const char *regex = json_string_value(json_object_get(from, "Regex"));
    TRY(keep_field(tok, o, "content", &f.to, err));
    if (regex) {
        TRY(pattern_open(&f.pattern, regex, err));
    } else {
        const char *s = json_string_value(json_object_get(from, "String"));
        if (!s || !*s)
            return error_set(err, AR_FORMAT,
                             "normalizer: Replace without a pattern");
        TRY(tokenizer_keep(tok, s, strlen(s), &f.from, err));
    }
    return tokenizer_add_normalizer(tok, f, err);
}

static ar_status read_strip(ar_tokenizer *tok, const json_t *o, ar_error *err) {
    normalizer f = {.fn = normalize_strip};
    TRY(field_bool(o, what, "strip_left", true, &f.left, err));
    TRY(field_bool(o, what, "strip_right", true, &f.right, err));
    return tokenizer_add_normalizer(tok, f, err);
}

static ar_status read_bert(ar_tokenizer *tok, const json_t *o, ar_error *err) {
    normalizer f = {.fn = normalize_bert};
    TRY(field_bool(o, what, "clean_text", true, &f.clean, err));
    TRY(field_bool(o, what, "handle_chinese_chars", true, &f.chinese, err));
    TRY(field_bool(o, what, "lowercase", true, &f.lower, err));
    TRY(field_bool(o, what, "strip_accents", f.lower, &f.accents, err));
    return tokenizer_add_normalizer(tok, f, err);
}

static ar_status read_precompiled(ar_tokenizer *tok, const json_t *o,
                                  ar_error *err) {
    normalizer f = {.fn = normalize_precompiled};
    const char *coded;
    TRY(field_text(o, what, "precompiled_charsmap", &coded, err));
    if (!coded || !*coded) return AR_OK;
    text blob = {0};
    ar_status s = base64_decode(&blob, coded, strlen(coded), err);
    const char *kept = NULL;
    if (s == AR_OK) s = tokenizer_keep(tok, blob.data, blob.size, &kept, err);
    if (s == AR_OK) s = charsmap_open(&f.map, kept, blob.size, err);
    text_close(&blob);
    TRY(s);
    return tokenizer_add_normalizer(tok, f, err);
}

static const part_row rows[] = {{"NFC", read_nfc},
                                {"NFD", read_nfd},
                                {"NFKC", read_nfkc},
                                {"NFKD", read_nfkd},
                                {"Lowercase", read_lowercase},
                                {"StripAccents", read_strip_accents},
                                {"Prepend", read_prepend},
                                {"Replace", read_replace},
                                {"Strip", read_strip},
                                {"BertNormalizer", read_bert},
                                {"Precompiled", read_precompiled}};
const part_table normalizer_table = {"normalizer", "normalizers", rows,
                                     sizeof rows / sizeof *rows};
