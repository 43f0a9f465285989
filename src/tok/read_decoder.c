/* read_decoder.c - the "decoder" of tokenizer.json, as steps. */
#include <string.h>

#include "base/error.h"
#include "tok/tokenizer_json.h"
#include "tok/utf8.h"

static const char what[] = "decoder";

/* The bytes of a text are bytes already: nothing to do. */
static ar_status read_byte_level(ar_tokenizer *tok, const json_t *o,
                                 ar_error *err) {
    (void)o;
    if (!tok->byte_level)
        return error_set(err, AR_UNSUPPORTED,
                         "decoder \"ByteLevel\" without a pre_tokenizer of "
                         "that name is not supported");
    return AR_OK;
}

static bool after_fuse(const ar_tokenizer *tok) {
    return tok->n_decoders && tok->decoders[tok->n_decoders - 1].fused;
}

static ar_status add(ar_tokenizer *tok, decode_step d, ar_error *err) {
    d.fused = after_fuse(tok);
    return tokenizer_add_decoder(tok, d, err);
}

/* What looks at tokens one by one cannot come after Fuse here. */
static ar_status check_apart(const ar_tokenizer *tok, const char *type,
                             ar_error *err) {
    if (!after_fuse(tok)) return AR_OK;
    return error_set(err, AR_UNSUPPORTED,
                     "decoder \"%s\" after Fuse is not supported", type);
}

static ar_status keep_field(ar_tokenizer *tok, const json_t *o,
                            const char *name, const char *fallback,
                            const char **out, ar_error *err) {
    const char *value;
    TRY(field_text(o, what, name, &value, err));
    if (!value) value = fallback;
    if (!value || !*value)
        return error_set(err, AR_FORMAT, "decoder: no \"%s\"", name);
    return tokenizer_keep(tok, value, strlen(value), out, err);
}

static ar_status read_replace(ar_tokenizer *tok, const json_t *o,
                              ar_error *err) {
    decode_step d = {.fn = decode_replace};
    const json_t *from = json_object_get(o, "pattern");
    if (json_object_get(from, "Regex"))
        return error_set(err, AR_UNSUPPORTED,
                         "decoder \"Replace\" with a Regex is not supported");
    TRY(check_apart(tok, "Replace", err));
    TRY(keep_field(tok, from, "String", NULL, &d.from, err));
    const char *to;
    TRY(field_text(o, what, "content", &to, err));
    if (!to) to = "";
    TRY(tokenizer_keep(tok, to, strlen(to), &d.to, err));
    return add(tok, d, err);
}

static ar_status read_bytes(ar_tokenizer *tok, const json_t *o, ar_error *err) {
    (void)o;
    TRY(check_apart(tok, "ByteFallback", err));
    return add(tok, (decode_step){.fn = decode_bytes}, err);
}

static ar_status read_fuse(ar_tokenizer *tok, const json_t *o, ar_error *err) {
    (void)o;
    TRY(tokenizer_add_decoder(
        tok, (decode_step){.fn = decode_pass, .fused = true}, err));
    return AR_OK;
}

static ar_status read_strip(ar_tokenizer *tok, const json_t *o, ar_error *err) {
    decode_step d = {.fn = decode_strip};
    const json_t *start = json_object_get(o, "start"),
                 *stop = json_object_get(o, "stop");
    TRY(keep_field(tok, o, "content", NULL, &d.from, err));
    if (!json_is_integer(start) || !json_is_integer(stop))
        return error_set(err, AR_FORMAT,
                         "decoder: Strip without \"start\" and \"stop\"");
    const json_int_t a = json_integer_value(start),
                     b = json_integer_value(stop);
    if (a < 0 || b < 0 || a > ADDED_MAX_BYTES || b > ADDED_MAX_BYTES)
        return error_set(err, AR_RANGE, "decoder: Strip of %lld and %lld",
                         (long long)a, (long long)b);
    if (b && after_fuse(tok))
        return error_set(err, AR_UNSUPPORTED,
                         "decoder \"Strip\" of the end after Fuse is not "
                         "supported");
    d.start = (int)a;
    d.stop = (int)b;
    return add(tok, d, err);
}

static ar_status read_metaspace(ar_tokenizer *tok, const json_t *o,
                                ar_error *err) {
    decode_step d = {.fn = decode_metaspace};
    enum cut_prefix prefix;
    TRY(check_apart(tok, "Metaspace", err));
    TRY(metaspace_prefix(o, what, &prefix, err));
    TRY(keep_field(tok, o, "replacement", "\xE2\x96\x81", &d.from, err));
    d.prefix = prefix != PREFIX_NEVER;
    return add(tok, d, err);
}

static ar_status read_wordpiece(ar_tokenizer *tok, const json_t *o,
                                ar_error *err) {
    decode_step d = {.fn = decode_wordpiece};
    TRY(check_apart(tok, "WordPiece", err));
    TRY(keep_field(tok, o, "prefix", "##", &d.from, err));
    TRY(field_bool(o, what, "cleanup", true, &d.cleanup, err));
    return add(tok, d, err);
}

static const part_row rows[] = {
    {"ByteLevel", read_byte_level}, {"Replace", read_replace},
    {"ByteFallback", read_bytes},   {"Fuse", read_fuse},
    {"Strip", read_strip},          {"Metaspace", read_metaspace},
    {"WordPiece", read_wordpiece}};
const part_table decoder_table = {"decoder", "decoders", rows,
                                  sizeof rows / sizeof *rows};
