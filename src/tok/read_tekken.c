/* read_tekken.c - Mistral's tekken.json.
 *
 * "config" has the pattern, how many ids there are and how many of them, the
 * first, are special; "vocab" has tokens by rank, of which those that do not
 * fit any more are not used. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "tok/file_kinds.h"
#include "tok/rank_list.h"
#include "tok/tokenizer_json.h"

/* The special tokens of files that do not list them. */
static const char *const usual[] = {
    "<unk>",
    "<s>",
    "</s>",
    "[INST]",
    "[/INST]",
    "[AVAILABLE_TOOLS]",
    "[/AVAILABLE_TOOLS]",
    "[TOOL_RESULTS]",
    "[/TOOL_RESULTS]",
    "[TOOL_CALLS]",
    "[IMG]",
    "<pad>",
    "[IMG_BREAK]",
    "[IMG_END]",
    "[PREFIX]",
    "[MIDDLE]",
    "[SUFFIX]",
    "[SYSTEM_PROMPT]",
    "[/SYSTEM_PROMPT]",
    "[TOOL_CONTENT]",
};
enum { N_USUAL = sizeof usual / sizeof *usual, MAX_SPECIAL = 1 << 16 };

static ar_status read_size(const json_t *config, const char *name, int64_t most,
                           int64_t *out, ar_error *err) {
    const json_t *v = json_object_get(config, name);
    *out = json_is_integer(v) ? json_integer_value(v) : -1;
    if (*out >= 0 && *out <= most) return AR_OK;
    return error_set(err, AR_FORMAT, "config: \"%s\" is not within 0 to %lld",
                     name, (long long)most);
}

static ar_status read_listed(rank_list *r, const json_t *list, int64_t n,
                             ar_error *err) {
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *o = json_array_get(list, i), *id;
        const char *name = json_string_value(json_object_get(o, "token_str"));
        id = json_object_get(o, "rank");
        if (!name || !json_is_integer(id) || json_integer_value(id) >= n)
            return error_set(err, AR_FORMAT,
                             "special token %zu lacks a name or a rank below "
                             "%lld",
                             i, (long long)n);
        TRY(rank_list_add_special(r, name, strlen(name), json_integer_value(id),
                                  err));
    }
    return AR_OK;
}

/* Names for the special ids that have none. */
static ar_status fill_special(rank_list *r, bool listed, int64_t n,
                              ar_error *err) {
    for (int64_t id = 0; id < n; id++) {
        char name[40];
        snprintf(name, sizeof name, "<SPECIAL_%lld>", (long long)id);
        if (vocab_has(&r->tok->vocab, (int32_t)id)) continue;
        const char *given = !listed && id < N_USUAL ? usual[id] : name;
        TRY(rank_list_add_special(r, given, strlen(given), id, err));
    }
    return AR_OK;
}

static ar_status read_vocab(rank_list *r, const json_t *list, int64_t n,
                            ar_error *err) {
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *o = json_array_get(list, i),
                     *rank = json_object_get(o, "rank");
        const char *coded =
            json_string_value(json_object_get(o, "token_bytes"));
        if (!coded || !json_is_integer(rank))
            return error_set(err, AR_FORMAT,
                             "vocab: entry %zu lacks token_bytes or a rank", i);
        if (json_integer_value(rank) >= n) continue;
        TRY(rank_list_add(r, coded, strlen(coded), json_integer_value(rank),
                          err));
    }
    return AR_OK;
}

static void set_marks(ar_tokenizer *tok) {
    tok->bos = tokenizer_added_id(tok, "<s>");
    tok->eos = tokenizer_added_id(tok, "</s>");
    if (tok->bos >= 0) tok->before[tok->n_before++] = tok->bos;
}

static ar_status read_all(rank_list *r, const json_t *root, int64_t n_special,
                          int64_t n_all, ar_error *err) {
    const json_t *listed = json_object_get(root, "special_tokens");
    const bool given = json_is_array(listed);
    r->first_id = (int32_t)n_special;
    if (given) TRY(read_listed(r, listed, n_special, err));
    TRY(fill_special(r, given, n_special, err));
    TRY(read_vocab(r, json_object_get(root, "vocab"), n_all - n_special, err));
    set_marks(r->tok);
    return AR_OK;
}

ar_status read_tekken(ar_tokenizer **out, const json_t *root, ar_error *err) {
    *out = NULL;
    const json_t *config = json_object_get(root, "config");
    const char *source;
    int64_t n_special, n_all;
    TRY(field_text(config, "config", "pattern", &source, err));
    if (!source)
        return error_set(err, AR_FORMAT, "config: there is no \"pattern\"");
    TRY(read_size(config, "default_num_special_tokens", MAX_SPECIAL, &n_special,
                  err));
    TRY(read_size(config, "default_vocab_size", VOCAB_MAX, &n_all, err));
    rank_list r;
    ar_status s = rank_list_open(
        &r, source, (size_t)n_special,
        (size_t)n_special + json_array_size(json_object_get(root, "vocab")),
        err);
    if (s == AR_OK) s = read_all(&r, root, n_special, n_all, err);
    if (s == AR_OK) s = rank_list_finish(&r, out, err);
    rank_list_close(&r);
    return s;
}
