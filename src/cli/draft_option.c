/* draft_option.c - how tokens are guessed ahead. */
#include "cli/draft_option.h"

#include "base/error.h"
#include "model/model.h"

ar_status draft_model_open(draft_model *out, const draft_args *a,
                           const ar_engine_options *on, ar_error *err) {
    ar_engine_options o = *on;
    *out = (draft_model){.options = ar_generate_options_default()};
    out->options.max_guesses = a->most;
    if (a->most < 0 || a->most > 16)
        return error_set(err, AR_USAGE, "--draft-max is %lld, not in 0 .. 16",
                         (long long)a->most);
    if (!a->draft) return AR_OK;
    TRY(ar_model_open(&out->m, a->draft, err));
    const int64_t n_ctx = out->m->config.n_ctx;
    o.max_sessions = 1;
    o.k_type = o.v_type = AR_NONE;
    if (!o.max_tokens || o.max_tokens > n_ctx) o.max_tokens = n_ctx;
    TRY(ar_engine_open(&out->e, out->m, &o, err));
    out->options.draft = out->e;
    return AR_OK;
}

void draft_model_close(draft_model *d) {
    ar_engine_close(d->e);
    ar_model_close(d->m);
    *d = (draft_model){0};
}
