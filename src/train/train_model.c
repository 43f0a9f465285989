/* train_model.c - the model that settings describe. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json_text.h"
#include "base/mem.h"
#include "train/train.h"

/* config.json in the folder of model.init, if it is a folder that has one. */
static bool init_config(const settings *s, char *path, size_t size) {
    return s->init[0] && file_is_folder(s->init) &&
           file_join(path, size, s->init, "config.json", NULL) == AR_OK &&
           file_exists(path);
}

static ar_status parse_config(model_config *out, const json_t *json,
                              ar_error *err) {
    char *text = json_text(json);
    if (!text) return error_set(err, AR_NOMEM, "out of memory");
    const ar_status status = config_parse(out, text, strlen(text), err);
    mem_free(text);
    return status == AR_OK ? AR_OK : error_prefix(err, status, "model.config");
}

ar_status train_model_of(settings *s, model_config *out, int64_t n_vocab,
                         ar_error *err) {
    char path[4096];
    bool fixed = true;
    if (s->config) {
        TRY(parse_config(out, s->config, err));
    } else if (init_config(s, path, sizeof path)) {
        TRY(config_read(out, path, err));
        config_unpack(out);
    } else {
        fixed = false;
        TRY(config_preset(out, s->preset, err));
        if (!n_vocab) n_vocab = s->vocab;
    }
    if (fixed && n_vocab > out->n_vocab)
        return error_set(err, AR_RANGE,
                         "the tokenizer has %" PRId64 " entries, the model's "
                         "vocabulary only %" PRId64,
                         n_vocab, out->n_vocab);
    if (!fixed && n_vocab) {
        out->n_vocab = n_vocab;
        if (out->bos >= n_vocab) out->bos = -1;
        if (out->eos >= n_vocab) out->eos = -1;
    }
    TRY(config_check(out, err));
    if (!s->seq) s->seq = out->n_ctx;
    return optim_resolve(s, out, err);
}
