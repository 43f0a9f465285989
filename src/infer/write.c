/* write.c - a text that goes on until something ends it. */
#include <string.h>

#include "arcane/generate.h"
#include "base/error.h"
#include "infer/engine_state.h"
#include "infer/stop_text.h"

typedef struct writer {
    ar_generator *g;
    ar_write_options o;
    int32_t ends[AR_MODEL_ENDS]; /* where the caller gives none */
    ar_sampler *greedy;          /* where the caller gives none */
    ar_tokenizer_stream *stream; /* both NULL without a tokenizer */
    stop_text *stop;
    ar_write_result result;
} writer;

ar_write_options ar_write_options_default(void) {
    return (ar_write_options){.flags = AR_MIDDLE};
}

static ar_status open_greedy(writer *w, ar_error *err) {
    ar_sample_options o = ar_sample_options_default();
    const model_config *c = &generator_session(w->g)->e->m->config;
    o.temperature = 0;
    TRY(ar_sampler_open(&w->greedy, &o, c->n_vocab, 0, err));
    w->o.sampler = w->greedy;
    return AR_OK;
}

static ar_status open_all(writer *w, ar_error *err) {
    ar_write_options *o = &w->o;
    if (o->n_stops && !o->tokenizer)
        return error_set(err, AR_RANGE, "stop strings need a tokenizer");
    if (o->n_ends && !o->ends)
        return error_set(err, AR_RANGE,
                         "%d tokens end a text, but none is "
                         "given",
                         o->n_ends);
    if (!o->ends) {
        o->ends = w->ends;
        o->n_ends = ar_model_ends(generator_session(w->g)->e->m, o->tokenizer,
                                  false, w->ends);
    }
    if (!o->sampler) TRY(open_greedy(w, err));
    if (!o->tokenizer) return AR_OK;
    TRY(stop_text_open(&w->stop, o->stops, o->n_stops, err));
    return ar_tokenizer_stream_open(&w->stream, o->tokenizer, o->flags, err);
}

static void close_all(writer *w) {
    if (w->o.mask && w->o.sampler) ar_sampler_allow(w->o.sampler, NULL);
    ar_sampler_close(w->greedy);
    ar_tokenizer_stream_close(w->stream);
    stop_text_close(w->stop);
}

static void end(writer *w, ar_write_end why) {
    if (w->result.end == AR_END_LENGTH) w->result.end = why;
}

/* Text that is sure now. */
static void give(writer *w, const char *p, size_t n) {
    if (n && w->o.on_text && !w->o.on_text(w->o.ctx, p, n))
        end(w, AR_END_CALLER);
}

/* The next piece of text, which may end in a stop. */
static ar_status add_text(writer *w, const char *p, size_t n, ar_error *err) {
    const char *out;
    size_t n_out;
    TRY(stop_text_add(w->stop, p, n, &out, &n_out, err));
    const char *found = stop_text_found(w->stop);
    if (found) end(w, AR_END_STOP);
    for (int i = 0; i < w->o.n_stops && found && !w->result.stop; i++)
        if (!strcmp(w->o.stops[i], found)) w->result.stop = w->o.stops[i];
    give(w, out, n_out);
    return AR_OK;
}

static bool is_end(const writer *w, int32_t id) {
    for (int i = 0; i < w->o.n_ends; i++)
        if (w->o.ends[i] == id) return true;
    return false;
}

/* The next token; none where the text is over. */
static ar_status next_token(writer *w, int32_t *id, ar_error *err) {
    ar_grammar_mask *mask = w->o.mask;
    const uint64_t *bits = NULL;
    if (mask && ar_grammar_mask_is_over(mask)) {
        end(w, AR_END_GRAMMAR);
        return AR_OK;
    }
    if (mask) TRY(ar_grammar_mask_allowed(mask, &bits, err));
    ar_sampler_allow(w->o.sampler, bits);
    TRY(ar_generator_next(w->g, w->o.sampler, id, err));
    if (is_end(w, *id)) {
        end(w, AR_END_TOKEN);
        return AR_OK;
    }
    return mask ? ar_grammar_mask_accept(mask, *id, err) : AR_OK;
}

static ar_status take_token(writer *w, int32_t id, ar_error *err) {
    const char *p;
    size_t n;
    w->result.n++;
    if (w->o.on_token && !w->o.on_token(w->o.ctx, id)) end(w, AR_END_CALLER);
    if (w->stream) {
        TRY(ar_tokenizer_stream_add(w->stream, id, &p, &n, err));
        TRY(add_text(w, p, n, err));
    }
    if (w->o.cancel && *w->o.cancel) end(w, AR_END_CALLER);
    return AR_OK;
}

/* What was held back as the start of a character or of a stop. */
static ar_status finish(writer *w, ar_error *err) {
    const char *p;
    size_t n;
    if (w->o.mask && ar_grammar_mask_is_over(w->o.mask))
        end(w, AR_END_GRAMMAR); /* by the last token that was asked for */
    if (!w->stream) return AR_OK;
    TRY(ar_tokenizer_stream_end(w->stream, &p, &n, err));
    TRY(add_text(w, p, n, err));
    stop_text_end(w->stop, &p, &n);
    give(w, p, n);
    return AR_OK;
}

static ar_status write_text(writer *w, ar_error *err) {
    int64_t n, most;
    ar_generator_text(w->g, &n);
    most = generator_session(w->g)->e->m->config.n_ctx + 1 - n;
    TRY(open_all(w, err));
    if (w->o.n > 0 && w->o.n < most) most = w->o.n;
    for (n = 0; n < most && w->result.end == AR_END_LENGTH; n++) {
        int32_t id;
        TRY(next_token(w, &id, err));
        if (w->result.end == AR_END_LENGTH) TRY(take_token(w, id, err));
    }
    return finish(w, err);
}

ar_status ar_generator_write(ar_generator *g, const ar_write_options *o,
                             ar_write_result *out, ar_error *err) {
    writer w = {.g = g, .o = o ? *o : ar_write_options_default()};
    const ar_status s = write_text(&w, err);
    close_all(&w);
    if (s == AR_OK && out) *out = w.result;
    return s;
}
